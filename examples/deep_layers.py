"""L layers: more layers for spirals, the notes' step-by-step functions, and one of their parameters as a network.

    python examples/deep_layers.py --out pictures

A small start of 0.01 randn is multiplied layer by layer and vanishes in deep networks; randn / sqrt(n_in) keeps the
size of the signal, which is why the notes' L_layer_model starts from it and not from what the steps before it use.
"""

from __future__ import annotations

from functools import partial

import kit
import numpy as np

import fastnn
from fastnn.course import deep

SHAPES: tuple[tuple[int, ...], ...] = ((2, 16, 1), (2, 16, 16, 1), (2, 16, 16, 16, 1), (2, 16, 16, 16, 16, 16, 1))


def output(parameters: dict[str, kit.Array], grid: kit.Array) -> kit.Array:
    return deep.L_model_forward(grid, parameters)[0]


def main() -> None:
    options = kit.options(__doc__)
    X, Y = kit.spirals(200 if options.quick else 400)
    iterations = 200 if options.quick else 5000
    figure, axes = kit.panels(2, 3, 4.2, 3.8)
    curves: dict[str, list[float]] = {}
    for ax, dims in zip([*axes[0], axes[1, 0]], SHAPES, strict=True):
        parameters, costs = deep.L_layer_model(X, Y, dims, 0.1, iterations, seed=3)
        right = 100 * np.mean((output(parameters, X) > 0.5) == Y)
        name = "-".join(map(str, dims))
        curves[name] = costs
        print(f"{name:20s} cost {costs[-1]:.3f}, accuracy {right:.1f} %")
        kit.regions(ax, partial(output, parameters), X, Y, f"{name}: {right:.0f} %")
    net = fastnn.Network.from_parameters(parameters)
    same = np.abs(net.predict(X.T).T - output(parameters, X)).max()
    print(f"Network.from_parameters gives the same outputs to {same:.0e}")

    spread = axes[1, 1]
    rng = np.random.default_rng(0)
    dims = (100,) * 11
    starts = ("0.01 randn", 0.01, "o--"), ("randn / sqrt(n_in)", "fan_in", "s-."), ("He", "he", "^-")
    for label, scale, style in starts:
        _, caches = deep.L_model_forward(
            rng.standard_normal((100, 200)), deep.initialize_parameters_deep(dims, scale, seed=1), output="relu"
        )
        sizes = [float(np.sqrt(np.mean(Z**2))) for _, Z in caches]
        spread.semilogy(range(1, 11), sizes, style, label=label)
        print(f"ten ReLU layers of 100, {label}: |Z| falls from {sizes[0]:.2g} to {sizes[-1]:.2g}")
    spread.set(xlabel="layer", ylabel="root mean square of Z", title="What reaches a layer at the start")
    spread.legend(frameon=False)
    for (name, costs), style in zip(curves.items(), ("-", "--", "-.", ":"), strict=True):
        axes[1, 2].plot(100 * np.arange(len(costs)), costs, style, label=name)
    axes[1, 2].set(xlabel="iteration", ylabel="cost", title="Cost", ylim=(0, None))
    axes[1, 2].legend(frameon=False)
    options.save(figure, "deep_layers.png")


if __name__ == "__main__":
    main()

"""Zero against random initial values: units that start equal stay equal; too large a start saturates.

python examples/initial_values.py --out pictures
"""

from __future__ import annotations

from functools import partial

import kit
import numpy as np

from fastnn.course import planar, tuning


def output(parameters: dict[str, kit.Array], grid: kit.Array) -> kit.Array:
    return tuning.forward_propagation(grid, parameters)[0]


def main() -> None:
    options = kit.options(__doc__)
    X, Y = kit.circles(200 if options.quick else 400)
    iterations = 200 if options.quick else 4000
    dims = [2, 10, 5, 1]
    figure, axes = kit.panels(1, 4, 4.2, 3.8)
    curves = {}
    for ax, name in zip(axes[0], ("zeros", "random", "he"), strict=False):
        parameters, costs = tuning.model(
            X, Y, dims, learning_rate=0.05, num_epochs=iterations, initialization=name, seed=3
        )
        right, spread = 100 * np.mean((output(parameters, X) > 0.5) == Y), np.ptp(parameters["W1"], axis=0).max()
        label = {"zeros": "zeros", "random": "10 randn", "he": "He, sqrt(2 / n_in) randn"}[name]
        print(f"{label:25s} cost {costs[0]:.3f} to {costs[-1]:.3f}, accuracy {right:.1f} %, rows of W1 differ by up to "
              f"{spread:.2f}")  # fmt: skip
        curves[label] = costs
        kit.regions(ax, partial(output, parameters), X, Y, f"{label}: {right:.0f} %")
        if name == "zeros":
            equal = all((parameters[key] == parameters[key][:1]).all() for key in ("W1", "b1", "W2", "b2"))
            print(f"after training from zeros, all hidden units equal: {equal}")

    constant = {"W1": np.full((4, 2), 0.5), "b1": np.zeros((4, 1)), "W2": np.full((1, 4), 0.5), "b2": np.zeros((1, 1))}
    for _ in range(50):
        _, cache = planar.forward_propagation(X, constant)
        constant = planar.update_parameters(constant, planar.backward_propagation(constant, cache, X, Y), 0.5)
    print(f"from 0.5 everywhere, too: the four units have W1 =\n{constant['W1'].round(4)}")
    for (label, costs), style in zip(curves.items(), ("--", "-.", "-"), strict=True):
        axes[0, 3].plot(100 * np.arange(len(costs)), costs, style, linewidth=2, label=label)
    axes[0, 3].set(xlabel="iteration", ylabel="cost", title="Cost", ylim=(0, 1.5))
    axes[0, 3].legend(frameon=False)
    options.save(figure, "initial_values.png")


if __name__ == "__main__":
    main()

"""The bias as a threshold: a neuron fires where w x exceeds -b; without it every boundary passes through the origin.

python examples/bias_threshold.py --out pictures
"""

from __future__ import annotations

import kit
import numpy as np

import fastnn
from fastnn import functional


def main() -> None:
    options = kit.options(__doc__)
    m, epochs = (100, 20) if options.quick else (400, 300)
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 4, (m, 2))
    y = (x.sum(axis=1) + rng.normal(0, 0.3, m) > 5).astype(int)
    nets = {}
    for bias in (False, True):
        net = fastnn.Network([2, 1], output="sigmoid", bias=bias, init="zeros", dtype="float64", seed=0)
        net.fit(x, y, epochs=epochs, batch_size=None, optimizer=fastnn.Adam(0.1))
        nets[bias] = net
        print(f"{'with' if bias else 'without'} bias: accuracy {100 * net.evaluate(x, y)['accuracy']:.1f} %")
    w, b = nets[True].weights[0][:, 0], float(nets[True].biases[0][0])
    print(f"the neuron fires where {w[0]:.2f} x1 + {w[1]:.2f} x2 > {-b:.2f}: the threshold is -b; x1 + x2 > "
          f"{-b / w.mean():.2f} (5 was drawn)")  # fmt: skip

    figure, axes = kit.panels(1, 3, 4.6, 4.2)
    z = np.linspace(-6, 6, 300)
    for b, style, colour in ((-3.0, "-", "#0072B2"), (0.0, "--", "#555555"), (3.0, "-.", "#D55E00")):
        axes[0, 0].plot(z, functional.sigmoid(z + b), style, color=colour, label=f"b = {b:g}: fires above {0 - b:g}")
        axes[0, 0].plot(-b, 0.5, "o", color=colour)
    axes[0, 0].set(xlabel="w x", ylabel="sigmoid(w x + b)", title="The bias moves the threshold", ylim=(-0.02, 1.25))
    axes[0, 0].legend(frameon=False, loc="upper left", fontsize=10)
    for ax, bias in zip(axes[0, 1:], (False, True), strict=True):
        right = 100 * nets[bias].evaluate(x, y)["accuracy"]
        title = f"{'With' if bias else 'Without'} bias: {right:.0f} %"
        kit.regions(ax, lambda grid, net=nets[bias]: net.predict(grid.T), x.T, y, title)  # type: ignore[misc]
        ax.plot(0, 0, "k+", markersize=12)
    options.save(figure, "bias_threshold.png")


if __name__ == "__main__":
    main()

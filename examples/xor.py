"""XOR: no line separates it, two hidden units can, and not every start finds them.

    python examples/xor.py --out pictures

Notes that say gradient descent reaches "the global minimum" are wrong here: of many starts, some stay at 2 or 3 of 4.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import kit
import numpy as np

import fastnn
from fastnn.course import logistic

X = np.array([[0.0, 0.0, 1.0, 1.0], [0.0, 1.0, 0.0, 1.0]])
Y = np.array([[0, 1, 1, 0]])


def train(units: int, seed: int, epochs: int) -> fastnn.Network:
    net = fastnn.Network([2, units, 1], activation="tanh", output="sigmoid", dtype="float64", seed=seed)
    net.fit(X.T, Y[0], epochs=epochs, batch_size=None, optimizer=fastnn.Adam(0.05))
    return net


def columns(net: fastnn.Network, grid: kit.Array) -> kit.Array:
    return net.predict(grid.T).T


def line(params: dict[str, Any], grid: kit.Array) -> kit.Array:
    return logistic.sigmoid(params["w"].T @ grid + params["b"])


def main() -> None:
    options = kit.options(__doc__)
    seeds, epochs = (range(4), 300) if options.quick else (range(50), 500)
    params, _, _ = logistic.optimize(np.zeros((2, 1)), 0.0, X, Y, 1000, 0.5)
    print(f"logistic regression: every output {line(params, X)[0].round(3).tolist()}")
    nets: dict[int, fastnn.Network] = {}
    for units in (2, 3, 8):
        right = []
        for seed in seeds:
            net = train(units, seed, epochs)
            right.append(int((net.classify(X.T) == Y[0]).sum()))
            if right[-1] == 4:
                nets.setdefault(units, net)
        print(f"{units} hidden units: 4 of 4 from {right.count(4)} of {len(right)} starts, worst {min(right)} of 4")
    net = nets[max(nets)]
    print("outputs of", net.sizes, columns(net, X).round(3)[0].tolist())

    figure, axes = kit.panels(1, 3, 4.4, 4.2)
    kit.regions(
        axes[0, 0],
        lambda grid: logistic.sigmoid(params["w"].T @ grid + params["b"]),
        X,
        Y,
        "One neuron: always 1/2",
        13,
    )
    shown = nets.get(2, net)
    kit.regions(axes[0, 1], partial(columns, shown), X, Y, f"{shown.sizes[1]} hidden units: 4 of 4", 13)
    hidden = shown.forward(X.T)[0][:, :2].T
    ax = axes[0, 2]
    for (x, y), label, target, (a, b) in zip(hidden.T, X.T, Y[0], ((0, 14), (0, 14), (0, -22), (0, -24)), strict=True):
        ax.plot(x, y, "^" if target else "o", color="#b34700" if target else "#1f3b73", markersize=13)
        ax.annotate(f"({label[0]:.0f}, {label[1]:.0f})", (x, y), (a, b), textcoords="offset points", ha="center")
    ax.set(xlabel="hidden unit 1", ylabel="hidden unit 2", title="What the hidden layer makes of them",
           xlim=(-1.35, 1.35), ylim=(-1.5, 1.35))  # fmt: skip
    options.save(figure, "xor.png")


if __name__ == "__main__":
    main()

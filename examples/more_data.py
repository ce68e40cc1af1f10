"""Accuracy against the amount of data, for small, medium and large networks and a traditional model.

    python examples/more_data.py --out pictures

The picture that the notes draw by hand: with little data all are alike, with much of it the larger networks go on
learning where the linear model (softmax regression) stops.  Every model gets about the same number of steps.
"""

from __future__ import annotations

import kit
import numpy as np

import fastnn

MODELS: dict[str, list[int]] = {
    "linear (softmax regression)": [],
    "small, 8 units": [8],
    "medium, 32 units": [32],
    "large, 128-64 units": [128, 64],
}  # fmt: skip


def main() -> None:
    options = kit.options(__doc__)
    try:
        data = fastnn.datasets.load_mnist()
    except FileNotFoundError:
        print("MNIST is not under FASTNN_DATA: taking the bundled digits.")
        data = fastnn.datasets.load_digits()
    steps = 200 if options.quick else 1900
    amounts = (100, 300, 1000, 3000, 10_000, 30_000, 60_000)
    sizes = [n for n in amounts if n <= len(data.X_train)][:: 2 if options.quick else 1]
    order = np.random.default_rng(0).permutation(len(data.X_train))
    figure, axes = kit.panels(1, 1, 7.2, 5.0)
    ax = axes[0, 0]
    for (name, hidden), style in zip(MODELS.items(), ("k--x", "^-.", "s-", "o-"), strict=True):
        accuracy = []
        for n in sizes:
            rows = order[:n]
            net = fastnn.Network([784, *hidden, 10], output="softmax", seed=0)
            epochs = max(1, round(steps * 64 / n))
            net.fit(data.X_train[rows], data.y_train[rows], epochs=epochs, batch_size=64, seed=0,
                    optimizer=fastnn.Adam(fastnn.schedules.Cosine(0.001)))  # fmt: skip
            accuracy.append(100 * net.evaluate(data.X_test, data.y_test)["accuracy"])
        print(f"{name:28s}", ", ".join(f"{n}: {a:.1f} %" for n, a in zip(sizes, accuracy, strict=True)))
        ax.semilogx(sizes, accuracy, style, label=name, linewidth=2)
    ax.set(xlabel="training images", ylabel="test accuracy, %", title="More data helps larger networks more")
    ax.set_xticks(sizes, [f"{n:,}" for n in sizes])
    ax.minorticks_off()
    ax.grid(alpha=0.3)
    ax.legend(frameon=False, loc="lower right")
    options.save(figure, "more_data.png")


if __name__ == "__main__":
    main()

"""Hyperparameters swept: learning rate, batch size, hidden units, layers, optimiser, L2 and dropout.

    python examples/hyperparameters.py --out pictures

784-...-10 on digits (a fifth of MNIST where it is under FASTNN_DATA), one setting changed at a time.
"""

from __future__ import annotations

import time
from typing import Any

import kit
import numpy as np

import fastnn
from fastnn.datasets import Dataset

BASE: dict[str, Any] = {
    "rate": 0.1,
    "batch": 32,
    "units": 32,
    "layers": 1,
    "optimizer": "sgd",
    "l2": 0.0,
    "dropout": 0.0,
}
SWEEPS: dict[str, tuple[Any, ...]] = {
    "rate": (0.001, 0.01, 0.1, 0.5, 2.0, 8.0),
    "batch": (4, 16, 32, 128, 512, 2048),
    "units": (2, 4, 8, 16, 32, 128),
    "layers": (0, 1, 2, 3, 5),
    "optimizer": ("sgd", "momentum", "nesterov", "rmsprop", "adam"),
    "l2": (0.0, 1e-4, 1e-3, 1e-2, 1e-1),
    "dropout": (0.0, 0.1, 0.3, 0.5, 0.8),
}
TITLES = {"rate": "learning rate", "batch": "batch size", "units": "hidden units", "layers": "hidden layers"}


def load() -> Dataset:
    try:
        data = fastnn.datasets.load_mnist()
        return data._replace(X_train=data.X_train[:12_000], y_train=data.y_train[:12_000])
    except FileNotFoundError:
        print("MNIST is not under FASTNN_DATA: taking the bundled digits.")
        return fastnn.datasets.load_digits()


def errors(data: Dataset, epochs: int, **changed: Any) -> tuple[float, float]:
    """Return the training and the test error in per cent; 90 where the fit diverged."""
    s = BASE | changed
    optimizer = {
        "sgd": fastnn.SGD(s["rate"]), "momentum": fastnn.SGD(s["rate"] / 5, momentum=0.9),
        "nesterov": fastnn.SGD(s["rate"] / 5, momentum=0.9, nesterov=True), "rmsprop": fastnn.RMSprop(0.001),
        "adam": fastnn.Adam(0.002),
    }[s["optimizer"]]  # fmt: skip
    net = fastnn.Network([784, *[s["units"]] * s["layers"], 10], output="softmax", seed=0)
    try:
        net.fit(data.X_train, data.y_train, epochs=epochs, batch_size=s["batch"], optimizer=optimizer, l2=s["l2"],
                dropout=s["dropout"] if s["layers"] else 0.0, seed=0)  # fmt: skip
    except fastnn.DivergenceError as error:
        print(f"  {changed}: {error}")
        return 90.0, 90.0
    rows = (data.X_train, data.y_train), (data.X_test, data.y_test)
    train, test = (100 * (1 - net.evaluate(*pair)["accuracy"]) for pair in rows)
    return train, test


def main() -> None:
    options = kit.options(__doc__)
    data = load()
    epochs = 1 if options.quick else 8
    began = time.perf_counter()
    figure, axes = kit.panels(2, 4, 3.7, 3.5)
    axes[1, 3].axis("off")
    for ax, (name, values) in zip(axes.flat, SWEEPS.items(), strict=False):
        values = values[:: 3 if options.quick else 1]
        found = np.array([errors(data, epochs, **{name: value}) for value in values])
        best = values[int(found[:, 1].argmin())]
        told = ", ".join(f"{value}: {error:.1f}" for value, error in zip(values, found[:, 1], strict=True))
        print(f"{TITLES.get(name, name):14s} test error in %: {told}; best {best}")
        ax.plot(range(len(values)), found[:, 1], "o-", color="#0072B2", label="test")
        ax.plot(range(len(values)), found[:, 0], "s--", color="#D55E00", label="training")
        names = [value if isinstance(value, str) else f"{value:g}" for value in values]
        ax.set_xticks(range(len(values)), names, rotation=30 if name == "optimizer" else 0)
        ax.set(title=TITLES.get(name, name), yscale="log", ylim=(0.5, 100))
        ax.set_yticks([1, 3, 10, 30, 100], ["1", "3", "10", "30", "100"])
        ax.minorticks_off()
        ax.grid(alpha=0.3)
    for row in axes:
        row[0].set_ylabel("error, %")
    axes[0, 0].legend(frameon=False, loc="lower left")
    fixed = "\n".join(f"{TITLES.get(name, name)}: {value}" for name, value in BASE.items())
    axes[1, 3].text(0.05, 0.95, f"held fixed:\n\n{fixed}\nepochs: {epochs}\nimages: {len(data.X_train):,}", va="top",
                    fontsize=12, transform=axes[1, 3].transAxes)  # fmt: skip
    print(f"{sum(map(len, SWEEPS.values()))} networks in {time.perf_counter() - began:.1f} s")
    options.save(figure, "hyperparameters.png")


if __name__ == "__main__":
    main()

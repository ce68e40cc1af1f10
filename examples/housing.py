"""House prices: one neuron with a ReLU, a line through eight features, and a network on California housing.

    FASTNN_DATA=data python examples/housing.py --out pictures

Targets are median house values in 100 000 $; inputs are standardised by the training rows.  The network is
8-64-64-1 with ReLU, 80 epochs of Adam, batches of 64, the rate falling from 0.003 along half a cosine; its test MSE
is 0.26, the linear model's 0.47.  Without the file under FASTNN_DATA, made-up houses are taken.
"""

from __future__ import annotations

import kit
import numpy as np

import fastnn
from fastnn.datasets import Dataset


def load() -> tuple[Dataset, int, str]:
    """Return the data, the column that one neuron reads, and that column's name."""
    try:
        return fastnn.datasets.load_housing(), 7, "median income, standardised"
    except FileNotFoundError:
        print("California housing is not under FASTNN_DATA: taking made-up houses instead.")
    rng = np.random.default_rng(0)
    X = rng.standard_normal((4000, 8)).astype(np.float32)
    y = np.maximum(0.2, 2 + X[:, 7] + 0.5 * np.sin(2 * X[:, 0]) * X[:, 1] + rng.normal(0, 0.2, 4000))
    y = y.astype(np.float32)
    return Dataset(X[:3200], y[:3200], X[3200:], y[3200:]), 7, "size, standardised"


def main() -> None:
    options = kit.options(__doc__)
    data, column, name = load()
    if options.quick:
        data = data._replace(X_train=data.X_train[:1000], y_train=data.y_train[:1000])
    epochs = 3 if options.quick else 80
    one = slice(column, column + 1)

    neuron = fastnn.Network([1, 1], output="relu", init={"constant": 1.0}, seed=0)
    neuron.biases[0][...] = 1.0
    neuron.fit(data.X_train[:, one], data.y_train, epochs=max(3, epochs // 8), optimizer=fastnn.Adam(0.01), seed=0)
    ones = np.ones((len(data.X_train), 1), np.float32)
    W, *_ = np.linalg.lstsq(np.hstack([data.X_train, ones]), data.y_train, rcond=None)
    linear = fastnn.Network.from_weights([W[:-1].reshape(-1, 1)], [W[-1:]], output="identity")
    network = fastnn.Network([8, 64, 64, 1], activation="relu", output="identity", seed=0)
    optimizer = fastnn.Adam(fastnn.schedules.Cosine(0.003))
    history = network.fit(
        data.X_train, data.y_train, epochs=epochs, batch_size=64, optimizer=optimizer,
        validation_data=(data.X_test, data.y_test),
    )  # fmt: skip

    print("test MSE, prices in 100 000 $:")
    print(f"  one neuron, relu(w x + b)   {neuron.evaluate(data.X_test[:, one], data.y_test)['mse']:.3f}")
    print(f"  linear, eight features      {linear.evaluate(data.X_test, data.y_test)['mse']:.3f}")
    mse = network.evaluate(data.X_test, data.y_test)["mse"]
    print(f"  8-64-64-1                   {mse:.3f}   ({sum(history.seconds):.1f} s, {epochs} epochs)")

    figure, axes = kit.panels(1, 3, 5.0, 4.4)
    left, middle, right = axes[0]
    shown = np.random.default_rng(1).permutation(len(data.X_test))[:800]
    x = np.linspace(data.X_test[:, column].min(), data.X_test[:, column].max(), 200).reshape(-1, 1)
    left.plot(data.X_test[shown, column], data.y_test[shown], ".", color="#777777", markersize=3, label="houses")
    left.plot(x, neuron.predict(x), color="#D55E00", linewidth=2.5, label="relu(w x + b)")
    left.set(xlabel=name, ylabel="price, 100 000 $", title="One neuron", ylim=(-0.2, 5.4))
    left.legend(frameon=False, loc="lower right")
    fastnn.plot.predictions(data.y_test, network.predict(data.X_test), name="price, 100 000 $", ax=middle)
    middle.set_title(f"8-64-64-1: MSE {mse:.3f}")
    fastnn.plot.history(history, series=["val_mse"], ax=right)
    right.axhline(linear.evaluate(data.X_test, data.y_test)["mse"], color="#555555", linestyle="--", label="linear")
    right.set_title("Test MSE")
    right.legend(frameon=False)
    options.save(figure, "housing.png")


if __name__ == "__main__":
    main()

"""Activations and their derivatives: why the sigmoid saturates, tanh's fourfold slope at 0, sigmoid against ReLU.

    python examples/activation_functions.py --out pictures

Notes that call tanh "always superior" to the sigmoid go too far: at an output that shall be a probability the sigmoid
fits, and in hidden layers ReLU usually learns faster than either.
"""

from __future__ import annotations

import kit
import numpy as np

import fastnn
from fastnn import functional


def main() -> None:
    options = kit.options(__doc__)
    zero = np.zeros(1)
    slopes = {name: getattr(functional, f"{name}_grad")(zero)[0] for name in ("sigmoid", "tanh")}
    print(f"slope at 0: sigmoid {slopes['sigmoid']:.2f}, tanh {slopes['tanh']:.2f}: "
          f"{slopes['tanh'] / slopes['sigmoid']:.0f} times, as tanh(z) = 2 sigmoid(2 z) - 1")  # fmt: skip
    for at in (2.0, 5.0, 10.0):
        print(f"slope of the sigmoid at {at:4.0f}: {functional.sigmoid_grad(np.array([at]))[0]:.1e}")
    for layers in (1, 5, 10):
        print(f"largest factor of {layers:2d} sigmoid layers on a gradient: {0.25**layers:.1e}")

    data = fastnn.datasets.load_digits()
    epochs, hidden = (3, [16]) if options.quick else (40, [64, 64, 64])
    curves = {}
    for name in ("sigmoid", "tanh", "relu"):
        net = fastnn.Network([784, *hidden, 10], activation=name, output="softmax", seed=0)
        history = net.fit(data.X_train, data.y_train, epochs=epochs, optimizer=fastnn.SGD(0.1), seed=0,
                          validation_data=(data.X_test, data.y_test))  # fmt: skip
        curves[name] = history
        reached = [i + 1 for i, a in enumerate(history.metrics["val_accuracy"]) if a >= 0.9]
        when = f"90 % of the test images after {reached[0]} epochs" if reached else "90 % not reached"
        print(f"{'-'.join(map(str, net.sizes))} {name:8s} loss {history.loss[-1]:.3f}, {when}")

    figure, axes = kit.panels(1, 3, 5.2, 4.4)
    fastnn.plot.activation_functions(["sigmoid", "tanh", "relu", "leaky_relu"], ax=axes[0, 0])
    axes[0, 0].set_title("Four activations and their derivatives")
    z = np.linspace(-8, 8, 400)
    middle = axes[0, 1]
    middle.plot(z, functional.sigmoid_grad(z), color="#0072B2", label="sigmoid'")
    middle.plot(z, functional.tanh_grad(z), color="#D55E00", linestyle="--", label="tanh'")
    middle.plot([0, 0], [0.25, 1], "k.")
    middle.annotate("1", (0, 1), (0.4, 0.97))
    middle.annotate("1/4", (0, 0.25), ha="center", va="top", xytext=(0, 0.23))
    for edge in (-8, 4):
        middle.axvspan(edge, edge + 4, color="#999999", alpha=0.25, linewidth=0)
    middle.text(5.9, 0.5, "saturated:\nslope below\n0.02", ha="center", fontsize=10)
    middle.set(xlabel="z", ylabel="slope", title="Sigmoid and tanh saturate", xlim=(-8, 8), ylim=(0, 1.08))
    middle.legend(frameon=False, loc="upper left")
    fastnn.plot.history(curves, series=["loss"], ax=axes[0, 2])
    axes[0, 2].set_title("Training loss, gradient descent at rate 0.1")
    options.save(figure, "activation_functions.png")


if __name__ == "__main__":
    main()

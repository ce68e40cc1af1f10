"""The 784-16-16-10 digit network: what its first layer sees, and which neurons fire for different 3s.

    python examples/digits_neurons.py --out pictures

The hope that first-layer neurons find strokes and later ones loops is half of what happens: some weights look like a
short stroke, most like blurred patches, none like a loop, and still the network is right.
"""

from __future__ import annotations

import kit
import numpy as np

import fastnn


def main() -> None:
    options = kit.options(__doc__)
    try:
        data = fastnn.datasets.load_mnist()
    except FileNotFoundError:
        print("MNIST is not under FASTNN_DATA: taking the bundled digits.")
        data = fastnn.datasets.load_digits()
    net = fastnn.Network([784, 16, 16, 10], activation="sigmoid", output="softmax", seed=0)
    net.fit(data.X_train, data.y_train, epochs=2 if options.quick else 30, batch_size=32,
            optimizer=fastnn.SGD(fastnn.schedules.Cosine(0.1), momentum=0.9), l2=1e-4)  # fmt: skip
    print(f"784-16-16-10, {net.n_parameters:,} parameters: test accuracy "
          f"{100 * net.evaluate(data.X_test, data.y_test)['accuracy']:.2f} %")  # fmt: skip

    figure, axes = kit.panels(1, 1, 11, 3.1)
    fastnn.plot.weights(net, 1, shape=(28, 28), columns=8, ax=axes[0, 0])
    axes[0, 0].set_title("What the sixteen neurons of the first layer look for")
    options.save(figure, "digits_first_layer.png")

    threes = np.flatnonzero(data.y_test == 3)[:8]
    layers = net.forward(data.X_test[threes])
    first = layers[0] > 0.5
    always, never = np.flatnonzero(first.all(axis=0)), np.flatnonzero(~first.any(axis=0))
    print(f"eight 3s: first-layer neurons that fire for all {always.tolist()}, for none {never.tolist()}, for some "
          f"{sorted(set(range(16)) - set(always.tolist()) - set(never.tolist()))}")  # fmt: skip
    print("they are taken for", net.classify(data.X_test[threes]).tolist())
    figure, axes = kit.panels(4, 8, 1.55, 1.4, (2, 2, 2, 1))
    for column, row in enumerate(threes):
        axes[0, column].imshow(data.X_test[row].reshape(28, 28), cmap="gray_r")
        for i, (layer, shape) in enumerate(zip(layers, ((4, 4), (4, 4), (2, 5)), strict=True), start=1):
            ax = axes[i, column]
            values = layer[column].reshape(shape)
            ax.imshow(values, cmap="cividis", vmin=0, vmax=1)
            if i == 3:
                for (r, c), value in np.ndenumerate(values):
                    ax.text(c, r, str(5 * r + c), ha="center", va="center", fontsize=8,
                            color="black" if value > 0.5 else "white")  # fmt: skip
        for ax in axes[:, column]:
            ax.set(xticks=[], yticks=[])
    for ax, label in zip(axes[:, 0], ("image", "layer 1", "layer 2", "output"), strict=True):
        ax.set_ylabel(label, fontsize=12)
    figure.suptitle("Eight different 3s and the neurons that fire for them (bright: 1)")
    options.save(figure, "digits_which_neurons_fire.png")


if __name__ == "__main__":
    main()

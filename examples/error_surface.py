"""The error surface: what gradient descent descends, drawn over planes through 13,002 parameters.

    python examples/error_surface.py --out pictures

Three cuts through the loss of the 784-16-16-10 network: the plane in which its training moved most, with its path;
two random directions as long as the network's own filters; the line from the untrained network to the trained one.  A
valley in such a plane is no proof of one in all 13,002 dimensions, and no cut shows "the global minimum".
"""

from __future__ import annotations

import time

import kit

import fastnn


def main() -> None:
    options = kit.options(__doc__)
    try:
        data = fastnn.datasets.load_mnist()
    except FileNotFoundError:
        print("MNIST is not under FASTNN_DATA: taking the bundled digits.")
        data = fastnn.datasets.load_digits()
    net = fastnn.Network([784, 16, 16, 10], activation="sigmoid", output="softmax", seed=0)
    start, path = net.copy(), fastnn.Checkpoints()
    net.fit(data.X_train, data.y_train, epochs=5 if options.quick else 20, batch_size=32,
            optimizer=fastnn.SGD(fastnn.schedules.Cosine(0.05), momentum=0.9), callbacks=[path])  # fmt: skip
    rows = 300 if options.quick else 2000
    X, y = data.X_test[:rows], data.y_test[:rows]
    points = 25 if options.quick else 81

    began = time.perf_counter()
    found = fastnn.landscape.surface(net, X, y, "pca", path=path, points=points)
    seconds = time.perf_counter() - began
    assert found.explained is not None
    assert found.path_loss is not None
    print(f"{points} x {points} points on {len(X):,} images: {seconds:.2f} s, "
          f"{1e9 * seconds / points**2 / len(X):.0f} ns for an image and a point")  # fmt: skip
    print(f"the plane of the first two principal components holds {100 * found.explained.sum():.1f} % of the path")
    loss = net.evaluate(X, y)["loss"]
    print(f"the path ends at loss {found.path_loss[-1]:.4f}, and the network's own is {loss:.4f}")
    figure = kit.new_figure(12.5, 5.2)
    left, right = figure.add_subplot(1, 2, 1), figure.add_subplot(1, 2, 2, projection="3d", computed_zorder=False)
    found.contour(ax=left)
    found.relief(ax=right)
    options.save(figure, "error_surface_path.png")

    around = fastnn.landscape.surface(net, X, y, "random", points=points)
    print(f"one filter's length away the loss is {around.loss.max() / loss:.0f} times as large, at most")
    line = fastnn.landscape.interpolate(start, net, X, y, span=(-0.25, 1.5), points=4 * points)
    figure, axes = kit.panels(1, 2, 6.2, 4.8)
    around.contour(ax=axes[0, 0])
    line.plot(ax=axes[0, 1])
    axes[0, 1].set_title("untrained (first) and trained (second)", pad=20)
    options.save(figure, "error_surface_random.png")


if __name__ == "__main__":
    main()

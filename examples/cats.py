"""Cat or not: 209 pictures, three models of the notes, and the same code in plain NumPy beside them.

    FASTNN_DATA=data python examples/cats.py --out pictures

Logistic regression from zeros; 7 ReLU units; 20-7-5-1.  With more features (12288) than pictures, gradient descent
never leaves the span of the pictures, so fastnn runs it in 209 coordinates of that span: the same training, without
reading 20 MB in every iteration.  Without the files under FASTNN_DATA, made-up pictures are taken.  The cost that falls
is that of one minimum of many: no such curve shows "the global minimum".
"""

from __future__ import annotations

import time

import kit
import numpy as np

import fastnn
from fastnn.course import deep, logistic
from fastnn.datasets import Dataset


def load() -> tuple[Dataset, int]:
    """Return the pictures, in float64 rows, and their width."""
    try:
        data = fastnn.datasets.load_catvnoncat(raw=True)
        return Dataset(data.X_train / 255.0, data.y_train, data.X_test / 255.0, data.y_test), 64
    except (FileNotFoundError, fastnn.MissingDependencyError):
        print("The cat pictures are not under FASTNN_DATA: taking made-up ones, discs and crosses.")
    rng = np.random.default_rng(0)
    y = np.arange(160) % 2
    i, j = np.mgrid[-1:1:24j, -1:1:24j]
    shapes = np.where(y[:, None, None] == 1, i**2 + j**2 < 0.4, np.minimum(abs(i), abs(j)) < 0.15)
    X = 0.5 + 0.35 * shapes[..., None] * rng.random((160, 1, 1, 3)) + rng.normal(0, 0.2, (160, 24, 24, 3))
    X = X.clip(0, 1).reshape(160, -1)
    return Dataset(X[:120], y[:120], X[120:], y[120:]), 24


def by_hand(X: kit.Array, Y: kit.Array, parameters: dict[str, kit.Array], rate: float, iterations: int) -> float:
    """Train in plain NumPy, as the notes do; return the seconds of the fastest iteration."""
    L, m = len(parameters) // 2, X.shape[1]
    best = np.inf
    for _ in range(iterations):
        began = time.perf_counter()
        A, Z = [X], [X]
        for layer in range(1, L + 1):
            Z.append(parameters[f"W{layer}"] @ A[-1] + parameters[f"b{layer}"])
            A.append(np.maximum(Z[-1], 0) if layer < L else 1 / (1 + np.exp(-Z[-1])))
        dA = (1 - Y) / (1 - A[L]) - Y / A[L]
        for layer in range(L, 0, -1):
            dZ = dA * (Z[layer] > 0) if layer < L else dA * A[L] * (1 - A[L])
            if L > 1:
                dA = parameters[f"W{layer}"].T @ dZ
            parameters[f"W{layer}"] = parameters[f"W{layer}"] - rate / m * (dZ @ A[layer - 1].T)
            parameters[f"b{layer}"] = parameters[f"b{layer}"] - rate / m * dZ.sum(axis=1, keepdims=True)
        best = min(best, time.perf_counter() - began)
    return float(best)


def accuracy(X: kit.Array, Y: kit.Array, parameters: dict[str, kit.Array]) -> float:
    return 100 * float(np.mean((deep.L_model_forward(X, parameters)[0] > 0.5) == Y))


def main() -> None:
    options = kit.options(__doc__)
    data, width = load()
    X, Y, X_test, Y_test = data.X_train.T, data.y_train.reshape(1, -1), data.X_test.T, data.y_test.reshape(1, -1)
    X = np.ascontiguousarray(X)
    n_x = X.shape[0]
    short = 10 if options.quick else 1
    results, costs = {}, {}
    for name, dims, rate, iterations in (
        ("logistic regression", (n_x, 1), 0.005, 2000 // short),
        ("7 hidden units", (n_x, 7, 1), 0.0075, 2500 // short),
        ("20-7-5-1", (n_x, 20, 7, 5, 1), 0.0075, 2500 // short),
    ):
        began = time.perf_counter()
        if len(dims) == 2:
            made = logistic.model(X, Y, X_test, Y_test, iterations, rate)
            parameters, costs[name] = {"W1": made["w"].T, "b1": np.full((1, 1), made["b"])}, made["costs"]
        else:
            train = deep.two_layer_model if len(dims) == 3 else deep.L_layer_model
            parameters, costs[name] = train(X, Y, dims, rate, iterations, seed=1)
        seconds = time.perf_counter() - began
        results[name] = parameters
        right = [accuracy(x, y, parameters) for x, y in ((X, Y), (X_test, Y_test))]
        start = deep.initialize_parameters_deep(dims, "fan_in", seed=1)
        plain = by_hand(X, Y, start, rate, 3 if options.quick else 20) * iterations
        print(f"{name:20s} train {right[0]:6.2f} %  test {right[1]:5.2f} %   {seconds:6.2f} s; "
              f"plain NumPy about {plain:.1f} s, {plain / seconds:.0f} times")  # fmt: skip

    figure, axes = kit.panels(1, 3, 4.8, 4.2)
    left, middle, right_ax = axes[0]
    for (name, values), style in zip(costs.items(), ("-", "--", "-."), strict=True):
        left.plot(100 * np.arange(len(values)), values, style, linewidth=2, label=name)
    left.set(xlabel="iteration", ylabel="cost", title="Cost", ylim=(0, None))
    left.legend(frameon=False)
    w = results["logistic regression"]["W1"].reshape(width, width, 3).mean(axis=2)
    limit = float(np.abs(w).max())
    middle.imshow(w, cmap="cividis", vmin=-limit, vmax=limit)
    middle.set(title="Weights of logistic regression\n(bright: speaks for a cat)", xticks=[], yticks=[])
    AL, _ = deep.L_model_forward(X_test, results["20-7-5-1"])
    wrong = np.flatnonzero((AL > 0.5)[0] != (Y_test[0] > 0.5))
    tiles = np.ones((3 * (width + 2) - 2, 4 * (width + 2) - 2, 3))
    for k, index in enumerate(wrong[:12]):
        top, left_edge = (width + 2) * (k // 4), (width + 2) * (k % 4)
        tiles[top : top + width, left_edge : left_edge + width] = data.X_test[index].reshape(width, width, 3)
    right_ax.imshow(tiles)
    some = f"12 of the {len(wrong)}" if len(wrong) > 12 else f"the {len(wrong)}"
    right_ax.set(title=f"{some} test pictures (of {len(Y_test[0])})\nthat 20-7-5-1 gets wrong", xticks=[], yticks=[])
    right_ax.spines[:].set_visible(False)
    options.save(figure, "cats.png")


if __name__ == "__main__":
    main()

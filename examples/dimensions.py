"""Dimensions: the shapes of every array in a network, and what fastnn says where they do not fit.

    python examples/dimensions.py --out pictures

W[l] (n_l, n_(l-1)), b[l] (n_l, 1), Z[l] and A[l] (n_l, m); gradients have the shape of what they belong to.
"""

from __future__ import annotations

from collections.abc import Callable

import kit
import numpy as np

import fastnn
from fastnn.course import deep, logistic, planar

DIMS, M = (5, 4, 3, 1), 8


def mistakes() -> list[tuple[str, Callable[[], object]]]:
    """Return what people do, and the call that does it."""
    X, Y = np.zeros((5, M)), np.zeros((1, M))
    parameters = deep.initialize_parameters_deep(DIMS, seed=1)
    return [
        ("examples in rows", lambda: deep.L_layer_model(X.T, Y.T, DIMS)),
        ("only Y in rows", lambda: planar.nn_model(X, Y.T, 4)),
        ("a rank-1 Y", lambda: planar.nn_model(X, Y[0], 4)),
        ("another number of features", lambda: deep.L_model_forward(X[:4], parameters)),
        ("a transposed W2", lambda: deep.L_model_forward(X, parameters | {"W2": parameters["W2"].T})),
        ("a b as a row", lambda: deep.L_model_forward(X, parameters | {"b1": parameters["b1"].T})),
        ("w as a row", lambda: logistic.predict(np.zeros((1, 5)), 0.0, X)),
        ("no W2", lambda: deep.L_model_forward(X, {k: v for k, v in parameters.items() if k != "W2"})),
        ("columns for a Network", lambda: fastnn.Network.from_parameters(parameters).predict(X)),
    ]


def main() -> None:
    options = kit.options(__doc__)
    X, Y = np.random.default_rng(0).standard_normal((5, M)), np.ones((1, M))
    parameters = deep.initialize_parameters_deep(DIMS, seed=1)
    AL, caches = deep.L_model_forward(X, parameters)
    grads = deep.L_model_backward(AL, Y, caches)
    print(f"X {X.shape}")
    for layer, ((A_prev, W, b), Z) in enumerate(caches, start=1):
        print(f"layer {layer}: Z {Z.shape} = W {W.shape} A {A_prev.shape} + b {b.shape}")
        assert grads[f"dW{layer}"].shape == W.shape
        assert grads[f"db{layer}"].shape == b.shape
        assert grads[f"dA{layer - 1}"].shape == A_prev.shape
    for what, call in mistakes():
        try:
            call()
        except ValueError as error:
            print(f"\n{what}:\n  {error}")
        else:
            raise AssertionError(f"{what} passed")

    figure, axes = kit.panels(1, 3, 5.2, 2.5)
    for layer, (ax, ((A_prev, W, b), Z)) in enumerate(zip(axes[0], caches, strict=True), start=1):
        at = 0.0
        for name, array, joint in (
            (f"Z{layer}", Z, "="), (f"W{layer}", W, "\N{DOT OPERATOR}"),
            (f"A{layer - 1}" if layer > 1 else "X", A_prev, "+"), (f"b{layer}", b, ""),
        ):  # fmt: skip
            rows, columns = array.shape
            for i, j in np.ndindex(rows, columns):
                place = (at + j, -i - (5 - rows) / 2)
                ax.add_patch(kit.rectangle(place, 0.9, 0.9, "#8fb3d9" if name[0] in "ZAX" else "#f0b37e"))
            ax.text(at + columns / 2, 1.7, f"{name}\n{rows} x {columns}", ha="center", va="bottom", fontsize=11)
            ax.text(at + columns + 0.7, -1.6, joint, ha="center", va="center", fontsize=16)
            at += columns + 1.5
        ax.set(xlim=(-0.5, 27), ylim=(-5, 4.2), title=f"Layer {layer}", aspect="equal")
        ax.axis("off")
    options.save(figure, "dimensions.png")


if __name__ == "__main__":
    main()

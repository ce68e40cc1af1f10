"""One hidden layer as the notes write it: tanh units, one sigmoid or several, examples in columns.

Z1 = W1 X + b1,   A1 = tanh(Z1),   Z2 = W2 A1 + b2,   A2 = sigmoid(Z2)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .. import functional
from ..arrays import Array
from ..checks import real, truth, whole
from ..parameters import as_dict, as_layers
from .columns import affine, as_examples, as_pair, as_targets, cross_entropy, product
from .descent import checked, descend, full_batches
from .initial import check_grads, random_layers

__all__ = [
    "backward_propagation", "compute_cost", "forward_propagation", "initialize_parameters", "layer_sizes", "nn_model",
    "predict", "update_parameters",
]  # fmt: skip

REPORT_EVERY = 1000


def layer_sizes(X: Any, Y: Any, n_h: int = 4) -> tuple[int, int, int]:
    """Return (n_x, n_h, n_y): the rows of X, the hidden units, the rows of Y.

    Examples
    --------
    >>> import numpy as np
    >>> layer_sizes(np.zeros((2, 400)), np.zeros((1, 400)))
    (2, 4, 1)
    """
    X, Y = as_pair(X, Y)
    return X.shape[0], whole(n_h, "n_h", 1), Y.shape[0]


def initialize_parameters(n_x: int, n_h: int, n_y: int, seed: int | None = None) -> dict[str, Array]:
    """Return W1 (n_h, n_x), W2 (n_y, n_h) from 0.01 randn, and b1, b2 of zeros.

    Parameters
    ----------
    n_x, n_h, n_y : int
    seed : int or None
        As ``np.random.seed(seed)`` before the draws; None goes on with NumPy's global generator.

    Examples
    --------
    >>> initialize_parameters(2, 4, 1, seed=2)["W1"].round(4).tolist()[0]
    [-0.0042, -0.0006]
    """
    return random_layers([n_x, n_h, n_y], 0.01, seed)


def forward_propagation(X: Any, parameters: Mapping[str, Any]) -> tuple[Array, dict[str, Array]]:
    """Return A2 and the cache {"Z1", "A1", "Z2", "A2"}.

    Parameters
    ----------
    X : array-like, shape (n_x, m)
    parameters : dict
        W1 (n_h, n_x), b1 (n_h, 1), W2 (n_y, n_h), b2 (n_y, 1).

    Returns
    -------
    A2 : ndarray, shape (n_y, m)
    cache : dict

    Raises
    ------
    ValueError
        If the shapes do not chain; the message names the layer.

    Examples
    --------
    >>> A2, cache = forward_propagation([[0.0]], {"W1": [[1.0]], "b1": [[0.0]], "W2": [[1.0]], "b2": [[0.0]]})
    >>> A2.tolist(), sorted(cache)
    ([[0.5]], ['A1', 'A2', 'Z1', 'Z2'])
    """
    (W1, W2), (b1, b2) = _two_layers(parameters)
    Z1 = affine(W1, as_examples(X, W1.shape[1]), b1)
    A1 = functional.tanh(Z1)
    Z2 = affine(W2, A1, b2)
    A2 = functional.sigmoid(Z2)
    return A2, {"Z1": Z1, "A1": A1, "Z2": Z2, "A2": A2}


def compute_cost(A2: Any, Y: Any, parameters: Any = None) -> float:
    """Return the cross-entropy cost of A2, as `fastnn.course.logistic.cost` does.

        J = -(1/m) sum_i (y_i log a2_i + (1 - y_i) log(1 - a2_i))

    ``parameters`` is passed over; older notes give it.

    Examples
    --------
    >>> round(compute_cost([[0.5]], [[1]]), 4)
    0.6931
    """
    return cross_entropy(A2, Y, "A2")


def backward_propagation(parameters: Mapping[str, Any], cache: Mapping[str, Any], X: Any, Y: Any) -> dict[str, Array]:
    """Return the gradient of the cost: dW1, db1, dW2, db2.

        dZ2 = A2 - Y,                    dW2 = dZ2 A1^T / m,   db2 = sum of dZ2 / m
        dZ1 = W2^T dZ2 * (1 - A1^2),     dW1 = dZ1 X^T / m,    db1 = sum of dZ1 / m

    Parameters
    ----------
    parameters : dict
    cache : dict
        "A1" and "A2", from `forward_propagation`; they are used as they are.
    X : array-like, shape (n_x, m)
    Y : array-like, shape (n_y, m)

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Examples
    --------
    >>> parameters = {"W1": [[1.0]], "b1": [[0.0]], "W2": [[1.0]], "b2": [[0.0]]}
    >>> cache = {"A1": [[0.5]], "A2": [[0.75]]}
    >>> {name: float(value[0, 0]) for name, value in backward_propagation(parameters, cache, [[2.0]], [[1.0]]).items()}
    {'dW1': -0.375, 'db1': -0.1875, 'dW2': -0.125, 'db2': -0.25}
    """
    (W1, W2), _ = _two_layers(parameters)
    X = as_examples(X, W1.shape[1])
    m = X.shape[1]
    A1 = as_targets(cache["A1"], W1.shape[0], m, "A1")
    A2 = as_targets(cache["A2"], W2.shape[0], m, "A2")
    dZ2 = A2 - as_targets(Y, W2.shape[0], m)
    dZ1 = product(W2.T, dZ2) * (1 - np.square(A1))
    return {
        "dW1": product(dZ1, X.T) / m, "db1": dZ1.sum(axis=1, keepdims=True) / m,
        "dW2": product(dZ2, A1.T) / m, "db2": dZ2.sum(axis=1, keepdims=True) / m,
    }  # fmt: skip


def update_parameters(
    parameters: Mapping[str, Any], grads: Mapping[str, Any], learning_rate: float = 1.2
) -> dict[str, Array]:
    """Return the parameters after a step of gradient descent, in new arrays.

        W <- W - learning_rate dW,   b <- b - learning_rate db

    Examples
    --------
    >>> parameters = {"W1": [[1.0]], "b1": [[0.0]], "W2": [[1.0]], "b2": [[0.0]]}
    >>> grads = {"dW1": [[0.5]], "db1": [[0.0]], "dW2": [[0.0]], "db2": [[1.0]]}
    >>> {name: float(value[0, 0]) for name, value in update_parameters(parameters, grads, 1.0).items()}
    {'W1': 0.5, 'b1': 0.0, 'W2': 1.0, 'b2': -1.0}
    """
    _two_layers(parameters)
    rate = real(learning_rate, "learning_rate", 0)
    return {name: value - rate * slope for name, value, slope in check_grads(parameters, grads)}


def nn_model(
    X: Any, Y: Any, n_h: int, num_iterations: int = 10000, print_cost: bool = False, *, learning_rate: float = 1.2,
    seed: int | None = None,
) -> dict[str, Array]:  # fmt: skip
    """Train a network of one hidden tanh layer by gradient descent, in the compiled program.

    Parameters
    ----------
    X : array-like, shape (n_x, m)
    Y : array-like, shape (n_y, m)
    n_h : int
        Hidden units.
    num_iterations : int
    print_cost : bool
        Print the cost every 1000 iterations.
    learning_rate : float
    seed : int or None
        Of the initial values, as in `initialize_parameters`.

    Returns
    -------
    dict
        W1, b1, W2, b2.

    Raises
    ------
    ValueError
        If X and Y do not fit together; examples in rows are named as such.
    DivergenceError
        If the cost stops being finite.

    Examples
    --------
    >>> import numpy as np
    >>> X, Y = np.array([[0.0, 0, 1, 1], [0, 1, 0, 1]]), np.array([[0, 1, 1, 0]])
    >>> predict(nn_model(X, Y, 4, 10000, seed=0), X).astype(int).tolist()
    [[0, 1, 1, 0]]
    """
    X, Y = as_pair(X, Y)
    rate, iterations = checked(learning_rate, num_iterations)
    weights, biases = as_layers(initialize_parameters(*layer_sizes(X, Y, n_h), seed=seed))
    made = descend(
        weights, biases, X, Y, activation="tanh", output="sigmoid",
        batches=full_batches(X.shape[1], iterations, rate), full=iterations,
    )  # fmt: skip
    if truth(print_cost, "print_cost"):
        for i in range(0, iterations, REPORT_EVERY):
            print(f"Cost after iteration {i}: {made.costs[i]:.6f}")
    return as_dict(made.weights, made.biases)


def predict(parameters: Mapping[str, Any], X: Any) -> Array:
    """Return A2 > 0.5, bool of shape (n_y, m).

    Examples
    --------
    >>> predict({"W1": [[1.0]], "b1": [[0.0]], "W2": [[1.0]], "b2": [[0.0]]}, [[-1.0, 1.0]]).tolist()
    [[False, True]]
    """
    A2, _ = forward_propagation(X, parameters)
    return A2 > 0.5


def _two_layers(parameters: Mapping[str, Any]) -> tuple[list[Array], list[Array]]:
    weights, biases = as_layers(parameters)
    if len(weights) != 2 or not biases:
        raise ValueError(
            f"this network has one hidden layer, W1 b1 W2 b2; the parameters are of {len(weights)} layers"
            f"{'' if biases else ' without biases'}. Use fastnn.course.deep."
        )
    return weights, biases

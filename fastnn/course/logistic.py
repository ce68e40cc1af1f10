"""Logistic regression as the notes write it: one neuron, examples in columns.

z = w^T x + b,   a = sigmoid(z),   loss = -(y log a + (1 - y) log(1 - a)),   cost = mean of the losses
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import functional
from ..arrays import Array
from ..checks import whole
from ..functional.inputs import common, floating
from .columns import affine, as_examples, as_matrix, as_pair, as_targets, cross_entropy, interior, product
from .descent import checked, descend, full_batches

__all__ = ["cost", "initialize_with_zeros", "loss", "model", "optimize", "predict", "propagate", "sigmoid"]

RECORD_EVERY = 100  # iterations, as the notes do


def sigmoid(z: Any) -> Array:
    """Return 1 / (1 + exp(-z)), element by element.

    Parameters
    ----------
    z : array-like, any shape

    Returns
    -------
    ndarray
        New, of z's shape; float32 for float32, else float64.

    Examples
    --------
    >>> sigmoid([0.0]).tolist()
    [0.5]
    """
    return functional.sigmoid(z)


def initialize_with_zeros(dim: int) -> tuple[Array, float]:
    """Return w = zeros (dim, 1) and b = 0.0.

    Zeros serve here, as one neuron has no symmetry to break; a hidden layer needs random numbers.

    Examples
    --------
    >>> w, b = initialize_with_zeros(2)
    >>> w.shape, b
    ((2, 1), 0.0)
    """
    return np.zeros((whole(dim, "dim", 1), 1)), 0.0


def loss(a: Any, y: Any) -> Array:
    """Return the loss of each example, -(y log a + (1 - y) log(1 - a)), in nats.

    Parameters
    ----------
    a : array-like, any shape
        Probabilities of y = 1; an exact 0 or 1 moves to the nearest float between them.
    y : array-like, the shape of a

    Returns
    -------
    ndarray
        New.

    Raises
    ------
    ValueError
        If the shapes differ, or a is no probability.

    Examples
    --------
    >>> loss([[0.5, 0.9]], [[1, 1]]).round(4).tolist()
    [[0.6931, 0.1054]]
    """
    a, y = common("a y", a, y)
    if a.shape != y.shape:
        raise ValueError(f"a and y must have one shape, got {a.shape} and {y.shape}.")
    if not ((a >= 0) & (a <= 1)).all():
        raise ValueError(f"a must hold probabilities, 0 ... 1, got values from {a.min():g} to {a.max():g}.")
    a = interior(a)
    each: Array = -(y * np.log(a) + (1 - y) * np.log(1 - a))
    return each


def cost(A: Any, Y: Any) -> float:
    """Return the cost: the mean of the losses of all examples.

        J = -(1/m) sum_i (y_i log a_i + (1 - y_i) log(1 - a_i))

    Parameters
    ----------
    A, Y : array-like, shape (1, m)

    Returns
    -------
    float
        Nats per example.

    Examples
    --------
    >>> round(cost([[0.5, 0.5]], [[0, 1]]), 3)  # log 2: what a coin knows
    0.693
    """
    return cross_entropy(A, Y, "A")


def propagate(w: Any, b: Any, X: Any, Y: Any) -> tuple[dict[str, Any], float]:
    """Return the gradient of the cost, and the cost.

        A = sigmoid(w^T X + b),   dw = X (A - Y)^T / m,   db = sum(A - Y) / m

    Parameters
    ----------
    w : array-like, shape (n_x, 1)
    b : float
    X : array-like, shape (n_x, m)
    Y : array-like, shape (1, m)

    Returns
    -------
    grads : dict
        "dw" (n_x, 1) and "db", a float.
    cost : float

    Raises
    ------
    ValueError
        If the shapes do not fit; examples in rows are named as such.

    Examples
    --------
    >>> grads, J = propagate([[0.0]], 0.0, [[1.0, 2.0]], [[1, 0]])
    >>> grads["dw"].tolist(), grads["db"], round(J, 4)
    ([[0.25]], 0.0, 0.6931)
    """
    w, b, X = _arguments(w, b, X)
    Y = as_targets(Y, 1, X.shape[1])
    A = functional.sigmoid(affine(w.T, X, b))
    error = A - Y
    m = X.shape[1]
    return {"dw": product(X, error.T) / m, "db": float(error.sum()) / m}, cross_entropy(A, Y, "A")


def optimize(
    w: Any, b: Any, X: Any, Y: Any, num_iterations: int = 100, learning_rate: float = 0.009, print_cost: bool = False
) -> tuple[dict[str, Any], dict[str, Any], list[float]]:
    """Minimise the cost by gradient descent, in the compiled program.

        w <- w - learning_rate dw,   b <- b - learning_rate db

    Parameters
    ----------
    w, b, X, Y
        As `propagate` takes them; not changed.
    num_iterations : int
        >= 1.
    learning_rate : float
    print_cost : bool
        Print the recorded costs.

    Returns
    -------
    params : dict
        "w" and "b" after the last iteration.
    grads : dict
        "dw" and "db" of the last iteration, taken before its update.
    costs : list of float
        Before the updates of iterations 0, 100, 200, ...

    Raises
    ------
    ValueError
        If the shapes do not fit, or X holds what is not finite.
    DivergenceError
        If the cost stops being finite.

    Notes
    -----
    Where there are more features than examples, the descent runs in coordinates of the examples' span: see
    ``fastnn.course.descent``.

    Examples
    --------
    >>> params, grads, costs = optimize([[0.0]], 0.0, [[-1.0, 1.0]], [[0, 1]], 200, 1.0)
    >>> round(float(params["w"][0, 0]), 2), abs(params["b"]) < 1e-6, len(costs)
    (5.29, True, 2)
    """
    w, b, X = _arguments(w, b, X)
    Y = as_targets(Y, 1, X.shape[1])
    rate, iterations = checked(learning_rate, whole(num_iterations, "num_iterations", 1))
    made = descend(
        [w.T], [b], X, Y, activation="relu", output="sigmoid", batches=full_batches(X.shape[1], iterations - 1, rate),
        full=iterations - 1,
    )  # fmt: skip
    w, last_b = made.weights[0].T, float(made.biases[0][0, 0])
    grads, last = propagate(w, last_b, X, Y)
    costs = [*made.costs.tolist(), last][::RECORD_EVERY]
    if print_cost:
        report(costs)
    return {"w": w - rate * grads["dw"], "b": last_b - rate * grads["db"]}, grads, costs


def predict(w: Any, b: Any, X: Any) -> Array:
    """Return 1.0 where sigmoid(w^T X + b) > 0.5, else 0.0; shape (1, m).

    Examples
    --------
    >>> predict([[1.0]], -1.0, [[0.0, 3.0]]).tolist()
    [[0.0, 1.0]]
    """
    w, b, X = _arguments(w, b, X)
    return (functional.sigmoid(affine(w.T, X, b)) > 0.5).astype(np.float64)


def model(
    X_train: Any, Y_train: Any, X_test: Any, Y_test: Any, num_iterations: int = 2000, learning_rate: float = 0.5,
    print_cost: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """Train from zeros and predict both sets.

    Parameters
    ----------
    X_train, X_test : array-like, shapes (n_x, m)
    Y_train, Y_test : array-like, shapes (1, m)
    num_iterations, learning_rate, print_cost
        As in `optimize`; ``print_cost`` prints both accuracies, too.

    Returns
    -------
    dict
        "costs", "Y_prediction_test", "Y_prediction_train", "w", "b", "learning_rate", "num_iterations".

    Examples
    --------
    >>> d = model([[-1.0, 1.0]], [[0, 1]], [[-2.0, 2.0]], [[0, 1]], num_iterations=10)
    >>> d["Y_prediction_test"].tolist()
    [[0.0, 1.0]]
    """
    X_train, Y_train = as_pair(X_train, Y_train)
    X_test = as_examples(X_test, X_train.shape[0], "X_test")
    Y_test = as_targets(Y_test, 1, X_test.shape[1], "Y_test")
    w, b = initialize_with_zeros(X_train.shape[0])
    params, _, costs = optimize(w, b, X_train, Y_train, num_iterations, learning_rate, print_cost)
    predicted = {"test": predict(**params, X=X_test), "train": predict(**params, X=X_train)}
    if print_cost:
        for name, Y in (("train", Y_train), ("test", Y_test)):
            print(f"{name} accuracy: {100 - 100 * np.abs(predicted[name] - Y).mean():.2f} %")
    return {
        "costs": costs, "Y_prediction_test": predicted["test"], "Y_prediction_train": predicted["train"], **params,
        "learning_rate": learning_rate, "num_iterations": num_iterations,
    }  # fmt: skip


def report(costs: list[float], every: int = RECORD_EVERY) -> None:
    """Print recorded costs in the notes' words."""
    for i, value in enumerate(costs):
        print(f"Cost after iteration {i * every}: {value:.6f}")


def _arguments(w: Any, b: Any, X: Any) -> tuple[Array, Array, Array]:
    w, b = as_matrix(w, "w", "(n_x, 1)"), floating(b, "b")
    if w.shape[1] != 1:
        turned = " w.T would fit." if w.shape[0] == 1 else ""
        raise ValueError(f"w must be a column (n_x, 1), got shape {w.shape}.{turned}")
    if b.size != 1:
        raise ValueError(f"b must be one number, got shape {b.shape}.")
    X = as_matrix(X, "X", f"({w.shape[0]}, m), one example per column")
    if X.shape[0] != w.shape[0] and X.shape[1] != w.shape[0]:
        raise ValueError(f"X has {X.shape[0]} rows, shape {X.shape}; w {w.shape} takes {w.shape[0]} features. "
                         f"w of shape ({X.shape[0]}, 1) would fit.")  # fmt: skip
    return w, b.reshape(1, 1), as_examples(X, w.shape[0])

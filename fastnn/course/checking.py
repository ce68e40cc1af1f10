"""Gradient checking as the notes do it: a central difference of the cost against backpropagation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .. import backends, engine
from ..arrays import Array
from ..checks import real
from ..network import Network
from ..parameters import as_dict, as_layers
from .columns import as_examples, as_finite, as_targets
from .initial import check_grads

__all__ = ["dictionary_to_vector", "gradient_check", "gradient_check_n", "gradients_to_vector", "vector_to_dictionary"]


def dictionary_to_vector(parameters: Mapping[str, Any]) -> tuple[Array, list[str]]:
    """Return all parameters as a column W1, b1, W2, ..., each row by row, and the name of the origin of each entry.

    Examples
    --------
    >>> theta, keys = dictionary_to_vector({"W1": [[1.0, 2.0]], "b1": [[3.0]]})
    >>> theta.ravel().tolist(), keys
    ([1.0, 2.0, 3.0], ['W1', 'W1', 'b1'])
    """
    entries = as_dict(*as_layers(parameters))
    keys = [name for name, value in entries.items() for _ in range(value.size)]
    return np.concatenate([value.reshape(-1, 1) for value in entries.values()]), keys


def vector_to_dictionary(theta: Any, like: Mapping[str, Any]) -> dict[str, Array]:
    """Return the parameters of a column made by `dictionary_to_vector`; ``like`` gives names and shapes.

    Examples
    --------
    >>> vector_to_dictionary([[1.0], [2.0]], {"W1": [[0.0]], "b1": [[0.0]]})["b1"].tolist()
    [[2.0]]
    """
    flat = np.asarray(theta, np.float64).reshape(-1)
    entries = as_dict(*as_layers(like))
    size = sum(value.size for value in entries.values())
    if flat.size != size:
        raise ValueError(f"theta must have {size} entries, one per parameter, got {flat.size}.")
    made, at = {}, 0
    for name, value in entries.items():
        made[name] = flat[at : at + value.size].reshape(value.shape)
        at += value.size
    return made


def gradients_to_vector(gradients: Mapping[str, Any], like: Mapping[str, Any]) -> Array:
    """Return the gradients of the parameters ``like`` as a column, in the order of `dictionary_to_vector`.

    Examples
    --------
    >>> gradients_to_vector({"dW1": [[5.0]], "db1": [[6.0]]}, {"W1": [[0.0]], "b1": [[0.0]]}).ravel().tolist()
    [5.0, 6.0]
    """
    return np.concatenate([slope.reshape(-1, 1) for _, _, slope in check_grads(like, gradients)])


def gradient_check(x: float, theta: float, epsilon: float = 1e-7) -> float:
    """Return how far the derivative of J = theta x is from its central difference; below 1e-7 they agree.

        |d - e| / (|d| + |e|),   d = x,   e = (J(theta + epsilon) - J(theta - epsilon)) / (2 epsilon)

    Examples
    --------
    >>> gradient_check(2, 4) < 1e-7
    True
    """
    x, theta, epsilon = real(x, "x"), real(theta, "theta"), real(epsilon, "epsilon", 0, open_low=True)
    approximate = ((theta + epsilon) * x - (theta - epsilon) * x) / (2 * epsilon)
    return _difference(np.array([x]), np.array([approximate]))


def gradient_check_n(
    parameters: Mapping[str, Any], gradients: Mapping[str, Any], X: Any, Y: Any, epsilon: float = 1e-7
) -> float:
    """Return how far gradients are from central differences of the cost, of ReLU layers and a sigmoid.

        |d - e| / (|d| + |e|)          d given, e the central differences; Euclidean norms over all parameters

    Parameters
    ----------
    parameters : dict
        W1, b1, ..., WL, bL.
    gradients : dict
        dW1, db1, ..., from a backward function.
    X : array-like, shape (n_x, m)
    Y : array-like, shape (n_y, m)
    epsilon : float

    Returns
    -------
    float
        About 1e-7 for right gradients, 1e-3 or more for wrong ones; a kink of a ReLU within epsilon reads as wrong.

    Examples
    --------
    >>> from fastnn.course.tuning import backward_propagation, forward_propagation, initialize_parameters_he
    >>> parameters, X, Y = initialize_parameters_he([2, 3, 1], seed=1), [[1.0, -2.0], [0.5, 1.0]], [[1, 0]]
    >>> _, cache = forward_propagation(X, parameters)
    >>> gradients = backward_propagation(X, Y, cache)
    >>> gradient_check_n(parameters, gradients, X, Y) < 1e-6
    True
    >>> gradients["dW1"] *= 1.1
    >>> gradient_check_n(parameters, gradients, X, Y) > 1e-3
    True
    """
    epsilon = real(epsilon, "epsilon", 0, open_low=True)
    weights, biases = as_layers(parameters)
    d = gradients_to_vector(gradients, parameters).reshape(-1)
    X = as_finite(as_examples(X, weights[0].shape[1]), "X")
    Y = as_targets(Y, weights[-1].shape[0], X.shape[1])
    net = Network.from_weights(
        [W.T for W in weights], [b.reshape(-1) for b in biases] or None, activation="relu", output="sigmoid",
        dtype="float64",
    )  # fmt: skip
    kernels, data = backends.kernels(), engine.encode(net, X.T, Y.T)
    approximate = []
    for layer, W in enumerate(net.weights):
        for values in (W.T, net.biases[layer]):
            for at in np.ndindex(values.shape):
                kept = values[at]
                values[at] = kept + epsilon
                above = engine.evaluate(net, kernels, data, None)
                values[at] = kept - epsilon
                below = engine.evaluate(net, kernels, data, None)
                values[at] = kept
                approximate.append((above - below) / (2 * epsilon))
    return _difference(d, np.array(approximate))


def _difference(d: Array, approximate: Array) -> float:
    total = float(np.linalg.norm(d) + np.linalg.norm(approximate))
    return float(np.linalg.norm(d - approximate)) / total if total else 0.0

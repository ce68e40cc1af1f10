"""L layers as the notes write them: steps with caches, and whole models; examples in columns.

    Z[l] = W[l] A[l-1] + b[l],   A[l] = g[l](Z[l]),   A[0] = X,   AL = A[L]

A step's cache is ``((A_prev, W, b), Z)``.  A backward step computes from the caches and the AL it is given, whatever
they are: an AL that is no probability, a Z that does not belong to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..arrays import Array
from ..checks import real, truth
from ..functional.inputs import common, floating
from ..parameters import as_dict, as_layers
from .activations import (
    leaky_relu,
    leaky_relu_backward,
    relu,
    relu_backward,
    sigmoid,
    sigmoid_backward,
    softmax,
    softmax_backward,
    tanh,
    tanh_backward,
)
from .columns import (
    activate,
    affine,
    as_examples,
    as_matrix,
    as_pair,
    as_targets,
    cross_entropy,
    interior,
    product,
    pull_back,
)
from .descent import checked, descend, full_batches
from .initial import check_grads, initialize_parameters, initialize_parameters_deep, random_layers, sizes_of

__all__ = [
    "L_layer_model", "L_model_backward", "L_model_forward", "compute_cost", "initialize_parameters",
    "initialize_parameters_deep", "leaky_relu", "leaky_relu_backward", "linear_activation_backward",
    "linear_activation_forward", "linear_backward", "linear_forward", "predict", "relu", "relu_backward", "sigmoid",
    "sigmoid_backward", "softmax", "softmax_backward", "tanh", "tanh_backward", "two_layer_model",
    "update_parameters",
]  # fmt: skip

RECORD_EVERY = 100  # iterations, as the notes do
LinearCache = tuple[Array, Array, Array]
Cache = tuple[LinearCache, Array]

# ---- forward


def linear_forward(A: Any, W: Any, b: Any) -> tuple[Array, LinearCache]:
    """Return Z = W A + b and the cache (A, W, b).

    Parameters
    ----------
    A : array-like, shape (n_(l-1), m)
    W : array-like, shape (n_l, n_(l-1))
    b : array-like, shape (n_l, 1)

    Raises
    ------
    ValueError
        If the shapes do not chain; what would fit is said.

    Examples
    --------
    >>> Z, cache = linear_forward([[1.0], [2.0]], [[3.0, 4.0]], [[0.5]])
    >>> Z.tolist()
    [[11.5]]
    """
    return _linear(A, W, b)


def linear_activation_forward(A_prev: Any, W: Any, b: Any, activation: str) -> tuple[Array, Cache]:
    """Return A = g(W A_prev + b) and the cache ((A_prev, W, b), Z).

    Parameters
    ----------
    A_prev, W, b
        As in `linear_forward`.
    activation : str
        "sigmoid", "relu", "tanh", "leaky_relu", "softmax" or another of fastnn's activations.

    Examples
    --------
    >>> A, (linear, Z) = linear_activation_forward([[1.0]], [[-2.0]], [[0.0]], "relu")
    >>> A.tolist(), Z.tolist()
    ([[0.0]], [[-2.0]])
    """
    return _step(A_prev, W, b, activation)


def L_model_forward(
    X: Any, parameters: Mapping[str, Any], *, activation: str = "relu", output: str = "sigmoid"
) -> tuple[Array, list[Cache]]:
    """Return AL and the caches of all layers: L - 1 times ReLU, then the sigmoid.

    Parameters
    ----------
    X : array-like, shape (n_x, m)
    parameters : dict
        W1, b1, ..., WL, bL.
    activation, output : str
        Of the hidden layers and of the last, where they shall be others than the notes'.

    Raises
    ------
    ValueError
        If the shapes do not chain; the message names the layer.

    Examples
    --------
    >>> AL, caches = L_model_forward([[1.0], [2.0]], initialize_parameters_deep([2, 3, 1], seed=1))
    >>> AL.shape, len(caches)
    ((1, 1), 2)
    """
    weights, biases = as_layers(parameters)
    A = as_examples(X, weights[0].shape[1])
    caches = []
    for layer, W in enumerate(weights, start=1):
        b = biases[layer - 1] if biases else np.zeros((W.shape[0], 1))
        A, cache = _step(A, W, b, activation if layer < len(weights) else output, layer)
        caches.append(cache)
    return A, caches


def _step(A_prev: Any, W: Any, b: Any, activation: str, layer: int | None = None) -> tuple[Array, Cache]:
    Z, cache = _linear(A_prev, W, b, layer)
    return activate(Z, activation), (cache, Z)


def _linear(A: Any, W: Any, b: Any, layer: int | None = None) -> tuple[Array, LinearCache]:
    W = as_matrix(W, "W", "(n_l, n_(l-1))")
    A = as_matrix(A, "A", f"({W.shape[1]}, m), one example per column")
    b = floating(b, "b")
    if A.shape[0] != W.shape[1]:
        rows = " A.T would fit: examples go in columns." if A.shape[1] == W.shape[1] else ""
        raise ValueError(
            f"{'' if layer is None else f'layer {layer}: '}W {W.shape} takes {W.shape[1]} inputs, A {A.shape} has "
            f"{A.shape[0]} rows. W of shape ({W.shape[0]}, {A.shape[0]}) or A of shape ({W.shape[1]}, m) would fit."
            f"{rows}"
        )
    if b.size != W.shape[0] or (b.ndim == 2 and b.shape[1] != 1):
        raise ValueError(f"b must have shape ({W.shape[0]}, 1), one row per row of W, got {b.shape}.")
    return affine(W, A, b), (A, W, b)


# ---- cost and backward


def compute_cost(AL: Any, Y: Any, *, output: str = "sigmoid") -> float:
    """Return the cross-entropy cost.

        J = -(1/m) sum (Y log AL + (1 - Y) log(1 - AL))          for output "softmax"  -(1/m) sum Y log AL

    Parameters
    ----------
    AL : array-like, shape (n_y, m)
        Probabilities; an exact 0 or 1 moves to the nearest float between them.
    Y : array-like, shape (n_y, m)
    output : {"sigmoid", "softmax"}

    Raises
    ------
    ValueError
        If AL holds what is no probability, or the shapes differ.

    Examples
    --------
    >>> round(compute_cost([[0.8, 0.9, 0.4]], [[1, 1, 1]]), 4)
    0.4149
    """
    return cross_entropy(AL, Y, "AL", output)


def linear_backward(dZ: Any, cache: LinearCache) -> tuple[Array, Array, Array]:
    """Return dA_prev, dW, db of a layer's linear part.

        dA_prev = W^T dZ,   dW = dZ A_prev^T / m,   db = sum of the columns of dZ / m

    Parameters
    ----------
    dZ : array-like, shape (n_l, m)
    cache : (A_prev, W, b)

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Examples
    --------
    >>> dA, dW, db = linear_backward([[1.0, 3.0]], ([[1.0, 2.0]], [[5.0]], [[0.0]]))
    >>> dA.tolist(), dW.tolist(), db.tolist()
    ([[5.0, 15.0]], [[3.5]], [[2.0]])
    """
    A_prev, W, _ = cache
    W, A_prev = as_matrix(W, "W", "(n_l, n_(l-1))"), as_matrix(A_prev, "A_prev", "(n_(l-1), m)")
    dZ = as_targets(dZ, W.shape[0], A_prev.shape[1], "dZ")
    as_targets(A_prev, W.shape[1], dZ.shape[1], "A_prev")
    m = dZ.shape[1]
    if m == 0:
        raise ValueError("dZ has no columns; a gradient takes one example or more.")
    return product(W.T, dZ), product(dZ, A_prev.T) / m, dZ.sum(axis=1, keepdims=True) / m


def linear_activation_backward(dA: Any, cache: Cache, activation: str) -> tuple[Array, Array, Array]:
    """Return dA_prev, dW, db of a layer: its activation's backward step, then `linear_backward`.

    Examples
    --------
    >>> cache = (([[1.0, 2.0]], [[5.0]], [[0.0]]), [[-1.0, 1.0]])
    >>> linear_activation_backward([[1.0, 3.0]], cache, "relu")[1].tolist()
    [[3.0]]
    """
    linear, Z = cache
    return linear_backward(pull_back(dA, Z, activation), linear)


def L_model_backward(
    AL: Any, Y: Any, caches: Sequence[Cache], *, activation: str = "relu", output: str = "sigmoid"
) -> dict[str, Array]:
    """Return the gradients dA(l-1), dW(l), db(l) of every layer, from the last to the first.

        dAL = -(Y / AL - (1 - Y) / (1 - AL))                     for output "softmax"  -Y / AL

    Parameters
    ----------
    AL : array-like, shape (n_y, m)
        Used as it is; only an exact 0 or 1 moves to the nearest float between them.
    Y : array-like, shape (n_y, m)
    caches : list of ((A_prev, W, b), Z)
        From `L_model_forward`; used as they are.
    activation, output : str
        As in `L_model_forward`.

    Returns
    -------
    dict
        "dA0" ... "dA(L-1)", "dW1" ... "dWL", "db1" ... "dbL".

    Examples
    --------
    >>> parameters = initialize_parameters_deep([2, 3, 1], seed=1)
    >>> AL, caches = L_model_forward([[1.0], [2.0]], parameters)
    >>> sorted(L_model_backward(AL, [[1.0]], caches))
    ['dA0', 'dA1', 'dW1', 'dW2', 'db1', 'db2']
    """
    AL, Y = common("AL Y", AL, Y)
    as_matrix(AL, "AL", "(n_y, m), one example per column")
    Y = as_targets(Y, *AL.shape)
    if not len(caches):
        raise ValueError("caches is empty; give those of L_model_forward, one per layer.")
    AL = interior(AL)
    dA: Array = -(Y / AL) if output == "softmax" else -(Y / AL - (1 - Y) / (1 - AL))
    grads: dict[str, Array] = {}
    for layer in range(len(caches), 0, -1):
        name = output if layer == len(caches) else activation
        dA, grads[f"dW{layer}"], grads[f"db{layer}"] = linear_activation_backward(dA, caches[layer - 1], name)
        grads[f"dA{layer - 1}"] = dA
    return grads


def update_parameters(
    parameters: Mapping[str, Any], grads: Mapping[str, Any], learning_rate: float
) -> dict[str, Array]:
    """Return the parameters after a step of gradient descent, in new arrays.

        W[l] <- W[l] - learning_rate dW[l],   b[l] <- b[l] - learning_rate db[l]

    Raises
    ------
    ValueError
        If a gradient is missing or has another shape.

    Examples
    --------
    >>> update_parameters({"W1": [[1.0]], "b1": [[0.0]]}, {"dW1": [[2.0]], "db1": [[1.0]]}, 0.5)["W1"].tolist()
    [[0.0]]
    """
    rate = real(learning_rate, "learning_rate", 0)
    return {name: value - rate * slope for name, value, slope in check_grads(parameters, grads)}


# ---- whole models


def two_layer_model(
    X: Any, Y: Any, layers_dims: Sequence[int], learning_rate: float = 0.0075, num_iterations: int = 3000,
    print_cost: bool = False, *, seed: int | None = None,
) -> tuple[dict[str, Array], list[float]]:  # fmt: skip
    """Train n_x - n_h - n_y, ReLU and sigmoid, from 0.01 randn, in the compiled program.

    Parameters and results are those of `L_layer_model`.

    Examples
    --------
    >>> parameters, costs = two_layer_model([[-1.0, 1.0]], [[0, 1]], (1, 3, 1), num_iterations=200, seed=1)
    >>> [round(cost, 4) for cost in costs]
    [0.6932, 0.6931]
    """
    if len(sizes_of(layers_dims)) != 3:
        raise ValueError(f"layers_dims must be (n_x, n_h, n_y), got {tuple(layers_dims)}. Use L_layer_model.")
    return _model(X, Y, layers_dims, learning_rate, num_iterations, print_cost, 0.01, "relu", "sigmoid", seed)


def L_layer_model(
    X: Any, Y: Any, layers_dims: Sequence[int], learning_rate: float = 0.0075, num_iterations: int = 3000,
    print_cost: bool = False, *, seed: int | None = None, activation: str = "relu", output: str = "sigmoid",
) -> tuple[dict[str, Array], list[float]]:  # fmt: skip
    """Train L - 1 ReLU layers and a sigmoid by gradient descent, from randn / sqrt(n_in), in the compiled program.

    Parameters
    ----------
    X : array-like, shape (n_x, m)
    Y : array-like, shape (n_y, m)
    layers_dims : sequence of int
        n_x, n_1, ..., n_L = n_y.
    learning_rate : float
    num_iterations : int
    print_cost : bool
        Print the recorded costs.
    seed : int or None
        Of the initial values, as in `initialize_parameters_deep`.
    activation, output : str
        Of the hidden layers and of the last, "sigmoid" or "softmax", where they shall be others than the notes'.

    Returns
    -------
    parameters : dict
        W1, b1, ..., WL, bL.
    costs : list of float
        Before the updates of iterations 0, 100, 200, ...

    Raises
    ------
    ValueError
        If X, Y and layers_dims do not fit together; examples in rows are named as such.
    DivergenceError
        If the cost stops being finite.

    Notes
    -----
    The costs are computed from ZL and not from AL, so that they stay exact where AL rounds to 0 or 1.  Where there are
    more features than examples, the descent runs in coordinates of the examples' span: see ``fastnn.course.descent``.

    Examples
    --------
    >>> parameters, costs = L_layer_model([[-1.0, 1.0]], [[0, 1]], [1, 4, 1], 1.0, 200, seed=1)
    >>> costs[1] < 0.1 < costs[0]
    True
    """
    return _model(X, Y, layers_dims, learning_rate, num_iterations, print_cost, "fan_in", activation, output, seed)


def _model(
    X: Any, Y: Any, layers_dims: Sequence[int], learning_rate: float, num_iterations: int, print_cost: bool,
    scale: float | str, activation: str, output: str, seed: int | None,
) -> tuple[dict[str, Array], list[float]]:  # fmt: skip
    dims = sizes_of(layers_dims)
    X, Y = as_pair(X, Y)
    X, Y = as_examples(X, dims[0]), as_targets(Y, dims[-1], X.shape[1])
    rate, iterations = checked(learning_rate, num_iterations)
    show = truth(print_cost, "print_cost")
    weights, biases = as_layers(random_layers(dims, scale, seed))
    made = descend(
        weights, biases, X, Y, activation=activation, output=output,
        batches=full_batches(X.shape[1], iterations, rate), full=iterations,
    )  # fmt: skip
    costs: list[float] = made.costs[::RECORD_EVERY].tolist()
    if show:
        for i, value in enumerate(costs):
            print(f"Cost after iteration {i * RECORD_EVERY}: {value:.6f}")
    return as_dict(made.weights, made.biases), costs


def predict(X: Any, y: Any, parameters: Mapping[str, Any]) -> Array:
    """Return 1.0 where AL > 0.5, else 0.0, shape (n_y, m), and print the accuracy where y is given.

    Parameters
    ----------
    X : array-like, shape (n_x, m)
    y : array-like, shape (n_y, m), or None
    parameters : dict

    Examples
    --------
    >>> predict([[-1.0, 1.0]], [[0, 1]], {"W1": [[2.0]], "b1": [[0.0]]}).tolist()
    Accuracy: 1.0
    [[0.0, 1.0]]
    """
    AL, _ = L_model_forward(X, parameters)
    predicted = (AL > 0.5).astype(np.float64)
    if y is not None:
        print(f"Accuracy: {float((predicted == as_targets(y, AL.shape[0], AL.shape[1], 'y')).mean())}")
    return predicted

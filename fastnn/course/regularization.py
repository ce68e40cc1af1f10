"""L2 and dropout forms of the notes, L layers of ReLU and a sigmoid; a cache is flat, (Z1, A1, W1, b1, Z2, A2, ...)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .. import functional
from ..arrays import Array
from ..checks import real
from ..parameters import as_layers
from .columns import affine, as_examples, as_targets, cross_entropy, generator, product

__all__ = [
    "backward_propagation", "backward_propagation_with_dropout", "backward_propagation_with_regularization",
    "compute_cost", "compute_cost_with_regularization", "forward_propagation", "forward_propagation_with_dropout",
]  # fmt: skip


def forward_propagation(X: Any, parameters: Mapping[str, Any]) -> tuple[Array, tuple[Array, ...]]:
    """Return AL and the cache (Z1, A1, W1, b1, ..., ZL, AL, WL, bL).

    Parameters
    ----------
    X : array-like, shape (n_x, m)
    parameters : dict
        W1, b1, ..., WL, bL.

    Raises
    ------
    ValueError
        If the shapes do not chain; the message names the layer.

    Examples
    --------
    >>> AL, cache = forward_propagation([[2.0]], {"W1": [[0.0]], "b1": [[0.0]]})
    >>> AL.tolist(), len(cache)
    ([[0.5]], 4)
    """
    return _forward(X, parameters, 1.0, None)


def forward_propagation_with_dropout(
    X: Any, parameters: Mapping[str, Any], keep_prob: float = 0.5, *, seed: int | None = None
) -> tuple[Array, tuple[Array, ...]]:
    """Return AL and the cache (Z1, D1, A1, W1, b1, ..., ZL, AL, WL, bL), hidden outputs dropped at random.

        D = rand(n_l, m) < keep_prob,   A = relu(Z) D / keep_prob

    Parameters
    ----------
    X, parameters
        As in `forward_propagation`.
    keep_prob : float
        In (0, 1]; the share of hidden outputs that is kept.
    seed : int or None
        As ``np.random.seed(seed)`` before the masks, D1 first; None goes on with NumPy's global generator.

    Examples
    --------
    >>> parameters = {"W1": [[1.0]] * 4, "b1": [[0.0]] * 4, "W2": [[1.0] * 4], "b2": [[0.0]]}
    >>> _, cache = forward_propagation_with_dropout([[1.0]], parameters, 0.5, seed=1)
    >>> cache[1].ravel().tolist(), cache[2].ravel().tolist()
    ([1, 0, 1, 1], [2.0, 0.0, 2.0, 2.0])
    """
    return _forward(X, parameters, _keep(keep_prob), seed, dropout=True)


def _keep(keep_prob: float) -> float:
    return real(keep_prob, "keep_prob", 0, 1, open_low=True)


def _forward(
    X: Any, parameters: Mapping[str, Any], keep_prob: float, seed: int | None, dropout: bool = False
) -> tuple[Array, tuple[Array, ...]]:
    weights, biases = as_layers(parameters)
    A = as_examples(X, weights[0].shape[1])
    random = generator(seed)
    cache: list[Array] = []
    for layer, W in enumerate(weights, start=1):
        b = biases[layer - 1] if biases else np.zeros((W.shape[0], 1))
        Z = affine(W, A, b)
        if layer == len(weights):
            A = functional.sigmoid(Z)
        else:
            A = functional.relu(Z)
            if dropout:
                D = (random.rand(*A.shape) < keep_prob).astype(np.int64)
                A *= D
                A /= keep_prob
                cache += [Z, D, A, W, b]
                continue
        cache += [Z, A, W, b]
    return A, tuple(cache)


def compute_cost(AL: Any, Y: Any) -> float:
    """Return the cross-entropy cost, as `fastnn.course.deep.compute_cost` does.

    Examples
    --------
    >>> round(compute_cost([[0.5]], [[1]]), 4)
    0.6931
    """
    return cross_entropy(AL, Y)


def compute_cost_with_regularization(AL: Any, Y: Any, parameters: Mapping[str, Any], lambd: float) -> float:
    """Return the cost with the L2 penalty.

        J = cross-entropy + lambd / (2 m) sum_l |W[l]|^2

    Parameters
    ----------
    AL, Y : array-like, shape (n_y, m)
    parameters : dict
    lambd : float
        >= 0.

    Examples
    --------
    >>> round(compute_cost_with_regularization([[0.5]], [[1]], {"W1": [[2.0]]}, 0.1), 4)  # log 2 + 0.1 / 2 * 4
    0.8931
    """
    AL = np.asarray(AL)
    data = cross_entropy(AL, Y)
    weights, _ = as_layers(parameters)
    squares = sum(float(np.square(W).sum()) for W in weights)
    return data + real(lambd, "lambd", 0) / (2 * int(AL.shape[1])) * squares


def backward_propagation(X: Any, Y: Any, cache: Sequence[Array]) -> dict[str, Array]:
    """Return dZ, dW, db of every layer and dA of the hidden ones.

        dZ[L] = AL - Y,   dW[l] = dZ[l] A[l-1]^T / m,   dA[l-1] = W[l]^T dZ[l],   dZ[l] = dA[l] where A[l] > 0

    Parameters
    ----------
    X : array-like, shape (n_x, m)
    Y : array-like, shape (n_y, m)
    cache : tuple
        From `forward_propagation`; used as it is.

    Examples
    --------
    >>> _, cache = forward_propagation([[2.0]], {"W1": [[0.0]], "b1": [[0.0]]})
    >>> backward_propagation([[2.0]], [[1.0]], cache)["dW1"].tolist()
    [[-1.0]]
    """
    return _backward(X, Y, cache, 0.0, None)


def backward_propagation_with_regularization(X: Any, Y: Any, cache: Sequence[Array], lambd: float) -> dict[str, Array]:
    """Return the gradients of `compute_cost_with_regularization`: those of `backward_propagation`, and to each dW

        dW[l] <- dW[l] + lambd / m W[l]

    Examples
    --------
    >>> _, cache = forward_propagation([[0.0]], {"W1": [[3.0]], "b1": [[0.0]]})
    >>> backward_propagation_with_regularization([[0.0]], [[1.0]], cache, 0.5)["dW1"].tolist()
    [[1.5]]
    """  # noqa: D205, D400, D415
    return _backward(X, Y, cache, real(lambd, "lambd", 0), None)


def backward_propagation_with_dropout(X: Any, Y: Any, cache: Sequence[Array], keep_prob: float) -> dict[str, Array]:
    """Return the gradients behind the masks of `forward_propagation_with_dropout`: dA[l] <- dA[l] D[l] / keep_prob.

    Examples
    --------
    >>> parameters = {"W1": [[1.0]] * 4, "b1": [[0.0]] * 4, "W2": [[1.0] * 4], "b2": [[0.0]]}
    >>> _, cache = forward_propagation_with_dropout([[1.0]], parameters, 0.5, seed=1)
    >>> (backward_propagation_with_dropout([[1.0]], [[0.0]], cache, 0.5)["dZ1"].ravel() > 0).tolist()
    [True, False, True, True]
    """
    return _backward(X, Y, cache, 0.0, _keep(keep_prob))


def _backward(X: Any, Y: Any, cache: Sequence[Array], lambd: float, keep_prob: float | None) -> dict[str, Array]:
    layers = _layers_of(cache, keep_prob is not None)
    X = as_examples(X, layers[0][2].shape[1])
    m = X.shape[1]
    last = len(layers)
    grads: dict[str, Array] = {}
    dZ = layers[-1][1] - as_targets(Y, *layers[-1][1].shape)
    for layer in range(last, 0, -1):
        D, A, W = layers[layer - 1]
        if layer < last:
            dA = product(layers[layer][2].T, dZ)
            if keep_prob is not None:
                dA *= D
                dA /= keep_prob
            dZ = np.where(A > 0, dA, 0)
            grads[f"dA{layer}"] = dA
        before = as_targets(X if layer == 1 else layers[layer - 2][1], W.shape[1], m, f"A{layer - 1}")
        grads[f"dZ{layer}"] = dZ
        grads[f"dW{layer}"] = product(dZ, before.T) / m
        if lambd:
            grads[f"dW{layer}"] += lambd / m * W
        grads[f"db{layer}"] = dZ.sum(axis=1, keepdims=True) / m
    return grads


def _layers_of(cache: Sequence[Array], dropout: bool) -> list[tuple[Array, Array, Array]]:
    """Return (D, A, W) of every layer of a flat cache; D is A where nothing was dropped."""
    width = 5 if dropout else 4
    if len(cache) % width != (4 if dropout else 0) or not len(cache):
        form = "(Z1, D1, A1, W1, b1, ..., ZL, AL, WL, bL)" if dropout else "(Z1, A1, W1, b1, ..., ZL, AL, WL, bL)"
        raise ValueError(f"cache must be {form}, got {len(cache)} entries. Give that of the same forward function.")
    return [
        (cache[at + 1], cache[at + (2 if dropout and at + 5 <= len(cache) else 1)],
         cache[at + (3 if dropout and at + 5 <= len(cache) else 2)])
        for at in range(0, len(cache), width)
    ]  # fmt: skip

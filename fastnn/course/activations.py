"""Activations and their backward steps as the notes write them: f(Z) -> A, cache and f_backward(dA, cache) -> dZ."""

from __future__ import annotations

from typing import Any

from ..arrays import Array
from ..functional.inputs import floating
from .columns import activate, pull_back

__all__ = [
    "leaky_relu", "leaky_relu_backward", "relu", "relu_backward", "sigmoid", "sigmoid_backward", "softmax",
    "softmax_backward", "tanh", "tanh_backward",
]  # fmt: skip


def sigmoid(Z: Any) -> tuple[Array, Array]:
    """Return A = 1 / (1 + exp(-Z)) and the cache, Z.

    Examples
    --------
    >>> A, cache = sigmoid([[0.0]])
    >>> A.tolist(), cache.tolist()
    ([[0.5]], [[0.0]])
    """
    return _activation(Z, "sigmoid")


def tanh(Z: Any) -> tuple[Array, Array]:
    """Return A = tanh(Z) and the cache, Z."""
    return _activation(Z, "tanh")


def relu(Z: Any) -> tuple[Array, Array]:
    """Return A = max(Z, 0) and the cache, Z."""
    return _activation(Z, "relu")


def leaky_relu(Z: Any) -> tuple[Array, Array]:
    """Return A = Z where Z > 0, else 0.01 Z, and the cache, Z."""
    return _activation(Z, "leaky_relu")


def softmax(Z: Any) -> tuple[Array, Array]:
    """Return A = exp(Z) / sum exp(Z), the sum over each column, and the cache, Z.

    Examples
    --------
    >>> softmax([[0.0], [0.0]])[0].tolist()
    [[0.5], [0.5]]
    """
    return _activation(Z, "softmax")


def sigmoid_backward(dA: Any, cache: Any) -> Array:
    """Return dZ = dA s (1 - s), s = sigmoid(Z), for the cached Z.

    Examples
    --------
    >>> sigmoid_backward([[1.0]], [[0.0]]).tolist()
    [[0.25]]
    """
    return pull_back(dA, cache, "sigmoid")


def tanh_backward(dA: Any, cache: Any) -> Array:
    """Return dZ = dA (1 - tanh(Z)^2) for the cached Z."""
    return pull_back(dA, cache, "tanh")


def relu_backward(dA: Any, cache: Any) -> Array:
    """Return dZ = dA where Z > 0, else 0, for the cached Z."""
    return pull_back(dA, cache, "relu")


def leaky_relu_backward(dA: Any, cache: Any) -> Array:
    """Return dZ = dA where Z > 0, else 0.01 dA, for the cached Z."""
    return pull_back(dA, cache, "leaky_relu")


def softmax_backward(dA: Any, cache: Any) -> Array:
    """Return dZ_k = A_k (dA_k - sum_j dA_j A_j) in each column, A = softmax(Z), for the cached Z."""
    return pull_back(dA, cache, "softmax")


def _activation(Z: Any, name: str) -> tuple[Array, Array]:
    Z = floating(Z, "Z")
    return activate(Z, name), Z

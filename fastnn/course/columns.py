"""Examples in columns: checks of orientation and shape, random initial values, and products on the kernels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.random import mtrand

from fastnn.kernels.activations import BY_NAME
from fastnn.kernels.losses import LINK_BY_NAME

from .. import functional
from ..arrays import Array
from ..backends import kernels, threads_for
from ..checks import choice, whole
from ..functional.inputs import common, floating

__all__ = ["activate", "affine", "as_examples", "as_targets", "cross_entropy", "generator", "interior", "product"]

IDENTITY = BY_NAME["identity"].code
SOFTMAX = LINK_BY_NAME["softmax"].code


def as_matrix(value: Any, name: str, shape: str) -> Array:
    """Return value as a 2-D array of float32 or float64; ``shape`` says in words what was expected."""
    array = floating(value, name)
    if array.ndim != 2:
        fix = f" A vector has no orientation: use {name}.reshape(1, -1) or (-1, 1)." if array.ndim == 1 else ""
        raise ValueError(f"{name} must be a matrix {shape}, got shape {array.shape}.{fix}")
    return array


def as_examples(X: Any, n_x: int, name: str = "X", layer: int = 1) -> Array:
    """Return X as a matrix of n_x rows, one example per column.

    Parameters
    ----------
    X : array-like, shape (n_x, m)
    n_x : int
        What the first layer's W takes.
    name : str
        For messages.
    layer : int
        The layer that takes X, for messages.

    Raises
    ------
    ValueError
        If X has other rows; where its columns fit, examples in rows are named as the cause.
    """
    array = as_matrix(X, name, f"({n_x}, m), one example per column")
    if array.shape[0] == n_x:
        return array
    if array.shape[1] == n_x:
        raise ValueError(
            f"{name} has shape {array.shape}: its examples are in rows. Here they are in columns, ({n_x}, m); "
            f"use {name}.T."
        )
    raise ValueError(
        f"{name} has {array.shape[0]} rows, shape {array.shape}; layer {layer} takes {n_x} inputs. "
        f"W{layer} of shape (n_{layer}, {array.shape[0]}) would fit, or {name} of shape ({n_x}, m)."
    )


def as_targets(Y: Any, n_y: int, m: int, name: str = "Y") -> Array:
    """Return Y as a matrix (n_y, m), one example per column; errors as those of `as_examples`."""
    array = as_matrix(Y, name, f"({n_y}, {m}), one example per column")
    if array.shape == (n_y, m):
        return array
    if array.shape == (m, n_y):
        raise ValueError(
            f"{name} has shape {array.shape}: its examples are in rows. Here they are in columns, ({n_y}, {m}); "
            f"use {name}.T."
        )
    raise ValueError(
        f"{name} must have shape ({n_y}, {m}), one row per output and one column per example, got {array.shape}."
    )


def as_pair(X: Any, Y: Any) -> tuple[Array, Array]:
    """Return X (n_x, m) and Y (n_y, m) of one training set, where no parameters say yet what n_x is."""
    X = as_matrix(X, "X", "(n_x, m), one example per column")
    Y = as_matrix(Y, "Y", "(n_y, m), one example per column")
    if X.shape[1] != Y.shape[1]:
        rows = X.shape[0] == Y.shape[0]
        cause = (
            "their examples are in rows. Here they are in columns; use X.T and Y.T."
            if rows
            else "Y must have as many columns as X, one per example."
        )
        turned = " Y.T would fit." if not rows and Y.shape[0] == X.shape[1] else ""
        turned = " X.T would fit." if not rows and X.shape[0] == Y.shape[1] else turned
        raise ValueError(f"X has shape {X.shape} and Y {Y.shape}: {cause}{turned}")
    if X.size == 0 or Y.size == 0:
        raise ValueError(f"X has shape {X.shape} and Y {Y.shape}; give at least one example, feature and output.")
    return X, Y


def as_finite(array: Array, name: str) -> Array:
    """Return the matrix as it is; raise ValueError at its first entry that is not finite."""
    if not np.isfinite([array.min(), array.max()]).all():
        i, j = (int(k) for k in np.argwhere(~np.isfinite(array))[0])
        raise ValueError(f"{name}[{i}, {j}] is {array[i, j]}; {name} must be finite. Remove or impute example {j}.")
    return array


def generator(seed: int | None) -> np.random.RandomState:
    """Return NumPy's own global generator for None, else one that gives what it would after np.random.seed(seed).

    The notes' numbers come from this older generator; a script that calls np.random.seed itself is heard, too.
    """
    if seed is None:
        return mtrand._rand
    return np.random.RandomState(whole(seed, "seed"))


def product(A: Array, B: Array) -> Array:
    """Return A B by the kernels; shapes have been checked."""
    A, B = common("A B", A, B)
    C = np.empty((A.shape[0], B.shape[1]), A.dtype)
    kernels().matmul(A, B, C, False, threads_for(2.0 * A.size * B.shape[1], None))
    return C


def affine(W: Array, A: Array, b: Array) -> Array:
    """Return W A + b for columns A; b may be empty."""
    W, A, b = common("W A b", W, A, b)
    Z = np.empty((W.shape[0], A.shape[1]), A.dtype)
    threads = threads_for(2.0 * W.size * A.shape[1], None)
    kernels().dense_forward(A.T, W.T, b.reshape(-1), IDENTITY, Z.T, np.empty((0, 0), A.dtype), threads)
    return Z


def activate(Z: Array, name: str) -> Array:
    """Return an activation of Z; softmax is taken over each column."""
    choice(name, "activation", [*BY_NAME, "softmax"])
    if name != "softmax":
        made: Array = getattr(functional, name)(Z)
        return made
    Z = as_matrix(Z, "Z", "(n, m), one example per column")
    A = np.empty_like(Z)
    kernels().link(SOFTMAX, Z.T, A.T)
    return A


def pull_back(dA: Any, Z: Any, name: str) -> Array:
    """Return dZ = dA f'(Z); for softmax A (dA - sum_k dA_k A_k) in each column."""
    dA, Z = common("dA Z", dA, Z)
    if dA.shape != Z.shape:
        raise ValueError(f"dA must have the shape of the cached Z, {Z.shape}, got {dA.shape}.")
    if name == "softmax":
        A = activate(Z, name)
        shifted: Array = A * (dA - (dA * A).sum(axis=0, keepdims=True))
        return shifted
    choice(name, "activation", BY_NAME)
    dZ: Array = getattr(functional, f"{name}_grad")(Z)
    dZ *= dA
    return dZ


def interior(A: Array) -> Array:
    """Return A with each exact 0 or 1 moved to the nearest float between them; nothing else is touched."""
    if not ((A == 0) | (A == 1)).any():
        return A
    zero, one = A.dtype.type(0), A.dtype.type(1)
    return np.where(A == 0, np.nextafter(zero, one), np.where(A == 1, np.nextafter(one, zero), A))


def cross_entropy(A: Any, Y: Any, name: str = "AL", output: str = "sigmoid") -> float:
    """Return the mean over the columns of the cross-entropy of probabilities A and targets Y.

    Raises ValueError where A is no probability, whose logarithm would be no number.
    """
    A, Y = common(f"{name} Y", A, Y)
    as_matrix(A, name, "(n_y, m), one example per column")
    Y = as_targets(Y, *A.shape)
    outside = ~((A >= 0) & (A <= 1))
    if outside.any():
        at = tuple(int(i) for i in np.argwhere(outside)[0])
        raise ValueError(f"{name}[{at[0]}, {at[1]}] is {A[at]:g}; the cost takes probabilities, 0 ... 1.")
    if A.shape[1] == 0:
        raise ValueError(f"{name} has no columns; a mean needs one example or more.")
    A = interior(A)
    logs = Y * np.log(A) if output == "softmax" else Y * np.log(A) + (1 - Y) * np.log(1 - A)
    return -float(logs.sum(dtype=np.float64)) / int(A.shape[1])

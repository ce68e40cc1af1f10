"""Products and dense layers as functions."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnn.kernels.activations import ALIASES, BY_NAME, INPUT

from ..arrays import Array, as_output
from ..backends import kernels, threads_for
from ..checks import choice
from .inputs import common, floating

__all__ = ["dense_backward", "dense_forward", "dot", "matmul"]


def dot(x: Any, y: Any) -> float:
    """Return the dot product of two vectors.

        sum_i x_i y_i

    Parameters
    ----------
    x, y : array-like, shape (n,)

    Returns
    -------
    float
        Accumulated in the vectors' dtype.

    Raises
    ------
    ValueError
        If they are not vectors of one length.

    Examples
    --------
    >>> dot([1.0, 2.0, 3.0], [4.0, 5.0, 6.0])
    32.0
    """
    x, y = common("x y", x, y)
    if x.ndim != 1 or x.shape != y.shape:
        raise ValueError(f"x and y must be vectors of one length, got shapes {x.shape} and {y.shape}.")
    return float(kernels().dot(x, y))


def matmul(A: Any, B: Any, out: Array | None = None, *, num_threads: int | None = None) -> Array:
    """Return the matrix product.

        C_ij = sum_k A_ik B_kj

    Parameters
    ----------
    A : array-like, shape (m, k)
    B : array-like, shape (k, n)
    out : ndarray, shape (m, n), optional
        Of the common dtype; must overlap neither A nor B.
    num_threads : int or None

    Returns
    -------
    ndarray, shape (m, n)

    Raises
    ------
    ValueError
        If the shapes do not chain, or ``out`` does not fit.

    Examples
    --------
    >>> matmul([[1.0, 2.0]], [[3.0], [4.0]])
    array([[11.]])
    """
    A, B = common("A B", A, B)
    if A.ndim != 2 or B.ndim != 2 or A.shape[1] != B.shape[0]:
        raise ValueError(f"A (m, k) and B (k, n) must chain, got shapes {A.shape} and {B.shape}.")
    C = as_output(out, (A.shape[0], B.shape[1]), A.dtype)
    if out is not None and (np.may_share_memory(C, A) or np.may_share_memory(C, B)):
        raise ValueError("out overlaps A or B; give a separate array.")
    kernels().matmul(A, B, C, False, threads_for(2.0 * A.size * B.shape[1], num_threads))
    return C


def dense_forward(X: Any, W: Any, b: Any = None, activation: str = "identity") -> Array:
    """Return a dense layer's output.

        Y = f(X W + b)

    Parameters
    ----------
    X : array-like, shape (m, n_in)
    W : array-like, shape (n_in, n_out)
    b : array-like, shape (n_out,), optional
    activation : str

    Returns
    -------
    ndarray, shape (m, n_out)

    Examples
    --------
    >>> dense_forward([[1.0, 2.0]], [[1.0], [-1.0]], [0.5], "relu")
    array([[0.]])
    """
    Y, _ = _dense(X, W, b, activation)
    return Y


def _dense(X: Any, W: Any, b: Any, activation: str) -> tuple[Array, Array]:
    """Return a layer's Y, and Z where the derivative reads it (else empty)."""
    act = BY_NAME[choice(activation, "activation", BY_NAME, ALIASES)]
    X, W, b = common("X W b", X, W, np.empty(0, np.float32) if b is None else b)
    if X.ndim != 2 or W.ndim != 2 or X.shape[1] != W.shape[0]:
        raise ValueError(f"X (m, n_in) and W (n_in, n_out) must chain, got shapes {X.shape} and {W.shape}.")
    if b.size and b.shape != (W.shape[1],):
        raise ValueError(f"b must have shape ({W.shape[1]},), got {b.shape}.")
    Y = np.empty((len(X), W.shape[1]), X.dtype)
    Z = np.empty_like(Y) if act.reads == INPUT else np.empty((0, 0), X.dtype)
    kernels().dense_forward(X, W, b, act.code, Y, Z, threads_for(2.0 * X.size * W.shape[1], None))
    return Y, Z


def dense_backward(
    X: Any, W: Any, b: Any, dY: Any, activation: str = "identity"
) -> tuple[Array, Array, Array]:
    """Return a dense layer's gradients; the forward pass is done again inside.

        dZ = dY f'(Z),   dX = dZ W^T,   dW = X^T dZ,   db = sum of the rows of dZ

    Parameters
    ----------
    X, W, b, activation
        As in `dense_forward`.
    dY : array-like, shape (m, n_out)
        d loss / d Y.

    Returns
    -------
    dX, dW, db : ndarray
        Shapes (m, n_in), (n_in, n_out), (n_out,).

    Examples
    --------
    >>> dX, dW, db = dense_backward([[1.0, 2.0]], [[3.0], [4.0]], None, [[1.0]])
    >>> dX.tolist(), dW.tolist(), db.tolist()
    ([[3.0, 4.0]], [[1.0], [2.0]], [1.0])
    """
    Y, Z = _dense(X, W, b, activation)
    act = BY_NAME[choice(activation, "activation", BY_NAME, ALIASES)]
    X, W, _ = common("X W Y", X, W, Y)
    dZ = np.array(floating(dY, "dY"), X.dtype, order="C")
    if dZ.shape != Y.shape:
        raise ValueError(f"dY must have the output's shape {Y.shape}, got {dZ.shape}.")
    dX, dW, db = np.empty_like(X, order="C"), np.empty_like(W, order="C"), np.empty(W.shape[1], X.dtype)
    threads = threads_for(4.0 * X.size * W.shape[1], None)
    kernels().dense_backward(X, W, Z if Z.size else Y, dZ, act.code, dX, dW, db, threads)
    return dX, dW, db

"""Activations and their derivatives as functions, and softmax.

The functions are made from the rows of ``kernels/activations.py``, so that formula, documentation and code cannot
differ; a new activation takes one line at the end of this file.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from fastnn.kernels.activations import BY_NAME, IDENTITY, INPUT
from fastnn.kernels.losses import LINK_BY_NAME

from ..arrays import Array, as_output
from ..backends import kernels
from .inputs import ACTIVATION, ElementwiseFunction, floating, mapped, rows_of, without_overlap

__all__ = [
    "elu",
    "elu_grad",
    "gelu",
    "gelu_grad",
    "identity",
    "identity_grad",
    "leaky_relu",
    "leaky_relu_grad",
    "relu",
    "relu_grad",
    "sigmoid",
    "sigmoid_grad",
    "silu",
    "silu_grad",
    "softmax",
    "softplus",
    "softplus_grad",
    "tanh",
    "tanh_grad",
]


class ActivationGradient(Protocol):
    """f_grad(z): an activation's derivative at its input, element by element."""

    __name__: str

    def __call__(self, z: Any) -> Array:
        """Return f'(z) in a new array."""


def softmax(x: Any, out: Array | None = None) -> Array:
    """Return the softmax of each row.

        y_j = exp(x_j - max x) / sum_k exp(x_k - max x)

    Parameters
    ----------
    x : array-like, shape (n,) or (m, n)
    out : ndarray, the shape of x, optional

    Returns
    -------
    ndarray
        New, or ``out``; rows sum to 1.

    Examples
    --------
    >>> softmax([0.0, 0.0]).tolist()
    [0.5, 0.5]
    """
    x = floating(x, "x")
    if x.ndim not in (1, 2) or x.shape[-1] == 0:
        raise ValueError(f"x must be one row or a matrix of rows with at least one column, got shape {x.shape}.")
    y = as_output(out, x.shape, x.dtype)
    result = without_overlap(y, x)
    kernels().link(LINK_BY_NAME["softmax"].code, rows_of(x), rows_of(result))
    if result is not y:
        y[...] = result
    return y


def _activation(name: str) -> ElementwiseFunction:
    record = BY_NAME[name]

    def function(x: Any, out: Array | None = None) -> Array:
        return mapped(ACTIVATION, record.code, x, out)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"""Return {name}(x), element by element.

        y = {record.formula}

    Parameters
    ----------
    x : array-like, any shape
    out : ndarray, the shape of x, optional
        May be x.

    Returns
    -------
    ndarray
        New, or ``out``; float32 for float32, else float64.  NaN gives NaN.

    Examples
    --------
    >>> round(float({name}(0.5)), 6)
    {round(float(record.f(np.float64(0.5))), 6)}
    """
    return function


def _activation_grad(name: str) -> ActivationGradient:
    record = BY_NAME[name]

    def function(z: Any) -> Array:
        z = floating(z, "z")
        rows = rows_of(z)
        reads = rows
        if record.reads != INPUT and record.code != IDENTITY:
            reads = np.empty_like(rows)
            kernels().activation(record.code, rows, reads)
        slope = np.ones_like(rows)
        kernels().activation_grad(record.code, reads, slope, slope)
        return slope.reshape(z.shape)

    function.__name__ = function.__qualname__ = f"{name}_grad"
    at_half = record.df(record.f(np.float64(0.5)) if record.reads != INPUT else np.float64(0.5))
    at_nan = float(record.df(np.float64(np.nan)))  # input and output alike are NaN
    nan = "NaN gives NaN" if np.isnan(at_nan) else f"the slope for NaN is {at_nan:g}"
    function.__doc__ = f"""Return the derivative of {name} at its input z, element by element.

        dy/dz of y = {record.formula}      (the slope at a kink is the one from below)

    Parameters
    ----------
    z : array-like, any shape

    Returns
    -------
    ndarray
        New; float32 for float32, else float64; {nan}.

    Examples
    --------
    >>> round(float({name}_grad(0.5)), 6)
    {round(float(at_half), 6)}
    """
    return function


identity, identity_grad = _activation("identity"), _activation_grad("identity")
sigmoid, sigmoid_grad = _activation("sigmoid"), _activation_grad("sigmoid")
tanh, tanh_grad = _activation("tanh"), _activation_grad("tanh")
relu, relu_grad = _activation("relu"), _activation_grad("relu")
leaky_relu, leaky_relu_grad = _activation("leaky_relu"), _activation_grad("leaky_relu")
elu, elu_grad = _activation("elu"), _activation_grad("elu")
softplus, softplus_grad = _activation("softplus"), _activation_grad("softplus")
silu, silu_grad = _activation("silu"), _activation_grad("silu")
gelu, gelu_grad = _activation("gelu"), _activation_grad("gelu")

"""Elementary functions: the names that the formulas are written in, and their polynomial twins.

First version: array-level names only; the scalar polynomials follow.
"""

import math

import numpy as np


def exp(x):
    """Return e to the power x, elementwise, in the dtype of x."""
    return np.exp(x)


def expm1(x):
    """Return exp(x) - 1 without cancellation near zero."""
    return np.expm1(x)


def log(x):
    """Return the natural logarithm of x."""
    return np.log(x)


def log1p(x):
    """Return log(1 + x) without cancellation near zero."""
    return np.log1p(x)


def tanh(x):
    """Return the hyperbolic tangent of x."""
    return np.tanh(x)


def erf(x):
    """Return the error function of x, in the dtype of x."""
    x = np.asarray(x)
    values = np.array([math.erf(v) for v in x.ravel().tolist()], dtype=x.dtype)
    return values.reshape(x.shape)


def select(condition, a, b):
    """Return a where condition holds, else b; both are evaluated."""
    return np.where(condition, a, b)

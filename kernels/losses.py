"""Losses and links: loss and gradient of the raw prediction, and what turns a raw prediction into an output.

One formula, two homes: this file (the reference evaluates it on arrays, Numba compiles the same text for scalars) and
one macro row each in ``c/losses.h``.  A test holds the two equal.

The raw prediction r is the last layer's output in the plan.  A canonical pair (softmax and categorical cross-entropy,
sigmoid and binary cross-entropy, identity and squared error, exp and Poisson) has a linear last layer, and its
``link`` maps r to the output; the loss reads r itself, so log(0) cannot occur.  Every other pair keeps its activation
in the last layer, and the loss reads that output.

Per element: ``f(r, t, p)`` and ``df(r, t, p)`` with target t and parameter p (Huber's delta, the quantile).  The
loss of a row is the sum over its elements.  The categorical cross-entropy couples the elements of a row: its p is the
row's log-sum-exp, and its gradient is ``exp(r - p) * sum(t) - t``.

The cross-entropies may be cut in what is reported: where the parameter is negative, -c, no element counts more than c
(in the categorical one r is raised to log-sum-exp - c).  That is the loss of a probability clipped from below, as
scikit-learn prints it; the gradient stays that of the loss itself.  Other parameters, the networks' own 0 among them,
cut nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .elementary import exp, log1p, select


def squared_error(r, t, p):
    return 0.5 * ((r - t) * (r - t))


def squared_error_df(r, t, p):
    return r - t


def absolute_error(r, t, p):
    return abs(r - t)


def absolute_error_df(r, t, p):
    return select(r > t, 1, select(r < t, -1, r - t))  # 0 at r = t; a NaN passes through


def huber(r, t, p):
    e = abs(r - t)
    return select(e > p, p * (e - 0.5 * p), 0.5 * (e * e))


def huber_df(r, t, p):
    e = r - t
    return select(e > p, p, select(e < -p, -p, e))


def quantile(r, t, p):
    return select(r < t, p * (t - r), (1 - p) * (r - t))


def quantile_df(r, t, p):
    return select(r < t, -p, select(r > t, 1 - p, r - t))  # 0 at r = t; a NaN passes through


def binary_cross_entropy(r, t, p):
    loss = select(r < 0, 0, r) - r * t + log1p(exp(-abs(r)))
    return select((p < 0) & (loss > -p), -p, loss)


def binary_cross_entropy_df(r, t, p):
    return 1 / (1 + exp(-r)) - t


def categorical_cross_entropy(r, t, p):
    return t * (p - r)


def categorical_cross_entropy_df(r, t, p):
    return exp(r - p) - t  # for sum(t) = 1; the row's code scales exp(r - p) by sum(t)


def poisson(r, t, p):
    return exp(r) - t * r


def poisson_df(r, t, p):
    return exp(r) - t


class Loss(NamedTuple):
    """One loss of the raw prediction.

    ``link`` is the output that this loss is canonical for (None: it reads the output itself).  ``parameter`` is the
    default of p, None where there is none.  ``domain`` is what a target may be: "real", "unit" (0 to 1),
    "distribution" (rows of probabilities) or "count" (not negative).
    """

    name: str
    code: int
    f: Callable[[Any, Any, Any], Any]
    df: Callable[[Any, Any, Any], Any]
    link: str | None
    parameter: float | None
    domain: str
    formula: str


LOSSES: tuple[Loss, ...] = (
    Loss("squared_error", 0, squared_error, squared_error_df, None, None, "real", "(r - t)^2 / 2"),
    Loss("absolute_error", 1, absolute_error, absolute_error_df, None, None, "real", "|r - t|"),
    Loss(
        "huber", 2, huber, huber_df, None, 1.0, "real", "e^2 / 2 if e = |r - t| <= delta else delta (e - delta / 2)"
    ),
    Loss("quantile", 3, quantile, quantile_df, None, 0.5, "real", "max(q (t - r), (q - 1) (t - r))"),
    Loss(
        "binary_cross_entropy",
        4,
        binary_cross_entropy,
        binary_cross_entropy_df,
        "sigmoid",
        None,
        "unit",
        "log(1 + exp(r)) - r t",
    ),
    Loss(
        "categorical_cross_entropy",
        5,
        categorical_cross_entropy,
        categorical_cross_entropy_df,
        "softmax",
        None,
        "distribution",
        "sum_j t_j (log sum_k exp(r_k) - r_j)",
    ),
    Loss("poisson", 6, poisson, poisson_df, "exp", None, "count", "exp(r) - t r"),
)
BY_NAME = {loss.name: loss for loss in LOSSES}
ALIASES = {"mse": "squared_error", "mae": "absolute_error"}
CATEGORICAL = BY_NAME["categorical_cross_entropy"].code


def log_sum_exp(R):
    """Return log(sum(exp(R), axis=1)) as a column, shifted by the row's maximum so that exp cannot overflow."""
    shift = R.max(axis=1, keepdims=True)
    return shift + np.log(np.exp(R - shift).sum(axis=1, keepdims=True))


def row_parameter(code, R, parameter):
    """Return the p of ``f(r, t, p)``: a column of log-sum-exps for the categorical cross-entropy, else a number."""
    return log_sum_exp(R) if code == CATEGORICAL else parameter


def reported(code, R, p, parameter):
    """Return the R whose loss is reported: the categorical cross-entropy's, raised where a parameter cuts it."""
    return np.maximum(R, p + R.dtype.type(parameter)) if code == CATEGORICAL and parameter < 0 else R


def link_identity(R, Y):
    Y[...] = R


def link_softmax(R, Y):
    np.exp(R - R.max(axis=1, keepdims=True), out=Y)
    Y /= Y.sum(axis=1, keepdims=True)


def link_sigmoid(R, Y):
    Y[...] = 1 / (1 + np.exp(-R))


def link_exp(R, Y):
    np.exp(R, out=Y)


def link_identity_backward(Y, dY):
    pass


def link_softmax_backward(Y, dY):
    dY -= (Y * dY).sum(axis=1, keepdims=True)
    dY *= Y


def link_sigmoid_backward(Y, dY):
    dY *= Y * (1 - Y)


def link_exp_backward(Y, dY):
    dY *= Y


class Link(NamedTuple):
    """What turns the raw prediction R into the output Y, and dL/dY into dL/dR in place; both are (rows, n_out)."""

    name: str
    code: int
    forward: Callable[[Any, Any], None]
    backward: Callable[[Any, Any], None]
    formula: str


LINKS: tuple[Link, ...] = (
    Link("identity", 0, link_identity, link_identity_backward, "r"),
    Link("softmax", 1, link_softmax, link_softmax_backward, "exp(r_j) / sum_k exp(r_k)"),
    Link("sigmoid", 2, link_sigmoid, link_sigmoid_backward, "1 / (1 + exp(-r))"),
    Link("exp", 3, link_exp, link_exp_backward, "exp(r)"),
)
LINK_BY_NAME = {link.name: link for link in LINKS}

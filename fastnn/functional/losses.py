"""Losses of the raw prediction as functions.

Each takes the raw prediction R and the targets T, (m, n_out), and returns the loss and its gradient with respect to R.
The loss of a row is the sum over its outputs.  ``reduction="mean"`` gives the (weighted) mean over rows, a float, and
its gradient; ``"none"`` gives each row's loss, (m,), and the gradient of each row's own loss.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from fastnn.kernels.losses import BY_NAME, row_parameter
from fastnn.kernels.plan import LOSS_PARAMETER

from ..arrays import Array, as_weights, check_values
from ..backends import kernels
from ..checks import choice, real
from ..targets import check_domain
from .inputs import common

__all__ = [
    "absolute_error",
    "binary_cross_entropy_with_logits",
    "huber",
    "poisson_with_log_rates",
    "quantile",
    "softmax_cross_entropy_with_logits",
    "squared_error",
]

Reduction = Literal["mean", "none"]


def squared_error(R: Any, T: Any, reduction: Reduction = "mean", *, sample_weight: Any = None) -> tuple[Any, Array]:
    """Return half the squared error and its gradient.

        l = sum_j (r_j - t_j)^2 / 2        dl/dr = r - t

    Parameters
    ----------
    R, T : array-like, shape (m, n_out), or (m,) for one output
    reduction : {"mean", "none"}
    sample_weight : array-like, shape (m,), optional
        For the mean.

    Returns
    -------
    loss : float, or ndarray of shape (m,)
    dR : ndarray, the shape of R

    Examples
    --------
    >>> loss, dR = squared_error([[1.0], [2.0]], [[3.0], [2.0]])
    >>> loss, dR.tolist()
    (1.0, [[-1.0], [0.0]])
    """
    return _loss("squared_error", R, T, reduction, sample_weight)


def absolute_error(R: Any, T: Any, reduction: Reduction = "mean", *, sample_weight: Any = None) -> tuple[Any, Array]:
    """Return the absolute error and its gradient, taken as 0 where r = t.

        l = sum_j |r_j - t_j|        dl/dr = sign(r - t)

    Parameters, returns and errors as in `squared_error`.

    Examples
    --------
    >>> loss, dR = absolute_error([[1.0], [2.0]], [[3.0], [2.0]])
    >>> loss, dR.tolist()
    (1.0, [[-0.5], [0.0]])
    """
    return _loss("absolute_error", R, T, reduction, sample_weight)


def huber(
    R: Any, T: Any, reduction: Reduction = "mean", *, delta: float = 1.0, sample_weight: Any = None
) -> tuple[Any, Array]:
    """Return Huber's loss and its gradient (Huber 1964): quadratic up to delta, linear beyond.

        l = sum_j  e^2 / 2  if e = |r_j - t_j| <= delta,  else  delta (e - delta / 2)

    Parameters, returns and errors as in `squared_error`; delta > 0.

    Examples
    --------
    >>> loss, dR = huber([[0.5], [3.0]], [[0.0], [0.0]], "none")
    >>> loss.tolist(), dR.tolist()
    ([0.125, 2.5], [[0.5], [1.0]])
    """
    return _loss("huber", R, T, reduction, sample_weight, real(delta, "delta", 0, open_low=True))


def quantile(
    R: Any, T: Any, reduction: Reduction = "mean", *, q: float = 0.5, sample_weight: Any = None
) -> tuple[Any, Array]:
    """Return the quantile (pinball) loss and its gradient, taken as 0 where r = t (Koenker & Bassett 1978).

        l = sum_j max(q (t_j - r_j), (q - 1) (t_j - r_j))

    Parameters, returns and errors as in `squared_error`; 0 < q < 1.

    Examples
    --------
    >>> loss, dR = quantile([[1.0]], [[3.0]], q=0.75)
    >>> loss, dR.tolist()
    (1.5, [[-0.75]])
    """
    return _loss("quantile", R, T, reduction, sample_weight, real(q, "q", 0, 1, open_low=True, open_high=True))


def binary_cross_entropy_with_logits(
    R: Any, T: Any, reduction: Reduction = "mean", *, sample_weight: Any = None
) -> tuple[Any, Array]:
    """Return the binary cross-entropy of sigmoid(R), in nats, and its gradient.

        l = sum_j log(1 + exp(r_j)) - r_j t_j        dl/dr = sigmoid(r) - t

    Parameters, returns and errors as in `squared_error`; targets in 0 ... 1.

    Examples
    --------
    >>> loss, dR = binary_cross_entropy_with_logits([[0.0]], [[1.0]])
    >>> round(loss, 4), dR.tolist()
    (0.6931, [[-0.5]])
    """
    return _loss("binary_cross_entropy", R, T, reduction, sample_weight)


def softmax_cross_entropy_with_logits(
    R: Any, T: Any, reduction: Reduction = "mean", *, sample_weight: Any = None
) -> tuple[Any, Array]:
    """Return the cross-entropy of softmax(R), in nats, and its gradient.

        l = sum_j t_j (log sum_k exp(r_k) - r_j)        dl/dr = softmax(r) - t

    Parameters, returns and errors as in `squared_error`; each row of T is a distribution (one-hot rows among them).

    Examples
    --------
    >>> loss, dR = softmax_cross_entropy_with_logits([[0.0, 0.0]], [[0.0, 1.0]])
    >>> round(loss, 4), dR.tolist()
    (0.6931, [[0.5, -0.5]])
    """
    return _loss("categorical_cross_entropy", R, T, reduction, sample_weight)


def poisson_with_log_rates(
    R: Any, T: Any, reduction: Reduction = "mean", *, sample_weight: Any = None
) -> tuple[Any, Array]:
    """Return the Poisson loss of rates exp(R), without the constant log t!, and its gradient.

        l = sum_j exp(r_j) - t_j r_j        dl/dr = exp(r) - t

    Parameters, returns and errors as in `squared_error`; targets are not negative.

    Examples
    --------
    >>> poisson_with_log_rates([[0.0]], [[2.0]])
    (1.0, array([[-1.]]))
    """
    return _loss("poisson", R, T, reduction, sample_weight)


def _loss(
    name: str, R: Any, T: Any, reduction: str, sample_weight: Any, parameter: float = 0.0
) -> tuple[Any, Array]:
    choice(reduction, "reduction", ("mean", "none"))
    R, T = common("R T", R, T)
    if R.shape != T.shape or R.ndim not in (1, 2):
        raise ValueError(f"R and T must have one shape, (m, n_out) or (m,), got {R.shape} and {T.shape}.")
    if not R.size:
        raise ValueError(f"R is empty, shape {R.shape}; a loss needs at least one row and one output.")
    for array, what in ((R, "R"), (T, "T")):
        check_values(array, array.dtype, what)
    shape, record = R.shape, BY_NAME[name]
    R, T = (np.ascontiguousarray(array.reshape(len(array), -1)) for array in (R, T))
    check_domain(T, record.domain, "T")
    const = np.zeros((1, 4))
    const[0, LOSS_PARAMETER] = parameter
    dR = np.empty_like(R)
    if reduction == "none":
        if sample_weight is not None:
            raise ValueError("sample_weight is for reduction='mean'; multiply each row's loss yourself.")
        kernels().loss_grad(record.code, const, R, T, np.empty(0, R.dtype), 1.0, dR)
        with np.errstate(over="ignore"):
            each = record.f(R, T, row_parameter(record.code, R, parameter)).sum(axis=1)
        return each, dR.reshape(shape)
    weights = as_weights(sample_weight, len(R), R.dtype)
    norm = float(weights.sum(dtype=np.float64)) if weights.size else float(len(R))
    return kernels().loss_grad(record.code, const, R, T, weights, norm, dR), dR.reshape(shape)

"""Targets: from what people have as y to the T of the kernels, and from outputs to labels."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .arrays import Array, check_values, numeric

__all__ = ["Targets", "as_targets"]

SUM_TOLERANCE = 1e-3  # a row of probabilities may miss 1 by float16 rounding


class Targets(NamedTuple):
    """Encoded targets.

    ``T`` is (m, n_out) of the network's dtype, or (m, 1) int32 class labels.  ``labels`` are the class of each row
    where there is one (for accuracy and class weights), else empty; ``multilabel`` says that y was a matrix for a
    sigmoid output of several units, ``binary_rows`` that it then held nothing but 0 and 1.
    """

    T: Array
    labels: Array
    multilabel: bool
    binary_rows: bool


def as_targets(y: Any, rows: int, n_out: int, output: str, domain: str, dtype: Any, name: str = "y") -> Targets:
    """Check y and encode it.

    Parameters
    ----------
    y : array-like
        softmax: integer labels (m,) or probabilities (m, n_out).  sigmoid: 0/1 (m,) or (m, 1) for one output; for more,
        a matrix (m, n_out) or integer labels (m,).  Others: (m,) for one output, else (m, n_out).
    rows, n_out : int
        What X and the network have.
    output : str
        The network's output.
    domain : {"real", "unit", "distribution", "count"}
        What the loss takes.
    dtype : dtype
        The network's.
    name : str
        For messages.

    Raises
    ------
    TypeError
        If y does not hold real numbers (string labels among them).
    ValueError
        If the rows, columns, labels or values do not fit.
    """
    try:
        array = numeric(y, name)
    except TypeError as error:
        raise TypeError(
            f"{error} Labels must be whole numbers: classes, {name} = np.unique({name}, return_inverse=True)."
        ) from None
    if array.ndim not in (1, 2):
        raise ValueError(f"{name} must be 1-D or 2-D, got shape {array.shape}.")
    if len(array) != rows:
        raise ValueError(f"X has {rows} rows, {name} has {len(array)}; each row needs one target.")
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    classes = output == "softmax" or (output == "sigmoid" and n_out > 1)
    if array.ndim == 1 and classes:
        labels = as_labels(array, n_out, name)
        return Targets(labels.reshape(-1, 1), labels, False, False)
    if array.ndim == 1 and n_out > 1:
        raise ValueError(f"{name} must have shape ({rows}, {n_out}), one column per output, got {array.shape}.")
    T = array.reshape(rows, -1)
    if T.shape[1] != n_out:
        raise ValueError(f"{name} must have {n_out} columns, one per output, got {T.shape[1]}.")
    T = np.ascontiguousarray(T, dtype) if T.dtype.kind != "f" else T
    check_values(T, np.dtype(dtype), name)
    T = np.ascontiguousarray(T, dtype)
    check_domain(T, domain, name)
    if output == "softmax":
        return Targets(T, T.argmax(axis=1).astype(np.int32), False, False)
    binary = output == "sigmoid" and bool(((T == 0) | (T == 1)).all())
    labels = T[:, 0].astype(np.int32) if binary and n_out == 1 else np.empty(0, np.int32)
    return Targets(T, labels, classes, binary and classes)


def as_labels(array: Array, n_classes: int, name: str) -> Array:
    """Return class labels as int32; raise ValueError for what is not a whole number in 0 ... n_classes - 1."""
    if array.dtype.kind == "f":
        check_values(array, array.dtype, name)
        whole = array == np.floor(array)
        if not whole.all():
            at = int(np.argmin(whole))
            raise ValueError(f"{name}[{at}] is {array[at]:g}; labels must be whole numbers 0 ... {n_classes - 1}.")
    if array.size:
        outside = (array < 0) | (array >= n_classes)
        if outside.any():
            at = int(np.argmax(outside))
            start = " Labels start at 0: subtract 1?" if array.min() == 1 and array.max() == n_classes else ""
            raise ValueError(
                f"{name}[{at}] is {array[at]:g}; this network has {n_classes} outputs, so labels are "
                f"0 ... {n_classes - 1}.{start}"
            )
    return array.astype(np.int32)


def check_domain(T: Array, domain: str, name: str) -> None:
    """Raise ValueError where T lies outside what the loss takes."""
    if not T.size or domain == "real":
        return
    low, high = float(T.min()), float(T.max())
    if domain == "count" and low < 0:
        raise ValueError(f"{name} must not be negative for the poisson loss, got {low:g}.")
    if domain in ("unit", "distribution") and (low < 0 or high > 1):
        raise ValueError(f"{name} must lie in 0 ... 1 for this loss, got values from {low:g} to {high:g}.")
    if domain == "distribution":
        sums = T.sum(axis=1, dtype=np.float64)
        if np.abs(sums - 1).max() > SUM_TOLERANCE:
            at = int(np.argmax(np.abs(sums - 1)))
            raise ValueError(f"row {at} of {name} sums to {sums[at]:g}; rows of probabilities must sum to 1.")

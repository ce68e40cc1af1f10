"""Class labels as scikit-learn learns them, by a short way where they are a plain vector of integers.

scikit-learn's `LabelBinarizer` finds out what kind of target y is twice over and sorts it through a set: 0.3 ms for a
few labels and 1.2 ms for 20 000, as long as an epoch of a small network.  Whatever is not a plain vector of integers,
or would be warned of, goes its way.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.preprocessing import LabelBinarizer

from ..arrays import Array

__all__ = ["fitted_binarizer", "positions"]


def fitted_binarizer(y: Any) -> LabelBinarizer:
    """Return ``LabelBinarizer().fit(y)``."""
    if type(y) is not np.ndarray or y.ndim != 1 or y.dtype.kind not in "iu" or not y.dtype.isnative or not y.size:
        return LabelBinarizer().fit(y)
    classes = distinct(y)
    if 2 * len(classes) > len(y):
        return LabelBinarizer().fit(y)  # it warns of so many
    made = LabelBinarizer()
    made.y_type_ = "binary" if len(classes) <= 2 else "multiclass"
    made.sparse_input_ = False
    made.classes_ = classes
    return made


def distinct(y: Array) -> Array:
    """Return the distinct numbers of a vector of integers, sorted: counted where they lie close together."""
    low, high = int(y.min()), int(y.max())
    if high - low >= len(y) or max(abs(low), abs(high)) >= 2**62:
        return np.unique(y)
    counts = np.bincount(y.astype(np.int64) - low)
    return (np.flatnonzero(counts) + low).astype(y.dtype)


def positions(classes: Array, y: Array) -> Array:
    """Return where each label stands in the sorted classes, int32."""
    if y.dtype.kind in "iu" and classes.dtype == y.dtype and int(classes[-1]) - int(classes[0]) == len(classes) - 1:
        low = classes[0].astype(np.int64)  # one class after another; int8 would wrap, and uint64 wraps back
        return (y.astype(np.int64) - low).astype(np.int32)
    return np.searchsorted(classes, y).astype(np.int32)

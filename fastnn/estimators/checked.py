"""scikit-learn's check of what is fitted, by a short way where there is nothing to convert and nothing wrong.

`validate_data` looks at what X and y might be for 0.13 ms, 0.25 ms where its code has left the processor's cache: as
long as an epoch of a small network.  What is anything but two plain arrays of finite numbers goes its way, for its
conversions, warnings and errors.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import validate_data

__all__ = ["checked"]

FLOATS = (np.dtype(np.float64), np.dtype(np.float32))  # in the machine's order of bytes
TAKEN = {"accept_sparse": ["csr", "csc"], "multi_output": True, "dtype": FLOATS}


def checked(est: Any, X: Any, y: Any, reset: bool, **rules: Any) -> tuple[Any, Any]:
    """Return ``validate_data(est, X, y, reset=reset, **TAKEN, **rules)``."""
    if reset and "feature_names_in_" not in est.__dict__ and _is_plain(X, y):
        est.n_features_in_ = X.shape[1]
        return X, y
    found: tuple[Any, Any] = validate_data(est, X, y, reset=reset, **TAKEN, **rules)
    return found


def _is_plain(X: Any, y: Any) -> bool:
    """Return whether X is a matrix and y a vector that belong together, finite and taken as they are."""
    return (
        type(X) is np.ndarray
        and type(y) is np.ndarray
        and X.ndim == 2
        and y.ndim == 1
        and X.dtype in FLOATS
        and (y.dtype.kind in "iu" or y.dtype in FLOATS)
        and X.size > 0
        and len(X) == len(y)
        and _is_finite(X)
        and (y.dtype.kind in "iu" or _is_finite(y))
    )


def _is_finite(array: Any) -> bool:
    """Return whether the sum is finite; it may overflow where the numbers do not."""
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(array.sum()))

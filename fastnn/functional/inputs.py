"""What every function here does with its arguments first."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array, numeric

__all__ = ["common", "floating", "rows_of"]


def floating(value: Any, name: str) -> Array:
    """Return value as float32 where it is, else as float64."""
    array = numeric(value, name)
    return array if array.dtype in (np.float32, np.float64) else array.astype(np.float64)


def common(names: str, *values: Any) -> list[Array]:
    """Return the values in one dtype: float32 where all are, else float64."""
    arrays = [floating(value, name) for value, name in zip(values, names.split(), strict=True)]
    dtype = np.result_type(*arrays)
    return [array.astype(dtype, copy=False) for array in arrays]


def rows_of(array: Array) -> Array:
    """Return a 2-D view, or where there is none a copy, of an array of any shape."""
    return array if array.ndim == 2 else array.reshape(1, -1)

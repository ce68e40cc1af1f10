"""What every function here does with its arguments first, and the functions of single elements."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from ..arrays import Array, apart, as_output, numeric
from ..backends import kernels

__all__ = ["ACTIVATION", "ELEMENTARY", "ElementwiseFunction", "common", "floating", "mapped", "rows_of",
           "without_overlap"]  # fmt: skip

ACTIVATION, ELEMENTARY = 0, 1  # the kinds of ``map_plain`` in kernels/table.py


class ElementwiseFunction(Protocol):
    """f(x, out=None): a function, element by element."""

    __name__: str

    def __call__(self, x: Any, out: Array | None = None) -> Array:
        """Return f(x) in a new array or in ``out``."""


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


def without_overlap(y: Array, x: Array) -> Array:
    """Return y where a kernel may write it: where it is x itself or lies apart from it; else a new array."""
    same = y.ctypes.data == x.ctypes.data and y.strides == x.strides
    return y if same else apart(y, x)


def mapped(kind: int, code: int, x: Any, out: Array | None) -> Array:
    """Return the function of a kind and code of x, in ``out`` or in a new array.

    Plain arrays go straight to the kernel: what follows would take longer than 10 000 elements do.
    """
    backend = kernels()
    if out is None and type(x) is np.ndarray:
        y = np.empty(x.shape, x.dtype)
        if backend.map_plain(kind, code, x, y):
            return y
    elif backend.map_plain(kind, code, x, out):
        return out  # type: ignore[return-value]  # an array, or it would have declined
    x = floating(x, "x")
    y = as_output(out, x.shape, x.dtype)
    rows = rows_of(x)
    viewed = y.ndim == 2 or y.flags.c_contiguous  # rows_of(y) is a view: the kernel may write through it
    target = without_overlap(rows_of(y), rows) if viewed else np.empty_like(rows)
    (backend.elementary if kind else backend.activation)(code, rows, target)
    if not viewed or not np.may_share_memory(target, y):
        y[...] = target.reshape(y.shape)
    return y

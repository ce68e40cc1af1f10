"""The door for user data: what comes in as X, y, weights or output buffers leaves as what the kernels are owed.

Whatever NumPy understands is taken: lists, DataFrames, integers, bool, big-endian, read-only and non-contiguous arrays,
and any SciPy-like sparse matrix.  float32, float64 and uint8 pass without a copy; a kernel converts row by row.  Every
error about an array is raised here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from typing import Any, NamedTuple

import numpy as np

from .checks import real

__all__ = ["Input", "aligned", "apart", "as_class_weights", "as_input", "as_output", "as_weights", "matrix", "vector"]

PASSED = (np.dtype(np.float32), np.dtype(np.float64), np.dtype(np.uint8))
CHUNK = 1 << 18  # elements looked at in one go when X is searched for NaN: fits L2 and needs no large temporary
OF_ROWS = " Remove or impute the rows that are not."  # said of X alone: theta, weights and targets want other remedies
ALIGNMENT = 64  # bytes; a cache line and an AVX-512 register

Array = np.ndarray[Any, np.dtype[Any]]
NO_INDICES = np.empty(0, np.int32)


class Input(NamedTuple):
    """X as the kernels take it: ``data``, ``indices``, ``indptr`` (the last two empty when dense), and its rows."""

    data: Array
    indices: Array
    indptr: Array
    rows: int


def aligned(shape: int | tuple[int, ...], dtype: Any, make: Callable[..., Array] = np.empty) -> Array:
    """Return an empty C-contiguous array that starts on a cache line; with ``make=np.zeros`` one of zeros.

    NumPy has the zeros of a large array from the system, page by page when they are touched.

    Raises MemoryError, with the size in words, where it cannot be had.
    """
    dtype = np.dtype(dtype)
    size = (prod(map(int, shape)) if isinstance(shape, tuple) else shape) * dtype.itemsize
    try:
        buffer = make(size + ALIGNMENT, np.uint8)
    except (MemoryError, ValueError) as error:
        raise MemoryError(f"{size / 2**30:.3g} GiB for an array of shape {shape} cannot be allocated.") from error
    start = -buffer.ctypes.data % ALIGNMENT
    array: Array = buffer[start : start + size].view(dtype).reshape(shape)
    return array


def numeric(value: Any, name: str, form: str = "an array") -> Array:
    """Return value as a native-endian, aligned real array, without a copy where it is one already.

    ``form`` is what the message about an object that is no array says was expected.

    Raises
    ------
    TypeError
        For objects, strings, complex numbers, dates and ragged lists.
    ValueError
        For masked entries and sparse matrices.
    """
    if hasattr(value, "tocsr"):
        raise ValueError(f"{name} is sparse; only X may be. Use {name}.toarray().")
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise ValueError(f"{name} has masked entries; fill them first, for instance with {name}.filled(0).")
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise TypeError(f"{name} must be a rectangular array of numbers; NumPy says: {error}") from error
    if array.dtype.kind == "O":
        array = _from_objects(array, name, form)
    if array.dtype.kind not in "buif":
        what = {"c": "complex numbers", "U": "strings", "S": "byte strings", "M": "dates", "m": "time spans"}
        raise TypeError(
            f"{name} must hold real numbers, got {what.get(array.dtype.kind, str(array.dtype))} "
            f"(dtype {array.dtype}). Convert them to numbers first."
        )
    if not array.dtype.isnative:
        return array.astype(array.dtype.newbyteorder("="))
    if not array.flags.aligned or any(stride % array.itemsize for stride in array.strides):
        return array.copy()  # fields of packed records: compiled kernels count strides in elements
    return array


def _from_objects(array: Array, name: str, form: str) -> Array:
    """Return an object array of plain numbers (a mixed DataFrame's) as float64; anything else raises TypeError."""
    for position, entry in enumerate(array.flat):
        if not isinstance(entry, (int, float, np.number, np.bool_)) or isinstance(entry, np.complexfloating):
            if array.ndim == 0:
                raise TypeError(f"{name} must hold real numbers, {form}; got {type(entry).__name__} {entry!r:.60}.")
            place = ", ".join(str(i) for i in np.unravel_index(position, array.shape))
            raise TypeError(
                f"{name} must hold real numbers, got dtype object with {type(entry).__name__} {entry!r:.60} at "
                f"{name}[{place}]. Convert or encode it first."
            )
    try:
        return array.astype(np.float64)
    except OverflowError as error:
        raise ValueError(f"{name} holds a whole number too large for float64. Scale the data.") from error


def narrowed(array: Array, dtype: Any) -> Array:
    """Return an array as one of the PASSED dtypes: dtype itself where that can hold its values, else float64."""
    if array.dtype == np.bool_:
        return array.view(np.uint8)
    if array.dtype in PASSED:
        return array
    with np.errstate(over="ignore"):  # a long double beyond float64 becomes inf, which is then refused by position
        return array.astype(np.float64 if array.dtype.itemsize > 4 else dtype)


def as_input(
    X: Any, n_in: int, dtype: Any, name: str = "X", *, check_finite: bool = True, kinds: str = "2-D"
) -> Input:
    """Check X and return it as the kernels take it.

    Parameters
    ----------
    X : array-like or sparse matrix, shape (m, n_in)
        Never written; float32, float64 and uint8 in any strides are not copied.
    n_in : int
        The columns that the network takes.
    dtype : dtype
        The network's; other dtypes than those three are converted to it, and values must fit it.
    name : str
        For messages.
    check_finite : bool
        Look for NaN and infinity.
    kinds : str
        What the message says that the caller takes.

    Raises
    ------
    TypeError
        If X does not hold real numbers.
    ValueError
        If X is not 2-D, has another number of columns, or a value is not finite or too large for dtype.
    """
    dtype = np.dtype(dtype)
    if hasattr(X, "tocsr"):
        return _sparse_input(X, n_in, dtype, name, check_finite)
    form = f"{kinds}, (rows, {n_in})"
    array = numeric(X, name, form)
    if array.ndim != 2:
        hint = f" Use {name}.reshape(1, -1) for one row." if array.ndim == 1 else ""
        raise ValueError(f"{name} must be {form}, got shape {array.shape}.{hint}")
    _check_columns(array.shape, n_in, name)
    array = narrowed(array, dtype)
    if check_finite and array.dtype.kind == "f":
        check_values(array, dtype, name, advice=OF_ROWS)
    return Input(array, NO_INDICES, NO_INDICES, array.shape[0])


def _check_columns(shape: tuple[int, ...], n_in: int, name: str) -> None:
    if shape[1] != n_in:
        turned = f" {name}.T would fit: examples go in rows." if shape[0] == n_in else ""
        raise ValueError(
            f"{name} has {shape[1]} columns; this network takes {n_in} (sizes[0]).{turned} "
            f"Reshape {name} or build Network([{shape[1]}, ...])."
        )


def _sparse_input(X: Any, n_in: int, dtype: np.dtype[Any], name: str, check_finite: bool) -> Input:
    if len(X.shape) != 2:
        hint = f" Use {name}.reshape(1, -1) for one row." if len(X.shape) == 1 else ""
        raise ValueError(f"a sparse {name} must be 2-D, (rows, {n_in}), got shape {X.shape}.{hint}")
    _check_columns(X.shape, n_in, name)
    X = X.tocsr()
    data = np.ascontiguousarray(narrowed(numeric(X.data, name), dtype)).reshape(1, -1)
    indices, indptr = np.ascontiguousarray(X.indices), np.ascontiguousarray(X.indptr)
    if indices.dtype != indptr.dtype or indices.dtype not in (np.dtype(np.int32), np.dtype(np.int64)):
        indices, indptr = indices.astype(np.int64), indptr.astype(np.int64)
    _check_csr(indices, indptr, X.shape, data.size, name)
    stored = int(indptr[-1])  # a matrix may have room for more
    data, indices = data[:, :stored], indices[:stored]
    if check_finite and data.dtype.kind == "f":
        check_values(
            data, dtype, name, lambda at: (int(np.searchsorted(indptr, at[1], "right")) - 1, int(indices[at[1]])),
            OF_ROWS,
        )  # fmt: skip
    return Input(data, indices, indptr, X.shape[0])


def _check_csr(indices: Array, indptr: Array, shape: tuple[int, int], nnz: int, name: str) -> None:
    """Raise ValueError where a hand-made CSR matrix would send a kernel out of bounds."""
    sound = (
        indptr.size == shape[0] + 1
        and indptr[0] == 0
        and indptr[-1] <= min(indices.size, nnz)
        and bool((indptr[1:] >= indptr[:-1]).all())
        and (indices.size == 0 or (int(indices.min()) >= 0 and int(indices.max()) < shape[1]))
    )
    if not sound:
        raise ValueError(
            f"{name} is not a valid CSR matrix: indptr must rise from 0 to at most {nnz} in {shape[0] + 1} entries, "
            f"and indices lie in 0 ... {shape[1] - 1}. Rebuild it, or call {name}.check_format()."
        )


def check_values(
    array: Array, dtype: np.dtype[Any], name: str, place_of: Callable[[tuple[int, ...]], tuple[int, ...]] | None = None,
    advice: str = "",
) -> None:  # fmt: skip
    """Raise ValueError at the first entry that is not finite or does not fit dtype.

    ``place_of`` maps the entry's index to what the message shall name; ``advice`` ends the one about NaN and infinity.
    The array is searched in chunks by its smallest and largest entry: one pass, no temporary of its size.
    """
    largest = float(np.finfo(dtype).max) if array.dtype.itemsize > dtype.itemsize else np.inf
    step = max(1, CHUNK // max(1, int(np.prod(array.shape[1:]))))
    for start in range(0, len(array), step):
        chunk = array[start : start + step]
        if chunk.size == 0:
            continue
        low, high = float(chunk.min()), float(chunk.max())
        if np.isfinite(low) and np.isfinite(high) and low >= -largest and high <= largest:
            continue
        wrong = ~np.isfinite(chunk) | (np.abs(chunk) > largest)
        first = np.argwhere(wrong)[0]
        entry = chunk[tuple(first)]
        first[0] += start
        index = tuple(int(i) for i in first)
        place = ", ".join(str(i) for i in (place_of(index) if place_of else index))
        if np.isfinite(entry):
            raise ValueError(
                f"{name}[{place}] is {entry:g}, too large for {dtype.name} (at most {largest:g}). "
                "Scale the data, or use dtype='float64'."
            )
        raise ValueError(f"{name}[{place}] is {entry}; {name} must be finite.{advice}")


def matrix(value: Any, name: str, shape: tuple[int, int], dtype: Any) -> Array:
    """Return value as a finite array of the given shape and dtype; not copied where it is one."""
    array = numeric(value, name)
    if array.ndim == 1 and array.size == shape[0] and shape[1] == 1:
        array = array.reshape(shape)
    if array.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {array.shape}.")
    check_values(array, np.dtype(dtype), name)
    return array.astype(dtype, copy=False)


def vector(value: Any, name: str, size: int, dtype: Any) -> Array:
    """Return value as a contiguous finite vector of the given size and dtype; not copied where it is one."""
    array = numeric(value, name)
    if array.shape != (size,):
        raise ValueError(f"{name} must have shape ({size},), got {array.shape}.")
    check_values(array, np.dtype(dtype), name)
    return np.ascontiguousarray(array, dtype)


def as_weights(value: Any, rows: int, dtype: Any, name: str = "sample_weight") -> Array:
    """Return sample weights as the kernels take them; None becomes empty (all ones).

    Raises ValueError for another length, negative entries, weights that are all zero or whose sum dtype cannot hold.
    """
    if value is None:
        return np.empty(0, dtype)
    weights = vector(value, name, rows, dtype)
    if rows and float(weights.min()) < 0:
        at = int(np.argmin(weights))
        raise ValueError(f"{name}[{at}] is {weights[at]:g}; weights must not be negative.")
    if rows and not weights.any():
        raise ValueError(f"{name} is zero everywhere, so no row counts. Give at least one row a weight.")
    check_total(weights, name)
    return weights


def check_total(weights: Array, name: str) -> None:
    """Raise ValueError where the weights' dtype cannot hold their sum, which a mean divides by."""
    largest = float(np.finfo(weights.dtype).max)
    with np.errstate(over="ignore"):
        total = float(weights.sum(dtype=np.float64))
    if not total <= largest:
        raise ValueError(
            f"{name} gives the rows a total weight of {total:g}, too large for {weights.dtype.name} (at most "
            f"{largest:g}). Scale the weights down: only their ratios matter."
        )


def as_class_weights(class_weight: Any, labels: Array, weights: Array, classes: int, dtype: Any) -> Array:
    """Return sample weights times the weight of each row's class.

    Parameters
    ----------
    class_weight : dict or "balanced"
        {label: weight}, labels not named weigh 1; "balanced" gives rows / (classes present * rows of the class).
    labels : ndarray of int, shape (m,)
    weights : ndarray, shape (m,) or empty
    classes : int
        Number of labels the network knows.
    dtype : dtype
        Of the result.

    Raises
    ------
    TypeError, ValueError
        For another class_weight, or where dtype cannot hold the sum of the result.
    """
    if isinstance(class_weight, str) and class_weight == "balanced":
        counts = np.bincount(labels, weights=weights if weights.size else None, minlength=classes)
        factors = np.zeros(classes)
        present = counts > 0
        with np.errstate(over="ignore"):
            factors[present] = counts.sum() / (present.sum() * counts[present])
    elif isinstance(class_weight, Mapping):
        factors = np.ones(classes)
        for label, weight in class_weight.items():
            if isinstance(label, bool) or not isinstance(label, (int, np.integer)) or not 0 <= label < classes:
                raise ValueError(f"class_weight names the label {label!r}; labels are 0 ... {classes - 1}.")
            factors[label] = real(weight, f"class_weight[{label}]", 0)
    else:
        raise TypeError(f"class_weight must be a dict {{label: weight}}, 'balanced' or None, got {class_weight!r}.")
    each = factors[labels]
    with np.errstate(over="ignore", invalid="ignore"):  # the total is then infinite or NaN, and refused
        if weights.size:
            each *= weights
        each = each.astype(dtype)
    check_total(each, "class_weight")
    return each


def apart(out: Array, X: Array) -> Array:
    """Return the array to write instead of out, for the caller to copy in after: out itself where it overlaps no X."""
    return np.empty(out.shape, out.dtype) if np.may_share_memory(out, X) else out


def as_output(out: Any, shape: tuple[int, ...], dtype: Any, name: str = "out") -> Array:
    """Return out, checked as a writable array of the given shape and dtype, or a new one where out is None."""
    if out is None:
        return np.empty(shape, dtype)
    if not isinstance(out, np.ndarray) or out.shape != shape or out.dtype != np.dtype(dtype):
        got = f"{out.dtype} {out.shape}" if isinstance(out, np.ndarray) else type(out).__name__
        raise ValueError(f"{name} must be a {np.dtype(dtype).name} array of shape {shape}, got {got}.")
    if not out.flags.writeable:
        raise ValueError(f"{name} is read-only; give a writable array.")
    if not out.flags.aligned:
        raise ValueError(f"{name} is not aligned in memory; give an array that NumPy allocated.")
    return out

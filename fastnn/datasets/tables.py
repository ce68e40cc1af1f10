"""Tables of numbers as text: CSV and its relatives, gzipped or not.

The fast path is NumPy's own C parser. Only when it refuses, or its result will not do, is the file read again,
slowly, to name the line and the column that are wrong.
"""

from __future__ import annotations

import contextlib
import csv
import io
import itertools
import math
import operator
import os
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple, NoReturn, TextIO

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fastnn.datasets.dataset import Dataset, float_dtype, split_rows
from fastnn.datasets.files import StrPath, open_binary

__all__ = ["Table", "load_csv", "read_table"]

# Whole numbers up to here are exact in float64, so a target of them can become int64 without loss.
_EXACT = 2.0**53


class Table(NamedTuple):
    """The numbers of a file, shape (n, columns), and the names of its columns if it has a header."""

    values: NDArray[np.float64]
    names: list[str] | None


def load_csv(
    path: StrPath,
    *,
    target: int | str = -1,
    header: bool | Literal["auto"] = "auto",
    delimiter: str = ",",
    test_size: float = 0.0,
    seed: int | None = 0,
    dtype: DTypeLike = np.float32,
) -> Dataset:
    r"""Load a CSV file of numbers: one column is the target, the others are the inputs.

    Parameters
    ----------
    path : str or path-like
        The file, UTF-8, gzipped or not. Blank lines are skipped; cells may be in double quotes.
    target : int or str, default -1
        The target's column: its position (negative from the end) or its name in the header.
    header : bool or "auto", default "auto"
        Whether the first line holds names. "auto": it does if none of its cells is a number.
    delimiter : str, default ","
        The one character between cells.
    test_size : float, default 0.0
        The fraction of the rows, at least 0 and below 1, that is drawn for the test part: ceil(test_size n) rows.
    seed : int or None, default 0
        Seed of that draw; a seed gives the same rows with every version of NumPy.
    dtype : dtype, default float32
        float32 or float64, for the inputs and a real target.

    Returns
    -------
    Dataset
        ``X_train`` (n, columns - 1) and ``X_test``, columns and rows in the file's order; ``y_train`` (n,) and
        ``y_test``: int64 if every value of the target is a whole number, else ``dtype``. Without a test part those
        two have no rows. New arrays.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If a cell is no number, not finite or too large for ``dtype``, or a row has another length than the first: the
        message names the file, line and column. Also for an empty file, a single column, a target that is not there,
        a first line that mixes names and numbers (say then which it is), or a wrong argument.

    Notes
    -----
    Statistics are the caller's: nothing is scaled. The values are parsed as float64 and then rounded to ``dtype``.

    References
    ----------
    RFC 4180, Common format and MIME type for comma-separated values.

    Examples
    --------
    >>> import os, tempfile
    >>> from fastnn.datasets import load_csv
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = os.path.join(folder, "xor.csv")
    ...     with open(file, "w") as f:
    ...         _ = f.write("a,b,both\n0,0,0\n0,1,1\n1,0,1\n1,1,0\n")
    ...     data = load_csv(file, target="both")
    >>> data.X_train.shape, data.y_train
    ((4, 2), array([0, 1, 1, 0]))
    """
    wanted = float_dtype(dtype)
    table = read_table(path, header=header, delimiter=delimiter, dtype=wanted)
    column = _target_column(os.fspath(path), target, table)
    return _split(np.delete(table.values, column, axis=1), table.values[:, column], test_size, seed, wanted)


def _split(
    X: NDArray[np.float64], y: NDArray[np.float64], test_size: float, seed: int | None, dtype: np.dtype[Any]
) -> Dataset:
    """Draw the test rows and cast: X to ``dtype``, y to int64 if it is whole and to ``dtype`` if not."""
    train, test = split_rows(len(X), test_size, seed)
    whole = bool(np.all((y == np.floor(y)) & (np.abs(y) <= _EXACT)))
    X, y = X.astype(dtype), y.astype(np.int64 if whole else dtype)
    return Dataset(X[train], y[train], X[test], y[test])


def read_table(
    path: StrPath,
    *,
    header: bool | Literal["auto"] = "auto",
    delimiter: str = ",",
    dtype: np.dtype[Any] | None = None,
) -> Table:
    """Read every column of a CSV file as float64; :func:`load_csv` has the contract.

    ``dtype`` is what the caller will cast to: a value too large for it is an error here, where its line is known.
    """
    if not (
        isinstance(delimiter, str) and len(delimiter) == 1 and delimiter not in '"\r\n.+-' and not delimiter.isalnum()
    ):
        raise ValueError(
            f"delimiter is {delimiter!r}; expected one character that no number contains, such as ',' or ';'."
        )
    if header not in (True, False, "auto"):
        raise ValueError(f'header is {header!r}; expected True, False or "auto".')
    name = os.fspath(path)
    limit = float(np.finfo(np.float64 if dtype is None else dtype).max)
    try:
        with _open_text(path) as file:
            lines = _filled(file, delimiter)
            first = next(lines, None)
            if first is None:
                raise ValueError(f"{name} is empty; expected a table of numbers.")
            names = _header(name, first, header, delimiter)
            start = next(lines, None) if names is not None else first
            if start is None:
                raise ValueError(f"{name} has a header and no rows.")
            values = _parse(itertools.chain([start], lines), delimiter)
        # Written so that NaN fails it too.
        good = (
            values is not None
            and (names is None or len(names) == values.shape[1])
            and bool(np.all(np.abs(values) <= limit))
        )
        if values is None or not good:
            with _open_text(path) as file:
                _explain(name, file, delimiter, names is not None, limit)
    except UnicodeDecodeError as error:
        raise ValueError(f"{name} is not UTF-8 text: {error.reason} at byte {error.start} of a block read.") from error
    except csv.Error as error:
        raise ValueError(f"{name} is not a CSV file ({error}).") from error
    return Table(values, names)


def _parse(lines: Iterator[str], delimiter: str) -> NDArray[np.float64] | None:
    """Parse by NumPy's C reader; None if it refuses."""
    try:
        return np.loadtxt(lines, delimiter=delimiter, quotechar='"', comments=None, ndmin=2, encoding=None)
    except UnicodeDecodeError:
        raise
    except ValueError:
        return None


@contextlib.contextmanager
def _open_text(path: StrPath) -> Iterator[TextIO]:
    """Open for reading as UTF-8, unpacked if it is gzipped; a byte order mark is passed over."""
    with open_binary(path) as file, io.TextIOWrapper(file, encoding="utf-8-sig") as text:
        yield text


def _filled(file: TextIO, delimiter: str) -> Iterator[str]:
    """Yield the lines that are not blank. A line of delimiters is not blank: its cells are empty, which is an error."""
    return (line for line in file if line.strip() or delimiter in line)


def _cells(line: str, delimiter: str) -> list[str]:
    return [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter))]


def _is_number(cell: str) -> bool:
    """Whether a cell is a number as the C parser reads it: Python's float, without underscores and foreign digits."""
    try:
        float(cell)
    except ValueError:
        return False
    return cell.isascii() and "_" not in cell


def _header(name: str, first: str, header: bool | Literal["auto"], delimiter: str) -> list[str] | None:
    """Return the names in the first line, or None if it is a row of numbers."""
    cells = _cells(first, delimiter)
    if header == "auto":
        numbers = [cell for cell in cells if _is_number(cell)]
        if numbers and len(numbers) < len(cells):
            other = next(cell for cell in cells if not _is_number(cell))
            raise ValueError(
                f"{name}: the first line has both numbers ({numbers[0]!r}) and other cells ({other!r}). "
                "Pass header=True if these are names, or header=False if this is a row with a bad cell."
            )
        header = not numbers
    return cells if header else None


def _explain(name: str, file: TextIO, delimiter: str, has_header: bool, limit: float) -> NoReturn:
    """Read slowly up to the first thing that is wrong, and raise ValueError with its line and column."""
    names: list[str] = []
    width = 0
    for number, line in enumerate(file, start=1):
        if not (line.strip() or delimiter in line):
            continue
        cells = _cells(line, delimiter)
        if not width:
            width, first = len(cells), number
            if has_header:
                names = cells
                continue
        if len(cells) != width:
            raise ValueError(f"{name}, line {number}: {len(cells)} cells; expected {width}, as in line {first}.")
        for column, cell in enumerate(cells, start=1):
            where = f"{name}, line {number}, column {column}" + (f" ({names[column - 1]})" if names else "")
            if not cell:
                raise ValueError(f"{where}: the cell is empty; expected a number. Fill it or leave out the row.")
            if not _is_number(cell):
                raise ValueError(f"{where}: {cell!r} is not a number.")
            if not math.isfinite(float(cell)):
                raise ValueError(f"{where}: {cell!r} is not finite. Fill it or leave out the row.")
            if abs(float(cell)) > limit:
                raise ValueError(f"{where}: {cell!r} is beyond {limit:.4g}, the largest value of the dtype asked for.")
    raise ValueError(f"{name} is not a table of numbers separated by {delimiter!r}.")


def _target_column(name: str, target: int | str, table: Table) -> int:
    """Return the position of the target's column."""
    columns = int(table.values.shape[1])
    if columns < 2:
        raise ValueError(f"{name} has one column; expected inputs and a target. Is the delimiter right?")
    if isinstance(target, str):
        if table.names is None:
            raise ValueError(f"target is {target!r}, and {name} has no header; give the column's position.")
        if table.names.count(target) != 1:
            raise ValueError(
                f"target is {target!r}; {name} has {table.names.count(target)} such columns among {table.names}."
            )
        return table.names.index(target)
    column = operator.index(target)
    if not -columns <= column < columns:
        raise ValueError(f"target is column {column}; {name} has {columns} columns, {-columns} to {columns - 1}.")
    return column % columns

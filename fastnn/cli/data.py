"""Data for ``train`` and ``predict``: a name, a CSV file, a NumPy file, or IDX files."""

from __future__ import annotations

import argparse
import difflib
import os
import zipfile
import zlib
from dataclasses import dataclass, replace
from typing import cast

import numpy as np

from .. import datasets
from ..arrays import Array
from ..datasets.dataset import Dataset, split_rows
from ..datasets.idx import read_idx
from ..datasets.tables import read_table
from .options import UsageError, switch

__all__ = ["Loaded", "add_reading_options", "load_rows", "load_test", "load_training"]

NAMED = ("digits", "mnist", "fashion-mnist", "housing", "catvnoncat")
KINDS = f"{', '.join(NAMED)}, a .csv, .npz or .npy file, or IDX files"
SPLIT_SEED = 0  # the split does not move with --seed: what changes between two seeds is the network alone
DEFAULT_TEST_SIZE = 0.2


@dataclass(frozen=True)
class Loaded:
    """Data to train with.

    ``table`` says that the columns are measurements of different kinds, which want standardising; pixels do not.
    """

    name: str
    X_train: Array
    y_train: Array
    X_test: Array
    y_test: Array
    table: bool = False


def add_reading_options(parser: argparse._ArgumentGroup | argparse.ArgumentParser) -> None:
    """Register how a CSV file is read."""
    parser.add_argument(
        "--header", type=switch, default="auto", metavar="yes|no|auto",
        help="whether a CSV file's first line holds names (auto: if none of its cells is a number)",
    )  # fmt: skip
    parser.add_argument(
        "--delimiter", default=",", metavar="CHAR", help="between a CSV file's cells (default ','; 'tab' for a tab)"
    )


def _delimiter(text: str) -> str:
    return "\t" if text in ("tab", "\\t") else text


def _kind(source: str) -> str:
    """Return what a source is: a known name, "idx-folder", "npz", "npy", "idx" or "csv"."""
    if source in NAMED:
        return source
    if os.path.isdir(source):
        return "idx-folder"
    if not os.path.exists(source):
        near = difflib.get_close_matches(source, NAMED, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise FileNotFoundError(f"there is no file or data set {source!r}.{hint} Data can be {KINDS}.")
    with open(source, "rb") as file:
        start = file.read(6)
    if start.startswith(b"PK"):
        return "npz"
    if start == b"\x93NUMPY":
        return "npy"
    if start.startswith(b"\0\0") or (start.startswith(b"\x1f\x8b") and "idx" in os.path.basename(source)):
        return "idx"
    return "csv"


def _named(name: str, raw: bool = False) -> Dataset:
    if name == "digits":
        return datasets.load_digits(raw=raw)
    if name == "housing":
        return datasets.load_housing(standardize=False, dtype=np.float64)
    if name == "catvnoncat":
        return datasets.load_catvnoncat(raw=raw)
    return datasets.load_mnist(raw=raw) if name == "mnist" else datasets.load_fashion_mnist(raw=raw)


def _folder(path: str, raw: bool = False) -> Dataset:
    return cast(Dataset, datasets.load_idx(path, raw=raw))  # _kind found a directory, whose four files it returns


def load_training(arguments: argparse.Namespace) -> Loaded:
    """Return the data that --data names, cut into a training and a test part.

    Raises
    ------
    FileNotFoundError, ValueError
        If there is no such data or it cannot be read; UsageError if an option does not go with it.
    """
    source = arguments.data
    kind = _kind(source)
    if kind != "csv" and arguments.target is not None:
        raise UsageError(f"--target names a column of a CSV file; {source} has its targets apart.")
    if kind == "csv":
        size = DEFAULT_TEST_SIZE if arguments.test_size is None else arguments.test_size
        found = datasets.load_csv(
            source, target=_column(arguments.target or "-1"), header=arguments.header,
            delimiter=_delimiter(arguments.delimiter), test_size=size, seed=SPLIT_SEED, dtype=np.float64,
        )  # fmt: skip
        return Loaded(os.path.basename(source), *found, table=True)
    if kind == "npz":
        return _stored_training(source, arguments.test_size)
    if arguments.test_size is not None:
        raise UsageError(f"--test-size is for files without a test part of their own; {source} has one.")
    if kind == "idx-folder":
        return Loaded(os.path.basename(os.path.normpath(source)), *_folder(source))
    if kind in NAMED:
        return Loaded(kind, *_named(kind), table=kind == "housing")
    raise ValueError(f"{source} holds one array, without targets; training takes {KINDS.replace('or .npy ', '')}.")


def _column(text: str) -> int | str:
    try:
        return int(text)
    except ValueError:
        return text


def _read_numpy(path: str) -> dict[str, Array]:
    """Return the arrays of an .npz file by name in lower case, or of an .npy file as "x"; nothing is unpickled."""
    try:
        with open(path, "rb") as file:  # NumPy leaves a damaged file open that it opened itself
            stored = np.load(file, allow_pickle=False)
            if isinstance(stored, np.ndarray):
                return {"x": stored}
            with stored:
                return {name.lower(): stored[name] for name in stored.files}
    except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{path} is not a file of plain NumPy arrays: {error}") from error


def _rows(X: Array) -> Array:
    """Return images as rows; anything else as it is."""
    return X.reshape(len(X), -1) if X.ndim > 2 else X


def _pick(arrays: dict[str, Array], part: str) -> tuple[Array, Array] | None:
    for suffix in (f"_{part}", "") if part == "train" else (f"_{part}",):
        if f"x{suffix}" in arrays and f"y{suffix}" in arrays:
            return _rows(arrays[f"x{suffix}"]), arrays[f"y{suffix}"]
    return None


def _stored_training(path: str, test_size: float | None) -> Loaded:
    arrays = _read_numpy(path)
    train, test = _pick(arrays, "train"), _pick(arrays, "test")
    if train is None:
        raise ValueError(
            f"{path} has the arrays {', '.join(arrays)}; expected X and y, or X_train and y_train (X_test, y_test)."
        )
    for X, y in filter(None, (train, test)):
        if X.ndim != 2 or y.ndim not in (1, 2) or len(X) != len(y):
            raise ValueError(f"{path}: X has shape {X.shape} and y {y.shape}; expected (n, d) and (n,) or (n, k).")
    name = os.path.basename(path)
    if test is not None:
        if test_size is not None:
            raise UsageError(f"--test-size is for files without a test part of their own; {path} has one.")
        return Loaded(name, *train, *test)
    rows, held_out = split_rows(len(train[0]), DEFAULT_TEST_SIZE if test_size is None else test_size, SPLIT_SEED)
    X, y = train
    return Loaded(name, X[rows], y[rows], X[held_out], y[held_out])


def hold_out(loaded: Loaded, size: float) -> tuple[Loaded, Array, Array]:
    """Return the data with a share of its training rows taken out, and those rows."""
    rows, held_out = split_rows(len(loaded.X_train), size, SPLIT_SEED + 1)
    X, y = loaded.X_train, loaded.y_train
    return replace(loaded, X_train=X[rows], y_train=y[rows]), X[held_out], y[held_out]


def load_test(arguments: argparse.Namespace, raw: bool) -> tuple[Array, Array]:
    """Return the rows that test a network, and their targets: those that training leaves out; without such, all.

    ``raw`` is as in `load_rows`.
    """
    loaded = load_training(arguments)
    tested = len(loaded.X_test) > 0
    X, y = (loaded.X_test, loaded.y_test) if tested else (loaded.X_train, loaded.y_train)
    images = _kind(arguments.data) in (*NAMED, "idx-folder") and not loaded.table
    return (load_rows(arguments.data, arguments, raw=True) if raw and images else X), y


def load_rows(source: str, arguments: argparse.Namespace, raw: bool) -> Array:
    """Return the rows to predict for: of a file all, of a data set with a test part that part.

    Parameters
    ----------
    source : str
        As ``fastnn predict`` takes it.
    arguments : Namespace
        With header, delimiter and target (a column to leave out, or None).
    raw : bool
        Pixels are wanted as uint8 and not as fractions: the network scales its input.
    """
    kind = _kind(source)
    if kind != "csv" and arguments.target is not None:
        raise UsageError(f"--target names a column of a CSV file to leave out; {source} is none.")
    if kind in NAMED:
        return _named(kind, raw).X_test
    if kind == "idx-folder":
        return _folder(source, raw).X_test
    if kind == "idx":
        images = read_idx(source)
        return _rows(images if raw or images.dtype != np.uint8 else images / np.float32(255))
    if kind in ("npz", "npy"):
        arrays = _read_numpy(source)
        for name in ("x_test", "x"):
            if name in arrays:
                return _rows(arrays[name])
        if len(arrays) == 1:
            return _rows(next(iter(arrays.values())))
        raise ValueError(f"{source} has the arrays {', '.join(arrays)}; expected X_test, X, or a single array.")
    table = read_table(source, header=arguments.header, delimiter=_delimiter(arguments.delimiter))
    return table.values if arguments.target is None else _without(source, table.values, table.names, arguments.target)


def _without(source: str, values: Array, names: list[str] | None, target: str) -> Array:
    column = _column(target)
    if isinstance(column, str):
        if names is None or column not in names:
            raise ValueError(f"--target {target}: {source} has no such column; it has {names or 'no header'}.")
        column = names.index(column)
    if not -values.shape[1] <= column < values.shape[1]:
        raise ValueError(f"--target {target}: {source} has {values.shape[1]} columns.")
    return np.delete(values, column, axis=1)

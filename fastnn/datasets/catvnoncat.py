"""The course's pictures of cats and of other things, from two HDF5 files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.datasets.dataset import Dataset, scale_pixels
from fastnn.datasets.files import MAX_DEFLATE_RATIO, StrPath, find
from fastnn.errors import require

__all__ = ["load_catvnoncat"]

_FILES = (("train_catvnoncat.h5",), ("test_catvnoncat.h5",))
_SHAPE = (64, 64, 3)


def load_catvnoncat(*, path: StrPath | None = None, raw: bool = False) -> Dataset:
    """Load the cat pictures: 209 for training and 50 for the test, 64x64 pixels in three colours.

        X = pixel / 255

    Parameters
    ----------
    path : str or path-like, optional
        The directory that holds ``train_catvnoncat.h5`` and ``test_catvnoncat.h5``. Without it: ``catvnoncat/`` below
        each directory of ``FASTNN_DATA`` and that directory itself, then ``fastnn/catvnoncat`` in the user's cache.
    raw : bool, default False
        Return the uint8 pixels 0..255 in place of float32 in 0..1.

    Returns
    -------
    Dataset
        ``X_train`` (209, 12288) and ``X_test`` (50, 12288), float32 in 0..1 (uint8 if ``raw``), each picture
        flattened as (row, column, colour); ``y_train`` (209,) and ``y_test`` (50,), int64: 1 for a cat, 0 for another
        thing. New arrays.

    Raises
    ------
    MissingDependencyError
        If h5py is not installed.
    FileNotFoundError
        If the files are not found; the message names them, every place that was looked at, and where to put them.
    ValueError
        If a file is not HDF5 or does not hold such pictures; the message names the file, what was expected and what
        came.

    Notes
    -----
    The course's notes hold examples in columns: their ``train_x`` is ``X_train.T``, and their ``train_y``
    ``y_train[None, :]``. No download is offered: the files state no licence.

    References
    ----------
    A. Ng, K. Katanforoosh and Y. Bensouda Mourri, Neural Networks and Deep Learning, course on Coursera, 2017.

    Examples
    --------
    >>> from fastnn.datasets import load_catvnoncat
    >>> X_train, y_train, X_test, y_test = load_catvnoncat()  # doctest: +SKIP
    """
    h5py: Any = require("h5py", "data", "Reading the HDF5 files of catvnoncat")
    advice = "They belong to the course Neural Networks and Deep Learning; no download is offered here."
    train, test = find("catvnoncat", _FILES, path, advice)
    X_train, y_train = _read(h5py, train, "train", raw)
    X_test, y_test = _read(h5py, test, "test", raw)
    return Dataset(X_train, y_train, X_test, y_test)


def _read(h5py: Any, file: Path, part: str, raw: bool) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Read ``<part>_set_x`` and ``<part>_set_y``, after looking at what they declare."""
    try:
        with h5py.File(file, "r") as opened:
            stored = {key: opened.get(f"{part}_set_{key}") for key in ("x", "y")}
            for key, values in stored.items():
                if not isinstance(values, h5py.Dataset):
                    raise ValueError(f"it has no data set {part}_set_{key}, only {sorted(opened)}")
            x, y = stored["x"], stored["y"]
            if x.dtype != np.uint8 or x.shape[1:] != _SHAPE:
                raise ValueError(
                    f"{part}_set_x has {x.dtype} values of shape {x.shape}; expected uint8, (n, 64, 64, 3)"
                )
            if y.dtype.kind not in "ui" or y.shape != x.shape[:1]:
                raise ValueError(
                    f"{part}_set_y has {y.dtype} values of shape {y.shape}; expected whole numbers, {x.shape[:1]}"
                )
            # HDF5 makes up values that were declared and never stored; do not let a small file claim all memory.
            if max(x.nbytes, y.nbytes) > file.stat().st_size * MAX_DEFLATE_RATIO:
                raise ValueError(
                    f"it declares {x.shape[0]} pictures, more than its {file.stat().st_size} bytes can hold"
                )
            pixels, labels = np.asarray(x[()]), np.asarray(y[()])
    # What h5py raises for a damaged file depends on where the damage is.
    except (OSError, RuntimeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{file} is not a file of catvnoncat: {error}.") from error
    rows = pixels.reshape(len(pixels), np.prod(_SHAPE))
    return rows if raw else scale_pixels(rows), labels.astype(np.int64)

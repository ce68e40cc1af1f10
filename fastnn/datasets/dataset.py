"""What every loader returns, and the three small steps that several of them share."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

__all__ = ["Dataset", "float_dtype", "scale_pixels", "split_rows"]


class Dataset(NamedTuple):
    """A training part and a test part; one example per row.

    Attributes
    ----------
    X_train, X_test : ndarray, shape (n, d)
        The inputs; images are flattened row by row.
    y_train, y_test : ndarray, shape (n,)
        The targets: int64 class labels, or real values.

    Examples
    --------
    >>> import numpy as np
    >>> data = Dataset(np.zeros((3, 2)), np.zeros(3), np.zeros((0, 2)), np.zeros(0))
    >>> X_train, y_train, X_test, y_test = data
    >>> data.X_train.shape
    (3, 2)
    """

    X_train: NDArray[Any]
    y_train: NDArray[Any]
    X_test: NDArray[Any]
    y_test: NDArray[Any]


def float_dtype(dtype: DTypeLike) -> np.dtype[Any]:
    """Return the dtype asked for, if it is float32 or float64; else raise ValueError."""
    wanted: np.dtype[Any] = np.dtype(dtype)
    if wanted not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise ValueError(f"dtype is {wanted}; expected float32 or float64.")
    return wanted.newbyteorder("=")


def scale_pixels(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return x / 255 as a new float32 array: 0 becomes 0.0 and 255 becomes 1.0, both exactly."""
    return np.divide(pixels, np.float32(255), dtype=np.float32)


def split_rows(n: int, test_size: float, seed: int | None) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Draw the test rows.

        r_i = the i-th 64-bit word of PCG64(seed)
        test rows = the ceil(test_size n) rows with the smallest r_i

    Parameters
    ----------
    n : int
        Number of rows.
    test_size : float
        The fraction of the rows that goes to the test part, at least 0 and below 1.
    seed : int or None
        Seed of the draw; None draws fresh entropy.

    Returns
    -------
    train, test : ndarray of intp
        New arrays of row numbers, each ascending, so that both parts keep the order of the file.

    Raises
    ------
    ValueError
        If ``test_size`` lies outside [0, 1), or leaves no row to train on.

    Notes
    -----
    The words of a bit generator are guaranteed not to change between NumPy versions; ``Generator.permutation`` is
    not. So a seed means the same split for ever.

    Examples
    --------
    >>> train, test = split_rows(10, 0.2, seed=0)
    >>> len(train), len(test)
    (8, 2)
    """
    if not 0.0 <= test_size < 1.0:
        raise ValueError(f"test_size is {test_size}; expected a fraction of the rows, at least 0 and below 1.")
    # 0.07 * 100 is a little above 7 in binary: without the rounding it would give 8 rows.
    n_test = math.ceil(round(test_size * n, 9))
    if n_test >= n:
        raise ValueError(f"test_size={test_size} of {n} rows leaves no row to train on.")
    order = np.argsort(np.random.PCG64(seed).random_raw(n), kind="stable")
    return np.sort(order[n_test:]), np.sort(order[:n_test])

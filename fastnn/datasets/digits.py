"""The bundled data: 1797 handwritten digits, 8x8, scaled up exactly by bilinear interpolation."""

from __future__ import annotations

import operator
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from fastnn.datasets.dataset import Dataset

__all__ = ["load_digits"]

_SIDE = 8
_LEVELS = 16
# 64 size^2 bounds every integer below, and float32 holds each integer up to 2^24: sizes below 512 are exact. A
# quarter of that already means 118 MB of float32 pixels.
_MAX_SIZE = 128


def load_digits(size: int = 28, raw: bool = False) -> Dataset:
    """Load the bundled handwritten digits, scaled up from 8x8.

    Bilinear interpolation between pixel centres, once along the columns and once along the rows (edges repeat the
    outermost pixel). With P an 8x8 image of integers 0..16, and for an output pixel i of a row of ``size``:

        s_i  = (i + 1/2) 8 / size - 1/2, moved into 0..7        its position among the 8 source pixels
        R_ij = max(0, 1 - abs(s_i - j))                         each row of R sums to 1
        X    = R P R^T / 16

    Parameters
    ----------
    size : int, default 28
        Height and width in pixels, 8 to 128. 28 is MNIST's; 8 gives the original pixels (R is then the identity).
    raw : bool, default False
        Return uint8 pixels ``floor(255 X + 1/2)``, 0..255, in place of float32 in 0..1.

    Returns
    -------
    Dataset
        ``X_train`` (1437, size * size) and ``X_test`` (360, size * size), float32 in 0..1 (uint8 if ``raw``), each
        image flattened row by row; ``y_train`` (1437,) and ``y_test`` (360,), int64 labels 0..9. New arrays at each
        call.

    Raises
    ------
    ValueError
        If ``size`` is below 8 or above 128.
    TypeError
        If ``size`` is not a whole number.

    Notes
    -----
    The split is fixed and uses no random numbers: the rows are ordered by label (order of the source within a label),
    and of that sequence every fifth, beginning with the first, is a test row. So each class has a fifth of its rows,
    to within one, in the test part. Both parts keep the order of the source. Each of the 13 writers is in both parts,
    so the test accuracy does not speak for a new writer.

    All the arithmetic is on integers (2 size R is a matrix of integers) up to the one division at the end: each value
    is the correctly rounded one, the same on every machine.

    References
    ----------
    E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, 1998,
    https://doi.org/10.24432/C50P49, licence CC BY 4.0. The bundled rows are its testing set, ``optdigits.tes``;
    ``fastnn/datasets/data/DIGITS.txt`` says what was changed.

    Examples
    --------
    >>> from fastnn.datasets import load_digits
    >>> X_train, y_train, X_test, y_test = load_digits()
    >>> X_train.shape, X_test.shape
    ((1437, 784), (360, 784))
    >>> y_train[:10].tolist()
    [1, 3, 5, 6, 7, 8, 9, 0, 1, 2]
    >>> load_digits(size=8, raw=True).X_train.max()
    np.uint8(255)
    """
    size = operator.index(size)
    if not _SIDE <= size <= _MAX_SIZE:
        raise ValueError(f"size is {size}; expected {_SIDE} to {_MAX_SIZE} pixels.")
    images, labels = _bundled()
    scaled, denominator = _scaled_up(images, size)
    if raw:
        X: NDArray[np.float32] | NDArray[np.uint8]
        X = ((2 * 255 * scaled.astype(np.uint32) + denominator) // (2 * denominator)).astype(np.uint8)
    else:
        X = np.divide(scaled, np.float32(denominator), out=scaled)
    test = np.zeros(len(labels), dtype=bool)
    test[np.argsort(labels, kind="stable")[::5]] = True
    return Dataset(X[~test], labels[~test], X[test], labels[test])


def _bundled() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Read the compressed copy: images (1797, 64) of 0..16 and labels (1797,)."""
    with (
        (files("fastnn.datasets") / "data" / "digits.npz").open("rb") as file,
        np.load(file, allow_pickle=False) as stored,
    ):
        return stored["images"], stored["labels"].astype(np.int64)


def _scaled_up(images: NDArray[np.uint8], size: int) -> tuple[NDArray[np.float32], int]:
    """Scale up by R P R^T in whole numbers.

    Returns whole numbers as float32, shape (n, size * size), and their common denominator 16 (2 size)^2.
    """
    n = len(images)
    # 2 size s_i = (2 i + 1) 8 - size is whole, and so is 2 size R.
    s = np.clip((2 * np.arange(size) + 1) * _SIDE - size, 0, 2 * size * (_SIDE - 1))
    R = np.maximum(0, 2 * size - np.abs(s[:, None] - 2 * size * np.arange(_SIDE))).astype(np.float32)
    P = images.reshape(n, _SIDE, _SIDE).astype(np.float32)
    # No sum exceeds 16 (2 size)^2 < 2^24, so float32 products are exact in whatever order a BLAS adds them.
    scaled: NDArray[np.float32] = R @ (P @ R.T)
    return scaled.reshape(n, size * size), _LEVELS * (2 * size) ** 2

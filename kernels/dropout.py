"""Dropout's random numbers: counter-based, so that a mask depends on where it is used and on nothing else.

Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3", SC11) maps the counter
(unit // 4, row, layer, t), each modulo 2^32, and a 64-bit key to four 32-bit words; unit u takes word u % 4, and is
dropped where that word is below rate * 2^32.  t counts the steps done before, layer is 1 for the first, row is the
row's index in X.  A kept output is scaled by 1 / (1 - rate).  Any backend, batch size, tiling and thread count
therefore sees the same mask.

Two homes: this file (arrays; Numba compiles ``philox`` for scalars) and ``c/dropout.h``.
"""

from __future__ import annotations

import numpy as np

MULTIPLIER_0, MULTIPLIER_1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
WEYL_0, WEYL_1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
LOW = np.uint64(0xFFFFFFFF)
WORD = np.uint64(32)


def philox(c0, c1, c2, c3, k0, k1):
    """Return the four words of Philox4x32-10; all arguments and results are uint64 below 2^32, scalars or arrays."""
    for _ in range(10):
        p0 = MULTIPLIER_0 * c0
        p1 = MULTIPLIER_1 * c2
        c0, c1, c2, c3 = (p1 >> WORD) ^ c1 ^ k0, p1 & LOW, (p0 >> WORD) ^ c3 ^ k1, p0 & LOW
        k0 = (k0 + WEYL_0) & LOW
        k1 = (k1 + WEYL_1) & LOW
    return c0, c1, c2, c3


def threshold(rate: float) -> int:
    """Return the word below which a unit is dropped."""
    return int(rate * 4294967296.0)


def keep(key: int, t: int, layer: int, rows: np.ndarray, n_units: int, rate: float, dtype: np.dtype) -> np.ndarray:
    """Return the factors of the outputs of a layer: 0 where dropped, else 1 / (1 - rate).

    Parameters
    ----------
    key : int
        0 <= key < 2^63.
    t, layer : int
        The step and the layer.
    rows : ndarray of int, shape (m,)
        Row indices in X.
    n_units : int
        Units of the layer.
    rate : float
        0 <= rate < 1.
    dtype : dtype
        Of the result.

    Returns
    -------
    ndarray, shape (m, n_units)
    """
    quads = np.arange((n_units + 3) // 4, dtype=np.uint64)[None, :]
    counter = (quads, rows.astype(np.uint64)[:, None] & LOW, np.uint64(layer), np.uint64(t) & LOW)
    words = np.broadcast_arrays(*philox(*counter, np.uint64(key) & LOW, np.uint64(key) >> WORD))
    words = np.stack(words, axis=2).reshape(len(rows), -1)[:, :n_units]
    return np.where(words < threshold(rate), 0, 1 / (1 - rate)).astype(dtype)

"""The number that scikit-learn prints as a loss, where it is not the one that is differentiated.

- Squared error of k outputs: printed is the mean over outputs, differentiated the sum.
- Poisson: printed is the deviance, y log(y / mu) - y + mu; without what no parameter moves it is mu - y log mu.
- Both cross-entropies: printed is the loss of the probability clipped to [eps, 1 - eps], so no element counts more than
  -log(eps).  The kernels cut it there (`limit`); the gradient is that of the loss itself in both libraries.
- An epoch's loss is the mean of its batches' losses by their rows, with sample weights too.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import xlogy

from ..arrays import Array

__all__ = ["Printed", "limit"]


def limit(loss: str, dtype: np.dtype[Any]) -> float:
    """Return the largest loss of an element that scikit-learn prints for this loss, 0 where it prints any."""
    if loss in ("categorical_cross_entropy", "binary_cross_entropy"):
        return float(-np.log(np.finfo(dtype).eps))
    return 0.0


class Printed:
    """Turns what the kernels report into scikit-learn's number.

    Parameters
    ----------
    loss : str
        The network's.
    T : ndarray, shape (m, n_out) or (m, 1)
        The kernels' targets.
    weights : ndarray, shape (m,) or empty
    n_outputs : int
    """

    def __init__(self, loss: str, T: Array, weights: Array, n_outputs: int) -> None:
        self.divisor = n_outputs if loss == "squared_error" else 1
        self._weights = weights
        self._counts = np.empty(0)  # rows of an epoch's batches
        self._offsets: Array | None = None  # per row, what the kernels leave out
        if loss == "poisson":
            with np.errstate(all="ignore"):  # of a negative count it is NaN, there as here
                offsets = (xlogy(T, T) - T).sum(axis=1, dtype=np.float64)
            self._offsets = offsets * weights if weights.size else offsets

    def epoch(self, losses: Array, order: Array, starts: Array) -> tuple[float, float]:
        """Return (loss, data loss) of the batches that ``losses`` (n, 2), data and penalty, tells of."""
        if len(starts) != len(self._counts) + 1:
            self._counts = np.diff(starts).astype(np.float64)  # the same in every epoch, but for one that was stopped
        counts, total = self._counts, float(starts[-1])
        data_loss, penalty = (losses.T * counts).sum(axis=1).tolist()  # no BLAS: its threads spin for 20 ms afterwards
        if self._offsets is not None:
            order, norms = order[: starts[-1]], counts
            if self._weights.size:
                norms = np.add.reduceat(self._weights[order], starts[:-1], dtype=np.float64)
            offsets = np.add.reduceat(self._offsets[order], starts[:-1]) / np.where(norms > 0, norms, 1)
            data_loss += float((counts * offsets).sum())
        data_loss /= self.divisor * total
        return data_loss + penalty / total, data_loss

    def whole(self, data: float, penalty: float) -> float:
        """Return the loss over all rows."""
        return data / self.divisor + self.constant() + penalty

    def constant(self) -> float:
        """Return what the kernels leave out of the mean over all rows."""
        if self._offsets is None:
            return 0.0
        total = self._weights.sum(dtype=np.float64) if self._weights.size else len(self._offsets)
        return float(self._offsets.sum() / total)

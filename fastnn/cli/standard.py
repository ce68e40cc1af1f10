r"""Standardised training whose network takes raw columns: the statistics are folded into the weights.

A network that was trained on Z = (X - m) / s and, with an identity output, on U = (y - c) / k, computes

    first layer   Z W1 + b1 = X (W1 / s) + (b1 - m (W1 / s))        W1 / s: row j of W1 divided by s_j
    last layer    y = k (A W + b) + c = A (k W) + (k b + c)

so that new weights W1 / s and b1 - m (W1 / s), and k W and k b + c, give the same function of the raw columns, in the
raw target's units.  All of it is computed in float64 and rounded once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import Array, numeric
from ..callbacks import History
from ..network import Network

__all__ = ["Standard", "measure"]

#: Share of the outputs' spread that folding may move them by; more, and the network is kept in float64.
TOLERANCE = 1e-4
CHECKED_ROWS = 1000


@dataclass(frozen=True)
class Standard:
    """Statistics of the training rows: ``mean`` and ``scale`` per column, ``shift`` and one ``unit`` for the target.

    ``shift`` is None where the target is left alone.  One unit serves all outputs, so that their errors keep the
    weight that they have to one another.
    """

    mean: Array
    scale: Array
    shift: Array | None = None
    unit: float = 1.0

    def inputs(self, X: Any, dtype: Any) -> Array:
        """Return (X - mean) / scale, computed in float64, as dtype."""
        standardised = np.asarray(X, np.float64) - self.mean
        standardised /= self.scale
        return standardised.astype(dtype)

    def targets(self, y: Any) -> Array:
        """Return (y - shift) / unit in float64, or y where there is no shift."""
        if self.shift is None:
            return np.asarray(y)
        return (np.asarray(y, np.float64) - (self.shift if np.ndim(y) == 2 else self.shift[0])) / self.unit

    def fold(self, network: Network, X: Any) -> Network:
        """Return the network of raw columns that computes what ``network`` computes of standardised ones.

        It has the same dtype, unless rounding in float32 would move the outputs for the first rows of X by more than
        TOLERANCE of their spread (columns far from zero compared with their spread do that); then it is float64.
        """
        weights = [W.astype(np.float64) for W in network.weights]
        biases = [b.astype(np.float64) for b in network.biases]
        weights[0] = weights[0] / self.scale[:, None]
        biases[0] = biases[0] - self.mean @ weights[0]
        if self.shift is not None:
            weights[-1] = weights[-1] * self.unit
            biases[-1] = biases[-1] * self.unit + self.shift
        rows = np.asarray(X[:CHECKED_ROWS], np.float64)
        wanted = network.predict(self.inputs(rows, network.dtype)).astype(np.float64)
        if self.shift is not None:
            wanted = wanted * self.unit + self.shift
        spread = float(np.std(wanted)) or 1.0
        made = self._rebuilt(network, weights, biases, network.dtype)
        if np.abs(made.predict(rows) - wanted).max(initial=0.0) > TOLERANCE * spread:
            made = self._rebuilt(network, weights, biases, np.dtype(np.float64))
        return made

    def _rebuilt(self, network: Network, weights: list[Array], biases: list[Array], dtype: np.dtype[Any]) -> Network:
        config = network.config()
        loss = config["loss"]
        if isinstance(loss, dict) and "huber" in loss:  # its width is in the target's units
            loss = {"huber": loss["huber"] * self.unit}
        made = Network.from_weights(
            [W.astype(dtype) for W in weights], [b.astype(dtype) for b in biases], activation=config["activation"],
            output=config["output"], loss=loss, dtype=dtype,
        )  # fmt: skip
        made.seed, made.multilabel = network.seed, network.multilabel
        return made

    def in_raw_units(self, history: History, loss_name: str) -> History:
        """Return the history in the target's units; r2 has none."""
        power = 2 if loss_name in ("squared_error", "huber") else 1
        factors = {"val_mse": self.unit**2, "val_r2": 1.0, "val_accuracy": 1.0}
        loss, data_loss, val_loss = (
            [value * self.unit**power for value in series]
            for series in (history.loss, history.data_loss, history.val_loss)
        )
        metrics = {name: [value * factors[name] for value in series] for name, series in history.metrics.items()}
        return History(loss, data_loss, val_loss, metrics, list(history.seconds), history.stopped_by)


def measure(X: Any, y: Any | None) -> Standard:
    """Return the statistics of the training rows; ``y`` None leaves the target alone.

    Scales are standard deviations with divisor n; a constant column has scale 1.

    Raises
    ------
    TypeError, ValueError
        If X or y does not hold finite real numbers.
    """
    columns = numeric(X, "X").astype(np.float64, copy=False)
    _check_finite(columns, "X")
    mean, scale = columns.mean(axis=0), columns.std(axis=0)
    # A column of equal values may leave a rounding error as its deviation.
    scale[scale <= 1e-12 * np.abs(mean)] = 1.0
    scale[scale == 0] = 1.0
    if y is None:
        return Standard(mean, scale)
    targets = numeric(y, "y").astype(np.float64).reshape(len(columns), -1)
    _check_finite(targets, "y")
    shift = targets.mean(axis=0)
    unit = float(np.sqrt(np.mean((targets - shift) ** 2)))
    return Standard(mean, scale, shift, unit if unit > 1e-12 * float(np.abs(shift).max()) else 1.0)


def _check_finite(array: Array, name: str) -> None:
    wrong = np.argwhere(~np.isfinite(array))
    if len(wrong):
        place = ", ".join(str(i) for i in wrong[0])
        value = array[tuple(wrong[0])]
        raise ValueError(f"{name}[{place}] is {value}; {name} must be finite. Remove or impute the rows that are not.")

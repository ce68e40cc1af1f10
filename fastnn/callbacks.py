"""What watches a fit: its history, its state, and the callbacks that stop it or keep copies.

A callback is any callable that takes a `FitState` after each epoch and returns True to stop.  It may also have
``begin(state)``, called before the first epoch, ``between_slices(state)``, called about twenty times a second and
stopping on True, and ``end(state)``, called when the fit ends without an error.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .arrays import Array
from .checks import choice, real, truth, whole
from .optimizers import OptimizerState

__all__ = ["Checkpoints", "EarlyStopping", "FitState", "History", "TimeLimit", "as_callbacks"]


@dataclass
class History:
    """What a fit reports, one entry per epoch.

    Attributes
    ----------
    loss : list of float
        Mean over rows of what was differentiated, penalty included, while the epoch's updates went on.
    data_loss : list of float
        The same without the penalty.
    val_loss : list of float
        Loss on the validation data after each epoch, without penalty; empty without validation data.
    metrics : dict of str to list of float
        "val_accuracy", or "val_mse" and "val_r2".
    seconds : list of float
        Training time of each epoch, validation and callbacks not counted.
    stopped_by : str or None
        Name of the callback that ended the fit early.

    Examples
    --------
    >>> History().epochs
    0
    """

    loss: list[float] = field(default_factory=list)
    data_loss: list[float] = field(default_factory=list)
    val_loss: list[float] = field(default_factory=list)
    metrics: dict[str, list[float]] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    stopped_by: str | None = None

    @property
    def epochs(self) -> int:
        """Number of epochs reported; the last may be partial where a time limit ended it."""
        return len(self.loss)

    def series(self, name: str) -> list[float]:
        """Return "loss", "data_loss", "val_loss" or a metric by name; raise ValueError, listing what there is."""
        known: dict[str, list[float]] = {"loss": self.loss, "data_loss": self.data_loss, **self.metrics}
        if self.val_loss:
            known["val_loss"] = self.val_loss
        if name not in known:
            hint = " Pass validation_data to fit." if name.startswith("val_") and not self.val_loss else ""
            raise ValueError(f"nothing named {name!r} is recorded; there is {', '.join(known)}.{hint}")
        return known[name]

    def as_dict(self) -> dict[str, Any]:
        """Return all series by name, as plain lists, for JSON or a DataFrame."""
        series: dict[str, Any] = {"loss": self.loss, "data_loss": self.data_loss, "seconds": self.seconds}
        if self.val_loss:
            series["val_loss"] = self.val_loss
        return {**series, **self.metrics}


@dataclass
class FitState:
    """What a callback sees.

    Attributes
    ----------
    epoch : int
        Epochs done in this fit.
    network : Network
        The network; its parameters may be read and written.
    history : History
    optimizer : OptimizerState
        Settings, slots and steps.
    time_left : float
        Seconds until the tightest `TimeLimit`, or infinity.
    validates : bool
        Whether the fit has validation data.
    records : tuple of str
        Names of the series that the history will have.
    """

    epoch: int
    network: Any
    history: History
    optimizer: OptimizerState
    time_left: float = math.inf
    validates: bool = False
    records: tuple[str, ...] = ()


Callback = Callable[[FitState], Any]
MONITORED = ("val_loss", "loss", "data_loss", "val_accuracy", "val_mse", "val_r2")


class EarlyStopping:
    """Stop when a series has not improved for some epochs.

        stop when value >= best - min_delta for ``patience`` epochs in a row   (accuracy, r2: value <= best + min_delta)

    Parameters
    ----------
    patience : int
        Epochs without improvement that end the fit, >= 1.
    min_delta : float
        Smallest change that counts, >= 0.
    monitor : str
        "val_loss", "loss", "data_loss", "val_accuracy", "val_mse" or "val_r2".
    restore_best : bool
        Put the parameters of the best epoch back at the end of the fit.

    Attributes
    ----------
    best : float
        Best value seen.
    best_epoch : int
        Its epoch, from 1.

    Raises
    ------
    ValueError
        For an unknown series; at the start of a fit that will not record it, which is then left undone.

    Examples
    --------
    >>> EarlyStopping(5).monitor
    'val_loss'
    """

    def __init__(
        self, patience: int, min_delta: float = 0.0, monitor: str = "val_loss", restore_best: bool = True
    ) -> None:
        self.patience = whole(patience, "patience", 1)
        self.min_delta = real(min_delta, "min_delta", 0)
        self.monitor = choice(monitor, "monitor", MONITORED)
        self.restore_best = truth(restore_best, "restore_best")
        self._sign = -1.0 if monitor.endswith(("accuracy", "r2")) else 1.0
        self._reset()

    def _reset(self) -> None:
        self.best, self.best_epoch, self._theta = math.inf * self._sign, 0, None

    def begin(self, state: FitState) -> None:
        """Forget an earlier fit."""
        if self.monitor.startswith("val_") and not state.validates:
            raise ValueError(
                f"EarlyStopping monitors {self.monitor!r}, and this fit has no validation data. "
                "Pass validation_data to fit, or use monitor='loss'."
            )
        if state.records and self.monitor not in state.records:
            raise ValueError(
                f"EarlyStopping monitors {self.monitor!r}; what this fit records is {', '.join(state.records)}. "
                "Monitor one of these."
            )
        self._reset()

    def __call__(self, state: FitState) -> bool:
        """Look at the epoch's value; return True after too many without improvement."""
        value = state.history.series(self.monitor)[-1]
        if not self.best_epoch or math.isnan(self.best) or self._sign * value < self._sign * self.best - self.min_delta:
            self.best, self.best_epoch = value, state.epoch
            if self.restore_best:
                self._theta = state.network.theta.copy()
        return state.epoch - self.best_epoch >= self.patience

    _theta: Array | None

    def end(self, state: FitState) -> None:
        """Put the best parameters back."""
        if self.restore_best and self._theta is not None:
            state.network.theta = self._theta


class TimeLimit:
    """Stop after some seconds, in the middle of an epoch where need be; finished batches are kept.

    Parameters
    ----------
    seconds : float
        > 0, counted from the start of the fit.

    Examples
    --------
    >>> TimeLimit(0.5).seconds
    0.5
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = real(seconds, "seconds", 0, open_low=True)
        self._end = math.inf

    def begin(self, state: FitState) -> None:
        """Start the clock."""
        self._end = time.perf_counter() + self.seconds
        self.between_slices(state)

    def between_slices(self, state: FitState) -> bool:
        """Return True when the time is over; note in the state what is left."""
        left = self._end - time.perf_counter()
        state.time_left = min(state.time_left, left)
        return left <= 0

    __call__ = between_slices


class Checkpoints:
    """Keep copies of the parameters along a fit, the start included.

    Parameters
    ----------
    every : int
        Epochs between copies, >= 1.

    Attributes
    ----------
    epochs : list of int
        0 for the start, then each multiple of ``every``.
    thetas : list of ndarray
        The parameters at those epochs.

    Examples
    --------
    >>> Checkpoints(every=2).epochs
    []
    """

    def __init__(self, every: int = 1) -> None:
        self.every = whole(every, "every", 1)
        self.epochs: list[int] = []
        self.thetas: list[Array] = []

    def begin(self, state: FitState) -> None:
        """Forget an earlier fit and copy the start."""
        self.epochs, self.thetas = [0], [state.network.theta.copy()]

    def __call__(self, state: FitState) -> None:
        """Copy the parameters where it is time."""
        if state.epoch % self.every == 0:
            self.epochs.append(state.epoch)
            self.thetas.append(state.network.theta.copy())


def as_callbacks(given: Any) -> list[Callback]:
    """Return the callbacks as a list; one alone needs no list around it.  Raises TypeError for what is none."""
    callbacks = [given] if callable(given) else given
    if isinstance(callbacks, (str, bytes, Mapping)) or not isinstance(callbacks, Iterable):
        raise TypeError(f"callbacks must be a sequence of callables that take a FitState, got {given!r}.")
    callbacks = list(callbacks)
    for callback in callbacks:
        if isinstance(callback, type):
            raise TypeError(f"callbacks must be instances: write {callback.__name__}(...), not {callback.__name__}.")
        if not callable(callback):
            raise TypeError(f"callbacks must be callables that take a FitState, got {callback!r}.")
    return callbacks

"""Learning-rate schedules: the rate as a function of the steps done.

A schedule is given wherever a learning rate is: ``fastnn.Adam(fastnn.schedules.Cosine(0.001))``.  It is evaluated for
every step.  Lengths are counted in ``unit``: "step" (one update) or "epoch" (a fraction of one counts too).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .checks import choice, real

__all__ = ["Cosine", "Exponential", "InverseScaling", "OneCycle", "Schedule", "Step"]


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Base of the schedules.

    Parameters
    ----------
    unit : {"step", "epoch"}
        What t counts.
    """

    unit: str = "step"

    def __post_init__(self) -> None:
        """Check the fields."""
        choice(self.unit, "unit", ("step", "epoch"))

    def rates(self, steps: np.ndarray, steps_per_epoch: int | None, total: int | None) -> np.ndarray:
        """Return the rate of each step.

        Parameters
        ----------
        steps : ndarray of float, shape (n,)
            Steps done before each of the n steps.
        steps_per_epoch : int or None
            None where there are no epochs, as in online training.
        total : int or None
            Steps of the whole fit; None where it has no end.

        Returns
        -------
        ndarray of float64, shape (n,)

        Raises
        ------
        ValueError
            If the schedule needs an epoch or an end and there is none.
        """
        per = 1
        if self.unit == "epoch":
            if steps_per_epoch is None:
                raise ValueError(f"{type(self).__name__}(unit='epoch') needs epochs; online steps have none. "
                                 "Use unit='step'.")  # fmt: skip
            per = steps_per_epoch
        return self._rate(np.asarray(steps, np.float64) / per, None if total is None else total / per)

    def _rate(self, t: np.ndarray, end: float | None) -> np.ndarray:
        raise NotImplementedError

    def _length(self, own: float | None, end: float | None) -> float:
        if own is not None:
            return own
        if end is None:
            raise ValueError(f"{type(self).__name__} without a length spans a whole fit; online steps have no end. "
                             "Give length=.")  # fmt: skip
        return max(end, 1e-300)


@dataclass(frozen=True)
class Step(Schedule):
    """Multiply the rate by a factor at regular intervals.

        rate(t) = initial * factor^floor(t / every)

    Parameters
    ----------
    initial : float
        Rate at t = 0, > 0.
    every : float
        Interval in units, > 0.
    factor : float
        In (0, 1].

    Examples
    --------
    >>> Step(0.1, every=2, factor=0.5).rates([0, 1, 2, 4], None, None).tolist()
    [0.1, 0.1, 0.05, 0.025]
    """

    initial: float
    every: float
    factor: float = 0.1

    def __post_init__(self) -> None:
        """Check the fields."""
        super().__post_init__()
        real(self.initial, "initial", 0, open_low=True)
        real(self.every, "every", 0, open_low=True)
        real(self.factor, "factor", 0, 1, open_low=True)

    def _rate(self, t: np.ndarray, end: float | None) -> np.ndarray:
        return self.initial * self.factor ** np.floor(t / self.every)


@dataclass(frozen=True)
class Exponential(Schedule):
    """Multiply the rate by a factor every unit.

        rate(t) = initial * factor^t

    Parameters
    ----------
    initial : float
        Rate at t = 0, > 0.
    factor : float
        In (0, 1].

    Examples
    --------
    >>> Exponential(1.0, factor=0.5).rates([0, 1, 3], None, None).tolist()
    [1.0, 0.5, 0.125]
    """

    initial: float
    factor: float = 0.99

    def __post_init__(self) -> None:
        """Check the fields."""
        super().__post_init__()
        real(self.initial, "initial", 0, open_low=True)
        real(self.factor, "factor", 0, 1, open_low=True)

    def _rate(self, t: np.ndarray, end: float | None) -> np.ndarray:
        return self.initial * self.factor**t


@dataclass(frozen=True)
class Cosine(Schedule):
    """Lower the rate along half a cosine.

        rate(t) = final + (initial - final) (1 + cos(pi min(t / length, 1))) / 2

    Parameters
    ----------
    initial : float
        Rate at t = 0, > 0.
    final : float
        Rate from t = length on, >= 0.
    length : float, optional
        In units; None: the whole fit.

    References
    ----------
    Loshchilov & Hutter 2017, SGDR, eq. 5, without restarts.

    Examples
    --------
    >>> Cosine(1.0, length=2).rates([0, 1, 2, 9], None, None).round(3).tolist()
    [1.0, 0.5, 0.0, 0.0]
    """

    initial: float
    final: float = 0.0
    length: float | None = None

    def __post_init__(self) -> None:
        """Check the fields."""
        super().__post_init__()
        real(self.initial, "initial", 0, open_low=True)
        real(self.final, "final", 0)
        if self.length is not None:
            real(self.length, "length", 0, open_low=True)

    def _rate(self, t: np.ndarray, end: float | None) -> np.ndarray:
        phase = np.minimum(t / self._length(self.length, end), 1)
        return self.final + (self.initial - self.final) * 0.5 * (1 + np.cos(np.pi * phase))


@dataclass(frozen=True)
class OneCycle(Schedule):
    """Raise the rate to a peak along half a cosine, then lower it to almost nothing along another.

        from peak / start_factor to peak over the first ``rise`` of the length, then to peak / end_factor

    Parameters
    ----------
    peak : float
        Highest rate, > 0.
    rise : float
        Share of the length that rises, in (0, 1).
    start_factor, end_factor : float
        Peak over first and over last rate, >= 1.
    length : float, optional
        In units; None: the whole fit.

    References
    ----------
    Smith & Topin 2018, super-convergence; the two-phase cosine form and the default factors are PyTorch's.

    Examples
    --------
    >>> OneCycle(1.0, rise=0.5, length=4).rates([0, 2, 4], None, None).round(4).tolist()
    [0.04, 1.0, 0.0]
    """

    peak: float
    rise: float = 0.3
    start_factor: float = 25.0
    end_factor: float = 250000.0
    length: float | None = None

    def __post_init__(self) -> None:
        """Check the fields."""
        super().__post_init__()
        real(self.peak, "peak", 0, open_low=True)
        real(self.rise, "rise", 0, 1, open_low=True, open_high=True)
        real(self.start_factor, "start_factor", 1)
        real(self.end_factor, "end_factor", 1)
        if self.length is not None:
            real(self.length, "length", 0, open_low=True)

    def _rate(self, t: np.ndarray, end: float | None) -> np.ndarray:
        share = np.minimum(t / self._length(self.length, end), 1)
        low, last = self.peak / self.start_factor, self.peak / self.end_factor
        up = low + (self.peak - low) * 0.5 * (1 - np.cos(np.pi * np.minimum(share / self.rise, 1)))
        down = last + (self.peak - last) * 0.5 * (1 + np.cos(np.pi * (share - self.rise) / (1 - self.rise)))
        return np.where(share < self.rise, up, down)


@dataclass(frozen=True)
class InverseScaling(Schedule):
    """Divide the rate by a power of t.

        rate(t) = initial / (t + 1)^power

    Parameters
    ----------
    initial : float
        Rate at t = 0, > 0.
    power : float
        >= 0.

    Examples
    --------
    >>> InverseScaling(1.0).rates([0, 3], None, None).tolist()
    [1.0, 0.5]
    """

    initial: float
    power: float = 0.5

    def __post_init__(self) -> None:
        """Check the fields."""
        super().__post_init__()
        real(self.initial, "initial", 0, open_low=True)
        real(self.power, "power", 0)

    def _rate(self, t: np.ndarray, end: float | None) -> np.ndarray:
        return self.initial / (t + 1) ** self.power

"""Paired, interleaved timing.

A machine's speed drifts: by its clock, by its neighbours, by its temperature.  So all competitors of a case run in
every round, in random order, and what is reported is the median over rounds of the ratio within a round, with an
interval that assumes nothing about how the ratios are distributed (order statistics).  A pair of equal competitors
must come out at 1; the tests hold it to that.
"""

from __future__ import annotations

import math
import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from . import environment

CONFIDENCE = 0.95
WARM_BELOW = 0.02  # seconds: what is faster gets an untimed call before each sample, to find its data in the cache


@dataclass(frozen=True)
class Mode:
    """How long to measure.

    ``toy`` shrinks the cases to seconds for the whole suite: it proves that a benchmark runs, not how fast anything is.
    """

    toy: bool = False
    sample_seconds: float = 0.005  # shortest sample; calls are repeated within one to fill it
    case_seconds: float = 4.0  # for all rounds of a case
    rounds: tuple[int, int] = (7, 41)  # fewest, most; fewer than 6 give no interval of 95 %

    def shortened(self, share: float) -> Mode:
        """Return the mode with a share of the seconds per case."""
        return replace(self, case_seconds=share * self.case_seconds)


FULL = Mode()
TOY = Mode(toy=True, sample_seconds=0.0002, case_seconds=0.05, rounds=(2, 3))


@dataclass(frozen=True)
class Competitor:
    """One implementation in a case.

    Parameters
    ----------
    name : str
        Unique within the case.
    run : callable
        The timed work; returns its answer (arrays, numbers, or lists and tuples of them), compared before timing.
    threads : int
        How many threads it uses; every BLAS is limited to as many while it runs.
    before : callable, optional
        Runs untimed before each sample, such as putting parameters back to the start.
    once : bool
        One call per sample: for work that must not be repeated without ``before``.
    rehearsed : bool
        The check's call has warmed everything up, and a sample is one call: no trial before the rounds, which would
        take as long as one.  For contests with ``rounds``.
    clock : callable, optional
        ``clock(calls) -> seconds`` for all of them, where the competitor times itself (inside C).
    answers : bool
        False for what computes nothing that could be compared, such as a limit of the machine.
    facts : dict
        Plain JSON values for the record: backend, target, floating-point operations, compile time ...
    """

    name: str
    run: Callable[[], Any]
    threads: int = 1
    before: Callable[[], None] | None = None
    once: bool = False
    rehearsed: bool = False
    clock: Callable[[int], float] | None = None
    answers: bool = True
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Absent:
    """A competitor that is not timed: "skipped" (not installed, no compiler) or "not run" (too slow, not possible)."""

    name: str
    status: str
    reason: str
    threads: int = 1
    facts: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.status not in ("skipped", "not run"):
            raise ValueError(f'the status of {self.name} must be "skipped" or "not run", got {self.status!r}.')


@dataclass
class Contest:
    """What competes in one case.

    Parameters
    ----------
    competitors, absent : sequences
        In the order of the tables.
    baseline : str
        The competitor that ratios are to; it may be absent, then there are no ratios.
    tolerance : float or None
        Largest relative difference (norm) of an answer to the first competitor's; None where the suite has its own
        check.
    rounds : int, optional
        How many rounds to play, whatever the mode says.
    sample_seconds : float
        Shortest sample, where that is more than the mode's: threads that start on cold, idle or virtual processors take
        some 0.1 s to be spread over the cores, and a call of half that length would show nothing else.
    warm_seconds : float
        Untimed calls before each sample, after ``before``, of so many seconds in all: for work that goes on for longer
        than a sample, so that nobody's threads are timed waking up; one call at least.
    """

    competitors: Sequence[Competitor]
    baseline: str
    tolerance: float | None
    absent: Sequence[Absent] = ()
    rounds: int | None = None
    sample_seconds: float = 0.0
    warm_seconds: float = 0.0

    def __post_init__(self) -> None:
        names = [one.name for one in (*self.competitors, *self.absent)]
        if len(set(names)) < len(names):
            raise ValueError(f"names must be unique within a case, got {names}.")
        if self.baseline not in names:
            raise ValueError(f"the baseline {self.baseline!r} is none of {names}.")


@dataclass(frozen=True)
class Ratio:
    """A median of paired ratios with the interval that holds the true median with at least this confidence."""

    median: float
    low: float
    high: float
    confidence: float


def median_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> Ratio:
    """Return the median and its distribution-free interval, the k-th smallest to the k-th largest value.

    k is the largest for which P(fewer than k of n values fall on one side of the true median), twice a binomial tail,
    leaves at least the confidence.  Below six values there is none for 95 %: then it is the whole range with the
    confidence 1 - 2^(1 - n) that it has.
    """
    ordered = sorted(values)
    n = len(ordered)
    if n == 0:
        raise ValueError("no values to take the median of.")
    k, outside, tail = 1, 2.0 ** (1 - n), 2.0**-n
    term = tail
    for j in range(1, n // 2):
        term *= (n - j + 1) / j
        tail += term
        if 1 - 2 * tail < confidence:
            break
        k, outside = j + 1, 2 * tail
    return Ratio(statistics.median(ordered), ordered[k - 1], ordered[n - k], max(0.0, 1 - outside))


def paired_ratio(numerator: Sequence[float], denominator: Sequence[float]) -> Ratio:
    """Return the median over rounds of numerator / denominator, with its interval."""
    if len(numerator) != len(denominator):
        raise ValueError(f"ratios need the same rounds, got {len(numerator)} and {len(denominator)}.")
    return median_interval([a / b for a, b in zip(numerator, denominator, strict=True)])


def parts(answer: Any) -> tuple[np.ndarray, ...]:
    """Return an answer's arrays in double precision, copied: of a tuple or a list of arrays each, else the one it is.

    A list without arrays is an array written as (nested) lists of numbers.
    """
    several = isinstance(answer, tuple) or (
        isinstance(answer, list) and any(isinstance(part, (np.ndarray, tuple)) for part in answer)
    )
    if not several:
        return (np.array(answer, dtype=np.float64),)
    return tuple(array for part in answer for array in parts(part))


def difference(answer: Any, reference: Any) -> float:
    """Return the largest relative difference, in the norm of each array, of two answers of the same structure."""
    found, wanted = parts(answer), parts(reference)
    if [a.shape for a in found] != [r.shape for r in wanted]:
        return math.inf
    worst = 0.0
    for a, r in zip(found, wanted, strict=True):
        if not np.all(np.isfinite(a)):
            return math.inf
        scale = float(np.linalg.norm(r.ravel()))
        worst = max(worst, float(np.linalg.norm((a - r).ravel())) / (scale or 1.0))
    return worst


class WrongAnswer(AssertionError):
    """A competitor computes something else: its time would mean nothing."""


class Rounds:
    """Play a contest round by round; afterwards ``samples[name]`` has the seconds per call of each round."""

    def __init__(self, contest: Contest, mode: Mode, seed: int = 0) -> None:
        self.contest, self.mode = contest, mode
        self.samples: dict[str, list[float]] = {one.name: [] for one in contest.competitors}
        self.calls: dict[str, int] = {}
        self._last: dict[str, float] = {}  # seconds of the last call, to know whether an untimed one is affordable
        self._random = random.Random(seed)
        environment.forget_blas()

    def check(self) -> dict[str, float]:
        """Compare every answer with the first one and return the differences.

        Raises
        ------
        WrongAnswer
            If one is larger than the contest's tolerance.
        """
        found: dict[str, float] = {}
        first = reference = None
        for one in self.contest.competitors:
            environment.set_blas_threads(one.threads)
            if one.before is not None:
                one.before()
            began = time.perf_counter()
            answer = one.run()
            self._last[one.name] = time.perf_counter() - began
            if self.contest.tolerance is None or not one.answers:
                continue
            if first is None:
                first, reference = one.name, parts(answer)
            found[one.name] = difference(answer, reference)
            if not found[one.name] <= self.contest.tolerance:
                raise WrongAnswer(
                    f"{one.name} and {first} disagree: relative difference "
                    f"{found[one.name]:.1e}, allowed {self.contest.tolerance:.1e}. Nothing was timed."
                )
        return found

    def calibrate(self) -> int:
        """Choose the calls per sample of each competitor; return how many rounds fit into the mode's seconds."""
        round_seconds = 0.0
        shortest = max(self.mode.sample_seconds, 0.0 if self.mode.toy else self.contest.sample_seconds)
        for one in self.contest.competitors:
            if one.rehearsed:
                self.calls[one.name] = 1
                continue
            calls, seconds = 1, self._sample(one, 1)
            while not one.once and seconds * calls < shortest:
                calls = max(2 * calls, min(1000 * calls, math.ceil(shortest / max(seconds, 1e-9))))
                seconds = self._sample(one, calls)
            self.calls[one.name] = calls
            round_seconds += seconds * (calls + (self._warming(seconds) or seconds < WARM_BELOW))
        if self.contest.rounds is not None:
            return self.contest.rounds
        fewest, most = self.mode.rounds
        return max(fewest, min(most, int(self.mode.case_seconds / max(round_seconds, 1e-9))))

    def play(self) -> None:
        """Run one round: every competitor once, in random order."""
        order = list(self.contest.competitors)
        self._random.shuffle(order)
        for one in order:
            self.samples[one.name].append(self._sample(one, self.calls[one.name]))

    def _sample(self, one: Competitor, calls: int) -> float:
        """Return the seconds per call of one sample."""
        environment.set_blas_threads(one.threads)
        clock = one.clock or partial(stopwatch, one.run)
        warming = 0 if one.once or one.name not in self.calls else self._warming(self._last[one.name])
        if not one.once and not warming and self._last.get(one.name, 0.0) < WARM_BELOW:
            if one.before is not None:
                one.before()
            clock(1)
        if one.before is not None:
            one.before()
        if warming:
            clock(warming)
        seconds = self._last[one.name] = clock(calls) / calls
        return seconds

    def _warming(self, seconds: float) -> int:
        """Return how many calls of so many seconds the contest's warming up takes."""
        return 0 if self.mode.toy else math.ceil(self.contest.warm_seconds / max(seconds, 1e-9))


def stopwatch(run: Callable[[], Any], calls: int) -> float:
    """Return the seconds of so many calls."""
    turns = range(calls)
    began = time.perf_counter()
    for _ in turns:
        run()
    return time.perf_counter() - began

"""How near to each other the cores are: what a barrier takes, waiting for it, and showing it.

Virtual cores share a cache at some times and none at others, for seconds or minutes.  A signal between two threads then
takes several times as long, and so does every number that one core has written and another reads.  Small networks gain
little from a second thread at such times, so what is timed has to wait, and the record has to tell.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from .measure import Competitor
from .record import Record, Report
from .tables import Table, duration

#: Seconds of a barrier between two threads whose cores share a cache: 0.05 to 0.1 us; without one, 0.25 and more.
NEAR = 0.15e-6
PATIENCE = 240.0  # seconds to wait for that; once they are over, no more until it has been so again
NAP = 0.5
SAMPLES = 50  # of some 2 ms: threads that have slept take a while to spread over the cores
BARRIER = "a barrier"
BARRIER_NOTE = (
    "The barrier is one between all threads: median, least and most of the rounds. It takes 0.06 us where their cores "
    "share a cache, a few times as long where they do not, and 1 us and more where one core had to do for two; samples "
    "wait for the first, up to four minutes."
)


class Cores:
    """The cores of the machine, with so many threads on them; ``toy`` waits for nothing."""

    def __init__(self, threads: int, toy: bool) -> None:
        self.threads, self.toy = threads, toy
        self._patience = PATIENCE
        try:
            from fastnn.kernels.cython_kernels import time_barrier
        except ImportError:
            self.clock: Callable[..., None] | None = None
        else:
            self.clock = time_barrier

    def seconds(self, threads: int) -> float:
        """Return what a barrier between so many threads takes; there has to be the compiled backend."""
        assert self.clock is not None
        samples = np.empty(3 if self.toy else SAMPLES)
        self.clock(threads, 20 if self.toy else 1000, samples)
        return float(np.median(samples))

    def wait(self) -> None:
        """Wait, but not for ever, until two cores share a cache."""
        if self.toy or self.clock is None:
            return
        end = time.monotonic() + self._patience
        while self.seconds(2) > NEAR:
            if time.monotonic() >= end:
                self._patience = 0.0
                return
            time.sleep(NAP)
        self._patience = PATIENCE

    def barriers(self, before: Callable[[], None] | None = None) -> list[Competitor]:
        """Return the barrier between all threads as a competitor, or nothing without the compiled backend."""
        if self.clock is None:
            return []
        before = before or self.wait
        return [
            Competitor(BARRIER, lambda: None, self.threads, before,
                       clock=lambda calls: self.seconds(self.threads) * calls, answers=False)
        ]  # fmt: skip


def with_barriers(report: Report, table: Table) -> Table:
    """Return the table, whose rows begin with a case, with what a barrier took in it, where any was timed."""
    if not any(report.select(competitor=BARRIER, status="ran")):
        return table
    rows = [[*row, barrier_cell(report.get(row[0], BARRIER))] for row in table.rows]
    return replace(table, head=[*table.head, BARRIER], rows=rows, note=f"{table.note} {BARRIER_NOTE}")


def barrier_cell(record: Record | None) -> str:
    """Return the median over the rounds, the least and the most, or a dash."""
    if record is None or record.seconds is None:
        return "-"
    return f"{duration(record.seconds['median'])} [{duration(min(record.samples))}, {duration(max(record.samples))}]"

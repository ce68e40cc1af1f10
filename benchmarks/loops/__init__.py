"""The notes' experiment at larger scale: what a loop costs, in Python and elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

import fastnn
from benchmarks.measure import Absent, Competitor, Contest, Mode
from benchmarks.suite import Case, Suite


def dot_contest(n: int) -> Contest:
    rng = np.random.default_rng(0)
    x, y = rng.random((2, n), np.float32)
    made = [Competitor("NumPy", lambda: np.dot(x, y)), Competitor("fastnn cython", lambda: fastnn.functional.dot(x, y))]
    return Contest(made, "NumPy", 1e-4, [Absent("Python loop", "not run", "later")])


def cases(mode: Mode) -> Iterator[Case]:
    for n in (100, 1000) if mode.toy else (10**4, 10**5, 10**6):
        yield Case(f"dot {n}", lambda n=n: dot_contest(n), {"operation": "dot", "n": n})


SUITE = Suite("loops", "loops in Python, NumPy, Numba, Cython and fastnn", cases)

"""The notes' experiment at larger scale: what a loop costs in Python, and what each way out of it gains.

The same operation by a Python loop, vectorised NumPy, a Numba loop, a typed Cython loop and fastnn's three backends,
on one thread and on all.  A Python loop of more than work.MOST_PYTHON_STEPS steps is not run, and its time is not
extrapolated: the table of speed-ups ends there.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from functools import partial

import fastnn
from benchmarks.environment import all_threads
from benchmarks.measure import Absent, Competitor, Contest, Mode
from benchmarks.suite import Case, Suite

from . import library, python_loops, show, typed, vectorised, work

PYTHON, NUMPY, NUMBA, CYTHON = "Python loop", "NumPy", "Numba loop", "Cython loop"
BLAS = ("dot", "matvec", "matmul", "logistic", "dense", "epoch")  # what NumPy gives to a BLAS, which has threads


def contest(size: work.Size) -> Contest:
    """Return who does an operation of a size: those in float32 first, for theirs is the reference."""
    arrays, threads = work.data(size), all_threads()
    several = (1, threads) if threads > 1 else (1,)
    made: list[Competitor] = []
    absent: list[Absent] = []
    for count in several if size.operation in BLAS else (1,):
        run = partial(vectorised.OPERATIONS[size.operation], **arrays)
        made.append(Competitor(_name(NUMPY, count), run, count, facts={"way": NUMPY}))
    for name, module in ((NUMBA, "numba_loops"), (CYTHON, "typed_loops")):
        try:
            found = typed.load() if name == CYTHON else importlib.import_module(f"benchmarks.loops.{module}")
        except ImportError as error:
            absent.append(Absent(name, "skipped", str(error), facts={"way": name}))
            continue
        made.append(Competitor(name, partial(found.OPERATIONS[size.operation], **arrays), facts={"way": name}))
    for backend in ("numpy", "numba", "cython"):
        way = f"fastnn {backend}"
        if backend not in fastnn.available_backends():
            reason = fastnn.backends.missing_backends()[backend]
            absent.append(Absent(way, "skipped", reason, facts={"way": way}))
            continue
        for count in several if size.operation in library.THREADED else (1,):
            run, before = library.operation(size.operation, backend, count, arrays)
            made.append(Competitor(_name(way, count), run, count, before, facts={"way": way}))
    if size.n <= work.MOST_PYTHON_STEPS:
        lists = python_loops.of(arrays)
        made.append(
            Competitor(PYTHON, partial(python_loops.OPERATIONS[size.operation], **lists), facts={"way": PYTHON})
        )
    else:
        reason = f"{size.n:.1e} steps; more than {work.MOST_PYTHON_STEPS:.0e} take a Python loop too long"
        absent.append(Absent(PYTHON, "not run", reason, facts={"way": PYTHON}))
    return Contest(made, PYTHON, work.TOLERANCE[size.operation], absent)


def _name(way: str, threads: int) -> str:
    return way if threads == 1 else f"{way}, {threads} threads"


def cases(mode: Mode) -> Iterator[Case]:
    """Yield every operation at every size."""
    for size in work.sizes(mode.toy):
        facts = {"operation": size.operation, "n": size.n, "shape": list(size.shape)}
        yield Case(size.case, partial(contest, size), facts)


SUITE = Suite("loops", "what a loop costs, in Python and out of it", cases, show.speedups, show.charts)

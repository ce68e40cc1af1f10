"""Every piece and program of the seam on the three backends: how many times as fast as the reference each is.

One thread, as the NumPy and Numba backends have no other; arrays as a caller of the seam has them.  What is reported is
the call as Python makes it, so that at one row it is the price of the door and at many that of the loop.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from fastnn import backends

from . import seam
from .measure import Absent, Competitor, Contest, Mode
from .record import Record, Report
from .suite import Case, Suite
from .tables import Table, duration, significant, speed

NAMES = ("numpy", "numba", "cython")
REFERENCE = "numpy"
TOLERANCE = {"float32": 2e-5, "float64": 1e-10}
SAME = 0.95  # of the reference's speed: what a contest of equals, seven rounds long, has been seen to come to


def timed(made: seam.Call, calls: int) -> float:
    """Return the seconds of so many calls, begun at rest."""
    made.rest()
    turns, call = range(calls), made.call
    began = time.perf_counter()
    for _ in turns:
        call()
    return time.perf_counter() - began


def contest(question: seam.Question) -> Contest:
    """Return the backends that can be had here; the others are absent by name."""
    missing = backends.missing_backends()
    absent = [Absent(name, "skipped", missing[name]) for name in NAMES if name in missing]
    made, on = [], question.prepare()
    for name in NAMES:
        if name not in missing:
            call = on(backends.kernels(name), 1)
            made.append(Competitor(name, call.answer, clock=partial(timed, call)))
    return Contest(made, REFERENCE, TOLERANCE[question.dtype], absent)


def cases(mode: Mode) -> Iterator[Case]:
    """Yield programs, then pieces."""
    sources: tuple[Callable[[bool], Iterator[seam.Question]], ...] = (seam.programs, seam.pieces)
    for questions in sources:
        for one in questions(mode.toy):
            facts = {"kind": one.kind, "name": one.name, "shape": one.shape, "dtype": one.dtype}
            yield Case(f"{one.kind} {one.case}", partial(contest, one), facts)


# ---- what is shown


def _others(report: Report) -> list[str]:
    return [name for name in report.competitors() if name != REFERENCE]


def _line(report: Report, record: Record) -> list[str]:
    cells = [record.facts["name"], record.facts["shape"], record.facts["dtype"]]
    cells.append(duration(record.seconds["median"]) if record.seconds else record.status)
    for name in _others(report):
        ratio = report.ratio(record.case, name, REFERENCE)
        cells.append(speed(ratio) if ratio else "")
    return cells


def lines(report: Report, kind: str, title: str) -> Table:
    """Return a line per question: the reference's time, and how many times as fast the others are."""
    rows = [_line(report, record) for record in report.select(competitor=REFERENCE, kind=kind)]
    head = ["", "shape", "dtype", REFERENCE, *(f"{name} is faster" for name in _others(report))]
    return Table(f"{kind}s", title, head, rows, "One thread, called from Python.", (0, 1, 2))


def summary(report: Report) -> Table:
    """Return, per backend and kind, how the ratios are spread and how many are surely below the reference."""
    rows = []
    for name in _others(report):
        for kind in ("program", "piece"):
            found: list[tuple[Any, str]] = []
            for record in report.select(competitor=name, kind=kind, status="ran"):
                ratio = report.ratio(record.case, name, REFERENCE)
                if ratio:
                    found.append((ratio, record.case))
            if not found:
                continue
            found.sort(key=lambda pair: pair[0].median)
            below = sum(ratio.high < SAME for ratio, _ in found)
            least, where = found[0]
            rows.append([
                f"{name}, {kind}s", str(len(found)), f"{significant(found[len(found) // 2][0].median)}x",
                f"{significant(found[-1][0].median)}x", str(below), speed(least), where.partition(" ")[2],
            ])  # fmt: skip
    head = ["", "questions", "median", "most", f"surely below {SAME}x", "least", "there"]
    note = f"Times as fast as {REFERENCE}; surely: the whole interval lies below."
    return Table("summary", "Backends against the reference", head, rows, note, (0, 6))


def tables(report: Report) -> list[Table]:
    """Return programs, pieces and the summary."""
    return [
        lines(report, "program", "Programs"), lines(report, "piece", "Pieces"), summary(report),
    ]  # fmt: skip


SUITE = Suite("backends", "every piece and program of the seam on the three backends", cases, tables, share=0.03)

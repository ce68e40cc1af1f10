"""How the loops are shown: a table of speed-ups over the Python loop, and times over sizes on logarithmic axes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from benchmarks import charts as draw
from benchmarks.record import Record, Report
from benchmarks.suite import Chart
from benchmarks.tables import Table, cell, duration, significant

from .work import TITLES

WAYS = ("Python loop", "NumPy", "Numba loop", "Cython loop", "fastnn numpy", "fastnn numba", "fastnn cython")
LOOKS = {
    "Python loop": draw.Style("#000000", (0, (1, 1)), "X"),
    "NumPy": draw.Style("#0072B2", "--", "s"),
    "Numba loop": draw.Style("#E69F00", "-.", "^"),
    "Cython loop": draw.Style("#CC79A7", (0, (3, 1, 1, 1)), "v"),
    "fastnn numpy": draw.Style("#56B4E9", (0, (5, 1)), "P"),
    "fastnn numba": draw.Style("#009E73", (0, (8, 2)), "D"),
    "fastnn cython": draw.Style("#D55E00", "-", "o", width=2.6),
}
PANELS = ("dot", "sigmoid", "matmul", "epoch")  # of the chart


def best(report: Report, case: str, way: str) -> Record | None:
    """Return a way's record at its best number of threads; one that did not run only if none did."""
    found = list(report.select(case=case, way=way))
    ran = [record for record in found if record.seconds]
    return min(ran, key=lambda record: record.seconds["median"]) if ran else next(iter(found), None)


def speedups(report: Report) -> list[Table]:
    """Return the times and the speed-ups over the Python loop, each at the best number of threads."""
    ways = [way for way in WAYS if any(report.select(way=way))]
    times, gains = [], []
    for case in report.cases():
        records = [best(report, case, way) for way in ways]
        times.append([case, *map(cell, records)])
        loop = records[0]
        if loop is not None and loop.seconds:
            gains.append([case, duration(loop.seconds["median"]), *(_gain(report, case, r) for r in records[1:])])
        else:
            reason = cell(loop)
            gains.append([case, reason, *([""] * (len(ways) - 1))])
    note = (
        "Median of paired rounds, each way at its best number of threads (1 or all). A Python loop of more than ten "
        "million steps is not run, and nothing is extrapolated."
    )
    return [
        Table("speed", "Times as fast as the Python loop", ["", "Python loop", *ways[1:]], gains, note),
        Table("seconds", "Seconds", ["", *ways], times, "Median, each way at its best number of threads (1 or all)."),
    ]


def _gain(report: Report, case: str, record: Record | None) -> str:
    if record is None or record.seconds is None:
        return cell(record)
    ratio = report.ratio(case, record.competitor, "Python loop")
    return f"{significant(ratio.median)}x" if ratio else ""


def charts(report: Report) -> Sequence[Chart]:
    """Return the picture of times over sizes."""
    panels: dict[str, draw.Series] = {}
    for operation in PANELS:
        records = [record for record in report.select(operation=operation) if record.seconds]
        if not records:
            continue
        series = {}
        for way in WAYS:
            found = [best(report, case, way) for case in dict.fromkeys(record.case for record in records)]
            points = sorted((r.facts["n"], r.seconds["median"]) for r in found if r is not None and r.seconds)
            if points:
                series[way] = points
        panels[TITLES[operation]] = series
    work = partial(
        draw.loglog, panels=panels, looks=LOOKS, xlabel="multiply-adds, or elements", ylabel="seconds",
        title="Out of the Python loop",
    )  # fmt: skip
    alt = "Seconds over size on logarithmic axes, one line per implementation, for " + ", ".join(panels)
    return [Chart("times", alt, work)]

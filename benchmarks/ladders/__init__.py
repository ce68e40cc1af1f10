"""Each hot kernel, version by version, failures included.  README.md has the shape."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from functools import partial

from benchmarks import charts as draw
from benchmarks.measure import Mode
from benchmarks.record import Record, Report
from benchmarks.suite import Case, Chart, Suite
from benchmarks.tables import Table, cell, duration, significant, slug

from . import dot, sigmoid

LADDERS = {ladder.name: ladder for ladder in (dot.LADDER, sigmoid.LADDER)}


def cases(mode: Mode) -> Iterator[Case]:
    """Yield every ladder at every size."""
    for ladder in LADDERS.values():
        for size in ladder.toy_sizes if mode.toy else ladder.sizes:
            yield Case(f"{ladder.name} {size:,}", partial(ladder.contest, size), {"ladder": ladder.name, "n": size})


def tables(report: Report) -> list[Table]:
    """Return a table per ladder: idea, time per element at each size, the gain over the rung below, the lesson."""
    made = []
    for name, ladder in LADDERS.items():
        sizes = list(dict.fromkeys(record.case for record in report.select(ladder=name)))
        if not sizes:
            continue
        rows = []
        for rung, version in enumerate(ladder.versions, start=1):
            cells = [str(rung), version.name, version.idea]
            for case in sizes:
                record = next(report.select(case=case, rung=rung), None)
                cells += [_per_unit(record), _gain(report, case, rung)]
            rows.append([*cells, version.lesson])
        times = [word for case in sizes for word in (f"{case.partition(' ')[2]}: each", "over the rung below")]
        made.append(Table(slug(name), f"{name}: {ladder.what}", ["", "version", "idea", *times, "lesson"], rows,
                          left=(1, 2, 3 + 2 * len(sizes))))  # fmt: skip
    return made


def _per_unit(record: Record | None) -> str:
    if record is None or record.seconds is None:
        return cell(record)
    return duration(record.seconds["median"] / record.facts["units"])


def _gain(report: Report, case: str, rung: int) -> str:
    """Return how many times as fast a rung is as the nearest one below that ran."""
    own = next(report.select(case=case, rung=rung, status="ran"), None)
    below = [r for r in report.select(case=case, status="ran") if r.facts["rung"] < rung]
    if own is None or not below:
        return ""
    ratio = report.ratio(case, own.competitor, max(below, key=lambda r: r.facts["rung"]).competitor)
    return f"{significant(ratio.median)}x" if ratio else ""


def charts(report: Report) -> Sequence[Chart]:
    """Return a picture per ladder: the time per element, rung by rung."""
    return [_chart(report, name) for name in LADDERS if any(report.select(ladder=name))]


def _chart(report: Report, name: str) -> Chart:
    ladder = LADDERS[name]
    sizes = list(dict.fromkeys(record.case for record in report.select(ladder=name)))
    looks = draw.styles(sizes)
    groups: dict[str, dict[str, tuple[float, str] | str]] = {}
    for rung, version in enumerate(ladder.versions, start=1):
        group = groups["\n".join([str(rung), *textwrap.wrap(version.name, 13)])] = {}
        for case in sizes:
            record = next(report.select(case=case, rung=rung), None)
            if record is not None and record.seconds:
                each = record.seconds["median"] / record.facts["units"] * 1e9
                group[case] = each, significant(each, 2)
            elif record is not None:
                group[case] = record.status
    work = partial(
        draw.bars, groups=groups, looks=looks, ylabel="ns per number", title=f"{name}: {ladder.what}", log=True
    )
    return Chart(slug(name), f"Bars: nanoseconds per number of each version of {name}", work)


SUITE = Suite("ladders", "hot kernels, version by version", cases, tables, charts)

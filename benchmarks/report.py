"""Render the README's tables and charts from the committed reports: ``make report``.

A place in the README is

    <!-- benchmark: loops/speed -->
    ...
    <!-- end -->

and what stands between is replaced by the table, or the chart, of that name of that suite's report in
``benchmarks/results``; ``loops/about`` is the header.  Nothing else writes a figure into the README.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

from fastnn.io import write_whole

from . import suite, tables
from .record import Report

ROOT = Path(__file__).resolve().parent.parent
RESULTS = Path(__file__).resolve().parent / "results"
PLACE = re.compile(r"(<!-- benchmark: ([\w-]+)/([\w-]+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)
MARK = re.compile(r"<!-- benchmark:")


def picture(name: str, chart: str) -> Path:
    """Return where a chart lies."""
    return RESULTS / f"{name}-{chart}.png"


@cache
def _pieces(name: str) -> dict[str, str]:
    """Return the Markdown of each table and chart of a suite's committed report."""
    one, report = suite.load(name), Report.read(RESULTS / f"{name}.json")
    made = {"about": f"<sub>{tables.about(report)}</sub>"}
    for table in one.tables(report):
        made[table.name] = table.as_markdown()
    for chart in one.charts(report):
        made[chart.name] = f"![{chart.alt}]({picture(name, chart.name).relative_to(ROOT).as_posix()})"
    return made


def render(text: str, pieces: Callable[[str], dict[str, str]] = _pieces) -> str:
    """Return a page with every marked place filled in.

    Raises
    ------
    ValueError
        For a mark without an end, or a name that no table and no chart of the suite has.
    """

    def fill(match: re.Match[str]) -> str:
        begin, name, part, _, end = match.groups()
        found = pieces(name)
        if part not in found:
            raise ValueError(f"{name} has no table or chart {part!r}; it has: {', '.join(found)}.")
        return f"{begin}{found[part]}\n{end}"

    if len(MARK.findall(text)) != len(PLACE.findall(text)):
        raise ValueError("a benchmark's mark must be <!-- benchmark: SUITE/NAME --> and have its <!-- end -->.")
    return PLACE.sub(fill, text)


def main() -> int:
    """Draw the charts of all committed reports and rewrite the README."""
    for path in sorted(RESULTS.glob("*.json")):
        report = Report.read(path)
        for chart in suite.load(report.suite).charts(report):
            chart.draw(picture(report.suite, chart.name))
            print(f"wrote {picture(report.suite, chart.name).relative_to(ROOT)}")
    readme = ROOT / "README.md"
    before = readme.read_text()
    after = render(before)
    if after != before:
        write_whole(readme, after.encode())
    print(f"README.md {'rewritten' if after != before else 'unchanged'}")
    return 0

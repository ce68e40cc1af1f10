"""Tables as text for a terminal and as Markdown for the README; numbers of a fitting length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fastnn.cli import text

from .record import Record, Report


@dataclass(frozen=True)
class Table:
    """Rows of cells under a head; ``name`` is its place in the README, ``note`` a line below it."""

    name: str
    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""
    left: Sequence[int] = (0,)  # columns aligned to the left

    def as_text(self) -> str:
        """Return aligned lines."""
        lines = text.table([list(self.head), *map(list, self.rows)], self.left)
        lines.insert(1, "-" * max(map(len, lines)))
        return "\n".join([self.title, *lines, *([self.note] if self.note else [])])

    def as_markdown(self) -> str:
        """Return a table as GitHub renders it."""
        rule = [":--" if i in self.left else "--:" for i in range(len(self.head))]
        rows = [self.head, rule, *self.rows]
        lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
        return "\n".join([*lines, *(["", self.note] if self.note else [])])


def duration(seconds: float) -> str:
    """Return seconds with three significant digits and a unit.

    >>> duration(0.0123), duration(4.56e-7), duration(75.0), duration(0.0009999)
    ('12.3 ms', '456 ns', '75.0 s', '1.00 ms')
    """
    for factor, unit in ((1e9, "ns"), (1e6, "us"), (1e3, "ms"), (1.0, "s")):
        value = seconds * factor
        if float(f"{value:.3g}") < 1000 or unit == "s":
            return f"{significant(value)} {unit}"
    raise AssertionError("unreachable")


def significant(value: float, digits: int = 3) -> str:
    """Return a positive number in fixed-point with so many significant digits.

    >>> significant(0.01234), significant(9.996), significant(12345.6), significant(1.0)
    ('0.0123', '10.0', '12,346', '1.00')
    """
    if value == 0:
        return "0"
    exponent = int(f"{abs(value):.{digits - 1}e}".partition("e")[2])
    return f"{value:,.{max(0, digits - 1 - exponent)}f}"


def speed(ratio: Any) -> str:
    """Return a ratio, of a record or of `measure`, as "12.3x [12.1, 12.6]"."""
    found = ratio if isinstance(ratio, dict) else vars(ratio)
    return f"{significant(found['median'])}x [{significant(found['low'])}, {significant(found['high'])}]"


def cell(record: Record | None, what: str = "seconds") -> str:
    """Return a record's median time, or its ratio, or why there is none."""
    if record is None:
        return ""
    if record.status != "ran":
        return record.status
    if what == "seconds":
        return duration(record.seconds["median"]) if record.seconds else ""
    return f"{significant(record.ratio['median'])}x" if record.ratio else ""


def by_case(report: Report) -> list[Table]:
    """Return the tables of a suite that has none of its own: one per case, a line per competitor."""
    made = []
    for case in report.cases():
        records = list(report.select(case=case))
        base = next((record.baseline for record in records if record.baseline), "")
        rows = [_line(record) for record in records]
        head = ["", "threads", "median", "best", f"times as fast as {base}" if base else ""]
        made.append(Table(slug(case), case, head, rows))
    return made


def _line(record: Record) -> list[str]:
    if record.seconds is None:
        return [record.competitor, str(record.threads), record.status, "", record.reason]
    ratio = speed(record.ratio) if record.ratio else ""
    best = duration(record.seconds["min"])
    return [record.competitor, str(record.threads), duration(record.seconds["median"]), best, ratio]


def slug(words: str) -> str:
    """Return a name that is fit for a file and an anchor.

    >>> slug("dot 10^4, float32")
    'dot-10-4-float32'
    """
    return "-".join("".join(c if c.isalnum() else " " for c in words.lower()).split())


def about(report: Report) -> str:
    """Return the header as a paragraph: where and with what the report was obtained."""
    head = report.header
    versions = ", ".join(f"{name} {version}" for name, version in head["versions"].items() if version)
    blas = "; ".join(dict.fromkeys(
        " ".join(str(library[key]) for key in ("internal_api", "version", "architecture") if library.get(key))
        for library in head["blas"] if library.get("user_api") == "blas"
    ))  # fmt: skip
    load = f", load {head['load'][0]} at the start" if head["load"] else ""
    toy = "Toy sizes: these prove that the benchmark runs, not how fast anything is. " if report.mode == "toy" else ""
    threads = head["threads"]
    return (
        f"{toy}{head['cpu']}, {threads} thread{'s' if threads != 1 else ''} of {head['cores']} cores, CPU target "
        f"{head['target']}, {head['platform']}, Python {head['python']}, fastnn {head['fastnn']}, {versions}"
        f"{'; BLAS: ' + blas if blas else ''}{load}, {head['date'][:10]}."
    )

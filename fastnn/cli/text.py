"""Text for people: aligned tables, numbers of a fitting length."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["labelled", "seconds", "table"]


def table(rows: Sequence[Sequence[str]], left: Sequence[int] = (0,)) -> list[str]:
    """Return rows of cells as aligned lines: the columns in ``left`` to the left, the others to the right.

    A row shorter than the first is a note: its last cell runs on to the end of the line.
    """
    whole = [row for row in rows if len(row) == len(rows[0])]
    widths = [max(len(row[i]) for row in whole) for i in range(len(rows[0]))]
    for row in rows:  # a note's first cells are aligned with the others
        for i, cell in enumerate(row[:-1]):
            widths[i] = max(widths[i], len(cell))
    lines = []
    for row in rows:
        cells = [cell.ljust(w) if i in left else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths))]  # noqa: B905
        if len(row) < len(rows[0]):
            cells[-1] = row[-1]
        lines.append("  ".join(cells).rstrip())
    return lines


def labelled(label: str, text: str) -> str:
    """Return text after a label of ten columns; the lines that follow the first are indented as much."""
    return f"{label:<10}" + text.replace("\n", "\n" + " " * 10)


def seconds(value: float) -> str:
    """Return a duration in seconds with three significant digits, as fixed-point.

    Examples
    --------
    >>> seconds(0.00123), seconds(1.5), seconds(64.3)
    ('0.00123', '1.50', '64.3')
    """
    digits = 3
    while digits > 0 and value >= 10 ** (3 - digits):
        digits -= 1
    if value < 0.1:
        digits = 5 if value < 0.01 else 4
    return f"{value:.{digits}f}"

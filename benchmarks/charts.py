"""Charts that survive a grey print: Okabe and Ito's colours, and for every series a dash and a mark, or a hatch."""

from __future__ import annotations

import io
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastnn.errors import require
from fastnn.io import write_whole

DPI = 150
INK = "#222222"
# By lightness too: neighbours in this list differ in grey.
COLOURS = ("#D55E00", "#0072B2", "#009E73", "#E69F00", "#56B4E9", "#CC79A7", "#555555", "#000000", "#B8A900")
DASHES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)), (0, (8, 2)), (0, (4, 2, 1, 2)))
MARKS = ("o", "s", "^", "D", "v", "P", "X", "*", "<")
CLEAR = {"facecolor": "white", "edgecolor": "none", "pad": 0.4}  # behind a label
HATCHES = ("", "///", "...", "\\\\\\", "xx", "--", "oo", "++", "||")
FONTS = {"font.size": 11, "axes.titlesize": 13, "axes.titleweight": "bold", "text.color": INK, "axes.labelcolor": INK,
         "xtick.color": INK, "ytick.color": INK, "axes.edgecolor": "#888888", "hatch.linewidth": 0.6}  # fmt: skip


@dataclass(frozen=True)
class Style:
    """How a series looks, the same in every chart."""

    colour: str
    dash: Any = "-"
    mark: str = "o"
    hatch: str = ""
    width: float = 1.8


def styles(names: Sequence[str]) -> dict[str, Style]:
    """Return a style for each name, in order."""
    looks = itertools.cycle(zip(COLOURS, DASHES, MARKS, HATCHES, strict=True))
    return {name: Style(*look) for name, look in zip(names, looks, strict=False)}


def figure(width: float, height: float) -> tuple[Any, Any]:
    """Return an empty figure without a window, and matplotlib."""
    matplotlib = require("matplotlib", "bench", "Drawing charts")
    figures: Any = require("matplotlib.figure", "bench", "Drawing charts")
    require("matplotlib.backends.backend_agg", "bench", "Drawing charts")
    return figures.Figure(figsize=(width, height), layout="constrained", facecolor="white"), matplotlib


def save(made: Any, path: Path) -> None:
    """Write a figure as PNG, whole."""
    buffer = io.BytesIO()
    made.savefig(buffer, format="png", dpi=DPI)
    write_whole(path, buffer.getvalue())


def bare(axes: Any) -> None:
    """Take away what carries nothing."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)


Series = Mapping[str, Sequence[tuple[float, float]]]


def head(made: Any, title: str) -> None:
    """Write the title, at the left."""
    made.suptitle(title, x=0.01, ha="left", fontsize=14, fontweight="bold", color=INK)


def loglog(
    path: Path, panels: Mapping[str, Series], looks: Mapping[str, Style], xlabel: str, ylabel: str, title: str
) -> None:
    """Draw lines over logarithmic axes, two panels beside each other, one legend below them all."""
    columns = min(2, len(panels))
    rows = math.ceil(len(panels) / columns)
    made, matplotlib = figure(1 + 5 * columns, 0.9 + 3.6 * rows)
    with matplotlib.rc_context(FONTS):
        grid = made.subplots(rows, columns, squeeze=False, sharey=True)
        for axes in grid.flat[len(panels) :]:
            axes.set_visible(False)
        for axes, (name, series) in zip(grid.flat, panels.items(), strict=False):
            for label, points in series.items():
                look = looks[label]
                axes.plot(*zip(*points, strict=True), color=look.colour, linestyle=look.dash, marker=look.mark,
                          linewidth=look.width, markersize=6.5, markeredgecolor="white", markeredgewidth=0.6,
                          label=label)  # fmt: skip
            axes.set(xscale="log", yscale="log", xlabel=xlabel, title=name)
            axes.grid(True, which="major", color="#dddddd", linewidth=0.7)
            axes.minorticks_off()
            bare(axes)
        for axes in grid[:, 0]:
            axes.set_ylabel(ylabel)
        known = {
            label: line for axes in grid.flat for line, label in zip(*axes.get_legend_handles_labels(), strict=True)
        }
        made.legend(known.values(), known.keys(), loc="outside lower center", ncols=4, frameon=False, handlelength=3.4)
        head(made, title)
        save(made, path)


def bars(
    path: Path, groups: Mapping[str, Mapping[str, tuple[float, str] | str]], looks: Mapping[str, Style], ylabel: str,
    title: str, *, log: bool = False, line: tuple[float, str] | None = None,
) -> None:  # fmt: skip
    """Draw bars in groups.

    Parameters
    ----------
    groups : {group: {series: (height, label above the bar) or why there is none}}
    log : bool
        A logarithmic axis.
    line : (height, label), optional
        A line across: the limit, or the baseline.
    """
    count = sum(map(len, groups.values())) + 0.8 * len(groups)
    width = min(13.0, max(7.0, 1.2 + 0.36 * count))
    made, matplotlib = figure(width, 4.8)
    with matplotlib.rc_context(FONTS):
        axes = made.subplots()
        at, ticks, seen = 0.0, [], {}
        heights = [value[0] for group in groups.values() for value in group.values() if not isinstance(value, str)]
        floor = min(heights) / 2 if log else 0.0
        for name, group in groups.items():
            ticks.append((at + (len(group) - 1) / 2, name))
            for label, value in group.items():
                look = looks[label]
                if isinstance(value, str):
                    axes.annotate(value, (at, floor), (0, 3), textcoords="offset points", rotation=90, ha="center",
                                  va="bottom", fontsize=8, color="#777777")  # fmt: skip
                else:
                    seen[label] = axes.bar(at, value[0], 0.88, color=look.colour, hatch=look.hatch, edgecolor="white",
                                           linewidth=0.5)  # fmt: skip
                    axes.annotate(value[1], (at, value[0]), (0, 2), textcoords="offset points", ha="center",
                                  va="bottom", fontsize=8, bbox=CLEAR)  # fmt: skip
                at += 1
            at += 0.8
        if line is not None:
            axes.axhline(line[0], color=INK, linewidth=1, linestyle=(0, (4, 3)))
            axes.annotate(line[1], (1, line[0]), (4, 0), xycoords=("axes fraction", "data"),  # beside the bars
                          textcoords="offset points", ha="left", va="center", fontsize=9)  # fmt: skip
        if log:
            axes.set_yscale("log")
            axes.set_ylim(bottom=floor)
            axes.minorticks_off()
        axes.margins(x=0.01)
        axes.set_xticks([x for x, _ in ticks], [name for _, name in ticks], fontsize=9.5)
        axes.tick_params(axis="x", length=0)
        axes.set_ylabel(ylabel)
        axes.grid(True, axis="y", color="#dddddd", linewidth=0.7)
        bare(axes)
        made.legend(seen.values(), seen.keys(), loc="outside lower center", ncols=int(width / 2.1), frameon=False)
        head(made, title)
        save(made, path)

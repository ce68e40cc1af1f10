"""What all pictures share: colours, dashes and marks that survive a print in grey, axes, and files."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

from ..errors import require
from ..io import write_whole

__all__ = ["COLOURS", "DASHES", "MARKS", "axes_for", "diverging", "matplotlib", "new_figure", "save", "tidy"]

# Okabe and Ito's colours, told apart by colour-blind people, ordered so that neighbours also differ in lightness.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#555555", "#000000")
DASHES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)), (0, (8, 2)), "-")
MARKS = ("o", "s", "^", "D", "v", "P", "X", "*")
# Dark is negative, bright is positive, mid-grey is zero: lightness rises along the map, so it survives a grey print.
DIVERGING = ("#071d58", "#2a62b8", "#8c8c8c", "#f2a03d", "#fff5d6")
POSITIVE, NEGATIVE = "#D55E00", "#0072B2"
DPI = 150


def matplotlib(room: str = "") -> Any:
    """Import a room of matplotlib, or say how to get it."""
    return require(f"matplotlib.{room}" if room else "matplotlib", "plot", "Drawing pictures")


def axes_for(ax: Any, width: float = 6.4, height: float = 4.8, **settings: Any) -> Any:
    """Return the axes given, or those of a new figure of pyplot's.

    Raises TypeError for what is no Axes.
    """
    if ax is None:
        _, ax = matplotlib("pyplot").subplots(figsize=(width, height), layout="constrained", **settings)
    elif not isinstance(ax, matplotlib("axes").Axes):
        raise TypeError(f"ax must be a matplotlib Axes, got {type(ax).__name__}; of several axes give one.")
    return ax


def new_figure(width: float, height: float) -> Any:
    """Return a figure that no window and no pyplot knows, for what goes straight into a file."""
    matplotlib("backends.backend_agg")
    return matplotlib("figure").Figure(figsize=(width, height), layout="constrained")


def diverging() -> Any:
    """Return the colour map for numbers of both signs."""
    return matplotlib("colors").LinearSegmentedColormap.from_list("fastnn", DIVERGING)


def tidy(ax: Any) -> Any:
    """Draw a faint grid and leave away the frame's upper and right sides."""
    ax.grid(alpha=0.25)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def save(drawn: Any, path: str | os.PathLike[str]) -> Path:
    """Write the figure of an Axes (or a Figure) to a file, whole or not at all, and return its path.

    Parameters
    ----------
    drawn : Axes or Figure
        What a function of this package returned.
    path : path-like
        The ending chooses the format: .png, .svg, .pdf, ...

    Raises
    ------
    ValueError
        For an ending that matplotlib cannot write; those it can are listed.
    OSError
        If the file cannot be written.
    """
    target = Path(path)
    figure = getattr(drawn, "figure", None) or drawn
    known = sorted(figure.canvas.get_supported_filetypes())
    kind = target.suffix.lower().lstrip(".")
    if kind not in known:
        raise ValueError(f"{target}: the name must end in one of {', '.join('.' + name for name in known)}.")
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, dpi=DPI)
    write_whole(target, buffer.getvalue())
    return target

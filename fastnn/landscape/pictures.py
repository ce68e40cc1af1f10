"""What `surface` and `interpolate` return, and how it is drawn: contours, a relief, a page to turn it about."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..arrays import Array
from ..checks import truth
from ..errors import require
from ..io import write_whole
from ..plot.style import COLOURS, axes_for, matplotlib, tidy

__all__ = ["Interpolation", "Surface"]

COLOUR_MAP = "viridis"  # its lightness rises evenly, so heights read in grey too
STEEP = 8.0  # highest over lowest loss from which heights are drawn as logarithms
DEEPEST = 1e-5  # of the highest loss: what lies below is drawn as if it lay there, lest an exact zero fill the picture
LEVELS = 14


@dataclass(frozen=True, eq=False)
class Surface:
    """The loss over a plane.

    Attributes
    ----------
    a, b : ndarray of float64
        Offsets along the two directions, or the two parameters' values.
    loss : ndarray of float64, shape (len(a), len(b))
        Mean data loss, as `Network.evaluate` gives it.
    path : ndarray, shape (k, 2), or None
        A run's points, projected onto the plane.
    path_loss : ndarray, shape (k,), or None
        The surface's height at those.
    explained : ndarray, shape (2,), or None
        Share of the path's squared distances from the origin that each axis holds.
    directions : ndarray, shape (2, n_parameters)
    names : (str, str)
        Of the axes.
    """

    a: Array
    b: Array
    loss: Array
    path: Array | None
    path_loss: Array | None
    explained: Array | None
    directions: Array
    names: tuple[str, str]

    def contour(self, *, log: bool | None = None, ax: Any = None) -> Any:
        """Draw the surface from above, with the path on it: a disc where it begins, a star where it ends.

        Parameters
        ----------
        log : bool or None
            Levels at equal ratios; None: where the highest loss is more than 8 times the lowest.
        ax : matplotlib Axes, optional

        Returns
        -------
        matplotlib Axes
        """
        ax = axes_for(ax, 6.6, 5.2)
        height, log = self._drawn(log)
        low, high = float(np.nanmin(height)), float(np.nanmax(height))
        if not high > low:
            high = low + (abs(low) or 1.0)
        levels = np.geomspace(low, high, LEVELS) if log else np.linspace(low, high, LEVELS)
        levels[-1] = np.nextafter(levels[-1], np.inf)
        norm = matplotlib("colors").LogNorm(low, high) if log else None
        filled = ax.contourf(self.a, self.b, height.T, levels=levels, cmap=COLOUR_MAP, norm=norm)
        if np.nanmin(height) < np.nanmax(height):
            lines = ax.contour(self.a, self.b, height.T, levels=levels[1:-1], colors="#ffffff", linewidths=0.5)
            ax.clabel(lines, levels=levels[2:-1:3], fmt="%.2g", fontsize=8)
        bar = ax.figure.colorbar(filled, ax=ax, label="loss", format="%.2g")
        bar.set_ticks(levels[::3], minor=False)
        bar.minorticks_off()
        if self.path is not None:
            begin, end = self.path[0], self.path[-1]
            ax.plot(*self.path.T, "-", color="#ffffff", linewidth=3.4)
            ax.plot(*self.path.T, "-", color="#000000", linewidth=1.6, marker=".", markersize=4)
            ax.plot(*begin, "o", color=COLOURS[1], markersize=9, markeredgecolor="#000000", label="start")
            ax.plot(*end, "*", color=COLOURS[1], markersize=16, markeredgecolor="#000000", label="end")
            ax.legend(loc="upper right")
        ax.set(xlabel=self.names[0], ylabel=self.names[1], xlim=(self.a[0], self.a[-1]), ylim=(self.b[0], self.b[-1]))
        return ax

    def relief(self, *, log: bool | None = None, ax: Any = None) -> Any:
        """Draw the surface in three dimensions, with the path on it.

        Parameters
        ----------
        log : bool or None
            Heights as logarithms to base 10; None: where the highest loss is more than 8 times the lowest.
        ax : matplotlib Axes3D, optional

        Returns
        -------
        matplotlib Axes3D

        Raises
        ------
        ValueError
            If ax has no three dimensions.
        """
        require("mpl_toolkits.mplot3d", "plot", "Drawing pictures")
        ax = axes_for(ax, 7.4, 6.0, subplot_kw={"projection": "3d", "computed_zorder": False})
        if not hasattr(ax, "plot_surface"):
            raise ValueError("ax must have three dimensions: pyplot.subplots(subplot_kw={'projection': '3d'}).")
        height, log = self._drawn(log)
        heights = np.log10(height) if log else height
        across, down = np.meshgrid(self.a, self.b, indexing="ij")
        ax.plot_surface(across, down, heights, cmap=COLOUR_MAP, rcount=80, ccount=80, linewidth=0.15,
                        edgecolor="#00000030", antialiased=True, zorder=1)  # fmt: skip
        if self.path is not None and self.path_loss is not None:
            on = self._heights_of_path(height, log)
            ax.plot(*self.path.T, on, "-", color="#ffffff", linewidth=3.4, zorder=2)
            ax.plot(*self.path.T, on, "-", color="#000000", linewidth=1.6, marker=".", markersize=4, zorder=3)
            ax.plot(*self.path[:1].T, on[:1], "o", color=COLOURS[1], markersize=9, markeredgecolor="#000000", zorder=4)
            ax.plot(*self.path[-1:].T, on[-1:], "*", color=COLOURS[1], markersize=15, markeredgecolor="#000000",
                    zorder=4)  # fmt: skip
        ax.set_xlabel(self.names[0], labelpad=8)
        ax.set_ylabel(self.names[1], labelpad=8)
        ax.set_zlabel("log10 of the loss" if log else "loss", labelpad=13)
        ax.locator_params(nbins=5)
        ax.view_init(elev=38, azim=-58)
        ax.set_box_aspect(None, zoom=0.86)  # or the layout cuts the vertical label off
        return ax

    def _drawn(self, log: bool | None) -> tuple[Array, bool]:
        """Return the heights to draw, NaN where they are not finite, and whether as logarithms."""
        height = np.where(np.isfinite(self.loss), self.loss, np.nan)
        if np.isnan(height).all():
            raise ValueError("no loss of this surface is finite; take a smaller span.")
        low, high = float(np.nanmin(height)), float(np.nanmax(height))
        steep = high > 0 and low >= 0 and high > STEEP * low
        log = steep if log is None else truth(log, "log")
        if log and not (low >= 0 and high > 0):
            raise ValueError(f"log=True needs losses of at least 0, one above it; the lowest is {low:g}.")
        return (np.maximum(height, DEEPEST * high) if log else height), log

    def _heights_of_path(self, height: Array, log: bool) -> Array:
        """Return the path's heights as the surface's are drawn."""
        assert self.path_loss is not None
        return np.log10(np.maximum(self.path_loss, np.nanmin(height))) if log else self.path_loss

    def html(self, path: str | os.PathLike[str], *, log: bool | None = None, self_contained: bool = True) -> Path:
        """Write a page on which the surface can be turned about, with the path drawn on it.

        Parameters
        ----------
        path : path-like
            A name in .html.
        log : bool or None
            As in `relief`.
        self_contained : bool
            Put plotly's 4 MB of JavaScript into the page, which then needs no network; False: fetch it when read.

        Returns
        -------
        Path

        Raises
        ------
        MissingDependencyError
            If plotly is not installed.
        ValueError
            If the name does not end in .html.
        """
        target = Path(path)
        if target.suffix != ".html":
            raise ValueError(f"{target}: the name must end in .html.")
        graph: Any = require("plotly.graph_objects", "interactive", "An interactive page")
        height, log = self._drawn(log)
        heights = np.log10(height) if log else height
        told = [[f"{value:.4g}" for value in row] for row in height.T]
        surface = graph.Surface(
            x=self.a, y=self.b, z=heights.T, colorscale="Viridis", customdata=told, name="surface",
            colorbar={"title": {"text": "log10 loss" if log else "loss"}},
            hovertemplate="%{x:.3g}, %{y:.3g}<br>loss %{customdata}<extra></extra>",
            contours={"z": {"show": True, "usecolormap": True, "highlightcolor": "white", "project": {"z": True}}},
        )  # fmt: skip
        drawn = [surface]
        if self.path is not None and self.path_loss is not None:
            on = self._heights_of_path(height, log)
            lift = 0.004 * float(np.nanmax(heights) - np.nanmin(heights))  # else the surface hides half of the line
            drawn.append(graph.Scatter3d(
                x=self.path[:, 0], y=self.path[:, 1], z=on + lift, mode="lines+markers", name="path",
                line={"color": "black", "width": 7},
                marker={"size": [6, *[2.5] * (len(on) - 2), 8][: len(on)], "color": "#D55E00"},
                text=[f"checkpoint {i}: loss {value:.4g}" for i, value in enumerate(self.path_loss)],
                hovertemplate="%{text}<extra></extra>",
            ))  # fmt: skip
        axes = {"xaxis": {"title": {"text": self.names[0]}}, "yaxis": {"title": {"text": self.names[1]}},
                "zaxis": {"title": {"text": "log10 of the loss" if log else "loss"}}}  # fmt: skip
        figure = graph.Figure(drawn, {"scene": axes, "margin": {"l": 0, "r": 0, "t": 10, "b": 0}, "showlegend": False})
        page = figure.to_html(include_plotlyjs=True if self_contained else "cdn", full_html=True)
        write_whole(target, page.encode())
        return target


@dataclass(frozen=True, eq=False)
class Interpolation:
    """The loss along the line between two networks.

    Attributes
    ----------
    t : ndarray of float64
        0 is the one, 1 the other.
    loss : ndarray of float64
        Mean data loss, as `Network.evaluate` gives it.
    """

    t: Array
    loss: Array

    def plot(self, *, ax: Any = None) -> Any:
        """Draw the loss over t; vertical lines mark the two networks.  Returns the matplotlib Axes."""
        ax = axes_for(ax)
        ax.plot(self.t, self.loss, color=COLOURS[0], linewidth=2)
        for t, name in ((0.0, "first"), (1.0, "second")):
            if self.t[0] <= t <= self.t[-1]:
                ax.axvline(t, color="#555555", linestyle="--", linewidth=1)
                ax.annotate(name, (t, 1.0), xycoords=("data", "axes fraction"), ha="center", va="bottom")
        ax.set(xlabel="t: from the first network to the second", ylabel="loss")
        return tidy(ax)

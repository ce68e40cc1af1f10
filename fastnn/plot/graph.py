"""A network as a graph: neurons in columns, weights as lines."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array, numeric
from ..checks import whole
from ..network import Network
from .style import NEGATIVE, POSITIVE, axes_for, matplotlib

__all__ = ["network"]

RADIUS = 0.32  # of a neuron, in distances between neighbours
GAP = 5.0  # between columns, in distances between neighbours


def network(net: Network, *, x: Any = None, most: int = 10, ax: Any = None) -> Any:
    """Draw neurons as circles and weights as lines: wide is large, orange and solid positive, blue and dashed negative.

    Parameters
    ----------
    net : Network
    x : array-like, shape (n_in,), optional
        An input; the neurons are then filled by their activation, dark for the layer's largest.
    most : int
        Neurons shown of a layer, >= 2.  Of a larger one the neurons with the largest weights are taken, with their
        numbers, and the others are counted below.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes

    Notes
    -----
    Widths are relative to the largest weight between two layers that is drawn.  Neurons are numbered from 0.

    Examples
    --------
    >>> import fastnn
    >>> ax = fastnn.plot.network(fastnn.Network([2, 3, 1], output="sigmoid", seed=0))
    >>> len(ax.patches)
    6
    """
    most = whole(most, "most", 2)
    values = None if x is None else _values(net, x)
    shown = _shown(net, most)
    tallest = max(len(units) for units in shown)
    wide, high = GAP * net.n_layers + 2.6, tallest + 2.8
    scale = min(0.6, 13 / wide, 8 / high)
    ax = axes_for(ax, scale * wide, scale * high)
    places = [_heights(len(units), tallest) for units in shown]
    for layer, W in enumerate(net.weights):
        _lines(ax, layer * GAP, places[layer], places[layer + 1], np.asarray(W)[np.ix_(shown[layer], shown[layer + 1])])
    for layer in range(len(net.sizes)):
        _neurons(ax, layer * GAP, places[layer], shown[layer], None if values is None else values[layer])
        _label(ax, net, layer, shown[layer], places[layer], tallest, numbered=values is not None)
    ax.set(xlim=(-1.3, wide - 1.3), ylim=(-1.7, high - 1.7), aspect="equal")
    ax.axis("off")
    return ax


def _values(net: Network, x: Any) -> list[Array]:
    row = numeric(x, "x")
    if row.size != net.sizes[0]:
        raise ValueError(f"x must be one input of {net.sizes[0]} numbers (sizes[0]), got shape {row.shape}.")
    row = row.reshape(1, -1)
    return [row[0], *(layer[0] for layer in net.forward(row))]


def _shown(net: Network, most: int) -> list[Array]:
    """Return which neurons of each layer are drawn: all, or those with the largest weights, in order."""
    found = []
    for layer, size in enumerate(net.sizes):
        into = np.abs(net.weights[layer - 1]).sum(axis=0) if layer else np.zeros(size)
        out = np.abs(net.weights[layer]).sum(axis=1) if layer < net.n_layers else np.zeros(size)
        strength = into / (into.max() or 1) + out / (out.max() or 1)
        found.append(np.sort(np.argsort(-strength, kind="stable")[:most]) if size > most else np.arange(size))
    return found


def _heights(count: int, tallest: int) -> Array:
    return (tallest - 1) / 2 + (count - 1) / 2 - np.arange(count)


def _lines(ax: Any, left: float, below: Array, above: Array, W: Array) -> None:
    """Draw the weights (n, k) between two columns, the strongest on top."""
    limit = float(np.abs(W).max()) or 1.0
    order = np.argsort(np.abs(W), axis=None)
    i, j = np.unravel_index(order, W.shape)
    strength = np.abs(W[i, j]) / limit
    begin = np.stack([np.full(i.size, left), below[i]], axis=1)
    end = np.stack([np.full(i.size, left + GAP), above[j]], axis=1)
    colours = matplotlib("colors").to_rgba_array([POSITIVE if w >= 0 else NEGATIVE for w in W[i, j]])
    colours[:, 3] = 0.12 + 0.88 * strength
    lines = matplotlib("collections").LineCollection(
        np.stack([begin, end], axis=1), colors=colours, linewidths=0.3 + 3.2 * strength,
        linestyles=["solid" if w >= 0 else (0, (3, 1.5)) for w in W[i, j]], zorder=1,
    )  # fmt: skip
    ax.add_collection(lines)


def _neurons(ax: Any, at: float, heights: Array, units: Array, values: Array | None) -> None:
    """Draw a column of neurons, with their activations in them, or their numbers where there are none."""
    patches = matplotlib("patches")
    limit = 1.0 if values is None else float(np.abs(values).max()) or 1.0
    for unit, height in zip(units, heights, strict=True):
        value = 0.0 if values is None else float(values[unit])
        shade = 1.0 - 0.85 * min(1.0, abs(value) / limit)
        told = str(unit) if values is None else f"{value:.2f}" if abs(value) < 9.95 else f"{value:.3g}"
        ax.add_patch(patches.Circle((at, height), RADIUS, facecolor=str(shade), edgecolor="#000000", zorder=2))
        ax.text(at, height, told, ha="center", va="center", fontsize=7 if values is not None else 8, zorder=3,
                color="#000000" if shade > 0.55 else "#ffffff")  # fmt: skip


def _label(ax: Any, net: Network, layer: int, units: Array, heights: Array, tallest: int, numbered: bool) -> None:
    """Write what a column is, how many neurons are not drawn, and where they do not say it themselves their numbers."""
    at, last, size = layer * GAP, layer == net.n_layers, net.sizes[layer]
    what = "input" if not layer else net.output if last else net.activations[layer - 1]
    ax.text(at, tallest + 0.1, f"{what}\n{size:,}", ha="center", va="bottom", fontsize=11, linespacing=1.3)
    if len(units) < size:
        ax.text(at, heights[-1] - 0.75, f"⋮\n{size - len(units):,} more", ha="center", va="top", fontsize=9,
                linespacing=1.1)  # fmt: skip
    if numbered and (last or not layer) and size > 1:
        side = (RADIUS + 0.15) * (1 if last else -1)
        for unit, height in zip(units, heights, strict=True):
            ax.text(at + side, height, str(unit), ha="left" if last else "right", va="center", fontsize=8,
                    color="#444444", zorder=3)  # fmt: skip

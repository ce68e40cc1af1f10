"""Numbers as images: weights of a layer, activations of one input."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..arrays import Array, numeric
from ..checks import whole
from ..network import Network
from .style import axes_for, diverging, matplotlib

__all__ = ["activations", "weights"]

LEAST_IMAGE = 16  # inputs from which a square number is taken for an image
STRIP = 20  # units of a layer in one column
FRAME = 0.06  # between mosaic tiles, in tiles


def weights(
    net: Any,
    layer: int = 1,
    *,
    shape: Sequence[int] | None = None,
    units: Sequence[int] | None = None,
    columns: int | None = None,
    ax: Any = None,
) -> Any:
    """Draw the weights into each unit of a layer as an image, all on one scale: dark negative, bright positive.

    Parameters
    ----------
    net : Network, or array-like of shape (n_in, n_out)
    layer : int
        From 1.
    shape : (height, width) or (height, width, 3), optional
        Of one image; height * width (* 3) is n_in.  None: in the first layer a square, where n_in is a square number of
        at least 16; elsewhere the weight matrix itself is drawn, inputs down and units across.
    units : sequence of int, optional
        Which units, from 0; None: all.
    columns : int, optional
        Images side by side; None: about as many as rows.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ValueError
        If there is no such layer or unit, or the shape does not fit.

    Examples
    --------
    >>> import fastnn
    >>> net = fastnn.Network([64, 6, 2], output="softmax", seed=0)
    >>> fastnn.plot.weights(net, columns=3).get_title()
    'weights of layer 1'
    """
    if isinstance(net, Network):
        layer = whole(layer, "layer", 1)
        if layer > net.n_layers:
            raise ValueError(f"layer must be 1 ... {net.n_layers}, got {layer}.")
        W, title = np.asarray(net.weights[layer - 1]), f"weights of layer {layer}"
    else:
        W, title = numeric(net, "weights"), "weights"
        if W.ndim != 2:
            raise ValueError(f"weights must have shape (n_in, n_out), got {W.shape}.")
    picked = np.arange(W.shape[1]) if units is None else np.array([whole(unit, "units") for unit in units], int)
    if not picked.size or picked.max() >= W.shape[1]:
        raise ValueError(f"units must name some of 0 ... {W.shape[1] - 1}, got {list(map(int, picked))}.")
    W = W[:, picked].astype(np.float64)
    tile = image_shape(W.shape[0], shape) if layer == 1 or shape is not None else None
    limit = float(np.quantile(np.abs(W), 0.995)) or float(np.abs(W).max()) or 1.0
    if tile is None:
        return _matrix(W, picked, limit, title, ax)
    across = whole(columns, "columns", 1) if columns is not None else math.ceil(math.sqrt(len(picked)))
    across = min(across, len(picked))
    down = math.ceil(len(picked) / across)
    ax = axes_for(ax, min(1.4 + 1.35 * across, 12), min(0.6 + 1.45 * down * tile[0] / tile[1], 10))
    drawn = None
    for k, unit in enumerate(picked):
        x, y = k % across * (1 + FRAME), -(k // across) * (1.18 + FRAME)
        image = W[:, k].reshape(tile)
        if len(tile) == 3:
            image = np.clip(0.5 + image / (2 * limit), 0, 1)
        drawn = ax.imshow(image, cmap=diverging(), vmin=-limit, vmax=limit, extent=(x, x + 1, y - 1, y))
        ax.text(x + 0.5, y + 0.02, str(unit), ha="center", va="bottom", fontsize=9)
    ax.set(xlim=(-FRAME, across * (1 + FRAME)), ylim=(-down * (1.18 + FRAME), 0.2), aspect=tile[0] / tile[1])
    ax.axis("off")
    ax.set_title(title)
    if len(tile) == 2:
        ax.figure.colorbar(drawn, ax=ax, shrink=0.8, extend="both", label="weight")
    return ax


def image_shape(n: int, shape: Sequence[int] | None) -> tuple[int, ...] | None:
    """Return the shape of an image of n numbers: the one given, checked, a square, or None where it is no image."""
    if shape is not None:
        given = tuple(whole(size, f"shape[{i}]", 1) for i, size in enumerate(shape))
        if math.prod(given) != n or len(given) not in (2, 3) or (len(given) == 3 and given[2] != 3):
            raise ValueError(f"shape must be (height, width) or (height, width, 3) of {n} numbers, got {given}.")
        return given
    side = math.isqrt(n)
    return (side, side) if side * side == n and n >= LEAST_IMAGE else None


def _matrix(W: Array, units: Array, limit: float, title: str, ax: Any) -> Any:
    n_in, n_out = W.shape
    ax = axes_for(ax, min(2.2 + 0.45 * n_out, 10), min(1.2 + 0.45 * n_in, 10))
    drawn = ax.imshow(W, cmap=diverging(), vmin=-limit, vmax=limit, aspect="auto", interpolation="nearest")
    if n_in * n_out <= 150:
        for i in range(n_in):
            for j in range(n_out):
                # the map's lightness rises with the weight, so its upper half takes black
                ax.text(j, i, f"{W[i, j]:.2g}", ha="center", va="center", fontsize=8,
                        color="#000000" if W[i, j] > -0.1 * limit else "#ffffff")  # fmt: skip
    ax.set(xlabel="unit", ylabel="input", title=title)
    if n_out <= 40:
        ax.set_xticks(np.arange(n_out), [str(unit) for unit in units])
    if n_in <= 40:
        ax.set_yticks(np.arange(n_in))
    ax.figure.colorbar(drawn, ax=ax, extend="both", label="weight")
    return ax


def activations(
    net: Network, x: Any, *, shape: Sequence[int] | None = None, labels: Sequence[str] | None = None, ax: Any = None
) -> Any:
    """Draw one input and what every layer makes of it.

    Parameters
    ----------
    net : Network
    x : array-like, shape (n_in,)
    shape : (height, width) or (height, width, 3), optional
        Of the input where it is an image; None: a square where n_in is a square number of at least 16.
    labels : sequence of str, optional
        Names of the outputs; None: their numbers.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes

    Notes
    -----
    Each layer has its own scale, from 0 (or its most negative activation) to its largest, which stand below it.

    Raises
    ------
    ValueError
        If x or labels do not fit the network.

    Examples
    --------
    >>> import fastnn
    >>> net = fastnn.Network([16, 5, 3], output="softmax", seed=0)
    >>> ax = fastnn.plot.activations(net, [0.5] * 16)
    >>> len(ax.images)
    3
    """
    row = numeric(x, "x")
    if row.size != net.sizes[0]:
        raise ValueError(f"x must be one input of {net.sizes[0]} numbers (sizes[0]), got shape {row.shape}.")
    if labels is not None and len(labels) != net.sizes[-1]:
        raise ValueError(f"labels must name the {net.sizes[-1]} outputs, got {len(labels)} names.")
    layers = [np.asarray(layer[0], np.float64) for layer in net.forward(row.reshape(1, -1))]
    tile = image_shape(row.size, shape)
    cells = [_grid(layer.size) for layer in layers]
    height = float(max([STRIP * 0.5, *(rows for rows, _ in cells)]))
    picture = height * (tile[1] / tile[0] if tile else 0.08)
    right = picture + sum(3.2 + columns for _, columns in cells) + 2.5
    scale = min(0.34, 12 / right)
    ax = axes_for(ax, scale * (right + 1.2), scale * (height + 5))
    _first(ax, row, tile, picture, height)
    at = picture + 2.2
    for layer, (values, (rows, columns)) in enumerate(zip(layers, cells, strict=True), start=1):
        last = layer == net.n_layers
        _strip(ax, values, at, (height + rows) / 2, rows, columns)
        name = net.output if last else net.activations[layer - 1]
        ax.text(at + columns / 2, height + 0.5, f"layer {layer}\n{name}", ha="center", va="bottom", linespacing=1.2)
        if last and columns == 1:
            for i, value in enumerate(values):
                label = str(i) if labels is None else labels[i]
                told = f"{100 * value:.1f} %" if net.output in ("softmax", "sigmoid") else f"{value:.3g}"
                ax.text(at + 1.3, (height + rows) / 2 - i - 0.5, f"{label}:  {told}", va="center", fontsize=9,
                        fontweight="bold" if value == values.max() else "normal")  # fmt: skip
        at += columns + 3.2
    ax.set(xlim=(-0.6, right + 0.6), ylim=(-1.8, height + 3.2), aspect="equal")
    ax.axis("off")
    return ax


def _grid(n: int) -> tuple[int, int]:
    """Return (rows, columns) of a layer's cells: one column, or about a square for a large layer."""
    if n <= STRIP:
        return n, 1
    columns = max(2, math.ceil(math.sqrt(n / 2)))
    return math.ceil(n / columns), columns


def _first(ax: Any, row: Array, tile: tuple[int, ...] | None, width: float, height: float) -> None:
    extent = (0, width, 0, height)
    if tile is None:
        _strip(ax, row.astype(np.float64), 0, height, row.size, 1, (width, height))
    else:
        low, high = float(row.min()), float(row.max())
        image = (row.reshape(tile).astype(np.float64) - low) / ((high - low) or 1.0)
        ax.imshow(image, cmap="gray", vmin=0, vmax=1, extent=extent)
    ax.text(width / 2, height + 0.5, "input", ha="center", va="bottom")


def _strip(
    ax: Any, values: Array, x: float, top: float, rows: int, columns: int, size: tuple[float, float] | None = None
) -> None:
    """Draw values as a grid of cells, filled column after column, and the ends of their scale below."""
    width, height = size or (columns, rows)
    low, high = min(0.0, float(values.min())), float(values.max())
    padded = np.full(rows * columns, np.nan)
    padded[: values.size] = values
    cells = padded.reshape(columns, rows).T
    high = high if high > low else low + 1.0
    extent = (x, x + width, top - height, top)
    ax.imshow(cells, cmap="cividis", vmin=low, vmax=high, interpolation="nearest", extent=extent)
    ax.add_patch(matplotlib("patches").Rectangle((x, top - height), width, height, fill=False, linewidth=0.6))
    ax.text(x + width / 2, top - height - 0.3, f"{low:.2g} … {high:.2g}", ha="center", va="top", fontsize=8,
            color="#444444")  # fmt: skip

"""What the examples share: their two options, pictures written to a folder, and data made on the spot."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
import matplotlib.patches
import numpy as np
import numpy.typing as npt

import fastnn

matplotlib.use("agg")
import matplotlib.pyplot as plt  # noqa: E402

Array = npt.NDArray[Any]
plt.rcParams.update({"font.size": 11, "axes.titlesize": 12, "axes.grid": False})


class Options(NamedTuple):
    """Where pictures go, and whether the sizes are those of a test."""

    out: Path
    quick: bool

    def save(self, figure: Any, name: str) -> None:
        """Write a figure into the folder and say so."""
        self.out.mkdir(parents=True, exist_ok=True)
        print(f"wrote {fastnn.plot.save(figure, self.out / name)}")


def options(doc: str | None) -> Options:
    """Read --out and --quick from the command line; ``doc`` is shown by --help."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("fastnn-examples"), help="folder for the pictures")
    parser.add_argument("--quick", action="store_true", help="small sizes, a second or two: for tests")
    parsed = parser.parse_args()
    return Options(parsed.out, parsed.quick)


def panels(
    rows: int, columns: int, width: float = 4.6, height: float = 4.0, ratios: Sequence[float] | None = None
) -> tuple[Any, Any]:
    """Return a figure and its axes, (rows, columns), always as an array; ``ratios`` are those of the rows' heights."""
    return plt.subplots(rows, columns, figsize=(width * columns, height * rows), layout="constrained", squeeze=False,
                        height_ratios=ratios)  # fmt: skip


def new_figure(width: float, height: float) -> Any:
    """Return an empty figure, for axes of several kinds."""
    return plt.figure(figsize=(width, height), layout="constrained")


def rectangle(corner: tuple[float, float], width: float, height: float, colour: str) -> Any:
    """Return a patch, the corner below on the left."""
    return matplotlib.patches.Rectangle(corner, width, height, facecolor=colour, edgecolor="white")


# ---- points in the plane, (2, m) in columns, and their class, (1, m)


def flower(m: int = 400, seed: int = 1) -> tuple[Array, Array]:
    """Return petals r = 4 sin(4 t); each half turn is a class."""
    rng = np.random.default_rng(seed)
    t = np.linspace(0, 2 * np.pi, m) + rng.normal(0, 0.2, m)
    r = 4 * np.sin(4 * t) + rng.normal(0, 0.2, m)
    return np.array([r * np.sin(t), r * np.cos(t)]), (np.arange(m) >= m // 2).astype(float).reshape(1, m)


def moons(m: int = 400, seed: int = 1) -> tuple[Array, Array]:
    """Return two interlocking half circles."""
    rng = np.random.default_rng(seed)
    y = np.arange(m) % 2
    t = rng.uniform(0, np.pi, m)
    x = np.where(y, 1 - np.cos(t), np.cos(t)) - 0.5
    return np.array([x, np.where(y, 0.5 - np.sin(t), np.sin(t)) - 0.25]) + rng.normal(0, 0.15, (2, m)), y.reshape(1, m)


def circles(m: int = 400, seed: int = 1) -> tuple[Array, Array]:
    """Return a ring around a disc."""
    rng = np.random.default_rng(seed)
    y = np.arange(m) % 2
    t, r = rng.uniform(0, 2 * np.pi, m), np.where(y, 1.0, 0.4) + rng.normal(0, 0.1, m)
    return np.array([r * np.cos(t), r * np.sin(t)]), y.reshape(1, m)


def spirals(m: int = 400, seed: int = 1) -> tuple[Array, Array]:
    """Return two spirals, wound into each other once and a half."""
    rng = np.random.default_rng(seed)
    y = np.arange(m) % 2
    t = np.sqrt(rng.uniform(0.02, 1, m)) * 3 * np.pi
    angle = t + np.pi * y
    return np.array([t * np.cos(angle), t * np.sin(angle)]) / 5 + rng.normal(0, 0.06, (2, m)), y.reshape(1, m)


PLANAR: dict[str, Callable[[int], tuple[Array, Array]]] = {
    "flower": flower, "moons": moons, "circles": circles, "spirals": spirals,
}  # fmt: skip


def regions(ax: Any, predict: Callable[[Array], Array], X: Array, Y: Array, title: str = "", size: float = 5.0) -> None:
    """Colour the plane by the probability that ``predict`` gives for columns, and draw the points (2, m) on it."""
    low, high = X.min(axis=1), X.max(axis=1)
    margin = 0.1 * (high - low)
    x, y = (np.linspace(low[i] - margin[i], high[i] + margin[i], 161) for i in range(2))
    grid = np.array(np.meshgrid(x, y)).reshape(2, -1)
    P = np.asarray(predict(grid), float).reshape(161, 161)
    ax.contourf(x, y, P, levels=np.linspace(0, 1, 11), cmap="cividis", alpha=0.75)
    ax.contour(x, y, P, levels=[0.5], colors="black", linewidths=1.5)
    labels = Y.reshape(-1) > 0.5
    ax.plot(*X[:, ~labels], "o", color="#1f3b73", markersize=0.9 * size, markeredgecolor="white", markeredgewidth=0.6)
    ax.plot(*X[:, labels], "^", color="#b34700", markersize=size, markeredgecolor="white", markeredgewidth=0.6)
    ax.set(title=title, xticks=[], yticks=[])

"""The demo's two pictures: learning curves, and the first layer's weights as images."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np

from ..arrays import Array
from ..plot.style import diverging, matplotlib, new_figure, save
from .runners import Result

__all__ = ["draw_curves", "draw_weights"]

# Okabe and Ito's colours, which colour-blind people tell apart; the dashes and marks serve a print in grey.
STYLES: dict[str, dict[str, Any]] = {
    "cython": {"color": "#D55E00", "linestyle": "-", "marker": "o"},
    "numba": {"color": "#0072B2", "linestyle": "--", "marker": "s"},
    "numpy": {"color": "#009E73", "linestyle": "-.", "marker": "^"},
    "NumPy by hand": {"color": "#555555", "linestyle": ":", "marker": "D"},
    "scikit-learn": {"color": "#CC79A7", "linestyle": "none", "marker": "*", "markersize": 14},
}
SAME = 0.002  # share of the test images on which curves may differ and still be called one


def draw_curves(path: Path, data: str, backends: list[str], results: list[Result]) -> Path:
    """Draw loss and accuracy over epochs, once for all backends, and accuracy over seconds for each run."""
    figure = new_figure(12.8, 4.8)
    with matplotlib().rc_context({"font.size": 12, "axes.titlesize": 13}):
        left, middle, right = figure.subplots(1, 3)
        shared = [result for result in results if result.name in backends]
        epochs = np.arange(1, len(shared[0].loss) + 1)
        left.plot(epochs, shared[0].loss, color="#000000", label="training")
        left.plot(epochs, shared[0].test_loss, color="#0072B2", linestyle="--", label="test")
        left.set(xlabel="epoch", ylabel="cross-entropy (nats per image)", title="Loss")
        left.legend(frameon=False)
        # The curves coincide, so it is one line; marks that take turns show that every backend is on it.
        middle.plot(epochs, 100 * np.array(shared[0].accuracy), color="#999999", linewidth=1.5)
        between = max(1, len(epochs) // 12)
        for i, result in enumerate(shared):
            style = {**STYLES[result.name], "linestyle": "none", "markersize": 7}
            start = min(i * between, len(epochs) - 1)
            reached = 100 * np.array(result.accuracy)
            middle.plot(epochs, reached, **style, label=result.name, markevery=(start, len(shared) * between))
        accuracies = np.array([result.accuracy for result in shared])
        same = len(shared) > 1 and np.ptp(accuracies, axis=0).max() < SAME
        middle.set(xlabel="epoch", ylabel="test accuracy (%)")
        middle.set_title("Accuracy: every backend the same" if same else "Accuracy")
        for result in results:
            spent = list(itertools.accumulate(result.seconds))
            reached = 100 * np.array(result.accuracy)
            right.plot(spent[-len(reached):], reached, **STYLES[result.name], label=result.name,
                       markevery=(len(reached) - 1, 1))  # fmt: skip
        right.set(xscale="log", xlabel="seconds of training", ylabel="test accuracy (%)", title="How long it takes")
        right.xaxis.set_major_formatter("{x:g}")
        figure.legend(*right.get_legend_handles_labels(), loc="outside lower center", ncols=len(results), frameon=False)
        everything = [100 * value for result in results for value in result.accuracy]
        floor = 80.0 if min(100 * result.accuracy[-1] for result in results) > 90 else 0.0
        for axes in (middle, right):
            axes.set_ylim(max(floor, min(everything) - 1), min(100.0, max(everything) + 1))
        for axes in (left, middle, right):
            axes.grid(alpha=0.25)
            axes.spines[["top", "right"]].set_visible(False)
        figure.suptitle(f"784-16-16-10 on {data}", fontsize=15)
        return save(figure, path)


def draw_weights(path: Path, data: str, W: Array, epochs: int) -> Path:
    """Draw the weights of each unit of the first layer, (784, units), as a 28x28 image, all on one scale around 0."""
    figure = new_figure(8.2, 7.4)
    with matplotlib().rc_context({"font.size": 12}):
        images = W.T.reshape(-1, 28, 28)
        limit = float(np.quantile(np.abs(images), 0.995)) or 1.0
        grid = figure.subplots(4, 4)
        drawn = None
        for unit, (axes, image) in enumerate(zip(grid.flat, images, strict=True), start=1):
            drawn = axes.imshow(image, cmap=diverging(), vmin=-limit, vmax=limit)
            axes.set_title(f"unit {unit}", fontsize=10, pad=3)
            axes.set(xticks=[], yticks=[])
        figure.colorbar(drawn, ax=grid, shrink=0.8, extend="both", label="weight of the pixel")
        figure.suptitle(f"What the 16 units of the first layer look for ({data}, {epochs} epochs)")
        return save(figure, path)

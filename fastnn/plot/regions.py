"""Classes: the confusion matrix, and the regions that a network of two inputs tells apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..arrays import Array, numeric
from ..checks import real, truth, whole
from ..network import Network
from ..targets import as_labels
from .style import COLOURS, MARKS, axes_for, matplotlib

__all__ = ["confusion_matrix", "decision_boundary"]

MOST_CLASSES = 10_000  # whose labels are taken for class labels at all
# Pale tints of COLOURS whose lightness falls from class to class, so that regions differ in grey too.
TINTS = ("#e4f0fa", "#f5c7a0", "#a9d8c6", "#d9a3c3", "#c9a24d", "#7fb6d9", "#a0a0a0", "#787878")


def confusion_matrix(
    y: Any, predicted: Any, *, labels: Sequence[str] | None = None, normalize: bool = False, ax: Any = None
) -> Any:
    """Draw how often each class is taken for each other: true classes down, predicted ones across.

    Parameters
    ----------
    y, predicted : array-like of int, shape (m,)
        Labels 0, 1, ...; ``predicted`` is for instance ``net.classify(X)``.
    labels : sequence of str, optional
        Names of the classes.
    normalize : bool
        Write the per cent of the true class in place of the counts.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes
        Colours are shares of the true class, so that rare classes show too.

    Raises
    ------
    ValueError
        If the labels are no whole numbers from 0 on, or of different lengths.

    Examples
    --------
    >>> import fastnn
    >>> ax = fastnn.plot.confusion_matrix([0, 1, 1, 0], [0, 1, 0, 0], labels=["no", "yes"])
    >>> [text.get_text() for text in ax.texts]
    ['2', '', '1', '1']
    """
    true, guess = _labels(y, "y"), _labels(predicted, "predicted")
    if true.size != guess.size or not true.size:
        raise ValueError(f"y and predicted must have as many labels, at least one; got {true.size} and {guess.size}.")
    k = int(max(true.max(), guess.max())) + 1
    if labels is not None:
        if len(labels) < k:
            raise ValueError(f"labels must name the {k} classes, got {len(labels)} names.")
        k = len(labels)
    counts = np.bincount(true * k + guess, minlength=k * k).reshape(k, k)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = min(2.6 + 0.55 * k, 11)
    ax = axes_for(ax, side + 0.9, side)
    drawn = ax.imshow(share, cmap="Blues", vmin=0, vmax=1)
    normalize = truth(normalize, "normalize")
    for i in range(k) if k <= 30 else ():
        for j in range(k):
            told = f"{100 * share[i, j]:.1f}" if normalize else f"{counts[i, j]:,}"
            ax.text(j, i, told if counts[i, j] else "", ha="center", va="center", fontsize=9 if k <= 12 else 6,
                    fontweight="bold" if i == j else "normal",
                    color="#ffffff" if share[i, j] > 0.55 else "#000000")  # fmt: skip
    right = float((true == guess).mean())
    names = [str(i) for i in range(k)] if labels is None else list(labels)
    ax.set(xlabel="predicted class", ylabel="true class", title=f"{100 * right:.2f} % of {true.size:,} right")
    if k <= 30:
        turned = {"rotation": 45, "ha": "right"} if max(map(len, names)) > 4 else {}
        ax.set_xticks(np.arange(k), names, **turned)
        ax.set_yticks(np.arange(k), names)
    ax.figure.colorbar(drawn, ax=ax, shrink=0.8, label="share of the true class")
    return ax


def _labels(values: Any, name: str) -> Array:
    array = numeric(values, name)
    if array.ndim == 2 and 1 in array.shape:
        array = array.reshape(-1)
    if array.ndim != 1:
        raise ValueError(f"{name} must hold one class label per row, got shape {array.shape}. Use net.classify(X).")
    return as_labels(array.astype(np.int8) if array.dtype == bool else array, MOST_CLASSES, name).astype(np.int64)


def decision_boundary(
    net: Network | Callable[[Array], Any],
    X: Any,
    y: Any = None,
    *,
    points: int = 300,
    margin: float = 0.1,
    labels: Sequence[str] | None = None,
    ax: Any = None,
) -> Any:
    """Draw what a network of two inputs says in the plane, and the points that it was asked about.

    Parameters
    ----------
    net : Network with two inputs, or callable
        A callable takes (n, 2) points and returns class labels (n,), a probability (n,) or (n, 1), or (n, k)
        probabilities.  With one probability its value is shaded and the boundary drawn at one half.
    X : array-like, shape (m, 2)
        They set the axes' span.
    y : array-like of int, shape (m,), optional
        Their classes.
    points : int
        Of the grid, per axis.
    margin : float
        Around the points, as a share of their span.
    labels : sequence of str, optional
        Names of the classes.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ValueError
        If the network has not two inputs, or X not two columns.

    Examples
    --------
    >>> import numpy as np, fastnn
    >>> net = fastnn.Network([2, 4, 1], output="sigmoid", seed=0)
    >>> ax = fastnn.plot.decision_boundary(net, [[0, 0], [1, 1]], [0, 1], points=20)
    >>> ax.get_xlabel()
    '$x_1$'
    """
    X = numeric(X, "X").astype(np.float64)
    if X.ndim != 2 or X.shape[1] != 2 or not len(X):
        raise ValueError(f"X must have shape (m, 2), two numbers per point, got {X.shape}.")
    if isinstance(net, Network) and net.sizes[0] != 2:
        raise ValueError(f"a decision boundary is drawn in the plane; this network takes {net.sizes[0]} inputs.")
    points, margin = whole(points, "points", 2), real(margin, "margin", 0)
    truths = None if y is None else _labels(y, "y")
    if truths is not None and truths.size != len(X):
        raise ValueError(f"X has {len(X)} points, y has {truths.size} labels; each point needs one.")
    low, high = X.min(axis=0), X.max(axis=0)
    room = margin * np.where(high > low, high - low, 1.0)
    a, b = (np.linspace(low[i] - room[i], high[i] + room[i], points) for i in (0, 1))
    plane = np.stack(np.meshgrid(a, b), axis=-1).reshape(-1, 2)
    answers = np.asarray(net.predict(plane) if isinstance(net, Network) else net(plane))
    answers = answers.reshape(answers.size) if answers.ndim == 2 and 1 in answers.shape else answers
    if answers.ndim not in (1, 2) or len(answers) != len(plane):
        raise ValueError(f"net(points) must return one answer for each of {len(plane)} points, got {answers.shape}.")
    ax = axes_for(ax, 6.0, 5.2)
    if answers.ndim == 1 and answers.dtype.kind == "f" and not np.equal(answers, np.floor(answers)).all():
        shades = matplotlib("colors").LinearSegmentedColormap.from_list("two", (TINTS[0], "#ffffff", TINTS[1]))
        value = np.clip(answers.reshape(points, points), 0, 1)
        drawn = ax.contourf(a, b, value, levels=np.linspace(0, 1, 11), cmap=shades)
        ax.contour(a, b, value, levels=[0.5], colors="#000000", linewidths=1.6)
        ax.figure.colorbar(drawn, ax=ax, shrink=0.85, label="probability of class 1")
    else:
        regions = (answers.argmax(axis=1) if answers.ndim == 2 else answers.astype(np.int64)).reshape(points, points)
        classes = int(max(regions.max(), 0 if truths is None else truths.max())) + 1
        tints = [TINTS[i % len(TINTS)] for i in range(max(classes, 2))]
        ax.pcolormesh(a, b, regions, cmap=matplotlib("colors").ListedColormap(tints), vmin=0, vmax=len(tints) - 1,
                      shading="nearest", rasterized=True)  # fmt: skip
        for i in range(classes - 1):  # around each class but the last, whose edges the others have drawn
            if (regions == i).any() and (regions != i).any():
                ax.contour(a, b, (regions == i).astype(float), levels=[0.5], colors="#000000", linewidths=1.0)
    _points(ax, X, truths, labels)
    ax.set(xlabel="$x_1$", ylabel="$x_2$", xlim=(a[0], a[-1]), ylim=(b[0], b[-1]))
    return ax


def _points(ax: Any, X: Array, truths: Array | None, labels: Sequence[str] | None) -> None:
    size = float(np.clip(7 - np.log10(len(X)), 2.5, 6))
    if truths is None:
        ax.plot(*X.T, "o", color="#000000", markersize=size)
        return
    for label in np.unique(truths):
        mine = X[truths == label]
        name = f"class {label}" if labels is None or label >= len(labels) else labels[label]
        ax.plot(*mine.T, linestyle="none", marker=MARKS[label % len(MARKS)], color=COLOURS[label % len(COLOURS)],
                markersize=size, markeredgecolor="#000000", markeredgewidth=0.4, label=name)  # fmt: skip
    ax.legend(loc="upper right", fontsize=9)

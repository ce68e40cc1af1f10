"""Curves and clouds: a fit's history, activation functions, predictions against targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fastnn.kernels.activations import ALIASES, BY_NAME

from .. import functional
from ..arrays import numeric
from ..callbacks import History
from ..checks import choice, real, truth, whole
from .style import COLOURS, DASHES, MARKS, axes_for, tidy

__all__ = ["activation_functions", "history", "predictions"]

NAMES = {
    "loss": "training loss",
    "data_loss": "training loss without penalty",
    "val_loss": "validation loss",
    "val_accuracy": "validation accuracy",
    "val_mse": "validation mean squared error",
    "val_r2": "validation $R^2$",
}
CROWD = 2000  # points above which a cloud is drawn as a density
FEW = 25  # epochs up to which each is marked


def history(
    history: History | Sequence[float] | Mapping[str, Any],
    *,
    series: str | Sequence[str] | None = None,
    every: int = 1,
    log: bool = False,
    ax: Any = None,
) -> Any:
    """Draw a fit's numbers over its epochs.

    Parameters
    ----------
    history : History, sequence of float, or mapping of name to one of them
        A mapping compares runs; a sequence is drawn as it is, for instance the costs of `fastnn.course`.
    series : str or sequence of str, optional
        "loss", "data_loss", "val_loss", "val_accuracy", "val_mse", "val_r2"; None: the loss, and the validation loss
        where there is one.
    every : int
        Epochs (or iterations) between the entries of a plain sequence.
    log : bool
        Logarithmic vertical axis.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ValueError
        If a series was not recorded, or there is nothing to draw.

    Examples
    --------
    >>> import fastnn
    >>> ax = fastnn.plot.history([0.9, 0.5, 0.3])
    >>> ax.get_xlabel()
    'epoch'
    """
    runs: Mapping[str, Any] = history if isinstance(history, Mapping) else {"": history}
    every, log = whole(every, "every", 1), truth(log, "log")
    wanted = [series] if isinstance(series, str) else None if series is None else list(series)
    curves: list[tuple[str, Any, Any]] = []
    for run, recorded in runs.items():
        for name, values in _series(recorded, wanted):
            shown = NAMES.get(name, name.replace("_", " "))
            label = " ".join(part for part in (run, shown if not run or not wanted or len(wanted) > 1 else "") if part)
            first = 1 if isinstance(recorded, History) else 0
            curves.append((label, every * (first + np.arange(len(values))), values))
    if not any(len(values) for _, _, values in curves):
        raise ValueError("history is empty: no epoch was recorded.")
    ax = axes_for(ax)
    for i, (label, at, values) in enumerate(curves):
        marks = MARKS[i % len(MARKS)] if len(values) <= FEW else None
        ax.plot(at, values, color=COLOURS[i % len(COLOURS)], linestyle=DASHES[i % len(DASHES)], marker=marks,
                markersize=4, label=label)  # fmt: skip
    names = {name for recorded in runs.values() for name, _ in _series(recorded, wanted)}
    ax.set(xlabel="epoch" if every == 1 else "iteration")
    ax.set_ylabel("loss" if all("loss" in name or not name for name in names) else NAMES.get(min(names), "value"))
    if log:
        ax.set_yscale("log")
    if len(curves) > 1:
        ax.legend(frameon=False)
    return tidy(ax)


def _series(recorded: Any, wanted: list[str] | None) -> list[tuple[str, Any]]:
    if isinstance(recorded, History):
        names = wanted or ["loss", *(["val_loss"] if recorded.val_loss else [])]
        return [(name, recorded.series(name)) for name in names]
    values = numeric(recorded, "history")
    if values.ndim != 1:
        raise ValueError(f"history must be a History or one number per epoch, got an array of shape {values.shape}.")
    return [("", values)]


def activation_functions(
    names: str | Sequence[str], *, span: tuple[float, float] = (-5.0, 5.0), derivative: bool = True, ax: Any = None
) -> Any:
    """Draw activation functions, and dashed in the same colour their derivatives.

    Parameters
    ----------
    names : str or sequence of str
        Activations as `Network` takes them.
    span : (float, float)
        Ends of the input's axis.
    derivative : bool
        Draw the derivatives too.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ValueError
        For an unknown name, or a span whose second end is not the larger.

    Examples
    --------
    >>> import fastnn
    >>> ax = fastnn.plot.activation_functions(["sigmoid", "tanh"])
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['sigmoid', 'its derivative', 'tanh', 'its derivative']
    """
    chosen = [choice(name, "activation", BY_NAME, ALIASES) for name in ([names] if isinstance(names, str) else names)]
    low = real(span[0], "span[0]")
    high = real(span[1], "span[1]", low, open_low=True)
    ax = axes_for(ax)
    z = np.linspace(low, high, 801)
    for i, name in enumerate(chosen):
        colour = COLOURS[i % len(COLOURS)]
        mark = {"marker": MARKS[i % len(MARKS)], "markevery": (40 + 20 * i, 160), "markersize": 5}
        ax.plot(z, getattr(functional, name)(z), color=colour, linewidth=2, label=name, **mark)
        if truth(derivative, "derivative"):
            slope = getattr(functional, f"{name}_grad")(z)
            ax.plot(z, slope, color=colour, linestyle="--", linewidth=1.4, label="its derivative", **mark)
    ax.axhline(0, color="#000000", linewidth=0.6)
    ax.axvline(0, color="#000000", linewidth=0.6)
    ax.set(xlabel="z", ylabel="f(z)" + (", f '(z)" if derivative else ""), xlim=(low, high))
    ax.legend(frameon=False, ncols=1 if len(chosen) < 4 else 2)
    return tidy(ax)


def predictions(y: Any, predicted: Any, *, name: str = "target", ax: Any = None) -> Any:
    """Draw predictions against targets, with the line on which they would agree, and how well they do.

    Parameters
    ----------
    y, predicted : array-like, shape (m,) or (m, 1)
        Real targets and what a network predicts for them.  Above 2000 points their density is drawn.
    name : str
        What the target is, with its unit: for the axes.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ValueError
        If the two do not have the same number of entries, or none.

    Examples
    --------
    >>> import fastnn
    >>> ax = fastnn.plot.predictions([1.0, 2.0, 3.0], [1.1, 1.9, 3.2], name="price (100 000 $)")
    >>> ax.get_xlabel()
    'price (100 000 $)'
    """
    target, guess = _column(y, "y"), _column(predicted, "predicted")
    if target.size != guess.size or not target.size:
        raise ValueError(f"y and predicted must have as many entries, at least one: got {target.size}, {guess.size}.")
    ax = axes_for(ax, 5.6, 5.2)
    low, high = float(min(target.min(), guess.min())), float(max(target.max(), guess.max()))
    room = 0.04 * (high - low or 1.0)
    ends = (low - room, high + room)
    if target.size > CROWD:
        drawn = ax.hexbin(target, guess, gridsize=55, extent=(*ends, *ends), bins="log", mincnt=1, cmap="viridis_r")
        ax.figure.colorbar(drawn, ax=ax, label="rows", shrink=0.85)
    else:
        ax.plot(target, guess, "o", color=COLOURS[0], markersize=4, alpha=0.6, markeredgewidth=0)
    ax.plot(ends, ends, color="#000000", linestyle="--", linewidth=1)
    residual = guess - target
    mse = float(np.mean(residual**2))
    spread = float(np.var(target))
    told = f"root mean squared error {np.sqrt(mse):.3g}" + (f"\n$R^2$ = {1 - mse / spread:.3f}" if spread else "")
    ax.text(0.03, 0.97, told, transform=ax.transAxes, va="top",
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8})  # fmt: skip
    ax.set(xlabel=name, ylabel=f"predicted {name}", xlim=ends, ylim=ends, aspect="equal")
    return tidy(ax)


def _column(values: Any, name: str) -> Any:
    array = numeric(values, name)
    if array.ndim == 2 and 1 in array.shape:
        array = array.reshape(-1)
    if array.ndim != 1:
        raise ValueError(f"{name} must have shape (m,) or (m, 1), got {array.shape}; draw one output at a time.")
    return array.astype(np.float64)

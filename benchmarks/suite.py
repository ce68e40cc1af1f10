"""What a suite is, and which there are."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .measure import Contest, Mode
from .record import Report
from .tables import Table, by_case

# name -> the module that has SUITE; ``fastnn bench`` runs them in this order
SUITES = {
    "loops": "benchmarks.loops",
    "kernels": "benchmarks.kernels",
    "ladders": "benchmarks.ladders",
    "backends": "benchmarks.backends",
    "train": "benchmarks.train",
    "predict": "benchmarks.predict",
    "accuracy": "benchmarks.accuracy",
    "dropin": "benchmarks.dropin",
    "threads": "benchmarks.threads",
    "notes": "benchmarks.notes",
    "import": "benchmarks.imports",
}


@dataclass(frozen=True)
class Case:
    """One question: who does this fastest?

    ``prepare`` makes the data and the competitors, just before they are timed and after the last case's are gone.
    """

    name: str
    prepare: Callable[[], Contest]
    facts: dict[str, Any] = field(default_factory=dict)  # of every record: operation, n, dtype ...


@dataclass(frozen=True)
class Chart:
    """A picture: ``draw(path)`` writes it as PNG; ``alt`` says in words what it shows."""

    name: str
    alt: str
    draw: Callable[[Path], None]


def no_charts(report: Report) -> Sequence[Chart]:
    """Return none."""
    return ()


@dataclass(frozen=True)
class Suite:
    """Cases, and how to show what came out.

    Parameters
    ----------
    name, title : str
    cases : callable
        ``cases(mode) -> iterable of Case``; in the toy mode the same cases at sizes of milliseconds.
    tables, charts : callables
        Of a `Report`; their names are places in the README, ``NAME/name``.
    share : float
        Of the mode's seconds per case: less for a suite of many small cases.
    every_target : bool
        The suite runs again under each other CPU target, in a process of its own, and the records are joined.
    """

    name: str
    title: str
    cases: Callable[[Mode], Iterable[Case]]
    tables: Callable[[Report], Sequence[Table]] = by_case
    charts: Callable[[Report], Sequence[Chart]] = no_charts
    every_target: bool = False
    share: float = 1.0


def load(name: str) -> Suite:
    """Return a suite by its name.

    Raises
    ------
    ValueError
        For an unknown name; the message lists the known.
    """
    if name not in SUITES:
        raise ValueError(f"there is no benchmark {name!r}; there are: {', '.join(SUITES)}.")
    found: Suite = importlib.import_module(SUITES[name]).SUITE
    return found

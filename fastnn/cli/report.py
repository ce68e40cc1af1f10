"""What a training prints: what it will do, a line per epoch, how good the network is."""

from __future__ import annotations

import argparse
import contextlib
import math
import sys
from collections.abc import Iterator
from typing import NamedTuple

from .. import backends
from ..arrays import Array
from ..callbacks import FitState, History
from ..network import Network
from .data import Loaded
from .standard import Standard
from .text import labelled, seconds

__all__ = ["Plan", "Report", "Silence"]

LINES = 25  # epoch lines of a long training


class Plan(NamedTuple):
    """What will be trained: the network, its data in the units of the training, and how to go back.

    ``validated_on`` is "validation" where rows were held out for it, else "test".
    """

    network: Network
    data: Loaded
    fitted: tuple[Array, Array]
    validation: tuple[Array, Array] | None
    validated_on: str
    standard: Standard | None


class Silence:
    """What --quiet prints."""

    def announce(self, optimizer: str) -> None:
        """Print nothing."""

    def __call__(self, state: FitState) -> None:
        """Print nothing."""

    @contextlib.contextmanager
    def lines(self) -> Iterator[bool]:
        """Show no progress."""
        yield False

    def end_report(self, network: Network, history: History, result: dict[str, float], tested: int) -> None:
        """Print nothing."""


class Report(Silence):
    """What a training prints; called after each epoch."""

    def __init__(self, plan: Plan, arguments: argparse.Namespace) -> None:
        self._plan, self._arguments = plan, arguments
        self._step = max(1, math.ceil(arguments.epochs / LINES))
        self._bar = False
        self._shown = 0

    def announce(self, optimizer: str) -> None:
        """Print what will be done."""
        plan, arguments = self._plan, self._arguments
        data, network = plan.data, plan.network
        parts = [f"{len(data.X_train):,} rows to train on"]
        if plan.validated_on == "validation" and plan.validation is not None:
            parts.append(f"{len(plan.validation[0]):,} to validate")
        parts.append(f"{len(data.X_test):,} to test" if len(data.X_test) else "none to test")
        kind = "real target" if network.output not in ("softmax", "sigmoid") else "class labels"
        text = f"{data.name}: {', '.join(parts)}; {data.X_train.shape[1]:,} columns, {kind}"
        if plan.standard is not None:
            also = " and target" if plan.standard.shift is not None else ""
            text += f"\nstandardised columns{also}; the statistics go into the saved weights"
        elif network.input_scale != 1:
            text += "\nuint8 pixels, read as x / 255"
        print(labelled("data", text))
        layers = network.describe().split("\n")[: network.n_layers + 1]
        parameter = f" ({network.loss_parameter:g})" if network.loss_parameter else ""
        sums = f"loss {network.loss}{parameter}, {network.n_parameters:,} parameters, {network.dtype.name}, "
        print(labelled("network", "\n".join([*layers, f"{sums}seed {network.seed}"])))
        batch = "full batches" if arguments.batch_size == "full" else f"batches of {arguments.batch_size}"
        epochs = f"{arguments.epochs} epochs of {batch}, {backends.get_backend()} backend"
        print(labelled("training", f"{epochs}\n{optimizer}"))
        print()

    @contextlib.contextmanager
    def lines(self) -> Iterator[bool]:
        """Print the head of the epochs' table; yield whether a bar shall be drawn under it."""
        self._bar = sys.stderr is not None and sys.stderr.isatty()
        yield self._bar

    def _columns(self, history: History) -> list[tuple[str, str, int]]:
        """Return (heading, last value, width) of each column."""
        standard = self._plan.standard
        if standard is not None:
            history = standard.in_raw_units(history, self._plan.network.loss)
        cells = [("epoch", f"{history.epochs}", 5), ("loss", f"{history.loss[-1]:.5g}", 10)]
        if history.val_loss:
            cells.append((f"{self._plan.validated_on} loss", f"{history.val_loss[-1]:.5g}", 10))
        for name, heading in (("val_accuracy", "accuracy"), ("val_r2", "r2")):
            if name in history.metrics:
                cells.append((f"{self._plan.validated_on} {heading}", f"{history.metrics[name][-1]:.4f}", 13))
        cells.append(("seconds", seconds(history.seconds[-1]), 8))
        return cells

    def __call__(self, state: FitState) -> None:
        """Print the epoch's line: each one, or every so many in a long training."""
        epoch = state.epoch
        if epoch % self._step == 0 or epoch in (1, self._arguments.epochs):
            self._line(state.history)

    def _line(self, history: History) -> None:
        cells = self._columns(history)
        if not self._shown:
            self._print("  ".join(heading.rjust(width) for heading, _, width in cells))
        self._print("  ".join(value.rjust(width) for _, value, width in cells))
        self._shown = history.epochs

    def _print(self, line: str) -> None:
        if self._bar:
            from tqdm import tqdm

            tqdm.write(line, file=sys.stdout)
        else:
            print(line, flush=True)

    def end_report(self, network: Network, history: History, result: dict[str, float], tested: int) -> None:
        """Print how good the network is and what was written."""
        fitted = self._plan.network.history
        if fitted is not None and fitted.epochs > self._shown:
            self._bar = False
            self._line(fitted)
        if history.stopped_by:
            print(f"stopped by {history.stopped_by} after {history.epochs} epochs")
        print()
        where = f"{tested:,} test rows" if tested else "the training rows"
        numbers = ", ".join(f"{name} {value:.5g}" for name, value in result.items())
        print(labelled("result", f"{numbers}   ({where})"))
        if self._arguments.model is not None:
            note = ", kept in float64 for accuracy" if network.dtype != self._plan.network.dtype else ""
            print(labelled("model", f"{self._arguments.model}{note}"))
        if self._arguments.history is not None:
            print(labelled("history", str(self._arguments.history)))



"""What a peer is: one implementation that trains and asks a network, at one number of threads.

A peer times itself: what a user pays once (checks, transfers, compilation) is kept apart from what every epoch costs,
and that can only be told from within.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..networks import Array, Task

Layers = list[tuple[Array, Array]]


class Unavailable(Exception):
    """The peer cannot take part; the message says why and reads well after "skipped:"."""


class Trained(NamedTuple):
    """What a run of epochs gave: mean loss and seconds of each epoch, and the seconds of the whole call."""

    losses: list[float]
    seconds: list[float]
    total: float


class Peer:
    """Base of the peers.  A subclass imports its library in ``__init__`` and raises `Unavailable` without it.

    Parameters
    ----------
    threads : int
        How many threads it may use.  The process's affinity and the BLAS variables have been set to as many.
    """

    schedules: tuple[str, ...] = ("constant", "one_cycle")

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self.ready: dict[str, Callable[[], Any]] = {}

    def blas(self) -> str:
        """Return the BLAS libraries of its process, with the kernels they chose for this processor."""
        import threadpoolctl

        found = [library for library in threadpoolctl.threadpool_info() if library["user_api"] == "blas"]
        words = (
            " ".join(str(one[key]) for key in ("internal_api", "version", "architecture") if one.get(key))
            for one in found
        )
        return ", ".join(dict.fromkeys(words)) or "its own"

    def begin(self, task: Task) -> float:
        """Load the task's data, put the network at its start, compile; return the seconds of compilation."""
        raise NotImplementedError

    def train(self, epochs: int, seed: int) -> Trained:
        """Train on from where the network is, in the orders of `networks.orders`; rates from the schedule's start."""
        raise NotImplementedError

    def layers(self) -> Layers:
        """Return the parameters as float32 (W (n_in, n_out), b (n_out,)) of each layer."""
        raise NotImplementedError

    def begin_predict(self, task: Task, rows: int, form: str) -> float:
        """Make ready to predict the task's first rows from its start; return the seconds of compilation.

        ``rows`` 0 stands for a single row, given without an axis for rows where the library can.  ``form`` is one of
        `forms`.
        """
        raise NotImplementedError

    def forms(self, rows: int) -> tuple[str, ...]:
        """Return the names of the ways to ask this peer, the best known honest ones; "" where there is just one."""
        return ("",)

    call: Callable[[], Any]  # the prediction, made by `begin_predict`; it may write to `out` and return None
    out: Array

    # ---- what the parent asks for

    def missing(self, task: Task) -> str:
        """Return what of the task's settings this peer does not have, or nothing."""
        return "" if task.schedule in self.schedules else f"the schedule {task.schedule!r}"

    def prepare(self, task: Task, rows: int, form: str) -> float:
        """Make ready to be asked in this form, beside those already prepared; return the seconds of compilation."""
        compiled = self.begin_predict(task, rows, form)
        self.ready[form] = self.call
        return compiled

    def answer(self, form: str) -> Array:
        """Return the prediction as a float64 matrix."""
        found = self.ready[form]()
        return np.atleast_2d(np.asarray(self.out if found is None else found, np.float64))

    def time_calls(self, form: str, calls: int) -> float:
        """Return the seconds of so many predictions."""
        call, turns = self.ready[form], range(calls)
        began = time.perf_counter()
        for _ in turns:
            call()
        return time.perf_counter() - began

    def epoch_seconds(self, epochs: int) -> float:
        """Return the sum of the seconds of so many more epochs."""
        return sum(self.train(epochs, 1).seconds)

    def curve(self, task: Task, epochs: int) -> tuple[list[float], list[Array]]:
        """Return losses and final parameters of a run from the start: the answer that is compared before timing."""
        self.begin(task)
        losses = self.train(epochs, 0).losses
        return losses, [array for layer in self.layers() for array in layer]


def stopwatch(epochs: int, run: Callable[[int], float]) -> Trained:
    """Call ``run(epoch) -> loss`` so often and return what each took."""
    losses, seconds = [], []
    for epoch in range(epochs):
        began = time.perf_counter()
        losses.append(run(epoch))
        seconds.append(time.perf_counter() - began)
    return Trained(losses, seconds, sum(seconds))

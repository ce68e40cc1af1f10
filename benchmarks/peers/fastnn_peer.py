"""fastnn with one of its backends."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

import fastnn
from fastnn import backends

from ..networks import Task, start, training_data
from .base import Layers, Peer, Trained, Unavailable


class EpochClock:
    """A callback that notes when each epoch ends, counted from where the fit's own checks are over."""

    def begin(self, state: Any) -> None:
        """Start the clock."""
        self.times = [time.perf_counter()]

    def __call__(self, state: Any) -> bool:
        """Note the time and go on."""
        self.times.append(time.perf_counter())
        return False


class Fastnn(Peer):
    """``Network.fit``, ``predictor`` and ``predict``."""

    def __init__(self, threads: int, backend: str) -> None:
        super().__init__(threads)
        self.backend = backend
        try:
            backends.kernels(backend)
        except fastnn.MissingDependencyError as error:
            raise Unavailable(str(error)) from error

    def _network(self, task: Task) -> fastnn.Network:
        made = fastnn.Network(task.sizes, activation=task.activation, output="softmax", init="zeros", seed=task.seed)
        for i, (W, b) in enumerate(start(task)):
            made.weights[i] = W
            made.biases[i] = b
        return made

    def _fit(self, network: fastnn.Network, task: Task, rows: int, epochs: int, seed: int) -> tuple[Any, list[float]]:
        rate: Any = task.rate if task.schedule == "constant" else fastnn.schedules.OneCycle(task.rate)
        optimizer = fastnn.SGD(rate) if task.optimizer == "sgd" else fastnn.Adam(rate)
        clock = EpochClock()
        history = network.fit(
            self.X[:rows], self.y[:rows], epochs=epochs, batch_size=task.batch, optimizer=optimizer, seed=seed,
            callbacks=[clock], progress=False, backend=self.backend, num_threads=self.threads,
        )  # fmt: skip
        return history, clock.times

    def begin(self, task: Task) -> float:
        """Load the data, warm up on two batches of a copy, and make the network."""
        self.task = task
        self.X, self.y = training_data(task)
        seconds = []
        for _ in range(2):  # the second has nothing left to compile
            began = time.perf_counter()
            self._fit(self._network(task), task, 2 * task.batch, 1, 0)
            seconds.append(time.perf_counter() - began)
        self.network = self._network(task)
        return max(0.0, seconds[0] - seconds[1]) if self.backend == "numba" else 0.0

    def train(self, epochs: int, seed: int) -> Trained:
        """Train; an epoch's seconds are those between two calls of a callback, drawing the order included."""
        began = time.perf_counter()
        history, times = self._fit(self.network, self.task, self.task.rows, epochs, seed)
        total = time.perf_counter() - began
        return Trained(history.loss, list(np.diff(times)), total)

    def layers(self) -> Layers:
        """Return the parameters."""
        return list(zip(map(np.array, self.network.weights), map(np.array, self.network.biases), strict=True))

    def forms(self, rows: int) -> tuple[str, ...]:
        """Return the predictor and the method; for one row also a step of online training."""
        return ("predictor", "predict") if rows else ("predictor", "predictor, out", "predict", "trainer.step")

    def begin_predict(self, task: Task, rows: int, form: str) -> float:
        """Bind the rows."""
        self.task = task
        self.X, self.y = training_data(task)
        network = self._network(task)
        X: Any = self.X[: max(rows, 1)]
        if form == "predict":
            ask, threads, backend = network.predict, self.threads, self.backend
            self.call = lambda: ask(X, num_threads=threads, backend=backend)
            return 0.0
        if form == "trainer.step":
            y = self.y[:1]
            step = network.trainer(fastnn.SGD(1e-6), backend=self.backend, num_threads=self.threads).step
            self.call = lambda: step(X, y)
            return 0.0
        f, x = network.predictor(backend=self.backend, num_threads=self.threads), X if rows else X[0]
        if form == "predictor, out":
            out = np.empty(task.sizes[-1], np.float32)
            self.call = lambda: f(x, out)
        else:
            self.call = lambda: f(x)
        return 0.0


PEER = Fastnn

"""JAX in its fastest form: a whole epoch jitted as one ``lax.scan``, parameters donated.

Its CPU client has as many threads as the process may use processors when JAX starts, and no setting changes that: one
process per number of threads.
"""

from __future__ import annotations

import time
from functools import lru_cache
from typing import Any

import numpy as np

from ..networks import BETA_1, BETA_2, EPSILON, Array, Task, orders, rates, start, training_data
from .base import Layers, Peer, Trained, Unavailable, stopwatch


class Jax(Peer):
    """An epoch is one call."""

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        try:
            import jax
        except ImportError as error:
            raise Unavailable("JAX is not installed") from error
        jax.config.update("jax_platforms", "cpu")
        self.jax, self.np = jax, jax.numpy
        self._compiled = lru_cache(maxsize=2)(self._compile)

    def _forward(self, task: Task) -> Any:
        f = {"sigmoid": self.jax.nn.sigmoid, "tanh": self.np.tanh, "relu": self.jax.nn.relu}[task.activation]

        def forward(parameters: Any, A: Any) -> Any:
            for W, b in parameters[:-1]:
                A = f(A @ W + b)
            W, b = parameters[-1]
            return A @ W + b

        return forward

    def _epoch_function(self, task: Task) -> Any:
        jax, jnp, forward = self.jax, self.np, self._forward(task)
        whole = task.rows // task.batch * task.batch

        def loss(parameters: Any, X: Any, y: Any) -> Any:
            logs = jax.nn.log_softmax(forward(parameters, X))
            return -jnp.mean(jnp.take_along_axis(logs, y[:, None], 1))

        gradient = jax.value_and_grad(loss)

        def step(state: Any, X: Any, y: Any, rows: Any, rate: Any) -> Any:
            parameters, slots, count = state
            # The indices are known to be good: without this promise a gather checks each.
            value, g = gradient(
                parameters, X.at[rows].get(mode="promise_in_bounds"), y.at[rows].get(mode="promise_in_bounds")
            )
            if task.optimizer == "sgd":
                return (jax.tree.map(lambda p, d: p - rate * d, parameters, g), slots, count), value
            count = count + 1
            root = jnp.sqrt(1 - BETA_2**count)
            scaled = rate * root / (1 - BETA_1**count)
            m = jax.tree.map(lambda m, d: BETA_1 * m + (1 - BETA_1) * d, slots[0], g)
            v = jax.tree.map(lambda v, d: BETA_2 * v + (1 - BETA_2) * d * d, slots[1], g)
            parameters = jax.tree.map(lambda p, m, v: p - scaled * m / (jnp.sqrt(v) + EPSILON * root), parameters, m, v)
            return (parameters, (m, v), count), value

        def epoch(state: Any, X: Any, y: Any, order: Any, rate: Any) -> Any:
            total = 0.0
            if whole:
                batches = order[:whole].reshape(-1, task.batch), rate[: whole // task.batch]
                state, values = jax.lax.scan(lambda s, xs: step(s, X, y, *xs), state, batches)
                total = values.sum() * task.batch
            if whole < task.rows:
                state, value = step(state, X, y, order[whole:], rate[-1])
                total = total + value * (task.rows - whole)
            return state, total / task.rows

        return epoch

    def _state(self, task: Task) -> Any:
        parameters = [(self.np.array(W), self.np.array(b)) for W, b in start(task)]
        zeros = self.jax.tree.map(self.np.zeros_like, parameters)
        slots = (zeros, self.jax.tree.map(self.np.zeros_like, parameters)) if task.optimizer == "adam" else ()
        return parameters, slots, self.np.zeros((), np.float32)

    def begin(self, task: Task) -> float:
        """Put the data on the device and compile the epoch for these shapes."""
        self.task = task
        data = task.data, task.total or task.rows, task.sizes[0], task.sizes[-1]
        if getattr(self, "data", None) != data:
            X, y = training_data(task)
            self.X, self.y = self.np.array(X), self.np.array(y.astype(np.int32))
            self.data = data
        self.rates = rates(task).astype(np.float32)
        self.state = self._state(task)
        began = time.perf_counter()
        self.epoch = self._compiled(
            Task(task.sizes, task.activation, task.batch, task.rows, task.data, task.optimizer, total=len(self.X))
        )
        return time.perf_counter() - began

    def _compile(self, key: Task) -> Any:
        order = self.np.zeros(key.rows, np.int32)
        jitted = self.jax.jit(self._epoch_function(key), donate_argnums=0)
        return jitted.lower(self._state(key), self.X, self.y, order, self.np.zeros(key.steps, np.float32)).compile()

    def train(self, epochs: int, seed: int) -> Trained:
        """Train."""
        draw = orders(self.task, seed)
        return stopwatch(epochs, lambda epoch: self._epoch(draw(), self.rates[epoch % len(self.rates)]))

    def _epoch(self, order: Array, rate: Array) -> float:
        self.state, loss = self.epoch(self.state, self.X, self.y, self.np.asarray(order.astype(np.int32)), rate)
        return float(loss)

    def layers(self) -> Layers:
        """Return the parameters."""
        self.jax.block_until_ready(self.state)
        return [(np.array(W), np.array(b)) for W, b in self.state[0]]

    def begin_predict(self, task: Task, rows: int, form: str) -> float:
        """Jit the network with its parameters as constants."""
        X, _ = training_data(task)
        x = self.np.array(X[:rows] if rows else X[0])
        parameters = [(self.np.array(W), self.np.array(b)) for W, b in start(task)]
        forward, softmax = self._forward(task), self.jax.nn.softmax
        jitted = self.jax.jit(lambda x: softmax(forward(parameters, x)))
        began = time.perf_counter()
        jitted(x).block_until_ready()
        first = time.perf_counter() - began
        self.call = lambda: jitted(x).block_until_ready()
        began = time.perf_counter()
        self.call()
        return first - (time.perf_counter() - began)


PEER = Jax

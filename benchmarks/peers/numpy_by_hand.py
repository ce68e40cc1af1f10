"""The network as a careful person writes it in NumPy: float32, in place, one product per layer and direction."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..networks import BETA_1, BETA_2, EPSILON, Array, Task, orders, rates, start, training_data
from .base import Layers, Peer, Trained, stopwatch

ONE = np.float32(1)


def sigmoid(z: Array) -> Array:
    """Return 1 / (1 + exp(-z)), in place."""
    np.negative(z, z)
    np.exp(z, z)
    z += ONE
    return np.reciprocal(z, z)


ACTIVATIONS = {
    "sigmoid": (sigmoid, lambda a: a * (ONE - a)),
    "tanh": (lambda z: np.tanh(z, z), lambda a: ONE - a * a),
    "relu": (lambda z: np.maximum(z, 0, out=z), lambda a: a > 0),
}


def softmax(z: Array) -> Array:
    """Return exp(z) / sum exp(z) along the last axis, in place."""
    z -= z.max(axis=-1, keepdims=True)
    np.exp(z, z)
    z /= z.sum(axis=-1, keepdims=True)
    return z


class NumpyByHand(Peer):
    """Mini-batches in plain NumPy."""

    def begin(self, task: Task) -> float:
        """Load the data and copy the start."""
        self.task = task
        self.X, self.y = training_data(task)
        self.f, self.df = ACTIVATIONS[task.activation]
        self.W, self.b = (list(part) for part in zip(*start(task), strict=True))
        self.slots = [[np.zeros_like(a), np.zeros_like(a)] for a in (*self.W, *self.b)]
        self.steps = 0
        self.rates = rates(task).astype(np.float32)
        return 0.0

    def train(self, epochs: int, seed: int) -> Trained:
        """Train; the loss is worked out too, as every other peer does."""
        draw = orders(self.task, seed)
        with np.errstate(over="ignore"):  # exp(-z) of a very negative z is infinite, and the sigmoid then rightly 0
            return stopwatch(epochs, lambda epoch: self._epoch(draw(), self.rates[epoch % len(self.rates)]))

    def _epoch(self, order: Array, rate: Array) -> float:
        batch, total = self.task.batch, 0.0
        update = self._sgd if self.task.optimizer == "sgd" else self._adam
        for step, at in enumerate(range(0, len(order), batch)):
            rows = order[at : at + batch]
            total += self._gradient(self.X[rows], self.y[rows])
            update(rate[step])
        return total / len(order)

    def _gradient(self, X: Array, y: Array) -> float:
        A = [X]
        for W, b in zip(self.W[:-1], self.b[:-1], strict=True):
            Z = A[-1] @ W
            Z += b
            A.append(self.f(Z))
        Z = A[-1] @ self.W[-1]
        Z += self.b[-1]
        P = softmax(Z)
        each = np.arange(len(y))
        loss = -float(np.log(P[each, y]).sum())
        P[each, y] -= ONE
        P /= np.float32(len(y))
        self.dW, self.db = [None] * len(self.W), [None] * len(self.W)
        dZ = P
        for i in range(len(self.W) - 1, -1, -1):
            self.dW[i], self.db[i] = A[i].T @ dZ, dZ.sum(axis=0)
            if i:
                dZ = dZ @ self.W[i].T
                dZ *= self.df(A[i])
        return loss

    def _sgd(self, rate: Any) -> None:
        for w, g in zip((*self.W, *self.b), (*self.dW, *self.db), strict=True):
            g *= rate
            w -= g

    def _adam(self, rate: Any) -> None:
        self.steps += 1
        root = np.sqrt(1 - BETA_2**self.steps)
        rate, epsilon = np.float32(rate * root / (1 - BETA_1**self.steps)), np.float32(EPSILON * root)
        first, second = np.float32(1 - BETA_1), np.float32(1 - BETA_2)
        for w, g, (m, v) in zip((*self.W, *self.b), (*self.dW, *self.db), self.slots, strict=True):
            m += first * (g - m)
            np.multiply(g, g, g)
            g -= v
            g *= second
            v += g
            np.sqrt(v, g)
            g += epsilon
            np.divide(m, g, g)
            g *= rate
            w -= g

    def layers(self) -> Layers:
        """Return the parameters."""
        return list(zip(self.W, self.b, strict=True))

    def begin_predict(self, task: Task, rows: int, form: str) -> float:
        """Bind the rows."""
        self.begin(task)
        X = self.X[:rows] if rows else self.X[0]
        W, b, f, last = self.W, self.b, self.f, len(self.W) - 1

        def call() -> Array:
            A = X
            for i in range(last):
                Z = A @ W[i]
                Z += b[i]
                A = f(Z)
            Z = A @ W[last]
            Z += b[last]
            return softmax(Z)

        self.call = call
        return 0.0


PEER = NumpyByHand

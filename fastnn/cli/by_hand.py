"""The yardstick of the demo: the same network as people write it in plain NumPy.

Nothing of fastnn is used, and nothing is slowed down on purpose: float32, examples in rows, one matrix product per
layer and direction, in-place updates.  It promises to take the same steps as ``Network.fit`` from the same start.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["ByHand"]

Array = np.ndarray[Any, np.dtype[Any]]


def sigmoid(z: Array) -> Array:
    """Return 1 / (1 + exp(-z))."""
    y: Array = 1 / (1 + np.exp(-z))
    return y


def softmax(z: Array) -> Array:
    """Return exp(z) / sum exp(z), row by row."""
    e = np.exp(z - z.max(axis=1, keepdims=True))
    probabilities: Array = e / e.sum(axis=1, keepdims=True)
    return probabilities


class ByHand:
    """Sigmoid layers, a softmax output, cross-entropy, gradient descent with momentum.

    Parameters
    ----------
    weights, biases : sequences of ndarray
        The start; copied.
    """

    def __init__(self, weights: Any, biases: Any) -> None:
        self.W = [W.copy() for W in weights]
        self.b = [b.copy() for b in biases]
        self.vW = [np.zeros_like(W) for W in self.W]
        self.vb = [np.zeros_like(b) for b in self.b]

    def forward(self, X: Array) -> list[Array]:
        """Return X and every layer's output."""
        A = [X]
        for W, b in zip(self.W[:-1], self.b[:-1], strict=True):
            A.append(sigmoid(A[-1] @ W + b))
        A.append(softmax(A[-1] @ self.W[-1] + self.b[-1]))
        return A

    def train_epoch(self, X: Array, Y: Array, order: Array, batch_size: int, rate: float, momentum: float) -> None:
        """Go once through the rows of X and the one-hot rows of Y, in the given order."""
        for start in range(0, len(X), batch_size):
            rows = order[start : start + batch_size]
            A = self.forward(X[rows])
            dZ = (A[-1] - Y[rows]) / len(rows)
            for i in range(len(self.W) - 1, -1, -1):
                dW, db = A[i].T @ dZ, dZ.sum(axis=0)
                if i > 0:
                    dZ = (dZ @ self.W[i].T) * A[i] * (1 - A[i])
                self.vW[i] = momentum * self.vW[i] - rate * dW
                self.vb[i] = momentum * self.vb[i] - rate * db
                self.W[i] += self.vW[i]
                self.b[i] += self.vb[i]

    def predict(self, X: Array) -> Array:
        """Return the probabilities."""
        return self.forward(X)[-1]

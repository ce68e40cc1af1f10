"""Vectorised NumPy, as one writes it by hand: no Python loop over elements."""

from __future__ import annotations

import numpy as np

from .work import RATE

ONE = np.float32(1)


def dot(x, y):
    return np.dot(x, y)


def matvec(A, x, out):
    return np.matmul(A, x, out=out)


def matmul(A, B, out):
    return np.matmul(A, B, out=out)


def sigmoid(x, out):
    return 1 / (1 + np.exp(-x))


def logistic(X, y, w, dw):
    return X.T @ (sigmoid(X @ w, None) - y) / len(X)


def dense(X, W, b, dY, Y, dX, dW, db):
    out = sigmoid(X @ W + b, None)
    dZ = dY * out * (1 - out)
    return out, dZ @ W.T, X.T @ dZ, dZ.sum(axis=0)


def epoch(X, T, labels, W1, b1, W2, b2, batch):
    W1, b1, W2, b2 = W1.copy(), b1.copy(), W2.copy(), b2.copy()
    rate, batch = np.float32(RATE), int(batch)
    for start in range(0, len(X), batch):
        x, t = X[start : start + batch], T[start : start + batch]
        hidden = sigmoid(x @ W1 + b1, None)
        logits = hidden @ W2 + b2
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        error = (powers / powers.sum(axis=1, keepdims=True) - t) / np.float32(len(x))
        back = (error @ W2.T) * hidden * (1 - hidden)
        W2 -= rate * (hidden.T @ error)
        b2 -= rate * error.sum(axis=0)
        W1 -= rate * (x.T @ back)
        b1 -= rate * back.sum(axis=0)
    return W1, b1, W2, b2


OPERATIONS = {"dot": dot, "matvec": matvec, "matmul": matmul, "sigmoid": sigmoid, "logistic": logistic, "dense": dense,
              "epoch": epoch}  # fmt: skip

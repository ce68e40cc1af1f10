"""Plain Python loops over lists, as the notes start: one number at a time, in double precision."""

from __future__ import annotations

import math

import numpy as np

from .work import RATE


def dot(x, y):
    total = 0.0
    for i in range(len(x)):
        total += x[i] * y[i]
    return total


def matvec(A, x, out):
    result = []
    for i in range(len(A)):
        row, total = A[i], 0.0
        for j in range(len(x)):
            total += row[j] * x[j]
        result.append(total)
    return result


def matmul(A, B, out):
    result = []
    for i in range(len(A)):
        row, line = A[i], []
        for j in range(len(B[0])):
            total = 0.0
            for k in range(len(B)):
                total += row[k] * B[k][j]
            line.append(total)
        result.append(line)
    return result


def sigmoid(x, out):
    result = []
    for i in range(len(x)):
        result.append(1.0 / (1.0 + math.exp(-x[i])))
    return result


def logistic(X, y, w, dw):
    m, n = len(X), len(w)
    gradient = [0.0] * n
    for i in range(m):
        row, z = X[i], 0.0
        for j in range(n):
            z += row[j] * w[j]
        error = 1.0 / (1.0 + math.exp(-z)) - y[i]
        for j in range(n):
            gradient[j] += error * row[j]
    return [value / m for value in gradient]


def dense(X, W, b, dY, Y, dX, dW, db):
    m, n_in, n_out = len(X), len(W), len(b)
    forward, back_x = [], []
    back_w, back_b = [[0.0] * n_out for _ in range(n_in)], [0.0] * n_out
    for i in range(m):
        row, line, error = X[i], [], []
        for j in range(n_out):
            z = b[j]
            for k in range(n_in):
                z += row[k] * W[k][j]
            y = 1.0 / (1.0 + math.exp(-z))
            line.append(y)
            error.append(dY[i][j] * y * (1.0 - y))
        forward.append(line)
        back = []
        for k in range(n_in):
            weights, gradient, x, total = W[k], back_w[k], row[k], 0.0
            for j in range(n_out):
                total += error[j] * weights[j]
                gradient[j] += x * error[j]
            back.append(total)
        back_x.append(back)
        for j in range(n_out):
            back_b[j] += error[j]
    return forward, back_x, back_w, back_b


def epoch(X, T, labels, W1, b1, W2, b2, batch):
    """One pass of sigmoid, softmax and cross-entropy, plain gradient descent; rows in order."""
    W1, W2, b1, b2 = [list(row) for row in W1], [list(row) for row in W2], list(b1), list(b2)
    d, h, k = len(W1), len(W2), len(b2)
    for start in range(0, len(X), batch):
        rows = X[start : start + batch]
        m = len(rows)
        dW1, db1 = [[0.0] * h for _ in range(d)], [0.0] * h
        dW2, db2 = [[0.0] * k for _ in range(h)], [0.0] * k
        for i in range(m):
            x, hidden, logits = rows[i], [], []
            for j in range(h):
                z = b1[j]
                for p in range(d):
                    z += x[p] * W1[p][j]
                hidden.append(1.0 / (1.0 + math.exp(-z)))
            for j in range(k):
                z = b2[j]
                for p in range(h):
                    z += hidden[p] * W2[p][j]
                logits.append(z)
            top = max(logits)
            powers = [math.exp(z - top) for z in logits]
            total = sum(powers)
            error = [(powers[j] / total - T[start + i][j]) / m for j in range(k)]
            for p in range(h):
                back = 0.0
                for j in range(k):
                    back += error[j] * W2[p][j]
                    dW2[p][j] += hidden[p] * error[j]
                back *= hidden[p] * (1.0 - hidden[p])
                db1[p] += back
                for q in range(d):
                    dW1[q][p] += x[q] * back
            for j in range(k):
                db2[j] += error[j]
        for p in range(d):
            for j in range(h):
                W1[p][j] -= RATE * dW1[p][j]
        for p in range(h):
            for j in range(k):
                W2[p][j] -= RATE * dW2[p][j]
        b1 = [value - RATE * g for value, g in zip(b1, db1, strict=True)]
        b2 = [value - RATE * g for value, g in zip(b2, db2, strict=True)]
    return W1, b1, W2, b2


def of(arrays):
    """Return the arrays as nested lists: indexing an array element by element costs three times as much."""
    return {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in arrays.items()}


OPERATIONS = {"dot": dot, "matvec": matvec, "matmul": matmul, "sigmoid": sigmoid, "logistic": logistic, "dense": dense,
              "epoch": epoch}  # fmt: skip

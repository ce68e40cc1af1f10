"""The Python loops, compiled by Numba: the same text over arrays, float32, with the sums free to be reordered.

``fastmath={"reassoc", "contract"}`` is what lets a sum be vectorised at all; NaN and infinity keep their meaning.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from .work import RATE

ONE, LEARNING_RATE = np.float32(1), np.float32(RATE)
jit = numba.njit(fastmath={"reassoc", "contract"})


@jit
def dot(x, y):
    total = np.float32(0)
    for i in range(x.size):
        total += x[i] * y[i]
    return total


@jit
def matvec(A, x, out):
    for i in range(A.shape[0]):
        total = np.float32(0)
        for j in range(x.size):
            total += A[i, j] * x[j]
        out[i] = total
    return out


@jit
def add_product(A, B, out):
    """out += A B, the inner loop along the rows of B and out."""
    for i in range(A.shape[0]):
        for k in range(B.shape[0]):
            a = A[i, k]
            for j in range(B.shape[1]):
                out[i, j] += a * B[k, j]


@jit
def matmul(A, B, out):
    out[:] = 0
    add_product(A, B, out)
    return out


@jit
def logistic_function(z):
    return ONE / (ONE + math.exp(-z))


@jit
def sigmoid(x, out):
    for i in range(x.size):
        out[i] = logistic_function(x[i])
    return out


@jit
def logistic(X, y, w, dw):
    dw[:] = 0
    for i in range(X.shape[0]):
        z = np.float32(0)
        for j in range(w.size):
            z += X[i, j] * w[j]
        error = logistic_function(z) - y[i]
        for j in range(w.size):
            dw[j] += error * X[i, j]
    for j in range(w.size):
        dw[j] /= np.float32(X.shape[0])
    return dw


@jit
def layer(X, W, b, Y):
    """Y = X W + b."""
    for i in range(Y.shape[0]):
        for j in range(b.size):
            Y[i, j] = b[j]
    add_product(X, W, Y)


@jit
def back(X, W, dZ, dX, dW, db):
    """Gradients of a layer; an empty dX is not wanted."""
    dW[:] = 0
    db[:] = 0
    for i in range(X.shape[0]):
        for k in range(W.shape[0]):
            x = X[i, k]
            for j in range(db.size):
                dW[k, j] += x * dZ[i, j]
        for j in range(db.size):
            db[j] += dZ[i, j]
        if dX.size:
            for k in range(W.shape[0]):
                total = np.float32(0)
                for j in range(db.size):
                    total += dZ[i, j] * W[k, j]
                dX[i, k] = total


@jit
def dense(X, W, b, dY, Y, dX, dW, db):
    layer(X, W, b, Y)
    dZ = np.empty_like(dY)
    for i in range(Y.shape[0]):
        for j in range(Y.shape[1]):
            Y[i, j] = logistic_function(Y[i, j])
            dZ[i, j] = dY[i, j] * Y[i, j] * (ONE - Y[i, j])
    back(X, W, dZ, dX, dW, db)
    return Y, dX, dW, db


@jit
def descend(W, dW):
    for i in range(W.size):
        W[i] -= LEARNING_RATE * dW[i]


@jit
def epoch_in_place(X, T, W1, b1, W2, b2, batch):
    hidden, dH = np.empty((batch, b1.size), np.float32), np.empty((batch, b1.size), np.float32)
    R, nothing = np.empty((batch, b2.size), np.float32), np.empty((0, 0), np.float32)
    dW1, db1, dW2, db2 = np.empty_like(W1), np.empty_like(b1), np.empty_like(W2), np.empty_like(b2)
    for start in range(0, X.shape[0], batch):
        m = min(batch, X.shape[0] - start)
        x, t, H, dZ, E = X[start : start + m], T[start : start + m], hidden[:m], dH[:m], R[:m]
        layer(x, W1, b1, H)
        for i in range(m):
            for j in range(b1.size):
                H[i, j] = logistic_function(H[i, j])
        layer(H, W2, b2, E)
        for i in range(m):
            top, total = E[i, 0], np.float32(0)
            for j in range(1, b2.size):
                top = max(top, E[i, j])
            for j in range(b2.size):
                E[i, j] = math.exp(E[i, j] - top)
                total += E[i, j]
            for j in range(b2.size):
                E[i, j] = (E[i, j] / total - t[i, j]) / np.float32(m)
        back(H, W2, E, dZ, dW2, db2)
        for i in range(m):
            for j in range(b1.size):
                dZ[i, j] *= H[i, j] * (ONE - H[i, j])
        back(x, W1, dZ, nothing, dW1, db1)
        descend(W1.ravel(), dW1.ravel())
        descend(W2.ravel(), dW2.ravel())
        descend(b1, db1)
        descend(b2, db2)


def epoch(X, T, labels, W1, b1, W2, b2, batch):
    parameters = [array.copy() for array in (W1, b1, W2, b2)]
    epoch_in_place(X, T, *parameters, int(batch))
    return parameters


OPERATIONS = {"dot": dot, "matvec": matvec, "matmul": matmul, "sigmoid": sigmoid, "logistic": logistic, "dense": dense,
              "epoch": epoch}  # fmt: skip

# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""The Python loops with types, compiled by Cython: what the notes' next step gives, without SIMD by hand.

Compiled on demand by typed.py, with -march=native and sums free to be reordered: the compiler is not held back.
"""

from libc.math cimport expf

import numpy as np

from benchmarks.loops.work import RATE

cdef float LEARNING_RATE = RATE


cdef inline float logistic_function(float z) noexcept nogil:
    return 1 / (1 + expf(-z))


def dot(const float[::1] x, const float[::1] y):
    cdef Py_ssize_t i
    cdef double total = 0  # the compiler keeps few float sums: over 10^8 numbers they would lose three digits
    for i in range(x.shape[0]):
        total += x[i] * y[i]
    return total


def matvec(const float[:, ::1] A, const float[::1] x, float[::1] out):
    cdef Py_ssize_t i, j
    cdef float total
    for i in range(A.shape[0]):
        total = 0
        for j in range(x.shape[0]):
            total += A[i, j] * x[j]
        out[i] = total
    return np.asarray(out)


cdef void add_product(const float[:, ::1] A, const float[:, ::1] B, float[:, ::1] out) noexcept nogil:
    """out += A B, the inner loop along the rows of B and out."""
    cdef Py_ssize_t i, j, k
    cdef float a
    for i in range(A.shape[0]):
        for k in range(B.shape[0]):
            a = A[i, k]
            for j in range(B.shape[1]):
                out[i, j] += a * B[k, j]


def matmul(const float[:, ::1] A, const float[:, ::1] B, float[:, ::1] out):
    out[:] = 0
    add_product(A, B, out)
    return np.asarray(out)


def sigmoid(const float[::1] x, float[::1] out):
    cdef Py_ssize_t i
    for i in range(x.shape[0]):
        out[i] = logistic_function(x[i])
    return np.asarray(out)


def logistic(const float[:, ::1] X, const float[::1] y, const float[::1] w, float[::1] dw):
    cdef Py_ssize_t i, j
    cdef float z, error
    dw[:] = 0
    for i in range(X.shape[0]):
        z = 0
        for j in range(w.shape[0]):
            z += X[i, j] * w[j]
        error = logistic_function(z) - y[i]
        for j in range(w.shape[0]):
            dw[j] += error * X[i, j]
    for j in range(w.shape[0]):
        dw[j] /= X.shape[0]
    return np.asarray(dw)


cdef void layer(const float[:, ::1] X, const float[:, ::1] W, const float[::1] b, float[:, ::1] Y) noexcept nogil:
    """Y = X W + b."""
    cdef Py_ssize_t i, j
    for i in range(X.shape[0]):
        for j in range(b.shape[0]):
            Y[i, j] = b[j]
    add_product(X, W, Y)


cdef void back(
    const float[:, ::1] X, const float[:, ::1] W, const float[:, ::1] dZ, float[:, ::1] dX, float[:, ::1] dW,
    float[::1] db,
) noexcept nogil:
    """Gradients of a layer; an empty dX is not wanted."""
    cdef Py_ssize_t i, j, k
    cdef float x, total
    dW[:] = 0
    db[:] = 0
    for i in range(X.shape[0]):
        for k in range(W.shape[0]):
            x = X[i, k]
            for j in range(db.shape[0]):
                dW[k, j] += x * dZ[i, j]
        for j in range(db.shape[0]):
            db[j] += dZ[i, j]
        if dX.shape[0]:
            for k in range(W.shape[0]):
                total = 0
                for j in range(db.shape[0]):
                    total += dZ[i, j] * W[k, j]
                dX[i, k] = total


def dense(
    const float[:, ::1] X, const float[:, ::1] W, const float[::1] b, const float[:, ::1] dY, float[:, ::1] Y,
    float[:, ::1] dX, float[:, ::1] dW, float[::1] db,
):
    cdef Py_ssize_t i, j
    cdef float[:, ::1] dZ = np.empty((dY.shape[0], dY.shape[1]), np.float32)
    layer(X, W, b, Y)
    for i in range(Y.shape[0]):
        for j in range(Y.shape[1]):
            Y[i, j] = logistic_function(Y[i, j])
            dZ[i, j] = dY[i, j] * Y[i, j] * (1 - Y[i, j])
    back(X, W, dZ, dX, dW, db)
    return np.asarray(Y), np.asarray(dX), np.asarray(dW), np.asarray(db)


cdef void descend(float[::1] w, const float[::1] dw) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(w.shape[0]):
        w[i] -= LEARNING_RATE * dw[i]


cdef void descend_rows(float[:, ::1] W, const float[:, ::1] dW) noexcept nogil:
    cdef Py_ssize_t i, j
    for i in range(W.shape[0]):
        for j in range(W.shape[1]):
            W[i, j] -= LEARNING_RATE * dW[i, j]


cdef int descend_epoch(
    const float[:, ::1] X, const float[:, ::1] T, float[:, ::1] W1, float[::1] b1, float[:, ::1] W2, float[::1] b2,
    Py_ssize_t batch,
) except -1:
    cdef Py_ssize_t start, i, j, m
    cdef const float[:, ::1] x, t
    cdef float[:, ::1] H, dZ, E
    cdef float[:, ::1] hidden = np.empty((batch, b1.shape[0]), np.float32)
    cdef float[:, ::1] dH = np.empty((batch, b1.shape[0]), np.float32), R = np.empty((batch, b2.shape[0]), np.float32)
    cdef float[:, ::1] nothing = np.empty((0, 1), np.float32)
    cdef float[:, ::1] dW1 = np.empty_like(W1), dW2 = np.empty_like(W2)
    cdef float[::1] db1 = np.empty_like(b1), db2 = np.empty_like(b2)
    cdef float top, total
    for start in range(0, X.shape[0], batch):
        m = min(batch, X.shape[0] - start)
        x, t, H, dZ, E = X[start : start + m], T[start : start + m], hidden[:m], dH[:m], R[:m]
        layer(x, W1, b1, H)
        for i in range(m):
            for j in range(b1.shape[0]):
                H[i, j] = logistic_function(H[i, j])
        layer(H, W2, b2, E)
        for i in range(m):
            top, total = E[i, 0], 0
            for j in range(1, b2.shape[0]):
                top = max(top, E[i, j])
            for j in range(b2.shape[0]):
                E[i, j] = expf(E[i, j] - top)
                total += E[i, j]
            for j in range(b2.shape[0]):
                E[i, j] = (E[i, j] / total - t[i, j]) / m
        back(H, W2, E, dZ, dW2, db2)
        for i in range(m):
            for j in range(b1.shape[0]):
                dZ[i, j] *= H[i, j] * (1 - H[i, j])
        back(x, W1, dZ, nothing, dW1, db1)
        descend_rows(W1, dW1)
        descend_rows(W2, dW2)
        descend(b1, db1)
        descend(b2, db2)
    return 0


def epoch(X, T, labels, W1, b1, W2, b2, batch):
    parameters = [array.copy() for array in (W1, b1, W2, b2)]
    descend_epoch(X, T, parameters[0], parameters[1], parameters[2], parameters[3], int(batch))
    return parameters


OPERATIONS = {"dot": dot, "matvec": matvec, "matmul": matmul, "sigmoid": sigmoid, "logistic": logistic, "dense": dense,
              "epoch": epoch}

"""The Numba backend's network: layers forward and back, rows of X, the gradient of a batch, as jitted functions.

Matrices are flat here: the rows of a tile follow one another, so that a loop over them is long enough to vectorise
however narrow the layer is.  What surrounds a product is one pass over a piece of its result that the L1 cache holds.
The programs that call these functions are in ``numba_kernels.py``.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from . import plan as P
from .activations import IDENTITY, sigmoid_df
from .dropout import LOW, WORD, philox
from .losses import LINK_BY_NAME
from .numba_formulas import ACTIVATE, BACKWARD, LOSS, OPTIONS, STEP, SUMS, jit_formula, run
from .updates import DECAY, LR

SPARSE = 7  # where the programs' X says whether it is

PIECE = 2048  # elements that one pass takes at a time, 8 KB in float32
CACHED = 1 << 18  # elements of work that a tile may take: 1 MB in float32, about an L2 cache
WIDE = 512  # rows of a tile at least, where the weights themselves leave that cache
FEWEST, MOST = 64, 1024  # rows of a tile otherwise

LINK_IDENTITY, LINK_SOFTMAX, LINK_SIGMOID, LINK_EXP = (
    LINK_BY_NAME[name].code for name in ("identity", "softmax", "sigmoid", "exp")
)

jit = njit(**OPTIONS)
once = njit(inline="always", **OPTIONS)  # for what one place in a program calls: Numba optimises callees once more

sigmoid_slope = jit_formula(sigmoid_df)
philox_words = jit(philox)


# ---- layers


@jit
def row(Y, i, n):
    """Return row i of n in a flat matrix.

    Loops over it count from 0: Numba lets an index that may be negative count from the end, and then nothing is
    vectorised.
    """
    return Y[i * n : (i + 1) * n]


@jit
def fill(x, value):
    for i in range(x.size):
        x[i] = value


@jit
def finish_forward(loops, act, b, Y, Z, m, n):
    """Turn Y, m rows of n, into f(Y + b); where Z is not empty it takes Y + b."""
    rows = max(1, PIECE // n)
    for start in range(0, m, rows):
        stop = min(m, start + rows)
        if b.size and n == 1:  # one loop over the rows, which is vectorised, for one per row: 10 000 rows 27 -> 13 us
            for i in range(start, stop):
                Y[i] += b[0]
        elif b.size:
            for i in range(start, stop):
                y = row(Y, i, n)
                for j in range(n):
                    y[j] += b[j]
        if Z.size:
            z, y = Z[start * n : stop * n], Y[start * n : stop * n]
            for i in range(z.size):
                z[i] = y[i]
        if act != IDENTITY:
            run(loops[ACTIVATE + act], (Y[start * n : stop * n], (stop - start) * n))


@njit(**{**OPTIONS, "fastmath": SUMS})
def column_sum(x):
    total = x.dtype.type(0)
    for i in range(x.size):
        total += x[i]
    return total


@jit
def finish_backward(loops, act, YZ, dY, db, m, n):
    """Turn dY into dZ, m rows of n, and write its column sums to db where that is not empty."""
    rows = max(1, PIECE // n)
    fill(db, 0)
    for start in range(0, m, rows):
        stop = min(m, start + rows)
        if act != IDENTITY:
            piece = slice(start * n, stop * n)
            run(loops[BACKWARD + act], (dY[piece], YZ[piece], (stop - start) * n))
        if db.size and n == 1:
            db[0] += column_sum(dY[start:stop])
        elif db.size:
            for i in range(start, stop):
                d = row(dY, i, n)
                for j in range(n):
                    db[j] += d[j]


@jit
def loss_of(loops, loss, parameter, R, T, weights, norm, dR, m, n):
    """Return the loss of m rows of n; write its gradient where dR is not empty."""
    return run(
        loops[LOSS + loss],
        (parameter, R, T, weights, weights.size > 0, norm, dR, dR.size > 0, m, n),
    )


@jit
def link_backward(code, Y, dY, m, n):
    """Carry dL/dY to dL/dR, in place."""
    if code == LINK_SOFTMAX:
        for i in range(m):
            y, d = row(Y, i, n), row(dY, i, n)
            mean = Y.dtype.type(0)
            for j in range(n):
                mean += y[j] * d[j]
            for j in range(n):
                d[j] = (d[j] - mean) * y[j]
    elif code == LINK_SIGMOID:
        for i in range(m * n):
            dY[i] *= sigmoid_slope(Y[i])
    elif code == LINK_EXP:
        for i in range(m * n):
            dY[i] *= Y[i]


@jit
def row_of(order, at):
    """Return the row of X at a place: order's entry, or the place itself where order is empty."""
    return order[at] if order.size else at


@jit
def drop(Y, n, rate, key, t, layer, order, start, kept, passed):
    """Write dropout's factors of rows of n to kept, and Y times them to passed."""
    threshold, factor = np.uint64(rate * 4294967296.0), Y.dtype.type(1 / (1 - rate))
    zero = Y.dtype.type(0)
    k0, k1 = np.uint64(key) & LOW, np.uint64(key) >> WORD
    c2, c3 = np.uint64(layer), np.uint64(t) & LOW
    for i in range(Y.size // n):
        c1 = np.uint64(row_of(order, start + i)) & LOW
        for first in range(0, n, 4):
            words = philox_words(np.uint64(first // 4), c1, c2, c3, k0, k1)
            for u in range(min(4, n - first)):
                kept[i * n + first + u] = zero if words[u] < threshold else factor
    for i in range(Y.size):
        passed[i] = Y[i] * kept[i]


# ---- rows of X, targets, weights


@jit
def gather_dense(X, order, start, scale, out, m, n):
    """Write m rows of X, converted and then scaled, to out."""
    for i in range(m):
        at, to = row_of(order, start + i), row(out, i, n)
        if X.strides[1] == X.itemsize:  # the same loop; here the compiler knows the stride
            for j in range(n):
                to[j] = out.dtype.type(X[at, j]) * scale
        else:
            for j in range(n):
                to[j] = out.dtype.type(X[at, j]) * scale


@jit
def gather(X, order, start, scale, out, m, n):
    """Write m rows of dense X to out.  X is the tuple that ``source`` makes."""
    X32, X64, X8 = X[0], X[1], X[2]
    if X32.size:
        gather_dense(X32, order, start, scale, out, m, n)
    elif X64.size:
        gather_dense(X64, order, start, scale, out, m, n)
    else:
        gather_dense(X8, order, start, scale, out, m, n)


@jit
def csr_span(X, row):
    """Return where a row's entries start and stop."""
    if X[4].size:
        return np.int64(X[4][row]), np.int64(X[4][row + 1])
    return X[6][row], X[6][row + 1]


@jit
def csr_entry(X, at):
    """Return (column, value) of an entry.  Its branches are foreseen by the processor and cost less than 12 loops."""
    column = np.int64(X[3][at]) if X[4].size else X[5][at]
    if X[0].size:
        return column, np.float64(X[0][0, at])
    if X[1].size:
        return column, X[1][0, at]
    return column, np.float64(X[2][0, at])


@jit
def csr_forward(X, order, start, scale, W, Y, m, n):
    """Write X W of m CSR rows to Y."""
    for i in range(m):
        y = row(Y, i, n)
        for j in range(n):
            y[j] = 0
        first, last = csr_span(X, row_of(order, start + i))
        for at in range(first, last):
            column, value = csr_entry(X, at)
            x, w = Y.dtype.type(value) * scale, row(W, column, n)
            for j in range(n):
                y[j] += x * w[j]


@jit
def csr_backward(X, order, start, scale, dZ, dW, m, n):
    """Write X^T dZ of m CSR rows to dW."""
    fill(dW, 0)
    for i in range(m):
        d = row(dZ, i, n)
        first, last = csr_span(X, row_of(order, start + i))
        for at in range(first, last):
            column, value = csr_entry(X, at)
            x, w = dW.dtype.type(value) * scale, row(dW, column, n)
            for j in range(n):
                w[j] += x * d[j]


@jit
def gather_targets(targets, labels, order, start, out, m, n):
    """Write the targets of m rows to out; labels become one-hot rows."""
    if labels.size:
        for i in range(m * n):
            out[i] = 0
        for i in range(m):
            out[i * n + labels[row_of(order, start + i), 0]] = 1
    else:
        for i in range(m):
            at, to = row_of(order, start + i), row(out, i, n)
            for j in range(n):
                to[j] = targets[at, j]


@jit
def gather_weights(weights, order, start, out):
    for i in range(out.size):
        out[i] = weights[row_of(order, start + i)]


# ---- the layers of a network


def tile_rows(plan):
    """Return how many rows a program takes at a time."""
    header = plan[0]
    fitting = CACHED // (header[P.FEATURES] + header[P.OUTPUTS] + 3 * header[P.UNITS] + 2 * header[P.WIDEST] + 1)
    if header[P.N_PARAMETERS] > CACHED:
        fitting = max(fitting, WIDE)
    return max(FEWEST, min(MOST, fitting))


most_rows = jit(tile_rows)


@once
def forward(loops, plan, const, theta, X, order, start, m, key, t, rows, reads, passes, kept):
    """Compute m rows; return the last layer's output.

    ``rows`` takes the rows of dense X, ``reads`` what each layer's derivative reads, ``passes`` what the next layer
    takes where that differs, ``kept`` dropout's factors.  Empty passes: nothing is kept for a derivative; empty kept:
    no dropout.
    """
    scale = reads.dtype.type(const[0, P.INPUT_SCALE])
    A = rows
    for layer in range(1, plan[0, P.N_LAYERS] + 1):
        n_in, n_out, act = plan[layer, P.N_IN], plan[layer, P.N_OUT], plan[layer, P.ACT]
        w_at, b_at = plan[layer, P.W_AT], plan[layer, P.B_AT]
        W, b = theta[w_at:b_at], theta[b_at : b_at + n_out * plan[layer, P.BIAS]]
        low, high = m * plan[layer, P.UNIT], m * (plan[layer, P.UNIT] + n_out)
        Y, Z = reads[low:high], reads[:0]
        if plan[layer, P.READS_INPUT] and passes.size:
            Y, Z = passes[low:high], Y
        if layer == 1 and X[SPARSE]:
            csr_forward(X, order, start, scale, W, Y, m, n_out)
        else:
            if layer == 1:
                gather(X, order, start, scale, rows, m, n_in)
            np.dot(A.reshape(m, n_in), W.reshape(n_in, n_out), Y.reshape(m, n_out))
        finish_forward(loops, act, b, Y, Z, m, n_out)
        if kept.size and const[layer, P.DROPOUT] > 0:
            A = passes[low:high]
            drop(Y, n_out, const[layer, P.DROPOUT], key, t, layer, order, start, kept[low:high], A)
        else:
            A = Y
    return A


@once
def backward_layers(loops, plan, const, theta, X, order, start, m, rows, reads, passes, kept, d, spare, grad, to_X):
    """Carry d, the gradient of the last layer's output, back to grad where that is not empty.

    d and spare are overwritten; return the one that holds dX, before the input scale, where ``to_X``.
    """
    scale = reads.dtype.type(const[0, P.INPUT_SCALE])
    for layer in range(plan[0, P.N_LAYERS], 0, -1):
        n_in, n_out = plan[layer, P.N_IN], plan[layer, P.N_OUT]
        w_at, b_at = plan[layer, P.W_AT], plan[layer, P.B_AT]
        low, high = m * plan[layer, P.UNIT], m * (plan[layer, P.UNIT] + n_out)
        dY = d[: m * n_out]
        if kept.size and const[layer, P.DROPOUT] > 0:
            factors = kept[low:high]
            for i in range(m * n_out):
                dY[i] *= factors[i]
        db = grad[b_at : b_at + n_out * plan[layer, P.BIAS]]
        finish_backward(loops, plan[layer, P.ACT], reads[low:high], dY, db, m, n_out)
        dZ = dY.reshape(m, n_out)
        if grad.size:
            dW = grad[w_at:b_at]
            if layer == 1 and X[SPARSE]:
                csr_backward(X, order, start, scale, dY, dW, m, n_out)
            else:
                A = rows
                if layer > 1:
                    source = reads
                    if plan[layer - 1, P.READS_INPUT] or (kept.size and const[layer - 1, P.DROPOUT] > 0):
                        source = passes
                    A = source[m * plan[layer - 1, P.UNIT] : low]
                np.dot(A.reshape(m, n_in).T, dZ, dW.reshape(n_in, n_out))
        if layer > 1 or to_X:
            np.dot(dZ, theta[w_at:b_at].reshape(n_in, n_out).T, spare[: m * n_in].reshape(m, n_in))
            d, spare = spare, d
    return d


@jit
def dropping(plan, const):
    """Return whether any layer drops outputs."""
    for layer in range(1, plan[0, P.N_LAYERS] + 1):
        if const[layer, P.DROPOUT] > 0:
            return True
    return False


@once
def tile_gradient(
    loops, plan, const, loss, theta, X, targets, labels, weights, order, start, m, norm, key, t, grad, work
):  # fmt: skip
    """Return the data loss of m rows, and write its gradient to grad where that is not empty."""
    n_out, units, widest = plan[0, P.OUTPUTS], plan[0, P.UNITS], plan[0, P.WIDEST]
    at = m * plan[0, P.FEATURES] * (not X[SPARSE])
    rows = work[:at]
    reads = work[at : at + m * units]
    at += m * units
    T = work[at : at + m * n_out]
    at += m * n_out
    w = work[at : at + m * (weights.size > 0)]
    at += m
    wanted = m * (grad.size > 0)
    d = work[at : at + wanted * widest]
    at += wanted * widest
    spare = work[at : at + wanted * widest]
    at += wanted * widest
    passes = work[at : at + wanted * units]
    at += wanted * units
    kept = work[at : at + wanted * units * dropping(plan, const)]
    R = forward(loops, plan, const, theta, X, order, start, m, key, t, rows, reads, passes, kept)
    gather_targets(targets, labels, order, start, T, m, n_out)
    gather_weights(weights, order, start, w)
    value = loss_of(loops, loss, const[0, P.LOSS_PARAMETER], R, T, w, norm, d[: wanted * n_out], m, n_out)
    if grad.size:
        backward_layers(
            loops, plan, const, theta, X, order, start, m, rows, reads, passes, kept, d, spare, grad, False
        )
    return value


@jit
def add(part, total):
    for i in range(total.size):
        total[i] += part[i]


@njit(**{**OPTIONS, "fastmath": SUMS})
def sum_of_squares(x):
    """Return the sum of squares in float64."""
    total = 0.0
    for i in range(x.size):
        total += np.float64(x[i]) * np.float64(x[i])
    return total


@jit
def regularise(plan, const, theta, norm, grad):
    """Add the gradient of the penalty to grad, and return the penalty."""
    penalty = 0.0
    for layer in range(1, plan[0, P.N_LAYERS] + 1):
        l2 = const[layer, P.L2]
        if l2 > 0:
            if const[0, P.L2_OVER_NORM] != 0:
                l2 /= norm
            factor = theta.dtype.type(l2)
            W, dW = theta[plan[layer, P.W_AT] : plan[layer, P.B_AT]], grad[plan[layer, P.W_AT] : plan[layer, P.B_AT]]
            penalty += 0.5 * l2 * sum_of_squares(W)
            for i in range(W.size):
                dW[i] += factor * W[i]
    return penalty


@once
def batch_gradient(
    loops, plan, const, loss, theta, X, targets, labels, weights, order, start, stop, norm, key, t, grad, work, parts
):  # fmt: skip
    """Write the gradient of rows start ... stop to grad, (data loss, penalty) to parts; return their sum."""
    most = most_rows(plan)
    part = work[work.size - grad.size * (stop - start > most) :]
    if start >= stop:
        fill(grad, 0)
    data = 0.0
    for first in range(start, stop, most):
        m = min(most, stop - first)
        data += tile_gradient(
            loops, plan, const, loss, theta, X, targets, labels, weights, order, first, m, norm, key, t,
            grad if first == start else part, work,
        )  # fmt: skip
        if first > start:
            add(part, grad)
    parts[0], parts[1] = data, 0.0
    if grad.size:
        parts[1] = regularise(plan, const, theta, norm, grad)
    return parts[0] + parts[1]


@jit
def update_theta(loops, plan, rule, hyper_row, t, theta, grad, state):
    """Decay the weights, then one step of the rule; t steps were done before."""
    decay = theta.dtype.type(1 - hyper_row[LR] * hyper_row[DECAY])
    if decay != 1:
        for layer in range(1, plan[0, P.N_LAYERS] + 1):
            W = theta[plan[layer, P.W_AT] : plan[layer, P.B_AT]]
            for i in range(W.size):
                W[i] *= decay
    run(loops[STEP + rule], (hyper_row, np.float64(t + 1), theta, grad, state, theta.size))

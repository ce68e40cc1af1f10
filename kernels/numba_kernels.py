"""The Numba backend: jitted programs around the formulas of level 0.  The contract is in ``table.py``.

Each program is one compiled function without the GIL; a whole slice of batches is one call.  Products go through
``np.dot`` on contiguous operands, which is SciPy's BLAS, so rows are first gathered into ``work`` (CSR rows are used
where they lie).  What surrounds a product is one pass over a piece of its result that the L1 cache holds.

Inside the jitted functions matrices are flat: the rows of a tile follow one another, so that a loop over them is long
enough to vectorise however narrow the layer is.  Import this module only where the backend is asked for: it needs Numba
and SciPy, and raises ImportError where one is missing.
"""

from __future__ import annotations

import dataclasses
import functools

import numpy as np

try:
    import scipy.linalg.cython_blas  # noqa: F401 - np.dot in compiled code calls it
    from numba import njit
except ImportError as error:
    raise ImportError(f"the numba backend needs numba and scipy ({error})") from error

from . import numpy_kernels
from . import plan as P
from .activations import ACTIVATIONS, IDENTITY, INPUT, sigmoid_df
from .dropout import LOW, WORD, philox
from .losses import LINK_BY_NAME
from .numba_cache import Program
from .numba_formulas import (
    ACTIVATE,
    ADDRESSES,
    BACKWARD,
    LINK,
    LOSS,
    OPTIONS,
    PROGRAM,
    STEP,
    SUMS,
    jit_formula,
    run,
)
from .updates import DECAY, LR, N_HYPER

SPARSE = 7  # where the programs' X says whether it is

PIECE = 2048  # elements that one pass takes at a time, 8 KB in float32
CACHED = 1 << 18  # elements of work that a tile may take: 1 MB in float32, about an L2 cache
WIDE = 512  # rows of a tile at least, where the weights themselves leave that cache
FEWEST, MOST = 64, 1024  # rows of a tile otherwise

LINK_SOFTMAX, LINK_SIGMOID, LINK_EXP = (LINK_BY_NAME[name].code for name in ("softmax", "sigmoid", "exp"))

jit = njit(**OPTIONS)
once = njit(inline="always", **OPTIONS)  # for what one place in a program calls: Numba optimises callees once more
program = functools.partial(Program, **PROGRAM)


sigmoid_slope = jit_formula(sigmoid_df)
philox_words = jit(philox)


# ---- layers


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
        if b.size:
            for i in range(start, stop):
                for j in range(n):
                    Y[i * n + j] += b[j]
        if Z.size:
            for i in range(start * n, stop * n):
                Z[i] = Y[i]
        if act != IDENTITY:
            run(loops[ACTIVATE + act], (Y[start * n : stop * n], (stop - start) * n))


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
        if db.size:
            for i in range(start, stop):
                for j in range(n):
                    db[j] += dY[i * n + j]


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
            mean = Y.dtype.type(0)
            for j in range(i * n, (i + 1) * n):
                mean += Y[j] * dY[j]
            for j in range(i * n, (i + 1) * n):
                dY[j] = (dY[j] - mean) * Y[j]
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
        row = row_of(order, start + i)
        if X.strides[1] == X.itemsize:  # the same loop; here the compiler knows the stride
            for j in range(n):
                out[i * n + j] = out.dtype.type(X[row, j]) * scale
        else:
            for j in range(n):
                out[i * n + j] = out.dtype.type(X[row, j]) * scale


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
        for j in range(i * n, (i + 1) * n):
            Y[j] = 0
        first, last = csr_span(X, row_of(order, start + i))
        for at in range(first, last):
            column, value = csr_entry(X, at)
            x = Y.dtype.type(value) * scale
            for j in range(n):
                Y[i * n + j] += x * W[column * n + j]


@jit
def csr_backward(X, order, start, scale, dZ, dW, m, n):
    """Write X^T dZ of m CSR rows to dW."""
    fill(dW, 0)
    for i in range(m):
        first, last = csr_span(X, row_of(order, start + i))
        for at in range(first, last):
            column, value = csr_entry(X, at)
            x = dW.dtype.type(value) * scale
            for j in range(n):
                dW[column * n + j] += x * dZ[i * n + j]


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
            row = row_of(order, start + i)
            for j in range(n):
                out[i * n + j] = targets[row, j]


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
            penalty += 0.5 * l2 * sum_of_squares(theta[plan[layer, P.W_AT] : plan[layer, P.B_AT]])
            for i in range(plan[layer, P.W_AT], plan[layer, P.B_AT]):
                grad[i] += factor * theta[i]
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
            for i in range(plan[layer, P.W_AT], plan[layer, P.B_AT]):
                theta[i] *= decay
    run(loops[STEP + rule], (hyper_row, np.float64(t + 1), theta, grad, state, theta.size))


# ---- programs.  The names of the parameters fix their types: see numba_cache.types_of.


@program
def predict_program(
    loops, plan, const, theta, X32, X64, X8, columns32, indptr32, columns64, indptr64, m, work, out
):  # fmt: skip
    X = X32, X64, X8, columns32, indptr32, columns64, indptr64, indptr32.size + indptr64.size > 0
    n_in, n_out = plan[0, P.FEATURES], plan[0, P.OUTPUTS]
    none, every, most = work[:0], plan[0, :0], most_rows(plan)
    for start in range(0, m, most):
        tile = min(most, m - start)
        at = tile * n_in * (not X[SPARSE])
        reads = work[at : at + tile * plan[0, P.UNITS]]
        R = forward(loops, plan, const, theta, X, every, start, tile, 0, 0, work[:at], reads, none, none)
        run(loops[LINK + plan[0, P.LINK]], (R, tile, n_out))
        for i in range(tile):
            for j in range(n_out):
                out[start + i, j] = R[i * n_out + j]


@program
def backward_program(
    loops, plan, const, theta, X32, X64, X8, columns32, indptr32, columns64, indptr64, m, dY, grad, dX, work
):  # fmt: skip
    X = X32, X64, X8, columns32, indptr32, columns64, indptr64, indptr32.size + indptr64.size > 0
    n_in, n_out, units, widest = plan[0, P.FEATURES], plan[0, P.OUTPUTS], plan[0, P.UNITS], plan[0, P.WIDEST]
    scale = theta.dtype.type(const[0, P.INPUT_SCALE])
    none, every, most = work[:0], plan[0, :0], most_rows(plan)
    part = work[work.size - grad.size * (m > most) :]
    if m == 0:
        fill(grad, 0)
    for start in range(0, m, most):
        tile = min(most, m - start)
        at = tile * n_in * (not X[SPARSE])
        rows, reads = work[:at], work[at : at + tile * units]
        at += tile * units
        passes = work[at : at + tile * units]
        at += tile * units
        d, spare = work[at : at + tile * widest], work[at + tile * widest : at + 2 * tile * widest]
        R = forward(loops, plan, const, theta, X, every, start, tile, 0, 0, rows, reads, passes, none)
        Y = spare[: tile * n_out]
        for i in range(tile):
            for j in range(n_out):
                Y[i * n_out + j] = R[i * n_out + j]
                d[i * n_out + j] = dY[start + i, j]
        run(loops[LINK + plan[0, P.LINK]], (Y, tile, n_out))
        link_backward(plan[0, P.LINK], Y, d, tile, n_out)
        into = grad if start == 0 else part
        d = backward_layers(
            loops, plan, const, theta, X, every, start, tile, rows, reads, passes, none, d, spare, into, dX.size > 0
        )  # fmt: skip
        if start > 0 and grad.size:
            add(part, grad)
        if dX.size:
            for i in range(tile):
                for j in range(n_in):
                    dX[start + i, j] = d[i * n_in + j] * scale


@program
def train_program(
    loops, plan, const, loss, rule, hyper, t, theta, new_theta, grad, read_grad, state,
    X32, X64, X8, columns32, indptr32, columns64, indptr64,
    targets, labels, weights, order, starts, norm, key, work, losses,
):  # fmt: skip
    """Train; with rule < 0 compute gradients without a step; and with an empty grad too, losses only.

    One program for the three, because each would take seconds to compile.  norm = 0: that of each batch.  theta and
    new_theta, grad and read_grad are the same arrays; the second name says what may be done to them.
    """
    X = X32, X64, X8, columns32, indptr32, columns64, indptr64, indptr32.size + indptr64.size > 0
    limit = const[0, P.CLIP_NORM]
    for i in range(starts.size - 1):
        start, stop = starts[i], starts[i + 1]
        divisor = norm
        if norm == 0:
            divisor = np.float64(stop - start)
            if weights.size:
                divisor = 0.0
                for at in range(start, stop):
                    divisor += weights[order[at]]
            if divisor == 0:
                divisor = 1.0
        value = batch_gradient(
            loops, plan, const, loss, theta, X, targets, labels, weights, order, start, stop, divisor, key, t + i,
            grad, work, losses[i],
        )  # fmt: skip
        if rule >= 0:
            if not np.isfinite(value):
                return i
            if limit > 0:
                size = np.sqrt(sum_of_squares(read_grad))
                if size > limit:
                    factor = grad.dtype.type(limit / size)
                    for j in range(grad.size):
                        grad[j] *= factor
            update_theta(loops, plan, rule, hyper[i], t + i, new_theta, read_grad, state)
    return starts.size - 1


@program
def dot_program(x, y):
    return np.dot(x, y)


@program
def matmul_program(A, B, C):
    np.dot(A, B, C)


@program
def activation_program(loops, act, flat):
    run(loops[ACTIVATE + act], (flat, flat.size))


@program
def activation_grad_program(loops, act, flat, YZ):
    run(loops[BACKWARD + act], (flat, YZ, flat.size))


@program
def link_program(loops, code, flat, m, n):
    run(loops[LINK + code], (flat, m, n))


@program
def dense_forward_program(loops, A, B, b, act, C, Z):
    m, n = C.shape
    np.dot(A, B, C)
    finish_forward(loops, act, b, C.reshape(m * n), Z.reshape(Z.size), m, n)


@program
def finish_backward_program(loops, act, YZ, flat, db, m, n):
    finish_backward(loops, act, YZ, flat, db, m, n)


@program
def loss_program(loops, loss, parameter, R, T, weights, norm, dR, m, n):
    return loss_of(loops, loss, parameter, R, T, weights, norm, dR, m, n)


@program
def update_program(loops, plan, rule, hyper_row, t, new_theta, read_grad, state):
    update_theta(loops, plan, rule, hyper_row, t, new_theta, read_grad, state)


# ---- the table's entries: choose the program, name the parts of X and T, make pieces contiguous

NO_REAL = {char: np.empty((0, 0), char) for char in "fd"}
NO_GRAD = {char: np.empty(0, char) for char in "fd"}
NO_X8, NO_LABELS = np.empty((0, 0), np.uint8), np.empty((0, 0), np.int32)
NO_32, NO_64, NO_HYPER = np.empty(0, np.int32), np.empty(0, np.int64), np.empty((0, N_HYPER))


def source(X, indices, indptr):
    """Return X as the programs take it: an argument for each dtype, one in use; and the number of rows."""
    X32, X64, X8 = NO_REAL["f"], NO_REAL["d"], NO_X8
    if X.dtype == np.float32:
        X32 = X
    elif X.dtype == np.float64:
        X64 = X
    else:
        X8 = X
    if not indptr.size:
        return X32, X64, X8, NO_32, NO_32, NO_64, NO_64, len(X)
    if indptr.dtype.itemsize == 4:
        return X32, X64, X8, indices, indptr, NO_64, NO_64, indptr.size - 1
    return X32, X64, X8, NO_32, NO_32, indices, indptr, indptr.size - 1


def targets_and_labels(theta, T):
    if T.dtype == theta.dtype:
        return T, NO_LABELS
    return NO_REAL[theta.dtype.char], T


class Flat:
    """A contiguous stand-in for an array that a piece writes: the array itself where it is contiguous."""

    def __init__(self, array, content=None):
        self.array = array
        self.matrix = array if array.flags.c_contiguous else np.empty(array.shape, array.dtype)
        if content is not None and content is not self.matrix:
            self.matrix[...] = content
        self.flat = self.matrix.reshape(-1)

    def done(self):
        """Carry the result to the array."""
        if self.matrix is not self.array:
            self.array[...] = self.matrix


def flat(x):
    return np.ascontiguousarray(x).reshape(-1)


def dot(x, y):
    return float(dot_program[x.dtype.char](np.ascontiguousarray(x), np.ascontiguousarray(y)))


def matmul(A, B, C, accumulate, threads):
    char = C.dtype.char
    if accumulate:
        product = np.empty(C.shape, C.dtype)
        matmul_program[char](np.ascontiguousarray(A), np.ascontiguousarray(B), product)
        C += product
    else:
        product = Flat(C)
        matmul_program[char](np.ascontiguousarray(A), np.ascontiguousarray(B), product.matrix)
        product.done()


def activation(act, x, y):
    result, char = Flat(y, x), y.dtype.char
    activation_program[char](ADDRESSES.of(char, (ACTIVATE + act,)), act, result.flat)
    result.done()


def activation_grad(act, yz, dy, dx):
    result, char = Flat(dx, dy), dx.dtype.char
    activation_grad_program[char](ADDRESSES.of(char, (BACKWARD + act,)), act, result.flat, flat(yz))
    result.done()


def link(code, R, Y):
    result, char = Flat(Y, R), Y.dtype.char
    link_program[char](ADDRESSES.of(char, (LINK + code,)), code, result.flat, *Y.shape)
    result.done()


def dense_forward(X, W, b, act, Y, Z, threads):
    result, char = Flat(Y), Y.dtype.char
    before = Flat(Z if ACTIVATIONS[act].reads == INPUT else Z[:0])
    dense_forward_program[char](
        ADDRESSES.of(char, (ACTIVATE + act,)), np.ascontiguousarray(X), np.ascontiguousarray(W), flat(b), act,
        result.matrix, before.matrix,
    )  # fmt: skip
    result.done()
    before.done()


def dense_backward(X, W, YZ, dY, act, dX, dW, db, threads):
    dZ, column_sums, char = Flat(dY, dY), Flat(db), dY.dtype.char
    finish_backward_program[char](
        ADDRESSES.of(char, (BACKWARD + act,)), act, flat(YZ), dZ.flat, column_sums.flat, *dY.shape
    )
    dZ.done()
    column_sums.done()
    if dW.size:
        matmul(X.T, dZ.matrix, dW, False, threads)
    if dX.size:
        matmul(dZ.matrix, W.T, dX, False, threads)


def loss_grad(loss, const, R, T, weights, norm, dR):
    char = R.dtype.char
    return loss_program[char](
        ADDRESSES.of(char, (LOSS + loss,)), loss, const[0, P.LOSS_PARAMETER], R.reshape(-1), T.reshape(-1), weights,
        norm, dR.reshape(-1), *R.shape,
    )  # fmt: skip


def update(plan, rule, hyper_row, t, theta, grad, state):
    char = theta.dtype.char
    update_program[char](ADDRESSES.of(char, (STEP + rule,)), plan, rule, hyper_row, t, theta, grad, state)


def work_size(program, plan, rows, threads):
    header, most = plan[0], tile_rows(plan)
    per_row = header[P.FEATURES] + header[P.UNITS] + header[P.OUTPUTS] + 1
    if program in ("predict", "evaluate"):
        return int(min(rows, most) * per_row)
    per_row += 2 * header[P.UNITS] + 2 * header[P.WIDEST]
    return int(min(rows, most) * per_row + header[P.N_PARAMETERS] * (rows > most))


def packed_size(plan):
    return 0


def pack(plan, theta, packed):
    pass


def acts_of(plan):
    return plan[1:, P.ACT].tolist()


def training_loops(char, plan, *others):
    """Return the table of addresses with what a training of this network needs in it."""
    acts = acts_of(plan)
    return ADDRESSES.of(char, [*acts, *(BACKWARD + act for act in acts), *others])


def predict(plan, const, packed, X, indices, indptr, work, out, threads):
    char = packed.dtype.char
    loops = ADDRESSES.of(char, [*acts_of(plan), LINK + plan[0, P.LINK]])  # ACTIVATE is 0
    predict_program[char](loops, plan, const, packed, *source(X, indices, indptr), work, out)


def evaluate(plan, const, loss, theta, X, indices, indptr, T, weights, norm, work, threads):
    char = theta.dtype.char
    loops = ADDRESSES.of(char, [*acts_of(plan), LOSS + loss])
    grad, parts = NO_GRAD[char], np.empty((1, 2))
    *X, m = source(X, indices, indptr)
    train_program[char](
        loops, plan, const, loss, -1, NO_HYPER, 0, theta, grad, grad, grad, NO_REAL[char], *X,
        *targets_and_labels(theta, T), weights, NO_64, np.array((0, m)), norm, 0, work, parts,
    )  # fmt: skip
    return float(parts[0, 0])


def gradient(
    plan, const, loss, theta, X, indices, indptr, T, weights, norm, key, t, grad, work, parts, threads
):  # fmt: skip
    char = theta.dtype.char
    *X, m = source(X, indices, indptr)
    train_program[char](
        training_loops(char, plan, LOSS + loss), plan, const, loss, -1, NO_HYPER, t, theta, grad, grad, grad,
        NO_REAL[char], *X, *targets_and_labels(theta, T), weights, NO_64, np.array((0, m)), norm, key, work,
        parts.reshape(1, 2),
    )  # fmt: skip
    return float(parts[0] + parts[1])


def backward(plan, const, theta, X, indices, indptr, dY, grad, dX, work, threads):
    char = theta.dtype.char
    loops = training_loops(char, plan, LINK + plan[0, P.LINK])
    backward_program[char](loops, plan, const, theta, *source(X, indices, indptr), dY, grad, dX, work)


def train(
    plan, const, loss, rule, hyper, t, theta, grad, state,
    X, indices, indptr, T, weights, order, starts, key, work, losses, threads,
):  # fmt: skip
    char = theta.dtype.char
    *X, _ = source(X, indices, indptr)
    return train_program[char](
        training_loops(char, plan, LOSS + loss, STEP + rule), plan, const, loss, rule, hyper, t, theta, theta, grad,
        grad, state, *X, *targets_and_labels(theta, T), weights, order, starts, 0.0, key, work, losses,
    )  # fmt: skip


KERNELS = dataclasses.replace(
    numpy_kernels.KERNELS,
    name="numba",
    dot=dot,
    matmul=matmul,
    activation=activation,
    activation_grad=activation_grad,
    link=link,
    dense_forward=dense_forward,
    dense_backward=dense_backward,
    loss_grad=loss_grad,
    update=update,
    work_size=work_size,
    packed_size=packed_size,
    pack=pack,
    predict=predict,
    evaluate=evaluate,
    gradient=gradient,
    backward=backward,
    train=train,
)

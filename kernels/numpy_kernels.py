"""The reference backend: every kernel in plain NumPy, obviously right, and the specification of the others.

A program is a composition of the pieces, on blocks of rows so that memory stays bounded.  This file may allocate, which
compiled kernels never do, so it asks for no work space.  The contract of every function is in ``table.py``.
"""

from __future__ import annotations

import functools

import numpy as np

from . import losses as L
from . import plan as P
from .activations import ACTIVATIONS, IDENTITY, INPUT
from .dropout import keep
from .elementary import FUNCTIONS
from .losses import CATEGORICAL, LINKS, LOSSES
from .table import Kernels
from .updates import DECAY, LR, UPDATES

BLOCK = 4096  # rows a program takes at a time

NOTHING = np.empty((0, 0))


def quiet(kernel):
    """Let a kernel overflow and divide in silence: non-finite numbers are the caller's to look for.

    Only what the table hands out is wrapped: a program sets NumPy's error state once, not once per piece.
    """

    @functools.wraps(kernel)
    def wrapper(*args):
        with np.errstate(all="ignore"):
            return kernel(*args)

    return wrapper


# ---- pieces


def dot(x, y):
    return float(np.dot(x, y))


def matmul(A, B, C, accumulate, threads):
    if accumulate:
        C += A @ B
    else:
        np.matmul(A, B, out=C)


def elementary(code, x, y):
    y[...] = FUNCTIONS[code].f(x)


def activation(act, x, y):
    y[...] = ACTIVATIONS[act].f(x)


def activation_grad(act, yz, dy, dx):
    np.multiply(dy, ACTIVATIONS[act].df(yz), out=dx, casting="same_kind")


def link(code, R, Y):
    LINKS[code].forward(R, Y)


def dense_forward(X, W, b, act, Y, Z, threads):
    matmul(X, W, Y, False, threads)
    finish_forward(b, act, Y, Z)


def finish_forward(b, act, Y, Z):
    """Add the bias to the product in Y, keep it in Z where the derivative reads it, and apply the activation."""
    if b.size:
        Y += b
    if ACTIVATIONS[act].reads == INPUT and Z.size:
        Z[...] = Y
    if act != IDENTITY:
        activation(act, Y, Y)


def dense_backward(X, W, YZ, dY, act, dX, dW, db, threads):
    if act != IDENTITY:
        activation_grad(act, YZ, dY, dY)
    if db.size:
        dY.sum(axis=0, out=db)
    if dW.size:
        matmul(X.T, dY, dW, False, threads)
    if dX.size:
        matmul(dY, W.T, dX, False, threads)


def loss_grad(loss, const, R, T, weights, norm, dR):
    p = L.row_parameter(loss, R, const[0, P.LOSS_PARAMETER])
    weights = weights.astype(np.float64)  # norm may exceed what R's dtype holds
    scale = weights / norm if weights.size else np.full(len(R), 1 / norm)
    shown = L.reported(loss, R, p, const[0, P.LOSS_PARAMETER])
    value = float(LOSSES[loss].f(shown, T, p).sum(axis=1, dtype=np.float64) @ scale)
    if dR.size:  # after the value: dR may be R
        if loss == CATEGORICAL:
            dR[...] = np.exp(R - p) * T.sum(axis=1, keepdims=True) - T
        else:
            dR[...] = LOSSES[loss].df(R, T, p)
        dR *= scale[:, None].astype(dR.dtype)
    return value


def update(plan, rule, hyper_row, t, theta, grad, state):
    a, b, c, e = (theta.dtype.type(number) for number in UPDATES[rule].prepare(hyper_row, t + 1))
    decay = theta.dtype.type(1 - hyper_row[LR] * hyper_row[DECAY])
    if decay != 1:
        for W, _ in views(plan, theta):
            W *= decay
    s = state[0] if len(state) > 0 else None
    v = state[1] if len(state) > 1 else None
    theta[...], new_s, new_v = UPDATES[rule].rule(theta, grad, s, v, a, b, c, e)
    if s is not None:
        s[...] = new_s
    if v is not None:
        v[...] = new_v


def views(plan, theta):
    """Yield (W, b) of each layer as views of theta; b is empty where there is none."""
    for n_in, n_out, _, bias, w_at, b_at, _, _ in plan[1:]:
        yield theta[w_at:b_at].reshape(n_in, n_out), theta[b_at : b_at + n_out * bias]


# ---- rows of X and T


class Rows:
    """The rows of X that one block works on: a dense matrix, scaled and in theta's dtype, or CSR triplets."""

    def __init__(self, const, X, indices, indptr, rows, dtype):
        scale = dtype.type(const[0, P.INPUT_SCALE])
        self.m = len(rows)
        self.sparse = indptr.size > 0
        if self.sparse:
            counts = indptr[rows + 1] - indptr[rows]
            self.row = np.repeat(np.arange(self.m), counts)
            ends = np.cumsum(counts)
            at = np.arange(len(self.row)) - np.repeat(ends - counts, counts) + np.repeat(indptr[rows], counts)
            self.column = indices[at]
            self.value = X[0, at].astype(dtype) * scale
        else:
            self.matrix = X[rows].astype(dtype)
            if scale != 1:
                self.matrix *= scale

    def forward(self, W, b, act, Y, Z, threads):
        """Do what ``dense_forward`` does, for these rows as X."""
        if not self.sparse:
            return dense_forward(self.matrix, W, b, act, Y, Z, threads)
        Y[...] = 0
        np.add.at(Y, self.row, self.value[:, None] * W[self.column])
        return finish_forward(b, act, Y, Z)

    def weight_gradient(self, dZ, dW, threads):
        """Write X^T dZ to dW."""
        if not self.sparse:
            return matmul(self.matrix.T, dZ, dW, False, threads)
        dW[...] = 0
        return np.add.at(dW, self.column, self.value[:, None] * dZ[self.row])


def n_rows(X, indptr):
    return indptr.size - 1 if indptr.size else X.shape[0]


def targets(plan, T, rows, dtype):
    """Return the rows of T as a matrix of dtype; class labels become one-hot rows."""
    if T.dtype == dtype:
        return T[rows]
    return np.equal(T[rows], np.arange(plan[0, P.OUTPUTS])).astype(dtype)


def weights_of(weights, rows):
    return weights[rows] if weights.size else weights


# ---- the layers of a network


def dropout_factors(plan, const, key, t, rows, dtype):
    """Return {layer: factors} for the layers that drop outputs."""
    rates = const[1:, P.DROPOUT]
    return {
        layer: keep(key, t, layer, rows, plan[layer, P.N_OUT], rate, dtype)
        for layer, rate in enumerate(rates, start=1)
        if rate > 0
    }


def forward(plan, theta, rows_of_X, kept, threads):
    """Return, per layer, what its derivative reads and what the next layer takes.

    ``kept`` holds dropout factors by layer.  The two are the same array unless the derivative reads the input, or
    outputs are dropped.
    """
    reads, passes = [], []
    for layer, (W, b) in enumerate(views(plan, theta), start=1):
        act = plan[layer, P.ACT]
        Y = np.empty((rows_of_X.m, W.shape[1]), theta.dtype)
        Z = np.empty_like(Y) if plan[layer, P.READS_INPUT] else NOTHING
        if layer == 1:
            rows_of_X.forward(W, b, act, Y, Z, threads)
        else:
            dense_forward(passes[-1], W, b, act, Y, Z, threads)
        reads.append(Z if Z.size else Y)
        passes.append(Y * kept[layer] if layer in kept else Y)
    return reads, passes


def backward_layers(plan, theta, rows_of_X, kept, reads, passes, dY, grad, dX, threads):
    """Carry dY, the gradient of the last layer's output, back to grad and dX (empty = not wanted)."""
    wanted = list(views(plan, grad)) if grad.size else [(NOTHING, NOTHING)] * len(reads)
    for layer, (W, _) in reversed(list(enumerate(views(plan, theta), start=1))):
        dW, db = wanted[layer - 1]
        act = plan[layer, P.ACT]
        if layer in kept:
            dY *= kept[layer]
        if layer > 1:
            dA = np.empty_like(passes[layer - 2])
            dense_backward(passes[layer - 2], W, reads[layer - 1], dY, act, dA, dW, db, threads)
            dY = dA
        else:
            dense_backward(NOTHING, W, reads[0], dY, act, dX, NOTHING, db, threads)
            if dW.size:
                rows_of_X.weight_gradient(dY, dW, threads)


def by_blocks(rows, grad, one_block):
    """Call ``one_block(rows of the block, grad)`` for each block; grad becomes the sum.  Return the summed results."""
    total = 0.0
    if not len(rows):
        grad[...] = 0
    for start in range(0, len(rows), BLOCK):
        part = grad if start == 0 else np.empty_like(grad)
        total += one_block(rows[start : start + BLOCK], part)
        if start:
            grad += part
    return total


def regularise(plan, const, theta, norm, grad):
    """Add the gradient of the penalty to grad, and return the penalty."""
    penalty = 0.0
    if not const[1:, P.L2].any():
        return penalty
    divisor = norm if const[0, P.L2_OVER_NORM] else 1.0
    for l2, (W, _), (dW, _) in zip(const[1:, P.L2], views(plan, theta), views(plan, grad), strict=True):
        if l2 > 0:
            penalty += 0.5 * l2 / divisor * float(np.square(W, dtype=np.float64).sum())
            dW += theta.dtype.type(l2 / divisor) * W
    return penalty


def clip(const, grad):
    """Scale grad down to the clip norm, where one is set and exceeded."""
    limit = const[0, P.CLIP_NORM]
    if limit > 0:
        size = float(np.sqrt(np.square(grad, dtype=np.float64).sum()))
        if size > limit:
            grad *= grad.dtype.type(limit / size)


def batch_gradient(
    plan, const, loss, theta, X, indices, indptr, T, weights, rows, norm, key, t, grad, parts, threads
):
    """Write the gradient of the loss of the given rows to grad, (data loss, penalty) to parts; return their sum."""

    def one_block(rows, grad):
        rows_of_X = Rows(const, X, indices, indptr, rows, theta.dtype)
        kept = dropout_factors(plan, const, key, t, rows, theta.dtype)
        reads, passes = forward(plan, theta, rows_of_X, kept, threads)
        R, dR = passes[-1], np.empty_like(passes[-1])
        value = loss_grad(
            loss, const, R, targets(plan, T, rows, theta.dtype), weights_of(weights, rows), norm, dR
        )
        backward_layers(plan, theta, rows_of_X, kept, reads, passes, dR, grad, NOTHING, threads)
        return value

    parts[0] = by_blocks(rows, grad, one_block)
    parts[1] = regularise(plan, const, theta, norm, grad)
    return float(parts[0] + parts[1])


# ---- programs


def work_size(program, plan, rows, threads):
    return 0


def packed_size(plan):
    return 0


def pack(plan, theta, packed):
    pass


def predict(plan, const, packed, X, indices, indptr, work, out, threads):
    for start in range(0, len(out), BLOCK):
        rows = np.arange(start, min(start + BLOCK, len(out)))
        rows_of_X = Rows(const, X, indices, indptr, rows, packed.dtype)
        _, passes = forward(plan, packed, rows_of_X, {}, threads)
        link(plan[0, P.LINK], passes[-1], out[rows[0] : rows[-1] + 1])


def evaluate(plan, const, loss, theta, X, indices, indptr, T, weights, norm, work, threads):
    def one_block(rows, _):
        _, passes = forward(plan, theta, Rows(const, X, indices, indptr, rows, theta.dtype), {}, threads)
        T_rows = targets(plan, T, rows, theta.dtype)
        return loss_grad(loss, const, passes[-1], T_rows, weights_of(weights, rows), norm, NOTHING)

    return by_blocks(np.arange(n_rows(X, indptr)), NOTHING, one_block)


def surface(
    plan, const, loss, theta, D, points, X, indices, indptr, T, weights, norm, work, out, threads
):
    act = plan[1, P.ACT]
    out[...] = 0
    for start in range(0, n_rows(X, indptr), BLOCK):
        rows = np.arange(start, min(start + BLOCK, n_rows(X, indptr)))
        rows_of_X = Rows(const, X, indices, indptr, rows, theta.dtype)
        T_rows, weights_rows = targets(plan, T, rows, theta.dtype), weights_of(weights, rows)
        products = np.empty((3, len(rows), plan[1, P.N_OUT]), theta.dtype)
        for at, product in zip((theta, *D), products, strict=True):
            W, b = next(views(plan, at))
            rows_of_X.forward(W, b, IDENTITY, product, NOTHING, threads)
        for i, (a, b) in enumerate(points.astype(theta.dtype)):
            Y = products[0] + a * products[1] + b * products[2]
            activation(act, Y, Y)
            layers = views(plan, theta + a * D[0] + b * D[1])
            next(layers)
            for layer, (W, bias) in enumerate(layers, start=2):
                A, Y = Y, np.empty((len(rows), W.shape[1]), theta.dtype)
                dense_forward(A, W, bias, plan[layer, P.ACT], Y, NOTHING, threads)
            out[i] += loss_grad(loss, const, Y, T_rows, weights_rows, norm, NOTHING)


def gradient(
    plan, const, loss, theta, X, indices, indptr, T, weights, norm, key, t, grad, work, parts, threads
):
    rows = np.arange(n_rows(X, indptr))
    return batch_gradient(
        plan, const, loss, theta, X, indices, indptr, T, weights, rows, norm, key, t, grad, parts, threads
    )


def backward(plan, const, theta, X, indices, indptr, dY, grad, dX, work, threads):
    def one_block(rows, grad):
        span = slice(rows[0], rows[-1] + 1)
        rows_of_X = Rows(const, X, indices, indptr, rows, theta.dtype)
        reads, passes = forward(plan, theta, rows_of_X, {}, threads)
        Y = np.empty_like(passes[-1])
        link(plan[0, P.LINK], passes[-1], Y)
        dR = dY[span].copy()
        LINKS[plan[0, P.LINK]].backward(Y, dR)
        block_dX = dX[span] if dX.size else NOTHING
        backward_layers(plan, theta, rows_of_X, {}, reads, passes, dR, grad, block_dX, threads)
        if dX.size:
            block_dX *= theta.dtype.type(const[0, P.INPUT_SCALE])
        return 0.0

    by_blocks(np.arange(n_rows(X, indptr)), grad, one_block)


def train(
    plan, const, loss, rule, hyper, t, theta, grad, state,
    X, indices, indptr, T, weights, order, starts, key, work, losses, threads,
):  # fmt: skip
    for i in range(len(starts) - 1):
        rows = order[starts[i] : starts[i + 1]]
        norm = float(weights[rows].sum(dtype=np.float64)) if weights.size else float(len(rows))
        value = batch_gradient(
            plan, const, loss, theta, X, indices, indptr, T, weights, rows, norm or 1.0, key, t + i, grad,
            losses[i], threads,
        )  # fmt: skip
        if not np.isfinite(value):
            return i
        clip(const, grad)
        update(plan, rule, hyper[i], t + i, theta, grad, state)
    return len(starts) - 1


KERNELS = Kernels(
    name="numpy",
    dot=quiet(dot),
    matmul=quiet(matmul),
    elementary=quiet(elementary),
    activation=quiet(activation),
    activation_grad=quiet(activation_grad),
    link=quiet(link),
    dense_forward=quiet(dense_forward),
    dense_backward=quiet(dense_backward),
    loss_grad=quiet(loss_grad),
    update=quiet(update),
    work_size=work_size,
    packed_size=packed_size,
    pack=pack,
    predict=quiet(predict),
    evaluate=quiet(evaluate),
    gradient=quiet(gradient),
    surface=quiet(surface),
    backward=quiet(backward),
    train=quiet(train),
)

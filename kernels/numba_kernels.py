"""The Numba backend: jitted programs around the formulas of level 0.  The contract is in ``table.py``.

Each program is one compiled function without the GIL; a whole slice of batches is one call.  Products go through
``np.dot`` on contiguous operands, which is SciPy's BLAS, so rows are first gathered into ``work`` (CSR rows are used
where they lie); ``numba_layers.py`` has what happens around a product, ``numba_formulas.py`` the loops per formula,
``numba_cache.py`` how all of it is compiled once and kept.  Import this module only where the backend is asked for: it
needs Numba and SciPy, and raises ImportError where one is missing.
"""

from __future__ import annotations

import dataclasses
import functools

import numpy as np

try:
    import numba  # noqa: F401 - named here, so that its absence is told clearly
    import scipy.linalg.cython_blas  # noqa: F401 - np.dot in compiled code calls it
except ImportError as error:
    raise ImportError(f"the numba backend needs numba and scipy ({error})") from error

from . import numpy_kernels
from . import plan as P
from .activations import ACTIVATIONS, BY_NAME, IDENTITY, INPUT
from .elementary import FUNCTIONS
from .losses import CATEGORICAL, LINKS
from .numba_cache import Program
from .numba_formulas import ACTIVATE, ADDRESSES, BACKWARD, FUNCTION, LINK, LOSS, PROGRAM, STEP, run
from .numba_layers import (
    LINK_EXP,
    LINK_IDENTITY,
    LINK_SOFTMAX,
    SPARSE,
    add,
    backward_layers,
    batch_gradient,
    fill,
    finish_backward,
    finish_forward,
    forward,
    link_backward,
    loss_of,
    most_rows,
    row,
    sum_of_squares,
    tile_rows,
    update_theta,
)
from .numpy_kernels import quiet
from .updates import N_HYPER

program = functools.partial(Program, **PROGRAM)


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
            y = row(R, i, n_out)
            for j in range(n_out):
                out[start + i, j] = y[j]


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
            r, y, to = row(R, i, n_out), row(Y, i, n_out), row(d, i, n_out)
            for j in range(n_out):
                y[j] = r[j]
                to[j] = dY[start + i, j]
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
                x = row(d, i, n_in)
                for j in range(n_in):
                    dX[start + i, j] = x[j] * scale


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
def map_program(loops, code, flat):
    run(loops[code], (flat, flat.size))


@program
def activation_grad_program(loops, act, flat, YZ):
    run(loops[BACKWARD + act], (flat, YZ, flat.size))


@program
def link_program(loops, code, flat, m, n):
    run(loops[LINK + code], (flat, m, n))


@program
def finish_forward_program(loops, act, b, flat, kept, m, n):
    finish_forward(loops, act, b, flat, kept, m, n)


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
TANH = BY_NAME["tanh"].code
LOGARITHMS = {function.code for function in FUNCTIONS if function.name in ("log", "log1p")}
LONG = 4096  # elements: above, NumPy's logarithms, by AVX-512, outweigh the shorter way to a loop
SMALL = 2048  # elements: up to here NumPy's own tanh, in a table, outweighs one pass for three
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

    __slots__ = "array", "flat", "matrix"

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
    return (x if x.flags.c_contiguous else np.ascontiguousarray(x)).reshape(-1)


def map_by(index, x, y):
    if y.flags.fnc:  # elements know no order: columns are rows of the transpose
        x, y = x.T, y.T
    result, char = Flat(y, x), y.dtype.char
    map_program[char](ADDRESSES.of(char, (index,)), index, result.flat)
    result.done()


def elementary(code, x, y):
    if code in LOGARITHMS and y.size > LONG:
        with np.errstate(all="ignore"):
            y[...] = FUNCTIONS[code].f(x)
        return
    map_by(FUNCTION + code, x, y)


def activation(act, x, y):
    map_by(ACTIVATE + act, x, y)


def activation_grad(act, yz, dy, dx):
    if dx.flags.fnc:
        yz, dy, dx = yz.T, dy.T, dx.T
    result, char = Flat(dx, dy), dx.dtype.char
    activation_grad_program[char](ADDRESSES.of(char, (BACKWARD + act,)), act, result.flat, flat(yz))
    result.done()


def link(code, R, Y):
    if code == LINK_IDENTITY:
        Y[...] = R
        return
    # one call of NumPy's exp, or rows of one element, over which there is nothing to vectorise
    if code == LINK_EXP or (code == LINK_SOFTMAX and R.shape[1] == 1):
        with np.errstate(all="ignore"):
            LINKS[code].forward(R, Y)
        return
    result, char = Flat(Y, R), Y.dtype.char
    link_program[char](ADDRESSES.of(char, (LINK + code,)), code, result.flat, *Y.shape)
    result.done()


@quiet
def dense_forward(X, W, b, act, Y, Z, threads):
    np.matmul(X, W, out=Y)
    if act == IDENTITY or (act == TANH and (Y.size <= SMALL or Y.shape[1] == 1)):  # NumPy passes over Y as often
        return numpy_kernels.finish_forward(b, act, Y, Z)
    result, char = Flat(Y, Y), Y.dtype.char
    before = Flat(Z if ACTIVATIONS[act].reads == INPUT else Z[:0])
    finish_forward_program[char](
        ADDRESSES.of(char, (ACTIVATE + act,)), act, flat(b), result.flat, before.flat, *Y.shape
    )
    result.done()
    before.done()


@quiet
def dense_backward(X, W, YZ, dY, act, dX, dW, db, threads):
    dZ = dY
    if act == IDENTITY:
        if db.size:
            dY.sum(axis=0, out=db)
    else:
        result, column_sums, char = Flat(dY, dY), Flat(db), dY.dtype.char
        finish_backward_program[char](
            ADDRESSES.of(char, (BACKWARD + act,)), act, flat(YZ), result.flat, column_sums.flat, *dY.shape
        )
        result.done()
        column_sums.done()
        dZ = result.matrix
    if dW.size:
        np.matmul(X.T, dZ, out=dW)
    if dX.size:
        np.matmul(dZ, W.T, out=dX)


def loss_grad(loss, const, R, T, weights, norm, dR):
    if R.shape[1] == 1 and loss == CATEGORICAL and len(R) > 256:  # the loop goes row by row
        return numpy_kernels.KERNELS.loss_grad(loss, const, R, T, weights, norm, dR)
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
    elementary=elementary,
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

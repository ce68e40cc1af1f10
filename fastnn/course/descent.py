"""Whole trainings: the notes' loops in the compiled program, many iterations to a call.

Design note
-----------
A. Full-batch gradient descent moves W1 by multiples of dZ1 X^T, so never out of the span of the examples.  With
   X = Q R, the columns of Q orthonormal, V = W1 Q and R in place of W1 and X give the same products (W1 X = V R), V
   moves by gradient descent on R (dV = dZ1 R^T = dW1 Q), and at the end W1 has moved by (V_end - V_start) Q^T.  For m
   examples of n_x > m features an iteration then reads m^2 numbers and not n_x m: for 209 pictures of 12288 numbers
   350 kB, which stay in the cache, and not 20 MB.  It is the same training in other coordinates, not an approximation;
   rounding is that of any other order of sums.
B. This holds for rules that are linear in the gradient (gd, momentum) on full batches, without a penalty on W1.
   Everything else goes through X itself.  The program gathers columns entry by entry, each from a cache line of its
   own, which for 784-20-7-5-1 took longer than all else.  So up to WORKING_BYTES a copy by rows is made, once per
   training; larger X is read where it is, in any strides.
C. Q is found by Gram-Schmidt on the kernels' own products, repeated until a vector stops losing length ("twice is
   enough": Giraud, Langou, Rozloznik 2005), a block of examples at a time.  Examples that depend on others give R no
   row.  LAPACK's QR would serve as well, but many small threaded BLAS calls stall for seconds on a busy machine.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from fastnn.kernels.plan import make_const
from fastnn.kernels.updates import BY_NAME, LR, N_HYPER

from .. import backends, engine
from ..arrays import Array, aligned
from ..backends import threads_for
from ..checks import real, whole
from ..errors import DivergenceError
from ..network import Network
from .columns import as_finite, as_targets, generator, product

__all__ = ["Batches", "Trained", "descend", "full_batches"]

SLICE_SECONDS = 0.05  # between two looks at Ctrl-C, as in the engine
ORDER_ELEMENTS = 1 << 18  # of the row indices of one call: 2 MB, and beside m rows of work nothing
WORKING_BYTES = 1 << 28  # of Q or of a copy of X, beyond which X is read where it is
LEAST_RATIO = 2  # of features to examples, from which on other coordinates pay
NARROW = 6  # units: fewer in the first layer cost as much, for an iteration reads all of X (3 ms for 209 x 12288)
SHORT = 0.01  # of its first length: what is left of a vector is then made orthogonal to all, not to its block alone
BLOCK = 32  # examples orthogonalised together: their rows stay in L2 or L3 while the block is worked on


class Batches(NamedTuple):
    """Batches to train on one after another.

    Batch i is the rows ``order[starts[i] : starts[i + 1]]``, its update takes row i of ``hyper`` (kernels/updates.py).
    """

    order: Array
    starts: Array
    hyper: Array


class Trained(NamedTuple):
    """W (n_l, n_(l-1)) and b (n_l, 1) of every layer, and the cost of each batch before its update."""

    weights: list[Array]
    biases: list[Array]
    costs: Array


def full_batches(m: int, iterations: int, rate: float) -> Iterable[Batches]:
    """Yield so many full batches of m examples for plain descent, as many at a time as one call shall take."""
    at_once = max(1, min(iterations, ORDER_ELEMENTS // m))
    order, starts, hyper = np.tile(np.arange(m), at_once), np.arange(at_once + 1) * m, np.zeros((at_once, N_HYPER))
    hyper[:, LR] = rate
    for done in range(0, iterations, at_once):
        n = min(at_once, iterations - done)
        yield Batches(order[: n * m], starts[: n + 1], hyper[:n])


def descend(
    weights: Sequence[Array], biases: Sequence[Array], X: Array, Y: Array, *, activation: str, output: str,
    batches: Iterable[Batches], rule: str = "sgd", full: int = 0, penalty: float = 0.0, dropout: float = 0.0,
    seed: int | None = None,
) -> Trained:  # fmt: skip
    """Train a network on columns; nothing given is changed.

    Parameters
    ----------
    weights, biases : sequences of ndarray, shapes (n_l, n_(l-1)) and (n_l, 1)
        Where to start.
    X, Y : ndarray, shapes (n_x, m) and (n_y, m)
    activation, output : str
        Of the hidden layers and of the last.
    batches : iterable of Batches
    rule : {"sgd", "momentum", "adam"}
    full : int
        How many full batches ``batches`` are, where they are nothing else, or 0.
    penalty : float
        lambda of  lambda / (2 m) sum W^2  added to the cost, m the examples of the batch.
    dropout : float
        Share of each hidden layer's outputs dropped.
    seed : int or None
        Of the dropout masks.

    Raises
    ------
    ValueError
        If X and Y hold what is not finite.
    DivergenceError
        If the cost or a parameter stops being finite; the message names the iteration.
    """
    X, Y = as_finite(X, "X"), as_finite(Y, "Y")
    start = list(weights)
    n_1, n_x = start[0].shape
    m = X.shape[1]
    coordinates = None
    if (
        full * max(n_1, NARROW) >= LEAST_RATIO * m and n_x >= LEAST_RATIO * m and not penalty
        and rule in ("sgd", "momentum") and 8 * n_x * m <= WORKING_BYTES
    ):  # fmt: skip
        coordinates = orthonormal(X)
    if coordinates is None:
        return _descend(start, biases, X, Y, activation, output, batches, rule, penalty, dropout, seed)
    Q, R = coordinates
    V = product(start[0], Q.T)
    made = _descend([V, *start[1:]], biases, R, Y, activation, output, batches, rule, penalty, dropout, seed)
    made.weights[0] = start[0] + product(made.weights[0] - V, Q)
    return made


def orthonormal(X: Array) -> tuple[Array, Array]:
    """Return Q (r, n_x) of orthonormal rows and R (r, m) with X = Q^T R, r the rank of X (n_x, m) or a little more."""
    n_x, m = X.shape
    Q, R = np.empty((m, n_x)), np.zeros((m, m))
    r = 0
    for first in range(0, m, BLOCK):
        rows = np.array(X[:, first : first + BLOCK].T, np.float64, order="C")
        lengths = [_length(row) for row in rows]
        earlier = r
        for _ in range(2 if r else 0):
            _project_out(rows, Q[:r], R[:r, first : first + BLOCK])
        for i, row in enumerate(rows):
            column, length, before, narrow = first + i, _length(row), math.inf, True
            # A remainder of rounding alone has no direction worth keeping: what it leaves out of X is rounding, too.
            noise, short = 4 * np.finfo(np.float64).eps * lengths[i], SHORT * lengths[i]
            while length > noise and (length < 0.5 * before or (narrow and length < short)):
                before, narrow = length, length >= short
                low = earlier if narrow else 0
                if r > low:
                    _project_out(row.reshape(1, -1), Q[low:r], R[low:r, column : column + 1])
                    length = _length(row)
            if length > noise:
                np.divide(row, length, out=Q[r])
                R[r, column] = length
                r += 1
    r = max(r, 1)  # all examples may be zero
    if not R.any():
        Q[0], Q[0, 0] = 0.0, 1.0
    return Q[:r], R[:r]


def _length(row: Array) -> float:
    return math.sqrt(backends.kernels().dot(row, row))


def _project_out(rows: Array, Q: Array, coefficients: Array) -> None:
    """Take out of the rows what lies in the span of Q, and add how much to the coefficients, a row per row of Q."""
    inside = product(rows, Q.T)
    rows -= product(inside, Q)
    coefficients += inside.T


def _descend(
    weights: Sequence[Array], biases: Sequence[Array], X: Array, Y: Array, activation: str, output: str,
    batches: Iterable[Batches], rule: str, penalty: float, dropout: float, seed: int | None,
) -> Trained:  # fmt: skip
    net = Network.from_weights(
        [W.T for W in weights], [b.reshape(-1) for b in biases], activation=activation, output=output, dtype="float64"
    )
    Y = as_targets(Y, net.sizes[-1], X.shape[1])
    rows = X.T
    if rows.strides[1] != rows.itemsize and 8 * rows.size <= WORKING_BYTES:
        rows = np.ascontiguousarray(rows)
    kernels, data = backends.kernels(), engine.encode(net, rows, Y.T)
    update = BY_NAME[rule]
    slots = aligned((update.slots, net.n_parameters), net.dtype)
    slots[...] = 0
    const = make_const(net.plan, l2=penalty, dropout=dropout, l2_over_norm=True)
    key = int(generator(seed).randint(2**31)) if dropout else 0
    grad, work, size = aligned(net.n_parameters, net.dtype), np.empty(0), 0
    costs: list[Array] = []
    at_once, finished = 1, 0
    for order, starts, hyper in batches:
        longest = int(np.diff(starts).max())
        threads = threads_for(6.0 * net.n_parameters * longest, None)
        needed = kernels.work_size("train", net.plan, longest, threads)
        if needed > size:
            work, size = aligned(needed, net.dtype), needed
        losses = np.full((len(starts) - 1, 2), np.nan)
        i = 0
        while i < len(losses):
            j = min(i + at_once, len(losses))
            began = time.perf_counter()
            done = kernels.train(
                net.plan, const, net.loss_code, update.code, hyper[i:j], finished, net.theta, grad, slots,
                *data.X[:3], data.targets.T, data.weights, order, starts[i : j + 1], key, work, losses[i:j], threads,
            )  # fmt: skip
            finished += done
            if done < j - i:
                raise DivergenceError(_diverged(f"the cost became {losses[i + done].sum():g}", finished, hyper[-1, LR]))
            wanted = done * SLICE_SECONDS / max(time.perf_counter() - began, 1e-9)
            at_once = int(min(max(wanted, 1), 4 * done))
            i = j
        costs.append(losses.sum(axis=1))
    if not np.isfinite(net.theta).all():
        raise DivergenceError(_diverged("a parameter stopped being finite", finished, hyper[-1, LR]))
    return Trained(
        [W.T.copy() for W in net.weights], [b.reshape(-1, 1).copy() for b in net.biases],
        np.concatenate(costs) if costs else np.empty(0),
    )  # fmt: skip


def _diverged(what: str, iteration: int, rate: float) -> str:
    return (
        f"iteration {iteration}: {what}. Try a smaller learning rate (it was {rate:g}), or inputs of mean 0 and "
        "standard deviation 1."
    )


def checked(learning_rate: object, num_iterations: object) -> tuple[float, int]:
    """Return a learning rate >= 0 and a number of iterations >= 0, or raise."""
    return real(learning_rate, "learning_rate", 0), whole(num_iterations, "num_iterations")

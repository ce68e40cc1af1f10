"""What a backend is: a flat record of functions.  This file is the one full contract of every kernel.

A backend starts as the reference table (``numpy_kernels.KERNELS``) with entries replaced, so a half-finished one is
already correct.  Kernels see only arrays, ints and floats; compiled ones never allocate, validate, print or raise, so
every caller owes what is written here.  All arguments are positional.

Notation
--------
Arrays of *theta's dtype* are all float32 or all float64.  *Any strides* includes negative, zero and Fortran order.
"Empty" is an array of size 0 and of the same dtype and number of dimensions as the full one; it stands for "not there"
or "not wanted".  Nothing is written but what is named as written.  Outputs do not overlap inputs, except where aliasing
is allowed.

plan, const : the tables of ``plan.py``; int64 and float64, C-contiguous.
theta, grad : (n_parameters,), contiguous, theta's dtype.
X, indices, indptr : m rows of input, either
    dense: X (m, n_in) of float32, float64 or uint8, whatever theta's dtype, any strides, and both indices and indptr
    empty (int32); or
    CSR: X (1, nnz) of float32, float64 or uint8, contiguous, indices (nnz,) and indptr (m + 1,), both int32 or both
    int64, contiguous.  Duplicate entries add up; columns need no order.
    A row is converted to theta's dtype and then multiplied by const's input scale, in theta's dtype, as it is gathered.
T : targets, (m, n_out) of theta's dtype, or (m, 1) int32 class labels in 0 ... n_out - 1, which stand for one-hot rows;
    C-contiguous.
weights : (m,) sample weights, theta's dtype, contiguous, not negative; or empty, for ones.
norm : float > 0, the divisor of the summed loss; the batch's total weight for a mean.
work : (work_size(...),) scratch of theta's dtype, contiguous, content undefined before and after.
packed : (packed_size(plan),) from ``pack``; where packed_size is 0, theta itself.
key, t : dropout's key, 0 <= key < 2^63, and the number of steps done before; both int.
threads : int >= 1, how many threads may work.
act, code, loss, rule : the codes of ``activations.py``, ``losses.py`` (links and losses), ``updates.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


def declines(kind: int, code: int, x: object, y: object) -> bool:
    """Return False: a backend without a ``map_plain`` of its own."""
    return False


@dataclass(frozen=True)
class Kernels:
    """A backend: its name and its functions.  Use ``dataclasses.replace`` to derive one from another."""

    name: str

    dot: Callable[..., float]
    """dot(x, y) -> float

    sum_i x_i y_i of two vectors of one dtype (float32 or float64), any strides."""

    matmul: Callable[..., None]
    """matmul(A, B, C, accumulate, threads)

    C = A B, or C += A B where ``accumulate`` (bool).  A (m, k), B (k, n), C (m, n) of one dtype, any strides, k may
    be 0.  C is written and overlaps neither A nor B."""

    elementary: Callable[..., None]
    """elementary(code, x, y)

    y = f(x) for a code of ``elementary.FUNCTIONS``, 2-D of one dtype, any strides.  y is written; it may be x."""

    activation: Callable[..., None]
    """activation(act, x, y)

    y = f(x), 2-D of one dtype, any strides.  y is written; it may be x."""

    activation_grad: Callable[..., None]
    """activation_grad(act, yz, dy, dx)

    dx = dy f'(.), where yz is the output y or the input z of f, whichever f' ``reads``.  2-D of one dtype, any strides.
    dx is written; it may be dy."""

    link: Callable[..., None]
    """link(code, R, Y)

    Output Y of the raw prediction R, both (m, n_out) of one dtype, any strides.  Y is written; it may be R."""

    dense_forward: Callable[..., None]
    """dense_forward(X, W, b, act, Y, Z, threads)

    Z = X W + b, Y = f(Z).  X (m, n_in), W (n_in, n_out), Y (m, n_out), any strides; b (n_out,) or empty.  Y is written;
    Z (m, n_out) is written where f' reads the input and Z is not empty, else left alone."""

    dense_backward: Callable[..., None]
    """dense_backward(X, W, YZ, dY, act, dX, dW, db, threads)

    dZ = dY f'(YZ), dX = dZ W^T, dW = X^T dZ, db = column sums of dZ.  YZ is Y or Z as f' reads.  dY is overwritten by
    dZ.  dX, dW, db are written, each where not empty; X may be empty where dW is."""

    loss_grad: Callable[..., float]
    """loss_grad(loss, const, R, T, weights, norm, dR) -> float

    sum_i w_i l(R_i, T_i) / norm, accumulated in float64, where l sums a row's elements.  R and T (m, n_out) of one
    dtype, C-contiguous (T never labels here), weights (m,) or empty.  dR (m, n_out), C-contiguous, is written with the
    gradient where not empty; it may be R."""

    update: Callable[..., None]
    """update(plan, rule, hyper_row, t, theta, grad, state)

    One step of a rule, the (t + 1)-th: weights (not biases) times 1 - lr decay, then the rule on every parameter.
    hyper_row (N_HYPER,) float64, state (slots, n_parameters), theta's dtype, C-contiguous.  theta and state are
    written."""

    work_size: Callable[..., int]
    """work_size(program, plan, rows, threads) -> int

    Elements of ``work`` for a program ("predict", "evaluate", "gradient", "surface", "backward", "train"), for m =
    ``rows`` rows of X, for train of the largest batch.  Bounded whatever m is: programs work on tiles of rows."""

    packed_size: Callable[..., int]
    """packed_size(plan) -> int

    Elements of ``packed``; 0 where predict reads theta itself."""

    pack: Callable[..., None]
    """pack(plan, theta, packed)

    Write the weights to packed in the form that predict wants.  Nothing where packed_size is 0."""

    predict: Callable[..., None]
    """predict(plan, const, packed, X, indices, indptr, work, out, threads)

    out = link of the last layer's output; (m, n_out) of theta's dtype, any strides, written.  No dropout."""

    evaluate: Callable[..., float]
    """evaluate(plan, const, loss, theta, X, indices, indptr, T, weights, norm, work, threads) -> float

    The data loss, as loss_grad returns it.  No dropout, no penalty."""

    gradient: Callable[..., float]
    """gradient(plan, const, loss, theta, X, indices, indptr, T, weights, norm, key, t, grad, work, parts, threads)
    -> float

    The loss that train minimises and its gradient, of all rows: data loss + penalty, penalty = sum_l l2_l / 2 |W_l|^2,
    divided by norm where const says so.  Dropout where const has rates, with row i of X as row i.  grad is written;
    parts (2,) float64 is written with (data loss, penalty); their sum is returned.  No clipping.  With m = 0 the data
    loss is 0."""

    surface: Callable[..., None]
    """surface(plan, const, loss, theta, D, points, X, indices, indptr, T, weights, norm, work, out, threads)

    The data loss over a plane: out[i] = evaluate's result at theta + a D[0] + b D[1], (a, b) = points[i].  D
    (2, n_parameters), theta's dtype, points (n, 2) float64, out (n,) float64, all C-contiguous; out is written.  The
    first layer's products are taken once for all points, X (W0 + a W1 + b W2) = X W0 + a X W1 + b X W2, so out agrees
    with evaluate to rounding.  No dropout, no penalty."""

    backward: Callable[..., None]
    """backward(plan, const, theta, X, indices, indptr, dY, grad, dX, work, threads)

    For a loss of the caller's: dY (m, n_out) is d loss / d output (behind the link), theta's dtype, any strides, read
    only.  grad is written where not empty with d loss / d theta (no penalty), dX (m, n_in) of theta's dtype, any
    strides, where not empty with d loss / d X, of X as given, before the input scale.  No dropout."""

    train: Callable[..., int]
    """train(plan, const, loss, rule, hyper, t, theta, grad, state, X, indices, indptr, T, weights, order, starts, key,
    work, losses, threads) -> int

    For each batch i < n = len(starts) - 1: the gradient of rows order[starts[i] : starts[i + 1]] with norm their total
    weight (1 where that is 0), dropout with t + i and the rows' indices in X, clipping, update with hyper[i] and t + i.
    order int64, contiguous, any selection of rows, repeats allowed; starts int64, contiguous, not decreasing, within
    order; an empty batch has data loss 0 and still updates.  hyper (n, N_HYPER) float64, C-contiguous.  losses (n, 2)
    float64, C-contiguous, is written with (data loss, penalty) of each batch before its update.  theta and state are
    written, grad is scratch.  Stops before the update of a batch whose loss is not finite.  Returns the batches
    finished: n, or the index of that batch."""

    map_plain: Callable[..., bool] = declines
    """map_plain(kind, code, x, y) -> bool

    The short way for whole arrays: ``activation`` (kind 0) or ``elementary`` (kind 1) of x into y, which may be any
    objects.  Where both are ndarrays of one float32 or float64 dtype and shape, native, aligned, C-contiguous, y
    writable, and y is x or does not overlap it, y is written and True returned; else nothing is done and False
    returned, and the caller takes the long way.  A backend may always decline."""

    frozen: type[Any] | None = None
    """A class to derive a predictor from, or None: its quick door for calls that need no thought.

    freeze(plan, const, theta, rows_alone, threads) takes a snapshot; it keeps the arrays, which nobody writes any more,
    and may pack theta in a form of its own.  A call ``f(x, out=None)`` then answers as ``predict`` does (a single row
    to rounding, as its sums may be taken in another order), or hands on to the deriving class's ``general(x, out)``,
    which knows every form of x and raises the errors.  ``row(x)`` is for the latter: the outputs of one row, (n_in,) of
    float32, float64 or uint8, any strides, as a call gives them.  Above rows_alone rows, where threads is 0, it asks
    ``threads_for(rows)`` how many threads may work.  Any number of Python threads may call and freeze at once."""

    stepper: Callable[..., Any] | None = None
    """stepper(plan, const, loss, rule, grad, key, classes, domain, rows_alone, threads, threads_for) -> object, or None

    The quick door of a trainer, with work space of its own: ``step(X, y, hyper_row, t, theta, state) -> float | None``
    is ``train`` with one batch of all rows and no weights.  X and y are whatever the user gave.  None means that
    nothing was done, because they are not plain arrays or something is wrong with them, and the general way must be
    taken; else the float is the loss, and ``outcome`` says 0 done, 1 the loss is not finite and nothing was changed,
    2 a parameter is no longer finite; ``is_matrix`` says that y was a matrix where labels would have done.  classes
    (bool): y may be labels; domain: what the loss takes, as in targets.py.  grad is scratch.  rows_alone, threads and
    threads_for as for ``frozen``.  One thread at a time."""

    shuffle: Callable[..., None] | None = None
    """shuffle(order, next_uint32, generator, is_twister), or None

    The quick way of ``numpy.random.RandomState.shuffle(order)``, and of a Generator's: order is written, int64,
    contiguous, of at most 2^31 entries.  next_uint32 and generator are addresses, of the function that gives a bit
    generator's next 32 bits and of what it takes, from ``BitGenerator.ctypes``; whoever calls holds the generator's
    lock.  is_twister (bool): that is a Mersenne Twister's state, 624 words of 32 bits and an int32, which of them is
    next; 624 where none is left."""

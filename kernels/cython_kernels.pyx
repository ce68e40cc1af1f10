"""The compiled backend's door: from arrays to pointers, and the table of functions.  ``table.py`` has the contract.

The CPU target is chosen once, when this module is imported: the best that this build and this processor have, or the
one that the environment variable FASTNN_ISA names.  The dtype of theta picks the float or the double table of C
functions at each call.  The GIL is released where a call has more than about two microseconds of work.

Rooms: ``c_kernels.pxi`` what C offers, ``layout.pxi`` tiles and work space; a step ``tiles.pxi`` by tiles of rows,
``bands.pxi`` by bands of them, ``layers.pxi`` layer by layer, ``slabs.pxi`` by slabs of a wide first layer;
``programs.pxi`` the programs that learn, ``infer.pxi`` those that do not, ``surface.pxi`` the error surface,
``shuffle.pxi`` an order, ``timing.pxi`` pieces timed inside C; the quick doors ``frozen.pxi`` of a predictor,
``stepper.pxi`` of a trainer.
"""

cimport cython
cimport numpy as cnp
from cpython.mem cimport PyMem_RawFree, PyMem_RawMalloc
from cpython.ref cimport PyObject
from libc.math cimport isfinite, sqrt
from libc.stdint cimport int64_t, uint32_t
from libc.string cimport memcpy, memset

import os

import numpy as np

from .activations import ACTIVATIONS, INPUT
from .table import Kernels
from .updates import N_HYPER

cnp.import_array()

include "c_kernels.pxi"
include "layout.pxi"
include "tiles.pxi"
include "bands.pxi"
include "layers.pxi"
include "slabs.pxi"
include "programs.pxi"
include "infer.pxi"
include "surface.pxi"
include "shuffle.pxi"

cdef enum:
    WORTH_RELEASING = 40_000    # multiply-adds: about two microseconds
    MOST_THREADS = 256          # as atomics.h has it

cdef const fnn_kernels *FLOAT = NULL
cdef const fnn_kernels *DOUBLE = NULL
cdef int READS[64]              # by activation code: f' reads its input
cdef i64 RELU = next(entry.code for entry in ACTIVATIONS if entry.name == "relu")


cdef choose_target():
    """Set the tables of C functions for FASTNN_ISA; ImportError where it names none of this build and processor."""
    global FLOAT, DOUBLE
    wanted = os.environ.get("FASTNN_ISA", "").strip()
    name = wanted.encode()
    FLOAT = fnn_select(name, 0)
    DOUBLE = fnn_select(name, 1)
    if FLOAT == NULL or DOUBLE == NULL:
        have = ", ".join(targets()) or "none: it needs x86-64-v2 or newer"
        raise ImportError(
            f"FASTNN_ISA={wanted!r} names no CPU target that this build and this processor have ({have}). "
            "Unset FASTNN_ISA to take the best."
        )


cdef tuple targets():
    cdef const char *const *names = fnn_targets()
    cdef list found = []
    while names[len(found)] != NULL:
        found.append(names[len(found)].decode())
    return tuple(found)


# ---- from arrays to pointers


cdef struct Matrix:
    char *data
    i64 rows
    i64 cols
    i64 row                     # strides, in elements
    i64 col


cdef inline const fnn_kernels *table_for(cnp.ndarray a) noexcept:
    return DOUBLE if cnp.PyArray_TYPE(a) == cnp.NPY_FLOAT64 else FLOAT


cdef inline char *pointer(cnp.ndarray a) noexcept:
    """Return the data, or NULL of an empty array."""
    return <char *>cnp.PyArray_DATA(a) if cnp.PyArray_SIZE(a) > 0 else NULL


cdef inline Matrix matrix(cnp.ndarray a) noexcept:
    cdef Matrix view
    cdef i64 item = cnp.PyArray_ITEMSIZE(a)
    view.data = pointer(a)
    view.rows, view.cols = cnp.PyArray_DIM(a, 0), cnp.PyArray_DIM(a, 1)
    view.row, view.col = cnp.PyArray_STRIDE(a, 0) // item, cnp.PyArray_STRIDE(a, 1) // item
    return view


cdef inline int x_dtype(cnp.ndarray X) noexcept:
    cdef int number = cnp.PyArray_TYPE(X)
    return FNN_FLOAT32 if number == cnp.NPY_FLOAT32 else FNN_FLOAT64 if number == cnp.NPY_FLOAT64 else FNN_UINT8


cdef inline int threads_of(object threads) except -1:
    cdef i64 wanted = threads
    return <int>at_most(at_least(wanted, 1), MOST_THREADS)


cdef void start_job(
    Job *j, cnp.ndarray plan, cnp.ndarray consts, cnp.ndarray theta, cnp.ndarray X, cnp.ndarray indices,
    cnp.ndarray indptr, int threads,
) noexcept:
    """Fill in what all programs share; everything else becomes 0."""
    memset(j, 0, sizeof(Job))
    j.k = table_for(theta)
    j.item = j.k.real_bytes
    j.plan = <const i64 *>cnp.PyArray_DATA(plan)
    j.consts = <const double *>cnp.PyArray_DATA(consts)
    j.threads = threads
    j.theta = <char *>cnp.PyArray_DATA(theta)
    j.norm = 1.0
    j.rule = -1
    j.X.x_dtype = x_dtype(X)
    j.X.data = cnp.PyArray_DATA(X)
    j.X.n_in = j.plan[FEATURES]
    j.X.scale = j.consts[INPUT_SCALE]
    if cnp.PyArray_SIZE(indptr) > 0:
        j.X.index_bytes = <int>cnp.PyArray_ITEMSIZE(indptr)
        j.X.indices = cnp.PyArray_DATA(indices)
        j.X.indptr = cnp.PyArray_DATA(indptr)
    else:
        j.X.row_step = cnp.PyArray_STRIDE(X, 0) // cnp.PyArray_ITEMSIZE(X)
        j.X.col_step = cnp.PyArray_STRIDE(X, 1) // cnp.PyArray_ITEMSIZE(X)
        j.in_place = (
            cnp.PyArray_TYPE(X) == cnp.PyArray_TYPE(theta) and j.X.scale == 1 and j.X.col_step == 1
        )


cdef void set_targets(Job *j, int loss, cnp.ndarray T, cnp.ndarray weights) noexcept:
    j.loss = loss
    j.T = <const char *>cnp.PyArray_DATA(T)
    j.labels = cnp.PyArray_TYPE(T) == cnp.NPY_INT32
    j.weights = pointer(weights)


cdef void set_dropout(Job *j, i64 key, i64 t) noexcept:
    cdef i64 layer
    j.key, j.t = key, t
    for layer in range(1, j.plan[N_LAYERS] + 1):
        j.drops |= j.consts[layer * CONST_COLUMNS + DROPOUT] > 0


cdef inline i64 rows_of(cnp.ndarray X, cnp.ndarray indptr) noexcept:
    cdef i64 n = cnp.PyArray_SIZE(indptr)
    return n - 1 if n > 0 else cnp.PyArray_DIM(X, 0)


cdef inline int is_long(Job *j, i64 rows) noexcept:
    return rows * (j.plan[N_PARAMETERS] + 16 * j.plan[UNITS]) > WORTH_RELEASING


# ---- pieces


def dot(cnp.ndarray x not None, cnp.ndarray y not None):
    cdef i64 n = cnp.PyArray_DIM(x, 0), item = cnp.PyArray_ITEMSIZE(x)
    cdef i64 x_step = cnp.PyArray_STRIDE(x, 0) // item, y_step = cnp.PyArray_STRIDE(y, 0) // item
    cdef const fnn_kernels *k = table_for(x)
    cdef const char *x_at = <const char *>cnp.PyArray_DATA(x)
    cdef const char *y_at = <const char *>cnp.PyArray_DATA(y)
    cdef double value
    if n > WORTH_RELEASING:
        with nogil:
            value = k.dot(n, x_at, x_step, y_at, y_step)
    else:
        value = k.dot(n, x_at, x_step, y_at, y_step)
    return value


cdef struct Product:
    const fnn_kernels *k
    Matrix A
    Matrix B
    Matrix C
    int accumulate
    int finish                  # the epilogue is wanted
    fnn_epilogue e
    i64 tile_rows
    i64 tile_columns
    char *scratch
    i64 scratch_step


cdef void product_chunk(void *context, i64 chunk, int participant) noexcept nogil:
    cdef Product *p = <Product *>context
    cdef i64 item = p.k.real_bytes, across = (p.C.cols + p.tile_columns - 1) // p.tile_columns
    cdef i64 row = chunk // across * p.tile_rows, column = chunk % across * p.tile_columns
    cdef i64 m = at_most(p.tile_rows, p.C.rows - row), n = at_most(p.tile_columns, p.C.cols - column)
    cdef fnn_epilogue e = p.e
    if e.bias != NULL:
        e.bias = <const char *>e.bias + column * item
    if e.Z != NULL:
        e.Z = <char *>e.Z + (row * e.z_row + column * e.z_col) * item
    p.k.gemm(
        m, n, p.A.cols, p.A.data + row * p.A.row * item, p.A.row, p.A.col, p.B.data + column * p.B.col * item, p.B.row,
        p.B.col, p.C.data + (row * p.C.row + column * p.C.col) * item, p.C.row, p.C.col, p.accumulate,
        &e if p.finish else NULL, p.scratch + participant * p.scratch_step,
    )


cdef int run_product(Product *p, int threads) except -1:
    """C = A B in tiles, by shape alone; the scratch is the one thing that a piece has to allocate."""
    cdef i64 tiles
    cdef void *memory = NULL
    cdef bint releases = p.C.rows * p.C.cols * p.A.cols > WORTH_RELEASING
    if p.C.rows == 0 or p.C.cols == 0:
        return 0
    layer_grid(p.C.rows, p.C.cols, p.A.cols, &p.tile_rows, &p.tile_columns)
    tiles = ((p.C.rows + p.tile_rows - 1) // p.tile_rows) * ((p.C.cols + p.tile_columns - 1) // p.tile_columns)
    p.scratch_step = round_up(<i64>p.k.gemm_scratch_bytes, ALIGN)
    if p.scratch_step > 0:
        threads = <int>at_most(threads, tiles)
        memory = PyMem_RawMalloc(threads * p.scratch_step + ALIGN)
        if memory == NULL:
            raise MemoryError("no memory for the packed panels of a matrix product")
        p.scratch = aligned(memory)
    if releases:
        with nogil:
            fnn_pool_run(threads, tiles, product_chunk, p)
    else:
        fnn_pool_run(threads, tiles, product_chunk, p)
    PyMem_RawFree(memory)
    return 0


cdef Product product(cnp.ndarray A, cnp.ndarray B, cnp.ndarray C) noexcept:
    cdef Product p
    memset(&p, 0, sizeof(Product))
    p.k = table_for(C)
    p.A, p.B, p.C = matrix(A), matrix(B), matrix(C)
    return p


cdef inline Matrix transposed(Matrix a) noexcept:
    cdef Matrix b
    b.data, b.rows, b.cols, b.row, b.col = a.data, a.cols, a.rows, a.col, a.row
    return b


def matmul(cnp.ndarray A not None, cnp.ndarray B not None, cnp.ndarray C not None, bint accumulate, threads):
    cdef Product p = product(A, B, C)
    p.accumulate = accumulate
    run_product(&p, threads_of(threads))


def elementary(int code, cnp.ndarray x not None, cnp.ndarray y not None):
    cdef Matrix X = matrix(x), Y = matrix(y)
    cdef const fnn_kernels *k = table_for(x)
    if X.rows * X.cols * 16 > WORTH_RELEASING:
        with nogil:
            k.elementary(code, X.rows, X.cols, X.data, X.row, X.col, Y.data, Y.row, Y.col)
    else:
        k.elementary(code, X.rows, X.cols, X.data, X.row, X.col, Y.data, Y.row, Y.col)


def map_plain(int kind, int code, x, y):
    if not (cnp.PyArray_CheckExact(x) and cnp.PyArray_CheckExact(y)):
        return False
    cdef cnp.ndarray a = x, b = y
    cdef int number = cnp.PyArray_TYPE(a)
    cdef i64 n = cnp.PyArray_SIZE(a), bytes_apart = <char *>cnp.PyArray_DATA(b) - <char *>cnp.PyArray_DATA(a)
    cdef const fnn_kernels *k = table_for(a)
    cdef const char *x_at = <const char *>cnp.PyArray_DATA(a)
    cdef char *y_at = <char *>cnp.PyArray_DATA(b)
    if (
        (number != cnp.NPY_FLOAT32 and number != cnp.NPY_FLOAT64) or cnp.PyArray_TYPE(b) != number
        or not cnp.PyArray_ISCARRAY_RO(a) or not cnp.PyArray_ISCARRAY(b) or not cnp.PyArray_SAMESHAPE(a, b)
        or (bytes_apart != 0 and bytes_apart < n * k.real_bytes and -bytes_apart < n * k.real_bytes)
    ):
        return False
    if n * 16 > WORTH_RELEASING:
        with nogil:
            (k.elementary if kind else k.activation)(code, 1, n, x_at, n, 1, y_at, n, 1)
    else:
        (k.elementary if kind else k.activation)(code, 1, n, x_at, n, 1, y_at, n, 1)
    return True


def activation(int act, cnp.ndarray x not None, cnp.ndarray y not None):
    cdef Matrix X = matrix(x), Y = matrix(y)
    cdef const fnn_kernels *k = table_for(x)
    if X.rows * X.cols * 16 > WORTH_RELEASING:
        with nogil:
            k.activation(act, X.rows, X.cols, X.data, X.row, X.col, Y.data, Y.row, Y.col)
    else:
        k.activation(act, X.rows, X.cols, X.data, X.row, X.col, Y.data, Y.row, Y.col)


def activation_grad(int act, cnp.ndarray yz not None, cnp.ndarray dy not None, cnp.ndarray dx not None):
    cdef Matrix R = matrix(yz), G = matrix(dy), D = matrix(dx)
    cdef const fnn_kernels *k = table_for(dx)
    with nogil:
        k.activation_grad(act, D.rows, D.cols, R.data, R.row, R.col, G.data, G.row, G.col, D.data, D.row, D.col)


def link(int code, cnp.ndarray R not None, cnp.ndarray Y not None):
    cdef Matrix A = matrix(R), B = matrix(Y)
    cdef const fnn_kernels *k = table_for(Y)
    with nogil:
        k.link(code, A.rows, A.cols, A.data, A.row, A.col, B.data, B.row, B.col)


def dense_forward(
    cnp.ndarray X not None, cnp.ndarray W not None, cnp.ndarray b not None, int act, cnp.ndarray Y not None,
    cnp.ndarray Z not None, threads,
):
    cdef Product p = product(X, W, Y)
    cdef Matrix kept
    b = np.ascontiguousarray(b)
    p.finish = True
    p.e.bias = pointer(b)
    p.e.act = act
    if READS[act] and cnp.PyArray_SIZE(Z) > 0:
        kept = matrix(Z)
        p.e.Z, p.e.z_row, p.e.z_col = kept.data, kept.row, kept.col
    run_product(&p, threads_of(threads))


def dense_backward(
    cnp.ndarray X not None, cnp.ndarray W not None, cnp.ndarray YZ not None, cnp.ndarray dY not None, int act,
    cnp.ndarray dX not None, cnp.ndarray dW not None, cnp.ndarray db not None, threads,
):
    cdef Matrix dZ = matrix(dY), weights, read
    cdef const fnn_kernels *k = table_for(dY)
    cdef Product p
    cdef cnp.ndarray sums
    if act != 0:
        read = matrix(YZ)
        with nogil:
            k.activation_grad(act, dZ.rows, dZ.cols, read.data, read.row, read.col, dZ.data, dZ.row, dZ.col, dZ.data,
                              dZ.row, dZ.col)
    if cnp.PyArray_SIZE(db) > 0:
        sums = db if cnp.PyArray_IS_C_CONTIGUOUS(db) else np.empty_like(db, order="C")
        k.column_sums(dZ.rows, dZ.cols, dZ.data, dZ.row, dZ.col, 0, cnp.PyArray_DATA(sums))
        if sums is not db:
            db[...] = sums
    if cnp.PyArray_SIZE(dW) > 0:
        p = product(X, dY, dW)
        p.A = transposed(p.A)
        run_product(&p, threads_of(threads))
    if cnp.PyArray_SIZE(dX) > 0:
        p = product(dY, W, dX)
        p.B = transposed(p.B)
        run_product(&p, threads_of(threads))


def loss_grad(
    int loss, cnp.ndarray consts not None, cnp.ndarray R not None, cnp.ndarray T not None,
    cnp.ndarray weights not None, double norm, cnp.ndarray dR not None,
):
    cdef const fnn_kernels *k = table_for(R)
    cdef Matrix A = matrix(R)
    cdef double parameter = (<const double *>cnp.PyArray_DATA(consts))[LOSS_PARAMETER], value
    cdef const char *T_at = <const char *>cnp.PyArray_DATA(T)
    cdef const char *weights_at = pointer(weights)
    cdef char *gradient_at = pointer(dR)
    with nogil:
        value = k.loss(loss, parameter, A.rows, A.cols, A.data, T_at, weights_at, norm, gradient_at)
    return value


def update(
    cnp.ndarray plan not None, int rule, cnp.ndarray hyper_row not None, i64 t, cnp.ndarray theta not None,
    cnp.ndarray grad not None, cnp.ndarray state not None,
):
    cdef Job j
    cdef i64 layer
    cdef const i64 *a
    memset(&j, 0, sizeof(Job))
    j.k = table_for(theta)
    j.item = j.k.real_bytes
    j.plan = <const i64 *>cnp.PyArray_DATA(plan)
    j.theta, j.grad = pointer(theta), pointer(grad)
    j.rule = rule
    set_state(&j, state)
    fnn_prepare(rule, <const double *>cnp.PyArray_DATA(hyper_row), t, j.scalars, &j.decay)
    with nogil:
        for layer in range(1, j.plan[N_LAYERS] + 1):
            a = layer_of(j.plan, layer)
            update_runs(&j, 1, a[N_IN] * a[N_OUT], 0, a[W_AT], weights_at(&j, j.grad, layer), 0, j.decay, 0, False)
            if a[BIAS]:
                update_biases(&j, layer, 0, a[N_OUT])


cdef void set_state(Job *j, cnp.ndarray state) noexcept:
    cdef i64 slots = cnp.PyArray_DIM(state, 0)
    j.state = pointer(state) if slots > 0 else NULL
    j.state_2 = j.state + j.plan[N_PARAMETERS] * j.item if slots > 1 else NULL


# ---- programs


def work_size(str program not None, cnp.ndarray plan not None, i64 rows, threads):
    """Count for float and double, and add room to align the work inside: the dtype is not known here."""
    cdef Job j
    cdef Surface surface_job
    cdef i64 most = 0, bytes_taken
    cdef int is_double
    memset(&j, 0, sizeof(Job))
    j.plan = <const i64 *>cnp.PyArray_DATA(plan)
    j.threads = threads_of(threads)
    for is_double in range(2):
        j.k = DOUBLE if is_double else FLOAT
        j.item = j.k.real_bytes
        if program in ("predict", "evaluate"):
            bytes_taken = lay_out_tiles(&j, rows, NULL)
        elif program == "surface":
            bytes_taken = lay_out_surface(&j, &surface_job, rows, NULL)
        else:
            bytes_taken = lay_out_block(&j, rows, program == "train", NULL)
        most = at_least(most, (bytes_taken + ALIGN) // j.item)
    return most


def packed_size(cnp.ndarray plan not None):
    return 0


def pack(cnp.ndarray plan not None, cnp.ndarray theta not None, cnp.ndarray packed not None):
    pass


def predict(
    cnp.ndarray plan not None, cnp.ndarray consts not None, cnp.ndarray packed not None, cnp.ndarray X not None,
    cnp.ndarray indices not None, cnp.ndarray indptr not None, cnp.ndarray work not None, cnp.ndarray out not None,
    threads,
):
    cdef Job j
    cdef Matrix view = matrix(out)
    if view.rows == 0:
        return
    start_job(&j, plan, consts, packed, X, indices, indptr, threads_of(threads))
    lay_out_tiles(&j, view.rows, aligned(cnp.PyArray_DATA(work)))
    j.out, j.out_row, j.out_col = view.data, view.row, view.col
    if is_long(&j, view.rows):
        with nogil:
            run_predict(&j, view.rows)
    else:
        run_predict(&j, view.rows)


def evaluate(
    cnp.ndarray plan not None, cnp.ndarray consts not None, int loss, cnp.ndarray theta not None,
    cnp.ndarray X not None, cnp.ndarray indices not None, cnp.ndarray indptr not None, cnp.ndarray T not None,
    cnp.ndarray weights not None, double norm, cnp.ndarray work not None, threads,
):
    cdef Job j
    cdef i64 m = rows_of(X, indptr)
    cdef double value
    start_job(&j, plan, consts, theta, X, indices, indptr, threads_of(threads))
    set_targets(&j, loss, T, weights)
    j.norm = norm
    lay_out_tiles(&j, m, aligned(cnp.PyArray_DATA(work)))
    with nogil:
        value = run_evaluate(&j, m)
    return value


def gradient(
    cnp.ndarray plan not None, cnp.ndarray consts not None, int loss, cnp.ndarray theta not None,
    cnp.ndarray X not None, cnp.ndarray indices not None, cnp.ndarray indptr not None, cnp.ndarray T not None,
    cnp.ndarray weights not None, double norm, i64 key, i64 t, cnp.ndarray grad not None, cnp.ndarray work not None,
    cnp.ndarray parts not None, threads,
):
    cdef Job j
    cdef i64 m = rows_of(X, indptr)
    cdef double *parts_at = <double *>cnp.PyArray_DATA(parts)
    start_job(&j, plan, consts, theta, X, indices, indptr, threads_of(threads))
    set_targets(&j, loss, T, weights)
    set_dropout(&j, key, t)
    j.norm = norm
    j.grad = pointer(grad)
    lay_out_block(&j, m, False, aligned(cnp.PyArray_DATA(work)))
    with nogil:
        run_batch(&j, NULL, m, parts_at)
    return parts_at[0] + parts_at[1]


def backward(
    cnp.ndarray plan not None, cnp.ndarray consts not None, cnp.ndarray theta not None, cnp.ndarray X not None,
    cnp.ndarray indices not None, cnp.ndarray indptr not None, cnp.ndarray dY not None, cnp.ndarray grad not None,
    cnp.ndarray dX not None, cnp.ndarray work not None, threads,
):
    cdef Job j
    cdef i64 m = rows_of(X, indptr)
    cdef Matrix given = matrix(dY), wanted
    start_job(&j, plan, consts, theta, X, indices, indptr, threads_of(threads))
    j.dY, j.dy_row, j.dy_col = given.data, given.row, given.col
    j.grad = pointer(grad)
    if cnp.PyArray_SIZE(dX) > 0:
        wanted = matrix(dX)
        j.dX, j.dx_row, j.dx_col = wanted.data, wanted.row, wanted.col
    lay_out_block(&j, m, False, aligned(cnp.PyArray_DATA(work)))
    with nogil:
        run_backward(&j, m)


def train(
    cnp.ndarray plan not None, cnp.ndarray consts not None, int loss, int rule, cnp.ndarray hyper not None, i64 t,
    cnp.ndarray theta not None, cnp.ndarray grad not None, cnp.ndarray state not None, cnp.ndarray X not None,
    cnp.ndarray indices not None, cnp.ndarray indptr not None, cnp.ndarray T not None, cnp.ndarray weights not None,
    cnp.ndarray order not None, cnp.ndarray starts not None, i64 key, cnp.ndarray work not None,
    cnp.ndarray losses not None, threads,
):
    cdef Job j
    cdef Training training
    cdef i64 longest = 0, i
    training.job = &j
    training.order, training.starts = <const i64 *>cnp.PyArray_DATA(order), <const i64 *>cnp.PyArray_DATA(starts)
    training.n = cnp.PyArray_DIM(starts, 0) - 1
    training.hyper, training.hyper_columns = <const double *>cnp.PyArray_DATA(hyper), cnp.PyArray_DIM(hyper, 1)
    training.losses = <double *>cnp.PyArray_DATA(losses)
    start_job(&j, plan, consts, theta, X, indices, indptr, threads_of(threads))
    set_targets(&j, loss, T, weights)
    set_dropout(&j, key, t)
    j.grad = pointer(grad)
    j.rule = rule
    set_state(&j, state)
    j.clips = j.consts[CLIP_NORM] > 0
    j.in_place = False  # the rows are picked by order
    for i in range(training.n):
        longest = at_least(longest, training.starts[i + 1] - training.starts[i])
    lay_out_block(&j, longest, True, aligned(cnp.PyArray_DATA(work)))
    with nogil:
        fnn_team_run(team_size(&j, longest), train_as_member, &training)
    return training.done


# ---- the same pieces, timed

include "timing.pxi"


# ---- one network, called again and again


cdef cnp.ndarray NO_INDICES = np.empty(0, np.int32)

include "frozen.pxi"
include "stepper.pxi"


# ---- about this backend


def info():
    """Return the CPU target and its vector width, the targets to choose from, and what the thread pool has done."""
    return {
        "target": FLOAT.target.decode(),
        "targets": targets(),
        "vector_bytes": FLOAT.vector_bytes,
        "pool_threads": fnn_pool_threads(),
        "pool_most_used": fnn_pool_most_used(),
    }


def pool_reset_statistics():
    """Forget how many threads took part in a run."""
    fnn_pool_reset_statistics()


choose_target()
for entry in ACTIVATIONS:
    READS[entry.code] = entry.reads == INPUT

KERNELS = Kernels(
    name="cython",
    dot=dot,
    matmul=matmul,
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
    surface=surface,
    backward=backward,
    train=train,
    map_plain=map_plain,
    frozen=FrozenNetwork,
    stepper=Stepper,
    shuffle=shuffle,
)

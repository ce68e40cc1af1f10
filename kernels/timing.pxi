# Kernels timed inside C, and the limits to hold them against; for benchmarks/, not for anybody else.
#
# Every time_... function repeats one piece: it writes the seconds of a call, averaged over `calls` of them, to each
# element of `seconds` (float64), and leaves it to the caller to take the least or the median.  No Python, no GIL and no
# allocation lie between the two readings of the clock, but where time_matmul is given more than one thread: then it is
# what the door's matmul does, scratch and all.  A piece's arguments are those of table.py; here, unlike there,
# they are checked, for a slip in a benchmark should not end in a crash.

cdef extern from "clock.h" nogil:
    double fnn_seconds()

cdef enum Timed:
    TIME_GEMM, TIME_DOT, TIME_ELEMENTARY, TIME_ACTIVATION, TIME_ACTIVATION_GRAD, TIME_LINK, TIME_LOSS, TIME_UPDATE,
    TIME_ADDS, TIME_COPY, TIME_READ

cdef struct Timing:
    Timed what
    const fnn_kernels *k
    Matrix A
    Matrix B
    Matrix C
    int code
    int accumulate
    int threads
    void *scratch
    const void *weights
    double parameter            # the loss's; the norm
    double norm
    double scalars[8]           # an update's, of fnn_prepare
    double decay
    char *state
    char *state_2
    i64 turns
    double sink                 # what keeps a result from being left out


cdef void adds_chunk(void *context, i64 chunk, int participant) noexcept nogil:
    cdef Timing *t = <Timing *>context
    cdef double sum_
    t.k.multiply_adds(t.turns, 0.999, 0.001, &sum_)
    if chunk == 0:
        t.sink = sum_


cdef void once(Timing *t) noexcept nogil:
    if t.what == TIME_GEMM:
        t.k.gemm(t.C.rows, t.C.cols, t.A.cols, t.A.data, t.A.row, t.A.col, t.B.data, t.B.row, t.B.col, t.C.data,
                 t.C.row, t.C.col, t.accumulate, NULL, t.scratch)
    elif t.what == TIME_DOT:
        t.sink += t.k.dot(t.A.cols, t.A.data, t.A.col, t.B.data, t.B.col)
    elif t.what == TIME_ELEMENTARY:
        t.k.elementary(t.code, t.A.rows, t.A.cols, t.A.data, t.A.row, t.A.col, t.C.data, t.C.row, t.C.col)
    elif t.what == TIME_ACTIVATION:
        t.k.activation(t.code, t.A.rows, t.A.cols, t.A.data, t.A.row, t.A.col, t.C.data, t.C.row, t.C.col)
    elif t.what == TIME_ACTIVATION_GRAD:
        t.k.activation_grad(t.code, t.A.rows, t.A.cols, t.A.data, t.A.row, t.A.col, t.B.data, t.B.row, t.B.col,
                            t.C.data, t.C.row, t.C.col)
    elif t.what == TIME_LINK:
        t.k.link(t.code, t.A.rows, t.A.cols, t.A.data, t.A.row, t.A.col, t.C.data, t.C.row, t.C.col)
    elif t.what == TIME_LOSS:
        t.sink += t.k.loss(t.code, t.parameter, t.A.rows, t.A.cols, t.A.data, t.B.data, t.weights, t.norm, t.C.data)
    elif t.what == TIME_UPDATE:
        t.k.update(t.code, t.scalars, t.decay, 0, 1, t.A.cols, 0, t.A.data, t.B.data, 0, t.state, t.state_2, False)
    elif t.what == TIME_ADDS:
        fnn_pool_run(t.threads, t.threads, adds_chunk, t)
    elif t.what == TIME_COPY:
        memcpy(t.C.data, t.A.data, t.A.cols * t.k.real_bytes)
    else:
        t.sink += t.k.read(t.A.cols, t.A.data)


cdef struct Meeting:
    const fnn_kernels *k
    i64 calls
    int threads
    int alone


cdef void work_chunk(void *context, i64 chunk, int participant) noexcept nogil:
    """About 1 us of multiply-adds: long enough for every thread to be there for its own."""
    cdef double unread
    (<Meeting *>context).k.multiply_adds(200, 0.999, 0.001, &unread)


cdef void meet_as_member(void *context, fnn_member *member) noexcept nogil:
    cdef Meeting *meeting = <Meeting *>context
    cdef i64 i
    if member == NULL:
        meeting.alone = True
        return
    for i in range(meeting.calls):
        fnn_team_phase(member, meeting.threads, work_chunk, meeting)


cdef int check_timed(i64 calls, seconds) except -1:
    if seconds.dtype != np.float64 or not seconds.flags.c_contiguous or not 1 <= calls <= 1 << 30:
        raise ValueError("seconds must be a contiguous float64 array, and calls at least 1 and at most 2^30.")
    return 0


cdef int time_calls(Timing *t, i64 calls, seconds) except -1:
    cdef i64 n = seconds.size, i, j
    cdef double began
    cdef double *at = <double *>cnp.PyArray_DATA(seconds)
    check_timed(calls, seconds)
    with nogil:
        for i in range(n):
            began = fnn_seconds()
            for j in range(calls):
                once(t)
            at[i] = (fnn_seconds() - began) / calls
    return 0


cdef Timing timing_of(Timed what, int code, tuple arrays) except *:
    """Start from the arrays, in the order A, B, C: one dtype, two dimensions; a vector is a matrix of one row."""
    cdef Timing t
    cdef Matrix views[3]
    cdef int i
    memset(&t, 0, sizeof(Timing))
    memset(views, 0, sizeof(views))
    for i, a in enumerate(arrays):
        if a is None:
            continue
        if a.dtype.char not in "fd" or a.dtype != arrays[0].dtype or a.ndim not in (1, 2) or a.size == 0:
            raise ValueError("arrays must be float32 or float64, all of one dtype, vectors or matrices, and not empty.")
        views[i] = matrix(a if a.ndim == 2 else a[None, :])
    t.what, t.code, t.k = what, code, table_for(arrays[0])
    t.A, t.B, t.C = views[0], views[1], views[2]
    return t


cdef int same_shape(tuple arrays) except -1:
    if len({a.shape for a in arrays if a is not None}) > 1:
        raise ValueError(f"shapes must be equal, got {', '.join(str(a.shape) for a in arrays if a is not None)}.")
    return 0


cdef int all_contiguous(tuple arrays) except -1:
    if not all(a.flags.c_contiguous for a in arrays if a is not None):
        raise ValueError("these arrays must be C-contiguous.")
    return 0


def time_matmul(
    A, B, C, bint accumulate, threads, i64 calls,
    seconds,
):
    """C = A B: on one thread the bare kernel over the whole of C, on more the door's tiles over the pool."""
    cdef Timing t
    cdef Product p
    cdef void *memory = NULL
    cdef i64 i, j
    cdef int wanted = threads_of(threads)
    cdef double began
    if A.ndim != 2 or B.ndim != 2 or A.shape[1] != B.shape[0] or C.shape != (A.shape[0], B.shape[1]):
        raise ValueError(f"A (m, k), B (k, n), C (m, n) must chain, got {A.shape}, {B.shape}, {C.shape}.")
    t = timing_of(TIME_GEMM, 0, (A, B, C))
    t.accumulate = accumulate
    if wanted > 1:
        check_timed(calls, seconds)
        for i in range(seconds.size):
            began = fnn_seconds()
            for j in range(calls):
                p = product(A, B, C)
                p.accumulate = accumulate
                run_product(&p, wanted)
            seconds[i] = (fnn_seconds() - began) / calls
        return
    memory = PyMem_RawMalloc(t.k.gemm_scratch_bytes + ALIGN)
    if memory == NULL:
        raise MemoryError("no memory for the packed panels of a matrix product")
    t.scratch = aligned(memory)
    try:
        time_calls(&t, calls, seconds)
    finally:
        PyMem_RawFree(memory)


def time_dot(x, y, i64 calls, seconds):
    same_shape((x, y))
    cdef Timing t = timing_of(TIME_DOT, 0, (x, y))
    time_calls(&t, calls, seconds)


def time_elementary(int code, x, y, i64 calls, seconds):
    same_shape((x, y))
    cdef Timing t = timing_of(TIME_ELEMENTARY, code, (x, None, y))
    time_calls(&t, calls, seconds)


def time_activation(int act, x, y, i64 calls, seconds):
    same_shape((x, y))
    cdef Timing t = timing_of(TIME_ACTIVATION, act, (x, None, y))
    time_calls(&t, calls, seconds)


def time_activation_grad(
    int act, yz, dy, dx, i64 calls,
    seconds,
):
    same_shape((yz, dy, dx))
    cdef Timing t = timing_of(TIME_ACTIVATION_GRAD, act, (yz, dy, dx))
    time_calls(&t, calls, seconds)


def time_link(int code, R, Y, i64 calls, seconds):
    same_shape((R, Y))
    cdef Timing t = timing_of(TIME_LINK, code, (R, None, Y))
    time_calls(&t, calls, seconds)


def time_loss_grad(
    int loss, double parameter, R, T, dR, i64 calls,
    seconds,
):
    """The loss and its gradient, without weights, the norm being the number of rows."""
    same_shape((R, T, dR))
    all_contiguous((R, T, dR))
    cdef Timing t = timing_of(TIME_LOSS, loss, (R, T, dR))
    t.parameter, t.norm = parameter, t.A.rows
    time_calls(&t, calls, seconds)


def time_update(
    int rule, hyper_row, i64 step, theta, grad,
    state, i64 calls, seconds,
):
    """One step on all of theta; every call takes the same step again, from where the last one ended."""
    same_shape((theta, grad))
    all_contiguous((theta, grad, state, hyper_row))
    if theta.ndim != 1 or state.ndim != 2 or state.shape[1] != theta.shape[0] or state.dtype != theta.dtype:
        raise ValueError(f"state must be (slots, {theta.size}) of theta's dtype, got {state.shape}.")
    if hyper_row.dtype != np.float64 or hyper_row.size != N_HYPER:
        raise ValueError(f"hyper_row must have {N_HYPER} float64.")
    cdef i64 slots = state.shape[0]
    cdef Timing t = timing_of(TIME_UPDATE, rule, (theta, grad))
    t.state = pointer(state)
    if slots > 1:
        t.state_2 = t.state + t.A.cols * t.k.real_bytes
    fnn_prepare(rule, <const double *>cnp.PyArray_DATA(hyper_row), step, t.scalars, &t.decay)
    time_calls(&t, calls, seconds)


def time_multiply_adds(dtype, threads, i64 turns, i64 calls, seconds):
    """Time multiply-adds in registers on every thread at once; return the operations of one call."""
    cdef Timing t = timing_of(TIME_ADDS, 0, (np.zeros(1, dtype),))
    t.threads = threads_of(threads)
    t.turns = at_least(turns, 1)
    time_calls(&t, calls, seconds)
    return t.threads * t.k.multiply_adds(1, 0.999, 0.001, &t.sink) * t.turns


def time_copy(x, y, i64 calls, seconds):
    """y = x by the C library's memcpy, which knows this processor."""
    same_shape((x, y))
    all_contiguous((x, y))
    cdef Timing t = timing_of(TIME_COPY, 0, (x, None, y))
    t.A.cols *= t.A.rows
    time_calls(&t, calls, seconds)


def time_read(x, i64 calls, seconds):
    """Sum x, which takes as long as reading it."""
    all_contiguous((x,))
    cdef Timing t = timing_of(TIME_READ, 0, (x,))
    t.A.cols *= t.A.rows
    time_calls(&t, calls, seconds)


def time_barrier(threads, i64 calls, seconds):
    """Barriers between so many threads: what a phase of a team takes beyond the work of one of its members.

    That is a signal from core to core and what else a barrier does: 0.06 us between cores that share a cache.  Every
    member has about 1 us of work in a phase; where one core did it all, a barrier seems to take that for each other
    member.  The calls share the cost of opening and closing the team, half a microsecond.
    """
    cdef Meeting meeting
    cdef i64 i, j
    cdef double began, met, done
    check_timed(calls, seconds)
    meeting.k, meeting.calls, meeting.threads, meeting.alone = FLOAT, calls, threads_of(threads), False
    if meeting.threads < 2:
        raise ValueError(f"a barrier is between 2 threads or more, got {threads}.")
    for i in range(seconds.size):
        with nogil:
            began = fnn_seconds()
            fnn_team_run(meeting.threads, meet_as_member, &meeting)
            met = fnn_seconds()
            for j in range(calls):
                work_chunk(&meeting, 0, 0)
            done = fnn_seconds()
        if meeting.alone:
            raise RuntimeError("another thread is at work with the pool: no barrier was timed.")
        seconds[i] = max((met - began) - (done - met), 1e-9) / calls

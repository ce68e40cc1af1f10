# The frozen network: from an array of one row to an array of outputs in a fraction of a microsecond.
#
# A. What a call needs is prepared once, in a Snapshot: weights packed for one row (row.h) beside theta for batches.  It
#    never changes; `freeze` puts another one in its place, so that a call under way sees one network or the other.
# B. The quick door takes what needs no thought: an ndarray of float32, float64 or uint8, one row or rows, of the right
#    width, and an `out` that fits.  Everything else, errors included, is `general`'s, the slow twin in Python.
# C. A call's scratch is on its own stack, or allocated for it where layers are wide: any number of threads may call.
# D. A single row's layer is cut by strips of columns among threads where its weights are worth a wake-up.
# E. Making an array and giving it back takes as long as a small network.  So the last two outputs of a row are kept, and
#    one that nobody else refers to any more, neither by name nor by view, is filled again: two, because `y = f(x)` lets
#    go of the last one only after the call.

cdef enum:
    ROW_ROOM = 16 * 1024        # bytes of the stack for the activations of one row; wider layers are allocated
    KEPT_OUTPUTS = 512          # of a row, up to which its array is kept
    ROW_SHARED = 512 * 1024     # bytes of a layer's weights from which threads share a row: 10 us or more from L3

cdef extern from *:
    """
    #if defined(Py_GIL_DISABLED) || defined(PYPY_VERSION) || defined(GRAALVM_PYTHON)
    #define FNN_COUNTS_REFERENCES 0  /* one reference counted may be two held */
    #else
    #define FNN_COUNTS_REFERENCES 1
    #endif
    """
    const int FNN_COUNTS_REFERENCES
    Py_ssize_t Py_REFCNT(PyObject *o)

cdef struct RowLayer:
    i64 n_in
    i64 n_out
    int act
    i64 strips
    int shared
    char *packed

cdef struct RowShare:           # a layer under way
    const fnn_kernels *k
    const RowLayer *layer
    const char *x
    char *y
    int turned


cdef void row_chunk(void *context, i64 chunk, int participant) noexcept nogil:
    cdef RowShare *s = <RowShare *>context
    cdef const RowLayer *a = s.layer
    s.k.row_layer(a.n_in, a.n_out, s.x, a.packed, a.act, chunk, chunk + 1, s.turned, s.y)


@cython.final
@cython.auto_pickle(False)
cdef class Snapshot:
    """A network's tables, its parameters, and its weights packed for single rows; constant once made."""

    cdef const fnn_kernels *k
    cdef cnp.ndarray plan
    cdef cnp.ndarray consts
    cdef cnp.ndarray theta
    cdef i64 n_layers
    cdef i64 n_in
    cdef i64 n_out
    cdef int link
    cdef int number             # NumPy's of the dtype
    cdef int is_scaled
    cdef int is_long            # one row is worth releasing the GIL
    cdef i64 room               # bytes of the widest row
    cdef fnn_rows rows          # what a row that has to be gathered is, but for its address
    cdef void *memory
    cdef RowLayer *layers

    def __cinit__(self, cnp.ndarray plan not None, cnp.ndarray consts not None, cnp.ndarray theta not None):
        cdef const i64 *p = <const i64 *>cnp.PyArray_DATA(plan)
        cdef const i64 *a
        cdef const char *base = <const char *>cnp.PyArray_DATA(theta)
        cdef i64 i, item, bytes_taken
        cdef char *at
        self.plan, self.consts, self.theta = plan, consts, theta
        self.k = table_for(theta)
        self.n_layers, self.n_in, self.n_out = p[N_LAYERS], p[FEATURES], p[OUTPUTS]
        self.link = <int>p[LINK]
        self.number = cnp.PyArray_TYPE(theta)
        self.rows.n_in = self.n_in
        self.rows.scale = (<const double *>cnp.PyArray_DATA(consts))[INPUT_SCALE]
        self.is_scaled = self.rows.scale != 1
        self.is_long = p[N_PARAMETERS] + 16 * p[UNITS] > WORTH_RELEASING
        item = self.k.real_bytes
        bytes_taken = round_up(self.n_layers * sizeof(RowLayer), ALIGN)
        self.room = round_up(self.n_in * item, ALIGN)
        for i in range(1, self.n_layers + 1):
            a = layer_of(p, i)
            bytes_taken += round_up(self.k.row_elements(a[N_IN], a[N_OUT]) * item, ALIGN)
            self.room = at_least(self.room, round_up(self.k.row_elements(0, a[N_OUT]) * item, ALIGN))
        self.memory = PyMem_RawMalloc(bytes_taken + ALIGN)
        if self.memory == NULL:
            raise MemoryError(f"no memory for {bytes_taken} bytes of packed weights")
        at = aligned(self.memory)
        self.layers = <RowLayer *>at
        at += round_up(self.n_layers * sizeof(RowLayer), ALIGN)
        for i in range(1, self.n_layers + 1):
            a = layer_of(p, i)
            bytes_taken = self.k.row_elements(a[N_IN], a[N_OUT]) * item
            self.layers[i - 1] = RowLayer(
                n_in=a[N_IN], n_out=a[N_OUT], act=<int>a[ACT], strips=self.k.row_strips(a[N_OUT]),
                shared=bytes_taken >= ROW_SHARED, packed=at,
            )
            self.k.row_pack(a[N_IN], a[N_OUT], base + a[W_AT] * item, base + a[B_AT] * item if a[BIAS] else NULL, at)
            at += round_up(bytes_taken, ALIGN)

    def __dealloc__(self):
        PyMem_RawFree(self.memory)

    cdef char *run_row(self, const char *x, i64 step, int x_number, char *room, int threads, int turned) noexcept nogil:
        """Return where in room, of 2 * self.room bytes, the outputs of the row at x are."""
        cdef char *even = room
        cdef char *odd = room + self.room
        cdef fnn_rows rows
        cdef RowShare share
        cdef const RowLayer *a
        cdef i64 i
        if step != 1 or x_number != self.number or self.is_scaled:
            rows = self.rows
            rows.data, rows.col_step = x, step
            rows.x_dtype = dtype_code(x_number)
            self.k.gather(&rows, NULL, 0, 1, odd)
            x = odd
        share.k, share.x, share.y, share.turned = self.k, x, even, turned
        for i in range(self.n_layers):
            a = &self.layers[i]
            share.layer, share.y = a, odd if i & 1 else even
            if threads > 1 and a.shared:
                fnn_pool_run(threads, a.strips, row_chunk, &share)
            else:
                self.k.row_layer(a.n_in, a.n_out, share.x, a.packed, a.act, 0, a.strips, turned, share.y)
            share.x = share.y
        self.k.row_link(self.link, self.n_out, share.y)
        return share.y

    cdef object one(self, cnp.ndarray x, i64 step, cnp.ndarray out, int threads, int turned):
        """Return the outputs of the row at x, (n_out,), in `out` where that is not None."""
        cdef char on_stack[ROW_ROOM + ALIGN]
        cdef void *allocated = NULL
        cdef char *room = on_stack
        cdef const char *y
        cdef const char *at = <const char *>cnp.PyArray_DATA(x)
        cdef int number = cnp.PyArray_TYPE(x)
        cdef cnp.npy_intp n = self.n_out
        if 2 * self.room > ROW_ROOM:
            allocated = PyMem_RawMalloc(2 * self.room + ALIGN)
            if allocated == NULL:
                raise MemoryError(f"no memory for {2 * self.room} bytes of activations")
            room = <char *>allocated
        room = aligned(room)
        if self.is_long:
            with nogil:
                y = self.run_row(at, step, number, room, threads, turned)
        else:
            y = self.run_row(at, step, number, room, threads, turned)
        if out is None:
            out = cnp.PyArray_SimpleNew(1, &n, self.number)
        if cnp.PyArray_IS_C_CONTIGUOUS(out):
            memcpy(cnp.PyArray_DATA(out), y, n * self.k.real_bytes)
        else:
            self.k.activation(0, 1, n, y, n, 1, cnp.PyArray_DATA(out), n,
                              cnp.PyArray_STRIDE(out, 0) // self.k.real_bytes)
        if allocated != NULL:
            PyMem_RawFree(allocated)
        return out

    cdef object many(self, cnp.ndarray X, int threads):
        """Return the outputs of the rows of X, new and (m, n_out)."""
        cdef Job j
        cdef cnp.npy_intp shape[2]
        cdef void *memory
        cdef cnp.ndarray out
        shape[0], shape[1] = cnp.PyArray_DIM(X, 0), self.n_out
        out = cnp.PyArray_SimpleNew(2, shape, self.number)
        start_job(&j, self.plan, self.consts, self.theta, X, NO_INDICES, NO_INDICES, threads)
        memory = PyMem_RawMalloc(lay_out_tiles(&j, shape[0], NULL) + ALIGN)
        if memory == NULL:
            raise MemoryError("no memory for the activations of a tile of rows")
        lay_out_tiles(&j, shape[0], aligned(memory))
        j.out, j.out_row, j.out_col = <char *>cnp.PyArray_DATA(out), self.n_out, 1
        if is_long(&j, shape[0]):
            with nogil:
                run_predict(&j, shape[0])
        else:
            run_predict(&j, shape[0])
        PyMem_RawFree(memory)
        return out


cdef inline int dtype_code(int number) noexcept nogil:
    return FNN_FLOAT32 if number == cnp.NPY_FLOAT32 else FNN_FLOAT64 if number == cnp.NPY_FLOAT64 else FNN_UINT8


cdef inline int is_plain(cnp.ndarray a) noexcept:
    """Say whether kernels can read a: its dtype, byte order, alignment, and strides in whole elements."""
    cdef int number = cnp.PyArray_TYPE(a), axis
    if number != cnp.NPY_FLOAT32 and number != cnp.NPY_FLOAT64 and number != cnp.NPY_UINT8:
        return False
    for axis in range(cnp.PyArray_NDIM(a)):
        if cnp.PyArray_STRIDE(a, axis) % cnp.PyArray_ITEMSIZE(a):
            return False
    return cnp.PyArray_ISBEHAVED_RO(a)


cdef inline int is_free(PyObject *kept, i64 n, int number) noexcept:
    """Say whether an output that was given away is nobody's again, and still what it was made as."""
    cdef cnp.ndarray a
    if not FNN_COUNTS_REFERENCES or Py_REFCNT(kept) > 1 or <object>kept is None:
        return False
    a = <cnp.ndarray>kept
    return (
        cnp.PyArray_NDIM(a) == 1 and cnp.PyArray_DIM(a, 0) == n and cnp.PyArray_TYPE(a) == number
        and cnp.PyArray_ISBEHAVED(a) and cnp.PyArray_IS_C_CONTIGUOUS(a) and cnp.PyArray_CHKFLAGS(a, cnp.NPY_ARRAY_OWNDATA)
    )


@cython.auto_pickle(False)
cdef class FrozenNetwork:
    """The quick door of a predictor, to derive it from; ``Kernels.frozen`` in table.py has the contract."""

    cdef Snapshot now
    cdef i64 rows_alone
    cdef int threads
    cdef int turned             # changes with every call for one row: see row.h
    cdef object last            # the outputs of the last two calls for one row, to be filled again
    cdef object last_but_one

    def freeze(
        self, cnp.ndarray plan not None, cnp.ndarray consts not None, cnp.ndarray theta not None, i64 rows_alone,
        threads,
    ):
        cdef Snapshot made = Snapshot(plan, consts, theta)
        with cython.critical_section(self):
            self.rows_alone = rows_alone
            self.threads = threads_of(threads) if threads else 0
            self.now = made

    cdef int threads_for_rows(self, i64 rows) except -1:
        if self.threads:
            return self.threads
        return 1 if rows <= self.rows_alone else threads_of(self.threads_for(rows))

    def row(self, cnp.ndarray x not None):
        """Return the outputs of a row that is plain, for the general way: the same bits in whatever form it came."""
        cdef Snapshot s
        with cython.critical_section(self):
            s = self.now
        return s.one(x, cnp.PyArray_STRIDE(x, 0) // cnp.PyArray_ITEMSIZE(x), None, self.threads_for_rows(1), 0)

    def __call__(self, x, out=None):
        cdef Snapshot s
        cdef cnp.ndarray a, b
        cdef int dims, turned
        cdef i64 step
        with cython.critical_section(self):
            s = self.now
            turned = self.turned = 1 - self.turned
        if s is None or not cnp.PyArray_CheckExact(x):
            return self.general(x, out)
        a = <cnp.ndarray>x
        dims = cnp.PyArray_NDIM(a)
        if dims < 1 or dims > 2 or cnp.PyArray_DIM(a, dims - 1) != s.n_in or not is_plain(a):
            return self.general(x, out)
        step = cnp.PyArray_STRIDE(a, dims - 1) // cnp.PyArray_ITEMSIZE(a)
        if dims == 1:
            if out is not None:
                if not cnp.PyArray_CheckExact(out):
                    return self.general(x, out)
                b = <cnp.ndarray>out
                if (
                    cnp.PyArray_NDIM(b) != 1 or cnp.PyArray_DIM(b, 0) != s.n_out or cnp.PyArray_TYPE(b) != s.number
                    or not cnp.PyArray_ISBEHAVED(b) or not is_plain(b)
                ):
                    return self.general(x, out)
                return s.one(a, step, b, self.threads_for_rows(1), turned)
            b = self.last_but_one if is_free(<PyObject *>self.last_but_one, s.n_out, s.number) else None
            b = s.one(a, step, b, self.threads_for_rows(1), turned)
            if FNN_COUNTS_REFERENCES and s.n_out <= KEPT_OUTPUTS:
                self.last_but_one, self.last = self.last, b
            return b
        if out is not None or cnp.PyArray_DIM(a, 0) == 0:
            return self.general(x, out)
        return s.many(a, self.threads_for_rows(cnp.PyArray_DIM(a, 0)))

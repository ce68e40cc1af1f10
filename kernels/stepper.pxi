# The stepper: one optimiser step on a few rows, for a trainer that is called again and again.
#
# A. The Job, its work space and the encoded targets live as long as the trainer and grow to the most rows that came.
# B. The quick door takes arrays that need no thought and checks them as arrays.py and targets.py do: shapes, NaN and
#    infinity, labels in range, values in the loss's domain.  What it does not know, and whatever is wrong with what it
#    does know, it leaves alone and returns None: the caller's general way finds the words.

cdef enum:
    QUICK_ELEMENTS = 1 << 14    # of X or of the targets; beyond, the general way costs nothing beside the step itself
    # domains of the targets
    ANY_REAL = 0
    IN_UNIT = 1
    A_COUNT = 2
    NO_DOMAIN = 3               # rows of probabilities: left to the general way
    # what a step came to
    STEP_DONE = 0
    LOSS_NOT_FINITE = 1         # and nothing was changed
    THETA_NOT_FINITE = 2        # after the update

DOMAINS = {"real": ANY_REAL, "unit": IN_UNIT, "count": A_COUNT}


cdef inline double number_at(const char *data, int number, i64 i) noexcept nogil:
    if number == cnp.NPY_FLOAT32:
        return (<const float *>data)[i]
    if number == cnp.NPY_FLOAT64:
        return (<const double *>data)[i]
    return <double>(<const int64_t *>data)[i]


@cython.auto_pickle(False)
cdef class Stepper:
    """Steps of one trainer; ``Kernels.stepper`` in table.py has the contract."""

    cdef Job job
    cdef cnp.ndarray plan
    cdef cnp.ndarray consts
    cdef cnp.ndarray grad
    cdef void *memory           # the encoded targets, the order, the work
    cdef i64 rows               # that there is room for, as the work is laid out
    cdef i64 *order             # 0, 1, ... rows - 1, and behind it the starts 0, rows
    cdef int threads
    cdef i64 rows_alone
    cdef object threads_for
    cdef int classes            # labels are taken
    cdef int domain
    cdef double largest
    cdef readonly int outcome
    cdef readonly int is_matrix   # the targets were a matrix for several outputs

    def __cinit__(
        self, cnp.ndarray plan not None, cnp.ndarray consts not None, int loss, int rule, cnp.ndarray grad not None,
        i64 key, int classes, str domain not None, i64 rows_alone, threads, threads_for,
    ):
        cdef Job *j = &self.job
        memset(j, 0, sizeof(Job))
        self.plan, self.consts, self.grad = plan, consts, grad
        self.classes, self.domain = classes, DOMAINS.get(domain, NO_DOMAIN)
        self.rows_alone, self.threads_for = rows_alone, threads_for
        self.threads = threads_of(threads) if threads else 0
        j.k = table_for(grad)
        j.item = j.k.real_bytes
        self.largest = np.finfo(grad.dtype).max
        j.plan = <const i64 *>cnp.PyArray_DATA(plan)
        j.consts = <const double *>cnp.PyArray_DATA(consts)
        j.grad = pointer(grad)
        j.loss, j.rule = loss, rule
        j.clips = j.consts[CLIP_NORM] > 0
        j.X.n_in = j.plan[FEATURES]
        j.X.scale = j.consts[INPUT_SCALE]
        j.X.col_step, j.X.row_step = 1, j.X.n_in
        set_dropout(j, key, 0)

    def __dealloc__(self):
        PyMem_RawFree(self.memory)

    cdef int make_room(self, i64 rows) except -1:
        cdef Job *j = &self.job
        cdef i64 t_bytes, taken, i
        cdef void *memory
        cdef i64 *order
        j.threads = self.threads
        if not self.threads:
            j.threads = 1 if rows <= self.rows_alone else threads_of(self.threads_for(rows))
        self.rows = -1  # laying out for the count forgets where things are
        t_bytes = round_up(rows * j.plan[OUTPUTS] * at_least(j.item, 4), ALIGN)
        taken = t_bytes + round_up((rows + 2) * 8, ALIGN) + lay_out_block(j, rows, True, NULL)
        memory = PyMem_RawMalloc(taken + ALIGN)
        if memory == NULL:
            raise MemoryError(f"no memory for the {taken} bytes of work of a step with {rows} rows")
        PyMem_RawFree(self.memory)
        self.memory, self.rows = memory, rows
        j.T = aligned(memory)
        order = self.order = <i64 *>(j.T + t_bytes)
        order[rows], order[rows + 1] = 0, rows  # starts
        for i in range(rows):
            order[i] = i
        lay_out_block(j, rows, True, <char *>order + round_up((rows + 2) * 8, ALIGN))
        return 0

    cdef int take_rows(self, cnp.ndarray X) noexcept:
        """Point the job at X; return whether every entry is finite and fits the network's dtype."""
        cdef Job *j = &self.job
        cdef int number = cnp.PyArray_TYPE(X)
        cdef const char *data = <const char *>cnp.PyArray_DATA(X)
        cdef i64 n = cnp.PyArray_SIZE(X), i
        j.X.data, j.X.x_dtype = data, dtype_code(number)
        if number == cnp.NPY_UINT8:
            return True
        if number == cnp.NPY_FLOAT32:
            return FLOAT.finite(n, data)
        if j.item == 4:
            for i in range(n):
                if not -self.largest <= (<const double *>data)[i] <= self.largest:
                    return False
            return True
        return DOUBLE.finite(n, data)

    cdef int take_targets(self, cnp.ndarray y, i64 m) noexcept:
        """Encode y; return whether it is one of the plain forms, with nothing wrong in it."""
        cdef Job *j = &self.job
        cdef const char *data = <const char *>cnp.PyArray_DATA(y)
        cdef int number = cnp.PyArray_TYPE(y), dims = cnp.PyArray_NDIM(y)
        cdef i64 outputs = j.plan[OUTPUTS], columns, i
        cdef double value
        if number != cnp.NPY_FLOAT32 and number != cnp.NPY_FLOAT64 and number != cnp.NPY_INT64:
            return False
        if dims < 1 or dims > 2 or cnp.PyArray_DIM(y, 0) != m or not cnp.PyArray_ISCARRAY_RO(y):
            return False
        columns = 1 if dims == 1 else cnp.PyArray_DIM(y, 1)
        j.labels = self.classes and columns == 1
        self.is_matrix = self.classes and not j.labels
        if j.labels:
            for i in range(m):
                value = number_at(data, number, i)
                if not (0 <= value < outputs and value == <i64>value):
                    return False
                (<int *>j.T)[i] = <int>value
            return True
        if columns != outputs or self.domain == NO_DOMAIN:
            return False
        for i in range(m * columns):
            value = number_at(data, number, i)
            if not -self.largest <= value <= self.largest:
                return False
            if self.domain != ANY_REAL and value < 0 or self.domain == IN_UNIT and value > 1:
                return False
            if j.item == 4:
                (<float *>j.T)[i] = <float>value
            else:
                (<double *>j.T)[i] = value
        return True

    def __call__(
        self, object X, object y, cnp.ndarray hyper_row not None, i64 t, cnp.ndarray theta not None,
        cnp.ndarray state not None,
    ):
        cdef Job *j = &self.job
        cdef cnp.ndarray a
        cdef i64 m
        cdef i64 finished
        cdef const double *hyper
        cdef double parts[2]
        if not (cnp.PyArray_CheckExact(X) and cnp.PyArray_CheckExact(y)):
            return None
        a = <cnp.ndarray>X
        if (
            cnp.PyArray_NDIM(a) != 2 or cnp.PyArray_DIM(a, 1) != j.X.n_in or not is_plain(a)
            or not cnp.PyArray_ISCARRAY_RO(a)
        ):
            return None
        m = cnp.PyArray_DIM(a, 0)
        if m < 1 or m * at_least(j.X.n_in, j.plan[OUTPUTS]) > QUICK_ELEMENTS:
            return None
        if m != self.rows:
            self.make_room(m)
        if not self.take_rows(a) or not self.take_targets(<cnp.ndarray>y, m):
            return None
        j.theta = <char *>cnp.PyArray_DATA(theta)
        set_state(j, state)
        j.t = t
        hyper = <const double *>cnp.PyArray_DATA(hyper_row)
        if is_long(j, 3 * m):
            with nogil:
                finished = run_train(j, self.order, self.order + m, 1, hyper, 0, parts)
        else:
            finished = run_train(j, self.order, self.order + m, 1, hyper, 0, parts)
        self.outcome = STEP_DONE
        if not finished:
            self.outcome = LOSS_NOT_FINITE
        elif not j.k.finite(j.plan[N_PARAMETERS], j.theta):
            self.outcome = THETA_NOT_FINITE
        return parts[0] + parts[1]

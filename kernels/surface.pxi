# The error surface: one tile of rows at a time, asked about all points before the next.  c/surface.h says why units run
# down and rows across here.
#
# A. Phase 1, by strips of rows: X W_k + b_k for theta and both directions, as (3, units, rows); the targets likewise.
# B. Phase 2, by groups of points: the plane's point of the products and of the later layers' parameters, then the
#    network from its second layer on.  A layer's biases lie behind its weights in theta, so a row of ones below its
#    input makes them one more row of the product.
# C. Each point is the sum over tiles, in order, by whoever has its group: the same bits for any number of threads.

cdef enum:
    SURFACE_ELEMENTS = 1 << 16  # of a layer's outputs for a tile: two of them and the products stay in L2
    LEAST_SURFACE_TILE = 32     # rows
    MOST_SURFACE_TILE = 256     # 784-16-16-10: both buffers in L1
    STRIP = 64                  # rows of a chunk of phase 1
    GROUP_MACS = 1 << 20        # multiply-adds of a group of points: tens of microseconds

cdef struct Surface:
    Job *j
    const char *D
    const double *points
    i64 n
    i64 group                   # points of a chunk
    double *out
    char *products              # (3, n_out of layer 1, m)
    char *T                     # (n_out, m)
    char *planes                # (3, the later layers' parameters) of theta and both directions
    i64 ahead                   # elements of theta before the second layer
    # each participant's own, in this order
    i64 x_bytes                 # (STRIP, n_in) rows of X
    i64 y_bytes                 # (STRIP, widest of layer 1 and the last)
    i64 a_bytes                 # (widest + 1, m), twice
    i64 theta_bytes             # parameters of the later layers


cdef i64 surface_tile(const i64 *plan, i64 rows) noexcept nogil:
    """Return the rows of a tile: whole vectors, and a last tile of at least half as many where three tries find one."""
    cdef i64 widest = 1, layer, most, tile, tries
    for layer in range(1, plan[N_LAYERS] + 1):
        widest = at_least(widest, layer_of(plan, layer)[N_OUT])
    most = at_most(at_least(SURFACE_ELEMENTS // widest, LEAST_SURFACE_TILE), MOST_SURFACE_TILE) // 16 * 16
    tile = most = at_most(most, round_up(rows, 16))
    for tries in range(3):
        tile = most - 16 * tries
        if tile < LEAST_SURFACE_TILE or rows % tile == 0 or rows % tile >= tile // 2:
            break
    return at_least(tile, 16)


cdef i64 lay_out_surface(Job *j, Surface *s, i64 rows, char *work) noexcept nogil:
    """Place what a surface needs of a tile and of each participant; return the bytes taken."""
    cdef const i64 *plan = j.plan
    cdef const i64 *first = layer_of(plan, 1)
    cdef i64 used = 0, cap = surface_tile(plan, rows), layer, widest = 0
    for layer in range(1, plan[N_LAYERS] + 1):
        widest = at_least(widest, layer_of(plan, layer)[N_OUT])
    s.j = j
    s.ahead = first[B_AT] + (first[N_OUT] if first[BIAS] else 0)
    s.x_bytes = round_up(STRIP * plan[FEATURES] * j.item, ALIGN)
    s.y_bytes = round_up(STRIP * at_least(first[N_OUT], plan[OUTPUTS]) * j.item, ALIGN)
    s.a_bytes = round_up((widest + 1) * cap * j.item, ALIGN)
    s.theta_bytes = round_up((plan[N_PARAMETERS] - s.ahead) * j.item, ALIGN)
    s.products = reserve(work, &used, 3 * first[N_OUT] * cap * j.item)
    s.T = reserve(work, &used, plan[OUTPUTS] * cap * j.item)
    s.planes = reserve(work, &used, 3 * (plan[N_PARAMETERS] - s.ahead) * j.item)
    j.tile = cap
    j.own_step = s.x_bytes + s.y_bytes + 2 * s.a_bytes + s.theta_bytes
    j.own = reserve(work, &used, j.threads * j.own_step)
    lay_out_scratch(j, work, &used)
    return used


cdef void strip_chunk(void *context, i64 chunk, int participant) noexcept nogil:
    """Phase 1: a strip of rows of the products and targets."""
    cdef Surface *s = <Surface *>context
    cdef Job *j = s.j
    cdef const i64 *a = layer_of(j.plan, 1)
    cdef i64 n_in = a[N_IN], n_out = a[N_OUT], row = chunk * STRIP, m = at_most(STRIP, j.m - row), k
    cdef i64 a_row = n_in, a_col = 1
    cdef char *x = j.own + participant * j.own_step
    cdef char *y = x + s.x_bytes
    cdef const char *A = x
    cdef const char *at
    cdef fnn_epilogue e
    memset(&e, 0, sizeof(fnn_epilogue))
    if not j.X.index_bytes:
        if j.in_place:
            A = x_in_place(j, row)
            a_row, a_col = j.X.row_step, j.X.col_step
        else:
            j.k.gather(&j.X, NULL, j.first + row, m, x)
    for k in range(3):
        at = j.theta if k == 0 else s.D + (k - 1) * j.plan[N_PARAMETERS] * j.item
        e.bias = at + a[B_AT] * j.item if a[BIAS] else NULL
        if j.X.index_bytes:
            j.k.sparse_forward(&j.X, NULL, j.first + row, m, n_out, at, y, &e)
        else:
            j.k.gemm(m, n_out, n_in, A, a_row, a_col, at, n_out, 1, y, n_out, 1, 0, &e, scratch_of(j, participant))
        j.k.activation(0, n_out, m, y, 1, n_out, s.products + (k * n_out * j.m + row) * j.item, j.m, 1)
    n_out = j.plan[OUTPUTS]
    j.k.targets(j.labels, j.T, n_out, NULL, j.first + row, m, y)
    j.k.activation(0, n_out, m, y, 1, n_out, s.T + row * j.item, j.m, 1)


cdef double point_loss(Surface *s, double a, double b, char *own, char *scratch) noexcept nogil:
    """Return the tile's part of the loss at theta + a D_1 + b D_2."""
    cdef Job *j = s.j
    cdef const i64 *row = layer_of(j.plan, 1)
    cdef i64 m = j.m, n_in, n_out = row[N_OUT], layer, rest = j.plan[N_PARAMETERS] - s.ahead
    cdef char *Y = own + s.x_bytes + s.y_bytes
    cdef char *A = Y + s.a_bytes
    cdef char *swap
    cdef char *theta = A + s.a_bytes
    cdef fnn_epilogue e
    memset(&e, 0, sizeof(fnn_epilogue))
    j.k.plane_point(n_out * m, a, b, s.products, n_out * m, Y)
    if row[ACT] != 0:
        j.k.activation(<int>row[ACT], n_out, m, Y, m, 1, Y, m, 1)
    j.k.plane_point(rest, a, b, s.planes, rest, theta)
    for layer in range(2, j.plan[N_LAYERS] + 1):
        row = layer_of(j.plan, layer)
        n_in, n_out = row[N_IN], row[N_OUT]
        if row[BIAS]:
            put_ones(j.item, m, Y + n_in * m * j.item)
        swap = A
        A, Y = Y, swap
        e.act = <int>row[ACT]
        j.k.gemm(n_out, m, n_in + row[BIAS], theta + (row[W_AT] - s.ahead) * j.item, 1, n_out, A, m, 1, Y, m, 1, 0, &e,
                 scratch)
    return j.k.loss_by_columns(
        j.loss, j.consts[LOSS_PARAMETER], m, n_out, Y, s.T, m,
        NULL if j.weights == NULL else j.weights + j.first * j.item, j.norm,
    )


cdef inline void put_ones(i64 item, i64 m, char *at) noexcept nogil:
    cdef i64 i
    if item == 8:
        for i in range(m):
            (<double *>at)[i] = 1
    else:
        for i in range(m):
            (<float *>at)[i] = 1


cdef void gather_planes(Surface *s) noexcept nogil:
    """Bring the later layers' parameters of theta and both directions together."""
    cdef Job *j = s.j
    cdef i64 at = s.ahead * j.item, count = j.plan[N_PARAMETERS] * j.item - at, k
    for k in range(3):
        memcpy(s.planes + k * count, j.theta + at if k == 0 else s.D + (k - 1) * (at + count) + at, count)


cdef void group_chunk(void *context, i64 chunk, int participant) noexcept nogil:
    """Phase 2: a group of points."""
    cdef Surface *s = <Surface *>context
    cdef i64 i
    cdef char *own = s.j.own + participant * s.j.own_step
    for i in range(chunk * s.group, at_most((chunk + 1) * s.group, s.n)):
        s.out[i] += point_loss(s, s.points[2 * i], s.points[2 * i + 1], own, scratch_of(s.j, participant))


cdef void run_surface(Surface *s, i64 m) noexcept nogil:
    cdef Job *j = s.j
    cdef i64 per_point = j.tile * (j.plan[N_PARAMETERS] - s.ahead + 16 * j.plan[UNITS])
    s.group = at_least(GROUP_MACS // per_point, 1)
    memset(s.out, 0, s.n * sizeof(double))
    gather_planes(s)
    j.first = 0
    while j.first < m:
        j.m = at_most(m - j.first, j.tile)
        fnn_pool_run(j.threads, (j.m + STRIP - 1) // STRIP, strip_chunk, s)
        fnn_pool_run(j.threads, (s.n + s.group - 1) // s.group, group_chunk, s)
        j.first += j.m


def surface(
    cnp.ndarray plan not None, cnp.ndarray consts not None, int loss, cnp.ndarray theta not None,
    cnp.ndarray D not None, cnp.ndarray points not None, cnp.ndarray X not None, cnp.ndarray indices not None,
    cnp.ndarray indptr not None, cnp.ndarray T not None, cnp.ndarray weights not None, double norm,
    cnp.ndarray work not None, cnp.ndarray out not None, threads,
):
    cdef Job j
    cdef Surface s
    cdef i64 m = rows_of(X, indptr)
    start_job(&j, plan, consts, theta, X, indices, indptr, threads_of(threads))
    set_targets(&j, loss, T, weights)
    j.norm = norm
    lay_out_surface(&j, &s, m, aligned(cnp.PyArray_DATA(work)))
    s.D = <const char *>cnp.PyArray_DATA(D)
    s.points = <const double *>cnp.PyArray_DATA(points)
    s.out = <double *>cnp.PyArray_DATA(out)
    s.n = cnp.PyArray_DIM(out, 0)
    with nogil:
        run_surface(&s, m)

# Steps by slabs: the order for batches in front of a wide first layer, such as 784-16-16-10.
#
# There, nearly all weights are W1's and nearly all time goes into two products with it: z = x W1 and dW1 = x^T dz.  W1
# is cut along its inputs into a fixed number of slabs, and a slab, with its columns of x, stays with one thread: in one
# phase that thread takes the step before on its slab (dW1 never leaves the registers with plain SGD) and multiplies the
# new slab by the new batch; in the other phase row tiles add the slabs' products in order, go through the small layers
# and come back with dz.  Two barriers a step, and what crosses between the caches is the products and dz.
#
# W1 and its slots live in `work` meanwhile, rows padded to whole registers.  They are copied in and out once per call.
# 784-16-16-10 in batches of 32, two threads: 20 ms an epoch against 38 by row tiles (benchmarks/ladders/epoch.md).


cdef void copy_padded(Job *j, i64 start, i64 end, char *theta, char *padded, int out) noexcept nogil:
    """Copy rows of W1, or of a slot of it, from theta to their padded place; back where `out`."""
    cdef i64 n = layer_of(j.plan, 1)[N_OUT], row
    for row in range(start, end):
        if out:
            memcpy(theta + row * n * j.item, padded + row * j.pad * j.item, n * j.item)
        else:
            memset(padded + row * j.pad * j.item, 0, j.pad * j.item)
            memcpy(padded + row * j.pad * j.item, theta + row * n * j.item, n * j.item)


cdef void move_slab(Job *j, i64 slab, int out) noexcept nogil:
    cdef i64 at = layer_of(j.plan, 1)[W_AT] * j.item
    cdef i64 start = slab_from(j, slab, j.slabs), end = slab_from(j, slab + 1, j.slabs)
    copy_padded(j, start, end, j.theta + at, j.slab_theta, out)
    if j.state != NULL:
        copy_padded(j, start, end, j.state + at, j.slab_state, out)
    if j.state_2 != NULL:
        copy_padded(j, start, end, j.state_2 + at, j.slab_state_2, out)


cdef void enter_chunk(void *context, i64 chunk, int participant) noexcept nogil:
    """Before the first batch: a slab's weights to their place; behind them, the padding of dz."""
    cdef Job *j = <Job *>context
    if chunk < j.slabs:
        move_slab(j, chunk, False)
    else:
        memset(j.slab_dz, 0, j.slab_most * j.pad * j.item)


cdef void leave_chunk(void *context, i64 chunk, int participant) noexcept nogil:
    """After the last: a slab's weights back to theta."""
    move_slab(<Job *>context, chunk, True)


cdef double update_slab(
    Job *j, i64 slab, i64 start, i64 width, fnn_fetch *fetch, int participant, int measure
) noexcept nogil:
    """Take the pending step on a slab; return the sum of its weights' squares if it is to be measured."""
    cdef i64 at = start * j.pad * j.item, n_out = layer_of(j.plan, 1)[N_OUT], n = width * j.pad, b_at
    cdef double squares = 0
    cdef char *W = j.slab_theta + at
    cdef char *dW
    cdef const char *dZ = j.slab_dz if j.pad != n_out else kept_at(j, j.dz, 1, 0)
    if j.is_sgd:
        j.k.slab_backward(width, j.pad, j.m, j.slab_rows[1], start, dZ, W, j.sgd, fetch)
        if measure:
            squares = j.k.sum_squares(n, W)
    else:
        dW = j.slab_grad + participant * slab_grad_bytes(j, j.slabs)
        j.k.slab_backward(width, j.pad, j.m, j.slab_rows[1], start, dZ, dW, NULL, fetch)
        squares = j.k.update(
            j.rule, j.scalars, j.decay, l2_of(j, 1), 1, n, 0, W, dW, 0, NULL if j.state == NULL else j.slab_state + at,
            NULL if j.state_2 == NULL else j.slab_state_2 + at, measure,
        )
    if slab == j.slabs - 1 and layer_of(j.plan, 1)[BIAS]:  # the second layer's are with the other of two threads
        b_at = layer_of(j.plan, 1)[B_AT]
        j.k.column_sums(j.m, n_out, kept_at(j, j.dz, 1, 0), n_out, 1, 0, j.grad + b_at * j.item)
        update_biases(j, 1, 0, n_out)
    return squares


cdef void slab_chunk(void *context, i64 chunk, int participant) noexcept nogil:
    """First phase: the pending step and the next product of a slab; between the slabs, the other layers' weights."""
    cdef Job *j = <Job *>context
    cdef i64 half = j.slabs // 2, others = j.other_tiles if j.pending else 0, slab = chunk, start, width, item
    cdef fnn_rows X
    cdef fnn_fetch fetch
    cdef char *W
    cdef double l2 = next_l2_of(j, 1), squares = 0
    if half <= chunk < half + others:
        weigh_chunk(j, weight_tiles(j.plan, 0) - j.other_tiles + chunk - half, participant)
        return
    if chunk >= half + others:
        slab -= others
    start = slab_from(j, slab, j.slabs)
    width = slab_from(j, slab + 1, j.slabs) - start
    W = j.slab_theta + start * j.pad * j.item
    item = 1 if j.X.x_dtype == FNN_UINT8 else 4 if j.X.x_dtype == FNN_FLOAT32 else 8
    fetch.base = <const char *>j.X.data + start * j.X.col_step * item
    fetch.rows, fetch.left = j.rows_after, j.m_after if j.X.col_step == 1 else 0
    fetch.step, fetch.bytes = j.X.row_step * item, width * item
    fetch.at = fetch.end = NULL
    if j.pending:
        squares = update_slab(j, slab, start, width, &fetch, participant, l2 > 0)
    elif l2 > 0:
        squares = j.k.sum_squares(width * j.pad, W)
    if j.next_m:
        if not j.slab_in_place:
            X = j.X
            X.data, X.n_in, X.out_row = fetch.base, width, j.plan[FEATURES]
            j.k.gather(&X, j.next_rows, 0, j.next_m, j.slab_x + start * j.item)
        j.slab_sums[0][slab] = 0.5 * l2 * squares
        j.k.slab_forward(j.next_m, j.pad, width, j.slab_rows[0], start, W,
                         j.slab_products + slab * j.next_m * j.pad * j.item, &fetch)


cdef void point_at_rows(Job *j) noexcept nogil:
    """Say where the rows of the next batch lie: in X, or where the slabs will gather them."""
    cdef i64 i
    j.slab_rows[0], j.slab_rows[1] = j.slab_rows[1], j.slab_rows[0]
    j.slab_sums[0], j.slab_sums[1] = j.slab_sums[1], j.slab_sums[0]
    for i in range(j.next_m):
        if j.slab_in_place:
            j.slab_rows[0][i] = <const char *>j.X.data + j.next_rows[i] * j.X.row_step * j.item
        else:
            j.slab_rows[0][i] = j.slab_x + i * j.plan[FEATURES] * j.item


cdef void slab_learn_chunk(void *context, i64 chunk, int participant) noexcept nogil:
    """Second phase: row tiles from the slabs' products to dz; behind them other layers' penalties that no step has left."""
    cdef Job *j = <Job *>context
    cdef i64 row = chunk * j.tile, m = at_most(j.tile, j.m - row), n = layer_of(j.plan, 1)[N_OUT], i
    cdef const char *dZ
    cdef char *padded
    if chunk >= j.row_tiles:
        penalty_chunk(j, weight_tiles(j.plan, 0) - j.other_tiles + chunk - j.row_tiles)
        return
    learn_chunk(context, chunk, participant)
    if j.pad != n:
        dZ = kept_at(j, j.dz, 1, row)
        padded = j.slab_dz + row * j.pad * j.item
        for i in range(m):
            memcpy(padded + i * j.pad * j.item, dZ + i * n * j.item, n * j.item)


cdef double penalty_of(Job *j) noexcept nogil:
    """Return the penalty: the slabs', whose place was changed before they were written, then the other layers', after."""
    cdef i64 tiles = weight_tiles(j.plan, 0)
    return add_up(j.slab_sums[0], j.slabs) + add_up(j.weight_sums[0] + tiles - j.other_tiles, j.other_tiles)


cdef i64 run_slabs(
    Job *j, const i64 *order, const i64 *starts, i64 begin, i64 end, const double *hyper, i64 hyper_columns,
    double *losses
) noexcept nogil:
    """Train on batches begin ... end - 1; return the first that was not finished, or end."""
    cdef i64 i, unused_rows, unused_columns
    cdef int penalised = is_penalised(j)
    cdef double loss, penalty
    j.slabs = <int>slab_count(j)
    j.other_tiles = weight_tiles(j.plan, 0) - weight_grid(j.plan, 1, 0, &unused_rows, &unused_columns)
    j.slab_in_place = (
        j.X.x_dtype == (FNN_FLOAT64 if j.item == 8 else FNN_FLOAT32) and j.X.scale == 1 and j.X.col_step == 1
    )
    j.pending = False
    j.slab_most = most_slab_rows_of(j, starts, begin, end)
    run_phase(j, j.slabs + 1, enter_chunk)
    i = begin
    while True:
        j.next_m = j.m_after = 0
        j.next_norm = 0
        if i < end:
            j.next_rows, j.next_m = order + starts[i], starts[i + 1] - starts[i]
            j.next_norm = weight_of(j, j.next_rows, j.next_m)
        point_at_rows(j)
        if i + 1 < end:
            j.rows_after, j.m_after = order + starts[i + 1], starts[i + 2] - starts[i + 1]
        if j.pending:
            fnn_prepare(j.rule, hyper + (i - 1) * hyper_columns, j.t, j.scalars, &j.decay)
            set_sgd(j, 1, j.sgd)
        run_phase(j, j.slabs + (j.other_tiles if j.pending else 0), slab_chunk)
        j.measured = j.pending
        if j.pending:
            j.weight_sums[0], j.weight_sums[1] = j.weight_sums[1], j.weight_sums[0]
        j.t += j.pending
        j.pending = False
        if i == end:
            break
        set_block(j, j.next_rows, 0, j.next_m)
        j.norm = j.next_norm
        j.tile = slab_tile(j.m)
        j.row_tiles = (j.m + j.tile - 1) // j.tile
        run_phase(j, j.row_tiles + (j.other_tiles if penalised and not j.measured else 0), slab_learn_chunk)
        loss = add_up(j.tile_sums, j.row_tiles)
        penalty = penalty_of(j) if penalised else 0
        if losses != NULL:
            losses[2 * i], losses[2 * i + 1] = loss, penalty
        if not isfinite(loss + penalty):
            if losses == NULL:
                return i  # a helper, for whom these may be other sums: the caller goes on
            break
        j.pending = True
        i += 1
    run_phase(j, j.slabs, leave_chunk)
    j.slabs = 0
    j.next_m = 0
    j.measured = False
    return i


cdef i64 most_slab_rows_of(Job *j, const i64 *starts, i64 begin, i64 end) noexcept nogil:
    """Return the longest of some batches."""
    cdef i64 longest = 0, i
    for i in range(begin, end):
        longest = at_least(longest, starts[i + 1] - starts[i])
    return longest


cdef inline i64 slab_tile(i64 m) noexcept nogil:
    """Return the rows of a tile of the second phase: short ones, for what is left of the network is small."""
    cdef i64 tiles = at_most(at_least(m // 5, 1), at_least((m + 15) // 16, 2))
    return (m + tiles - 1) // tiles

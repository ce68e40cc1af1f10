# A step by tiles: the pieces that all orders of work share, and the order for networks that a core's cache holds.
#
# A. One step of training is two or three parallel phases with a barrier after each.
#    1. Row tiles: gather, forward through all layers, loss, back through all layers.  A tile touches its own rows only,
#       and leaves in `work` what the weights' phase reads: passes (or x) and dz of every layer.
#    2. Weight tiles: dW = passes^T dz, db, L2, and the update right there, while the tile is in the cache (plain SGD
#       even in registers), which leaves the penalty of the tile for the next batch: phase 1 takes those of the first
#       batch alone.  With clipping the squared norm instead, and
#    3. the update of the clipped gradient, by weight tiles.
# B. Sums that cross tiles or bands (loss, penalty, norm) are kept per tile in double and added in the order of the tiles.
# C. A batch longer than a block of rows goes block by block; grad holds the sum until the last.
# D. Batches that are long beside the weights go by bands (bands.pxi): each computes its share of dW in phase 1.
# E. Where f' reads its input, or outputs are dropped, what f' reads is kept apart from what the next layer takes.  The
#    slope of relu, 0 for a dropped output too, is taken from the latter, in the registers of the product before it.


cdef inline char *weights_at(Job *j, char *base, i64 layer) noexcept nogil:
    return base + layer_of(j.plan, layer)[W_AT] * j.item


cdef inline char *biases_at(Job *j, char *base, i64 layer) noexcept nogil:
    return base + layer_of(j.plan, layer)[B_AT] * j.item


cdef inline char *kept_at(Job *j, char *base, i64 layer, i64 row) noexcept nogil:
    """Return where a row of a layer's units lies in passes, reads or dz."""
    cdef const i64 *a = layer_of(j.plan, layer)
    return base + (j.capacity * a[UNIT] + row * a[N_OUT]) * j.item


cdef inline double rate_of(Job *j, i64 layer) noexcept nogil:
    return j.consts[layer * CONST_COLUMNS + DROPOUT] if j.drops else 0.0


cdef inline double l2_for(Job *j, i64 layer, double norm) noexcept nogil:
    """Return the factor of W in the gradient of the penalty."""
    cdef double l2 = j.consts[layer * CONST_COLUMNS + L2]
    return l2 / norm if j.consts[L2_OVER_NORM] != 0 else l2


cdef inline double l2_of(Job *j, i64 layer) noexcept nogil:
    return l2_for(j, layer, j.norm)


cdef inline double next_l2_of(Job *j, i64 layer) noexcept nogil:
    """Return the same for the batch to come; 0 where there is none."""
    return l2_for(j, layer, j.next_norm) if j.next_norm else 0


cdef inline int keeps_reads(Job *j, i64 layer) noexcept nogil:
    return layer_of(j.plan, layer)[READS_INPUT] != 0 or rate_of(j, layer) > 0


cdef inline const i64 *rows_at(Job *j, i64 row) noexcept nogil:
    if j.rows == NULL:
        return NULL
    return j.rows + row


cdef inline char *scratch_of(Job *j, int participant) noexcept nogil:
    return j.scratch + participant * j.scratch_step


cdef inline const char *x_in_place(Job *j, i64 row) noexcept nogil:
    return <const char *>j.X.data + (j.first + row) * j.X.row_step * j.item


cdef fnn_epilogue epilogue_of(Job *j, i64 layer) noexcept nogil:
    cdef const i64 *a = layer_of(j.plan, layer)
    cdef fnn_epilogue e
    memset(&e, 0, sizeof(fnn_epilogue))
    e.bias = biases_at(j, j.theta, layer) if a[BIAS] else NULL
    e.act = <int>a[ACT]
    e.z_row = a[N_OUT]
    e.z_col = 1
    return e


cdef int gate_of(Job *j, i64 layer, i64 row, i64 column, fnn_epilogue *e) noexcept nogil:
    """Say whether the product that gives the gradient of a layer's output makes dz of it by itself, and by what.

    relu's f' costs nothing in its registers; others take no less time there than in a pass of their own (tanh, 64
    columns: 2 % of an epoch more).  Of outputs of relu the dropped ones are 0, and have none.
    """
    if layer_of(j.plan, layer)[ACT] != RELU:
        return False
    memset(e, 0, sizeof(fnn_epilogue))
    e.gate, e.gate_row = kept_at(j, j.passes, layer, row) + column * j.item, layer_of(j.plan, layer)[N_OUT]
    return True


cdef double tile_loss(Job *j, i64 row, i64 m, const void *R, char *y, char *w, void *dR) noexcept nogil:
    """Return a tile's part of the loss, and write its gradient where dR is not NULL; y and w are for gathered rows."""
    cdef const i64 *rows = rows_at(j, row)
    cdef i64 n_out = j.plan[OUTPUTS], first = j.first + row
    cdef const char *T = j.T + first * n_out * j.item
    cdef const char *weights = NULL
    if j.labels or rows != NULL:
        j.k.targets(j.labels, j.T, n_out, rows, first, m, y)
        T = y
    if j.weights != NULL:
        weights = j.weights + first * j.item
        if rows != NULL:
            j.k.take(j.weights, rows, first, m, w)
            weights = w
    return j.k.loss(j.loss, j.consts[LOSS_PARAMETER], m, n_out, R, T, weights, j.norm, dR)


cdef double add_up(const double *sums, i64 n) noexcept nogil:
    cdef double total = 0
    cdef i64 i
    for i in range(n):
        total += sums[i]
    return total


cdef inline void run_phase(Job *j, i64 chunks, fnn_body body) noexcept nogil:
    """Run body(j, chunk, participant) for all chunks and return when that is done: on the team, or on the pool."""
    if j.member == NULL:
        fnn_pool_run(j.threads, chunks, body, j)
    else:
        fnn_team_phase(j.member, chunks, body, j)


# ---- phase 1: row tiles


cdef void add_slabs(Job *j, i64 row, i64 m, char *Y, const fnn_epilogue *e) noexcept nogil:
    """Finish the first layer's product from those of the slabs."""
    cdef i64 n = layer_of(j.plan, 1)[N_OUT]
    j.k.slab_sum(j.slabs, j.m * j.pad, m, n, j.pad, j.slab_products + row * j.pad * j.item, e.bias, Y)
    if e.Z != NULL:
        memcpy(e.Z, Y, m * n * j.item)
    if e.act:
        j.k.activation(e.act, m, n, Y, n, 1, Y, n, 1)


cdef void forward_tile(Job *j, i64 row, i64 m, int participant) noexcept nogil:
    """Fill x, passes and reads for the rows row ... row + m - 1 of the block."""
    cdef const i64 *rows = rows_at(j, row)
    cdef const i64 *a
    cdef i64 layer, n_in, n_out, a_row, a_col
    cdef fnn_epilogue e
    cdef const char *A = NULL
    cdef char *Y
    cdef char *passed
    for layer in range(1, j.plan[N_LAYERS] + 1):
        a = layer_of(j.plan, layer)
        n_in, n_out = a[N_IN], a[N_OUT]
        e = epilogue_of(j, layer)
        passed = kept_at(j, j.passes, layer, row)
        Y = passed
        if a[READS_INPUT]:
            e.Z = kept_at(j, j.reads, layer, row)
        elif rate_of(j, layer) > 0:
            Y = kept_at(j, j.reads, layer, row)
        if layer == 1 and j.slabs:
            add_slabs(j, row, m, Y, &e)
        elif layer == 1 and j.X.index_bytes:
            j.k.sparse_forward(&j.X, rows, j.first + row, m, n_out, weights_at(j, j.theta, 1), Y, &e)
        else:
            A = inputs_at(j, layer, row, &a_row, &a_col)
            if layer == 1 and not j.in_place:
                j.k.gather(&j.X, rows, j.first + row, m, <char *>A)
            j.k.gemm(m, n_out, n_in, A, a_row, a_col, weights_at(j, j.theta, layer), n_out, 1, Y, n_out, 1, 0, &e,
                     scratch_of(j, participant))
        if rate_of(j, layer) > 0:
            j.k.dropout(j.key, j.t, <int>layer, rows, j.first + row, m, n_out, rate_of(j, layer), Y, passed)


cdef inline const char *inputs_at(Job *j, i64 layer, i64 row, i64 *a_row, i64 *a_col) noexcept nogil:
    """Return where a row of a layer's inputs lies, and fill in the steps from row to row and from input to input."""
    a_row[0], a_col[0] = layer_of(j.plan, layer)[N_IN], 1
    if layer > 1:
        return kept_at(j, j.passes, layer - 1, row)
    if not j.in_place:
        return j.x + row * a_row[0] * j.item
    a_row[0], a_col[0] = j.X.row_step, j.X.col_step
    return x_in_place(j, row)


cdef void input_gradient(Job *j, i64 row, i64 m, int participant) noexcept nogil:
    """Write dX of some rows from dz of the first layer."""
    cdef i64 n_in = j.plan[FEATURES], n_out = layer_of(j.plan, 1)[N_OUT]
    cdef char *dZ = kept_at(j, j.dz, 1, row)
    cdef char *scaled
    if j.consts[INPUT_SCALE] != 1:
        # the factor goes onto the narrow side, in reads, which nobody reads any more
        scaled = kept_at(j, j.reads, 1, row)
        memcpy(scaled, dZ, m * n_out * j.item)
        j.k.scale(m * n_out, j.consts[INPUT_SCALE], scaled)
        dZ = scaled
    j.k.gemm(m, n_in, n_out, dZ, n_out, 1, weights_at(j, j.theta, 1), 1, n_out,
             j.dX + (j.first + row) * j.dx_row * j.item, j.dx_row, j.dx_col, 0, NULL, scratch_of(j, participant))


cdef void output_gradient(Job *j, i64 row, i64 m) noexcept nogil:
    """Turn the caller's gradient of the network's output into that of the last layer's, for some rows."""
    cdef i64 layer = j.plan[N_LAYERS], n_out = j.plan[OUTPUTS]
    cdef int link = <int>j.plan[LINK]
    cdef char *Y = j.y + row * n_out * j.item
    cdef char *dR = kept_at(j, j.dz, layer, row)
    j.k.link(link, m, n_out, kept_at(j, j.passes, layer, row), n_out, 1, Y, n_out, 1)
    j.k.activation(0, m, n_out, j.dY + (j.first + row) * j.dy_row * j.item, j.dy_row, j.dy_col, dR, n_out, 1)
    j.k.link_backward(link, m, n_out, Y, dR)


cdef void backward_tile(Job *j, i64 row, i64 m, int participant) noexcept nogil:
    """Turn dz of the last layer, the gradient of its output, into dz of every layer; write dX where it is wanted."""
    cdef const i64 *rows = rows_at(j, row)
    cdef const i64 *a
    cdef i64 layer, n_in, n_out
    cdef char *dZ
    cdef const char *read
    cdef fnn_epilogue e
    cdef int gated = False  # dz has its f' already
    for layer in range(j.plan[N_LAYERS], 0, -1):
        a = layer_of(j.plan, layer)
        n_in, n_out = a[N_IN], a[N_OUT]
        dZ = kept_at(j, j.dz, layer, row)
        if rate_of(j, layer) > 0:
            j.k.dropout(j.key, j.t, <int>layer, rows, j.first + row, m, n_out, rate_of(j, layer), dZ, dZ)
        if a[ACT] != 0 and not gated:
            read = kept_at(j, j.reads if keeps_reads(j, layer) else j.passes, layer, row)
            j.k.activation_grad(<int>a[ACT], m, n_out, read, n_out, 1, dZ, n_out, 1, dZ, n_out, 1)
        if layer > 1 and m == 1:
            j.k.row_back(n_in, n_out, weights_at(j, j.theta, layer), dZ, kept_at(j, j.dz, layer - 1, row))
        elif layer > 1:
            gated = gate_of(j, layer - 1, row, 0, &e)
            j.k.gemm(m, n_in, n_out, dZ, n_out, 1, weights_at(j, j.theta, layer), 1, n_out,
                     kept_at(j, j.dz, layer - 1, row), n_in, 1, 0, &e if gated else NULL, scratch_of(j, participant))
    if j.dX != NULL:
        input_gradient(j, row, m, participant)


cdef double learn_tile(Job *j, i64 row, i64 m, int participant) noexcept nogil:
    """Take a row tile through all layers and back; return its loss."""
    cdef i64 layer = j.plan[N_LAYERS]
    cdef double loss
    forward_tile(j, row, m, participant)
    loss = tile_loss(
        j, row, m, kept_at(j, j.passes, layer, row), j.y + row * j.plan[OUTPUTS] * j.item, j.w + row * j.item,
        kept_at(j, j.dz, layer, row),
    )
    backward_tile(j, row, m, participant)
    return loss


cdef void learn_chunk(void *context, i64 chunk, int participant) noexcept nogil:
    """Phase 1 of a step: row tiles first, then the penalties of weight tiles that no step has left."""
    cdef Job *j = <Job *>context
    cdef i64 row = chunk * j.tile
    if chunk < j.row_tiles:
        j.tile_sums[chunk] = learn_tile(j, row, at_most(j.tile, j.m - row), participant)
    else:
        penalty_chunk(j, chunk - j.row_tiles)


cdef void pull_back_chunk(void *context, i64 chunk, int participant) noexcept nogil:
    """Phase 1 of `backward`: a row tile with the caller's gradient of the output."""
    cdef Job *j = <Job *>context
    cdef i64 row = chunk * j.tile, m = at_most(j.tile, j.m - row)
    forward_tile(j, row, m, participant)
    output_gradient(j, row, m)
    backward_tile(j, row, m, participant)


# ---- phases 2 and 3: weight tiles


cdef double sum_squares_of(Job *j, WeightTile *tile, const char *base) noexcept nogil:
    """Return the sum of squares of a tile of a matrix of weights or their gradient."""
    cdef i64 n_out = layer_of(j.plan, tile.layer)[N_OUT], i
    cdef const char *at = base + (tile.row * n_out + tile.column) * j.item
    cdef double total = 0
    if tile.columns == n_out:
        return j.k.sum_squares(tile.rows * n_out, at)
    for i in range(tile.rows):
        total += j.k.sum_squares(tile.columns, at + i * n_out * j.item)
    return total


cdef void penalty_chunk(Job *j, i64 index) noexcept nogil:
    cdef WeightTile tile = find_weight_tile(j.plan, j.X.index_bytes, index)
    cdef double l2 = l2_of(j, tile.layer)
    j.weight_sums[0][index] = 0
    if l2 > 0:
        j.weight_sums[0][index] = 0.5 * l2 * sum_squares_of(j, &tile, weights_at(j, j.theta, tile.layer))


cdef double update_runs(
    Job *j, i64 rows, i64 n, i64 step, i64 at, const char *gradient, i64 g_step, double decay, double l2, int measure
) noexcept nogil:
    """Update `rows` runs of n parameters, `step` apart, from index `at` on; return their new squares if to be measured."""
    at *= j.item
    return j.k.update(j.rule, j.scalars, decay, l2, rows, n, step, j.theta + at, gradient, g_step,
                      NULL if j.state == NULL else j.state + at, NULL if j.state_2 == NULL else j.state_2 + at, measure)


cdef inline void update_biases(Job *j, i64 layer, i64 column, i64 n) noexcept nogil:
    update_runs(j, 1, n, 0, layer_of(j.plan, layer)[B_AT] + column, biases_at(j, j.grad, layer) + column * j.item, 0, 1.0,
                0, False)


cdef void update_tile(Job *j, WeightTile *tile, i64 index, const char *dW, i64 dw_row, double l2) noexcept nogil:
    """Update a tile with its gradient plus l2 W, and leave its penalty for the next batch."""
    cdef const i64 *a = layer_of(j.plan, tile.layer)
    cdef i64 n_out = a[N_OUT], at = a[W_AT] + tile.row * n_out + tile.column
    cdef double next_l2 = next_l2_of(j, tile.layer), squares
    if tile.columns == n_out:
        squares = update_runs(j, 1, tile.rows * n_out, 0, at, dW, 0, j.decay, l2, next_l2 > 0)
    else:
        squares = update_runs(j, tile.rows, tile.columns, n_out, at, dW, dw_row, j.decay, l2, next_l2 > 0)
    j.weight_sums[1][index] = 0.5 * next_l2 * squares
    if a[BIAS] and tile.row == 0:
        update_biases(j, tile.layer, tile.column, tile.columns)


cdef inline void set_sgd(Job *j, i64 layer, double *sgd) noexcept nogil:
    """Fill in what a product needs to take a step of plain SGD by itself."""
    sgd[0], sgd[1], sgd[2] = j.scalars[0], j.decay, l2_of(j, layer)


cdef void step_tile(Job *j, WeightTile *tile, i64 index, int participant) noexcept nogil:
    """Take a step of plain SGD on a tile, whose gradient never leaves the registers, and on its biases."""
    cdef const i64 *a = layer_of(j.plan, tile.layer)
    cdef i64 n_out = a[N_OUT], at = (tile.row * n_out + tile.column) * j.item, a_row, a_col
    cdef const char *A = inputs_at(j, tile.layer, 0, &a_row, &a_col) + tile.row * a_col * j.item
    cdef const char *dZ = kept_at(j, j.dz, tile.layer, 0) + tile.column * j.item
    cdef double l2 = next_l2_of(j, tile.layer)
    cdef double sgd[3]
    cdef fnn_epilogue e
    memset(&e, 0, sizeof(fnn_epilogue))
    set_sgd(j, tile.layer, sgd)
    e.sgd, e.W = sgd, weights_at(j, j.theta, tile.layer) + at
    j.k.gemm(tile.rows, tile.columns, j.m, A, a_col, a_row, dZ, n_out, 1, weights_at(j, j.grad, tile.layer) + at, n_out, 1,
             0, &e, scratch_of(j, participant))
    j.weight_sums[1][index] = 0
    if l2 > 0:
        j.weight_sums[1][index] = 0.5 * l2 * sum_squares_of(j, tile, weights_at(j, j.theta, tile.layer))
    if a[BIAS] and tile.row == 0:
        j.k.column_sums(j.m, tile.columns, dZ, n_out, 1, 0, biases_at(j, j.grad, tile.layer) + tile.column * j.item)
        update_biases(j, tile.layer, tile.column, tile.columns)


cdef void weigh_chunk(void *context, i64 chunk, int participant) noexcept nogil:
    """Phase 2: the gradient of a weight tile (the first ones take their biases along), and what follows from it."""
    cdef Job *j = <Job *>context
    cdef WeightTile tile = find_weight_tile(j.plan, j.X.index_bytes, chunk)
    cdef const i64 *a = layer_of(j.plan, tile.layer)
    cdef int sparse = tile.layer == 1 and j.X.index_bytes
    cdef i64 n_out = a[N_OUT], at = tile.row * n_out + tile.column, dw_row = n_out, a_row, a_col, i
    cdef const char *A
    cdef const char *dZ = kept_at(j, j.dz, tile.layer, 0)
    cdef char *W = weights_at(j, j.theta, tile.layer) + at * j.item
    cdef char *dW = weights_at(j, j.grad, tile.layer) + at * j.item
    cdef char *db = biases_at(j, j.grad, tile.layer) + tile.column * j.item
    cdef double l2
    if j.is_sgd and j.last and not j.accumulate and not j.bands and not sparse:
        step_tile(j, &tile, chunk, participant)
        return
    if j.rule >= 0 and j.last and not j.accumulate and not j.clips and not sparse:
        dW = j.tile_grads + participant * j.tile_grad_bytes  # nobody else reads it: it stays in this core's cache
        dw_row = tile.columns
    if j.bands:
        if j.threads > 1 and not j.clips:
            fnn_own(W, tile.rows * n_out * j.item)
        add_shares(j, tile.rows * n_out, a[W_AT] + at, dW)
    elif sparse:
        if not j.accumulate:
            memset(dW, 0, tile.rows * n_out * j.item)
        j.k.sparse_weight_gradient(&j.X, j.rows, j.first, j.m, n_out, tile.row, tile.row + tile.rows, dZ,
                                   weights_at(j, j.grad, 1))
    else:
        A = inputs_at(j, tile.layer, 0, &a_row, &a_col) + tile.row * a_col * j.item
        j.k.gemm(tile.rows, tile.columns, j.m, A, a_col, a_row, dZ + tile.column * j.item, n_out, 1, dW, dw_row, 1,
                 j.accumulate, NULL, scratch_of(j, participant))
    if a[BIAS] and tile.row == 0:
        if j.bands:
            add_shares(j, n_out, a[B_AT], db)
        else:
            j.k.column_sums(j.m, tile.columns, dZ + tile.column * j.item, n_out, 1, j.accumulate, db)
    if not j.last:
        return
    l2 = l2_of(j, tile.layer)
    if l2 > 0 and (j.clips or j.rule < 0):
        if tile.columns == n_out:
            j.k.axpy(tile.rows * n_out, l2, W, dW)
        else:
            for i in range(tile.rows):
                j.k.axpy(tile.columns, l2, W + i * n_out * j.item, dW + i * n_out * j.item)
    if j.clips:
        j.norm_sums[chunk] = sum_squares_of(j, &tile, weights_at(j, j.grad, tile.layer))
        if a[BIAS] and tile.row == 0:
            j.norm_sums[chunk] += j.k.sum_squares(tile.columns, db)
    elif j.rule >= 0:
        update_tile(j, &tile, chunk, dW, dw_row, l2)


cdef void clipped_update_chunk(void *context, i64 chunk, int participant) noexcept nogil:
    """Phase 3: scale a weight tile's gradient down, and update."""
    cdef Job *j = <Job *>context
    cdef WeightTile tile = find_weight_tile(j.plan, j.X.index_bytes, chunk)
    cdef const i64 *a = layer_of(j.plan, tile.layer)
    cdef i64 n_out = a[N_OUT], i
    cdef char *dW = weights_at(j, j.grad, tile.layer) + (tile.row * n_out + tile.column) * j.item
    if j.clip_factor != 1:
        if tile.columns == n_out:
            j.k.scale(tile.rows * n_out, j.clip_factor, dW)
        else:
            for i in range(tile.rows):
                j.k.scale(tile.columns, j.clip_factor, dW + i * n_out * j.item)
        if a[BIAS] and tile.row == 0:
            j.k.scale(tile.columns, j.clip_factor, biases_at(j, j.grad, tile.layer) + tile.column * j.item)
    update_tile(j, &tile, chunk, dW, n_out, 0)


cdef void clip_and_update(Job *j, i64 tiles) noexcept nogil:
    cdef double size = sqrt(add_up(j.norm_sums, tiles)), limit = j.consts[CLIP_NORM]
    j.clip_factor = limit / size if size > limit else 1.0
    run_phase(j, tiles, clipped_update_chunk)

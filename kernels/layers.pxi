# A step layer by layer: the order for networks whose weights no core's cache holds.
#
# A row tile that goes through all layers would read all weights, and so would the next.  Here every layer is one
# parallel phase over tiles of its output, rows by columns: weights are read once per step forward, once back and once
# when they are updated, and a tile packs the few columns that it wants.  What a tile has just written it finishes:
# bias and activation forward, f' on the way back.  The rows of the next batch are gathered beside the weights' phase,
# where their latency is hidden.
#
# Phases of a step of L layers: L forward, loss, L - 1 back, weights; one more for each layer that drops outputs.


cdef void gather_rows(Job *j, const i64 *rows, i64 m, i64 chunk, char *x) noexcept nogil:
    """Gather one chunk of a block into x."""
    cdef i64 row = chunk * LOSS_ROWS
    j.k.gather(&j.X, rows + row if rows != NULL else NULL, j.first + row, at_most(LOSS_ROWS, m - row),
               x + row * j.plan[FEATURES] * j.item)


cdef void gather_chunk(void *context, i64 chunk, int participant) noexcept nogil:
    cdef Job *j = <Job *>context
    gather_rows(j, j.rows, j.m, chunk, j.x)


cdef inline i64 row_chunks(i64 m) noexcept nogil:
    return (m + LOSS_ROWS - 1) // LOSS_ROWS


cdef void forward_chunk(void *context, i64 chunk, int participant) noexcept nogil:
    """A tile of the output of layer j.layer."""
    cdef Job *j = <Job *>context
    cdef i64 layer = j.layer, n_in = layer_of(j.plan, layer)[N_IN], n_out = layer_of(j.plan, layer)[N_OUT]
    cdef i64 across = (n_out + j.grid_columns - 1) // j.grid_columns
    cdef i64 row = chunk // across * j.grid_rows, column = chunk % across * j.grid_columns
    cdef i64 m = at_most(j.grid_rows, j.m - row), n = at_most(j.grid_columns, n_out - column)
    cdef i64 a_row, a_col
    cdef fnn_epilogue e = epilogue_of(j, layer)
    cdef const char *A
    cdef char *Y = kept_at(j, j.reads if rate_of(j, layer) > 0 and not layer_of(j.plan, layer)[READS_INPUT] else j.passes,
                           layer, row)
    if layer_of(j.plan, layer)[READS_INPUT]:
        e.Z = kept_at(j, j.reads, layer, row) + column * j.item
    if layer == 1 and j.X.index_bytes:
        j.k.sparse_forward(&j.X, rows_at(j, row), j.first + row, m, n_out, weights_at(j, j.theta, 1), Y, &e)
        return
    A = inputs_at(j, layer, row, &a_row, &a_col)
    if e.bias != NULL:
        e.bias = <const char *>e.bias + column * j.item
    j.k.gemm(m, n, n_in, A, a_row, a_col, weights_at(j, j.theta, layer) + column * j.item, n_out, 1,
             Y + column * j.item, n_out, 1, 0, &e, scratch_of(j, participant))


cdef void drop_chunk(void *context, i64 chunk, int participant) noexcept nogil:
    """Drop outputs of layer j.layer: what f' reads stays, the next layer takes the rest."""
    cdef Job *j = <Job *>context
    cdef i64 layer = j.layer, row = chunk * LOSS_ROWS
    cdef char *passed = kept_at(j, j.passes, layer, row)
    cdef char *Y = passed if layer_of(j.plan, layer)[READS_INPUT] else kept_at(j, j.reads, layer, row)
    j.k.dropout(j.key, j.t, <int>layer, rows_at(j, row), j.first + row, at_most(LOSS_ROWS, j.m - row),
                layer_of(j.plan, layer)[N_OUT], rate_of(j, layer), Y, passed)


cdef inline void shape_gradient(Job *j, i64 layer, i64 row, i64 m, i64 column, i64 n) noexcept nogil:
    """Multiply a tile of the gradient of a layer's output by f'."""
    cdef i64 act = layer_of(j.plan, layer)[ACT], n_out = layer_of(j.plan, layer)[N_OUT]
    cdef char *dZ = kept_at(j, j.dz, layer, row) + column * j.item
    if act != 0:
        j.k.activation_grad(<int>act, m, n, kept_at(j, j.reads if keeps_reads(j, layer) else j.passes, layer, row)
                            + column * j.item, n_out, 1, dZ, n_out, 1, dZ, n_out, 1)


cdef void loss_chunk(void *context, i64 chunk, int participant) noexcept nogil:
    """Loss and dz of the last layer for some rows; behind them, penalties that no step has left."""
    cdef Job *j = <Job *>context
    cdef i64 layer = j.plan[N_LAYERS], n_out = j.plan[OUTPUTS], row = chunk * LOSS_ROWS
    cdef i64 m = at_most(LOSS_ROWS, j.m - row)
    if chunk >= j.row_tiles:
        penalty_chunk(j, chunk - j.row_tiles)
        return
    j.tile_sums[chunk] = tile_loss(
        j, row, m, kept_at(j, j.passes, layer, row), j.y + row * n_out * j.item, j.w + row * j.item,
        kept_at(j, j.dz, layer, row),
    )
    shape_gradient(j, layer, row, m, 0, n_out)


cdef void given_chunk(void *context, i64 chunk, int participant) noexcept nogil:
    """dz of the last layer from the caller's gradient of the output, for some rows."""
    cdef Job *j = <Job *>context
    cdef i64 row = chunk * LOSS_ROWS, m = at_most(LOSS_ROWS, j.m - row)
    output_gradient(j, row, m)
    shape_gradient(j, j.plan[N_LAYERS], row, m, 0, j.plan[OUTPUTS])


cdef void back_chunk(void *context, i64 chunk, int participant) noexcept nogil:
    """A tile of dz of the layer before j.layer."""
    cdef Job *j = <Job *>context
    cdef i64 layer = j.layer, n_in = layer_of(j.plan, layer)[N_IN], n_out = layer_of(j.plan, layer)[N_OUT]
    cdef i64 across = (n_in + j.grid_columns - 1) // j.grid_columns
    cdef i64 row = chunk // across * j.grid_rows, column = chunk % across * j.grid_columns
    cdef i64 m = at_most(j.grid_rows, j.m - row), n = at_most(j.grid_columns, n_in - column)
    cdef fnn_epilogue e
    cdef int drops = rate_of(j, layer - 1) > 0, gated = not drops and gate_of(j, layer - 1, row, column, &e)
    j.k.gemm(m, n, n_out, kept_at(j, j.dz, layer, row), n_out, 1,
             weights_at(j, j.theta, layer) + column * n_out * j.item, 1, n_out,
             kept_at(j, j.dz, layer - 1, row) + column * j.item, n_in, 1, 0, &e if gated else NULL,
             scratch_of(j, participant))
    if not gated and not drops:
        shape_gradient(j, layer - 1, row, m, column, n)


cdef void drop_back_chunk(void *context, i64 chunk, int participant) noexcept nogil:
    """The factors of dropped outputs and f' on dz of layer j.layer, for some rows."""
    cdef Job *j = <Job *>context
    cdef i64 layer = j.layer, n_out = layer_of(j.plan, layer)[N_OUT], row = chunk * LOSS_ROWS
    cdef i64 m = at_most(LOSS_ROWS, j.m - row)
    cdef char *dZ = kept_at(j, j.dz, layer, row)
    j.k.dropout(j.key, j.t, <int>layer, rows_at(j, row), j.first + row, m, n_out, rate_of(j, layer), dZ, dZ)
    shape_gradient(j, layer, row, m, 0, n_out)


cdef void input_chunk(void *context, i64 chunk, int participant) noexcept nogil:
    """dX for some rows."""
    cdef Job *j = <Job *>context
    cdef i64 row = chunk * LOSS_ROWS
    input_gradient(j, row, at_most(LOSS_ROWS, j.m - row), participant)


cdef void weigh_or_gather_chunk(void *context, i64 chunk, int participant) noexcept nogil:
    """The weights' phase, and behind the weight tiles the rows of the next batch."""
    cdef Job *j = <Job *>context
    cdef i64 tiles = weight_tiles(j.plan, j.X.index_bytes)
    if chunk < tiles:
        weigh_chunk(context, chunk, participant)
    else:
        gather_rows(j, j.next_rows, j.next_m, chunk - tiles, j.x_next)


cdef void forward_layers(Job *j) noexcept nogil:
    cdef i64 n_in, n_out
    if not j.in_place and not j.X.index_bytes and not j.gathered:
        run_phase(j, row_chunks(j.m), gather_chunk)
    for layer in range(1, j.plan[N_LAYERS] + 1):
        j.layer = layer
        n_in, n_out = layer_of(j.plan, layer)[N_IN], layer_of(j.plan, layer)[N_OUT]
        if layer == 1 and j.X.index_bytes:
            j.grid_rows, j.grid_columns = LOSS_ROWS, n_out
        else:
            layer_grid(j.m, n_out, n_in, &j.grid_rows, &j.grid_columns)
        run_phase(j, tiles_of(j.m, n_out, j.grid_rows, j.grid_columns), forward_chunk)
        if rate_of(j, layer) > 0:
            run_phase(j, row_chunks(j.m), drop_chunk)


cdef void backward_layers(Job *j) noexcept nogil:
    """Carry dz of the last layer to the first, and on to dX where it is wanted."""
    cdef i64 layer, n_in, n_out
    for layer in range(j.plan[N_LAYERS], 1, -1):
        j.layer = layer
        n_in, n_out = layer_of(j.plan, layer)[N_IN], layer_of(j.plan, layer)[N_OUT]
        layer_grid(j.m, n_in, n_out, &j.grid_rows, &j.grid_columns)
        run_phase(j, tiles_of(j.m, n_in, j.grid_rows, j.grid_columns), back_chunk)
        if rate_of(j, layer - 1) > 0:
            j.layer = layer - 1
            run_phase(j, row_chunks(j.m), drop_back_chunk)
    if j.dX != NULL:
        run_phase(j, row_chunks(j.m), input_chunk)

# Inference: the programs that keep nothing but a tile, predict and evaluate.
#
# The activations of a row tile go through all layers in two buffers of the participant's own work, which stay in its
# cache; only X is read from memory and only the output is written.  Tiles are cut by shape alone, as in layout.pxi.
# Narrow networks predict by columns: columns.h takes a row tile through all layers in one call.


cdef char *infer_tile(Job *j, i64 row, i64 m, int participant) noexcept nogil:
    """Compute the last layer's output of a row tile; return where it is: in `out`, or contiguous in the own work."""
    cdef i64 layer, n_in, n_out, a_row, a_col, y_row, y_col
    cdef char *own = j.own + participant * j.own_step
    cdef i64 x_bytes = round_up(j.capacity * j.plan[FEATURES] * j.item, ALIGN)
    cdef i64 y_bytes = round_up(j.capacity * j.plan[WIDEST] * j.item, ALIGN)
    cdef fnn_epilogue e
    cdef const char *A = NULL
    cdef char *Y = NULL
    for layer in range(1, j.plan[N_LAYERS] + 1):
        n_in, n_out = layer_of(j.plan, layer)[N_IN], layer_of(j.plan, layer)[N_OUT]
        e = epilogue_of(j, layer)
        Y = own + x_bytes + (layer & 1) * y_bytes
        y_row, y_col = n_out, 1
        if layer == 1 and j.X.index_bytes:
            j.k.sparse_forward(&j.X, NULL, j.first + row, m, n_out, weights_at(j, j.theta, 1), Y, &e)
        else:
            a_row, a_col = n_in, 1
            if layer == 1 and j.in_place:
                A = x_in_place(j, row)
                a_row, a_col = j.X.row_step, j.X.col_step
            elif layer == 1:
                j.k.gather(&j.X, NULL, j.first + row, m, own)
                A = own
            if layer == j.plan[N_LAYERS] and j.out != NULL:
                Y = j.out + (j.first + row) * j.out_row * j.item
                y_row, y_col = j.out_row, j.out_col
            j.k.gemm(m, n_out, n_in, A, a_row, a_col, weights_at(j, j.theta, layer), n_out, 1, Y, y_row, y_col, 0, &e,
                     scratch_of(j, participant))
        A = Y
    return Y


cdef void predict_chunk(void *context, i64 chunk, int participant) noexcept nogil:
    cdef Job *j = <Job *>context
    cdef i64 row = chunk * j.tile, m = at_most(j.tile, j.m - row), n_out = j.plan[OUTPUTS]
    cdef char *out = j.out + (j.first + row) * j.out_row * j.item
    cdef const char *R = infer_tile(j, row, m, participant)
    if R != out:
        j.k.link(<int>j.plan[LINK], m, n_out, R, n_out, 1, out, j.out_row, j.out_col)
    elif j.plan[LINK] != 0:
        j.k.link(<int>j.plan[LINK], m, n_out, out, j.out_row, j.out_col, out, j.out_row, j.out_col)


cdef void columns_chunk(void *context, i64 chunk, int participant) noexcept nogil:
    cdef Job *j = <Job *>context
    cdef i64 row = chunk * j.tile, m = at_most(j.tile, j.m - row), x_row = j.plan[FEATURES], x_col = 1, layer
    cdef char *own = j.own + participant * j.own_step
    cdef char *work = own + round_up(j.tile * j.plan[FEATURES] * j.item, ALIGN)
    cdef const char *x = own
    cdef fnn_layer layers[COLUMN_LAYERS]
    cdef const i64 *a
    for layer in range(1, j.plan[N_LAYERS] + 1):
        a = layer_of(j.plan, layer)
        layers[layer - 1].n_in, layers[layer - 1].n_out = a[N_IN], a[N_OUT]
        layers[layer - 1].W = weights_at(j, j.theta, layer)
        layers[layer - 1].bias = epilogue_of(j, layer).bias
        layers[layer - 1].act = <int>a[ACT]
    if j.in_place:
        x, x_row, x_col = x_in_place(j, row), j.X.row_step, j.X.col_step
    else:
        j.k.gather(&j.X, NULL, j.first + row, m, own)
    j.k.columns(<int>j.plan[N_LAYERS], layers, <int>j.plan[LINK], m, x, x_row, x_col,
                j.out + (j.first + row) * j.out_row * j.item, j.out_row, j.out_col, work)


cdef void evaluate_chunk(void *context, i64 chunk, int participant) noexcept nogil:
    cdef Job *j = <Job *>context
    cdef i64 row = chunk * j.tile, m = at_most(j.tile, j.m - row)
    cdef char *w = j.own + (participant + 1) * j.own_step - round_up(j.capacity * j.item, ALIGN)
    cdef char *y = w - round_up(j.capacity * j.plan[OUTPUTS] * j.item, ALIGN)
    cdef const char *R = infer_tile(j, row, m, participant)
    j.tile_sums[chunk] = tile_loss(j, row, m, R, y, w, NULL)


cdef void run_predict(Job *j, i64 m) noexcept nogil:
    j.m = m
    if by_columns(j, m):
        j.tile = column_rows(m)
        fnn_pool_run(j.threads, (m + j.tile - 1) // j.tile, columns_chunk, j)
        return
    j.tile = evenly(m, infer_rows(j.plan, m))
    fnn_pool_run(j.threads, (m + j.tile - 1) // j.tile, predict_chunk, j)


cdef double run_evaluate(Job *j, i64 m) noexcept nogil:
    cdef double total = 0
    cdef i64 tiles
    j.tile = evenly(m, infer_rows(j.plan, m))
    j.first = 0
    while j.first < m:
        j.m = at_most(m - j.first, EVALUATE_TILES * j.tile)
        tiles = (j.m + j.tile - 1) // j.tile
        fnn_pool_run(j.threads, tiles, evaluate_chunk, j)
        total += add_up(j.tile_sums, tiles)
        j.first += j.m
    return total

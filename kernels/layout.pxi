# Layout: what a program knows while it runs (Job), how shapes cut its work into tiles, and where things lie in `work`.
#
# Sizes of tiles and blocks come from the plan and the number of rows alone, never from `threads`, so that sums are
# always taken in the same order: that is why results have the same bits for any number of threads.

cdef enum:
    ALIGN = 64                  # bytes; a cache line and the widest vector
    TILE_MACS = 1 << 18         # multiply-adds of a forward row tile: some microseconds, many times a claim's cost
    LEAST_TILE = 16             # rows
    SHARED_MACS = 1 << 16       # multiply-adds of a batch forward from which its tiles are cut to be shared out evenly
    MOST_TILE = 128
    INFER_TILES = 8             # of predict and evaluate, which a batch has at least before its tiles grow taller
    COLUMN_LAYERS = 8           # predict by columns (columns.h): networks with as many layers at most,
    COLUMN_WIDTH = 128          # as many inputs, outputs and units of a layer (64-byte registers; 100 x 100 x 100 x 10,
    COLUMN_WIDTH_SHORT = 32     #   1 000 rows: 0.39 ms, not 0.44; with others 0.48, not 0.46, and layers of 32 gain),
    COLUMN_UNITS = 256          # and as many hidden units, of which it keeps three groups of rows beside the weights;
    COLUMN_GROUPS = 4           # groups of rows, a register each, from which it repays,
    COLUMN_ROWS = 1024          # and rows of a tile: the first and the last groups have nothing to run beside
    BLOCK_ELEMENTS = 1 << 22    # of a block's outputs, inputs and gradients: bounds `work`
    LEAST_BLOCK = 64            # rows
    MOST_BLOCK = 4096
    SMALL_LAYER = 1 << 16       # weights; up to here a layer is cut by rows only, and its tiles are contiguous in theta
    SMALL_WEIGHT_TILE = 1 << 10
    CUT_WEIGHTS = 1 << 8        # of a second and last layer behind a wide first one, more of which are two tiles at least
    LARGE_WEIGHT_TILE = 3 << 13
    LARGE_TILES = 8             # of a layer at least
    LARGE_COLUMNS = 512         # whole rows, if they are no longer: what follows in memory is fetched ahead of its use
    HUGE_LAYER = 1 << 20        # weights; from here on a tile is as high as wide, so that dz is packed seldom
    HUGE_WEIGHT_TILE = 1 << 16
    HUGE_COLUMNS = 256
    SPARSE_TILES = 8            # of the first layer's weights under CSR: each reads every index of the block
    EVALUATE_TILES = 256        # between two barriers
    LAYERWISE_BYTES = 3 << 18   # of theta, from which a batch goes layer by layer: row tiles would each read it all
    LAYER_ROWS = 512            # of a tile of a layer's output
    LAYER_COLUMNS = 128
    LOSS_ROWS = 32
    BAND_MACS = 1 << 18         # multiply-adds of a batch forward from which it may go by bands,
    BAND_RATIO = 4              # and inputs and outputs of all layers for each parameter
    LEAST_BANDS = 4             # more for longer batches
    MOST_BANDS = 16
    SLABS = 4                   # of the first layer; more where they would be long
    MOST_SLABS = 16
    SLAB_ROWS = 192             # weights of a unit from which there are more
    SLAB_INPUTS = 256           # a first layer this wide, and SLAB_RATIO times as wide as its output, is cut into slabs
    SLAB_RATIO = 4
    SLAB_WEIGHTS = 1 << 20      # bytes of its weights at most: they are to stay in the caches
    SLAB_X = 1 << 20            # bytes of a batch of its inputs, likewise

cdef struct Job:
    const fnn_kernels *k
    i64 item                    # bytes of a real
    const i64 *plan
    const double *consts
    int threads
    fnn_member *member          # NULL outside of a team, whose members have a Job each
    int loss
    char *theta
    char *grad                  # NULL: not wanted
    char *state                 # first slot, or NULL
    char *state_2               # second slot, or NULL
    # inputs
    fnn_rows X
    int in_place                # consecutive rows of X can be read where they are
    const char *T               # NULL: none
    int labels
    const char *weights         # NULL: ones
    double norm
    i64 key
    i64 t
    int drops                   # dropout is on
    # the rows of this run: rows[0 .. m), or first, first + 1, ... where rows is NULL
    const i64 *rows
    i64 first
    i64 m
    i64 tile                    # rows of a tile
    i64 row_tiles               # or bands, where there are any
    i64 bands                   # 0: none
    # the weights' phase
    int accumulate              # add to grad, which holds the blocks before
    int last                    # of the batch's blocks: regularise, and measure or update
    int clips
    int rule                    # -1: no update
    double next_norm            # of the batch to come; 0: none
    int measured                # the step before has left this batch's penalties, and next_norm was its norm
    double scalars[4]
    double decay
    double clip_factor
    # backward and predict
    const char *dY
    i64 dy_row
    i64 dy_col
    char *dX                    # NULL: not wanted
    i64 dx_row
    i64 dx_col
    char *out
    i64 out_row
    i64 out_col
    # layer by layer
    i64 layer
    i64 grid_rows               # of a tile of its output
    i64 grid_columns
    const i64 *next_rows        # of the batch to come, gathered beside the weights' phase; next_m 0: none
    i64 next_m
    int gathered                # x holds this block already
    # slabs
    int slabs                   # how many, or 0 outside of run_slabs
    int pending                 # the batch before waits for its update
    i64 pad                     # units of the first layer, rounded up to whole registers
    i64 other_tiles             # weight tiles of the other layers
    i64 slab_most               # rows of the longest batch
    const i64 *rows_after       # of the batch after the next, to be prefetched; m_after 0: none
    i64 m_after
    double sgd[3]
    int is_sgd
    char *slab_theta            # W1 and its slots, padded
    char *slab_state
    char *slab_state_2
    int slab_in_place           # rows of X are read where they are
    const void **slab_rows[2]   # pointers to the rows of the next batch and of the one before; each member its own
    i64 slab_rows_step
    char *slab_x                # where they are gathered, if not in place: a slab is done with its old columns by then
    char *slab_products         # per slab, x W
    char *slab_dz               # dz of the first layer, padded
    char *slab_grad             # per participant
    double *slab_sums[2]        # penalties at the next batch, and at the one before
    # work: rows kept for a block ...
    i64 capacity
    char *passes                # per layer, what the next one takes
    char *reads                 # per layer, what f' reads, where that is something else
    char *dz                    # per layer, the gradient of its output, then of its product
    char *x                     # gathered rows of X
    char *x_next                # and of the batch to come, in train
    char *y                     # gathered targets; in `backward` the network's output
    char *w                     # gathered sample weights
    char *tile_grads            # in train: the gradient of a weight tile, one for each participant
    i64 tile_grad_bytes
    char *shares                # in train: the gradients of the bands, share_bytes apart
    i64 share_bytes
    double *tile_sums           # losses of the row tiles
    double *weight_sums[2]      # penalties of the weight tiles at this batch, and at the next
    double *norm_sums           # their squared gradients
    # ... or for a tile, one set for each participant
    char *own
    i64 own_step
    char *scratch
    i64 scratch_step

cdef struct WeightTile:
    i64 layer
    i64 row
    i64 rows
    i64 column
    i64 columns


cdef inline const i64 *layer_of(const i64 *plan, i64 layer) noexcept nogil:
    return plan + layer * PLAN_COLUMNS


cdef inline i64 round_up(i64 n, i64 multiple) noexcept nogil:
    return (n + multiple - 1) // multiple * multiple


cdef inline i64 at_least(i64 n, i64 low) noexcept nogil:
    return n if n > low else low


cdef inline i64 at_most(i64 n, i64 high) noexcept nogil:
    return n if n < high else high


cdef inline i64 evenly(i64 n, i64 most) noexcept nogil:
    """Return the size of the tiles that cut n evenly into as few as `most` allows, a multiple of 8."""
    cdef i64 count = at_least((n + most - 1) // most, 1)
    return at_least(round_up((n + count - 1) // count, 8), 8)


cdef i64 most_tile(const i64 *plan) noexcept nogil:
    """Return the most rows that a row tile may have, a multiple of 8."""
    return at_most(at_least(TILE_MACS // at_least(plan[N_PARAMETERS], 1), LEAST_TILE), MOST_TILE) // 8 * 8


cdef i64 row_tile(const i64 *plan, i64 m) noexcept nogil:
    """Return the rows of a tile of m rows: of the tallest ones those that two threads can share out most evenly.

    200 rows of 20-64-64-3 in 7 tiles, not 5, on two threads: 51 us a step, not 55, and 93, not 99, in float64; one
    thread loses 1 %.  (Measured before those went by bands.)
    """
    cdef i64 tile = evenly(m, most_tile(plan)), best = tile, least = at_least(tile // 2, LEAST_TILE) // 8 * 8
    if m * plan[N_PARAMETERS] < SHARED_MACS:
        return tile
    while tile > least:
        tile -= 8
        if longer_half(m, tile) < longer_half(m, best) and (m - 1) % tile >= 7:  # the last one has 8 rows too
            best = tile
    return best


cdef inline i64 longer_half(i64 m, i64 tile) noexcept nogil:
    """Return the rows of the first half of the tiles or of the second, whichever has more."""
    cdef i64 first = (m + tile - 1) // tile // 2 * tile
    return at_least(first, m - first)


cdef i64 infer_rows(const i64 *plan, i64 m) noexcept nogil:
    """Return the most rows of a tile of predict and evaluate, a multiple of 8: what they keep is only a layer."""
    cdef i64 share = at_most(m // INFER_TILES, MOST_TILE) // 8 * 8
    return at_least(most_tile(plan), share)


cdef inline i64 lanes_of(Job *j) noexcept nogil:
    return j.k.vector_bytes // j.item


cdef int by_columns(Job *j, i64 m) noexcept nogil:
    """Say whether predict takes m rows a register at a time through a narrow network: never by the form of X."""
    cdef const i64 *plan = j.plan
    cdef i64 layer, widest = COLUMN_WIDTH if j.k.vector_bytes == 64 else COLUMN_WIDTH_SHORT
    if lanes_of(j) < 2 or m < COLUMN_GROUPS * lanes_of(j) or j.X.index_bytes:
        return False
    if plan[N_LAYERS] > COLUMN_LAYERS or plan[WIDEST] > widest or plan[UNITS] - plan[OUTPUTS] > COLUMN_UNITS:
        return False
    for layer in range(2, plan[N_LAYERS]):
        if layer_of(plan, layer)[ACT] != layer_of(plan, 1)[ACT]:
            return False
    return True


cdef i64 column_rows(i64 m) noexcept nogil:
    """Return the rows of a tile of predict by columns, whole registers of any target."""
    cdef i64 most = at_most(at_least(m // INFER_TILES, 64), COLUMN_ROWS)
    cdef i64 count = (m + most - 1) // most
    return round_up((m + count - 1) // count, 16)


cdef i64 block_rows(const i64 *plan) noexcept nogil:
    """Return the rows that are kept between forward and the weights' phase; larger batches go block by block."""
    cdef i64 per_row = 3 * plan[UNITS] + plan[FEATURES] + plan[OUTPUTS] + 1
    return at_most(at_least(BLOCK_ELEMENTS // per_row, LEAST_BLOCK), MOST_BLOCK) // 16 * 16


cdef i64 weight_grid(const i64 *plan, i64 layer, int sparse, i64 *rows, i64 *columns) noexcept nogil:
    """Say how a layer's weights are cut into tiles of (rows, columns), and return how many there are."""
    cdef i64 n_in = layer_of(plan, layer)[N_IN], n_out = layer_of(plan, layer)[N_OUT]
    columns[0] = n_out
    if sparse and layer == 1:
        rows[0] = (n_in + SPARSE_TILES - 1) // SPARSE_TILES
    elif n_in <= SMALL_LAYER // n_out:
        rows[0] = evenly(n_in, at_least(SMALL_WEIGHT_TILE // n_out // 8 * 8, 8))
        if layer == 2 and plan[N_LAYERS] == 2 and plan[FEATURES] >= SLAB_INPUTS and n_in * n_out > CUT_WEIGHTS:
            rows[0] = at_most(rows[0], evenly(n_in, (n_in + 1) // 2))  # beside the slabs: one for each of two threads
    else:
        columns[0] = at_most(n_out, LARGE_COLUMNS)
        rows[0] = at_most(LARGE_WEIGHT_TILE // columns[0], n_in * ((n_out + columns[0] - 1) // columns[0]) // LARGE_TILES)
        if n_in >= HUGE_LAYER // n_out:
            columns[0] = at_most(n_out, HUGE_COLUMNS)
            rows[0] = HUGE_WEIGHT_TILE // columns[0]
        rows[0] = evenly(n_in, at_least(rows[0], 8))
    return ((n_in + rows[0] - 1) // rows[0]) * ((n_out + columns[0] - 1) // columns[0])


cdef i64 weight_tiles(const i64 *plan, int sparse) noexcept nogil:
    """Return the number of weight tiles of all layers."""
    cdef i64 layer, rows, columns, count = 0
    for layer in range(1, plan[N_LAYERS] + 1):
        count += weight_grid(plan, layer, sparse, &rows, &columns)
    return count


cdef i64 largest_weight_tile(const i64 *plan) noexcept nogil:
    """Return the most weights of a tile of dense input."""
    cdef i64 layer, rows, columns, most = 0
    for layer in range(1, plan[N_LAYERS] + 1):
        weight_grid(plan, layer, False, &rows, &columns)
        most = at_least(most, rows * columns)
    return most


cdef WeightTile find_weight_tile(const i64 *plan, int sparse, i64 index) noexcept nogil:
    """Return the index-th weight tile: by layer, then by rows, then by columns."""
    cdef WeightTile tile
    cdef i64 rows, columns, count, across
    cdef const i64 *a
    tile.layer = 1
    while True:
        count = weight_grid(plan, tile.layer, sparse, &rows, &columns)
        if index < count:
            break
        index -= count
        tile.layer += 1
    a = layer_of(plan, tile.layer)
    across = (a[N_OUT] + columns - 1) // columns
    tile.row = index // across * rows
    tile.column = index % across * columns
    tile.rows = at_most(rows, a[N_IN] - tile.row)
    tile.columns = at_most(columns, a[N_OUT] - tile.column)
    return tile


cdef char *reserve(char *work, i64 *used, i64 bytes) noexcept nogil:
    """Return the place of the next `bytes` of work, and count them; work is NULL where only the count is wanted."""
    cdef char *place = NULL
    if work != NULL:
        place = work + used[0]
    used[0] += round_up(bytes, ALIGN)
    return place


cdef inline int is_layerwise(Job *j) noexcept nogil:
    return j.plan[N_PARAMETERS] * j.item > LAYERWISE_BYTES


cdef void layer_grid(i64 m, i64 n, i64 k, i64 *rows, i64 *columns) noexcept nogil:
    """Say how the output (m, n) of a product over k is cut into tiles: at least eight where there is the work for it."""
    rows[0], columns[0] = evenly(m, LAYER_ROWS), round_up(evenly(n, LAYER_COLUMNS), 32)
    if m * n * k < TILE_MACS:
        rows[0], columns[0] = at_least(m, 1), n  # at least one: an empty batch too is divided by it
        return
    while tiles_of(m, n, rows[0], columns[0]) < 8 and columns[0] > 64:
        columns[0] //= 2
    while tiles_of(m, n, rows[0], columns[0]) < 8 and rows[0] > 32:
        rows[0] = round_up(rows[0] // 2, 8)


cdef inline i64 tiles_of(i64 m, i64 n, i64 rows, i64 columns) noexcept nogil:
    return ((m + rows - 1) // rows) * ((n + columns - 1) // columns)


# ---- slabs of the first layer


cdef i64 slab_count(Job *j) noexcept nogil:
    """Return into how many slabs `train` cuts the first layer: by the plan alone; 0 for none."""
    cdef i64 n_in = j.plan[FEATURES], n_out = layer_of(j.plan, 1)[N_OUT]
    if j.X.index_bytes or n_in < SLAB_INPUTS or n_in < SLAB_RATIO * n_out or n_in * padded_units(j) * j.item > SLAB_WEIGHTS:
        return 0
    return at_most(at_least(n_in // SLAB_ROWS, SLABS), MOST_SLABS)


cdef inline i64 padded_units(Job *j) noexcept nogil:
    return round_up(layer_of(j.plan, 1)[N_OUT], at_least(j.k.vector_bytes // j.item, 1))


cdef inline i64 most_slab_rows(Job *j) noexcept nogil:
    """Return the longest batch that goes by slabs."""
    return at_most(SLAB_X // (j.plan[FEATURES] * j.item), block_rows(j.plan))


cdef inline i64 slab_from(Job *j, i64 slab, i64 slabs) noexcept nogil:
    """Return the first input of a slab, a multiple of 8."""
    cdef i64 eights = (j.plan[FEATURES] + 7) // 8
    return at_most(eights * slab // slabs * 8, j.plan[FEATURES])


cdef void lay_out_slabs(Job *j, i64 rows, char *work, i64 *used) noexcept nogil:
    """Place what run_slabs keeps."""
    cdef i64 slabs = slab_count(j), n_in = j.plan[FEATURES], i
    cdef i64 cap = at_most(at_least(rows, 1), most_slab_rows(j))
    cdef i64 padded = padded_units(j)
    if not slabs or cap < 1:
        return
    j.pad = padded
    j.slab_theta = reserve(work, used, n_in * padded * j.item)
    j.slab_state = reserve(work, used, n_in * padded * j.item)
    j.slab_state_2 = reserve(work, used, n_in * padded * j.item)
    j.slab_x = reserve(work, used, cap * n_in * j.item)
    j.slab_rows_step = round_up(cap * 8, ALIGN)
    for i in range(2):
        j.slab_rows[i] = <const void **>reserve(work, used, j.threads * j.slab_rows_step)
    j.slab_products = reserve(work, used, slabs * cap * padded * j.item)
    j.slab_dz = reserve(work, used, cap * padded * j.item)
    j.slab_grad = reserve(work, used, j.threads * slab_grad_bytes(j, slabs))
    for i in range(2):
        j.slab_sums[i] = <double *>reserve(work, used, slabs * 8)


cdef inline i64 slab_grad_bytes(Job *j, i64 slabs) noexcept nogil:
    return round_up((j.plan[FEATURES] // slabs + 16) * padded_units(j) * j.item, ALIGN)


# ---- work


cdef i64 lay_out_block(Job *j, i64 rows, int trains, char *work) noexcept nogil:
    """Place what gradient, backward and train keep of a block of `rows` rows at most; return the bytes taken."""
    cdef const i64 *plan = j.plan
    cdef i64 used = 0, cap = at_most(round_up(at_least(rows, 1), 16), block_rows(plan)), i
    j.capacity = cap
    j.passes = reserve(work, &used, cap * plan[UNITS] * j.item)
    j.reads = reserve(work, &used, cap * plan[UNITS] * j.item)
    j.dz = reserve(work, &used, cap * plan[UNITS] * j.item)
    j.x = reserve(work, &used, cap * plan[FEATURES] * j.item)
    if trains:
        j.x_next = reserve(work, &used, cap * plan[FEATURES] * j.item if is_layerwise(j) else 0)
        lay_out_slabs(j, rows, work, &used)
        j.tile_grad_bytes = round_up(largest_weight_tile(plan) * j.item, ALIGN)
        j.tile_grads = reserve(work, &used, j.threads * j.tile_grad_bytes)
        j.share_bytes = round_up(plan[N_PARAMETERS] * j.item, ALIGN) + ALIGN  # they are read by whole registers
        j.shares = reserve(work, &used, bands_of(j, cap) * j.share_bytes)
    j.y = reserve(work, &used, cap * plan[OUTPUTS] * j.item)
    j.w = reserve(work, &used, cap * j.item)
    j.tile_sums = <double *>reserve(work, &used, (cap // 8 + 1) * 8)
    for i in range(2):
        j.weight_sums[i] = <double *>reserve(work, &used, (weight_tiles(plan, False) + SPARSE_TILES) * 8)
    j.norm_sums = <double *>reserve(work, &used, (weight_tiles(plan, False) + SPARSE_TILES) * 8)
    lay_out_scratch(j, work, &used)
    return used


cdef i64 lay_out_tiles(Job *j, i64 rows, char *work) noexcept nogil:
    """Place what predict and evaluate need of a tile, for each participant; return the bytes taken."""
    cdef const i64 *plan = j.plan
    cdef i64 used = 0, cap = at_most(round_up(at_least(rows, 1), 8), infer_rows(plan, rows))
    j.capacity = cap
    j.own_step = (
        round_up(cap * plan[FEATURES] * j.item, ALIGN)
        + 2 * round_up(cap * plan[WIDEST] * j.item, ALIGN)
        + round_up(cap * plan[OUTPUTS] * j.item, ALIGN)
        + round_up(cap * j.item, ALIGN)
    )
    if by_columns(j, rows):
        j.own_step = at_least(j.own_step, (
            round_up(column_rows(rows) * plan[FEATURES] * j.item, ALIGN)
            + round_up(j.k.columns_elements(plan[FEATURES], plan[UNITS] - plan[OUTPUTS], plan[OUTPUTS]) * j.item, ALIGN)
        ))
    j.own = reserve(work, &used, j.threads * j.own_step)
    j.tile_sums = <double *>reserve(work, &used, EVALUATE_TILES * 8)
    lay_out_scratch(j, work, &used)
    return used


cdef void lay_out_scratch(Job *j, char *work, i64 *used) noexcept nogil:
    j.scratch_step = round_up(<i64>j.k.gemm_scratch_bytes, ALIGN)
    j.scratch = reserve(work, used, j.threads * j.scratch_step)


cdef inline char *aligned(void *work) noexcept nogil:
    return <char *>((<size_t>work + ALIGN - 1) // ALIGN * ALIGN)

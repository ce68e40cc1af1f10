# A step by bands: a step by tiles whose weights' phase adds up gradients instead of multiplying.
#
# That phase reads the inputs and gradients of all layers, and half of those another core has written: for 200 rows of
# 64-100-10 1640 cache lines a thread, at 10 ns each a third of the step.  Where the weights are far fewer, every band of
# rows leaves its own share of the gradient, and only shares and new weights go from core to core.  The bands follow from
# the shape alone, and their shares are added in their order.  Short bands are one row tile: what W2 must be turned or
# packed for is then turned once.


cdef i64 bands_of(Job *j, i64 m) noexcept nogil:
    """Return into how many bands `train` cuts a batch of m rows; 0: none."""
    cdef const i64 *plan = j.plan
    cdef const i64 *a
    cdef i64 layer, crossing = 0
    if j.slabs or j.X.index_bytes or is_layerwise(j) or m > block_rows(plan) or m * plan[N_PARAMETERS] < BAND_MACS:
        return 0
    for layer in range(1, plan[N_LAYERS] + 1):
        a = layer_of(plan, layer)
        crossing += m * (a[N_IN] + a[N_OUT])
        if a[N_IN] > SMALL_LAYER // a[N_OUT]:
            return 0  # its weight tiles are not contiguous
    if crossing < BAND_RATIO * plan[N_PARAMETERS] or m < LEAST_BANDS * LEAST_TILE:
        return 0
    return at_most(at_most(at_least(crossing // (BAND_RATIO * plan[N_PARAMETERS]), LEAST_BANDS), MOST_BANDS),
                   m // LEAST_TILE)


cdef inline i64 band_from(i64 m, i64 band, i64 bands) noexcept nogil:
    """Return the first row of a band, a multiple of 4: of 200 rows, as 8 would share them, one thread would have 104."""
    return at_most((m + 3) // 4 * band // bands * 4, m)


cdef void band_chunk(void *context, i64 chunk, int participant) noexcept nogil:
    """Phase 1 by bands: the row tiles of a band and its share of the gradient; then penalties not left by a step."""
    cdef Job *j = <Job *>context
    cdef i64 first, last, row, layer, n_in, n_out, a_row, a_col
    cdef const char *A
    cdef const char *dZ
    cdef char *share
    if chunk >= j.bands:
        penalty_chunk(j, chunk - j.bands)
        return
    row = first = band_from(j.m, chunk, j.bands)
    last = band_from(j.m, chunk + 1, j.bands)
    j.tile_sums[chunk] = 0
    while row < last:
        j.tile_sums[chunk] += learn_tile(j, row, at_most(j.tile, last - row), participant)
        row += j.tile
    share = j.shares + chunk * j.share_bytes
    for layer in range(1, j.plan[N_LAYERS] + 1):
        n_in, n_out = layer_of(j.plan, layer)[N_IN], layer_of(j.plan, layer)[N_OUT]
        A = inputs_at(j, layer, first, &a_row, &a_col)
        dZ = kept_at(j, j.dz, layer, first)
        j.k.gemm(n_in, n_out, last - first, A, a_col, a_row, dZ, n_out, 1, weights_at(j, share, layer), n_out, 1, 0, NULL,
                 scratch_of(j, participant))
        if layer_of(j.plan, layer)[BIAS]:
            j.k.column_sums(last - first, n_out, dZ, n_out, 1, 0, biases_at(j, share, layer))


cdef void add_shares(Job *j, i64 n, i64 at, char *gradient) noexcept nogil:
    """Write to `gradient` the sums of n numbers, from index `at` on, over the shares of the bands, in their order."""
    j.k.slab_sum(j.bands, j.share_bytes // j.item, 1, n, n, j.shares + at * j.item, NULL, gradient)

# Programs: whole networks over rows, steps and epochs.
#
# A step takes one of four orders of work, chosen by shape alone: slabs.pxi for batches in front of a wide first layer,
# layers.pxi for networks that no core's cache holds, bands.pxi for batches that are long beside the weights, tiles.pxi
# for the others.
#
# In `train` all that stands between two phases is executed by every thread, on a Job of its own (c/team.c).  So it writes
# nothing but its Job, and what it reads of `work` the phase that follows must not write: others may be in it already.
# That is why penalties and squared gradients have sums of their own, and penalties two places.  And no sum may go
# on over several phases: a batch longer than a block is not for a team.


# ---- programs that keep a block: gradient, train, backward


cdef void set_block(Job *j, const i64 *rows, i64 start, i64 m) noexcept nogil:
    """Make the block those from `start` on of m rows: of `rows`, or of X itself where that is NULL."""
    j.rows, j.first = NULL, start
    if rows != NULL:
        j.rows, j.first = rows + start, 0
    j.m = at_most(m - start, block_rows(j.plan))
    j.bands = bands_of(j, m) if j.shares != NULL else 0
    if j.bands:
        j.tile, j.row_tiles = evenly((m + j.bands - 1) // j.bands, MOST_TILE), j.bands
    else:
        j.tile = row_tile(j.plan, j.m)
        j.row_tiles = (j.m + j.tile - 1) // j.tile
    j.accumulate = start > 0
    j.last = start + j.m >= m


cdef int is_penalised(Job *j) noexcept nogil:
    cdef i64 layer
    for layer in range(1, j.plan[N_LAYERS] + 1):
        if j.consts[layer * CONST_COLUMNS + L2] > 0:
            return 1
    return 0


cdef void learn_block(Job *j, i64 penalty_tiles) noexcept nogil:
    """Fill in passes, reads and dz of a block, the losses of its row tiles and the penalties of the weight tiles."""
    if is_layerwise(j):
        forward_layers(j)
        j.row_tiles = row_chunks(j.m)
        run_phase(j, j.row_tiles + penalty_tiles, loss_chunk)
        backward_layers(j)
    else:
        run_phase(j, j.row_tiles + penalty_tiles, band_chunk if j.bands else learn_chunk)


cdef int run_batch(Job *j, const i64 *rows, i64 m, double *parts) noexcept nogil:
    """Write the batch's gradient to grad and its (data loss, penalty) to parts, and update where there is a rule.

    Return 1, or 0 where there is a rule and the loss was not finite, so that nothing was updated.
    """
    cdef i64 start = 0, tiles = weight_tiles(j.plan, j.X.index_bytes)
    cdef int penalised = is_penalised(j)
    parts[0] = parts[1] = 0
    while True:
        set_block(j, rows, start, m)
        learn_block(j, tiles if penalised and j.last and not j.measured else 0)
        j.gathered = False
        parts[0] += add_up(j.tile_sums, j.row_tiles)
        if j.last:
            if penalised:
                parts[1] = add_up(j.weight_sums[0], tiles)
            if j.rule >= 0 and not isfinite(parts[0] + parts[1]):
                return 0
        if j.last and j.next_m:
            run_phase(j, tiles + row_chunks(j.next_m), weigh_or_gather_chunk)
            j.x, j.x_next = j.x_next, j.x
            j.gathered = True
        else:
            run_phase(j, tiles, weigh_chunk)
        start += j.m
        if j.last:
            break
    if j.clips:
        clip_and_update(j, tiles)
    return 1


cdef double weight_of(Job *j, const i64 *rows, i64 m) noexcept nogil:
    """Return the total weight of a batch, or 1 where it is 0."""
    cdef double total = <double>m
    cdef i64 i
    if j.weights != NULL:
        total = 0
        for i in range(m):
            total += (<const double *>j.weights)[rows[i]] if j.item == 8 else (<const float *>j.weights)[rows[i]]
    return total if total != 0 else 1.0


cdef i64 run_train(
    Job *j, const i64 *order, const i64 *starts, i64 n, const double *hyper, i64 hyper_columns, double *losses
) noexcept nogil:
    cdef i64 i = 0, m, longest = most_slab_rows(j) if slab_count(j) and not j.clips else 0, end
    cdef const i64 *rows
    cdef double unread[2]
    j.is_sgd = j.rule == 0 and not j.clips
    while i < n:
        end = i
        while end < n and 0 < starts[end + 1] - starts[end] <= longest:
            end += 1
        if end > i:
            m = run_slabs(j, order, starts, i, end, hyper, hyper_columns, losses)
            if m < end:
                return m
            i = end
            continue
        rows = order + starts[i]
        m = starts[i + 1] - starts[i]
        j.next_m = 0
        if i + 1 < n and is_layerwise(j) and not j.X.index_bytes:
            j.next_m = starts[i + 2] - starts[i + 1]
            j.next_rows = order + starts[i + 1]
            if j.next_m > block_rows(j.plan) or j.next_m <= longest:
                j.next_m = 0
        j.norm = j.next_norm if j.measured else weight_of(j, rows, m)
        j.next_norm = weight_of(j, order + starts[i + 1], starts[i + 2] - starts[i + 1]) if i + 1 < n else 0
        fnn_prepare(j.rule, hyper + i * hyper_columns, j.t, j.scalars, &j.decay)
        if not run_batch(j, rows, m, losses + 2 * i if losses != NULL else unread):
            return i
        j.weight_sums[0], j.weight_sums[1] = j.weight_sums[1], j.weight_sums[0]
        j.measured = j.next_norm != 0
        j.t += 1
        i += 1
    return n


# ---- train on a team: all members execute run_train, each on a Job of its own


cdef struct Training:
    const Job *job              # which each member copies
    const i64 *order
    const i64 *starts
    i64 n
    const double *hyper
    i64 hyper_columns
    double *losses              # written by the caller alone: a helper may be late, and see the sums of a later step
    i64 done


cdef void train_as_member(void *context, fnn_member *member) noexcept nogil:
    cdef Training *t = <Training *>context
    cdef Job j = t.job[0]
    cdef int id = fnn_team_id(member) if member != NULL else 0, i
    cdef i64 done
    j.member = member
    for i in range(2):
        j.slab_rows[i] = <const void **>(<char *>j.slab_rows[i] + id * j.slab_rows_step)
    done = run_train(&j, t.order, t.starts, t.n, t.hyper, t.hyper_columns, t.losses if id == 0 else NULL)
    if id == 0:
        t.done = done


cdef int team_size(Job *j, i64 longest) noexcept nogil:
    """Return how many threads train with batches up to `longest` rows as a team: no more than a phase has chunks.

    0 where a batch is longer than a block: its losses are added up over several phases, and a helper that was late for
    one of them would go on with a sum of its own.
    """
    cdef i64 tiles = weight_tiles(j.plan, j.X.index_bytes), bands = bands_of(j, longest), height
    if longest > block_rows(j.plan):
        return 0
    if slab_count(j) and not j.clips and longest <= most_slab_rows(j):
        return <int>at_most(j.threads, slab_count(j))
    height = row_tile(j.plan, longest)
    return <int>at_most(j.threads, bands if bands else at_least(tiles, (longest + height - 1) // height))


cdef void run_backward(Job *j, i64 m) noexcept nogil:
    cdef i64 start = 0
    while True:
        set_block(j, NULL, start, m)
        j.last = 0  # nothing follows from this gradient
        if is_layerwise(j):
            forward_layers(j)
            run_phase(j, row_chunks(j.m), given_chunk)
            backward_layers(j)
        else:
            run_phase(j, j.row_tiles, pull_back_chunk)
        if j.grad != NULL:
            run_phase(j, weight_tiles(j.plan, j.X.index_bytes), weigh_chunk)
        start += j.m
        if start >= m:
            return

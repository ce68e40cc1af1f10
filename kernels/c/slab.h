/* slab.h: products with a slab, some rows of the first layer's weights that stay in one thread's cache.
 *
 * A wide first layer (784 x 16) is cut along its inputs.  One thread multiplies its slab by the same columns of every
 * batch, and updates it, so those weights never leave its cache, and the partial products are added up by slab_sum.
 * Rows of x are read where they lie, by pointers: a copy took a seventh of an epoch.  A slab's rows are whole registers
 * (n is padded with zeros), so nothing is masked, packed or chosen.
 * Between the multiplications run requests for the rows of the batch to come, which lie at random places of X: asked for
 * at once they fill the line buffers and stop the work; one line every four steps of k costs nothing.
 *
 * Template over the dtype of simd.h.
 */
#ifndef FASTNN_SLAB_H
#define FASTNN_SLAB_H
enum {
    FNN_FETCH_EVERY = 4, /* steps of k: 30 cycles and more, where memory gives a core a line in 15 */
    FNN_SHORT = 16       /* steps of k up to which a product is a short one */
};

FNN_INLINE void fnn_fetch_line(fnn_fetch *f)
{
    if (f->at >= f->end) {
        if (f->left == 0)
            return;
        f->left--;
        f->at = f->base + *f->rows++ * f->step;
        f->end = f->at + f->bytes;
    }
    FNN_PREFETCH_L2(f->at);
    f->at += 64;
}
#endif

/* C[0..rows, 0..registers VL] = x B over k columns of x from `offset` on.  With 32 registers four steps of k go
 * together, a few rows at a time, so that a row's pointer is read once for four numbers. */
FNN_INLINE void FN(run_slab_forward)(i64 k, const real *const *x, i64 offset, const real *B, real *C, i64 n,
                                     fnn_fetch *fetch, const int rows, const int registers)
{
    enum { STEPS = FNN_FETCH_EVERY };
    const i64 end = offset + k;
    vec c[FNN_MR][2], b[STEPS][2];
    i64 p = offset;
    FNN_UNROLL
    for (int i = 0; i < rows; i++) {
        FNN_UNROLL
        for (int j = 0; j < registers; j++)
            c[i][j] = (vec){0};
    }
#if FNN_MR == 8
    const int together = registers == 2 ? 2 : 4;
    for (; p + STEPS <= end; p += STEPS, B += STEPS * n) {
        fnn_fetch_line(fetch);
        FNN_UNROLL
        for (int u = 0; u < STEPS; u++) {
            FNN_UNROLL
            for (int j = 0; j < registers; j++)
                b[u][j] = FN(load)(B + u * n + j * VL);
        }
        FNN_OPAQUE(x);
        FNN_UNROLL
        for (int first = 0; first < rows; first += together) {
            const int last = first + together < rows ? first + together : rows;
            FNN_UNROLL
            for (int u = 0; u < STEPS; u++) {
                FNN_UNROLL
                for (int i = first; i < last; i++) {
                    const vec all = FN(spread)(x[i][p + u]);
                    FNN_UNROLL
                    for (int j = 0; j < registers; j++)
                        c[i][j] += all * b[u][j];
                }
            }
        }
    }
#endif
    for (; p < end; p++, B += n) {
        if (FNN_MR != 8 && (p - offset) % FNN_FETCH_EVERY == 0)
            fnn_fetch_line(fetch);
        FNN_UNROLL
        for (int j = 0; j < registers; j++)
            b[0][j] = FN(load)(B + j * VL);
        FNN_UNROLL
        for (int i = 0; i < rows; i++) {
            const vec all = FN(spread)(x[i][p]);
            FNN_UNROLL
            for (int j = 0; j < registers; j++)
                c[i][j] += all * b[0][j];
        }
    }
    FNN_UNROLL
    for (int i = 0; i < rows; i++, C += n) {
        FNN_UNROLL
        for (int j = 0; j < registers; j++)
            FN(store)(C + j * VL, c[i][j]);
    }
}

/* c += a B for a step of k: some numbers of a row of x by a row of B. */
FNN_INLINE void FN(slab_step_back)(const real *a, const real *B, vec (*c)[2], const int rows, const int registers)
{
    vec b[2];
    FNN_OPAQUE(a);
    FNN_UNROLL
    for (int j = 0; j < registers; j++)
        b[j] = FN(load)(B + j * VL);
    FNN_UNROLL
    for (int i = 0; i < rows; i++) {
        const vec all = FN(spread)(a[i]);
        FNN_UNROLL
        for (int j = 0; j < registers; j++)
            c[i][j] += all * b[j];
    }
}

/* C = x^T B over the k rows of x, from column `offset` on; or the step that C takes with that gradient. */
FNN_INLINE void FN(run_slab_backward)(i64 k, const real *const *x, i64 offset, const real *B, real *C, i64 n,
                                      const FN(sgd) *step, fnn_fetch *fetch, const int rows, const int registers)
{
    vec c[FNN_MR][2];
    FNN_UNROLL
    for (int i = 0; i < rows; i++) {
        FNN_UNROLL
        for (int j = 0; j < registers; j++)
            c[i][j] = (vec){0};
    }
    i64 p = 0;
    for (; p + 2 <= k; p += 2, B += 2 * n) {
        if (p % FNN_FETCH_EVERY == 0)
            fnn_fetch_line(fetch);
        FN(slab_step_back)(x[p] + offset, B, c, rows, registers);
        FN(slab_step_back)(x[p + 1] + offset, B + n, c, rows, registers);
    }
    if (p < k)
        FN(slab_step_back)(x[p] + offset, B, c, rows, registers);
    FNN_UNROLL
    for (int i = 0; i < rows; i++, C += n) {
        FNN_UNROLL
        for (int j = 0; j < registers; j++)
            FN(store)(C + j * VL, step ? FN(take_step)(step, FN(load)(C + j * VL), c[i][j]) : c[i][j]);
    }
}

/* `blocks` tiles one below the other */
typedef void FN(slab_tile)(i64 blocks, i64 k, const real *const *x, i64 offset, const real *B, real *C, i64 n,
                           const FN(sgd) *step, fnn_fetch *fetch);
#define DEFINE(rows, registers) \
    FNN_FUNCTION void FN(slab_forward_##rows##_##registers)(i64 blocks, i64 k, const real *const *x, i64 offset, \
                                                            const real *B, real *C, i64 n, const FN(sgd) *step, \
                                                            fnn_fetch *fetch) \
    { \
        (void)step; \
        for (; blocks > 0; blocks--, x += rows, C += rows * n) \
            FN(run_slab_forward)(k, x, offset, B, C, n, fetch, rows, registers); \
    } \
    FNN_FUNCTION void FN(slab_backward_##rows##_##registers)(i64 blocks, i64 k, const real *const *x, i64 offset, \
                                                             const real *B, real *C, i64 n, const FN(sgd) *step, \
                                                             fnn_fetch *fetch) \
    { \
        if (step && step->plain) { \
            const FN(sgd) plain = {.lr = step->lr, .plain = 1}; \
            for (; blocks > 0; blocks--, offset += rows, C += rows * n) \
                FN(run_slab_backward)(k, x, offset, B, C, n, &plain, fetch, rows, registers); \
        } else { \
            for (; blocks > 0; blocks--, offset += rows, C += rows * n) \
                FN(run_slab_backward)(k, x, offset, B, C, n, step, fetch, rows, registers); \
        } \
    }
#define ROWS(rows) DEFINE(rows, 1) DEFINE(rows, 2)
ROWS(1) ROWS(2) ROWS(3) ROWS(4)
#if FNN_MR > 4
ROWS(5) ROWS(6)
#endif
#if FNN_MR > 6
ROWS(7) ROWS(8)
#endif
#undef ROWS
#undef DEFINE

/* [back][rows - 1][registers - 1] */
static FN(slab_tile) *const FN(slab_tiles)[2][FNN_MR][2] = {
#define ENTRY(way, rows) {FN(slab_##way##_##rows##_1), FN(slab_##way##_##rows##_2)},
#if FNN_MR == 8
#define ENTRIES(way) \
    ENTRY(way, 1) ENTRY(way, 2) ENTRY(way, 3) ENTRY(way, 4) ENTRY(way, 5) ENTRY(way, 6) ENTRY(way, 7) ENTRY(way, 8)
#elif FNN_MR == 6
#define ENTRIES(way) ENTRY(way, 1) ENTRY(way, 2) ENTRY(way, 3) ENTRY(way, 4) ENTRY(way, 5) ENTRY(way, 6)
#else
#define ENTRIES(way) ENTRY(way, 1) ENTRY(way, 2) ENTRY(way, 3) ENTRY(way, 4)
#endif
    {ENTRIES(forward)},
    {ENTRIES(backward)},
#undef ENTRIES
#undef ENTRY
};

/* Down m rows of C in even blocks, and across its n columns two registers at a time.  A block of a short product is
 * low: the sums of the next block begin while those of the one before are stored (10 rows x 784 x 30: 98 GFLOP/s backward
 * in blocks of 4, 90 in blocks of 8). */
FNN_INLINE void FN(slab_product)(i64 m, i64 n, i64 k, const real *const *x, i64 offset, const real *B, real *C,
                                 const FN(sgd) *step, fnn_fetch *fetch, int back)
{
    if (m < 1)
        return;
    const i64 most = n > VL && k < FNN_SHORT ? 4 : FNN_MR, blocks = (m + most - 1) / most;
    const i64 longer = m % blocks; /* so many blocks have a row more than the others */
    i64 i = 0;
    for (int more = 1; more >= 0; more--) {
        const i64 rows = m / blocks + more, count = more ? longer : blocks - longer;
        for (i64 j = 0; count && j < n; j += 2 * VL)
            FN(slab_tiles)[back][rows - 1][n - j > VL](count, k, back ? x : x + i, back ? offset + i : offset, B + j,
                                                       C + i * n + j, n, step, fetch);
        i += count * rows;
    }
}

static void FN(fnn_slab_forward)(i64 m, i64 n, i64 k, const void *const *x, i64 offset, const void *W, void *P,
                                 fnn_fetch *fetch)
{
    FN(slab_product)(m, n, k, (const real *const *)x, offset, W, P, NULL, fetch, 0);
}

static void FN(fnn_slab_backward)(i64 k, i64 n, i64 m, const void *const *x, i64 offset, const void *dZ, void *C,
                                  const double *sgd, fnn_fetch *fetch)
{
    FN(sgd) step;
    if (sgd)
        step = FN(sgd_of)(sgd);
    FN(slab_product)(k, n, m, (const real *const *)x, offset, dZ, C, sgd ? &step : NULL, fetch, 1);
}

static void FN(fnn_slab_sum)(i64 slabs, i64 step, i64 m, i64 n, i64 padded, const void *P_, const void *bias_, void *Y_)
{
    const real *P = P_, *bias = bias_;
    real *Y = Y_;
    for (i64 j = 0; j < n; j += VL) {
        const FN(part) lanes = FN(first)((int)(n - j < VL ? n - j : VL));
        const vec start = bias ? FN(load_part)(bias + j, lanes) : (vec){0};
        for (i64 i = 0; i < m; i++) {
            vec sum = start;
            for (i64 s = 0; s < slabs; s++)
                sum += FN(load)(P + s * step + i * padded + j);
            FN(store_part)(Y + i * n + j, sum, lanes);
        }
    }
}

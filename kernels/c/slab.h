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
enum { FNN_FETCH_EVERY = 4 }; /* steps of k: 30 cycles and more, where memory gives a core a line in 15 */

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

/* C[0..rows, 0..registers VL] = sum_p a(i, p) B[p, .], where a(i, p) is x[i][p] forward and x[p][i] backward; forward
 * the pointers of a tile are few enough for registers, backward they are read on the way. */
FNN_INLINE void FN(run_slab_tile)(i64 k, const real *const *x, i64 offset, const real *B, real *C, i64 n,
                                  const FN(sgd) *step, fnn_fetch *fetch, const int rows, const int registers,
                                  const int back)
{
    vec c[FNN_MR][2], b[2];
    const real *own[FNN_MR];
    FNN_UNROLL
    for (int i = 0; i < rows; i++) {
        own[i] = back ? NULL : x[i] + offset;
        FNN_UNROLL
        for (int j = 0; j < registers; j++)
            c[i][j] = (vec){0};
    }
    for (i64 p = 0; p < k;) {
        const i64 stop = k - p < FNN_FETCH_EVERY ? k : p + FNN_FETCH_EVERY;
        fnn_fetch_line(fetch);
        for (; p < stop; p++, B += n) {
            const real *a = back ? x[p] + offset : NULL;
            FNN_UNROLL
            for (int j = 0; j < registers; j++)
                b[j] = FN(load)(B + j * VL);
            FNN_UNROLL
            for (int i = 0; i < rows; i++) {
                const vec all = FN(spread)(back ? a[i] : own[i][p]);
                FNN_UNROLL
                for (int j = 0; j < registers; j++)
                    c[i][j] += all * b[j];
            }
        }
    }
    FNN_UNROLL
    for (int i = 0; i < rows; i++, C += n) {
        FNN_UNROLL
        for (int j = 0; j < registers; j++)
            FN(store)(C + j * VL, step ? FN(take_step)(step, FN(load)(C + j * VL), c[i][j]) : c[i][j]);
    }
}

typedef void FN(slab_tile)(i64 k, const real *const *x, i64 offset, const real *B, real *C, i64 n, const FN(sgd) *step,
                           fnn_fetch *fetch);
#define DEFINE(rows, registers) \
    FNN_FUNCTION void FN(slab_forward_##rows##_##registers)(i64 k, const real *const *x, i64 offset, const real *B, \
                                                            real *C, i64 n, const FN(sgd) *step, fnn_fetch *fetch) \
    { \
        (void)step; \
        FN(run_slab_tile)(k, x, offset, B, C, n, NULL, fetch, rows, registers, 0); \
    } \
    FNN_FUNCTION void FN(slab_backward_##rows##_##registers)(i64 k, const real *const *x, i64 offset, const real *B, \
                                                             real *C, i64 n, const FN(sgd) *step, fnn_fetch *fetch) \
    { \
        if (step && step->plain) { \
            const FN(sgd) plain = {.lr = step->lr, .plain = 1}; \
            FN(run_slab_tile)(k, x, offset, B, C, n, &plain, fetch, rows, registers, 1); \
        } else if (step) { \
            FN(run_slab_tile)(k, x, offset, B, C, n, step, fetch, rows, registers, 1); \
        } else { \
            FN(run_slab_tile)(k, x, offset, B, C, n, NULL, fetch, rows, registers, 1); \
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

/* Down m rows of C in even blocks, and across its n columns two registers at a time. */
FNN_INLINE void FN(slab_product)(i64 m, i64 n, i64 k, const real *const *x, i64 offset, const real *B, real *C,
                                 const FN(sgd) *step, fnn_fetch *fetch, int back)
{
    const i64 blocks = (m + FNN_MR - 1) / FNN_MR;
    i64 i = 0;
    for (i64 block = 0; block < blocks; block++) {
        const int rows = (int)(m / blocks + (block < m % blocks));
        for (i64 j = 0; j < n; j += 2 * VL)
            FN(slab_tiles)[back][rows - 1][n - j > VL](k, back ? x : x + i, back ? offset + i : offset, B + j,
                                                       C + i * n + j, n, step, fetch);
        i += rows;
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

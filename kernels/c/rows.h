/* rows.h: the rows of X and T that a block works on: gathered, converted and scaled; CSR products without a dense copy.
 *
 * Row i of the block is rows[i] of X, or first + i where rows is NULL.  Template over the dtype of simd.h.
 */

FNN_INLINE i64 FN(row_at)(const i64 *rows, i64 first, i64 i) { return rows ? rows[i] : first + i; }

/* ---- dense: out_ij = real(x_ij) * scale.  Rows lie anywhere: those about FNN_AHEAD bytes ahead are asked for. */

#ifndef FNN_AHEAD
#define FNN_AHEAD 512
#endif

#define DEFINE_GATHER(name, type) \
    FNN_FUNCTION void FN(gather_##name)(const fnn_rows *X, const i64 *rows, i64 first, i64 m, \
                                        real *FNN_RESTRICT out) \
    { \
        const i64 n = X->n_in, step = X->col_step, out_row = X->out_row ? X->out_row : n; \
        const i64 ahead = 1 + FNN_AHEAD / (n * (i64)sizeof(type) + 1); \
        const real scale = (real)X->scale; \
        for (i64 i = 0; i < m; i++, out += out_row) { \
            const type *x = (const type *)X->data + FN(row_at)(rows, first, i) * X->row_step; \
            const type *next = \
                i + ahead < m ? (const type *)X->data + FN(row_at)(rows, first, i + ahead) * X->row_step : x; \
            if (step != 1) { \
                for (i64 j = 0; j < n; j++) \
                    out[j] = (real)x[j * step] * scale; \
                continue; \
            } \
            for (i64 j = 0; j < n; j += (i64)(64 / sizeof(type))) \
                FNN_PREFETCH(next + j); \
            FNN_FREE_LOOP \
            for (i64 j = 0; j < n; j++) \
                out[j] = (real)x[j] * scale; \
        } \
    }
DEFINE_GATHER(float32, float)
DEFINE_GATHER(float64, double)
DEFINE_GATHER(uint8, uint8_t)
#undef DEFINE_GATHER

static void FN(fnn_gather)(const fnn_rows *X, const i64 *rows, i64 first, i64 m, void *out)
{
    if (X->x_dtype == FNN_FLOAT32)
        FN(gather_float32)(X, rows, first, m, out);
    else if (X->x_dtype == FNN_FLOAT64)
        FN(gather_float64)(X, rows, first, m, out);
    else
        FN(gather_uint8)(X, rows, first, m, out);
}

/* ---- CSR */

FNN_INLINE i64 FN(index_at)(const void *indices, int bytes, i64 at)
{
    return bytes == 4 ? ((const int32_t *)indices)[at] : ((const i64 *)indices)[at];
}

FNN_INLINE real FN(value_at)(const fnn_rows *X, i64 at)
{
    const real x = X->x_dtype == FNN_FLOAT32   ? (real)((const float *)X->data)[at]
                   : X->x_dtype == FNN_FLOAT64 ? (real)((const double *)X->data)[at]
                                               : (real)((const uint8_t *)X->data)[at];
    return x * (real)X->scale;
}

/* y += a x, n contiguous */
FNN_INLINE void FN(add_row)(i64 n, real a, const real *x, real *y)
{
    const vec all = FN(spread)(a);
    i64 j = 0;
    for (; j + VL <= n; j += VL)
        FN(store)(y + j, FN(load)(y + j) + all * FN(load)(x + j));
    if (j < n) {
        const FN(part) lanes = FN(first)((int)(n - j));
        FN(store_part)(y + j, FN(load_part)(y + j, lanes) + all * FN(load_part)(x + j, lanes), lanes);
    }
}

static void FN(fnn_sparse_forward)(const fnn_rows *X, const i64 *rows, i64 first, i64 m, i64 n_out, const void *W_,
                                   void *Y_, const fnn_epilogue *e)
{
    const real *W = W_, *bias = e ? e->bias : NULL;
    real *Y = Y_;
    for (i64 i = 0; i < m; i++) {
        const i64 row = FN(row_at)(rows, first, i);
        const i64 end = FN(index_at)(X->indptr, X->index_bytes, row + 1);
        real *y = Y + i * n_out;
        for (i64 j = 0; j < n_out; j++)
            y[j] = bias ? bias[j] : 0;
        for (i64 at = FN(index_at)(X->indptr, X->index_bytes, row); at < end; at++)
            FN(add_row)(n_out, FN(value_at)(X, at), W + FN(index_at)(X->indices, X->index_bytes, at) * n_out, y);
    }
    if (!e)
        return;
    if (e->Z)
        memcpy(e->Z, Y, (size_t)(m * n_out) * sizeof(real));
    if (e->act != FNN_ACT_identity)
        FN(activations)[e->act](m * n_out, Y, Y);
}

static void FN(fnn_sparse_weight_gradient)(const fnn_rows *X, const i64 *rows, i64 first, i64 m, i64 n_out,
                                           i64 column_from, i64 column_to, const void *dZ_, void *dW_)
{
    const real *dZ = dZ_;
    real *dW = dW_;
    for (i64 i = 0; i < m; i++) {
        const i64 row = FN(row_at)(rows, first, i);
        const i64 end = FN(index_at)(X->indptr, X->index_bytes, row + 1);
        for (i64 at = FN(index_at)(X->indptr, X->index_bytes, row); at < end; at++) {
            const i64 column = FN(index_at)(X->indices, X->index_bytes, at);
            if (column >= column_from && column < column_to)
                FN(add_row)(n_out, FN(value_at)(X, at), dZ + i * n_out, dW + column * n_out);
        }
    }
}

/* ---- targets and weights */

static void FN(fnn_targets)(int labels, const void *T, i64 n_out, const i64 *rows, i64 first, i64 m, void *out_)
{
    real *out = out_;
    for (i64 i = 0; i < m; i++, out += n_out) {
        const i64 row = FN(row_at)(rows, first, i);
        if (labels) {
            memset(out, 0, (size_t)n_out * sizeof(real));
            out[((const int32_t *)T)[row]] = 1;
        } else {
            memcpy(out, (const real *)T + row * n_out, (size_t)n_out * sizeof(real));
        }
    }
}

static void FN(fnn_take)(const void *values, const i64 *rows, i64 first, i64 m, void *out_)
{
    const real *x = values;
    real *out = out_;
    for (i64 i = 0; i < m; i++)
        out[i] = x[FN(row_at)(rows, first, i)];
}

/* columns.h: rows through a whole narrow network, a register of rows at a time: what prediction of a batch costs where
 * layers are too narrow to fill registers with columns.
 *
 * A group of VL rows is turned, so that a register holds one column of it; then
 *
 *     Z (n_out, VL) = b + W^T A (n_in, VL)
 *
 * takes one multiply-add per weight and group, whatever n_out is: nothing is padded, a softmax goes down the columns, and
 * activations are contiguous.
 *
 * Design notes.
 *   a. The multiply-adds need two of the core's four pipes, and an activation by tables or polynomials mostly the other
 *      two.  So they run side by side: every second step of a tile also takes one register's activation, of sums that are
 *      done.  For those to be at hand, layers work on different groups: in turn T, layer l sums for group T - 2 (l - 1);
 *      what it writes is activated in turn T + 1 and read in turn T + 2.  Hence three buffers.
 *   b. One register of tanh costs 14 cycles by itself and 9 beside multiply-adds; fewer than 5 would be its own
 *      multiply-adds.  (8-64-64-4, 10 000 rows: see benchmarks/ladders/predict.md.)
 *   c. Activations without a formula on registers are taken as soon as the sums are written.
 * Template over the dtype of simd.h.
 */
#ifndef FASTNN_COLUMNS_H
#define FASTNN_COLUMNS_H
#define FNN_COLUMN_TILE (FNN_MR == 8 ? 16 : 8) /* outputs of a tile: sums in registers, which are 32 or 16 */
#define FNN_BESIDE (FNN_VECTOR_BYTES == 64)    /* note a */
#endif

/* What is to be activated beside the sums: `left` registers from `at` on. */
typedef struct {
    real *at;
    i64 left;
} FN(beside);

/* n outputs of a group; n and act are constants wherever this is inlined, act 0: nothing beside */
FNN_INLINE void FN(sum_columns)(i64 k, i64 w_row, const real *W, const real *bias, const real *A, real *Z,
                                FN(beside) *beside, const int n, const int act)
{
    vec z[16];
    i64 p = 0;
    FNN_UNROLL
    for (int o = 0; o < n; o++)
        z[o] = bias ? FN(spread)(bias[o]) : (vec){0};
#if FNN_BESIDE
    if (act) {
        const i64 steps = FN(smaller)(k / 2, beside->left);
        real *at = beside->at;
        for (i64 s = 0; s < steps; s++, at += VL) {
            const vec y = FN(load)(at);
            FN(store)(at, act == FNN_ACT_tanh ? (vec)FN(reg_tanh)(y) : (vec)FN(reg_sigmoid)(y));
            FNN_UNROLL
            for (int q = 0; q < 2; q++, W += w_row, A += VL) {
                const vec a = FN(load)(A);
                FNN_UNROLL
                for (int o = 0; o < n; o++)
                    z[o] += a * FN(spread)(W[o]);
            }
        }
        beside->at = at;
        beside->left -= steps;
        p = 2 * steps;
    }
#else
    (void)beside, (void)act;
#endif
    const int chains = n < 4 ? 4 / n : 1; /* of additions that do not wait for one another */
    for (int o = n; o < n * chains; o++)
        z[o] = (vec){0};
    for (; p + chains <= k; p += chains) {
        FNN_UNROLL
        for (int c = 0; c < chains; c++, W += w_row, A += VL) {
            const vec a = FN(load)(A);
            FNN_UNROLL
            for (int o = 0; o < n; o++)
                z[c * n + o] += a * FN(spread)(W[o]);
        }
    }
    for (; p < k; p++, W += w_row, A += VL) {
        FNN_UNROLL
        for (int o = 0; o < n; o++)
            z[o] += FN(load)(A) * FN(spread)(W[o]);
    }
    FNN_UNROLL
    for (int o = n; o < n * chains; o++)
        z[o % n] += z[o];
    FNN_UNROLL
    for (int o = 0; o < n; o++)
        FN(store)(Z + o * VL, z[o]);
}

typedef void FN(column_tile)(i64 k, i64 w_row, const real *W, const real *bias, const real *A, real *Z,
                             FN(beside) *beside);

#define DEFINE_COLUMNS(n, act) \
    FNN_FUNCTION void FN(columns_##n##_##act)(i64 k, i64 w_row, const real *W, const real *bias, const real *A, \
                                              real *Z, FN(beside) *beside) \
    { \
        FN(sum_columns)(k, w_row, W, bias, A, Z, beside, n, FNN_ACT_##act); \
    }
DEFINE_COLUMNS(16, identity)
DEFINE_COLUMNS(16, tanh)
DEFINE_COLUMNS(16, sigmoid)
DEFINE_COLUMNS(8, identity)
DEFINE_COLUMNS(4, identity)
DEFINE_COLUMNS(2, identity)
DEFINE_COLUMNS(1, identity)
#undef DEFINE_COLUMNS

/* The tile that takes an activation beside its sums, or NULL. */
FNN_INLINE FN(column_tile) *FN(tile_beside)(int act)
{
    return !FNN_BESIDE              ? NULL
           : act == FNN_ACT_tanh    ? FN(columns_16_tanh)
           : act == FNN_ACT_sigmoid ? FN(columns_16_sigmoid)
                                    : NULL;
}

static void FN(column_layer)(const fnn_layer *layer, const real *A, real *Z, FN(column_tile) *widest,
                             FN(beside) *beside)
{
    const i64 k = layer->n_in, n = layer->n_out;
    const real *W = layer->W, *bias = layer->bias;
    for (i64 j = 0; j < n;) {
        const i64 left = n - j;
        const int wide = left >= FNN_COLUMN_TILE;
        FN(column_tile) *tile = wide && FNN_COLUMN_TILE == 16 ? widest
                                : left >= 8                   ? FN(columns_8_identity)
                                : left >= 4                   ? FN(columns_4_identity)
                                : left >= 2                   ? FN(columns_2_identity)
                                                              : FN(columns_1_identity);
        tile(k, n, W + j, bias ? bias + j : NULL, A, Z + j * VL, beside);
        j += wide ? FNN_COLUMN_TILE : left >= 8 ? 8 : left >= 4 ? 4 : left >= 2 ? 2 : 1;
    }
}

#ifdef FNN_TRANSPOSE
/* VL rows of 2 or 4 columns, contiguous: zipped, not written number by number (4 columns: 12 cycles instead of 64) */
FNN_INLINE void FN(zip_out)(const real *z, real *out, const int n)
{
    vec x[4], y[4];
    FNN_UNROLL
    for (int j = 0; j < n; j++)
        x[j] = FN(load)(z + j * VL);
    FN(zip)(x, y, n);
    if (n == 4)
        FN(zip)(y, x, n);
    FNN_UNROLL
    for (int j = 0; j < n; j++)
        FN(store)(out + j * VL, n == 4 ? x[j] : y[j]);
}
#endif

static void FN(columns_out)(int link, i64 rows, i64 n, real *z, real *out, i64 out_row, i64 out_col)
{
    if (link && FN(links)[link]) {
        FN(links)[link](n * VL, z, z);
    } else if (link) {
        vec shift;
        const vec total = FN(exp_turned)(n, z, &shift);
        for (i64 j = 0; j < n; j++)
            FN(store)(z + j * VL, FN(load)(z + j * VL) / total);
    }
#ifdef FNN_TRANSPOSE
    if (rows == VL && out_col == 1 && out_row == n && (n == 2 || n == 4)) {
        if (n == 2)
            FN(zip_out)(z, out, 2);
        else
            FN(zip_out)(z, out, 4);
        return;
    }
#endif
    FN(turn_back)(rows, n, z, out, out_row, out_col);
}

static i64 FN(fnn_columns_elements)(i64 n_in, i64 hidden, i64 n_out)
{
    return (n_in + 3 * hidden + (n_out + VL - 1) / VL * VL) * VL;
}

static void FN(fnn_columns)(int layers, const fnn_layer *layer, int link, i64 m, const void *X_, i64 x_row, i64 x_col,
                            void *out_, i64 out_row, i64 out_col, void *work_)
{
    const real *X = X_;
    const i64 groups = (m + VL - 1) / VL;
    const int act = layer[0].act; /* of all layers but the last */
    FN(column_tile) *const beside_tile = layers > 1 ? FN(tile_beside)(act) : NULL;
    FN(column_tile) *const tile = beside_tile ? beside_tile : FN(columns_16_identity);
    i64 hidden = 0;
    for (int l = 0; l < layers - 1; l++)
        hidden += layer[l].n_out * VL;
    real *x = work_, *kept = x + layer[0].n_in * VL, *last = kept + 3 * hidden, *out = out_;
    for (i64 turn = 0; turn < groups + 2 * (layers - 1); turn++) {
        real *written = kept + turn % 3 * hidden;
        const real *A = kept + (turn + 1) % 3 * hidden; /* of two turns ago */
        FN(beside) beside = {kept + (turn + 2) % 3 * hidden, 0};
        for (int l = 0; l < layers - 1 && beside_tile; l++) {
            const i64 group = turn - 1 - 2 * l;
            if (group >= groups)
                beside.at += layer[l].n_out * VL;
            else if (group >= 0)
                beside.left += layer[l].n_out;
        }
        for (int l = 0; l < layers; l++) {
            const i64 group = turn - 2 * l, rows = FN(smaller)(VL, m - group * VL), n = layer[l].n_out;
            const int is_last = l == layers - 1;
            const real *from = l ? A : x;
            if (l)
                A += layer[l - 1].n_out * VL;
            if (group >= 0 && group < groups) {
                real *Z = is_last ? last : written;
                if (!l)
                    FN(turn)(rows, layer[0].n_in, X + group * VL * x_row, x_row, x_col, x);
                FN(column_layer)(layer + l, from, Z, tile, &beside);
                if (layer[l].act && (is_last || !beside_tile))
                    FN(activations)[layer[l].act](n * VL, Z, Z);
                if (is_last)
                    FN(columns_out)(link, rows, n, Z, out + group * VL * out_row, out_row, out_col);
            }
            if (!is_last)
                written += n * VL;
        }
        if (beside.left)
            FN(activations)[act](beside.left * VL, beside.at, beside.at);
    }
}

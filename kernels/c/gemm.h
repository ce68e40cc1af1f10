/* gemm.h: C = f(A B + C + bias), any strides, in tiles that stay in registers (tile.h).
 *
 * Who calls whom:
 *
 *     fnn_gemm      brings C to contiguous rows: a column-major C is solved transposed, and so is A^T B of few columns;
 *                   others go through a buffer
 *      panel_loop   cuts B into panels of k and n that fit the cache, packs a panel where it is worth it, then
 *       row_blocks  goes down the rows of A, a few at a time, along the columns of the panel, tile by tile
 *        tile.h     (dots.h where few columns are left), with bias, relu or its slope in the registers; behind the
 *                   last panel of k finish_rows writes Z and applies other activations while the rows are in L1
 *
 * Design notes.
 *   a. Rows of A are split evenly (33 are 7 + 7 + 7 + 6 + 6, never 8 + 8 + 8 + 8 + 1); each count has its own tile.
 *   b. B is read in place where its rows are contiguous and a panel of it, gaps included, fits half of L2 (rows that lie
 *      far apart share few sets of the caches), or where A is so short that a copy would not pay; else packed to strips as wide as a tile, zero strides, transposes and all.
 *   c. A is read in place too, unless its steps of k are far apart: one number per row and step is all a tile wants.
 *   d. One or two rows against a B beyond L2 wait for memory alone.  Panels of 8 rows of B over all columns are 8
 *      sequential streams, which the prefetcher follows; down a strip, every step of k is another page.  One row, AVX2:
 *      784 x 512 float32 1.5 times as fast, 784 x 512 float64 7 times, 2048 x 2048 float32 6 times; 16 or 32 rows of B
 *      gain less, and eight rows of A lose 3 to 20 %.
 *   e. The order of additions depends on the shape, the strides and the kind of epilogue alone: a row's last bits may
 *      change with the number of rows beside it.
 * Template over the dtype of simd.h.
 */
#ifndef FASTNN_GEMM_H
#define FASTNN_GEMM_H
enum {
    FNN_KC = 384,                /* steps of k in a panel: 8 rows of A (12 kB in float32) stay in L1 beside B's strip */
    FNN_DIRECT = 512 * 1024,     /* bytes of B that are read in place: half of a 1 MB L2 */
    FNN_PANEL = 512 * 1024,      /* bytes of a packed panel of B */
    FNN_FEW_ROWS = 2,            /* row blocks up to which packing B does not pay */
    FNN_STREAM_ROWS = 2,         /* rows up to which a large B is streamed, note d, and its steps of k */
    FNN_STREAM_KC = 8,
    FNN_DOT_ROWS = 8,            /* rows from which it repays to turn columns for dots.h, see `turns` */
    FNN_FAR = FNN_MR == 8 ? 1 << 30 : 1024, /* bytes between steps of k from which A^T is copied, see pack_A */
};
#endif

enum {
    FN(NR) = 2 * VL,
    FN(NARROW) = VL > 1 ? VL / 2 : 1, /* columns up to which A^T B is solved transposed */
    FN(NC) = FNN_PANEL / FNN_KC / (int)sizeof(real) / (2 * VL) * (2 * VL), /* columns of a packed panel */
    FN(A_PACK) = FNN_MR * FNN_KC + 2 * VL, /* and what pack_rows stores too far */
    FN(TURNED) = FNN_KC * VL / 4,          /* columns for dots.h */
    FN(GEMM_SCRATCH) = (int)sizeof(real) * (FNN_KC * FN(NC) + FN(A_PACK) + FN(TURNED)),
};

/* One product whose C has contiguous rows, and what is to happen to it. */
typedef struct {
    i64 m, n, k;
    const real *A;
    i64 a_row, a_col;
    const real *B;
    i64 b_row, b_col;
    real *C;
    i64 c_row;
    int accumulate;
    const real *bias;
    FN(map) *activation; /* NULL for identity, and for relu where the tiles see to it */
    int relu;
    const real *gate; /* as in kernels.h */
    i64 gate_row;
    real *Z;             /* NULL, or with the strides below */
    i64 z_row, z_col;
    real *packed_B, *packed_A, *turned;
    const double *sgd; /* as in kernels.h */
    real *W;
} FN(product);

/* A panel: rows p .. p + k of B, columns j .. j + n, in place (strip 0) or packed in strips. */
typedef struct {
    i64 p, k, j, n;
    const real *B;
    i64 b_row, strip; /* elements from one strip of NR columns to the next; 0 in place */
    i64 whole;        /* columns by tiles; those that are left go by dots.h */
} FN(panel);

/* ---- packing */

/* out[p][c] = B[p][c] for p0 <= p < p1, c0 <= c < c1 */
FNN_INLINE void FN(pack_corner)(i64 p0, i64 p1, i64 c0, i64 c1, const real *B, i64 b_row, i64 b_col, real *out)
{
    for (i64 p = p0; p < p1; p++)
        for (i64 c = c0; c < c1; c++)
            out[p * FN(NR) + c] = B[p * b_row + c * b_col];
}

/* A strip of B: out[p][c] = B[p][c] for c < columns, 0 up to NR */
static void FN(pack_strip)(i64 k, i64 columns, const real *B, i64 b_row, i64 b_col, real *out)
{
    enum { NR = FN(NR) };
    i64 c = 0;
#ifdef FNN_TRANSPOSE
    if (b_row == 1)
        for (; c + VL <= columns; c += VL) {
            i64 p = 0;
            for (; p + VL <= k; p += VL)
                FN(transpose)(B + p + c * b_col, b_col, out + p * NR + c, NR);
            FN(pack_corner)(p, k, c, c + VL, B, b_row, b_col, out);
        }
#endif
    FN(pack_corner)(0, k, c, columns, B, b_row, b_col, out);
    for (i64 p = 0; p < k; p++)
        for (c = columns; c < NR; c++)
            out[p * NR + c] = 0;
}

/* Where rows of B are contiguous, one after another into all strips: every row may be a page of its own. */
static void FN(pack_panel)(const FN(product) *g, FN(panel) *panel)
{
    enum { NR = FN(NR) };
    const real *B = g->B + panel->p * g->b_row + panel->j * g->b_col;
    const i64 whole = g->b_col == 1 ? panel->whole / NR * NR : 0;
    panel->B = g->packed_B;
    panel->b_row = NR;
    panel->strip = panel->k * NR;
    for (i64 p = 0; whole && p < panel->k; p++) {
        real *out = g->packed_B + p * NR;
        for (i64 j = 0; j < whole; j += NR, out += panel->strip) {
            FN(store)(out, FN(load)(B + p * g->b_row + j));
            FN(store)(out + VL, FN(load)(B + p * g->b_row + j + VL));
        }
    }
    for (i64 j = whole; j < panel->whole; j += NR) {
        const i64 columns = panel->whole - j < NR ? panel->whole - j : NR;
        FN(pack_strip)(panel->k, columns, B + j * g->b_col, g->b_row, g->b_col, g->packed_B + j * panel->k);
    }
}

/* A few rows of A: out[p][i], FNN_MR apart */
static void FN(pack_rows)(i64 rows, i64 k, const real *A, i64 a_row, i64 a_col, real *out)
{
    if (a_row == 1) { /* whole registers: what is stored too far, the next step overwrites */
        const i64 whole = (rows - 1) / VL * VL;
        const FN(part) lanes = FN(first)((int)(rows - whole));
        for (i64 p = 0; p < k; p++, A += a_col, out += FNN_MR) {
            for (i64 i = 0; i < whole; i += VL)
                FN(store)(out + i, FN(load)(A + i));
            FN(store)(out + whole, FN(load_part)(A + whole, lanes));
        }
        return;
    }
    for (i64 p = 0; p < k; p++)
        for (i64 i = 0; i < rows; i++)
            out[p * FNN_MR + i] = A[i * a_row + p * a_col];
}

/* ---- the loops */

/* What one block of rows works on: C and W at its first row, `turned` as in FN(product). */
typedef struct {
    const real *bias, *gate, *turned;
    real *C, *W;
} FN(row_operands);

FNN_INLINE void FN(aim)(FN(tile) *t, const FN(row_operands) *at, i64 j, const real *B, i64 last)
{
    t->last = (int)last;
    t->B = B;
    t->bias = at->bias ? at->bias + j : NULL;
    t->C = at->C + j;
    t->W = at->W ? at->W + j : NULL;
    t->gate = at->gate ? at->gate + j : NULL;
}

/* One block of rows along the panel.  A tile is two registers wide, four where rows are few and B is in place. */
static void FN(row_block)(const FN(panel) *panel, int rows, FN(tile) *t, const FN(row_operands) *at)
{
    FN(tile_function) *const(*tiles)[2] = FN(tiles)[rows - 1];
    const int widest = rows <= FNN_WIDE_ROWS && !panel->strip ? 4 : 2;
    for (i64 j = 0; j < panel->whole;) {
        const i64 left = panel->whole - j;
        const int registers = left > 2 * VL && widest == 4 ? 4 : left > VL ? 2 : 1;
        const i64 columns = left < registers * VL ? left : registers * VL;
        const real *B = panel->strip ? panel->B + j / FN(NR) * panel->strip : panel->B + j;
        if (columns <= (registers - 1) * VL) { /* three registers' worth: two, then one */
            FN(aim)(t, at, j, B, VL);
            tiles[1][0](t);
            j += 2 * VL;
            continue;
        }
        FN(aim)(t, at, j, B, columns - (registers - 1) * VL);
        tiles[registers / 2][t->last < VL](t);
        j += columns;
    }
#ifdef FNN_DOTS
    if (panel->whole < panel->n) {
        FN(aim)(t, at, panel->whole, at->turned, panel->n - panel->whole);
        FN(dots)[t->last - 1](t, rows);
    }
#endif
}

/* Z = C, C = f(C), while the rows are in L1 */
static void FN(finish_rows)(const FN(product) *g, const FN(panel) *panel, i64 i, int rows)
{
    real *C = g->C + i * g->c_row + panel->j;
    if (g->Z)
        FN(copy_matrix)(rows, panel->n, C, g->c_row, 1, g->Z + i * g->z_row + panel->j * g->z_col, g->z_row, g->z_col);
    if (g->activation)
        FN(map_matrix)(g->activation, rows, panel->n, C, g->c_row, 1, C, g->c_row, 1);
}

/* Whether a block of rows of A is copied first, where the panel is wide enough to repay it: where neither stride is 1,
 * and for A^T of a wide matrix in blocks of 6 rows, which straddle cache lines (AVX2, 784 x 512 x 128: 102 GFLOP/s
 * against 90); blocks of 8 do not, and copying cost 1 to 4 %. */
FNN_INLINE int FN(pack_A)(const FN(product) *g, const FN(panel) *panel)
{
    return g->a_col != 1 && g->packed_A && panel->n >= 8 * FN(NR)
           && (g->a_row != 1 || g->a_col * (i64)sizeof(real) >= FNN_FAR || g->a_col * (i64)sizeof(real) <= -FNN_FAR);
}

/* The next rows of A^T into L2: every step of k is on another cache line, and often on another page, so no prefetcher
 * follows (2048 x 2048 x 512: 106 GFLOP/s against 101).  Rows of A are streams that it follows by itself. */
FNN_INLINE void FN(fetch_rows)(i64 k, const real *A, i64 a_col)
{
    for (i64 p = 0; p < k; p++)
        FNN_PREFETCH_L2((const char *)(A + p * a_col));
}

/* Down the rows of A in even blocks of at most FNN_MR. */
static void FN(row_blocks)(const FN(product) *g, const FN(panel) *panel)
{
    const i64 blocks = (g->m + FNN_MR - 1) / FNN_MR;
    const int first = panel->p == 0, last = panel->p + panel->k == g->k;
    const int pack = FN(pack_A)(g, panel);
    FN(tile) t = {.k = panel->k, .a_row = g->a_row, .a_col = g->a_col, .b_row = panel->b_row, .c_row = g->c_row,
                  .load = g->accumulate || !first, .sgd = last ? g->sgd : NULL, .relu = last && g->relu,
                  .gate_row = g->gate_row};
    i64 i = 0;
    for (i64 block = 0; block < blocks; block++) {
        const int rows = (int)(g->m / blocks + (block < g->m % blocks));
        t.A = g->A + i * g->a_row + panel->p * g->a_col;
        if (pack) {
            FN(pack_rows)(rows, panel->k, t.A, g->a_row, g->a_col, g->packed_A);
            t.A = g->packed_A;
            t.a_row = 1;
            t.a_col = FNN_MR;
        }
        if (g->a_row == 1 && block + 1 < blocks && panel->n >= 8 * FN(NR))
            FN(fetch_rows)(panel->k, t.A + rows, g->a_col);
        const FN(row_operands) at = {
            .bias = first && g->bias ? g->bias + panel->j : NULL,
            .gate = last && g->gate ? g->gate + i * g->gate_row + panel->j : NULL,
            .turned = g->turned,
            .C = g->C + i * g->c_row + panel->j,
            .W = g->sgd ? g->W + i * g->c_row + panel->j : NULL,
        };
        FN(row_block)(panel, rows, &t, &at);
        if (last)
            FN(finish_rows)(g, panel, i, rows);
        i += rows;
    }
}

/* Whether B is read where it lies. */
static int FN(in_place)(const FN(product) *g, i64 kc)
{
    return g->b_col == 1 && (g->m <= FNN_FEW_ROWS * FNN_MR || kc * g->b_row * (i64)sizeof(real) <= FNN_DIRECT);
}

/* Whether a panel's last columns go by dots.h: only a few of them, contiguous rows of A, and sums long enough to repay
 * adding up the registers. */
static int FN(turns)(const FN(product) *g, const FN(panel) *panel)
{
#ifdef FNN_DOTS
    return g->a_col == 1 && !g->sgd && g->turned && g->m >= FNN_DOT_ROWS && panel->k >= FN(DOT_STEPS)
           && panel->n % VL > 0 && panel->n % VL <= FN(FEW);
#else
    return (void)g, (void)panel, 0;
#endif
}

static void FN(panel_loop)(const FN(product) *g)
{
    const int streams = g->b_col == 1 && g->m <= FNN_STREAM_ROWS && g->k * g->n * (i64)sizeof(real) > FNN_DIRECT;
    const i64 most = streams ? FNN_STREAM_KC : FNN_KC;
    const i64 parts = g->k > most ? (g->k + most - 1) / most : 1;
    const i64 kc = (g->k + parts - 1) / parts; /* even parts of k */
    const int in_place = FN(in_place)(g, kc);
    const i64 nc = in_place ? g->n : FN(NC);
    for (i64 j = 0; j < g->n; j += nc) {
        for (i64 p = 0; p == 0 || p < g->k; p += kc) {
            FN(panel) panel = {.p = p, .k = g->k - p < kc ? g->k - p : kc, .j = j, .n = g->n - j < nc ? g->n - j : nc,
                               .B = g->B + p * g->b_row + j, .b_row = g->b_row};
            panel.whole = FN(turns)(g, &panel) ? panel.n / VL * VL : panel.n;
            if (!in_place)
                FN(pack_panel)(g, &panel);
#ifdef FNN_DOTS
            if (panel.whole < panel.n)
                FN(turn_columns)(panel.n - panel.whole, panel.k, g->B + p * g->b_row + (j + panel.whole) * g->b_col,
                                 g->b_row, g->b_col, g->turned);
#endif
            FN(row_blocks)(g, &panel);
            if (!g->k)
                break;
        }
    }
}

/* ---- any strides of C */

/* C in any strides: bands of rows and columns pass through a buffer with contiguous rows. */
static void FN(strided_product)(FN(product) *g, real *C, i64 c_row, i64 c_col)
{
    enum { ROWS = 2 * FNN_MR, COLUMNS = FN(NR) };
    real buffer[ROWS * COLUMNS];
    const FN(product) all = *g;
    for (i64 i = 0; i < all.m; i += ROWS) {
        for (i64 j = 0; j < all.n; j += COLUMNS) {
            FN(product) part = all;
            real *here = C + i * c_row + j * c_col;
            part.m = all.m - i < ROWS ? all.m - i : ROWS;
            part.n = all.n - j < COLUMNS ? all.n - j : COLUMNS;
            part.A += i * all.a_row;
            part.B += j * all.b_col;
            part.C = buffer;
            part.c_row = COLUMNS;
            part.bias = all.bias ? all.bias + j : NULL;
            part.Z = all.Z ? all.Z + i * all.z_row + j * all.z_col : NULL;
            part.gate = all.gate ? all.gate + i * all.gate_row + j : NULL;
            if (all.accumulate)
                FN(copy_matrix)(part.m, part.n, here, c_row, c_col, buffer, COLUMNS, 1);
            FN(panel_loop)(&part);
            FN(copy_matrix)(part.m, part.n, buffer, COLUMNS, 1, here, c_row, c_col);
        }
    }
}

/* What follows from n sums: C, C + sums, or the step of W. */
static void FN(take_sums)(const FN(product) *g, i64 at, i64 n, const real *sums)
{
    real *C = (g->sgd ? g->W : g->C) + at;
    if (g->sgd) {
        const real lr = (real)g->sgd[0], decay = (real)g->sgd[1], l2 = (real)g->sgd[2];
        if (decay == 1 && l2 == 0) {
            FNN_FREE_LOOP
            for (i64 i = 0; i < n; i++)
                C[i] -= lr * sums[i];
            return;
        }
        FNN_FREE_LOOP
        for (i64 i = 0; i < n; i++)
            C[i] = decay * C[i] - lr * (sums[i] + l2 * C[i]);
    } else {
        FNN_FREE_LOOP
        for (i64 i = 0; i < n; i++)
            C[i] = g->accumulate ? C[i] + sums[i] : sums[i];
    }
}

/* C = A^T B for few columns, half a register of them at most: C^T = B^T A fills the registers, and is turned at the end
 * (64 x 4 over 64 rows: 0.4 us, where masked registers take 1.2). */
static void FN(narrow_product)(const FN(product) *g)
{
    enum { COLUMNS = 4 * VL };
    real turned[FN(NARROW) * COLUMNS], sums[FN(NARROW) * COLUMNS];
    for (i64 i = 0; i < g->m; i += COLUMNS) {
        const i64 rows = FN(smaller)(g->m - i, COLUMNS);
        for (i64 p = 0; p < g->k; p += FNN_KC) {
            const FN(panel) panel = {.k = FN(smaller)(g->k - p, FNN_KC), .n = rows, .whole = rows, .b_row = g->a_col,
                                     .B = g->A + i + p * g->a_col};
            for (i64 j = 0; j < g->n; j += FNN_WIDE_ROWS) {
                FN(tile) t = {.k = panel.k, .A = g->B + p * g->b_row + j, .a_row = 1, .a_col = g->b_row,
                              .b_row = panel.b_row, .c_row = COLUMNS, .load = p > 0};
                const FN(row_operands) at = {.C = turned + j * COLUMNS};
                FN(row_block)(&panel, (int)FN(smaller)(g->n - j, FNN_WIDE_ROWS), &t, &at);
            }
        }
        for (i64 r = 0; r < rows; r++)
            for (i64 j = 0; j < g->n; j++)
                sums[r * g->n + j] = turned[j * COLUMNS + r];
        for (i64 r = 0; r < rows; r += g->c_row == g->n ? rows : 1)
            FN(take_sums)(g, (i + r) * g->c_row, g->c_row == g->n ? rows * g->n : g->n, sums + r * g->n);
    }
}

/* C (m, 1) = A b + bias for contiguous rows of A: a dot product per row */
static void FN(matrix_vector)(const FN(product) *g, real *C, i64 c_row)
{
    for (i64 i = 0; i < g->m; i++) {
        const real before = (g->accumulate ? C[i * c_row] : 0) + (g->bias ? g->bias[0] : 0);
        C[i * c_row] = before + (real)FN(fnn_dot)(g->k, g->A + i * g->a_row, 1, g->B, 1);
    }
    if (g->Z)
        FN(copy_row)(g->m, C, c_row, g->Z, g->z_row);
    if (g->activation)
        FN(map_row)(g->activation, g->m, C, c_row, C, c_row);
}

static void FN(fnn_gemm)(i64 m, i64 n, i64 k, const void *A, i64 a_row, i64 a_col, const void *B, i64 b_row, i64 b_col,
                         void *C, i64 c_row, i64 c_col, int accumulate, const fnn_epilogue *e, void *scratch)
{
    if (m < 1 || n < 1)
        return;
    FN(product) g = {.m = m, .n = n, .k = k, .A = A, .a_row = a_row, .a_col = a_col, .B = B, .b_row = b_row,
                     .b_col = b_col, .C = C, .c_row = c_row, .accumulate = accumulate, .packed_B = scratch,
                     .packed_A = scratch ? (real *)scratch + FNN_KC * FN(NC) : NULL,
                     .turned = scratch ? (real *)scratch + FNN_KC * FN(NC) + FN(A_PACK) : NULL};
    if (e) {
        g.bias = e->bias;
        g.relu = e->act == FNN_ACT_relu && !e->Z;
        g.activation = e->act == FNN_ACT_identity || g.relu ? NULL : FN(activations)[e->act];
        g.gate = e->gate;
        g.gate_row = e->gate_row;
        g.Z = e->Z;
        g.z_row = e->z_row;
        g.z_col = e->z_col;
        g.sgd = e->sgd;
        g.W = e->W;
    }
    if (n == 1)
        g.b_col = c_col = 1;
    if (k == 1)
        g.b_row = g.a_col = 1;
    if (!e && c_row == 1 && (c_col != 1 || n == 1) && m > 1) { /* C^T = B^T A^T has contiguous rows */
        FN(product) transposed = g;
        transposed.m = n, transposed.n = m;
        transposed.A = g.B, transposed.a_row = g.b_col, transposed.a_col = g.b_row;
        transposed.B = g.A, transposed.b_row = g.a_col, transposed.b_col = g.a_row;
        transposed.c_row = c_col;
        if (n > 1 || a_row == 1) {
            FN(panel_loop)(&transposed);
            return;
        }
    }
    if (n == 1 && g.a_col == 1 && g.b_row == 1 && !g.sgd && !g.gate) {
        if (g.relu)
            g.activation = FN(activations)[FNN_ACT_relu];
        FN(matrix_vector)(&g, C, c_row);
    } else if (n <= FN(NARROW) && g.a_row == 1 && g.b_col == 1 && c_col == 1 && m > VL && k > 0 && !g.bias
             && !g.activation && !g.relu && !g.gate && !g.Z)
        FN(narrow_product)(&g);
    else if (c_col == 1)
        FN(panel_loop)(&g);
    else
        FN(strided_product)(&g, C, c_row, c_col);
}

/* tile.h: the micro-kernel of the GEMM: a tile of C that stays in registers while k runs.
 *
 *     C[0..rows, 0..columns] = (load ? C : 0) + bias + sum_p A[., p] B[p, .]
 *     C = relu(all that), C = all that times relu'(gate)         where asked for; other activations follow in gemm.h
 *     W = decay W - lr (all that + l2 W)                        instead, where there is sgd
 *
 * Shape of a tile: up to FNN_MR rows times up to 2 registers of columns (4 for few rows, where 2 would leave the FMA
 * units waiting for one another).  Each step of k loads the registers of B once and multiplies them by one number of A
 * per row; A is read through any two strides, so A^T costs nothing, and B needs contiguous rows.  The last register of
 * columns may be partial: masked where the target masks for free, so that no edge needs a copy.
 * Each shape is its own function, generated from one inlined body whose bounds are constants.  Template over simd.h's
 * dtype.
 */
#ifndef FASTNN_TILE_H
#define FASTNN_TILE_H

/* Registers: MR * 2 sums + 2 of B + 1 of A.  AVX-512 and NEON have 32, AVX2 and SSE 16.  With 32, 8x2 already hides the
 * latency of two FMA units (16 sums, 4 cycles); more rows only pay where A is packed. */
#if FNN_VECTOR_BYTES == 64
#define FNN_MR 8
#define FNN_MASKS_FREE 1
#define FNN_WIDE_ROWS 4 /* up to so many rows, tiles are 4 registers wide */
#elif FNN_VECTOR_BYTES == 16 && (defined(__aarch64__) || defined(_M_ARM64))
#define FNN_MR 8
#define FNN_MASKS_FREE 0
#define FNN_WIDE_ROWS 4
#elif FNN_VECTOR_BYTES
#define FNN_MR 6
#define FNN_MASKS_FREE 0
#define FNN_WIDE_ROWS 2
#else
#define FNN_MR 4
#define FNN_MASKS_FREE 1
#define FNN_WIDE_ROWS 4
#endif

#endif /* once */

/* The operands of one tile.  C is row-major; last is how many columns the last register has. */
typedef struct {
    i64 k;
    const real *A;
    i64 a_row, a_col;
    const real *B;
    i64 b_row;
    real *C;
    i64 c_row;
    const real *bias; /* of these columns, or NULL */
    int load, last;
    int relu;          /* C = max(0, all that) */
    const real *gate;  /* C = all that where these, gate_row from row to row, are above 0: times relu's f'; or NULL */
    i64 gate_row;
    const double *sgd; /* (lr, decay, l2), or NULL */
    real *W;           /* what takes the step, instead of C */
} FN(tile);

typedef void FN(tile_function)(const FN(tile) *t);

/* Plain SGD on a register of weights: decay w - lr (g + l2 w), without what is 1 or 0. */
typedef struct {
    vec lr, decay, l2;
    int plain;
} FN(sgd);

FNN_INLINE FN(sgd) FN(sgd_of)(const double *sgd)
{
    const FN(sgd) step = {FN(spread)((real)sgd[0]), FN(spread)((real)sgd[1]), FN(spread)((real)sgd[2]),
                          sgd[1] == 1 && sgd[2] == 0};
    return step;
}

FNN_INLINE vec FN(take_step)(const FN(sgd) *step, vec w, vec g)
{
    return step->plain ? w - step->lr * g : w * step->decay - step->lr * (g + step->l2 * w);
}

/* rows, registers and partial are constants wherever this is inlined */
FNN_INLINE void FN(run_tile)(const FN(tile) *t, const int rows, const int registers, const int partial)
{
    const i64 a_row = t->a_row, a_col = t->a_col, b_row = t->b_row, c_row = t->c_row;
    const FN(part) lanes = FN(first)(t->last);
    const int full = registers - partial;
    vec c[FNN_MR][4], b[4];

    FNN_UNROLL
    for (int j = 0; j < registers; j++) {
        const vec start = !t->bias ? (vec){0}
                          : j < full ? FN(load)(t->bias + j * VL)
                                     : FN(load_part)(t->bias + j * VL, lanes);
        FNN_UNROLL
        for (int i = 0; i < rows; i++)
            c[i][j] = start;
    }
    if (t->load) {
        const real *C = t->C;
        FNN_UNROLL
        for (int i = 0; i < rows; i++, C += c_row) {
            FNN_UNROLL
            for (int j = 0; j < registers; j++)
                c[i][j] += j < full ? FN(load)(C + j * VL) : FN(load_part)(C + j * VL, lanes);
        }
    }
    const real *A = t->A, *B = t->B;
    for (i64 p = 0; p < t->k; p++, A += a_col, B += b_row) {
        FNN_UNROLL
        for (int j = 0; j < registers; j++)
            b[j] = j < full ? FN(load)(B + j * VL) : FN(load_part)(B + j * VL, lanes);
        FNN_UNROLL
        for (int i = 0; i < rows; i++) {
            const vec a = FN(spread)(A[i * a_row]);
            FNN_UNROLL
            for (int j = 0; j < registers; j++)
                c[i][j] += a * b[j];
        }
    }
    real *C = t->C;
    if (t->relu) {
        FNN_UNROLL
        for (int i = 0; i < rows; i++) {
            FNN_UNROLL
            for (int j = 0; j < registers; j++)
                c[i][j] = FN(relu)(c[i][j]);
        }
    }
    if (t->gate) {
        const real *gate = t->gate;
        FNN_UNROLL
        for (int i = 0; i < rows; i++, gate += t->gate_row) {
            FNN_UNROLL
            for (int j = 0; j < registers; j++)
                c[i][j] *= FN(relu_df)(j < full ? FN(load)(gate + j * VL) : FN(load_part)(gate + j * VL, lanes));
        }
    }
    if (t->sgd) {
        const FN(sgd) step = FN(sgd_of)(t->sgd);
        C = t->W;
        FNN_UNROLL
        for (int i = 0; i < rows; i++, C += c_row) {
            FNN_UNROLL
            for (int j = 0; j < registers; j++)
                c[i][j] = FN(take_step)(&step, j < full ? FN(load)(C + j * VL) : FN(load_part)(C + j * VL, lanes),
                                        c[i][j]);
        }
        C = t->W;
    }
    FNN_UNROLL
    for (int i = 0; i < rows; i++, C += c_row) {
        FNN_UNROLL
        for (int j = 0; j < registers; j++) {
            if (j < full)
                FN(store)(C + j * VL, c[i][j]);
            else
                FN(store_part)(C + j * VL, c[i][j], lanes);
        }
    }
}

#define DEFINE_TILE(rows, registers, partial) \
    FNN_FUNCTION void FN(tile_##rows##_##registers##_##partial)(const FN(tile) *t) \
    { \
        FN(run_tile)(t, rows, registers, partial); \
    }
#if FNN_MASKS_FREE
#define DEFINE_TILES(rows, registers) DEFINE_TILE(rows, registers, 1)
#define TILES(rows, registers) \
    { \
        FN(tile_##rows##_##registers##_1), FN(tile_##rows##_##registers##_1) \
    }
#else
#define DEFINE_TILES(rows, registers) DEFINE_TILE(rows, registers, 0) DEFINE_TILE(rows, registers, 1)
#define TILES(rows, registers) \
    { \
        FN(tile_##rows##_##registers##_0), FN(tile_##rows##_##registers##_1) \
    }
#endif

DEFINE_TILES(1, 1) DEFINE_TILES(1, 2) DEFINE_TILES(1, 4)
DEFINE_TILES(2, 1) DEFINE_TILES(2, 2) DEFINE_TILES(2, 4)
DEFINE_TILES(3, 1) DEFINE_TILES(3, 2)
DEFINE_TILES(4, 1) DEFINE_TILES(4, 2)
#if FNN_WIDE_ROWS > 2
DEFINE_TILES(3, 4) DEFINE_TILES(4, 4)
#endif
#if FNN_MR > 4
DEFINE_TILES(5, 1) DEFINE_TILES(5, 2)
DEFINE_TILES(6, 1) DEFINE_TILES(6, 2)
#endif
#if FNN_MR > 6
DEFINE_TILES(7, 1) DEFINE_TILES(7, 2)
DEFINE_TILES(8, 1) DEFINE_TILES(8, 2)
#endif
#undef DEFINE_TILE
#undef DEFINE_TILES

/* [rows - 1][registers: 1, 2, 4][last one partial] */
static FN(tile_function) *const FN(tiles)[FNN_MR][3][2] = {
    {TILES(1, 1), TILES(1, 2), TILES(1, 4)},
    {TILES(2, 1), TILES(2, 2), TILES(2, 4)},
#if FNN_WIDE_ROWS > 2
    {TILES(3, 1), TILES(3, 2), TILES(3, 4)},
    {TILES(4, 1), TILES(4, 2), TILES(4, 4)},
#else
    {TILES(3, 1), TILES(3, 2)},
    {TILES(4, 1), TILES(4, 2)},
#endif
#if FNN_MR > 4
    {TILES(5, 1), TILES(5, 2)},
    {TILES(6, 1), TILES(6, 2)},
#endif
#if FNN_MR > 6
    {TILES(7, 1), TILES(7, 2)},
    {TILES(8, 1), TILES(8, 2)},
#endif
};
#undef TILES

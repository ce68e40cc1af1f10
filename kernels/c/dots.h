/* dots.h: the last few columns of a product, a quarter of a register of them at most, as dot products along k.
 *
 * A tile (tile.h) spends a register on them at every step of k, three quarters of which are empty at least.  Here a
 * register holds VL steps of k of a row of A, and another those of a column of B, which is turned for that; the sums of
 * four rows fill as many registers as a register has lanes, which are then added up lane by lane all at once.
 * 200 x 64 x 4 float32: 2.0 us, not 3.5.  Half a register of columns gains nothing: the adding up takes what is saved.
 * Template over the dtype of simd.h.
 */
#if defined(FNN_TRANSPOSE) && VL >= 8
#define FNN_DOTS 1
enum {
    FN(FEW) = VL / 4,
    FN(DOT_STEPS) = 2 * VL /* steps of k from which it repays */
};

/* B^T[c][p], rows of `padded` = k rounded up to whole registers, zeros behind k */
static void FN(turn_columns)(i64 columns, i64 k, const real *B, i64 b_row, i64 b_col, real *out)
{
    const i64 padded = (k + VL - 1) / VL * VL;
    for (i64 c = 0; c < columns; c++, out += padded) {
        for (i64 p = 0; p < k; p++)
            out[p] = B[p * b_row + c * b_col];
        for (i64 p = k; p < padded; p++)
            out[p] = 0;
    }
}

/* Four rows of C at most, whose rows of A are contiguous; t->B is what turn_columns wrote. */
FNN_INLINE void FN(run_dots)(const FN(tile) *t, i64 first, i64 rows, const int columns)
{
    const i64 padded = (t->k + VL - 1) / VL * VL;
    const FN(part) lanes = FN(first)(columns);
    const real *A[4];
    vec c[VL], b[FN(FEW)], d[VL / 2];
    real sums[VL];
    FNN_UNROLL
    for (int i = 0; i < 4; i++)
        A[i] = t->A + (first + (i < rows ? i : 0)) * t->a_row;
    FNN_UNROLL
    for (int i = 0; i < VL; i++)
        c[i] = (vec){0};
    for (i64 p = 0; p < t->k; p += VL) {
        const FN(part) steps = FN(first)(t->k - p < VL ? (int)(t->k - p) : VL);
        FNN_UNROLL
        for (int j = 0; j < columns; j++)
            b[j] = FN(load)(t->B + j * padded + p);
        FNN_UNROLL
        for (int i = 0; i < 4; i++) {
            const vec a = FN(load_part)(A[i] + p, steps);
            FNN_UNROLL
            for (int j = 0; j < columns; j++)
                c[i * FN(FEW) + j] += a * b[j];
        }
    }
    FNN_UNROLL
    for (int i = 0; i < VL / 2; i++)
        d[i] = FN(zip_add)(c[i], c[i + VL / 2]);
    FNN_UNROLL
    for (int i = 0; i < VL / 4; i++)
        d[i] = FN(zip_add)(d[i], d[i + VL / 4]);
    FNN_UNROLL
    for (int i = 0; i < VL / 8; i++)
        d[i] = FN(zip_add)(d[i], d[i + VL / 8]);
    FN(store)(sums, VL > 8 ? FN(zip_add)(d[0], d[1]) : d[0]);
    const vec bias = t->bias ? FN(load_part)(t->bias, lanes) : (vec){0};
    real *C = t->C + first * t->c_row;
    for (i64 i = 0; i < rows; i++, C += t->c_row) {
        const vec before = t->load ? FN(load_part)(C, lanes) + bias : bias;
        vec all = before + FN(load_part)(sums + i * FN(FEW), lanes);
        if (t->relu)
            all = FN(relu)(all);
        if (t->gate)
            all *= FN(relu_df)(FN(load_part)(t->gate + (first + i) * t->gate_row, lanes));
        FN(store_part)(C, all, lanes);
    }
}

typedef void FN(dots_function)(const FN(tile) *t, i64 rows);
#define DEFINE_DOTS(columns) \
    FNN_FUNCTION void FN(dots_##columns)(const FN(tile) *t, i64 rows) \
    { \
        for (i64 i = 0; i < rows; i += 4) \
            FN(run_dots)(t, i, rows - i < 4 ? rows - i : 4, columns); \
    }
DEFINE_DOTS(1) DEFINE_DOTS(2)
#if VL > 8
DEFINE_DOTS(3) DEFINE_DOTS(4)
#endif
static FN(dots_function) *const FN(dots)[] = {
    FN(dots_1), FN(dots_2),
#if VL > 8
    FN(dots_3), FN(dots_4),
#endif
};
#undef DEFINE_DOTS
#else
#undef FNN_DOTS
#endif

/* row.h: one row through one layer, and the link of one short row: what a call with a single example costs.
 *
 *     y = f(b + x W)        x (k,)    W (k, n)    y (n,)
 *
 * A product of one row reads every weight once, so nothing is reused but x, and the FMA units wait either for memory or
 * for one another.  The weights are therefore packed once:
 *
 *     bias     n numbers, 0 up to a whole number of registers
 *     strips   of 8 registers of columns, then of 4, 2 and 1 for what is left; in a strip the steps of k one after the
 *              other.  The last register is filled up with 0.  Or groups of 4 outputs, note f.
 *
 * so that a layer is one sequential stream without masks, edges or strides.
 *
 * Design notes.
 *   a. A strip of R registers sums 8 / R steps of k side by side: 8 chains of additions in every case, which is what two
 *      FMA units of 4 cycles need.  16 columns with one chain take 4 times as long.
 *   b. Sums run in another order than in a tile of the GEMM, so a row alone and the same row in a batch may differ in
 *      the last bits.  The order depends on the shape alone: any cut of the strips among threads gives the same bits.
 *   c. Nothing is prefetched by hand: one sequential stream is what the processor's own prefetcher likes best (784 x 512
 *      from L3: 98 GB/s without, 76 to 95 with prefetches 0.5 to 8 kB ahead).
 *   d. Registers are worked on whole, the padding behind the last column too: no loop has a remainder.
 *   e. A strip a little larger than L1 would leave nothing there for the next call: by the time it ends, its beginning is
 *      gone.  It is therefore two sums, of which every other call takes the second one first, where the call before
 *      stopped.  They are added in the same order: the bits are the same.
 *   f. A layer of few outputs and many inputs is packed the other way round, so that a register holds inputs, four
 *      outputs are summed side by side, and the lanes are added at the end.  That is 5 loads for 4 multiply-adds instead
 *      of 8, and every group of outputs is a piece of its own that may come first or last: note e without its price.
 *      784 x 16: 0.34 us, 0.40 as a strip in two halves (benchmarks/ladders/one_row.md has the other ways).
 * Template over the dtype of simd.h.
 */
#ifndef FASTNN_ROW_H
#define FASTNN_ROW_H
#define FNN_MOST_LANES 16 /* lanes of a register, at most */
#define FNN_NONE -INFINITY, -INFINITY, -INFINITY, -INFINITY
#define FNN_GROUP 4 /* outputs of a narrow layer that are summed side by side: note f */
enum {
    FNN_STRIP = 8, /* registers of the widest strip, and chains of additions of every strip */
    FNN_HALVED = 24 * 1024, /* bytes of a strip from which it is worked on in two halves, note e, and up to which */
    FNN_HALVED_MOST = 128 * 1024,
    FNN_MANY_INPUTS = 8, /* registers of inputs from which it repays to sum over their lanes at the end, note f */
};
#endif

#undef FNN_BY_INPUTS
#undef FNN_BLOCKS
#define FNN_BLOCKS (VL / FNN_GROUP) /* of a register */
#if defined(FNN_TRANSPOSE) && VL >= 4
#define FNN_BY_INPUTS 1
#else
#define FNN_BY_INPUTS 0
#endif

/* R is a constant wherever this is inlined */
FNN_INLINE void FN(run_strip)(i64 k, const real *x, const real *W, const real *bias, real *y, const int R)
{
    const int U = FNN_STRIP / R;
    vec s[FNN_STRIP];
    FNN_UNROLL
    for (int i = 0; i < FNN_STRIP; i++)
        s[i] = i < R ? FN(load)(bias + i * VL) : (vec){0};
    i64 p = 0;
    for (; p + U <= k; p += U, x += U, W += FNN_STRIP * VL) {
        FNN_UNROLL
        for (int u = 0; u < U; u++) {
            const vec a = FN(spread)(x[u]);
            FNN_UNROLL
            for (int j = 0; j < R; j++)
                s[u * R + j] += a * FN(load)(W + (u * R + j) * VL);
        }
    }
    for (; p < k; p++, x++, W += R * VL) {
        const vec a = FN(spread)(*x);
        FNN_UNROLL
        for (int j = 0; j < R; j++)
            s[j] += a * FN(load)(W + j * VL);
    }
    FNN_UNROLL
    for (int half = FNN_STRIP / 2; half >= R; half /= 2) {
        FNN_UNROLL
        for (int i = 0; i < half; i++)
            s[i] += s[i + half];
    }
    FNN_UNROLL
    for (int j = 0; j < R; j++)
        FN(store)(y + j * VL, s[j]);
}

/* A strip, or its two halves in either order: note e.  R is a constant here too. */
FNN_INLINE void FN(run_halves)(i64 k, const real *x, const real *W, const real *bias, real *y, int turned, const int R)
{
    static const real none[FNN_STRIP * VL];
    const i64 bytes = k * R * (i64)sizeof(vec), middle = k / (2 * FNN_STRIP) * FNN_STRIP;
    real second[FNN_STRIP * VL];
    if (bytes < FNN_HALVED || bytes > FNN_HALVED_MOST) {
        FN(run_strip)(k, x, W, bias, y, R);
        return;
    }
    for (int half = 0; half < 2; half++) {
        if (half == turned)
            FN(run_strip)(middle, x, W, bias, y, R);
        else
            FN(run_strip)(k - middle, x + middle, W + middle * R * VL, none, second, R);
    }
    FNN_UNROLL
    for (int j = 0; j < R; j++)
        FN(store)(y + j * VL, FN(load)(y + j * VL) + FN(load)(second + j * VL));
}

#define DEFINE_STRIP(R) \
    FNN_FUNCTION void FN(strip_##R)(i64 k, const real *x, const real *W, const real *bias, real *y, int turned) \
    { \
        FN(run_halves)(k, x, W, bias, y, turned, R); \
    }
DEFINE_STRIP(8)
DEFINE_STRIP(4)
DEFINE_STRIP(2)
DEFINE_STRIP(1)
#undef DEFINE_STRIP

/* ---- few outputs of many inputs: note f
 *
 * Group g of 4 outputs has W[VL c + i][4 g + o] at [g][c][o][i], 0 beyond the last input and the last output. */

FNN_INLINE i64 FN(registers)(i64 n) { return (n + VL - 1) / VL; }

FNN_INLINE int FN(by_inputs)(i64 k, i64 n) { return FNN_BY_INPUTS && n <= VL && k >= FNN_MANY_INPUTS * VL; }

FNN_INLINE i64 FN(groups)(i64 n) { return (n + FNN_GROUP - 1) / FNN_GROUP; }

#if FNN_BY_INPUTS
static void FN(pack_groups)(i64 k, i64 n, const real *W, real *out)
{
    for (i64 j = 0; j < n; j += FNN_GROUP)
        for (i64 p = 0; p < k; p += VL)
            for (i64 o = j; o < j + FNN_GROUP; o++)
                for (i64 i = p; i < p + VL; i++)
                    *out++ = i < k && o < n ? W[i * n + o] : 0;
}

/* In every block of 4 lanes: the first two of a and of b by turns, the last two; and whole blocks, told apart below */
#if FNN_BLOCKS == 4
#define FNN_LOW 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29
#define FNN_HIGH 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31
#define FNN_EVEN 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27
#define FNN_ODD 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31
#elif FNN_BLOCKS == 2
#define FNN_LOW 0, 8, 1, 9, 4, 12, 5, 13
#define FNN_HIGH 2, 10, 3, 11, 6, 14, 7, 15
#define FNN_EVEN 0, 1, 2, 3, 8, 9, 10, 11
#define FNN_ODD 4, 5, 6, 7, 12, 13, 14, 15
#else
#define FNN_LOW 0, 4, 1, 5
#define FNN_HIGH 2, 6, 3, 7
#endif
#define FNN_ADD(a, b, first, second) (__builtin_shufflevector(a, b, first) + __builtin_shufflevector(a, b, second))

/* The products of a group's 4 outputs: in every block of 4 lanes a part of their sums, in order */
FNN_FUNCTION vec FN(run_group)(i64 k, const real *x, const real *W)
{
    vec s[FNN_GROUP] = {{0}};
    for (; k >= VL; k -= VL, x += VL, W += FNN_GROUP * VL) {
        const vec a = FN(load)(x);
        FNN_UNROLL
        for (int o = 0; o < FNN_GROUP; o++)
            s[o] += a * FN(load)(W + o * VL);
    }
    if (k) {
        const vec a = FN(load_part)(x, FN(first)((int)k));
        FNN_UNROLL
        for (int o = 0; o < FNN_GROUP; o++)
            s[o] += a * FN(load)(W + o * VL);
    }
    const vec even = FNN_ADD(s[0], s[2], FNN_LOW, FNN_HIGH), odd = FNN_ADD(s[1], s[3], FNN_LOW, FNN_HIGH);
    return FNN_ADD(even, odd, FNN_LOW, FNN_HIGH);
}

FNN_FUNCTION void FN(run_groups)(i64 k, i64 n, const real *x, const real *W, const real *bias, real *y, int turned)
{
    const i64 groups = FN(groups)(n), step = FN(registers)(k) * FNN_GROUP * VL;
    vec s[FNN_BLOCKS];
    for (i64 g = groups; g < FNN_BLOCKS; g++)
        s[g] = (vec){0};
    for (i64 i = 0; i < groups; i++) {
        const i64 g = turned ? groups - 1 - i : i;
        s[g] = FN(run_group)(k, x, W + g * step);
    }
#if FNN_BLOCKS > 1
    FNN_UNROLL
    for (int half = FNN_BLOCKS / 2; half > 0; half /= 2) {
        FNN_UNROLL
        for (int i = 0; i < half; i++)
            s[i] = FNN_ADD(s[2 * i], s[2 * i + 1], FNN_EVEN, FNN_ODD);
    }
#endif
    FN(store)(y, s[0] + FN(load)(bias));
}
#undef FNN_ADD
#undef FNN_LOW
#undef FNN_HIGH
#undef FNN_EVEN
#undef FNN_ODD
#endif

/* The largest of the lanes; one of them where there is a NaN. */
FNN_INLINE real FN(max_lanes)(vec v)
{
    real x[VL];
    memcpy(x, &v, sizeof v);
    FNN_UNROLL
    for (int half = VL / 2; half > 0; half /= 2) {
        FNN_UNROLL
        for (int i = 0; i < half; i++)
            x[i] = x[i] > x[i + half] ? x[i] : x[i + half];
    }
    return x[0];
}

static i64 FN(fnn_row_strips)(i64 n) { return (FN(registers)(n) + FNN_STRIP - 1) / FNN_STRIP; }

static i64 FN(fnn_row_elements)(i64 k, i64 n)
{
    if (FN(by_inputs)(k, n))
        return VL * (1 + FN(registers)(k) * FN(groups)(n) * FNN_GROUP);
    return FN(registers)(n) * VL * (k + 1);
}

/* Pack a strip of R registers; return the end of what was written. */
static real *FN(pack_row_strip)(i64 k, i64 columns, i64 R, const real *W, i64 n, real *out)
{
    for (i64 p = 0; p < k; p++, W += n, out += R * VL)
        for (i64 c = 0; c < R * VL; c++)
            out[c] = c < columns ? W[c] : 0;
    return out;
}

static void FN(fnn_row_pack)(i64 k, i64 n, const void *W_, const void *bias_, void *out_)
{
    const real *W = W_, *bias = bias_;
    real *out = out_;
    i64 left = FN(registers)(n), column = 0;
    for (i64 c = 0; c < left * VL; c++)
        out[c] = bias && c < n ? bias[c] : 0;
    out += left * VL;
#if FNN_BY_INPUTS
    if (FN(by_inputs)(k, n)) {
        FN(pack_groups)(k, n, W, out);
        return;
    }
#endif
    for (i64 R = FNN_STRIP; R > 0; R /= 2)
        for (; left >= R; left -= R, column += R * VL)
            out = FN(pack_row_strip)(k, n - column, R, W + column, n, out);
}

static void FN(fnn_row_layer)(i64 k, i64 n, const void *x_, const void *packed_, int act, i64 from, i64 to, int turned,
                              void *y_)
{
    const i64 all = FN(registers)(n), end = FN(smaller)(all, to * FNN_STRIP);
    const real *x = x_, *bias = packed_, *W = bias + all * VL;
    real *y = y_;
    i64 j = from * FNN_STRIP;
#if FNN_BY_INPUTS
    if (FN(by_inputs)(k, n)) {
        FN(run_groups)(k, n, x, W, bias, y, turned);
        j = end;
    }
#endif
    W += j * VL * k; /* all strips before are full */
    for (; end - j >= 8; j += 8, W += 8 * VL * k)
        FN(strip_8)(k, x, W, bias + j * VL, y + j * VL, turned);
    if (end - j >= 4) {
        FN(strip_4)(k, x, W, bias + j * VL, y + j * VL, turned);
        j += 4, W += 4 * VL * k;
    }
    if (end - j >= 2) {
        FN(strip_2)(k, x, W, bias + j * VL, y + j * VL, turned);
        j += 2, W += 2 * VL * k;
    }
    if (end > j)
        FN(strip_1)(k, x, W, bias + j * VL, y + j * VL, turned);
    if (act != FNN_ACT_identity) {
        y += from * FNN_STRIP * VL;
        FN(activations)[act]((end - from * FNN_STRIP) * VL, y, y);
    }
}

FNN_INLINE vec FN(exp_register)(vec x)
{
#if FNN_VECTOR_BYTES == 64
    return (vec)FN(reg_exp)(x);
#else
    real e[VL];
    FN(store)(e, x);
    FN(map_exp)(VL, e, e);
    return FN(load)(e);
#endif
}

/* softmax of a row whose last register is filled up, in place; the padding becomes exp(-inf) = 0.  It is added, not stored
 * number by number: a register could not be loaded before all of them are in L1 (a row of 10: 6 ns). */
static void FN(row_softmax)(i64 n, real *y)
{
    static const real padding[2 * FNN_MOST_LANES] = {[FNN_MOST_LANES] = FNN_NONE, FNN_NONE, FNN_NONE, FNN_NONE};
    const i64 last = (FN(registers)(n) - 1) * VL;
    const vec end = FN(load)(y + last) + FN(load)(padding + FNN_MOST_LANES - (n - last));
    if (!last) {
        const vec e = FN(exp_register)(end - FN(max_lanes)(end));
        FN(store)(y, e / FN(sum_lanes)(e));
        return;
    }
    FN(store)(y + last, end);
    vec most = end, sum = {0};
    for (i64 i = 0; i < last; i += VL)
        most = FN(larger)(most, FN(load)(y + i));
    const real largest = FN(max_lanes)(most);
    for (i64 i = 0; i <= last; i += VL) {
        const vec e = FN(exp_register)(FN(load)(y + i) - largest);
        FN(store)(y + i, e);
        sum += e;
    }
    const real total = FN(sum_lanes)(sum);
    for (i64 i = 0; i <= last; i += VL)
        FN(store)(y + i, FN(load)(y + i) / total);
}

static void FN(fnn_row_link)(int code, i64 n, void *y)
{
    if (FN(links)[code])
        FN(links)[code](FN(registers)(n) * VL, y, y);
    else
        FN(row_softmax)(n, y);
}

/* dx (k,) = W dz, W (k, n) contiguous: the way back of one row.  A register's worth of rows of W is summed side by side
 * and turned once, where the GEMM would pack all of W^T for a single use. */
static void FN(fnn_row_back)(i64 k, i64 n, const void *W_, const void *dz_, void *dx_)
{
    const real *W = W_, *dz = dz_;
    real *dx = dx_;
    const i64 whole = (n - 1) / VL * VL;
    const FN(part) lanes = FN(first)((int)(n - whole));
    i64 i = 0;
#ifdef FNN_TRANSPOSE
    for (; i + VL <= k; i += VL, W += VL * n) {
        vec s[VL];
        const vec last = FN(load_part)(dz + whole, lanes);
        FNN_UNROLL
        for (int r = 0; r < VL; r++)
            s[r] = last * FN(load_part)(W + r * n + whole, lanes);
        for (i64 j = 0; j < whole; j += VL) {
            const vec d = FN(load)(dz + j);
            FNN_UNROLL
            for (int r = 0; r < VL; r++)
                s[r] += d * FN(load)(W + r * n + j);
        }
        FN(flip)(s);
        FNN_UNROLL
        for (int half = VL / 2; half > 0; half /= 2) {
            FNN_UNROLL
            for (int r = 0; r < half; r++)
                s[r] += s[r + half];
        }
        FN(store)(dx + i, s[0]);
    }
#endif
    for (; i < k; i++, W += n) {
        vec s = FN(load_part)(dz + whole, lanes) * FN(load_part)(W + whole, lanes);
        for (i64 j = 0; j < whole; j += VL)
            s += FN(load)(dz + j) * FN(load)(W + j);
        dx[i] = FN(sum_lanes)(s);
    }
}

/* A product with 0 is 0, but for NaN and infinity, whose is NaN and stays in the sum. */
static int FN(fnn_finite)(i64 n, const void *x_)
{
    const real *x = x_;
    const vec none = {0};
    vec s[4] = {none, none, none, none};
    i64 i = 0;
    for (; i + 4 * VL <= n; i += 4 * VL) {
        FNN_UNROLL
        for (int j = 0; j < 4; j++)
            s[j] += FN(load)(x + i + j * VL) * none;
    }
    real total = FN(sum_lanes)((s[0] + s[1]) + (s[2] + s[3]));
    for (; i < n; i++)
        total += x[i] * 0;
    return total == 0;
}

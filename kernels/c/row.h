/* row.h: one row through one layer, and the link of one short row: what a call with a single example costs.
 *
 *     y = f(b + x W)        x (k,)    W (k, n)    y (n,)
 *
 * A product of one row reads every weight once, so nothing is reused but x, and the FMA units wait either for memory or
 * for one another.  The weights are therefore packed once:
 *
 *     bias     n numbers, 0 up to a whole number of registers
 *     strips   of 8 registers of columns, then of 4, 2 and 1 for what is left; in a strip the steps of k one after the
 *              other.  The last register is filled up with 0.
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
 *      stopped (784 x 16 x 16 x 10: 0.71 us instead of 0.74; in pieces of 8 kB from either end 0.72, and prefetching what
 *      is beyond L1 with the non-temporal hint gains nothing).  They are added in the same order: the bits are the same.
 * Template over the dtype of simd.h.
 */
#ifndef FASTNN_ROW_H
#define FASTNN_ROW_H
enum {
    FNN_STRIP = 8, /* registers of the widest strip, and chains of additions of every strip */
    FNN_HALVED = 24 * 1024, /* bytes of a strip from which it is worked on in two halves, note e, and up to which */
    FNN_HALVED_MOST = 128 * 1024
};
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

FNN_INLINE i64 FN(registers)(i64 n) { return (n + VL - 1) / VL; }

static i64 FN(fnn_row_strips)(i64 n) { return (FN(registers)(n) + FNN_STRIP - 1) / FNN_STRIP; }

static i64 FN(fnn_row_elements)(i64 k, i64 n) { return FN(registers)(n) * VL * (k + 1); }

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

/* softmax of a row whose last register is filled up, in place; the padding becomes exp(-inf) = 0 */
static void FN(row_softmax)(i64 n, real *y)
{
    const i64 end = FN(registers)(n) * VL;
    for (i64 i = n; i < end; i++)
        y[i] = -(real)INFINITY;
    vec most = FN(load)(y), sum = {0};
    for (i64 i = VL; i < end; i += VL)
        most = FN(larger)(most, FN(load)(y + i));
    const real largest = FN(max_lanes)(most);
    for (i64 i = 0; i < end; i += VL) {
        real *e = y + i;
        FN(store)(e, FN(load)(e) - largest);
        FN(map_exp)(VL, e, e);
        sum += FN(load)(e);
    }
    const real total = FN(sum_lanes)(sum);
    for (i64 i = 0; i < end; i += VL)
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

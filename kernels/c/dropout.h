/* dropout.h: Philox4x32-10 (Salmon et al. 2011), as in dropout.py.
 *
 * Word unit % 4 of the counter (unit // 4, row, layer, t), each modulo 2^32, under a 64-bit key, drops the unit where
 * it is below rate * 2^32: a mask depends on where it is used and on nothing else.  The generator is plain C; the loop
 * that multiplies is a template over the dtype of simd.h.
 */
#ifndef FASTNN_DROPOUT_H
#define FASTNN_DROPOUT_H

enum { FNN_LANES = 64 }; /* counters that go through the rounds together */

typedef struct {
    uint32_t c[4][FNN_LANES];
} fnn_counters;

/* Ten rounds; c becomes the words. */
FNN_FUNCTION void fnn_philox(fnn_counters *x, uint32_t k0, uint32_t k1)
{
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < FNN_LANES; i++) {
            const uint64_t p0 = (uint64_t)0xD2511F53u * x->c[0][i];
            const uint64_t p1 = (uint64_t)0xCD9E8D57u * x->c[2][i];
            const uint32_t c1 = x->c[1][i], c3 = x->c[3][i];
            x->c[0][i] = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
            x->c[1][i] = (uint32_t)p1;
            x->c[2][i] = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
            x->c[3][i] = (uint32_t)p0;
        }
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
}

#endif /* once */

/* out = Y times 0 (dropped) or 1 / (1 - rate).  Lanes are filled across rows, so that narrow layers fill them too. */
static void FN(fnn_dropout)(i64 key, i64 t, int layer, const i64 *rows, i64 first, i64 m, i64 n, double rate,
                            const void *Y_, void *out_)
{
    const real *Y = Y_, factor = (real)(1.0 / (1.0 - rate));
    real *out = out_;
    const uint32_t below = (uint32_t)(rate * 4294967296.0);
    const i64 quads = (n + 3) / 4, total = m * quads;
    fnn_counters x;
    for (i64 from = 0, i = 0, q = 0; from < total; from += FNN_LANES) {
        const int lanes = (int)(total - from < FNN_LANES ? total - from : FNN_LANES);
        const i64 row_of_first = i, quad_of_first = q;
        for (int lane = 0; lane < FNN_LANES; lane++) {
            x.c[0][lane] = (uint32_t)q;
            x.c[1][lane] = lane < lanes ? (uint32_t)(rows ? rows[i] : first + i) : 0;
            x.c[2][lane] = (uint32_t)layer;
            x.c[3][lane] = (uint32_t)t;
            if (lane < lanes && ++q == quads)
                q = 0, i++;
        }
        fnn_philox(&x, (uint32_t)key, (uint32_t)((uint64_t)key >> 32));
        for (int lane = 0; lane < lanes;) {
            const i64 row = row_of_first + (quad_of_first + lane) / quads;
            const i64 quad = (quad_of_first + lane) % quads;
            const real *y = Y + row * n;
            real *o = out + row * n;
            const i64 here = quads - quad < lanes - lane ? quads - quad : lanes - lane;
            for (i64 c = 0; c < here; c++, lane++)
                for (int word = 0; word < 4 && 4 * (quad + c) + word < n; word++) {
                    const i64 unit = 4 * (quad + c) + word;
                    o[unit] = y[unit] * (x.c[word][lane] < below ? REAL(0) : factor);
                }
        }
    }
}

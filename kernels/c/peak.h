/* peak.h: what this target could do at best: multiply-adds that touch no memory, and reading memory in order.
 *
 * The kernels are measured against these, in the same run (benchmarks/kernels).  Where the target has no fused
 * instruction the multiply and the add are two, and still count as two operations.
 */
#undef FNN_CHAINS

/* Independent accumulators, enough to fill every pipe for the latency of one; with the two factors they leave no
 * register to spare where there are 16. */
#if FNN_VECTOR_BYTES == 64 || defined(__aarch64__)
#define FNN_CHAINS 16
#else
#define FNN_CHAINS 14
#endif

/* x <- a x + b in FNN_CHAINS registers, `turns` times; their sum to *sum, so that nothing is left out.  Returns the
 * operations done.  a and b come from outside, so that the compiler knows nothing of them; a below 1 keeps x finite. */
FNN_FUNCTION i64 FN(fnn_multiply_adds)(i64 turns, double a, double b, double *sum)
{
    vec x[FNN_CHAINS];
    const vec va = FN(spread)((real)a), vb = FN(spread)((real)b);
    FNN_UNROLL
    for (int j = 0; j < FNN_CHAINS; j++)
        x[j] = FN(spread)((real)j);
    for (i64 i = 0; i < turns; i++) {
        FNN_UNROLL
        for (int j = 0; j < FNN_CHAINS; j++)
            x[j] = x[j] * va + vb;
    }
    real total = 0;
    FNN_UNROLL
    for (int j = 0; j < FNN_CHAINS; j++)
        total += FN(sum_lanes)(x[j]);
    *sum = total;
    return turns * 2 * FNN_CHAINS * VL;
}

/* The sum of n contiguous numbers, in 8 registers: as fast as they can be read. */
FNN_FUNCTION double FN(fnn_read)(i64 n, const void *data)
{
    const real *x = data;
    vec s[8];
    i64 i = 0;
    FNN_UNROLL
    for (int j = 0; j < 8; j++)
        s[j] = FN(spread)(0);
    for (; i + 8 * VL <= n; i += 8 * VL) {
        FNN_UNROLL
        for (int j = 0; j < 8; j++)
            s[j] += FN(load)(x + i + j * VL);
    }
    double total = FN(sum_lanes)(((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7])));
    for (; i < n; i++)
        total += x[i];
    return total;
}

/* gemm.h: C = A B (first, simple version). */
enum { FN(GEMM_SCRATCH) = 64 };
static void FN(fnn_gemm)(i64 m, i64 n, i64 k, const void *A_, i64 a_row, i64 a_col, const void *B_, i64 b_row, i64 b_col,
                         void *C_, i64 c_row, i64 c_col, int accumulate, const fnn_epilogue *e, void *scratch)
{
    const real *A = A_, *B = B_, *bias = e ? e->bias : NULL;
    real *C = C_;
    (void)scratch;
    for (i64 i = 0; i < m; i++) {
        for (i64 j = 0; j < n; j++) {
            real s = (accumulate ? C[i * c_row + j * c_col] : 0) + (bias ? bias[j] : 0);
            for (i64 p = 0; p < k; p++)
                s += A[i * a_row + p * a_col] * B[p * b_row + j * b_col];
            C[i * c_row + j * c_col] = s;
            if (e && e->Z)
                ((real *)e->Z)[i * e->z_row + j * e->z_col] = s;
        }
    }
    if (e && e->act)
        FN(fnn_activation)(e->act, m, n, C, c_row, c_col, C, c_row, c_col);
}

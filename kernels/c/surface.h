/* surface.h: what an error surface needs beside products: points of a plane, and losses of outputs that lie by columns.
 *
 * A surface asks one tile of rows about many networks, so units run down and rows across: a layer is then W^T times the
 * tile, the rows are the vector's lanes whatever the width of the layer, and a softmax needs no sum across lanes (with
 * rows down, 784-16-16-10 spends more on the short rows of its softmax than on its products).  Template over the dtype
 * of simd.h.
 */

/* y = x_0 + a x_1 + b x_2, where x_k begins k step behind x; contiguous, y apart from x */
static void FN(fnn_plane_point)(i64 n, double a_, double b_, const void *x_, i64 step, void *y_)
{
    const real a = (real)a_, b = (real)b_, *x = x_;
    real *y = y_;
    FNN_FREE_LOOP
    for (i64 i = 0; i < n; i++)
        y[i] = x[i] + a * x[step + i] + b * x[2 * step + i];
}

/* l_i = sum_j t_ij (lse_i - r_ij) for m <= FNN_BLOCK rows, element (i, j) at j step + i */
FNN_FUNCTION void FN(categorical_columns)(i64 m, i64 n, const real *R, const real *T, i64 step, real *FNN_RESTRICT l)
{
    real most[FNN_BLOCK], sum[FNN_BLOCK];
    for (i64 i = 0; i < m; i++) {
        most[i] = R[i];
        sum[i] = 0;
    }
    for (i64 j = 1; j < n; j++)
        for (i64 i = 0; i < m; i++)
            most[i] = R[j * step + i] > most[i] ? R[j * step + i] : most[i];
    for (i64 j = 0; j < n; j++)
        for (i64 i = 0; i < m; i++)
            sum[i] += FN(exp)(R[j * step + i] - most[i]);
    for (i64 i = 0; i < m; i++) {
        most[i] += FN(log)(sum[i]);
        l[i] = 0;
    }
    for (i64 j = 0; j < n; j++)
        for (i64 i = 0; i < m; i++)
            l[i] += T[j * step + i] * (most[i] - R[j * step + i]);
}

/* sum_i w_i sum_j l_ij / norm, element (i, j) at j step + i */
static double FN(fnn_loss_by_columns)(int loss, double parameter, i64 m, i64 n, const void *R_, const void *T_,
                                      i64 step, const void *weights_, double norm)
{
    const real *R = R_, *T = T_, *weights = weights_;
    real l[FNN_BLOCK], one[FNN_BLOCK];
    double total = 0.0;
    for (i64 i = 0; i < m; i += FNN_BLOCK) {
        const i64 rows = FN(smaller)(m - i, FNN_BLOCK);
        if (FN(loss_runs)[loss]) {
            FN(loss_runs)[loss](rows, (real)parameter, R + i, T + i, l, NULL);
            for (i64 j = 1; j < n; j++) {
                FN(loss_runs)[loss](rows, (real)parameter, R + j * step + i, T + j * step + i, one, NULL);
                for (i64 c = 0; c < rows; c++)
                    l[c] += one[c];
            }
        } else {
            FN(categorical_columns)(rows, n, R + i, T + i, step, l);
        }
        if (weights)
            for (i64 c = 0; c < rows; c++)
                total += (double)weights[i + c] * l[c];
        else
            total += FN(sum)(rows, l);
    }
    return total / norm;
}

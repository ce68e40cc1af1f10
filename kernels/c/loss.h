/* loss.h: links and losses on a tile, with the row-coupled pair, softmax and categorical cross-entropy.
 *
 * A loss runs over blocks of at most FNN_BLOCK elements: first the formula, a vectorised loop that leaves the losses in
 * a buffer on the stack and the gradient in dR, then the weighting and the sum in double.  Template over the
 * dtype of simd.h.
 */

/* ---- formulas on a block */

typedef void FN(loss_run)(i64 n, real p, const real *R, const real *T, real *l, real *d);

#define DEFINE_LOSS(code, name) \
    FNN_FUNCTION void FN(run_##name)(i64 n, real p, const real *R, const real *T, real *FNN_RESTRICT l, real *d) \
    { \
        FNN_FREE_LOOP \
        for (i64 i = 0; i < n; i++) \
            l[i] = FN(loss_##name)(R[i], T[i], p); \
        if (!d) \
            return; \
        FNN_FREE_LOOP \
        for (i64 i = 0; i < n; i++) \
            d[i] = FN(loss_##name##_df)(R[i], T[i], p); \
    }
#define NOTHING(code, name)
FNN_LOSSES(DEFINE_LOSS, NOTHING)
#undef DEFINE_LOSS
#define ENTRY(code, name) [code] = FN(run_##name),
#define NO_ENTRY(code, name) [code] = NULL,
static FN(loss_run) *const FN(loss_runs)[] = {FNN_LOSSES(ENTRY, NO_ENTRY)};
#undef ENTRY

/* x_i <- w x_i */
FNN_INLINE void FN(weigh)(i64 n, real w, real *x)
{
    for (i64 i = 0; i < n; i++)
        x[i] *= w;
}

/* ---- a row: its maximum, its exponentials */

/* The largest of a row.  A NaN may be passed over: exp(NaN - max) then carries it into the row's sum. */
FNN_INLINE real FN(row_max)(i64 n, const real *x, i64 step)
{
    real largest = x[0];
    for (i64 i = 1; i < n; i++)
        largest = x[i * step] > largest ? x[i * step] : largest;
    return largest;
}

/* e_j = exp(r_j - shift), contiguous r; return the sum */
static real FN(exp_row)(i64 n, const real *r, i64 step, real shift, real *e)
{
    FNN_FREE_LOOP
    for (i64 j = 0; j < n; j++)
        e[j] = r[j * step] - shift;
    FN(map_exp)(n, e, e);
    return (real)FN(sum)(n, e);
}

/* sum_j exp(r_j - shift) of a row of any length */
static real FN(exp_sum)(i64 n, const real *r, i64 step, real shift)
{
    real e[FNN_BLOCK];
    double total = 0.0;
    for (i64 j = 0; j < n; j += FNN_BLOCK)
        total += FN(exp_row)(FN(smaller)(n - j, FNN_BLOCK), r + j * step, step, shift, e);
    return (real)total;
}

/* ---- many short rows: a register holds one column of VL rows
 *
 * Along a row of ten numbers, maximum and sums are chains of ten steps, the exponentials fill less than a register, and
 * 32 rows of a softmax took 0.43 us.  Turned round, VL rows go through each step at once.  A group that is less than half
 * full goes row by row.
 */

enum { FN(SHORT) = VL > 1 ? FNN_BLOCK / VL : 0 }; /* columns up to which a group of VL rows fits a block */

#ifdef FNN_TRANSPOSE
/* Transpose VL registers: an odd number of rounds ends in y. */
FNN_INLINE void FN(flip)(vec *x)
{
    vec y[VL];
    FN(zip_round)(x, y);
    if (VL == 4 || VL == 16) {
        FN(zip_round)(y, x);
        if (VL == 16) {
            FN(zip_round)(x, y);
            FN(zip_round)(y, x);
        }
        return;
    }
    if (VL == 8) {
        FN(zip_round)(y, x);
        FN(zip_round)(x, y);
    }
    FNN_UNROLL
    for (int i = 0; i < VL; i++)
        x[i] = y[i];
}
#endif

/* out[j][i] = A_ij for i < rows, 0 for the rows behind */
FNN_INLINE void FN(turn)(i64 rows, i64 n, const real *A, i64 a_row, i64 a_col, real *out)
{
#ifdef FNN_TRANSPOSE
    const int by_registers = a_col == 1 && 4 * n > VL; /* else most lanes would be empty */
    for (i64 j = 0; by_registers && j < n; j += VL) {
        const FN(part) lanes = FN(first)((int)FN(smaller)(VL, n - j));
        vec x[VL];
        FNN_UNROLL
        for (int i = 0; i < VL; i++)
            x[i] = i < rows ? FN(load_part)(A + i * a_row + j, lanes) : (vec){0};
        FN(flip)(x);
        FNN_UNROLL
        for (int i = 0; i < VL; i++)
            if (j + i < n)
                FN(store)(out + (j + i) * VL, x[i]);
    }
    if (by_registers)
        return;
#endif
    for (i64 j = 0; j < n; j++)
        for (i64 i = 0; i < VL; i++)
            out[j * VL + i] = i < rows ? A[i * a_row + j * a_col] : 0;
}

/* A_ij = in[j][i]; `in` has room for whole groups of VL columns: what lies behind the n is read and not used */
FNN_INLINE void FN(turn_back)(i64 rows, i64 n, const real *in, real *A, i64 a_row, i64 a_col)
{
#ifdef FNN_TRANSPOSE
    const int by_registers = a_col == 1 && 4 * n > VL; /* else most lanes would be empty */
    for (i64 j = 0; by_registers && j < n; j += VL) {
        const FN(part) lanes = FN(first)((int)FN(smaller)(VL, n - j));
        vec x[VL];
        FNN_UNROLL
        for (int i = 0; i < VL; i++)
            x[i] = FN(load)(in + (j + i) * VL);
        FN(flip)(x);
        FNN_UNROLL
        for (int i = 0; i < VL; i++)
            if (i < rows)
                FN(store_part)(A + i * a_row + j, x[i], lanes);
    }
    if (by_registers)
        return;
#endif
    for (i64 i = 0; i < rows; i++)
        for (i64 j = 0; j < n; j++)
            A[i * a_row + j * a_col] = in[j * VL + i];
}

/* e <- exp(e - max e) down the columns of a turned group; return the sums, and the maxima in *shift */
FNN_INLINE vec FN(exp_turned)(i64 n, real *e, vec *shift)
{
    vec most = FN(load)(e), sum = {0};
    for (i64 j = 1; j < n; j++)
        most = FN(larger)(most, FN(load)(e + j * VL)); /* a NaN may be passed over, as in row_max */
    for (i64 j = 0; j < n; j++)
        FN(store)(e + j * VL, FN(load)(e + j * VL) - most);
    FN(map_exp)(n * VL, e, e);
    for (i64 j = 0; j < n; j++)
        sum += FN(load)(e + j * VL);
    *shift = most;
    return sum;
}

/* ---- links */

/* a link of single elements is the map of the same name */
#define DEFINE_LINK(code, name) DEFINE_MAP_GRAD(map_link_##name##_grad, link_##name##_df)
FNN_LINKS(DEFINE_LINK, NOTHING)
#undef DEFINE_LINK
#undef NOTHING
#define ENTRY(code, name) [code] = FN(map_##name),
static FN(map) *const FN(links)[] = {FNN_LINKS(ENTRY, NO_ENTRY)};
#undef ENTRY
#define ENTRY(code, name) [code] = FN(map_link_##name##_grad),
static FN(map_grad) *const FN(link_grads)[] = {FNN_LINKS(ENTRY, NO_ENTRY)};
#undef ENTRY
#undef NO_ENTRY

/* y_j = exp(r_j - max r) / sum_k exp(r_k - max r).  Rows that fit the block share one loop of exponentials. */
static void FN(softmax)(i64 m, i64 n, const real *R, i64 r_row, i64 r_col, real *Y, i64 y_row, i64 y_col)
{
    FNN_ALIGN(64) real e[FNN_BLOCK];
    if (n <= FN(SHORT)) {
        for (; 2 * m >= VL; m -= VL, R += VL * r_row, Y += VL * y_row) {
            const i64 rows = FN(smaller)(VL, m);
            vec shift;
            FN(turn)(rows, n, R, r_row, r_col, e);
            const vec total = FN(exp_turned)(n, e, &shift);
            for (i64 j = 0; j < n; j++)
                FN(store)(e + j * VL, FN(load)(e + j * VL) / total);
            FN(turn_back)(rows, n, e, Y, y_row, y_col);
        }
    }
    if (n > FNN_BLOCK) {
        for (i64 i = 0; i < m; i++, R += r_row, Y += y_row) {
            const real shift = FN(row_max)(n, R, r_col), total = FN(exp_sum)(n, R, r_col, shift);
            for (i64 j = 0; j < n; j += FNN_BLOCK) {
                const i64 count = FN(smaller)(n - j, FNN_BLOCK);
                FN(exp_row)(count, R + j * r_col, r_col, shift, e);
                for (i64 c = 0; c < count; c++)
                    Y[(j + c) * y_col] = e[c] / total;
            }
        }
        return;
    }
    for (i64 i = 0; i < m;) {
        const i64 rows = FN(smaller)(FNN_BLOCK / n, m - i);
        for (i64 k = 0; k < rows; k++) {
            const real *r = R + (i + k) * r_row, shift = FN(row_max)(n, r, r_col);
            for (i64 j = 0; j < n; j++)
                e[k * n + j] = r[j * r_col] - shift;
        }
        FN(map_exp)(rows * n, e, e);
        for (i64 k = 0; k < rows; k++, i++) {
            const real total = (real)FN(sum)(n, e + k * n);
            for (i64 j = 0; j < n; j++)
                Y[i * y_row + j * y_col] = e[k * n + j] / total;
        }
    }
}

/* dR = y (dy - sum_k y_k dy_k) */
static void FN(softmax_backward)(i64 m, i64 n, const real *Y, real *dY)
{
    for (i64 i = 0; i < m; i++, Y += n, dY += n) {
        const real mean = (real)FN(fnn_dot)(n, Y, 1, dY, 1);
        FNN_FREE_LOOP
        for (i64 j = 0; j < n; j++)
            dY[j] = (dY[j] - mean) * Y[j];
    }
}

static void FN(fnn_link)(int code, i64 m, i64 n, const void *R, i64 r_row, i64 r_col, void *Y, i64 y_row, i64 y_col)
{
    if (m < 1 || n < 1)
        return;
    if (FN(links)[code])
        FN(map_matrix)(FN(links)[code], m, n, R, r_row, r_col, Y, y_row, y_col);
    else
        FN(softmax)(m, n, R, r_row, r_col, Y, y_row, y_col);
}

static void FN(fnn_link_backward)(int code, i64 m, i64 n, const void *Y, void *dY)
{
    if (FN(link_grads)[code])
        FN(link_grads)[code](m * n, Y, dY, dY);
    else
        FN(softmax_backward)(m, n, Y, dY);
}

/* ---- losses */

/* sum_i w_i sum_j l_ij; the gradient rows are multiplied by w_i */
static double FN(weigh_rows)(i64 rows, i64 n, const real *weights, double norm, real *l, real *d)
{
    double total = 0.0;
    for (i64 i = 0; i < rows; i++) {
        const real w = weights[i] / norm;
        total += (double)w * FN(sum)(n, l + i * n);
        if (d)
            FN(weigh)(n, w, d + i * n);
    }
    return total;
}

/* A loss whose elements stand alone.  Without weights the tile is one long row of weight 1 / norm. */
static double FN(elements_loss)(FN(loss_run) *run, real p, i64 m, i64 n, const real *R, const real *T,
                                const real *weights, double norm, real *dR)
{
    real l[FNN_BLOCK];
    double total = 0.0;
    if (weights && n <= FNN_BLOCK) {
        const i64 most = FNN_BLOCK / n;
        for (i64 i = 0; i < m; i += most) {
            const i64 rows = FN(smaller)(most, m - i), at = i * n;
            run(rows * n, p, R + at, T + at, l, dR ? dR + at : NULL);
            total += FN(weigh_rows)(rows, n, weights + i, norm, l, dR ? dR + at : NULL);
        }
        return total;
    }
    const i64 length = weights ? n : m * n, count = weights ? m : 1;
    for (i64 i = 0; i < count; i++) {
        const double w = weights ? weights[i] / norm : 1.0 / norm;
        double sum = 0.0;
        for (i64 j = 0; j < length; j += FNN_BLOCK) {
            const i64 part = FN(smaller)(length - j, FNN_BLOCK), at = i * n + j;
            run(part, p, R + at, T + at, l, dR ? dR + at : NULL);
            sum += FN(sum)(part, l);
            if (dR)
                FN(weigh)(part, (real)w, dR + at);
        }
        total += w * sum;
    }
    return total;
}

/* At most `limit`; a NaN passes through. */
FNN_INLINE real FN(cut)(real loss, real limit) { return loss > limit ? limit : loss; }

/* l = sum_j t_j min(lse - r_j, limit), dr_j = exp(r_j - lse) sum(t) - t_j, lse = max r + log sum_k exp(r_k - max r), one row of
 * any length.  exp(r_j - lse) is e_j / sum(e): the same number, without the rounding of a large lse. */
static double FN(categorical_row)(i64 n, real limit, const real *r, const real *t, real w, real *d)
{
    real e[FNN_BLOCK];
    const real shift = FN(row_max)(n, r, 1), total = FN(exp_sum)(n, r, 1, shift);
    const real lse = shift + FN(log)(total), factor = (real)FN(sum)(n, t) / total;
    double loss = 0.0;
    for (i64 j = 0; j < n; j += FNN_BLOCK) {
        const i64 count = FN(smaller)(n - j, FNN_BLOCK);
        for (i64 c = 0; c < count; c++)
            e[c] = t[j + c] * FN(cut)(lse - r[j + c], limit);
        loss += FN(sum)(count, e);
        if (!d)
            continue;
        FN(exp_row)(count, r + j, 1, shift, e);
        FNN_FREE_LOOP
        for (i64 c = 0; c < count; c++)
            d[j + c] = (e[c] * factor - t[j + c]) * w;
    }
    return loss;
}

/* The same for `rows` short rows, which share one loop of exponentials and one of logarithms. */
static double FN(categorical_rows)(i64 rows, i64 n, real limit, const real *R, const real *T, const real *weights,
                                   double norm, real *dR)
{
    real e[FNN_BLOCK], lse[FNN_BLOCK], sums[FNN_BLOCK], factor[FNN_BLOCK];
    double loss = 0.0;
    for (i64 i = 0; i < rows; i++) {
        lse[i] = FN(row_max)(n, R + i * n, 1);
        for (i64 j = 0; j < n; j++)
            e[i * n + j] = R[i * n + j] - lse[i];
    }
    FN(map_exp)(rows * n, e, e);
    for (i64 i = 0; i < rows; i++) {
        real total = 0, targets = 0;
        for (i64 j = 0; j < n; j++) {
            total += e[i * n + j];
            targets += T[i * n + j];
        }
        sums[i] = total;
        factor[i] = targets;
    }
    for (i64 i = 0; i < rows; i++) {
        lse[i] += FN(log)(sums[i]);
        factor[i] /= sums[i];
    }
    for (i64 i = 0; i < rows; i++) {
        const real *r = R + i * n, *t = T + i * n;
        const double w = weights ? weights[i] / norm : 1.0 / norm;
        double sum = 0.0;
        for (i64 j = 0; j < n; j++)
            sum += t[j] * FN(cut)(lse[i] - r[j], limit);
        loss += w * sum;
        if (!dR)
            continue;
        FNN_FREE_LOOP
        for (i64 j = 0; j < n; j++)
            dR[i * n + j] = (e[i * n + j] * factor[i] - t[j]) * (real)w;
    }
    return loss;
}

/* The same for at most VL rows of at most SHORT numbers, turned. */
static double FN(categorical_group)(i64 rows, i64 n, real limit, const real *R, const real *T, const real *weights,
                                    double norm, real *dR)
{
    FNN_ALIGN(64) real r[FNN_BLOCK], e[FNN_BLOCK], t[FNN_BLOCK], logs[VL], w[VL];
    vec shift, targets = {0}, l = {0};
    double loss = 0.0;
    FN(turn)(rows, n, R, n, 1, r);
    FN(turn)(rows, n, T, n, 1, t);
    memcpy(e, r, (size_t)n * sizeof(vec));
    const vec total = FN(exp_turned)(n, e, &shift);
    FN(store)(logs, total);
    FNN_FREE_LOOP
    for (int i = 0; i < VL; i++)
        logs[i] = FN(log)(logs[i]);
    const vec lse = shift + FN(load)(logs), most = FN(spread)(limit);
    for (i64 j = 0; j < n; j++) {
        const vec tj = FN(load)(t + j * VL);
        targets += tj;
        l += tj * FN(limited)(lse - FN(load)(r + j * VL), most);
    }
    FN(store)(logs, l);
    for (i64 i = 0; i < VL; i++) {
        const double wi = i < rows ? (weights ? weights[i] / norm : 1.0 / norm) : 0.0;
        w[i] = (real)wi;
        if (i < rows)
            loss += wi * logs[i];
    }
    if (dR) {
        const vec factor = targets / total, wi = FN(load)(w);
        for (i64 j = 0; j < n; j++)
            FN(store)(e + j * VL, (FN(load)(e + j * VL) * factor - FN(load)(t + j * VL)) * wi);
        FN(turn_back)(rows, n, e, dR, n, 1);
    }
    return loss;
}

static double FN(categorical)(i64 m, i64 n, real p, const real *R, const real *T, const real *weights, double norm,
                              real *dR)
{
    const i64 most = n > FNN_BLOCK ? 1 : n <= FN(SHORT) ? VL : FNN_BLOCK / n;
    const real limit = p < 0 ? -p : (real)INFINITY;
    double loss = 0.0;
    for (i64 i = 0; i < m; i += most) {
        const real *r = R + i * n, *t = T + i * n;
        real *d = dR ? dR + i * n : NULL;
        if (n > FNN_BLOCK) {
            const double w = weights ? weights[i] / norm : 1.0 / norm;
            loss += w * FN(categorical_row)(n, limit, r, t, (real)w, d);
        } else {
            const i64 rows = FN(smaller)(most, m - i);
            const real *w = weights ? weights + i : NULL;
            loss += n <= FN(SHORT) && 2 * rows >= VL ? FN(categorical_group)(rows, n, limit, r, t, w, norm, d)
                                                     : FN(categorical_rows)(rows, n, limit, r, t, w, norm, d);
        }
    }
    return loss;
}

static double FN(fnn_loss)(int loss, double parameter, i64 m, i64 n, const void *R, const void *T, const void *weights,
                           double norm, void *dR)
{
    if (m < 1 || n < 1)
        return 0.0;
    if (FN(loss_runs)[loss])
        return FN(elements_loss)(FN(loss_runs)[loss], (real)parameter, m, n, R, T, weights, norm, dR);
    return FN(categorical)(m, n, (real)parameter, R, T, weights, norm, dR);
}

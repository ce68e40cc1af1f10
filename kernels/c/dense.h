/* dense.h: loops over a tile: activations, their gradients, links, column sums, updates and vector arithmetic.
 *
 * The formula is chosen once per call, from a table of loops that the macro rows generate; a loop over contiguous
 * numbers is written so that GCC vectorises it, and other strides go through a block of contiguous ones.  Template over
 * the dtype of simd.h.
 */
#ifndef FASTNN_DENSE_H
#define FASTNN_DENSE_H
/* elements of a block: 4 kB of double, on the stack or in L1 with what it is made from; sums of squares are cut by it too */
enum { FNN_BLOCK = 512 };
#endif

FNN_INLINE i64 FN(smaller)(i64 a, i64 b) { return a < b ? a : b; }

/* ---- maps: y_i = f(x_i) and dx_i = dy_i f'(yz_i), contiguous */

typedef void FN(map)(i64 n, const real *x, real *y);
typedef void FN(map_grad)(i64 n, const real *yz, const real *dy, real *dx);

/* SCALARS: a formula on numbers, which the compiler vectorises; REGISTERS: on a register, where AVX-512 has one, else
 * the same as SCALARS */
#define DEFINE_MAP_SCALARS(function, formula, of_register) \
    FNN_FUNCTION void FN(function)(i64 n, const real *x, real *y) \
    { \
        FNN_FREE_LOOP \
        for (i64 i = 0; i < n; i++) \
            y[i] = FN(formula)(x[i]); \
    }
#if FNN_VECTOR_BYTES == 64
#define DEFINE_MAP_REGISTERS(function, formula, of_register) \
    FNN_FUNCTION void FN(function)(i64 n, const real *x, real *y) \
    { \
        i64 i = 0; \
        for (; i + VL <= n; i += VL) \
            FN(store)(y + i, (vec)FN(of_register)(FN(load)(x + i))); \
        if (i < n) { \
            const FN(part) rest = FN(first)((int)(n - i)); \
            FN(store_part)(y + i, (vec)FN(of_register)(FN(load_part)(x + i, rest)), rest); \
        } \
    }
#else
#define DEFINE_MAP_REGISTERS DEFINE_MAP_SCALARS
#endif

#define DEFINE_MAP_GRAD(function, formula) \
    FNN_FUNCTION void FN(function)(i64 n, const real *yz, const real *dy, real *dx) \
    { \
        FNN_FREE_LOOP \
        for (i64 i = 0; i < n; i++) \
            dx[i] = dy[i] * FN(formula)(yz[i]); \
    }

#define ROW(code, name, reads, lanes) \
    DEFINE_MAP_##lanes(map_##name, act_##name, reg_##name) \
    DEFINE_MAP_GRAD(map_##name##_grad, act_##name##_df)
FNN_ACTIVATIONS(ROW)
#undef ROW
#define ROW(code, name, reads, lanes) [code] = FN(map_##name),
static FN(map) *const FN(activations)[] = {FNN_ACTIVATIONS(ROW)};
#undef ROW
#define ROW(code, name, reads, lanes) [code] = FN(map_##name##_grad),
static FN(map_grad) *const FN(activation_grads)[] = {FNN_ACTIVATIONS(ROW)};
#undef ROW

/* ROW(code, name, lanes), as FUNCTIONS in elementary.py */
#ifndef FNN_FUNCTIONS
#define FNN_FUNCTIONS(ROW) \
    ROW(0, exp, REGISTERS) \
    ROW(1, expm1, REGISTERS) \
    ROW(2, log, SCALARS) \
    ROW(3, log1p, REGISTERS) \
    ROW(4, erf, SCALARS)
#endif
#define ROW(code, name, lanes) DEFINE_MAP_##lanes(map_##name, name, reg_##name)
FNN_FUNCTIONS(ROW)
#undef ROW
#define ROW(code, name, lanes) [code] = FN(map_##name),
static FN(map) *const FN(functions)[] = {FNN_FUNCTIONS(ROW)};
#undef ROW

/* ---- matrices of any strides: rows that are not contiguous pass through a block on the stack */

/* y <- x along a row */
FNN_INLINE void FN(copy_row)(i64 n, const real *x, i64 x_step, real *y, i64 y_step)
{
    if (x_step == 1 && y_step == 1)
        memcpy(y, x, (size_t)n * sizeof(real));
    else
        for (i64 i = 0; i < n; i++)
            y[i * y_step] = x[i * x_step];
}

static void FN(copy_matrix)(i64 m, i64 n, const real *x, i64 x_row, i64 x_col, real *y, i64 y_row, i64 y_col)
{
    for (i64 i = 0; i < m; i++)
        FN(copy_row)(n, x + i * x_row, x_col, y + i * y_row, y_col);
}

static void FN(map_row)(FN(map) *f, i64 n, const real *x, i64 x_step, real *y, i64 y_step)
{
    real block[FNN_BLOCK];
    if (x_step == 1 && y_step == 1) {
        f(n, x, y);
        return;
    }
    for (i64 i = 0; i < n; i += FNN_BLOCK) {
        const i64 count = FN(smaller)(n - i, FNN_BLOCK);
        FN(copy_row)(count, x + i * x_step, x_step, block, 1);
        f(count, block, block);
        FN(copy_row)(count, block, 1, y + i * y_step, y_step);
    }
}

static void FN(map_grad_row)(FN(map_grad) *f, i64 n, const real *yz, i64 yz_step, const real *dy, i64 dy_step, real *dx,
                             i64 dx_step)
{
    real a[FNN_BLOCK], b[FNN_BLOCK];
    if (yz_step == 1 && dy_step == 1 && dx_step == 1) {
        f(n, yz, dy, dx);
        return;
    }
    for (i64 i = 0; i < n; i += FNN_BLOCK) {
        const i64 count = FN(smaller)(n - i, FNN_BLOCK);
        FN(copy_row)(count, yz + i * yz_step, yz_step, a, 1);
        FN(copy_row)(count, dy + i * dy_step, dy_step, b, 1);
        f(count, a, b, b);
        FN(copy_row)(count, b, 1, dx + i * dx_step, dx_step);
    }
}

/* Y = f(X): one long row where both are contiguous, column by column where those are */
static void FN(map_matrix)(FN(map) *f, i64 m, i64 n, const real *x, i64 x_row, i64 x_col, real *y, i64 y_row, i64 y_col)
{
    if (x_col == 1 && y_col == 1 && x_row == n && y_row == n) {
        f(m * n, x, y);
    } else if (n == 1 || (x_row == 1 && y_row == 1)) {
        for (i64 j = 0; j < n; j++)
            FN(map_row)(f, m, x + j * x_col, x_row, y + j * y_col, y_row);
    } else {
        for (i64 i = 0; i < m; i++)
            FN(map_row)(f, n, x + i * x_row, x_col, y + i * y_row, y_col);
    }
}

static void FN(fnn_activation)(int act, i64 m, i64 n, const void *x, i64 x_row, i64 x_col, void *y, i64 y_row,
                               i64 y_col)
{
    FN(map_matrix)(FN(activations)[act], m, n, x, x_row, x_col, y, y_row, y_col);
}

static void FN(fnn_elementary)(int code, i64 m, i64 n, const void *x, i64 x_row, i64 x_col, void *y, i64 y_row,
                               i64 y_col)
{
    FN(map_matrix)(FN(functions)[code], m, n, x, x_row, x_col, y, y_row, y_col);
}

static void FN(fnn_activation_grad)(int act, i64 m, i64 n, const void *yz, i64 yz_row, i64 yz_col, const void *dy,
                                    i64 dy_row, i64 dy_col, void *dx, i64 dx_row, i64 dx_col)
{
    FN(map_grad) *f = FN(activation_grads)[act];
    const real *a = yz, *b = dy;
    real *c = dx;
    const int packed = yz_col == 1 && dy_col == 1 && dx_col == 1 && yz_row == n && dy_row == n && dx_row == n;
    if (packed) {
        f(m * n, a, b, c);
    } else if (n == 1 || (yz_row == 1 && dy_row == 1 && dx_row == 1)) {
        for (i64 j = 0; j < n; j++)
            FN(map_grad_row)(f, m, a + j * yz_col, yz_row, b + j * dy_col, dy_row, c + j * dx_col, dx_row);
    } else {
        for (i64 i = 0; i < m; i++)
            FN(map_grad_row)(f, n, a + i * yz_row, yz_col, b + i * dy_row, dy_col, c + i * dx_row, dx_col);
    }
}

/* ---- sums and vector arithmetic */

/* sum_i x_i y_i, in 4 VL lanes of real: at 10^6 float32 still far more exact than one running sum */
static double FN(fnn_dot)(i64 n, const void *x_, i64 x_step, const void *y_, i64 y_step)
{
    const real *x = x_, *y = y_;
    real total = 0;
    i64 i = 0;
    if (x_step == 1 && y_step == 1) {
        vec s0 = {0}, s1 = {0}, s2 = {0}, s3 = {0};
        for (; i + 4 * VL <= n; i += 4 * VL) {
            s0 += FN(load)(x + i) * FN(load)(y + i);
            s1 += FN(load)(x + i + VL) * FN(load)(y + i + VL);
            s2 += FN(load)(x + i + 2 * VL) * FN(load)(y + i + 2 * VL);
            s3 += FN(load)(x + i + 3 * VL) * FN(load)(y + i + 3 * VL);
        }
        for (; i + VL <= n; i += VL)
            s0 += FN(load)(x + i) * FN(load)(y + i);
        total = FN(sum_lanes)((s0 + s1) + (s2 + s3));
    }
    for (; i < n; i++)
        total += x[i * x_step] * y[i * y_step];
    return (double)total;
}

FNN_FUNCTION double FN(squares_of_block)(i64 n, const real *x)
{
    wide s0 = {0}, s1 = {0}, s2 = {0}, s3 = {0};
    i64 i = 0;
    for (; i + 4 * WL <= n; i += 4 * WL) {
        const wide x0 = FN(load_wide)(x + i), x1 = FN(load_wide)(x + i + WL);
        const wide x2 = FN(load_wide)(x + i + 2 * WL), x3 = FN(load_wide)(x + i + 3 * WL);
        s0 += x0 * x0;
        s1 += x1 * x1;
        s2 += x2 * x2;
        s3 += x3 * x3;
    }
    double total = FN(sum_wide)((s0 + s1) + (s2 + s3));
    for (; i < n; i++)
        total += (double)x[i] * (double)x[i];
    return total;
}

/* by blocks, as fnn_update measures them while they are in the cache */
static double FN(fnn_sum_squares)(i64 n, const void *x_)
{
    const real *x = x_;
    double total = 0.0;
    for (i64 i = 0; i < n; i += FNN_BLOCK)
        total += FN(squares_of_block)(FN(smaller)(n - i, FNN_BLOCK), x + i);
    return total;
}

/* out_j (+)= sum_i A_ij, rows in order; a strip of columns stays in registers over all rows */
static void FN(fnn_column_sums)(i64 m, i64 n, const void *A_, i64 a_row, i64 a_col, int accumulate, void *out_)
{
    const real *A = A_;
    real *out = out_;
    i64 j = 0;
    if (a_col == 1) {
        for (; j + 4 * VL <= n; j += 4 * VL) { /* side by side: an addition waits for the one before */
            vec s[4];
            FNN_UNROLL
            for (int r = 0; r < 4; r++)
                s[r] = accumulate ? FN(load)(out + j + r * VL) : (vec){0};
            for (i64 i = 0; i < m; i++) {
                FNN_UNROLL
                for (int r = 0; r < 4; r++)
                    s[r] += FN(load)(A + i * a_row + j + r * VL);
            }
            FNN_UNROLL
            for (int r = 0; r < 4; r++)
                FN(store)(out + j + r * VL, s[r]);
        }
        for (; j < n; j += VL) {
            const FN(part) lanes = FN(first)((int)(n - j < VL ? n - j : VL));
            vec s = accumulate ? FN(load_part)(out + j, lanes) : (vec){0};
            for (i64 i = 0; i < m; i++)
                s += FN(load_part)(A + i * a_row + j, lanes);
            FN(store_part)(out + j, s, lanes);
        }
        return;
    }
    for (; j < n; j++) {
        real s = accumulate ? out[j] : 0;
        for (i64 i = 0; i < m; i++)
            s += A[i * a_row + j * a_col];
        out[j] = s;
    }
}

static void FN(fnn_axpy)(i64 n, double a_, const void *x_, void *y_)
{
    const real a = (real)a_, *x = x_;
    real *y = y_;
    FNN_FREE_LOOP
    for (i64 i = 0; i < n; i++)
        y[i] += a * x[i];
}

static void FN(fnn_scale)(i64 n, double a_, void *x_)
{
    const real a = (real)a_;
    real *x = x_;
    for (i64 i = 0; i < n; i++)
        x[i] *= a;
}

/* ---- updates: w <- rule(decay w, g + l2 w, s, v) */

typedef void FN(step)(i64 n, const real *k, real decay, real l2, real *w, const real *g, real *s, real *v);

/* `slots` and `penalised` are constants in every use, so what a rule does not keep or add costs nothing */
#define DEFINE_STEP_SCALARS(name, slots) \
    FNN_INLINE void FN(run_##name)(i64 n, const real *k, real decay, real l2, real *FNN_RESTRICT w, \
                                     const real *FNN_RESTRICT g, real *FNN_RESTRICT s, real *FNN_RESTRICT v, \
                                     const int penalised) \
    { \
        const real a = k[0], b = k[1], c = k[2], e = k[3]; \
        FNN_FREE_LOOP \
        for (i64 i = 0; i < n; i++) { \
            const FN(parameter) new = FN(rule_##name)(w[i] * decay, penalised ? g[i] + l2 * w[i] : g[i], \
                                                      slots > 0 ? s[i] : 0, slots > 1 ? v[i] : 0, a, b, c, e); \
            w[i] = new.w; \
            if (slots > 0) \
                s[i] = new.s; \
            if (slots > 1) \
                v[i] = new.v; \
        } \
    }
#if FNN_VECTOR_BYTES == 64
#define DEFINE_STEP_REGISTERS(name, slots) \
    FNN_INLINE void FN(run_##name)(i64 n, const real *k, real decay, real l2, real *w, const real *g, real *s, real *v, \
                                     const int penalised) \
    { \
        const vec a = FN(spread)(k[0]), b = FN(spread)(k[1]), c = FN(spread)(k[2]), e = FN(spread)(k[3]); \
        for (i64 i = 0; i < n; i += VL) { \
            const FN(part) lanes = FN(first)((int)(n - i < VL ? n - i : VL)); \
            vec first = FN(load_part)(s + i, lanes), second = FN(load_part)(v + i, lanes); \
            const vec old = FN(load_part)(w + i, lanes); \
            vec gradient = FN(load_part)(g + i, lanes); \
            if (penalised) \
                gradient += l2 * old; \
            FN(store_part)(w + i, FN(reg_##name)(old * decay, gradient, &first, &second, a, b, c, e), lanes); \
            FN(store_part)(s + i, first, lanes); \
            FN(store_part)(v + i, second, lanes); \
        } \
    }
#else
#define DEFINE_STEP_REGISTERS DEFINE_STEP_SCALARS
#endif

#define ROW(code, name, prepare, slots, lanes) \
    DEFINE_STEP_##lanes(name, slots) \
    FNN_FUNCTION void FN(step_##name)(i64 n, const real *k, real decay, real l2, real *w, const real *g, real *s, real *v) \
    { \
        if (l2 == 0) /* not 0 w: an infinite w stays what it is */ \
            FN(run_##name)(n, k, decay, l2, w, g, s, v, 0); \
        else \
            FN(run_##name)(n, k, decay, l2, w, g, s, v, 1); \
    }
FNN_UPDATES(ROW)
#undef ROW
#undef DEFINE_STEP_SCALARS
#undef DEFINE_STEP_REGISTERS
#define ROW(code, name, prepare, slots, lanes) [code] = FN(step_##name),
static FN(step) *const FN(steps)[] = {FNN_UPDATES(ROW)};
#undef ROW

/* Ask for n numbers ahead of their use; x is NULL for a slot that a rule does not have. */
FNN_INLINE void FN(ask_for)(i64 n, const real *x)
{
    for (i64 i = 0; x && i < n; i += 64 / (i64)sizeof(real))
        FNN_PREFETCH_L2(x + i);
}

/* Block by block, measured while it is in the first cache.  The next run is asked for before this one is worked on:
 * short runs end before the processor has seen where they lead. */
static double FN(fnn_update)(int rule, const double *scalars, double decay, double l2, i64 rows, i64 n, i64 step, void *w_,
                             const void *g_, i64 g_step, void *s_, void *v_, int measure)
{
    const real k[4] = {(real)scalars[0], (real)scalars[1], (real)scalars[2], (real)scalars[3]};
    real *w = w_, *s = s_, *v = v_;
    const real *g = g_;
    double total = 0.0;
    for (i64 i = 0; i < rows; i++) {
        double squares = 0.0;
        for (i64 j = 0; j < n; j += FNN_BLOCK) {
            const i64 at = i * step + j, count = FN(smaller)(n - j, FNN_BLOCK);
            if (i + 1 < rows) {
                FN(ask_for)(count, w + at + step);
                FN(ask_for)(count, s ? s + at + step : s);
                FN(ask_for)(count, v ? v + at + step : v);
            }
            FN(steps)[rule](count, k, (real)decay, (real)l2, w + at, g + i * g_step + j, s ? s + at : s, v ? v + at : v);
            if (measure)
                squares += FN(squares_of_block)(count, w + at);
        }
        total += squares;
    }
    return total;
}

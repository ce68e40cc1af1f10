/* losses.h: one macro row per loss and per link, and their formulas, as in losses.py; a test holds the two equal.
 *
 * A loss reads the raw prediction r, the target t and a parameter p, element by element (ELEMENTS); the one that
 * couples the elements of a row (ROWS) has its formula in loss.h, where the row is.  A link likewise: link_<name>(r) is
 * the output y, link_<name>_df(y) its slope.  Template over the dtype of simd.h.
 */
#ifndef FASTNN_LOSSES_H
#define FASTNN_LOSSES_H

/* ROW(code, name, kind) */
#define FNN_LOSSES(ELEMENTS, ROWS) \
    ELEMENTS(0, squared_error) \
    ELEMENTS(1, absolute_error) \
    ELEMENTS(2, huber) \
    ELEMENTS(3, quantile) \
    ELEMENTS(4, binary_cross_entropy) \
    ROWS(5, categorical_cross_entropy) \
    ELEMENTS(6, poisson)

#define FNN_LINKS(ELEMENTS, ROWS) \
    ELEMENTS(0, identity) \
    ROWS(1, softmax) \
    ELEMENTS(2, sigmoid) \
    ELEMENTS(3, exp)

#define ROW(code, name) FNN_LOSS_##name = code,
enum { FNN_LOSSES(ROW, ROW) FNN_N_LOSSES };
#undef ROW
#define ROW(code, name) FNN_LINK_##name = code,
enum { FNN_LINKS(ROW, ROW) FNN_N_LINKS };
#undef ROW

#endif /* once */

FNN_INLINE real FN(loss_squared_error)(real r, real t, real p)
{
    (void)p;
    return REAL(0.5) * ((r - t) * (r - t));
}
FNN_INLINE real FN(loss_squared_error_df)(real r, real t, real p) { return (void)p, r - t; }

FNN_INLINE real FN(loss_absolute_error)(real r, real t, real p) { return (void)p, FN(el_abs)(r - t); }
FNN_INLINE real FN(loss_absolute_error_df)(real r, real t, real p)
{
    const real e = r - t; /* 0 at r = t; a NaN passes through */
    const real below = r < t ? REAL(-1) : e;
    (void)p;
    return r > t ? REAL(1) : below;
}

FNN_INLINE real FN(loss_huber)(real r, real t, real p)
{
    const real e = FN(el_abs)(r - t);
    const real linear = p * (e - REAL(0.5) * p), square = REAL(0.5) * (e * e);
    return e > p ? linear : square;
}
FNN_INLINE real FN(loss_huber_df)(real r, real t, real p)
{
    const real e = r - t;
    const real below = e < -p ? -p : e;
    return e > p ? p : below;
}

FNN_INLINE real FN(loss_quantile)(real r, real t, real p)
{
    const real below = p * (t - r), above = (1 - p) * (r - t);
    return r < t ? below : above;
}
FNN_INLINE real FN(loss_quantile_df)(real r, real t, real p)
{
    const real e = r - t, slope = 1 - p; /* 0 at r = t; a NaN passes through */
    const real above = r > t ? slope : e;
    return r < t ? -p : above;
}

/* log(1 + exp(r)) - r t */
FNN_INLINE real FN(loss_binary_cross_entropy)(real r, real t, real p)
{
    const real positive = r < 0 ? 0 : r;
    const real loss = positive - r * t + FN(softplus)(-FN(el_abs)(r)); /* log1p(exp(-|r|)) in one polynomial less */
    return ((p < 0) & (loss > -p)) ? -p : loss;
}
FNN_INLINE real FN(loss_binary_cross_entropy_df)(real r, real t, real p) { return (void)p, FN(sigmoid)(r) - t; }

FNN_INLINE real FN(loss_poisson)(real r, real t, real p) { return (void)p, FN(exp)(r) - t * r; }
FNN_INLINE real FN(loss_poisson_df)(real r, real t, real p) { return (void)p, FN(exp)(r) - t; }

FNN_INLINE real FN(link_identity_df)(real y) { return (void)y, 1; }
FNN_INLINE real FN(link_sigmoid_df)(real y) { return y * (1 - y); }
FNN_INLINE real FN(link_exp_df)(real y) { return y; }

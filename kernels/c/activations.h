/* activations.h: one macro row per activation and its two formulas, as in activations.py; a test holds the two equal.
 *
 * To add one: a row here, act_<name>(z) and act_<name>_df(.) below it, and the same in activations.py.  READS says what
 * the derivative is written in: the OUTPUT y = f(z) where that is enough, else the INPUT z.  Formulas are branch-free
 * (`c ? a : b` becomes a blend), so that the loops over them in dense.h vectorise.  Template over the dtype of simd.h.
 */
#ifndef FASTNN_ACTIVATIONS_H
#define FASTNN_ACTIVATIONS_H

/* ROW(code, name, reads, lanes): REGISTERS where elementary512.h has reg_<name> for AVX-512 */
#define FNN_ACTIVATIONS(ROW) \
    ROW(0, identity, OUTPUT, SCALARS) \
    ROW(1, sigmoid, OUTPUT, REGISTERS) \
    ROW(2, tanh, OUTPUT, REGISTERS) \
    ROW(3, relu, OUTPUT, SCALARS) \
    ROW(4, leaky_relu, OUTPUT, SCALARS) \
    ROW(5, elu, OUTPUT, REGISTERS) \
    ROW(6, softplus, OUTPUT, REGISTERS) \
    ROW(7, silu, INPUT, REGISTERS) \
    ROW(8, gelu, INPUT, SCALARS)

#define ROW(code, name, reads, lanes) FNN_ACT_##name = code,
enum { FNN_ACTIVATIONS(ROW) FNN_N_ACTIVATIONS };
#undef ROW

#define FNN_LEAKY_SLOPE 0.01
#define FNN_SILU_ZERO 800.0                 /* sigmoid(-z) = 0 in any dtype from here on, ... */
#define FNN_GELU_ZERO 40.0                  /* ... and the normal distribution beyond -z */
#define FNN_INV_SQRT_2PI 0.3989422804014327 /* 1 / sqrt(2 pi) */

#endif /* once */

FNN_INLINE real FN(act_identity)(real z) { return z; }
FNN_INLINE real FN(act_identity_df)(real y) { return (void)y, 1; }

FNN_INLINE real FN(act_sigmoid)(real z) { return FN(sigmoid)(z); }
FNN_INLINE real FN(act_sigmoid_df)(real y) { return y * (1 - y); }

FNN_INLINE real FN(act_tanh)(real z) { return FN(tanh)(z); }
FNN_INLINE real FN(act_tanh_df)(real y) { return 1 - y * y; }

FNN_INLINE real FN(act_relu)(real z) { return z < 0 ? 0 : z; } /* in this order a NaN passes through */
FNN_INLINE real FN(act_relu_df)(real y) { return y > 0 ? REAL(1) : REAL(0); }

FNN_INLINE real FN(act_leaky_relu)(real z) { return z < 0 ? REAL(FNN_LEAKY_SLOPE) * z : z; }
FNN_INLINE real FN(act_leaky_relu_df)(real y) { return y > 0 ? REAL(1) : REAL(FNN_LEAKY_SLOPE); }

FNN_INLINE real FN(act_elu)(real z)
{
    const real e = FN(expm1)(z < 0 ? z : 0);
    return z < 0 ? e : z;
}
FNN_INLINE real FN(act_elu_df)(real y)
{
    const real e = y + 1;
    return y > 0 ? REAL(1) : e;
}

FNN_INLINE real FN(act_softplus)(real z) { return FN(softplus)(z); }
FNN_INLINE real FN(act_softplus_df)(real y) { return -FN(expm1)(-y); }

FNN_INLINE real FN(act_silu)(real z)
{
    const real w = z < REAL(-FNN_SILU_ZERO) ? REAL(-FNN_SILU_ZERO) : z;
    return w * FN(sigmoid)(z);
}
FNN_INLINE real FN(act_silu_df)(real z)
{
    const real below = z < REAL(-FNN_SILU_ZERO) ? REAL(-FNN_SILU_ZERO) : z;
    const real w = below > REAL(FNN_SILU_ZERO) ? REAL(FNN_SILU_ZERO) : below, s = FN(sigmoid)(w);
    return s * (1 + w * (1 - s));
}

FNN_INLINE real FN(act_gelu)(real z)
{
    const real w = z < REAL(-FNN_GELU_ZERO) ? REAL(-FNN_GELU_ZERO) : z;
    return w * FN(normal_cdf)(z);
}
FNN_INLINE real FN(act_gelu_df)(real z)
{
    const real below = z < REAL(-FNN_GELU_ZERO) ? REAL(-FNN_GELU_ZERO) : z;
    const real w = below > REAL(FNN_GELU_ZERO) ? REAL(FNN_GELU_ZERO) : below;
    return FN(normal_cdf)(w) + REAL(FNN_INV_SQRT_2PI) * w * FN(exp)(REAL(-0.5) * (w * w));
}

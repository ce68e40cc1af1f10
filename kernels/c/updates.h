/* updates.h: one macro row per update rule and its formulas, as in updates.py; a test holds the two equal.
 *
 * prepare_<name> turns a row of hyper and the step t = 1, 2, ... into the scalars (a, b, c, e), once per step;
 * rule_<name> maps a parameter w, its gradient g and its slots (s, v) to new ones.  To add a rule: a row, a rule and,
 * if it needs one, a prepare.  The first part is plain C, the second a template over the dtype of simd.h.
 */
#ifndef FASTNN_UPDATES_H
#define FASTNN_UPDATES_H

/* columns of hyper */
enum { FNN_LR, FNN_DECAY, FNN_FIRST, FNN_SECOND, FNN_EPSILON, FNN_N_HYPER };

/* ROW(code, name, prepare, slots, lanes); lanes as in dense.h */
#define FNN_UPDATES(ROW) \
    ROW(0, sgd, plain, 0, SCALARS) \
    ROW(1, momentum, plain, 1, SCALARS) \
    ROW(2, nesterov, plain, 1, SCALARS) \
    ROW(3, adam, adam, 2, REGISTERS) \
    ROW(4, adamw, adam, 2, REGISTERS) \
    ROW(5, rmsprop, rmsprop, 1, SCALARS)

#define ROW(code, name, prepare, slots, lanes) FNN_RULE_##name = code,
enum { FNN_UPDATES(ROW) FNN_N_RULES };
#undef ROW

#endif /* once */

#ifdef FNN_UPDATES_PREPARE

/* (lr, first, 0, epsilon) */
static void prepare_plain(const double *hyper, i64 t, double *scalars)
{
    (void)t;
    scalars[0] = hyper[FNN_LR];
    scalars[1] = hyper[FNN_FIRST];
    scalars[2] = 0.0;
    scalars[3] = hyper[FNN_EPSILON];
}

/* (lr, 1 - rho, 0, epsilon) */
static void prepare_rmsprop(const double *hyper, i64 t, double *scalars)
{
    prepare_plain(hyper, t, scalars);
    scalars[1] = 1.0 - hyper[FNN_FIRST];
}

/* x^n, n >= 0, by squaring: no pow, whose last bits vary from one C library to the next */
static double power(double x, i64 n)
{
    double y = 1.0;
    for (; n > 0; n >>= 1, x *= x)
        if (n & 1)
            y *= x;
    return y;
}

/* m_hat / (sqrt(v_hat) + eps) = sqrt(1 - beta_2^t) / (1 - beta_1^t) * m / (sqrt(v) + eps sqrt(1 - beta_2^t)) */
static void prepare_adam(const double *hyper, i64 t, double *scalars)
{
    const double root = sqrt(1.0 - power(hyper[FNN_SECOND], t));
    scalars[0] = hyper[FNN_LR] * root / (1.0 - power(hyper[FNN_FIRST], t));
    scalars[1] = 1.0 - hyper[FNN_FIRST];
    scalars[2] = 1.0 - hyper[FNN_SECOND];
    scalars[3] = hyper[FNN_EPSILON] * root;
}

#else

typedef struct {
    real w, s, v;
} FN(parameter);

#define RULE(name) \
    FNN_INLINE FN(parameter) FN(rule_##name)(real w, real g, real s, real v, real a, real b, real c, real e)
#define UNUSED(x) (void)(x)

RULE(sgd)
{
    UNUSED(b), UNUSED(c), UNUSED(e);
    return (FN(parameter)){w - a * g, s, v};
}

RULE(momentum)
{
    UNUSED(c), UNUSED(e);
    s = b * s - a * g;
    return (FN(parameter)){w + s, s, v};
}

RULE(nesterov)
{
    UNUSED(c), UNUSED(e);
    s = b * s - a * g;
    return (FN(parameter)){w + (b * s - a * g), s, v};
}

RULE(adam)
{
    s = s + b * (g - s);
    v = v + c * (g * g - v);
    return (FN(parameter)){w - a * s / (FN(square_root)(v) + e), s, v};
}

RULE(adamw) { return FN(rule_adam)(w, g, s, v, a, b, c, e); }

RULE(rmsprop)
{
    UNUSED(c);
    s = s + b * (g * g - s);
    return (FN(parameter)){w - a * g / (FN(square_root)(s) + e), s, v};
}

#undef RULE
#undef UNUSED

/* adam on a register of AVX-512.  Square root and division share one unit, and take 25 cycles a register of float64
 * between them; with the division by approximation (2^-14) and Newton's steps beside the square root it is 17.  Within
 * 1 ULP of the division for normal numbers; where d is none (0, subnormal, infinite, NaN) it is divided. */
#if FNN_VECTOR_BYTES == 64
enum { FN(NOT_NORMAL) = 0x01 | 0x02 | 0x04 | 0x08 | 0x10 | 0x20 | 0x80 }; /* NaN, 0, -0, infinity, -infinity, subnormal */

FNN_INLINE vec FN(quotient)(vec x, vec d)
{
#if FNN_BITS == 32
    const __m512 r = _mm512_rcp14_ps((__m512)d), q = _mm512_mul_ps((__m512)x, r);
    const __m512 near = _mm512_fmadd_ps(r, _mm512_fnmadd_ps((__m512)d, q, (__m512)x), q);
    const __mmask16 odd = _mm512_fpclass_ps_mask((__m512)d, FN(NOT_NORMAL));
    return (vec)(odd ? _mm512_mask_div_ps(near, odd, (__m512)x, (__m512)d) : near);
#else
    const __m512d rough = _mm512_rcp14_pd((__m512d)d);
    const __m512d r = _mm512_fmadd_pd(rough, _mm512_fnmadd_pd((__m512d)d, rough, _mm512_set1_pd(1.0)), rough);
    const __m512d q = _mm512_mul_pd((__m512d)x, r);
    const __m512d near = _mm512_fmadd_pd(r, _mm512_fnmadd_pd((__m512d)d, q, (__m512d)x), q);
    const __mmask8 odd = _mm512_fpclass_pd_mask((__m512d)d, FN(NOT_NORMAL));
    return (vec)(odd ? _mm512_mask_div_pd(near, odd, (__m512d)x, (__m512d)d) : near);
#endif
}

FNN_INLINE vec FN(reg_root)(vec x)
{
#if FNN_BITS == 32
    return (vec)_mm512_sqrt_ps((__m512)x);
#else
    return (vec)_mm512_sqrt_pd((__m512d)x);
#endif
}

FNN_INLINE vec FN(reg_adam)(vec w, vec g, vec *s, vec *v, vec a, vec b, vec c, vec e)
{
    *s = *s + b * (g - *s);
    *v = *v + c * (g * g - *v);
    return w - FN(quotient)(a * *s, FN(reg_root)(*v) + e);
}

FNN_INLINE vec FN(reg_adamw)(vec w, vec g, vec *s, vec *v, vec a, vec b, vec c, vec e)
{
    return FN(reg_adam)(w, g, s, v, a, b, c, e);
}
#endif

#endif

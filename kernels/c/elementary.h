/* Elementary functions: branch-free polynomials on scalars, for loops that the compiler vectorises.
 *
 *     exp expm1 log log1p tanh sigmoid softplus erf, each _f32 and _f64
 *
 * The twin of elementary.py: the same algorithms, the same coefficients; the design notes, the intervals, degrees and
 * errors of the polynomials and the references are written there.  tests/test_elementary.py holds both homes to one
 * table of bounds, without and with fused multiply-add:
 *
 *                 float32    float64
 *      exp        1.5 [1.1]  1.5 [1.0]
 *      expm1      1.5 [1.3]  1.5 [1.2]
 *      log        1.0 [0.9]  1.0 [0.9]
 *      log1p      2.0 [1.5]  2.0 [1.4]
 *      tanh       2.0 [1.9]  2.0 [1.8]
 *      sigmoid    2.5 [2.4]  2.0 [1.4]
 *      softplus   2.5 [2.3]  2.5 [2.1]
 *      erf        2.0 [1.3]  2.0 [1.4]
 *
 * NaN in, NaN out; overflow gives inf; subnormal results are rounded, not flushed; expm1, log1p, tanh, erf keep the
 * sign of zero; log(0) = log1p(-1) = -inf, logarithms of less are NaN.  No call to the C library, no table, no branch
 * on a value (`c ? a : b` with both sides at hand becomes a blend), nothing that SSE4.1 or NEON lacks.
 *
 * Must not be compiled with -ffast-math (-fassociative-math folds the shift constants away); -ffp-contract=fast,
 * -fno-math-errno and -fno-trapping-math are meant, and the last is what lets GCC turn `?:` into blends.
 * C11; GCC, clang, MSVC.
 */
#ifndef FASTNN_ELEMENTARY_H
#define FASTNN_ELEMENTARY_H

#include <math.h> /* INFINITY, NAN */
#include <stdint.h>
#include <string.h>

#if defined(__GNUC__) || defined(__clang__)
#define EL_INLINE static inline __attribute__((always_inline, unused))
#elif defined(_MSC_VER)
#define EL_INLINE static __forceinline
#else
#define EL_INLINE static inline
#endif

/* float */

#define EL_LN2_HI_F32 0.693145751953125f /* 16 bits: a whole number of octaves times it is exact */
#define EL_LN2_LO_F32 1.42860677e-06f
#define EL_SHIFT_F32 12582912.0f /* 1.5 * 2^23 */
#define EL_BIASED_F32 12583039.0f /* the same, with the exponent's bias in its low bits */
#define EL_EXP_MAX_F32 89.0f /* overflows */
#define EL_EXP_MIN_F32 (-104.0f) /* rounds to 0 */
#define EL_TINY_F32 2.9802322e-08f /* 2^-25: below it, f(x) rounds to x for f = expm1, log1p */
#define EL_ONE_BITS_F32 UINT32_C(0x3f800000)
#define EL_SQRT_HALF_BITS_F32 UINT32_C(0x3f3504f3)
#define EL_INTEGER_BITS_F32 UINT32_C(0x4b000000) /* the bits of 2^23 */
#define EL_INTEGER_F32 8388735.0f /* 2^23 + 127 */
#define EL_MANTISSA_F32 UINT32_C(0x007fffff)
#define EL_SIGN_F32 UINT32_C(0x80000000)

EL_INLINE uint32_t el_bits_f32(float x)
{
    uint32_t i;
    memcpy(&i, &x, sizeof i);
    return i;
}

EL_INLINE float el_from_bits_f32(uint32_t i)
{
    float x;
    memcpy(&x, &i, sizeof x);
    return x;
}

EL_INLINE float el_abs_f32(float x) { return el_from_bits_f32(el_bits_f32(x) & ~EL_SIGN_F32); }

/* y >= 0 with the sign of x */
EL_INLINE float el_sign_f32(float y, float x)
{
    return el_from_bits_f32(el_bits_f32(y) | (el_bits_f32(x) & EL_SIGN_F32));
}

/* 2^n for t = n + EL_BIASED, n whole and 2^n normal (or n = -127: 0) */
EL_INLINE float el_power_f32(float t) { return el_from_bits_f32(el_bits_f32(t) << 23); }

/* the whole number nearest to x / ln(2) */
EL_INLINE float el_octaves_f32(float x) { return (x * 1.44269504f + EL_SHIFT_F32) - EL_SHIFT_F32; }

/* exp(r) - 1 - r for |r| <= ln(2)/2 */
EL_INLINE float el_exp_rest_f32(float r)
{
    const float q = 0.49999997f + r * (0.16666543f + r * (0.0416672f + r * (0.008366527f + r * 0.0013882522f)));
    return r * r * q;
}

/* exp(x - n ln(2)) for n = octaves(x) */
EL_INLINE float el_exp_unscaled_f32(float x, float n)
{
    const float r = (x - n * EL_LN2_HI_F32) - n * EL_LN2_LO_F32;
    return 1.0f + (r + el_exp_rest_f32(r));
}

/* exp(x) = 2^n exp(x - n ln(2)) for EL_EXP_MIN <= x <= EL_EXP_MAX */
EL_INLINE float el_exp_within_f32(float x)
{
    const float n = el_octaves_f32(x);
    const float p = el_exp_unscaled_f32(x, n);
    const float t = n * 0.5f + EL_BIASED_F32;
    return p * el_power_f32(t) * el_power_f32((n - (t - EL_BIASED_F32)) + EL_BIASED_F32);
}

/* exp(x) */
EL_INLINE float exp_f32(float x)
{
    x = x > EL_EXP_MAX_F32 ? EL_EXP_MAX_F32 : x;
    x = x < EL_EXP_MIN_F32 ? EL_EXP_MIN_F32 : x;
    return el_exp_within_f32(x);
}

/* exp(-|x|), which cannot overflow: one comparison less */
EL_INLINE float el_exp_below_f32(float x)
{
    const float z = -el_abs_f32(x);
    return el_exp_within_f32(z < EL_EXP_MIN_F32 ? EL_EXP_MIN_F32 : z);
}

/* expm1(x) / 2 = (2^n exp(r + d) - 1) / 2, r + d = x - n ln(2), for -18 <= x <= 89 */
EL_INLINE float el_half_expm1_f32(float x)
{
    const float n = el_octaves_f32(x);
    const float s = el_power_f32(n + (EL_BIASED_F32 - 1.0f));
    const float r = x - n * EL_LN2_HI_F32; /* exact; only the small terms see the rounding of the rest */
    const float d = n * EL_LN2_LO_F32;
    return ((s - 0.5f) + s * r) + s * (el_exp_rest_f32(r - d) - d);
}

/* exp(x) - 1 */
EL_INLINE float expm1_f32(float x)
{
    float z = x > EL_EXP_MAX_F32 ? EL_EXP_MAX_F32 : x;
    z = z < -18.0f ? -18.0f : z; /* rounds to -1 */
    const float y = 2.0f * el_half_expm1_f32(z);
    return el_abs_f32(x) < EL_TINY_F32 ? x : y;
}

/* log((1 + f) 2^k) for 1 + f in [sqrt(1/2), sqrt(2)] */
EL_INLINE float el_log_reduced_f32(float f, float k)
{
    const float z = f * f;
    const float q = 0.3333333f + f * (-0.25000823f + f * (0.2000126f + f * (-0.16623344f + f * (0.14201052f + f * (
        -0.13159543f + f * (0.12765898f + f * -0.07641426f))))));
    return k * EL_LN2_HI_F32 + (f + ((k * EL_LN2_LO_F32 + f * z * q) - 0.5f * z));
}

/* log(x) = k ln(2) + log(m), x = 2^k m, m in [sqrt(1/2), sqrt(2)) */
EL_INLINE float log_f32(float x)
{
    const int subnormal = x < 1.17549435e-38f;
    const float up = subnormal ? 33554432.0f : 1.0f; /* 2^25 */
    const uint32_t i = el_bits_f32(x * up) + (EL_ONE_BITS_F32 - EL_SQRT_HALF_BITS_F32);
    const float k = (el_from_bits_f32((i >> 23) | EL_INTEGER_BITS_F32) - EL_INTEGER_F32) - (subnormal ? 25.0f : 0.0f);
    const float f = el_from_bits_f32((i & EL_MANTISSA_F32) + EL_SQRT_HALF_BITS_F32) - 1.0f;
    float y = el_log_reduced_f32(f, k);
    y = x < (float)INFINITY ? y : x;
    y = x == 0.0f ? -(float)INFINITY : y;
    return x < 0.0f ? (float)NAN : y;
}

/* log1p(x) = log(u + c), u = 1 + x rounded and c its rounding error */
EL_INLINE float log1p_f32(float x)
{
    const float u = 1.0f + x;
    const float v = u - 1.0f;
    const float c = (1.0f - (u - v)) + (x - v);
    const uint32_t i = el_bits_f32(u) + (EL_ONE_BITS_F32 - EL_SQRT_HALF_BITS_F32);
    const uint32_t e = i >> 23;
    const float k = el_from_bits_f32(e | EL_INTEGER_BITS_F32) - EL_INTEGER_F32;
    const float f = el_from_bits_f32((i & EL_MANTISSA_F32) + EL_SQRT_HALF_BITS_F32) - 1.0f;
    const float s = el_from_bits_f32((255u - e) << 23); /* 2^(1 - k), and 0 for the largest k */
    float y = el_log_reduced_f32(f + (c * 0.5f) * s, k);
    y = x < (float)INFINITY ? y : x;
    y = x == -1.0f ? -(float)INFINITY : y;
    y = x < -1.0f ? (float)NAN : y;
    return el_abs_f32(x) < EL_TINY_F32 ? x : y;
}

/* tanh(x) = h / (1 + h), h = expm1(2 |x|) / 2, with the sign of x; written g - g^2 / (1 + h), g = min(h, 1), the
 * quotient's rounding error is scaled down at both ends */
EL_INLINE float tanh_f32(float x)
{
    float a = el_abs_f32(x);
    a = a > 9.1f ? 9.1f : a; /* rounds to 1 */
    const float h = el_half_expm1_f32(a + a);
    const float g = h > 1.0f ? 1.0f : h;
    return el_sign_f32(g - g * g / (1.0f + h), x);
}

/* 1 / (1 + exp(-x)) as e / (1 + e) or 1 / (1 + e), e = exp(-|x|) */
EL_INLINE float sigmoid_f32(float x)
{
    const float e = el_exp_below_f32(x);
    return (x < 0.0f ? e : 1.0f) / (1.0f + e);
}

/* log(1 + exp(x)) = max(x, 0) + log1p(e), e = exp(-|x|); log1p(e) = v + v^3 q(v^2) with v = e / (1 + e/2) = e - t:
 * subtracting from e keeps t's rounding error small */
EL_INLINE float softplus_f32(float x)
{
    const float e = el_exp_below_f32(x);
    const float h = 0.5f * e;
    const float t = e * h / (1.0f + h);
    const float v = e - t;
    const float y = v * v;
    const float q = 0.08333302f + y * (0.012506727f + y * (0.002187641f + y * 0.0005471091f));
    return (x < 0.0f ? 0.0f : x) + (e - (t - v * (y * q)));
}

/* erf(x): a polynomial up to 1, 1 - exp(-polynomial) beyond */
EL_INLINE float erf_f32(float x)
{
    float a = el_abs_f32(x);
    a = a > 4.0f ? 4.0f : a; /* rounds to 1 */
    const float z = a * a;
    const float small = a + a * (0.12837917f + z * (-0.37612626f + z * (0.11283579f + z * (-0.02685335f + z * (
        0.0051871724f + z * (-0.0007997972f + z * 7.807387e-05f))))));
    const float t = a - 1.0f;
    const float p = -(1.8496056f + t * (2.6389627f + t * (0.8431751f + t * (0.04124483f + t * (-0.009413423f + t * (
        0.0014456541f + t * -7.932217e-05f))))));
    const float n = el_octaves_f32(p);
    const float large = 1.0f - el_exp_unscaled_f32(p, n) * el_power_f32(n + EL_BIASED_F32);
    return el_sign_f32(a < 1.0f ? small : large, x);
}

/* double */

#define EL_LN2_HI_F64 0.6931471805598903 /* 42 bits: a whole number of octaves times it is exact */
#define EL_LN2_LO_F64 5.497923018708371e-14
#define EL_SHIFT_F64 6755399441055744.0 /* 1.5 * 2^52 */
#define EL_BIASED_F64 6755399441056767.0 /* the same, with the exponent's bias in its low bits */
#define EL_EXP_MAX_F64 710.0 /* overflows */
#define EL_EXP_MIN_F64 (-746.0) /* rounds to 0 */
#define EL_TINY_F64 5.551115123125783e-17 /* 2^-54: below it, f(x) rounds to x for f = expm1, log1p */
#define EL_ONE_BITS_F64 UINT64_C(0x3ff0000000000000)
#define EL_SQRT_HALF_BITS_F64 UINT64_C(0x3fe6a09e667f3bcd)
#define EL_INTEGER_BITS_F64 UINT64_C(0x4330000000000000) /* the bits of 2^52 */
#define EL_INTEGER_F64 4503599627371519.0 /* 2^52 + 1023 */
#define EL_MANTISSA_F64 UINT64_C(0x000fffffffffffff)
#define EL_SIGN_F64 UINT64_C(0x8000000000000000)

EL_INLINE uint64_t el_bits_f64(double x)
{
    uint64_t i;
    memcpy(&i, &x, sizeof i);
    return i;
}

EL_INLINE double el_from_bits_f64(uint64_t i)
{
    double x;
    memcpy(&x, &i, sizeof x);
    return x;
}

EL_INLINE double el_abs_f64(double x) { return el_from_bits_f64(el_bits_f64(x) & ~EL_SIGN_F64); }

/* y >= 0 with the sign of x */
EL_INLINE double el_sign_f64(double y, double x)
{
    return el_from_bits_f64(el_bits_f64(y) | (el_bits_f64(x) & EL_SIGN_F64));
}

/* 2^n for t = n + EL_BIASED, n whole and 2^n normal (or n = -1023: 0) */
EL_INLINE double el_power_f64(double t) { return el_from_bits_f64(el_bits_f64(t) << 52); }

/* the whole number nearest to x / ln(2) */
EL_INLINE double el_octaves_f64(double x) { return (x * 1.4426950408889634 + EL_SHIFT_F64) - EL_SHIFT_F64; }

/* exp(r) - 1 - r for |r| <= ln(2)/2 */
EL_INLINE double el_exp_rest_f64(double r)
{
    const double q = 0.5 + r * (0.16666666666666677 + r * (0.041666666666666685 + r * (0.00833333333332178 + r * (
        0.0013888888888889553 + r * (0.00019841269885349967 + r * (2.480158728894637e-05 + r * (
        2.7557245184724724e-06 + r * (2.755732073089279e-07 + r * (2.51086631705941e-08 + r *
        2.0896560828511595e-09)))))))));
    return r * r * q;
}

/* exp(x - n ln(2)) for n = octaves(x) */
EL_INLINE double el_exp_unscaled_f64(double x, double n)
{
    const double r = (x - n * EL_LN2_HI_F64) - n * EL_LN2_LO_F64;
    return 1.0 + (r + el_exp_rest_f64(r));
}

/* exp(x) = 2^n exp(x - n ln(2)) for EL_EXP_MIN <= x <= EL_EXP_MAX */
EL_INLINE double el_exp_within_f64(double x)
{
    const double n = el_octaves_f64(x);
    const double p = el_exp_unscaled_f64(x, n);
    const double t = n * 0.5 + EL_BIASED_F64;
    return p * el_power_f64(t) * el_power_f64((n - (t - EL_BIASED_F64)) + EL_BIASED_F64);
}

/* exp(x) */
EL_INLINE double exp_f64(double x)
{
    x = x > EL_EXP_MAX_F64 ? EL_EXP_MAX_F64 : x;
    x = x < EL_EXP_MIN_F64 ? EL_EXP_MIN_F64 : x;
    return el_exp_within_f64(x);
}

/* exp(-|x|), which cannot overflow: one comparison less */
EL_INLINE double el_exp_below_f64(double x)
{
    const double z = -el_abs_f64(x);
    return el_exp_within_f64(z < EL_EXP_MIN_F64 ? EL_EXP_MIN_F64 : z);
}

/* expm1(x) / 2 = (2^n exp(r + d) - 1) / 2, r + d = x - n ln(2), for -38 <= x <= 710 */
EL_INLINE double el_half_expm1_f64(double x)
{
    const double n = el_octaves_f64(x);
    const double s = el_power_f64(n + (EL_BIASED_F64 - 1.0));
    const double r = x - n * EL_LN2_HI_F64; /* exact; only the small terms see the rounding of the rest */
    const double d = n * EL_LN2_LO_F64;
    return ((s - 0.5) + s * r) + s * (el_exp_rest_f64(r - d) - d);
}

/* exp(x) - 1 */
EL_INLINE double expm1_f64(double x)
{
    double z = x > EL_EXP_MAX_F64 ? EL_EXP_MAX_F64 : x;
    z = z < -38.0 ? -38.0 : z; /* rounds to -1 */
    const double y = 2.0 * el_half_expm1_f64(z);
    return el_abs_f64(x) < EL_TINY_F64 ? x : y;
}

/* log((1 + f) 2^k) for 1 + f in [sqrt(1/2), sqrt(2)] */
EL_INLINE double el_log_reduced_f64(double f, double k)
{
    const double s = f / (2.0 + f);
    const double z = s * s;
    const double q = 0.666666666666671 + z * (0.3999999999952028 + z * (0.2857142872923003 + z * (
        0.22222199091017228 + z * (0.18183571790276615 + z * (0.15313152619378687 + z * 0.14810680497791023)))));
    const double h = 0.5 * f * f;
    return k * EL_LN2_HI_F64 + (f - (h - (s * (h + z * q) + k * EL_LN2_LO_F64)));
}

/* log(x) = k ln(2) + log(m), x = 2^k m, m in [sqrt(1/2), sqrt(2)) */
EL_INLINE double log_f64(double x)
{
    const int subnormal = x < 2.2250738585072014e-308;
    const double up = subnormal ? 18014398509481984.0 : 1.0; /* 2^54 */
    const uint64_t i = el_bits_f64(x * up) + (EL_ONE_BITS_F64 - EL_SQRT_HALF_BITS_F64);
    const double k = (el_from_bits_f64((i >> 52) | EL_INTEGER_BITS_F64) - EL_INTEGER_F64) - (subnormal ? 54.0 : 0.0);
    const double f = el_from_bits_f64((i & EL_MANTISSA_F64) + EL_SQRT_HALF_BITS_F64) - 1.0;
    double y = el_log_reduced_f64(f, k);
    y = x < (double)INFINITY ? y : x;
    y = x == 0.0 ? -(double)INFINITY : y;
    return x < 0.0 ? (double)NAN : y;
}

/* log1p(x) = log(u + c), u = 1 + x rounded and c its rounding error */
EL_INLINE double log1p_f64(double x)
{
    const double u = 1.0 + x;
    const double v = u - 1.0;
    const double c = (1.0 - (u - v)) + (x - v);
    const uint64_t i = el_bits_f64(u) + (EL_ONE_BITS_F64 - EL_SQRT_HALF_BITS_F64);
    const uint64_t e = i >> 52;
    const double k = el_from_bits_f64(e | EL_INTEGER_BITS_F64) - EL_INTEGER_F64;
    const double f = el_from_bits_f64((i & EL_MANTISSA_F64) + EL_SQRT_HALF_BITS_F64) - 1.0;
    const double s = el_from_bits_f64((2047u - e) << 52); /* 2^(1 - k), and 0 for the largest k */
    double y = el_log_reduced_f64(f + (c * 0.5) * s, k);
    y = x < (double)INFINITY ? y : x;
    y = x == -1.0 ? -(double)INFINITY : y;
    y = x < -1.0 ? (double)NAN : y;
    return el_abs_f64(x) < EL_TINY_F64 ? x : y;
}

/* tanh(x) = h / (1 + h), h = expm1(2 |x|) / 2, with the sign of x; written g - g^2 / (1 + h), g = min(h, 1), the
 * quotient's rounding error is scaled down at both ends */
EL_INLINE double tanh_f64(double x)
{
    double a = el_abs_f64(x);
    a = a > 19.1 ? 19.1 : a; /* rounds to 1 */
    const double h = el_half_expm1_f64(a + a);
    const double g = h > 1.0 ? 1.0 : h;
    return el_sign_f64(g - g * g / (1.0 + h), x);
}

/* 1 / (1 + exp(-x)) as e / (1 + e) or 1 / (1 + e), e = exp(-|x|) */
EL_INLINE double sigmoid_f64(double x)
{
    double z = -el_abs_f64(x);
    z = z < EL_EXP_MIN_F64 ? EL_EXP_MIN_F64 : z;
    const double n = el_octaves_f64(z);
    const double r = (z - n * EL_LN2_HI_F64) - n * EL_LN2_LO_F64;
    const double t = r + el_exp_rest_f64(r), p = 1.0 + t, half = n * 0.5 + EL_BIASED_F64;
    const double first = el_power_f64(half), second = el_power_f64((n - (half - EL_BIASED_F64)) + EL_BIASED_F64);
    /* What the sums p and 1 + e have lost is put back, to first order; 1 / (1 + e) is q or 1 - q.  Without it the error
     * is 2.4 units. */
    const double e = p * first * second, rest = ((1.0 - p) + t) * first * second;
    const double d = 1.0 + e, q = (x < 0.0 ? e : 1.0) / d;
    return q + ((x < 0.0 ? rest : 0.0) - q * (((1.0 - d) + e) + rest)) * (x < 0.0 ? 1.0 - q : q);
}

/* log(1 + exp(x)) = max(x, 0) + log1p(e), e = exp(-|x|); log1p(e) = v + v^3 q(v^2) with v = e / (1 + e/2) = e - t:
 * subtracting from e keeps t's rounding error small */
EL_INLINE double softplus_f64(double x)
{
    const double e = el_exp_below_f64(x);
    const double h = 0.5 * e;
    const double t = e * h / (1.0 + h);
    const double v = e - t;
    const double y = v * v;
    const double q = 0.08333333333333288 + y * (0.012500000000048474 + y * (0.0022321428553217027 + y * (
        0.00043402781159489624 + y * (8.877804921222525e-05 + y * (1.878240771620775e-05 + y * (
        4.059180075236319e-06 + y * (9.235340697362456e-07 + y * (1.591676280432925e-07 + y *
        8.110887390152535e-08))))))));
    return (x < 0.0 ? 0.0 : x) + (e - (t - v * (y * q)));
}

/* erf(x): a polynomial up to 1, 1 - exp(-polynomial) beyond */
EL_INLINE double erf_f64(double x)
{
    double a = el_abs_f64(x);
    a = a > 6.0 ? 6.0 : a; /* rounds to 1 */
    const double z = a * a;
    const double small = a + a * (0.12837916709551256 + z * (-0.37612638903183343 + z * (0.1128379167093695 + z * (
        -0.026866170641958956 + z * (0.005223977596733488 + z * (-0.0008548325484838786 + z * (
        0.00012055280490386969 + z * (-1.4924465493206211e-05 + z * (1.6444148412376362e-06 + z * (
        -1.6183971911846384e-07 + z * (1.3616604025572335e-08 + z * -7.607612292547372e-10)))))))))));
    const double t = a - 1.0;
    const double p = -(1.8496055099332482 + t * (2.638967514234784 + t * (0.843107256359081 + t * (
        0.04156109803069526 + t * (-0.010033825230451742 + t * (0.0019779015008073854 + t * (
        -0.00023731746721537413 + t * (-2.6293770142003644e-05 + t * (2.7194506516157082e-05 + t * (
        -9.66576004445049e-06 + t * (2.126792741847192e-06 + t * (-2.0136138688981975e-07 + t * (
        -5.96967788513509e-08 + t * (3.398225494671347e-08 + t * (-8.663330378820776e-09 + t * (
        1.342455511138796e-09 + t * (-1.21559739283132e-10 + t * 4.960634208464747e-12)))))))))))))))));
    const double n = el_octaves_f64(p);
    const double large = 1.0 - el_exp_unscaled_f64(p, n) * el_power_f64(n + EL_BIASED_F64);
    return el_sign_f64(a < 1.0 ? small : large, x);
}

#endif

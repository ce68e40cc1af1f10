/* elementary512.h: exp, expm1, log1p, tanh, sigmoid, softplus, silu and elu for AVX-512, a register at a time.
 *
 * Same functions, same promises as elementary.h (the bounds there hold here; tests/test_elementary_all.py goes through
 * every float32); another way, because AVX-512 has what a scalar text cannot say: tables in registers (a permutation is
 * a lookup in 16 or 32 entries, at the price of an addition), 2^n with gradual underflow in one instruction (vscalef),
 * and the special values of a logarithm in another (vfixupimm).  ns per element on Zen 4, one thread, 10^4 elements in
 * L1, against the scalar text vectorised by GCC 12:
 *
 *                    exp   tanh  sigmoid  log1p  expm1  softplus
 *      float32  here 0.17   0.22     0.26   0.26   0.23      0.45
 *               text 0.29   0.40     0.37   0.47   0.32      0.53
 *      float64  here 0.43   0.89     0.88   0.68   0.70      1.30
 *               text 0.79   1.10     1.48   1.19   0.87      1.70
 *
 * Tried and left: a degree less in float32's exp (0.16 ns, but 3.3 ULP); reciprocals by vrcp14 and Newton steps instead
 * of the division in sigmoid (0.30 against 0.26 ns in float32; 0.74 against 0.61 in float64, before its rests: the
 * divider works beside the multipliers, the Newton steps do not); 8 powers of two instead of 16 in float64's exp, and
 * two registers at a time (the same).  benchmarks/ladders/elementary.md has the other rungs.
 *
 * Template over the dtype of simd.h; empty for other targets.
 */
#if FNN_VECTOR_BYTES == 64

#ifndef FASTNN_ELEMENTARY512_H
#define FASTNN_ELEMENTARY512_H

#define EL_NEAREST (_MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)
/* What vfixupimm makes of 1 + x: NaN stays NaN, 0 becomes -inf, less than 0 NaN, inf inf; the rest is left alone. */
#define EL_FIX_LOG 0x03530422

/* tanh on 4 intervals per octave of |x| from 2^-3, at (bits >> 21) mod 32, and on [0, 2^-3) at 15: degree 5, relative
 * error at most 2^-26.4 before the coefficients are rounded. */
/* [j][i]: the coefficient of t^j on interval i, |x| = start of the interval + t */
static const float EL_TANH_TABLE_F32[6][32] = {
    {
        0.964027584f, 0.986614287f, 0.995054781f, 0.998177886f, 0.999329329f, 0.999909222f, 0.999987721f,
        0.999998331f, 0.999999762f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.124352999f, 0.154990733f,
        0.185333207f, 0.215326339f, 0.244918659f, 0.302709728f, 0.3583574f, 0.411570042f, 0.462117165f,
        0.554599702f, 0.635148942f, 0.703905582f, 0.761594176f, 0.848283648f, 0.905148268f, 0.941375554f,
    },
    {
        0.070650056f, 0.0265916195f, 0.0098657636f, 0.0036407772f, 0.00134011463f, 0.000181469135f,
        2.456109e-05f, 3.32401692e-06f, 4.49833323e-07f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 1.0f, 0.98453635f,
        0.975977898f, 0.965651631f, 0.95363456f, 0.940014839f, 0.908366799f, 0.871579945f, 0.830610096f,
        0.786447704f, 0.692419112f, 0.59658581f, 0.5045169f, 0.419974953f, 0.280415237f, 0.180706784f,
        0.113812119f,
    },
    {
        -0.0680917501f, -0.0262218472f, -0.00981071685f, -0.00363167468f, -0.00132976309f, -0.000180162169f,
        -2.43859322e-05f, -3.30034368e-06f, -4.46427492e-07f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f,
        3.11899527e-07f, -0.122430034f, -0.151267499f, -0.178967282f, -0.205342621f, -0.230226755f,
        -0.274971038f, -0.312336743f, -0.341853887f, -0.363427281f, -0.384014219f, -0.378921479f, -0.355133921f,
        -0.319879115f, -0.23788932f, -0.163573265f, -0.107141137f,
    },
    {
        0.0419632271f, 0.0168952011f, 0.00642259512f, 0.00239129341f, 0.000845159928f, 0.000114600683f,
        1.55135622e-05f, 2.09960649e-06f, 2.83424583e-07f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, -0.333355635f,
        -0.312956691f, -0.301883787f, -0.288718522f, -0.273666024f, -0.256980866f, -0.219582349f, -0.178626284f,
        -0.136197105f, -0.0943328515f, -0.0178770758f, 0.0418292992f, 0.0818628445f, 0.104108661f, 0.108626731f,
        0.0879403055f, 0.0629444048f,
    },
    {
        -0.0173604842f, -0.00754705351f, -0.00294388575f, -0.00110620237f, -0.000344311004f, -4.67348e-05f,
        -6.32738602e-06f, -8.5636475e-07f, -1.14961502e-07f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.000472846994f,
        0.0798787028f, 0.0973901302f, 0.113365397f, 0.12759243f, 0.140595213f, 0.159053609f, 0.168989137f,
        0.170750767f, 0.166793734f, 0.138665497f, 0.0994808152f, 0.0599487312f, 0.0237695836f, -0.0151234828f,
        -0.0259828493f, -0.0237213522f,
    },
    {
        0.00397613877f, 0.00191674021f, 0.000771509134f, 0.000293063407f, 6.87040156e-05f, 9.33452975e-06f,
        1.26395969e-06f, 1.71070582e-07f, 2.27370123e-08f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.129985556f,
        0.111989968f, 0.102179043f, 0.0910124406f, 0.0787784234f, 0.0591724701f, 0.0320505835f, 0.00600420777f,
        -0.0171014555f, -0.0433413982f, -0.0615180731f, -0.0626643598f, -0.053074412f, -0.0321103521f,
        -0.00955468044f, 0.00137857825f, 0.00459587667f,
    },
};

/* log1p: for each 1/16 of the mantissas from 3/4 to 3/2, a number r near the inverse of its middle, and -log(r).  Each
 * r is chosen so that its logarithm lies within 1/64 ULP of a float; around 1, r = 1 and nothing is added. */
static const float EL_LOG_INVERSE_F32[16] = {
    1.3056640625f, 1.25506591796875f, 1.2073211669921875f, 1.1640625f, 1.1221923828125f, 1.0850677490234375f,
    1.0496978759765625f, 1.0f, 1.0f, 0.9152374267578125f, 0.865447998046875f, 0.820556640625f, 0.780029296875f,
    0.7447052001953125f, 0.7111358642578125f, 0.680999755859375f,
};
static const float EL_LOG_F32[16] = {
    -0.266711771f, -0.227188095f, -0.188403994f, -0.151916042f, -0.115284257f, -0.0816424266f, -0.0485023856f,
    0.0f, 0.0f, 0.0885717645f, 0.144507989f, 0.197772339f, 0.2484238f, 0.294766843f, 0.340891778f,
    0.384193331f,
};
static const double EL_LOG_INVERSE_F64[16] = {
    1.30596923828125, 1.254654884338379, 1.208378791809082, 1.1633195877075195, 1.1236820220947266,
    1.084425926208496, 1.0499019622802734, 1.0, 1.0, 0.9141759872436523, 0.8652105331420898,
    0.8214321136474609, 0.7813625335693359, 0.7443990707397461, 0.7118139266967773, 0.6806173324584961,
};
static const double EL_LOG_F64[16] = {
    -0.26694547642771654, -0.22686054220729965, -0.18927961973839974, -0.15127763175222464,
    -0.11661081295593619, -0.08105074670081557, -0.04869679055336915, 0.0, 0.0, 0.089732179844193,
    0.14478241074931064, 0.19670598198887784, 0.2467160453359681, 0.29517800254939053, 0.33993874063414536,
    0.3847550508004304,
};

/* 2^(i/16) */
static const double EL_POWERS_F64[16] = {
    1.0, 1.0442737824274138, 1.0905077326652577, 1.1387886347566916, 1.189207115002721, 1.241857812073484,
    1.2968395546510096, 1.3542555469368927, 1.4142135623730951, 1.4768261459394993, 1.5422108254079407,
    1.6104903319492543, 1.681792830507429, 1.7562521603732995, 1.8340080864093424, 1.9152065613971474,
};

#endif /* once */

#if FNN_BITS == 32
#define reg __m512
#define V(op) _mm512_##op##_ps
#define I(op) _mm512_##op##_epi32
#define ALL _mm512_set1_ps
#define BITS _mm512_castps_si512
#define FLOATS _mm512_castsi512_ps
#define NEGATIVE(x) _mm512_movepi32_mask(BITS(x))
#define LESS(x, y) _mm512_cmp_ps_mask(x, y, _CMP_LT_OQ)
#define EL(name) name##_F32
#else
#define reg __m512d
#define V(op) _mm512_##op##_pd
#define I(op) _mm512_##op##_epi64
#define ALL _mm512_set1_pd
#define BITS _mm512_castpd_si512
#define FLOATS _mm512_castsi512_pd
#define NEGATIVE(x) _mm512_movepi64_mask(BITS(x))
#define LESS(x, y) _mm512_cmp_pd_mask(x, y, _CMP_LT_OQ)
#define EL(name) name##_F64
#endif
#define FMA V(fmadd)
#define STEP(x, p, c) FMA(x, p, ALL(c)) /* of Horner's rule */

/* x < 0 ? a : b, for -0 too */
FNN_INLINE reg FN(reg_by_sign)(reg x, reg a, reg b) { return V(mask_mov)(b, NEGATIVE(x), a); }

FNN_INLINE reg FN(reg_minus_abs)(reg x) { return V(or)(x, ALL(REAL(-0.0))); }

/* exp(x) = 2^n exp(r), r = x - n ln(2): |r| <= ln(2)/2 and degree 6 in float32; n in sixteenths, |r| <= ln(2)/32 and
 * degree 6 in float64.  min and max keep their second operand where it is NaN. */
#if FNN_BITS == 64
/* s, n and power with exp(x) = 2^n (power + power s); n is not whole, and vscalef rounds it down */
FNN_INLINE reg reg_exp_reduced_f64(reg x, reg *n, reg *power)
{
    const reg shifted = FMA(x, ALL(16 * 1.4426950408889634), ALL(EL_SHIFT_F64)), k = V(sub)(shifted, ALL(EL_SHIFT_F64));
    const reg r = V(fnmadd)(k, ALL(EL_LN2_LO_F64 / 16), V(fnmadd)(k, ALL(EL_LN2_HI_F64 / 16), x));
    *power = V(permutex2var)(V(loadu)(EL_POWERS_F64), BITS(shifted), V(loadu)(EL_POWERS_F64 + 8));
    *n = V(mul)(k, ALL(0.0625));
    reg q = STEP(r, ALL(0.001388859735793915263), 0.008333471951164603958);
    q = STEP(r, q, 0.04166666669308845272);
    q = STEP(r, q, 0.1666666666441698752);
    q = STEP(r, q, 0.4999999999999960587);
    return FMA(V(mul)(r, r), q, r);
}
#endif

FNN_INLINE reg FN(reg_exp)(reg x)
{
    x = V(max)(ALL(EL(EL_EXP_MIN)), V(min)(ALL(EL(EL_EXP_MAX)), x));
#if FNN_BITS == 32
    const reg n = V(roundscale)(V(mul)(x, ALL(1.44269504f)), EL_NEAREST);
    const reg r = V(fnmadd)(n, ALL(EL_LN2_LO_F32), V(fnmadd)(n, ALL(EL_LN2_HI_F32), x));
    reg q = STEP(r, ALL(0.00138388446f), 0.00836919062f);
    q = STEP(r, q, 0.0416681021f);
    q = STEP(r, q, 0.166665167f);
    q = STEP(r, q, 0.49999994f);
    return V(scalef)(V(add)(FMA(V(mul)(r, r), q, r), ALL(1.0f)), n);
#else
    reg n, power;
    const reg s = reg_exp_reduced_f64(x, &n, &power);
    return V(scalef)(FMA(power, s, power), n);
#endif
}

/* expm1(x) / 2 as in elementary.h, for EXPM1_MIN <= x <= EXP_MAX */
FNN_INLINE reg FN(reg_half_expm1)(reg x)
{
    const reg n = V(roundscale)(V(mul)(x, ALL(REAL(1.4426950408889634))), EL_NEAREST);
    const reg s = V(scalef)(ALL(REAL(0.5)), n), d = V(mul)(n, ALL(EL(EL_LN2_LO)));
    const reg rest = V(fnmadd)(n, ALL(EL(EL_LN2_HI)), x), r = V(sub)(rest, d);
#if FNN_BITS == 32
    reg q = STEP(r, ALL(0.0013882522f), 0.008366527f);
    q = STEP(r, q, 0.0416672f);
    q = STEP(r, q, 0.16666543f);
    q = STEP(r, q, 0.49999997f);
#else
    reg q = STEP(r, ALL(2.0896560828511595e-09), 2.51086631705941e-08);
    q = STEP(r, q, 2.755732073089279e-07);
    q = STEP(r, q, 2.7557245184724724e-06);
    q = STEP(r, q, 2.480158728894637e-05);
    q = STEP(r, q, 0.00019841269885349967);
    q = STEP(r, q, 0.0013888888888889553);
    q = STEP(r, q, 0.00833333333332178);
    q = STEP(r, q, 0.041666666666666685);
    q = STEP(r, q, 0.16666666666666677);
    q = STEP(r, q, 0.5);
#endif
    return FMA(s, V(fmsub)(V(mul)(r, r), q, d), FMA(s, rest, V(sub)(s, ALL(REAL(0.5)))));
}

FNN_INLINE reg FN(reg_expm1)(reg x)
{
    const reg z = V(max)(ALL(FNN_BITS == 32 ? REAL(-18.0) : REAL(-38.0)), V(min)(ALL(EL(EL_EXP_MAX)), x));
    const reg h = FN(reg_half_expm1)(z), size = V(andnot)(ALL(REAL(-0.0)), x);
    return V(mask_mov)(V(add)(h, h), LESS(size, ALL(EL(EL_TINY))), x);
}

FNN_INLINE reg FN(reg_elu)(reg z) { return FN(reg_by_sign)(z, FN(reg_expm1)(V(min)(ALL(REAL(0.0)), z)), z); }

/* as sigmoid in elementary.h.  In float64 what exp and 1 + e have lost to rounding is put back: 2.7 units of error
 * become 1.7, 0.61 ns 0.88. */
FNN_INLINE reg FN(reg_sigmoid)(reg x)
{
#if FNN_BITS == 32
    const reg e = FN(reg_exp)(FN(reg_minus_abs)(x)), one = ALL(REAL(1.0));
    return V(div)(FN(reg_by_sign)(x, e, one), V(add)(one, e));
#else
    const reg one = ALL(1.0), zero = ALL(0.0), z = V(max)(ALL(EL_EXP_MIN_F64), reg_minus_abs_f64(x));
    reg n, power;
    const reg s = reg_exp_reduced_f64(z, &n, &power), p = FMA(power, s, power);
    const reg e = V(scalef)(p, n), rest = V(scalef)(FMA(power, s, V(sub)(power, p)), n);
    const reg d = V(add)(one, e), q = V(div)(reg_by_sign_f64(x, e, one), d);
    const reg lost = V(add)(V(add)(V(sub)(one, d), e), rest);
    const reg left = V(fnmadd)(q, lost, reg_by_sign_f64(x, rest, zero));
    return FMA(left, reg_by_sign_f64(x, V(sub)(one, q), q), q);
#endif
}

/* z sigmoid(z), with the limit 0 at -inf */
FNN_INLINE reg FN(reg_silu)(reg z)
{
    return V(mul)(V(max)(ALL(REAL(-FNN_SILU_ZERO)), z), FN(reg_sigmoid)(z));
}

/* as softplus in elementary.h */
FNN_INLINE reg FN(reg_softplus)(reg x)
{
    const reg e = FN(reg_exp)(FN(reg_minus_abs)(x)), h = V(mul)(ALL(REAL(0.5)), e);
    const reg t = V(div)(V(mul)(e, h), V(add)(ALL(REAL(1.0)), h)), v = V(sub)(e, t), y = V(mul)(v, v);
#if FNN_BITS == 32
    reg q = STEP(y, ALL(0.0005471091f), 0.002187641f);
    q = STEP(y, q, 0.012506727f);
    q = STEP(y, q, 0.08333302f);
#else
    reg q = STEP(y, ALL(8.110887390152535e-08), 1.591676280432925e-07);
    q = STEP(y, q, 9.235340697362456e-07);
    q = STEP(y, q, 4.059180075236319e-06);
    q = STEP(y, q, 1.878240771620775e-05);
    q = STEP(y, q, 8.877804921222525e-05);
    q = STEP(y, q, 0.00043402781159489624);
    q = STEP(y, q, 0.0022321428553217027);
    q = STEP(y, q, 0.012500000000048474);
    q = STEP(y, q, 0.08333333333333288);
#endif
    return V(add)(V(max)(ALL(REAL(0.0)), x), V(sub)(e, V(fnmadd)(v, V(mul)(y, q), t)));
}

/* log1p(x) = k ln(2) - log(r) + log1p(f), 1 + x = 2^k m, m in [3/4, 3/2), r near 1/m from a table of 16.  With
 * s = r / 2^k, f = s (1 + x) - 1 = s x + (s - 1) in one rounding, because s - 1 is exact where it matters: so the
 * rounding of 1 + x does no harm, it only chooses the interval. */
FNN_INLINE reg FN(reg_log1p)(reg x)
{
    const reg u = V(add)(x, ALL(REAL(1.0)));
#if FNN_BITS == 32
    const __m512i i = I(sub)(BITS(u), I(set1)(0x3f400000)), index = I(srli)(i, 19);
    const reg k = _mm512_cvtepi32_ps(I(srai)(i, 23));
    const reg r = V(permutexvar)(index, V(loadu)(EL_LOG_INVERSE_F32));
    const reg log_r = V(permutexvar)(index, V(loadu)(EL_LOG_F32));
#else
    const __m512i i = I(sub)(BITS(u), I(set1)(0x3fe8000000000000)), index = I(srli)(i, 48);
    const reg k = _mm512_cvtepi64_pd(I(srai)(i, 52));
    const reg r = V(permutex2var)(V(loadu)(EL_LOG_INVERSE_F64), index, V(loadu)(EL_LOG_INVERSE_F64 + 8));
    const reg log_r = V(permutex2var)(V(loadu)(EL_LOG_F64), index, V(loadu)(EL_LOG_F64 + 8));
#endif
    const reg s = V(scalef)(r, V(xor)(k, ALL(REAL(-0.0)))), f = FMA(x, s, V(sub)(s, ALL(REAL(1.0))));
#if FNN_BITS == 32
    reg q = STEP(f, ALL(0.188737273f), -0.250093162f); /* degree 5 for -0.0325 <= f <= 0.063, relative error 2^-28.2 */
    q = STEP(f, q, 0.333345085f);
    q = STEP(f, q, -0.5f);
#else
    reg q = STEP(f, ALL(-0.08770481708945156), 0.1107655081563081); /* degree 10, relative error 2^-56.4 */
    q = STEP(f, q, -0.12502169907597263);
    q = STEP(f, q, 0.14285820016051212);
    q = STEP(f, q, -0.16666665718242332);
    q = STEP(f, q, 0.1999999992093721);
    q = STEP(f, q, -0.2500000000002513);
    q = STEP(f, q, 0.3333333333335004);
    q = STEP(f, q, -0.5000000000000001);
#endif
    const reg small = FMA(k, ALL(EL(EL_LN2_LO)), FMA(V(mul)(f, f), q, f));
    const reg y = V(fixupimm)(V(add)(FMA(k, ALL(EL(EL_LN2_HI)), log_r), small), u, I(set1)(EL_FIX_LOG), 0);
    return V(or)(y, V(and)(x, ALL(REAL(-0.0)))); /* -0 for -0; all other x < 0 have y < 0 or NaN */
}

#if FNN_BITS == 32
#define EL_TANH_LOOKUP(j) \
    V(permutex2var)(V(loadu)(EL_TANH_TABLE_F32[j]), index, V(loadu)(EL_TANH_TABLE_F32[j] + 16))
/* tanh(x) = a polynomial in the distance of |x| from the start of its interval, with the sign of x */
FNN_INLINE reg reg_tanh_f32(reg x)
{
    const reg a = V(min)(ALL(9.02f), V(andnot)(ALL(-0.0f), x)); /* rounds to 1 */
    const __m512i bits = BITS(a), index = I(max)(I(srli)(bits, 21), I(set1)(495));
    const __mmask16 large = _mm512_cmp_ps_mask(a, ALL(0.125f), _CMP_GE_OQ);
    const reg t = V(sub)(a, FLOATS(I(maskz_and)(large, bits, I(set1)((int)0xffe00000))));
    reg y = FMA(t, EL_TANH_LOOKUP(5), EL_TANH_LOOKUP(4));
    y = FMA(t, y, EL_TANH_LOOKUP(3));
    y = FMA(t, y, EL_TANH_LOOKUP(2));
    y = FMA(t, y, EL_TANH_LOOKUP(1));
    y = FMA(t, y, EL_TANH_LOOKUP(0));
    return V(or)(y, V(and)(x, ALL(-0.0f)));
}
#undef EL_TANH_LOOKUP
#else
/* as tanh in elementary.h */
FNN_INLINE reg reg_tanh_f64(reg x)
{
    const reg a = V(min)(ALL(19.1), V(andnot)(ALL(-0.0), x)), h = reg_half_expm1_f64(V(add)(a, a));
    const reg g = V(min)(ALL(1.0), h);
    return V(or)(V(fnmadd)(g, V(div)(g, V(add)(ALL(1.0), h)), g), V(and)(x, ALL(-0.0)));
}
#endif

#undef reg
#undef V
#undef I
#undef ALL
#undef BITS
#undef FLOATS
#undef NEGATIVE
#undef LESS
#undef EL
#undef FMA
#undef STEP
#endif /* AVX-512 */

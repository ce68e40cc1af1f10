"""Elementary functions: the names that formulas are written in, and polynomial scalar twins of the C kernels.

Two layers.

``exp expm1 log log1p tanh erf select`` are what activations.py and losses.py import.  On arrays they are NumPy's
ufuncs (``erf``, which NumPy lacks, is the polynomial below).  A compiling backend replaces each by the scalar twin of
the argument's dtype.

``exp_f32 exp_f64 ...`` are those twins: branch-free polynomials whose text runs unchanged on NumPy arrays and, compiled
by Numba, on scalars inside a loop that vectorises.  ``c/elementary.h`` holds the same algorithms with the same
coefficients; tests/test_elementary.py holds both to one table of bounds.

Promises, for both homes, with or without fused multiply-add (largest error in units in the last place of the exact
result; measured in brackets, the bound is what the test enforces):

               float32    float64
    exp        1.5 [1.1]  1.5 [1.0]
    expm1      1.5 [1.3]  1.5 [1.2]
    log        1.0 [0.9]  1.0 [0.9]
    log1p      2.0 [1.5]  2.0 [1.4]
    tanh       2.0 [1.9]  2.0 [1.8]
    sigmoid    2.5 [2.4]  2.0 [1.4]
    softplus   2.5 [2.3]  2.5 [2.1]
    erf        2.0 [1.3]  2.0 [1.4]

NaN in, NaN out.  Overflow gives inf; subnormal results are rounded, not flushed.  ``expm1 log1p tanh erf`` keep the
sign of zero.  ``log(0) = log1p(-1) = -inf``; logarithms of less are NaN.  tanh and erf lie in [-1, 1], sigmoid in
[0, 1].  NumPy may warn where a value overflows or is infinite; ``erf`` never does.

Design notes.

a. Rounding to an integer, and 2**n, use a shift constant (1.5 * 2**23, 1.5 * 2**52): after the addition the low bits
   of the float are the integer, and a left shift moves them into the exponent.  No conversion, no arithmetic right
   shift: 64-bit versions of those are missing before AVX-512.
b. Cody-Waite reduction with ln 2 in two parts; the high part has 16 (42) bits, so n * high is exact without FMA.
c. exp is scaled in two steps, 2**(n/2) twice, so that neither factor over- or underflows before the result does.
d. log takes the exponent relative to sqrt(1/2), which centres the mantissa on 1; log1p adds the rounding error of
   1 + x back to the reduced argument, where it is exact for arguments near 0 and needs no second division.
e. Polynomials are minimax (Remez exchange in 45-digit arithmetic, each weighted by what its error does to the relative
   error of the result), then rounded to the dtype; the interval, degree and error stand beside each.  Horner, because
   a loop over elements hides its latency.
f. Above 1, erf is 1 - exp(-p) with p fitted to -log(erfc): a smooth function, and the 1 - hides p's error.
g. Comparisons are written so that NaN fails them and flows through: ``select(x > HI, HI, x)``.

References
----------
W. J. Cody and W. Waite, Software Manual for the Elementary Functions, Prentice-Hall 1980: (b), tanh through expm1.
P. T. P. Tang, ACM TOMS 15 (1989) 144-157 and 16 (1990) 378-400: exp and log by reduction and a short polynomial.
T. J. Dekker, Numer. Math. 18 (1971) 224-242; D. E. Knuth, TAOCP 2, 4.2.2: the exact error of a sum, used in (d).
"""

from typing import Any, NamedTuple

import numpy as np


def exp(x):
    """Return e to the power x, elementwise."""
    return np.exp(x)


def expm1(x):
    """Return exp(x) - 1 without cancellation near zero."""
    return np.expm1(x)


def log(x):
    """Return the natural logarithm of x."""
    return np.log(x)


def log1p(x):
    """Return log(1 + x) without cancellation near zero."""
    return np.log1p(x)


def tanh(x):
    """Return the hyperbolic tangent of x."""
    return np.tanh(x)


def erf(x):
    """Return the error function of x: float32 for float32, float64 for anything else."""
    x = np.asarray(x)
    return erf_f32(x) if x.dtype == np.float32 else erf_f64(np.asarray(x, dtype=np.float64))


def select(condition, a, b):
    """Return a where condition holds, else b; both are evaluated.

    Numba's scalar ``np.where`` builds 0-d arrays: a jitting backend overloads this name with ``a if condition else b``.
    """
    return np.where(condition, a, b)


class Function(NamedTuple):
    """One elementary function that a backend offers by code; ``f`` is its reference on arrays."""

    name: str
    code: int
    f: Any
    formula: str


FUNCTIONS: tuple[Function, ...] = (
    Function("exp", 0, exp, "e^x"),
    Function("expm1", 1, expm1, "e^x - 1"),
    Function("log", 2, log, "log x"),
    Function("log1p", 3, log1p, "log(1 + x)"),
    Function("erf", 4, erf, "2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x"),
)

# float32
LOG2E_F32 = np.float32(1.44269504)
LN2_HI_F32 = np.float32(0.693145751953125)  # 16 bits
LN2_LO_F32 = np.float32(1.42860677e-06)
SHIFT_F32 = np.float32(12582912.0)  # 1.5 * 2**23
BIASED_F32 = np.float32(12582912.0 + 127)  # the same, with the exponent's bias in its low bits
EXP_MAX_F32 = np.float32(89.0)  # overflows
EXP_MIN_F32 = np.float32(-104.0)  # rounds to 0
EXPM1_MIN_F32 = np.float32(-18.0)  # rounds to -1
TANH_MAX_F32 = np.float32(9.1)  # rounds to 1
ERF_MAX_F32 = np.float32(4.0)  # rounds to 1
TINY_F32 = np.float32(2.9802322e-08)  # 2**-25: below it, f(x) rounds to x for f = expm1, log1p
NORMAL_F32 = np.float32(1.17549435e-38)  # smallest normal number
UP_F32 = np.float32(33554432.0)  # 2**25: makes a subnormal number normal
UP_EXPONENT_F32 = np.float32(25.0)
INF_F32 = np.float32(np.inf)
NAN_F32 = np.float32(np.nan)
HALF_F32 = np.float32(0.5)
ONE_F32 = np.float32(1)
TWO_F32 = np.float32(2)
ZERO_F32 = np.float32(0)
WIDTH_F32 = np.uint32(23)  # bits of the mantissa
ONE_BITS_F32 = np.uint32(0x3F800000)  # the bits of 1, ...
SQRT_HALF_BITS_F32 = np.uint32(0x3F3504F3)  # ... of sqrt(1/2), ...
INTEGER_BITS_F32 = np.uint32(0x4B000000)  # ... and of 2**23
INTEGER_F32 = np.float32(8388735.0)  # 2**23 + 127
MANTISSA_F32 = np.uint32(0x007FFFFF)
SIGN_F32 = np.uint32(0x80000000)
SCALE_F32 = np.uint32(255)  # 2 * 127 + 1

# (expm1(r) - r) / r**2 on |r| <= ln(2)/2: degree 4, relative error of expm1 2**-25.8
EXP_F32 = (
    np.float32(0.49999997),
    np.float32(0.16666543),
    np.float32(0.0416672),
    np.float32(0.008366527),
    np.float32(0.0013882522),
)
# (log1p(f) - f + f**2 / 2) / f**3, sqrt(1/2) <= 1 + f <= sqrt(2): degree 7, relative error of log 2**-27.3
LOG_F32 = (
    np.float32(0.3333333),
    np.float32(-0.25000823),
    np.float32(0.2000126),
    np.float32(-0.16623344),
    np.float32(0.14201052),
    np.float32(-0.13159543),
    np.float32(0.12765898),
    np.float32(-0.07641426),
)
# (log1p(e) / v - 1) / y with v = e / (1 + e/2), y = v**2, for 0 <= e <= 1: degree 3, relative error 2**-27.5
LOG1P_UNIT_F32 = (
    np.float32(0.08333302),
    np.float32(0.012506727),
    np.float32(0.002187641),
    np.float32(0.0005471091),
)
# erf(x) / x - 1 in x**2, |x| <= 1: degree 6, relative error 2**-28.9
ERF_SMALL_F32 = (
    np.float32(0.12837917),
    np.float32(-0.37612626),
    np.float32(0.11283579),
    np.float32(-0.02685335),
    np.float32(0.0051871724),
    np.float32(-0.0007997972),
    np.float32(7.807387e-05),
)
# -log(erfc(1 + t)), 0 <= t <= 3: degree 6, relative error of erf 2**-26.4
ERF_LARGE_F32 = (
    np.float32(1.8496056),
    np.float32(2.6389627),
    np.float32(0.8431751),
    np.float32(0.04124483),
    np.float32(-0.009413423),
    np.float32(0.0014456541),
    np.float32(-7.932217e-05),
)


def bits_f32(x):
    """Return the bits of x as unsigned integers."""
    return np.float32(x).view(np.uint32)


def from_bits_f32(i):
    """Return the floats that have the bits i."""
    return np.uint32(i).view(np.float32)


def power_f32(t):
    """Return 2**n for t = n + BIASED, n whole and 2**n normal (or n = -127: 0)."""
    return from_bits_f32(bits_f32(t) << WIDTH_F32)


def octaves_f32(x):
    """Return the whole number nearest to x / ln(2), as a float."""
    return (x * LOG2E_F32 + SHIFT_F32) - SHIFT_F32


def exp_rest_f32(r):
    """Return exp(r) - 1 - r for |r| <= ln(2)/2."""
    c = EXP_F32
    q = c[0] + r * (c[1] + r * (c[2] + r * (c[3] + r * c[4])))
    return r * r * q


def exp_unscaled_f32(x, n):
    """Return exp(x - n ln(2)) for n = octaves(x)."""
    r = (x - n * LN2_HI_F32) - n * LN2_LO_F32
    return ONE_F32 + (r + exp_rest_f32(r))


def exp_f32(x):
    """Return exp(x) = 2**n exp(x - n ln(2))."""
    x = select(x > EXP_MAX_F32, EXP_MAX_F32, x)
    x = select(x < EXP_MIN_F32, EXP_MIN_F32, x)
    n = octaves_f32(x)
    p = exp_unscaled_f32(x, n)
    t = n * HALF_F32 + BIASED_F32
    return p * power_f32(t) * power_f32((n - (t - BIASED_F32)) + BIASED_F32)


def half_expm1_f32(x):
    """Return expm1(x) / 2 = (2**n exp(r + d) - 1) / 2, r + d = x - n ln(2), for EXPM1_MIN <= x <= EXP_MAX."""
    n = octaves_f32(x)
    s = power_f32(n + (BIASED_F32 - ONE_F32))
    r = x - n * LN2_HI_F32  # exact; only the small terms see the rounding of the rest
    d = n * LN2_LO_F32
    return ((s - HALF_F32) + s * r) + s * (exp_rest_f32(r - d) - d)


def expm1_f32(x):
    """Return exp(x) - 1."""
    z = select(x > EXP_MAX_F32, EXP_MAX_F32, x)
    z = select(z < EXPM1_MIN_F32, EXPM1_MIN_F32, z)
    return select(abs(x) < TINY_F32, x, TWO_F32 * half_expm1_f32(z))


def log_reduced_f32(f, k):
    """Return log((1 + f) 2**k) for 1 + f in [sqrt(1/2), sqrt(2)]."""
    c = LOG_F32
    z = f * f
    q = c[0] + f * (c[1] + f * (c[2] + f * (c[3] + f * (c[4] + f * (c[5] + f * (c[6] + f * c[7]))))))
    return k * LN2_HI_F32 + (f + ((k * LN2_LO_F32 + f * z * q) - HALF_F32 * z))


def log_f32(x):
    """Return log(x) = k ln(2) + log(m), x = 2**k m, m in [sqrt(1/2), sqrt(2))."""
    subnormal = x < NORMAL_F32
    i = bits_f32(x * select(subnormal, UP_F32, ONE_F32)) + (ONE_BITS_F32 - SQRT_HALF_BITS_F32)
    k = from_bits_f32((i >> WIDTH_F32) | INTEGER_BITS_F32) - INTEGER_F32
    k = k - select(subnormal, UP_EXPONENT_F32, ZERO_F32)
    f = from_bits_f32((i & MANTISSA_F32) + SQRT_HALF_BITS_F32) - ONE_F32
    y = select(x < INF_F32, log_reduced_f32(f, k), x)
    y = select(x == ZERO_F32, -INF_F32, y)
    return select(x < ZERO_F32, NAN_F32, y)


def log1p_f32(x):
    """Return log1p(x) = log(u + c), u = 1 + x rounded and c its rounding error."""
    u = ONE_F32 + x
    v = u - ONE_F32
    c = (ONE_F32 - (u - v)) + (x - v)
    i = bits_f32(u) + (ONE_BITS_F32 - SQRT_HALF_BITS_F32)
    e = i >> WIDTH_F32
    k = from_bits_f32(e | INTEGER_BITS_F32) - INTEGER_F32
    f = from_bits_f32((i & MANTISSA_F32) + SQRT_HALF_BITS_F32) - ONE_F32
    s = from_bits_f32((SCALE_F32 - e) << WIDTH_F32)  # 2**(1 - k), and 0 for the largest k
    y = log_reduced_f32(f + (c * HALF_F32) * s, k)
    y = select(x < INF_F32, y, x)
    y = select(x == -ONE_F32, -INF_F32, y)
    y = select(x < -ONE_F32, NAN_F32, y)
    return select(abs(x) < TINY_F32, x, y)


def tanh_f32(x):
    """Return tanh(x) = h / (1 + h), h = expm1(2 |x|) / 2, with the sign of x.

    Written g - g**2 / (1 + h), g = min(h, 1), the quotient's rounding error is scaled down at both ends.
    """
    a = abs(x)
    a = select(a > TANH_MAX_F32, TANH_MAX_F32, a)
    h = half_expm1_f32(a + a)
    g = select(h > ONE_F32, ONE_F32, h)
    return from_bits_f32(bits_f32(g - g * g / (ONE_F32 + h)) | (bits_f32(x) & SIGN_F32))


def sigmoid_f32(x):
    """Return 1 / (1 + exp(-x)) as e / (1 + e) or 1 / (1 + e), e = exp(-|x|)."""
    e = exp_f32(-abs(x))
    return select(x < ZERO_F32, e, ONE_F32) / (ONE_F32 + e)


def softplus_f32(x):
    """Return log(1 + exp(x)) = max(x, 0) + log1p(e), e = exp(-|x|).

    log1p(e) = v + v**3 q(v**2) with v = e / (1 + e/2) = e - t: subtracting from e keeps t's rounding error small.
    """
    c = LOG1P_UNIT_F32
    e = exp_f32(-abs(x))
    h = HALF_F32 * e
    t = e * h / (ONE_F32 + h)
    v = e - t
    y = v * v
    q = c[0] + y * (c[1] + y * (c[2] + y * c[3]))
    return select(x < ZERO_F32, ZERO_F32, x) + (e - (t - v * (y * q)))


def erf_f32(x):
    """Return erf(x): a polynomial up to 1, 1 - exp(-polynomial) beyond."""
    a = abs(x)
    a = select(a > ERF_MAX_F32, ERF_MAX_F32, a)
    z = a * a
    c = ERF_SMALL_F32
    small = c[0] + z * (c[1] + z * (c[2] + z * (c[3] + z * (c[4] + z * (c[5] + z * c[6])))))
    t = a - ONE_F32
    c = ERF_LARGE_F32
    p = c[0] + t * (c[1] + t * (c[2] + t * (c[3] + t * (c[4] + t * (c[5] + t * c[6])))))
    n = octaves_f32(-p)
    large = ONE_F32 - exp_unscaled_f32(-p, n) * power_f32(n + BIASED_F32)
    y = select(a < ONE_F32, a + a * small, large)
    return from_bits_f32(bits_f32(y) | (bits_f32(x) & SIGN_F32))


# float64
LOG2E_F64 = np.float64(1.4426950408889634)
LN2_HI_F64 = np.float64(0.6931471805598903)  # 42 bits
LN2_LO_F64 = np.float64(5.497923018708371e-14)
SHIFT_F64 = np.float64(6755399441055744.0)  # 1.5 * 2**52
BIASED_F64 = np.float64(6755399441055744.0 + 1023)  # the same, with the exponent's bias in its low bits
EXP_MAX_F64 = np.float64(710.0)  # overflows
EXP_MIN_F64 = np.float64(-746.0)  # rounds to 0
EXPM1_MIN_F64 = np.float64(-38.0)  # rounds to -1
TANH_MAX_F64 = np.float64(19.1)  # rounds to 1
ERF_MAX_F64 = np.float64(6.0)  # rounds to 1
TINY_F64 = np.float64(5.551115123125783e-17)  # 2**-54: below it, f(x) rounds to x for f = expm1, log1p
NORMAL_F64 = np.float64(2.2250738585072014e-308)  # smallest normal number
UP_F64 = np.float64(18014398509481984.0)  # 2**54: makes a subnormal number normal
UP_EXPONENT_F64 = np.float64(54.0)
INF_F64 = np.float64(np.inf)
NAN_F64 = np.float64(np.nan)
HALF_F64 = np.float64(0.5)
ONE_F64 = np.float64(1)
TWO_F64 = np.float64(2)
ZERO_F64 = np.float64(0)
WIDTH_F64 = np.uint64(52)  # bits of the mantissa
ONE_BITS_F64 = np.uint64(0x3FF0000000000000)  # the bits of 1, ...
SQRT_HALF_BITS_F64 = np.uint64(0x3FE6A09E667F3BCD)  # ... of sqrt(1/2), ...
INTEGER_BITS_F64 = np.uint64(0x4330000000000000)  # ... and of 2**52
INTEGER_F64 = np.float64(4503599627371519.0)  # 2**52 + 1023
MANTISSA_F64 = np.uint64(0x000FFFFFFFFFFFFF)
SIGN_F64 = np.uint64(0x8000000000000000)
SCALE_F64 = np.uint64(2047)  # 2 * 1023 + 1

# (expm1(r) - r) / r**2 on |r| <= ln(2)/2: degree 10, relative error of expm1 2**-61.0
EXP_F64 = (
    np.float64(0.5),
    np.float64(0.16666666666666677),
    np.float64(0.041666666666666685),
    np.float64(0.00833333333332178),
    np.float64(0.0013888888888889553),
    np.float64(0.00019841269885349967),
    np.float64(2.480158728894637e-05),
    np.float64(2.7557245184724724e-06),
    np.float64(2.755732073089279e-07),
    np.float64(2.51086631705941e-08),
    np.float64(2.0896560828511595e-09),
)
# (2 artanh(s) / s - 2) / s**2 in s**2, s = f / (2 + f), sqrt(1/2) <= 1 + f <= sqrt(2): degree 6,
# relative error of log 2**-58.6
LOG_F64 = (
    np.float64(0.666666666666671),
    np.float64(0.3999999999952028),
    np.float64(0.2857142872923003),
    np.float64(0.22222199091017228),
    np.float64(0.18183571790276615),
    np.float64(0.15313152619378687),
    np.float64(0.14810680497791023),
)
# (log1p(e) / v - 1) / y with v = e / (1 + e/2), y = v**2, for 0 <= e <= 1: degree 9, relative error 2**-58.5
LOG1P_UNIT_F64 = (
    np.float64(0.08333333333333288),
    np.float64(0.012500000000048474),
    np.float64(0.0022321428553217027),
    np.float64(0.00043402781159489624),
    np.float64(8.877804921222525e-05),
    np.float64(1.878240771620775e-05),
    np.float64(4.059180075236319e-06),
    np.float64(9.235340697362456e-07),
    np.float64(1.591676280432925e-07),
    np.float64(8.110887390152535e-08),
)
# erf(x) / x - 1 in x**2, |x| <= 1: degree 11, relative error 2**-55.5
ERF_SMALL_F64 = (
    np.float64(0.12837916709551256),
    np.float64(-0.37612638903183343),
    np.float64(0.1128379167093695),
    np.float64(-0.026866170641958956),
    np.float64(0.005223977596733488),
    np.float64(-0.0008548325484838786),
    np.float64(0.00012055280490386969),
    np.float64(-1.4924465493206211e-05),
    np.float64(1.6444148412376362e-06),
    np.float64(-1.6183971911846384e-07),
    np.float64(1.3616604025572335e-08),
    np.float64(-7.607612292547372e-10),
)
# -log(erfc(1 + t)), 0 <= t <= 5: degree 17, relative error of erf 2**-56.5
ERF_LARGE_F64 = (
    np.float64(1.8496055099332482),
    np.float64(2.638967514234784),
    np.float64(0.843107256359081),
    np.float64(0.04156109803069526),
    np.float64(-0.010033825230451742),
    np.float64(0.0019779015008073854),
    np.float64(-0.00023731746721537413),
    np.float64(-2.6293770142003644e-05),
    np.float64(2.7194506516157082e-05),
    np.float64(-9.66576004445049e-06),
    np.float64(2.126792741847192e-06),
    np.float64(-2.0136138688981975e-07),
    np.float64(-5.96967788513509e-08),
    np.float64(3.398225494671347e-08),
    np.float64(-8.663330378820776e-09),
    np.float64(1.342455511138796e-09),
    np.float64(-1.21559739283132e-10),
    np.float64(4.960634208464747e-12),
)


def bits_f64(x):
    """Return the bits of x as unsigned integers."""
    return np.float64(x).view(np.uint64)


def from_bits_f64(i):
    """Return the floats that have the bits i."""
    return np.uint64(i).view(np.float64)


def power_f64(t):
    """Return 2**n for t = n + BIASED, n whole and 2**n normal (or n = -1023: 0)."""
    return from_bits_f64(bits_f64(t) << WIDTH_F64)


def octaves_f64(x):
    """Return the whole number nearest to x / ln(2), as a float."""
    return (x * LOG2E_F64 + SHIFT_F64) - SHIFT_F64


def exp_rest_f64(r):
    """Return exp(r) - 1 - r for |r| <= ln(2)/2."""
    c = EXP_F64
    q = c[8] + r * (c[9] + r * c[10])
    q = c[4] + r * (c[5] + r * (c[6] + r * (c[7] + r * q)))
    q = c[0] + r * (c[1] + r * (c[2] + r * (c[3] + r * q)))
    return r * r * q


def exp_unscaled_f64(x, n):
    """Return exp(x - n ln(2)) for n = octaves(x)."""
    r = (x - n * LN2_HI_F64) - n * LN2_LO_F64
    return ONE_F64 + (r + exp_rest_f64(r))


def exp_f64(x):
    """Return exp(x) = 2**n exp(x - n ln(2))."""
    x = select(x > EXP_MAX_F64, EXP_MAX_F64, x)
    x = select(x < EXP_MIN_F64, EXP_MIN_F64, x)
    n = octaves_f64(x)
    p = exp_unscaled_f64(x, n)
    t = n * HALF_F64 + BIASED_F64
    return p * power_f64(t) * power_f64((n - (t - BIASED_F64)) + BIASED_F64)


def half_expm1_f64(x):
    """Return expm1(x) / 2 = (2**n exp(r + d) - 1) / 2, r + d = x - n ln(2), for EXPM1_MIN <= x <= EXP_MAX."""
    n = octaves_f64(x)
    s = power_f64(n + (BIASED_F64 - ONE_F64))
    r = x - n * LN2_HI_F64  # exact; only the small terms see the rounding of the rest
    d = n * LN2_LO_F64
    return ((s - HALF_F64) + s * r) + s * (exp_rest_f64(r - d) - d)


def expm1_f64(x):
    """Return exp(x) - 1."""
    z = select(x > EXP_MAX_F64, EXP_MAX_F64, x)
    z = select(z < EXPM1_MIN_F64, EXPM1_MIN_F64, z)
    return select(abs(x) < TINY_F64, x, TWO_F64 * half_expm1_f64(z))


def log_reduced_f64(f, k):
    """Return log((1 + f) 2**k) for 1 + f in [sqrt(1/2), sqrt(2)]."""
    c = LOG_F64
    s = f / (TWO_F64 + f)
    z = s * s
    q = c[0] + z * (c[1] + z * (c[2] + z * (c[3] + z * (c[4] + z * (c[5] + z * c[6])))))
    h = HALF_F64 * f * f
    return k * LN2_HI_F64 + (f - (h - (s * (h + z * q) + k * LN2_LO_F64)))


def log_f64(x):
    """Return log(x) = k ln(2) + log(m), x = 2**k m, m in [sqrt(1/2), sqrt(2))."""
    subnormal = x < NORMAL_F64
    i = bits_f64(x * select(subnormal, UP_F64, ONE_F64)) + (ONE_BITS_F64 - SQRT_HALF_BITS_F64)
    k = from_bits_f64((i >> WIDTH_F64) | INTEGER_BITS_F64) - INTEGER_F64
    k = k - select(subnormal, UP_EXPONENT_F64, ZERO_F64)
    f = from_bits_f64((i & MANTISSA_F64) + SQRT_HALF_BITS_F64) - ONE_F64
    y = select(x < INF_F64, log_reduced_f64(f, k), x)
    y = select(x == ZERO_F64, -INF_F64, y)
    return select(x < ZERO_F64, NAN_F64, y)


def log1p_f64(x):
    """Return log1p(x) = log(u + c), u = 1 + x rounded and c its rounding error."""
    u = ONE_F64 + x
    v = u - ONE_F64
    c = (ONE_F64 - (u - v)) + (x - v)
    i = bits_f64(u) + (ONE_BITS_F64 - SQRT_HALF_BITS_F64)
    e = i >> WIDTH_F64
    k = from_bits_f64(e | INTEGER_BITS_F64) - INTEGER_F64
    f = from_bits_f64((i & MANTISSA_F64) + SQRT_HALF_BITS_F64) - ONE_F64
    s = from_bits_f64((SCALE_F64 - e) << WIDTH_F64)  # 2**(1 - k), and 0 for the largest k
    y = log_reduced_f64(f + (c * HALF_F64) * s, k)
    y = select(x < INF_F64, y, x)
    y = select(x == -ONE_F64, -INF_F64, y)
    y = select(x < -ONE_F64, NAN_F64, y)
    return select(abs(x) < TINY_F64, x, y)


def tanh_f64(x):
    """Return tanh(x) = h / (1 + h), h = expm1(2 |x|) / 2, with the sign of x.

    Written g - g**2 / (1 + h), g = min(h, 1), the quotient's rounding error is scaled down at both ends.
    """
    a = abs(x)
    a = select(a > TANH_MAX_F64, TANH_MAX_F64, a)
    h = half_expm1_f64(a + a)
    g = select(h > ONE_F64, ONE_F64, h)
    return from_bits_f64(bits_f64(g - g * g / (ONE_F64 + h)) | (bits_f64(x) & SIGN_F64))


def sigmoid_f64(x):
    """Return 1 / (1 + exp(-x)) as e / (1 + e) or 1 / (1 + e), e = exp(-|x|)."""
    z = -abs(x)
    z = select(z < EXP_MIN_F64, EXP_MIN_F64, z)
    n = octaves_f64(z)
    r = (z - n * LN2_HI_F64) - n * LN2_LO_F64
    t = r + exp_rest_f64(r)
    p = ONE_F64 + t
    half = n * HALF_F64 + BIASED_F64
    first, second = power_f64(half), power_f64((n - (half - BIASED_F64)) + BIASED_F64)
    # What the sums p and 1 + e have lost is put back, to first order; 1 / (1 + e) is q or 1 - q.  Without it: 2.4 ULP.
    e, rest = p * first * second, ((ONE_F64 - p) + t) * first * second
    d = ONE_F64 + e
    q = select(x < ZERO_F64, e, ONE_F64) / d
    lost = ((ONE_F64 - d) + e) + rest
    return q + (select(x < ZERO_F64, rest, ZERO_F64) - q * lost) * select(x < ZERO_F64, ONE_F64 - q, q)


def softplus_f64(x):
    """Return log(1 + exp(x)) = max(x, 0) + log1p(e), e = exp(-|x|).

    log1p(e) = v + v**3 q(v**2) with v = e / (1 + e/2) = e - t: subtracting from e keeps t's rounding error small.
    """
    c = LOG1P_UNIT_F64
    e = exp_f64(-abs(x))
    h = HALF_F64 * e
    t = e * h / (ONE_F64 + h)
    v = e - t
    y = v * v
    q = c[8] + y * c[9]
    q = c[4] + y * (c[5] + y * (c[6] + y * (c[7] + y * q)))
    q = c[0] + y * (c[1] + y * (c[2] + y * (c[3] + y * q)))
    return select(x < ZERO_F64, ZERO_F64, x) + (e - (t - v * (y * q)))


def erf_f64(x):
    """Return erf(x): a polynomial up to 1, 1 - exp(-polynomial) beyond."""
    a = abs(x)
    a = select(a > ERF_MAX_F64, ERF_MAX_F64, a)
    z = a * a
    c = ERF_SMALL_F64
    small = c[8] + z * (c[9] + z * (c[10] + z * c[11]))
    small = c[4] + z * (c[5] + z * (c[6] + z * (c[7] + z * small)))
    small = c[0] + z * (c[1] + z * (c[2] + z * (c[3] + z * small)))
    t = a - ONE_F64
    c = ERF_LARGE_F64
    p = c[16] + t * c[17]
    p = c[12] + t * (c[13] + t * (c[14] + t * (c[15] + t * p)))
    p = c[8] + t * (c[9] + t * (c[10] + t * (c[11] + t * p)))
    p = c[4] + t * (c[5] + t * (c[6] + t * (c[7] + t * p)))
    p = c[0] + t * (c[1] + t * (c[2] + t * (c[3] + t * p)))
    n = octaves_f64(-p)
    large = ONE_F64 - exp_unscaled_f64(-p, n) * power_f64(n + BIASED_F64)
    y = select(a < ONE_F64, a + a * small, large)
    return from_bits_f64(bits_f64(y) | (bits_f64(x) & SIGN_F64))


# What a jitting backend registers: the helpers and the twins, in the order of their use.  With Numba by
# ``register_jitable(forceinline=True)``, under loops with ``error_model="numpy"``: erf_f64 is above LLVM's threshold
# for inlining (27 ns an element instead of 3.6), and Python's check for a zero divisor keeps a loop from vectorising
# (tanh_f32 6 ns instead of 0.46).
SCALARS = (
    bits_f32,
    from_bits_f32,
    power_f32,
    octaves_f32,
    exp_rest_f32,
    exp_unscaled_f32,
    exp_f32,
    half_expm1_f32,
    expm1_f32,
    log_reduced_f32,
    log_f32,
    log1p_f32,
    tanh_f32,
    sigmoid_f32,
    softplus_f32,
    erf_f32,
    bits_f64,
    from_bits_f64,
    power_f64,
    octaves_f64,
    exp_rest_f64,
    exp_unscaled_f64,
    exp_f64,
    half_expm1_f64,
    expm1_f64,
    log_reduced_f64,
    log_f64,
    log1p_f64,
    tanh_f64,
    sigmoid_f64,
    softplus_f64,
    erf_f64,
)

"""The cumulative distribution of the standard normal distribution, for gelu; ``c/normal.h`` is its twin.

    Phi(x) = (1 + erf(x / sqrt 2)) / 2

Written with erf, the lower tail cancels: at x = -6 no digit of float32 is left.  Here

    Phi(-a) = exp(-a^2 / 2) P(t) / (a + K),    t = (a - K) / (a + K),    a >= 0;    Phi(a) = 1 - Phi(-a)

with one polynomial for all a, because (a + K) Phi(-a) exp(a^2 / 2) is smooth in t up to infinity (t = 1), and with the
rounding error of a^2, which would grow with a^2, computed from the two halves of a and put back.

Largest error in units in the last place, for both homes (measured in brackets; the bound is what the test enforces):
float32 5.5 [4.8], float64 7.0 [6.0].  Subnormal results are rounded, not flushed; NaN gives NaN, -inf 0, inf 1.

Polynomials by Remez exchange, weighted for relative error, as in elementary.py.

References
----------
M. M. Shepherd and J. G. Laframboise, Math. Comp. 36 (1981) 249-253: the variable t.
"""

import numpy as np

from .elementary import (
    HALF_F32,
    HALF_F64,
    ONE_F32,
    ONE_F64,
    ZERO_F32,
    ZERO_F64,
    bits_f32,
    bits_f64,
    exp_f32,
    exp_f64,
    from_bits_f32,
    from_bits_f64,
    select,
)


def normal_cdf(x):
    """Return the normal distribution at x: float32 for float32, float64 for anything else."""
    x = np.asarray(x)
    return normal_cdf_f32(x) if x.dtype == np.float32 else normal_cdf_f64(np.asarray(x, dtype=np.float64))


MAX_F32 = np.float32(14.5)  # rounds to 0
SPLIT_F32 = np.float32(4)  # K
HIGH_F32 = np.uint32(0xFFFFF000)  # the upper half of a: its square is exact
# (a + K) Phi(-a) exp(a**2 / 2) in t, 0 <= a <= 14.4: degree 9, relative error 2**-26.8
TAIL_F32 = (
    np.float32(0.755285144),
    np.float32(-0.607896566),
    np.float32(0.387136906),
    np.float32(-0.186523393),
    np.float32(0.0604038984),
    np.float32(-0.00752554741),
    np.float32(-0.00351304491),
    np.float32(0.00157027098),
    np.float32(0.000180373609),
    np.float32(-0.000131492954),
)


def normal_cdf_f32(x):
    """Return the normal distribution at x."""
    a = abs(x)
    a = select(a > MAX_F32, MAX_F32, a)
    high = from_bits_f32(bits_f32(a) & HIGH_F32)
    square = a * a
    error = (high * high - square) + (a - high) * (a + high)
    e = exp_f32(-HALF_F32 * square)
    quotient = ONE_F32 / (a + SPLIT_F32)
    t = (a - SPLIT_F32) * quotient
    c = TAIL_F32
    p = c[9]
    p = c[5] + t * (c[6] + t * (c[7] + t * (c[8] + t * p)))
    p = c[1] + t * (c[2] + t * (c[3] + t * (c[4] + t * p)))
    p = c[0] + t * p
    tail = (e - e * (HALF_F32 * error)) * (quotient * p)
    return select(x > ZERO_F32, ONE_F32 - tail, tail)


MAX_F64 = np.float64(38.7)  # rounds to 0
SPLIT_F64 = np.float64(5)  # K
HIGH_F64 = np.uint64(0xFFFFFFFFF8000000)  # the upper half of a: its square is exact
# (a + K) Phi(-a) exp(a**2 / 2) in t, 0 <= a <= 38.7: degree 22, relative error 2**-57.3
TAIL_F64 = (
    np.float64(0.769193049750063),
    np.float64(-0.6653825028900567),
    np.float64(0.49530561596997724),
    np.float64(-0.3135331566712963),
    np.float64(0.1650203661703397),
    np.float64(-0.06911863870656697),
    np.float64(0.020795066800789255),
    np.float64(-0.0029933767667626367),
    np.float64(-0.0007978694074916443),
    np.float64(0.000544899033991814),
    np.float64(-5.93756779360262e-05),
    np.float64(-4.9762658739710047e-05),
    np.float64(1.6681052608152262e-05),
    np.float64(3.9803998971039004e-06),
    np.float64(-2.7689770316057915e-06),
    np.float64(-3.3557486420377897e-07),
    np.float64(4.329131544541939e-07),
    np.float64(4.0937083097261526e-08),
    np.float64(-6.602436345704207e-08),
    np.float64(-8.341864941503851e-09),
    np.float64(7.935757724664127e-09),
    np.float64(1.4485730603434256e-09),
    np.float64(-2.9647320806666466e-10),
)


def normal_cdf_f64(x):
    """Return the normal distribution at x."""
    a = abs(x)
    a = select(a > MAX_F64, MAX_F64, a)
    high = from_bits_f64(bits_f64(a) & HIGH_F64)
    square = a * a
    error = (high * high - square) + (a - high) * (a + high)
    e = exp_f64(-HALF_F64 * square)
    quotient = ONE_F64 / (a + SPLIT_F64)
    t = (a - SPLIT_F64) * quotient
    c = TAIL_F64
    p = c[22]
    p = c[18] + t * (c[19] + t * (c[20] + t * (c[21] + t * p)))
    p = c[14] + t * (c[15] + t * (c[16] + t * (c[17] + t * p)))
    p = c[10] + t * (c[11] + t * (c[12] + t * (c[13] + t * p)))
    p = c[6] + t * (c[7] + t * (c[8] + t * (c[9] + t * p)))
    p = c[2] + t * (c[3] + t * (c[4] + t * (c[5] + t * p)))
    p = c[0] + t * (c[1] + t * p)
    tail = (e - e * (HALF_F64 * error)) * (quotient * p)
    return select(x > ZERO_F64, ONE_F64 - tail, tail)


SCALARS = (normal_cdf_f32, normal_cdf_f64)  # what a jitting backend registers, as in elementary.py

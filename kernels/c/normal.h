/* normal.h: the cumulative distribution of the standard normal distribution, as in normal.py, where the method is told.
 *
 *     Phi(x) = (1 + erf(x / sqrt 2)) / 2, with a small relative error in the lower tail too, down to subnormals.
 */
#ifndef FASTNN_NORMAL_H
#define FASTNN_NORMAL_H

#include "elementary.h"

EL_INLINE float normal_cdf_f32(float x)
{
    float a = el_abs_f32(x);
    a = a > 14.5f ? 14.5f : a; /* rounds to 0 */
    const float high = el_from_bits_f32(el_bits_f32(a) & UINT32_C(0xfffff000)), low = a - high, square = a * a;
    const float error = (high * high - square) + low * (a + high);
    const float e = exp_f32(-0.5f * square);
    const float quotient = 1.0f / (a + 4.0f), t = (a - 4.0f) * quotient;
    float p = -0.000131492954f;
    p = 0.000180373609f + t * p;
    p = 0.00157027098f + t * p;
    p = -0.00351304491f + t * p;
    p = -0.00752554741f + t * p;
    p = 0.0604038984f + t * p;
    p = -0.186523393f + t * p;
    p = 0.387136906f + t * p;
    p = -0.607896566f + t * p;
    p = 0.755285144f + t * p;
    const float tail = (e - e * (0.5f * error)) * (quotient * p);
    return x > 0.0f ? 1.0f - tail : tail;
}

EL_INLINE double normal_cdf_f64(double x)
{
    double a = el_abs_f64(x);
    a = a > 38.7 ? 38.7 : a; /* rounds to 0 */
    const double high = el_from_bits_f64(el_bits_f64(a) & UINT64_C(0xfffffffff8000000)), low = a - high, square = a * a;
    const double error = (high * high - square) + low * (a + high);
    const double e = exp_f64(-0.5 * square);
    const double quotient = 1.0 / (a + 5.0), t = (a - 5.0) * quotient;
    double p = -2.9647320806666466e-10;
    p = 1.4485730603434256e-09 + t * p;
    p = 7.935757724664127e-09 + t * p;
    p = -8.341864941503851e-09 + t * p;
    p = -6.602436345704207e-08 + t * p;
    p = 4.0937083097261526e-08 + t * p;
    p = 4.329131544541939e-07 + t * p;
    p = -3.3557486420377897e-07 + t * p;
    p = -2.7689770316057915e-06 + t * p;
    p = 3.9803998971039004e-06 + t * p;
    p = 1.6681052608152262e-05 + t * p;
    p = -4.9762658739710047e-05 + t * p;
    p = -5.93756779360262e-05 + t * p;
    p = 0.000544899033991814 + t * p;
    p = -0.0007978694074916443 + t * p;
    p = -0.0029933767667626367 + t * p;
    p = 0.020795066800789255 + t * p;
    p = -0.06911863870656697 + t * p;
    p = 0.1650203661703397 + t * p;
    p = -0.3135331566712963 + t * p;
    p = 0.49530561596997724 + t * p;
    p = -0.6653825028900567 + t * p;
    p = 0.769193049750063 + t * p;
    const double tail = (e - e * (0.5 * error)) * (quotient * p);
    return x > 0.0 ? 1.0 - tail : tail;
}

#endif

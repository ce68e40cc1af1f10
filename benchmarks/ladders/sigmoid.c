/* sigmoid.c: y = 1 / (1 + exp(-x)), version by version, to within a few units in the last place. */
#include "ladder.h"

static const float LOG2E = 1.44269504f, LN2_HI = 0.693359375f, LN2_LO = -2.12194440e-4f;

/* 1: libm's exp, one number at a time. */
static void sigmoid_1(i64 n, const float *x, float *y)
{
    for (i64 i = 0; i < n; i++)
        y[i] = 1 / (1 + expf(-x[i]));
}

/* 2: a table of 4096 values and a straight line between them: no exp and no division. */
#define STEPS 4096
#define SPAN 16.0f
static float table[STEPS + 2];

static void sigmoid_2(i64 n, const float *x, float *y)
{
    if (table[STEPS] == 0)
        for (int i = 0; i <= STEPS + 1; i++)
            table[i] = (float)(1 / (1 + exp(-(i * 2.0 * SPAN / STEPS - SPAN))));
    for (i64 i = 0; i < n; i++) {
        float t = (x[i] + SPAN) * (STEPS / (2 * SPAN));
        t = t < 0 ? 0 : t > STEPS ? STEPS : t;
        const int at = (int)t;
        y[i] = table[at] + (t - (float)at) * (table[at + 1] - table[at]);
    }
}

/* exp(x) = 2^k p(r), k = round(x / ln 2), r = x - k ln 2: Taylor to the sixth power on |r| <= ln 2 / 2. */
#define EXP(real, integer, x, round_to, to_integer) \
    real t = x * LOG2E, k = round_to(t), r = x - k * LN2_HI - k * LN2_LO; \
    real p = 1.0f / 720 + 0 * r; \
    p = p * r + 1.0f / 120; \
    p = p * r + 1.0f / 24; \
    p = p * r + 1.0f / 6; \
    p = p * r + 0.5f; \
    p = p * r + 1.0f; \
    p = p * r + 1.0f; \
    integer bits = (to_integer(k) + 127) << 23; \
    real scale; \
    memcpy(&scale, &bits, sizeof scale); \
    p *= scale;

/* Adding 1.5 2^23 leaves a whole number in the low bits: rounding without a call, in a register too. */
#define ROUND(t) (((t) + 12582912.0f) - 12582912.0f)

static inline float clamp(float x) { return x < -87 ? -87 : x > 87 ? 87 : x; }

/* 3: a polynomial in place of libm's exp, still one number at a time. */
#define TO_INT(k) ((int32_t)(k))
static void sigmoid_3(i64 n, const float *x, float *y)
{
    for (i64 i = 0; i < n; i++) {
        const float z = clamp(-x[i]);
        EXP(float, int32_t, z, ROUND, TO_INT)
        y[i] = 1 / (1 + p);
    }
}

static inline vec clamp_vec(vec x)
{
    x = (vec)(((x < -87.0f) & (ints)((vec){0} - 87.0f)) | (~(x < -87.0f) & (ints)x));
    return (vec)(((x > 87.0f) & (ints)((vec){0} + 87.0f)) | (~(x > 87.0f) & (ints)x));
}

#define TO_INTS(k) __builtin_convertvector(k, ints)
static inline vec sigmoid_vec(vec x)
{
    const vec z = clamp_vec(-x);
    EXP(vec, ints, z, ROUND, TO_INTS)
    return 1 / (1 + p);
}

/* 4: the same polynomial in a register of numbers: it has no branch, so nothing else changes. */
static void sigmoid_4(i64 n, const float *x, float *y)
{
    i64 i = 0;
    for (; i + VL <= n; i += VL)
        store(y + i, sigmoid_vec(load(x + i)));
    sigmoid_3(n - i, x + i, y + i);
}

/* 5: four registers at a time, so that one polynomial's multiply-adds fill the wait of another's. */
static void sigmoid_5(i64 n, const float *x, float *y)
{
    i64 i = 0;
    for (; i + 4 * VL <= n; i += 4 * VL) {
        const vec a = sigmoid_vec(load(x + i)), b = sigmoid_vec(load(x + i + VL));
        const vec c = sigmoid_vec(load(x + i + 2 * VL)), d = sigmoid_vec(load(x + i + 3 * VL));
        store(y + i, a);
        store(y + i + VL, b);
        store(y + i + 2 * VL, c);
        store(y + i + 3 * VL, d);
    }
    sigmoid_4(n - i, x + i, y + i);
}

typedef void (*version)(i64, const float *, float *);
static const version versions[] = {sigmoid_1, sigmoid_2, sigmoid_3, sigmoid_4, sigmoid_5};

/* Seconds of `calls` calls of a version, counted from 1. */
double run(int number, i64 calls, i64 n, const float *x, float *y)
{
    const double began = seconds_now();
    for (i64 i = 0; i < calls; i++) {
        versions[number - 1](n, x, y);
        __asm__ volatile("" : : "r"(y) : "memory"); /* every call is to be done */
    }
    return seconds_now() - began;
}

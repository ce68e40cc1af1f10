/* dot.c: the dot product, version by version.  n is a multiple of nothing; every version takes care of the rest. */
#include <pthread.h>

#include "ladder.h"

/* 1: the loop as one writes it.  Each addition waits for the last one: 4 cycles for one number. */
static double dot_1(i64 n, const float *x, const float *y)
{
    float total = 0;
    for (i64 i = 0; i < n; i++)
        total += x[i] * y[i];
    return total;
}

/* 2: four accumulators, so that four additions are under way at once. */
static double dot_2(i64 n, const float *x, const float *y)
{
    float a = 0, b = 0, c = 0, d = 0;
    i64 i = 0;
    for (; i + 4 <= n; i += 4) {
        a += x[i] * y[i];
        b += x[i + 1] * y[i + 1];
        c += x[i + 2] * y[i + 2];
        d += x[i + 3] * y[i + 3];
    }
    return (a + b) + (c + d) + dot_1(n - i, x + i, y + i);
}

/* 3: one register of numbers: as many lanes at once, but again one chain of additions. */
static double dot_3(i64 n, const float *x, const float *y)
{
    vec a = {0};
    i64 i = 0;
    for (; i + VL <= n; i += VL)
        a += load(x + i) * load(y + i);
    return sum_lanes(a) + dot_1(n - i, x + i, y + i);
}

/* 4: eight registers: the lanes of 3 and the chains of 2. */
static double dot_4(i64 n, const float *x, const float *y)
{
    vec a[8];
    i64 i = 0;
    for (int j = 0; j < 8; j++)
        a[j] = (vec){0};
    for (; i + 8 * VL <= n; i += 8 * VL)
        for (int j = 0; j < 8; j++)
            a[j] += load(x + i + j * VL) * load(y + i + j * VL);
    return sum_lanes(((a[0] + a[1]) + (a[2] + a[3])) + ((a[4] + a[5]) + (a[6] + a[7]))) + dot_1(n - i, x + i, y + i);
}

/* 5: ask for what comes 1 KB later, so that memory need not be waited for. */
static double dot_5(i64 n, const float *x, const float *y)
{
    vec a[8];
    i64 i = 0;
    for (int j = 0; j < 8; j++)
        a[j] = (vec){0};
    for (; i + 8 * VL <= n; i += 8 * VL)
        for (int j = 0; j < 8; j++) {
            __builtin_prefetch(x + i + j * VL + 256);
            __builtin_prefetch(y + i + j * VL + 256);
            a[j] += load(x + i + j * VL) * load(y + i + j * VL);
        }
    return sum_lanes(((a[0] + a[1]) + (a[2] + a[3])) + ((a[4] + a[5]) + (a[6] + a[7]))) + dot_1(n - i, x + i, y + i);
}

/* 6: two halves on two threads, the second one made for the call. */
typedef struct {
    i64 n;
    const float *x, *y;
    double result;
} half;

static void *work(void *given)
{
    half *h = given;
    h->result = dot_4(h->n, h->x, h->y);
    return NULL;
}

static double dot_6(i64 n, const float *x, const float *y)
{
    half second = {n - n / 2, x + n / 2, y + n / 2, 0};
    pthread_t thread;
    if (pthread_create(&thread, NULL, work, &second))
        return dot_4(n, x, y);
    double first = dot_4(n / 2, x, y);
    pthread_join(thread, NULL);
    return first + second.result;
}

typedef double (*version)(i64, const float *, const float *);
static const version versions[] = {dot_1, dot_2, dot_3, dot_4, dot_5, dot_6};

/* Seconds of `calls` calls of a version, counted from 1; the sum to *result. */
double run(int number, i64 calls, i64 n, const float *x, const float *y, double *result)
{
    const double began = seconds_now();
    for (i64 i = 0; i < calls; i++) {
        *result = versions[number - 1](n, x, y);
        __asm__ volatile("" : : "r"(result) : "memory"); /* every call is to be done */
    }
    return seconds_now() - began;
}

/* select.c: which tables this processor can run, and the scalars of an update.
 *
 * Compiled once, with the flags of the lowest target and -DFNN_HAVE_<target> for each kernels.dispatch.o in the build.
 * Keeps no state: every call asks the processor again, which costs a microsecond at import and is never in a loop.
 */
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "kernels.h"

#define FNN_UPDATES_PREPARE
#include "updates.h"

#if defined(__x86_64__) || defined(_M_X64)
#define FNN_X86 1
#if defined(_MSC_VER) && !defined(__clang__)
#include <immintrin.h>
#include <intrin.h>
#else
#include <cpuid.h>
#endif
#else
#define FNN_X86 0
#endif

/* ---- what the processor and the operating system support: the level of x86-64-v<level> */

#if FNN_X86

typedef struct {
    unsigned a, b, c, d;
} registers;

static registers cpuid(unsigned leaf)
{
    registers r = {0, 0, 0, 0};
#if defined(_MSC_VER) && !defined(__clang__)
    int v[4];
    __cpuid(v, (int)(leaf & 0x80000000u));
    if ((unsigned)v[0] >= leaf) {
        __cpuidex(v, (int)leaf, 0);
        r = (registers){(unsigned)v[0], (unsigned)v[1], (unsigned)v[2], (unsigned)v[3]};
    }
#else
    __get_cpuid_count(leaf, 0, &r.a, &r.b, &r.c, &r.d); /* leaves zeros where there is no such leaf */
#endif
    return r;
}

/* The register sets that the operating system saves (XCR0); call only where OSXSAVE is set. */
static unsigned saved_state(void)
{
#if defined(_MSC_VER) && !defined(__clang__)
    return (unsigned)_xgetbv(0);
#else
    unsigned low, high;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
#endif
}

static int has(unsigned word, unsigned bits) { return (word & bits) == bits; }

static int level(void)
{
    /* leaf 1, ecx */
    enum { SSE3 = 1, SSSE3 = 1 << 9, FMA = 1 << 12, SSE41 = 1 << 19, SSE42 = 1 << 20, MOVBE = 1 << 22 };
    enum { POPCNT = 1 << 23, OSXSAVE = 1 << 27, AVX = 1 << 28, F16C = 1 << 29 };
    /* leaf 7, ebx */
    enum { BMI1 = 1 << 3, AVX2 = 1 << 5, BMI2 = 1 << 8, AVX512F = 1 << 16, AVX512DQ = 1 << 17 };
    enum { AVX512CD = 1 << 28, AVX512BW = 1 << 30 };
    const unsigned AVX512VL = 1u << 31;
    enum { LZCNT = 1 << 5 };                     /* leaf 0x80000001, ecx */
    enum { YMM_STATE = 0x06, ZMM_STATE = 0xe6 }; /* XCR0 */
    const unsigned one = cpuid(1).c, seven = cpuid(7).b;
    if (!has(one, SSE3 | SSSE3 | SSE41 | SSE42 | POPCNT))
        return 1;
    if (!has(one, FMA | MOVBE | OSXSAVE | AVX | F16C) || !has(seven, BMI1 | AVX2 | BMI2)
        || !has(cpuid(0x80000001u).c, LZCNT) || !has(saved_state(), YMM_STATE))
        return 2;
    if (!has(seven, AVX512F | AVX512DQ | AVX512CD | AVX512BW) || !has(seven, AVX512VL)
        || !has(saved_state(), ZMM_STATE))
        return 3;
    return 4;
}

#else

static int level(void) { return 1; }

#endif

/* ---- the tables of this build, best first */

#define TARGETS_OF(name) \
    extern const fnn_kernels fnn_kernels_f32_##name, fnn_kernels_f64_##name;
#ifdef FNN_HAVE_v4
TARGETS_OF(v4)
#endif
#ifdef FNN_HAVE_v3
TARGETS_OF(v3)
#endif
#ifdef FNN_HAVE_v2
TARGETS_OF(v2)
#endif
#ifdef FNN_HAVE_baseline
TARGETS_OF(baseline)
#endif

/* Each level contains the ones below it, so what a processor has is a tail of these lists. */
static const char *const names[] = {
#ifdef FNN_HAVE_v4
    "v4",
#endif
#ifdef FNN_HAVE_v3
    "v3",
#endif
#ifdef FNN_HAVE_v2
    "v2",
#endif
#ifdef FNN_HAVE_baseline
    "baseline",
#endif
    NULL,
};

#define ENTRY(name, needs) {needs, {&fnn_kernels_f32_##name, &fnn_kernels_f64_##name}},
static const struct {
    int needs;
    const fnn_kernels *tables[2];
} entries[] = {
#ifdef FNN_HAVE_v4
    ENTRY(v4, 4)
#endif
#ifdef FNN_HAVE_v3
    ENTRY(v3, 3)
#endif
#ifdef FNN_HAVE_v2
    ENTRY(v2, 2)
#endif
#ifdef FNN_HAVE_baseline
    ENTRY(baseline, 1)
#endif
    {0, {NULL, NULL}},
};

static int best(void)
{
    const int have = level();
    int i = 0;
    while (names[i] && entries[i].needs > have)
        i++;
    return i;
}

const char *const *fnn_targets(void) { return names + best(); }

const fnn_kernels *fnn_select(const char *target, int is_double)
{
    for (int i = best(); names[i]; i++)
        if (!target || !*target || strcmp(target, names[i]) == 0)
            return entries[i].tables[is_double != 0];
    return NULL;
}

/* ---- updates */

void fnn_prepare(int rule, const double *hyper, i64 t, double *scalars, double *decay)
{
    *decay = 1.0 - hyper[FNN_LR] * hyper[FNN_DECAY];
    switch (rule) {
#define ROW(code, name, prepare, slots, lanes) \
    case code: \
        prepare_##prepare(hyper, t + 1, scalars); \
        break;
        FNN_UPDATES(ROW)
#undef ROW
    }
}

/* simd.h: one dtype and one vector register of the CPU target that this file is compiled for.
 *
 * Included once per dtype, with FNN_BITS 32 or 64, ahead of the headers that are templates over it.  It defines
 *
 *     real, FN(name)     the dtype, and name_f32 or name_f64
 *     vec, VL            a register of VL reals; + - * / work on it
 *     wide, WL           a register of WL doubles, for sums
 *     load, store, load_part, store_part, spread, sum_lanes ...
 *
 * Vectors are GCC's and clang's vector extensions: AVX-512, AVX2, SSE or NEON by the flags of the target.  Elsewhere
 * (MSVC) a "vector" is one number, and the same code is plain loops.  The lanes of a sum, and so its bits, depend on
 * the target alone, never on an address.
 */
#ifndef FASTNN_SIMD_H
#define FASTNN_SIMD_H

#include <math.h> /* sqrt, for compilers without __builtin_sqrt */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "kernels.h"

#if defined(__GNUC__) || defined(__clang__)
#define FNN_INLINE static inline __attribute__((always_inline, unused))
#define FNN_FUNCTION static __attribute__((noinline, unused))
#define FNN_RESTRICT __restrict__
#define FNN_PREFETCH(p) __builtin_prefetch(p)
#define FNN_PREFETCH_L2(p) __builtin_prefetch(p, 0, 2)
#define FNN_OPAQUE(p) __asm__ volatile("" : "+r"(p))
#define FNN_ALIGN(n) __attribute__((aligned(n)))
#else
#define FNN_INLINE static inline
#define FNN_FUNCTION static
#define FNN_RESTRICT __restrict
#define FNN_PREFETCH(p) ((void)(p))
#define FNN_PREFETCH_L2(p) ((void)(p))
#define FNN_OPAQUE(p) ((void)0)
#define FNN_ALIGN(n) __declspec(align(n))
#endif

/* FNN_OPAQUE: the compiler forgets what it knows of a pointer, and so adds constants to it where it is used: GCC would
 * rather spread the sums over more registers than there are (a slab: 98 GFLOP/s against 114).
 *
 * The loop that follows carries nothing from one turn to the next: its arrays are the same array or do not overlap.
 * FNN_UNROLL: a short loop of constant length, to be written out. */
#if defined(__clang__)
#define FNN_FREE_LOOP _Pragma("clang loop vectorize(assume_safety)")
#define FNN_UNROLL _Pragma("clang loop unroll(full)")
#elif defined(__GNUC__)
#define FNN_FREE_LOOP _Pragma("GCC ivdep")
#define FNN_UNROLL _Pragma("GCC unroll 16")
#else
#define FNN_FREE_LOOP
#define FNN_UNROLL
#endif

#if !defined(__GNUC__) || defined(FNN_SCALAR) /* FNN_SCALAR: what MSVC gets, for the tests */
#define FNN_VECTOR_BYTES 0
#elif defined(__AVX512F__) && defined(__AVX512VL__)
#define FNN_VECTOR_BYTES 64
#elif defined(__AVX2__) && defined(__FMA__)
#define FNN_VECTOR_BYTES 32
#else
#define FNN_VECTOR_BYTES 16 /* SSE, NEON, or what the compiler makes of it */
#endif

#if FNN_VECTOR_BYTES >= 32
#include <immintrin.h>
#endif

#define FNN_PASTE_(a, b) a##b
#define FNN_PASTE(a, b) FNN_PASTE_(a, b)

#endif /* once */

#undef real
#undef FNN_SUFFIX
#undef VL
#undef WL
#if FNN_BITS == 32
#define real float
#define FNN_SUFFIX _f32
#else
#define real double
#define FNN_SUFFIX _f64
#endif
#define FN(name) FNN_PASTE(name, FNN_SUFFIX)
#define vec FN(vec)
#define half_vec FN(half_vec)
#define wide FN(wide)
#define REAL(number) ((real)(number))

/* vec_at, half_at: the same registers at any address, aliasing any array */
#if FNN_VECTOR_BYTES
#define VL (FNN_VECTOR_BYTES / (FNN_BITS / 8))
#define WL (FNN_VECTOR_BYTES / 8)
typedef real vec __attribute__((vector_size(FNN_VECTOR_BYTES)));
typedef real FN(vec_at) __attribute__((vector_size(FNN_VECTOR_BYTES), aligned(FNN_BITS / 8), may_alias));
typedef double wide __attribute__((vector_size(FNN_VECTOR_BYTES)));
typedef real FN(wide_at) __attribute__((vector_size(WL * FNN_BITS / 8), aligned(FNN_BITS / 8), may_alias));
FNN_INLINE vec FN(load)(const real *p) { return *(const FN(vec_at) *)p; }
FNN_INLINE void FN(store)(real *p, vec v) { *(FN(vec_at) *)p = v; }
FNN_INLINE vec FN(spread)(real x) { return x - (vec){0}; }
FNN_INLINE wide FN(load_wide)(const real *p) { return __builtin_convertvector(*(const FN(wide_at) *)p, wide); }
#else
#define VL 1
#define WL 1
typedef real vec;
typedef double wide;
FNN_INLINE vec FN(load)(const real *p) { return *p; }
FNN_INLINE void FN(store)(real *p, vec v) { *p = v; }
FNN_INLINE vec FN(spread)(real x) { return x; }
FNN_INLINE wide FN(load_wide)(const real *p) { return *p; }
#endif

/* The first `count` lanes, 0 < count <= VL; load_part gives 0 in the others.  Nothing beyond them is touched. */
#if FNN_VECTOR_BYTES == 64
#if FNN_BITS == 32
typedef __mmask16 FN(part);
FNN_INLINE FN(part) FN(first)(int count) { return (__mmask16)((1u << count) - 1); }
FNN_INLINE vec FN(load_part)(const real *p, FN(part) m) { return (vec)_mm512_maskz_loadu_ps(m, p); }
FNN_INLINE void FN(store_part)(real *p, vec v, FN(part) m) { _mm512_mask_storeu_ps(p, m, (__m512)v); }
#else
typedef __mmask8 FN(part);
FNN_INLINE FN(part) FN(first)(int count) { return (__mmask8)((1u << count) - 1); }
FNN_INLINE vec FN(load_part)(const real *p, FN(part) m) { return (vec)_mm512_maskz_loadu_pd(m, p); }
FNN_INLINE void FN(store_part)(real *p, vec v, FN(part) m) { _mm512_mask_storeu_pd(p, m, (__m512d)v); }
#endif
#elif FNN_VECTOR_BYTES == 32
typedef __m256i FN(part);
#if FNN_BITS == 32
FNN_INLINE FN(part) FN(first)(int count)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
FNN_INLINE vec FN(load_part)(const real *p, FN(part) m) { return (vec)_mm256_maskload_ps(p, m); }
FNN_INLINE void FN(store_part)(real *p, vec v, FN(part) m) { _mm256_maskstore_ps(p, m, (__m256)v); }
#else
FNN_INLINE FN(part) FN(first)(int count)
{
    return _mm256_cmpgt_epi64(_mm256_set1_epi64x(count), _mm256_setr_epi64x(0, 1, 2, 3));
}
FNN_INLINE vec FN(load_part)(const real *p, FN(part) m) { return (vec)_mm256_maskload_pd(p, m); }
FNN_INLINE void FN(store_part)(real *p, vec v, FN(part) m) { _mm256_maskstore_pd(p, m, (__m256d)v); }
#endif
#elif FNN_VECTOR_BYTES == 16
typedef int FN(part);
FNN_INLINE FN(part) FN(first)(int count) { return count; }
FNN_INLINE vec FN(load_part)(const real *p, FN(part) count)
{
    if (count == VL)
        return FN(load)(p);
#if FNN_BITS == 32
    return count == 1 ? (vec){p[0], 0, 0, 0} : count == 2 ? (vec){p[0], p[1], 0, 0} : (vec){p[0], p[1], p[2], 0};
#else
    return (vec){p[0], 0};
#endif
}
FNN_INLINE void FN(store_part)(real *p, vec v, FN(part) count)
{
    if (count == VL) {
        FN(store)(p, v);
        return;
    }
    p[0] = v[0];
#if FNN_BITS == 32
    if (count > 1)
        p[1] = v[1];
    if (count > 2)
        p[2] = v[2];
#endif
}
#else
typedef int FN(part);
FNN_INLINE FN(part) FN(first)(int count) { return count; }
FNN_INLINE vec FN(load_part)(const real *p, FN(part) count) { return (void)count, *p; }
FNN_INLINE void FN(store_part)(real *p, vec v, FN(part) count) { (void)count, *p = v; }
#endif

/* Transpose VL x VL numbers: log2(VL) rounds, each zips register i with register i + VL/2. */
#if FNN_VECTOR_BYTES && defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector)
#define FNN_TRANSPOSE 1
#if FNN_VECTOR_BYTES * 8 / FNN_BITS == 16
#define FNN_ZIP_LOW 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define FNN_ZIP_HIGH 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#elif FNN_VECTOR_BYTES * 8 / FNN_BITS == 8
#define FNN_ZIP_LOW 0, 8, 1, 9, 2, 10, 3, 11
#define FNN_ZIP_HIGH 4, 12, 5, 13, 6, 14, 7, 15
#elif FNN_VECTOR_BYTES * 8 / FNN_BITS == 4
#define FNN_ZIP_LOW 0, 4, 1, 5
#define FNN_ZIP_HIGH 2, 6, 3, 7
#else
#define FNN_ZIP_LOW 0, 2
#define FNN_ZIP_HIGH 1, 3
#endif
FNN_INLINE void FN(zip)(const vec *x, vec *y, const int count)
{
    FNN_UNROLL
    for (int i = 0; i < count / 2; i++) {
        y[2 * i] = __builtin_shufflevector(x[i], x[i + count / 2], FNN_ZIP_LOW);
        y[2 * i + 1] = __builtin_shufflevector(x[i], x[i + count / 2], FNN_ZIP_HIGH);
    }
}
/* lanes 2 l: a_l + a_(l + VL/2); lanes 2 l + 1: the same of b */
FNN_INLINE vec FN(zip_add)(vec a, vec b)
{
    return __builtin_shufflevector(a, b, FNN_ZIP_LOW) + __builtin_shufflevector(a, b, FNN_ZIP_HIGH);
}
FNN_INLINE void FN(zip_round)(const vec *x, vec *y) { FN(zip)(x, y, VL); }
#undef FNN_ZIP_LOW
#undef FNN_ZIP_HIGH

/* out[c][p] = in[p][c], rows in_row and out_row apart */
FNN_INLINE void FN(transpose)(const real *in, i64 in_row, real *out, i64 out_row)
{
    vec x[VL], y[VL];
    FNN_UNROLL
    for (int i = 0; i < VL; i++)
        x[i] = FN(load)(in + i * in_row);
    FN(zip_round)(x, y);
    if (VL == 16 || VL == 4) { /* an even number of rounds ends in x */
        FN(zip_round)(y, x);
        if (VL == 16) {
            FN(zip_round)(x, y);
            FN(zip_round)(y, x);
        }
    } else if (VL == 8) {
        FN(zip_round)(y, x);
        FN(zip_round)(x, y);
    }
    FNN_UNROLL
    for (int i = 0; i < VL; i++)
        FN(store)(out + i * out_row, VL == 16 || VL == 4 ? x[i] : y[i]);
}
#endif
#endif

/* One instruction where -fno-math-errno is given, and vectorised as such. */
#ifdef __GNUC__
FNN_INLINE real FN(square_root)(real x)
{
    return FNN_BITS == 32 ? (real)__builtin_sqrtf((float)x) : (real)__builtin_sqrt(x);
}
#else
FNN_INLINE real FN(square_root)(real x) { return FNN_BITS == 32 ? (real)sqrtf((float)x) : (real)sqrt(x); }
#endif

/* The sum of the lanes, halves first: (v0 + v4) + (v2 + v6) ...; lengths are constants, no loop is left. */
#define FNN_FOLD(x, lanes, half) \
    if (lanes > half) \
        for (int i = 0; i < half; i++) \
            x[i] += x[i + half];

FNN_INLINE real FN(sum_lanes)(vec v)
{
    real x[16];
    memcpy(x, &v, sizeof v);
    FNN_FOLD(x, VL, 8)
    FNN_FOLD(x, VL, 4)
    FNN_FOLD(x, VL, 2)
    FNN_FOLD(x, VL, 1)
    return x[0];
}

FNN_INLINE double FN(sum_wide)(wide v)
{
    double x[8];
    memcpy(x, &v, sizeof v);
    FNN_FOLD(x, WL, 4)
    FNN_FOLD(x, WL, 2)
    FNN_FOLD(x, WL, 1)
    return x[0];
}
#undef FNN_FOLD

/* The larger of two in each lane, b where they are equal or one is a NaN. */
FNN_INLINE vec FN(larger)(vec a, vec b)
{
#if FNN_VECTOR_BYTES == 64 && FNN_BITS == 32
    return (vec)_mm512_max_ps((__m512)a, (__m512)b);
#elif FNN_VECTOR_BYTES == 64
    return (vec)_mm512_max_pd((__m512d)a, (__m512d)b);
#elif FNN_VECTOR_BYTES == 32 && FNN_BITS == 32
    return (vec)_mm256_max_ps((__m256)a, (__m256)b);
#elif FNN_VECTOR_BYTES == 32
    return (vec)_mm256_max_pd((__m256d)a, (__m256d)b);
#else
    real x[4], y[4];
    memcpy(x, &a, sizeof a);
    memcpy(y, &b, sizeof b);
    for (int i = 0; i < VL; i++)
        x[i] = x[i] > y[i] ? x[i] : y[i];
    memcpy(&a, x, sizeof a);
    return a;
#endif
}

/* act_relu and act_relu_df of activations.h on a register */
FNN_INLINE vec FN(relu)(vec x)
{
#if FNN_VECTOR_BYTES == 0
    return x < 0 ? 0 : x;
#elif FNN_VECTOR_BYTES == 16
    return (vec)(~(x < (vec){0}) & (__typeof__(x < (vec){0}))x);
#else
    return FN(larger)((vec){0}, x);
#endif
}
FNN_INLINE vec FN(relu_df)(vec y)
{
#if FNN_VECTOR_BYTES
    return (vec)((y > (vec){0}) & (__typeof__(y > (vec){0}))FN(spread)(1));
#else
    return y > 0 ? 1 : 0;
#endif
}

/* x, but at most the limit, in each lane; a NaN stays one (`cut` of loss.h on a register). */
FNN_INLINE vec FN(limited)(vec x, vec limit)
{
#if FNN_VECTOR_BYTES == 64 && FNN_BITS == 32
    return (vec)_mm512_min_ps((__m512)limit, (__m512)x); /* of two that are not comparable it gives the second */
#elif FNN_VECTOR_BYTES == 64
    return (vec)_mm512_min_pd((__m512d)limit, (__m512d)x);
#elif FNN_VECTOR_BYTES == 32 && FNN_BITS == 32
    return (vec)_mm256_min_ps((__m256)limit, (__m256)x);
#elif FNN_VECTOR_BYTES == 32
    return (vec)_mm256_min_pd((__m256d)limit, (__m256d)x);
#else
    real numbers[4], most[4];
    memcpy(numbers, &x, sizeof x);
    memcpy(most, &limit, sizeof limit);
    for (int i = 0; i < VL; i++)
        numbers[i] = numbers[i] > most[i] ? most[i] : numbers[i];
    memcpy(&x, numbers, sizeof x);
    return x;
#endif
}

/* sum_i x_i in double, in 4 WL lanes */
FNN_FUNCTION double FN(sum)(i64 n, const real *x)
{
    wide s0 = {0}, s1 = {0}, s2 = {0}, s3 = {0};
    i64 i = 0;
    for (; i + 4 * WL <= n; i += 4 * WL) {
        s0 += FN(load_wide)(x + i);
        s1 += FN(load_wide)(x + i + WL);
        s2 += FN(load_wide)(x + i + 2 * WL);
        s3 += FN(load_wide)(x + i + 3 * WL);
    }
    double total = i ? FN(sum_wide)((s0 + s1) + (s2 + s3)) : 0.0;
    for (; i < n; i++)
        total += x[i];
    return total;
}

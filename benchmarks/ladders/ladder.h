/* ladder.h: a register of floats as GCC and clang know it, and a clock. */
#include <math.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#if defined(__AVX512F__)
#define VECTOR_BYTES 64
#elif defined(__AVX2__)
#define VECTOR_BYTES 32
#else
#define VECTOR_BYTES 16
#endif
#define VL (VECTOR_BYTES / 4)

typedef int64_t i64;
typedef float vec __attribute__((vector_size(VECTOR_BYTES)));
typedef int32_t ints __attribute__((vector_size(VECTOR_BYTES)));
typedef float vec_at __attribute__((vector_size(VECTOR_BYTES), aligned(4), may_alias));

static inline vec load(const float *p) { return *(const vec_at *)p; }
static inline void store(float *p, vec v) { *(vec_at *)p = v; }
static inline float sum_lanes(vec v)
{
    float total = 0;
    for (int i = 0; i < VL; i++)
        total += v[i];
    return total;
}

static inline double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

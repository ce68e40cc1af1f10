/* atomics.h: words that threads share, and how a thread waits for one to change; for pool.c and team.c. */
#ifndef FASTNN_ATOMICS_H
#define FASTNN_ATOMICS_H

#include "kernels.h"

#define FNN_POOL_MOST 256 /* threads of a run: the tables are static */
#ifndef SPINS
#define SPINS 3000        /* pauses before a thread sleeps: 30-100 us, longer than the gaps inside a fit */
#endif
#define PATIENCE 8        /* pauses before a thread takes another's chunks: 0.1-0.3 us, longer than the way of a line */
#ifndef YIELD_EVERY
#define YIELD_EVERY 128   /* beside busy neighbours a fit on two threads took 76-111 ms with this, 137-218 ms without */
#endif

/* ---- on 64-bit words, sequentially consistent; `look` acquires only, and leaves the line where it is; `peek` neither */

#if defined(_MSC_VER) && !defined(__clang__)
#include <intrin.h>
typedef volatile i64 atomic_word;
static inline i64 load(atomic_word *a) { return _InterlockedOr64(a, 0); }
static inline i64 peek(atomic_word *a) { i64 value = *a; _ReadWriteBarrier(); return value; }
static inline i64 look(atomic_word *a)
{
    i64 value = peek(a);
#if defined(_M_ARM64)
    __dmb(_ARM64_BARRIER_ISH);
#endif
    return value;
}
static inline void store(atomic_word *a, i64 value) { _InterlockedExchange64(a, value); }
static inline void release(atomic_word *a, i64 value) { store(a, value); }
static inline i64 add(atomic_word *a, i64 value) { return _InterlockedExchangeAdd64(a, value) + value; }
static inline int swap_if(atomic_word *a, i64 *expected, i64 value)
{
    i64 seen = _InterlockedCompareExchange64(a, value, *expected);
    int done = seen == *expected;
    *expected = seen;
    return done;
}
#else
#include <stdatomic.h>
typedef _Atomic i64 atomic_word;
static inline i64 load(atomic_word *a) { return atomic_load(a); }
static inline i64 look(atomic_word *a) { return atomic_load_explicit(a, memory_order_acquire); }
static inline i64 peek(atomic_word *a) { return atomic_load_explicit(a, memory_order_relaxed); }
static inline void store(atomic_word *a, i64 value) { atomic_store(a, value); }
static inline void release(atomic_word *a, i64 value) { atomic_store_explicit(a, value, memory_order_release); }
static inline i64 add(atomic_word *a, i64 value) { return atomic_fetch_add(a, value) + value; }
static inline int swap_if(atomic_word *a, i64 *expected, i64 value)
{
    return atomic_compare_exchange_weak(a, expected, value);
}
#endif

/* ---- waiting */

static inline void pause_briefly(void)
{
#if defined(_MSC_VER) && !defined(__clang__)
#if defined(_M_X64) || defined(_M_IX86)
    _mm_pause();
#elif defined(_M_ARM64)
    __yield();
#endif
#elif defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("isb");
#endif
}

/* ---- what pool.c lends to team.c */

typedef struct {
    int threads;
    i64 chunks, left, before; /* left: for others to do, once the session is being closed */
} fnn_pool_session;

/* Take the pool, or return 0 where another caller has it; between the two, open a run for the helpers, and close it:
 * take part, wait until all is done, return how many took part. */
int fnn_pool_take(int threads);
void fnn_pool_open(fnn_pool_session *s, int threads, i64 chunks, fnn_body body, void *context);
i64 fnn_pool_close(fnn_pool_session *s);
void fnn_pool_give_back(i64 used);

/* A helper that had left a run for good, as far as the caller is concerned, is back from it: what it did there has been
 * counted already.  And that counting. */
void fnn_pool_was_forgotten(i64 id);
void fnn_pool_forget(fnn_pool_session *s);
/* Let others have this core. */
void fnn_pool_yield(void);
/* Sleep until `ready` may be true.  Whoever makes it true calls `wake` afterwards, so no wake-up is lost. */
void fnn_pool_sleep(i64 id, int (*ready)(const void *), const void *argument);
void fnn_pool_wake(i64 id);
i64 fnn_pool_sleepers(void); /* how many sleep, or are about to */

#endif

/* pool.c: the thread pool behind kernels.h's four functions.
 *
 * One word holds all that a helper must know before it may work: how many chunks are unclaimed, and how many threads
 * may take part.  Taking one off that word is the claim; only then does a helper read the body and its context, which
 * cannot change until that chunk is reported finished.  A helper that wakes late finds no chunk and touches nothing,
 * so the caller waits only for chunks that were begun, never for a thread that was not there.
 *
 * Helper h (1, 2, ...) takes part where h < threads, and is participant h; the caller is participant 0.
 * Between runs helpers spin for some tens of microseconds, then sleep.  A forked child starts with no helpers.
 *
 * No allocation: the table of helpers is static, which limits a run to FNN_POOL_MOST threads.
 */
#if !defined(_WIN32) && !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif
#include "kernels.h"

#define FNN_POOL_MOST 256
#define SPINS 3000       /* pauses before a thread sleeps: 30-100 us, longer than the gaps inside a fit */
#define YIELD_EVERY 128  /* beside busy neighbours a fit on two threads took 76-111 ms with this, 137-218 ms without */

/* ---- atomics: sequentially consistent, on 64-bit words */

#if defined(_MSC_VER) && !defined(__clang__)
#include <intrin.h>
typedef volatile i64 atomic_word;
static i64 load(atomic_word *a) { return _InterlockedOr64(a, 0); }
static i64 peek(atomic_word *a) { i64 value = *a; _ReadWriteBarrier(); return value; }
static void store(atomic_word *a, i64 value) { _InterlockedExchange64(a, value); }
static i64 add(atomic_word *a, i64 value) { return _InterlockedExchangeAdd64(a, value) + value; }
static int swap_if(atomic_word *a, i64 *expected, i64 value)
{
    i64 seen = _InterlockedCompareExchange64(a, value, *expected);
    int done = seen == *expected;
    *expected = seen;
    return done;
}
#else
#include <stdatomic.h>
typedef _Atomic i64 atomic_word;
static i64 load(atomic_word *a) { return atomic_load(a); }
static i64 peek(atomic_word *a) { return atomic_load_explicit(a, memory_order_relaxed); }
static void store(atomic_word *a, i64 value) { atomic_store(a, value); }
static i64 add(atomic_word *a, i64 value) { return atomic_fetch_add(a, value) + value; }
static int swap_if(atomic_word *a, i64 *expected, i64 value)
{
    return atomic_compare_exchange_weak(a, expected, value);
}
#endif

static void pause_briefly(void)
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

/* ---- threads: a lock, a condition, a detached thread, on either system */

#ifdef _WIN32
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
typedef struct { SRWLOCK lock; CONDITION_VARIABLE condition; } gate;
static void gate_init(gate *g) { InitializeSRWLock(&g->lock); InitializeConditionVariable(&g->condition); }
static void gate_lock(gate *g) { AcquireSRWLockExclusive(&g->lock); }
static void gate_unlock(gate *g) { ReleaseSRWLockExclusive(&g->lock); }
static void gate_wait(gate *g) { SleepConditionVariableSRW(&g->condition, &g->lock, INFINITE, 0); }
static void gate_signal(gate *g) { WakeConditionVariable(&g->condition); }
static void give_way(void) { SwitchToThread(); }
static void helper_main(i64 id);
static DWORD WINAPI helper_entry(void *id) { helper_main((i64)(intptr_t)id); return 0; }
static int start_thread(i64 id)
{
    HANDLE handle = CreateThread(NULL, 1 << 20, helper_entry, (void *)(intptr_t)id, 0, NULL);
    if (handle == NULL) return 0;
    CloseHandle(handle);
    return 1;
}
static void watch_forks(void (*child)(void)) { (void)child; }
#else
#include <pthread.h>
#include <sched.h>
#include <signal.h>
typedef struct { pthread_mutex_t lock; pthread_cond_t condition; } gate;
static void gate_init(gate *g) { pthread_mutex_init(&g->lock, NULL); pthread_cond_init(&g->condition, NULL); }
static void gate_lock(gate *g) { pthread_mutex_lock(&g->lock); }
static void gate_unlock(gate *g) { pthread_mutex_unlock(&g->lock); }
static void gate_wait(gate *g) { pthread_cond_wait(&g->condition, &g->lock); }
static void gate_signal(gate *g) { pthread_cond_signal(&g->condition); }
static void give_way(void) { sched_yield(); }
static void helper_main(i64 id);
static void *helper_entry(void *id) { helper_main((i64)(intptr_t)id); return NULL; }
static int start_thread(i64 id)
{
    pthread_t thread;
    pthread_attr_t attributes;
    sigset_t all, before;
    int failed;
    if (pthread_attr_init(&attributes)) return 0;
    pthread_attr_setstacksize(&attributes, 1 << 20); /* musl's default is 128 KiB */
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    sigfillset(&all); /* signals, Ctrl-C above all, are for the threads that know what to do with them */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    failed = pthread_create(&thread, &attributes, helper_entry, (void *)(intptr_t)id);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return !failed;
}
static void watch_forks(void (*child)(void)) { pthread_atfork(NULL, NULL, child); }
#endif

/* ---- the pool */

typedef struct {
    gate gate;
    atomic_word asleep;
    char apart[64]; /* each on cache lines of its own */
} sleeper;

static struct {
    atomic_word busy;         /* 1 while a caller uses the pool */
    char apart_0[64];
    atomic_word open;         /* threads << LIMIT_AT | chunks unclaimed */
    char apart_1[64];
    atomic_word finished;     /* chunks that helpers finished in this run */
    atomic_word helped;       /* helpers that finished one or more */
    char apart_2[64];
    fnn_body body;            /* written while no chunk is open or unfinished */
    void *context;
    i64 chunks;
    atomic_word started;      /* helpers alive */
    atomic_word most_used;
    int watching;             /* forks */
    sleeper caller, helpers[FNN_POOL_MOST];
} pool;

#define LIMIT_AT 48
#define UNCLAIMED (((i64)1 << LIMIT_AT) - 1)

static int may_claim(i64 open, i64 id) { return (open & UNCLAIMED) > 0 && id < (open >> LIMIT_AT); }

/* Claim and run chunks until none is left; return how many. */
static i64 take_part(i64 id)
{
    i64 done = 0, open = load(&pool.open);
    while (may_claim(open, id)) {
        if (!swap_if(&pool.open, &open, open - 1)) continue;
        pool.body(pool.context, pool.chunks - (open & UNCLAIMED), (int)id);
        done++;
        open = load(&pool.open);
    }
    return done;
}

/* One turn of waiting, the n-th.  Whoever is waited for may need this very core. */
static void spin(int n)
{
    if (n % YIELD_EVERY == YIELD_EVERY - 1)
        give_way();
    else
        pause_briefly();
}

/* Sleep until `ready` may be true.  Whoever makes it true looks at s->asleep afterwards, so no wake-up is lost. */
static void sleep_until(sleeper *s, int (*ready)(i64), i64 argument)
{
    gate_lock(&s->gate);
    store(&s->asleep, 1);
    while (!ready(argument)) gate_wait(&s->gate);
    store(&s->asleep, 0);
    gate_unlock(&s->gate);
}

static void wake(sleeper *s)
{
    if (!load(&s->asleep)) return;
    gate_lock(&s->gate);
    gate_signal(&s->gate);
    gate_unlock(&s->gate);
}

static int work_for(i64 id) { return may_claim(load(&pool.open), id); }
static int all_finished(i64 expected) { return load(&pool.finished) == expected; }

static void helper_main(i64 id)
{
    for (;;) {
        i64 done;
        int spins = 0;
        while (!may_claim(peek(&pool.open), id) && spins < SPINS) spin(spins++);
        if (spins == SPINS) sleep_until(&pool.helpers[id], work_for, id);
        done = take_part(id);
        if (done) {
            add(&pool.helped, 1);
            add(&pool.finished, done); /* from here on the run may be over and another begun */
            wake(&pool.caller);
        }
    }
}

static void begin(void)
{
    gate_init(&pool.caller.gate);
    store(&pool.caller.asleep, 0);
    store(&pool.open, 0);
    store(&pool.started, 0);
}

static void begin_in_child(void) /* after a fork the helpers are not there, and whoever used the pool is not either */
{
    begin();
    store(&pool.busy, 0);
}

static void grow(i64 helpers)
{
    i64 id;
    for (id = load(&pool.started) + 1; id <= helpers; id++) {
        gate_init(&pool.helpers[id].gate);
        store(&pool.helpers[id].asleep, 0);
        if (!start_thread(id)) return; /* the others do the work */
        store(&pool.started, id);
    }
}

static void run_alone(i64 chunks, fnn_body body, void *context)
{
    i64 i, none = 0;
    if (peek(&pool.most_used) == 0) swap_if(&pool.most_used, &none, 1);
    for (i = 0; i < chunks; i++) body(context, i, 0);
}

void fnn_pool_run(int threads, i64 chunks, fnn_body body, void *context)
{
    i64 id, mine, others, nobody = 0;
    int spins;
    if (threads > FNN_POOL_MOST) threads = FNN_POOL_MOST;
    if (threads > chunks) threads = (int)chunks;
    if (threads <= 1 || chunks > UNCLAIMED) {
        run_alone(chunks, body, context);
        return;
    }
    while (!swap_if(&pool.busy, &nobody, 1)) {
        if (nobody) { /* another caller, or this one from inside a chunk */
            run_alone(chunks, body, context);
            return;
        }
    }
    if (!pool.watching) {
        pool.watching = 1;
        begin();
        watch_forks(begin_in_child);
    }
    if (load(&pool.started) < threads - 1) grow(threads - 1);

    pool.body = body;
    pool.context = context;
    pool.chunks = chunks;
    store(&pool.finished, 0);
    store(&pool.helped, 0);
    store(&pool.open, (i64)threads << LIMIT_AT | chunks);
    for (id = 1; id < threads && id <= load(&pool.started); id++) wake(&pool.helpers[id]);

    mine = take_part(0);
    for (spins = 0; spins < SPINS && !all_finished(chunks - mine); spins++) spin(spins);
    if (!all_finished(chunks - mine)) sleep_until(&pool.caller, all_finished, chunks - mine);

    others = load(&pool.helped) + (mine > 0);
    if (others > load(&pool.most_used)) store(&pool.most_used, others);
    store(&pool.busy, 0);
}

int fnn_pool_threads(void) { return (int)load(&pool.started); }

int fnn_pool_most_used(void) { return (int)load(&pool.most_used); }

void fnn_pool_reset_statistics(void) { store(&pool.most_used, 0); }

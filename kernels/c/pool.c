/* pool.c: the thread pool behind kernels.h's fnn_pool functions; team.c builds on it.
 *
 * Every participant has a range of the chunks to itself and claims from its front; whoever has none left takes from the
 * back of the others, but looks up from its own place for a moment first (PATIENCE).  So the same thread meets the same
 * chunks in run after run, and finds in its own cache what they read and wrote, and still nobody waits for a thread that
 * sleeps.
 *
 * One word holds all that a thread must know before it may claim: which chunks are left in a range, and how many threads
 * may take part.  Taking one off that word is the claim; only then does a helper read the body and its context, which
 * cannot change until that chunk is reported finished.  A helper that wakes late finds no chunk and touches nothing.
 * What a helper has to read lies on one cache line, what it has to write on another, and nothing is reset between runs:
 * a line that goes from core to core takes 0.1 us, and there are two barriers in a step of 10 us.
 *
 * Helper h (1, 2, ...) takes part where h < threads, and is participant h; the caller is participant 0.
 * Between runs helpers spin for some tens of microseconds, then sleep.  A forked child starts with no helpers.
 *
 * No allocation: the table of helpers is static, which limits a run to FNN_POOL_MOST threads.
 */
#if !defined(_WIN32) && !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif
#include "atomics.h"

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
    char apart_0[64];         /* on a cache line of its own: its helper spins on it */
    atomic_word range;        /* threads << LIMIT_AT | first << FIRST_AT | last: chunks first .. last - 1 are unclaimed */
    fnn_body body;            /* written while no chunk of it is open, unfinished or forgotten */
    void *context;
    i64 run;                  /* its number */
    int forgotten;            /* its helper's own: the chunk that it is coming from is not to be reported */
    char apart_1[64];
    gate gate;
    atomic_word asleep;
} participant;

static struct {
    atomic_word busy;         /* 1 while a caller uses the pool */
    atomic_word started;      /* helpers alive */
    atomic_word most_used;
    atomic_word sleepers;
    int watching;             /* forks */
    i64 runs;
    char apart_0[64];
    atomic_word finished;     /* helpers that took part << HELPERS_AT, plus chunks that they finished, over all runs */
    char apart_1[64];
    participant all[FNN_POOL_MOST]; /* the caller is 0 */
} pool;

#define FIRST_AT 26
#define LIMIT_AT 52
#define HELPERS_AT 40
#define MOST_CHUNKS (((i64)1 << FIRST_AT) - 1)

static i64 first_of(i64 range) { return range >> FIRST_AT & MOST_CHUNKS; }
static i64 last_of(i64 range) { return range & MOST_CHUNKS; }
static int may_claim(i64 range, i64 id) { return first_of(range) < last_of(range) && id < (range >> LIMIT_AT); }

/* Claim and run the chunks of one participant until none is left, its own from the front, another's from the back;
 * return how many, and the number of the run. */
static i64 take_range(i64 id, i64 whose, i64 *run)
{
    participant *p = &pool.all[whose];
    i64 done = 0, seen = peek(&p->range);
    while (may_claim(seen, id)) {
        const i64 left = whose == id ? seen + ((i64)1 << FIRST_AT) : seen - 1;
        if (!swap_if(&p->range, &seen, left)) continue;
        p->body(p->context, whose == id ? first_of(seen) : last_of(seen) - 1, (int)id);
        if (pool.all[id].forgotten) {
            pool.all[id].forgotten = 0;
        } else {
            done++;
            *run = p->run;
        }
        seen = peek(&p->range);
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

void fnn_pool_sleep(i64 id, int (*ready)(const void *), const void *argument)
{
    participant *s = &pool.all[id];
    add(&pool.sleepers, 1);
    gate_lock(&s->gate);
    store(&s->asleep, 1);
    while (!ready(argument)) gate_wait(&s->gate);
    store(&s->asleep, 0);
    gate_unlock(&s->gate);
    add(&pool.sleepers, -1);
}

i64 fnn_pool_sleepers(void) { return load(&pool.sleepers); }

void fnn_pool_yield(void) { give_way(); }

void fnn_pool_forget(fnn_pool_session *s) { s->left--; }

void fnn_pool_was_forgotten(i64 id) { pool.all[id].forgotten = 1; }

void fnn_pool_wake(i64 id)
{
    participant *s = &pool.all[id];
    if (!load(&s->asleep)) return;
    gate_lock(&s->gate);
    gate_signal(&s->gate);
    gate_unlock(&s->gate);
}

static int work_for(const void *self)
{
    const i64 id = (const participant *)self - pool.all;
    return may_claim(load(&pool.all[id].range), id);
}
static i64 finished_since(i64 before) { return (load(&pool.finished) - before) & (((i64)1 << HELPERS_AT) - 1); }

/* What a caller waits for: the chunks that it did not do itself. */
static int all_finished(const void *session)
{
    const fnn_pool_session *s = (const fnn_pool_session *)session;
    return finished_since(s->before) == s->left;
}

/* Report chunks of a run.  After this it may be over, and another begun. */
static void report(i64 chunks, i64 run, i64 *last_run)
{
    if (!chunks) return;
    add(&pool.finished, chunks + ((i64)(run != *last_run) << HELPERS_AT));
    *last_run = run;
    fnn_pool_wake(0);
}

static void helper_main(i64 id)
{
    participant *self = &pool.all[id];
    i64 threads, done, i, run = 0, last_run = 0;
    int spins;
    for (;;) {
        for (spins = 0; spins < SPINS && !may_claim(peek(&self->range), id);) spin(spins++);
        if (spins == SPINS) fnn_pool_sleep(id, work_for, self);
        done = take_range(id, id, &run);
        report(done, run, &last_run);
        threads = load(&self->range) >> LIMIT_AT; /* of this run or a later one: a claim looks for itself */
        for (spins = 0; spins < PATIENCE && !may_claim(peek(&self->range), id); spins++) pause_briefly();
        for (i = 1; i < threads && !may_claim(peek(&self->range), id); i++) {
            done = take_range(id, (id + i) % threads, &run);
            report(done, run, &last_run);
        }
    }
}

static void begin(void)
{
    int id;
    for (id = 0; id < FNN_POOL_MOST; id++) store(&pool.all[id].range, 0);
    gate_init(&pool.all[0].gate);
    store(&pool.all[0].asleep, 0);
    store(&pool.started, 0);
    store(&pool.sleepers, 0);
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
        gate_init(&pool.all[id].gate);
        store(&pool.all[id].asleep, 0);
        pool.all[id].forgotten = 0;
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

int fnn_pool_take(int threads)
{
    i64 nobody = 0;
    while (!swap_if(&pool.busy, &nobody, 1))
        if (nobody) return 0; /* another caller, or this one from inside a chunk */
    if (!pool.watching) {
        pool.watching = 1;
        begin();
        watch_forks(begin_in_child);
    }
    if (load(&pool.started) < threads - 1) grow(threads - 1);
    return 1;
}

void fnn_pool_open(fnn_pool_session *s, int threads, i64 chunks, fnn_body body, void *context)
{
    i64 id;
    s->threads = threads;
    s->chunks = s->left = chunks;
    s->before = load(&pool.finished);
    pool.runs++;
    for (id = threads - 1; id >= 0; id--) {
        pool.all[id].body = body;
        pool.all[id].context = context;
        pool.all[id].run = pool.runs;
        store(&pool.all[id].range, (i64)threads << LIMIT_AT | chunks * id / threads << FIRST_AT
                                       | chunks * (id + 1) / threads);
    }
    for (id = 1; id < threads && id <= load(&pool.started); id++) fnn_pool_wake(id);
}

i64 fnn_pool_close(fnn_pool_session *s)
{
    i64 id, run;
    int spins;
    s->left -= take_range(0, 0, &run);
    for (spins = 0; spins < PATIENCE && !all_finished(s); spins++) pause_briefly();
    for (id = 1; id < s->threads; id++) s->left -= take_range(0, id, &run);
    for (spins = 0; spins < SPINS && !all_finished(s); spins++) spin(spins);
    if (!all_finished(s)) fnn_pool_sleep(0, all_finished, s);
    return ((load(&pool.finished) - s->before) >> HELPERS_AT) + (s->left < s->chunks);
}

void fnn_pool_give_back(i64 used)
{
    if (used > load(&pool.most_used)) store(&pool.most_used, used);
    store(&pool.busy, 0);
}

void fnn_pool_run(int threads, i64 chunks, fnn_body body, void *context)
{
    fnn_pool_session session;
    if (threads > FNN_POOL_MOST) threads = FNN_POOL_MOST;
    if (threads > chunks) threads = (int)chunks;
    if (threads <= 1 || chunks > MOST_CHUNKS || !fnn_pool_take(threads)) {
        run_alone(chunks, body, context);
        return;
    }
    fnn_pool_open(&session, threads, chunks, body, context);
    fnn_pool_give_back(fnn_pool_close(&session));
}

int fnn_pool_threads(void) { return (int)load(&pool.started); }

int fnn_pool_most_used(void) { return (int)load(&pool.most_used); }

void fnn_pool_reset_statistics(void) { store(&pool.most_used, 0); }

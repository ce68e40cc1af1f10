/* team_check.c: programs of many short phases on a team, with delays everywhere, held against one thread; test_team.py
 * compiles and runs it.
 *
 * A phase writes one of two rows of cells and reads the other, its serial part adds up what it wrote, and the sum goes
 * into the next phase: so a barrier that opens too early, a chunk that runs twice or never, a helper that claims with
 * what it made of a later phase's sums, and one that is two phases ahead of the caller, all change the result.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "kernels.h"

#define CELLS 64
#define MANY 70001 /* chunks: more than a claim can count one by one */

typedef struct {
    uint64_t seed, log;              /* log: all that the caller saw */
    int phases, stops, delays, leave; /* stops: at a sum that is bad; leave: one helper in so many goes home at once */
    uint64_t plain[2][CELLS];        /* for chunks alone */
    _Atomic uint64_t cells[2][CELLS]; /* late helpers read them too */
    _Atomic i64 many;
    _Atomic int most_members;
} world;

typedef struct {
    world *w;
    uint64_t factor, random;
    int phase, chunks;
} view; /* each member has its own */

static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static void delay(view *v)
{
    struct timespec some = {0, 0};
    uint64_t turns;
    v->random = mix(v->random + 1);
    if (!v->w->delays) return;
    switch (v->random % 64) {
    case 0: some.tv_nsec = (long)(v->random >> 8) % 300000; nanosleep(&some, NULL); break;
    case 1: case 2: sched_yield(); break;
    case 3: case 4: case 5: case 6: case 7:
        for (turns = v->random >> 8 & 8191; turns; turns--) atomic_signal_fence(memory_order_seq_cst);
    }
}

static void chunk_of(void *context, i64 i, int participant)
{
    view *v = (view *)context;
    const int to = v->phase & 1;
    uint64_t *out = v->w->plain[to];
    const uint64_t *in = v->w->plain[!to];
    (void)participant;
    if (v->chunks == MANY) {
        v->w->many++;
        return;
    }
    delay(v);
    out[i] = mix(out[i] + v->factor) ^ mix(in[(i * 7 + 3) % CELLS] + (uint64_t)v->phase);
    atomic_store_explicit(&v->w->cells[to][i], out[i], memory_order_relaxed);
}

static int chunks_of(const world *w, int phase)
{
    const uint64_t r = mix(w->seed + (uint64_t)phase);
    if (r % 997 == 0) return MANY;
    return (int)(r % 4 ? (r >> 8) % 7 : (r >> 8) % (CELLS + 1));
}

static void program(void *context, fnn_member *member)
{
    world *w = (world *)context;
    const int id = member ? fnn_team_id(member) : 0;
    view v = {w, 0, w->seed ^ (uint64_t)id << 40, 0, 0};
    int i, most = w->most_members;
    while (most <= id && !atomic_compare_exchange_weak(&w->most_members, &most, id + 1)) {}
    if (id) delay(&v);
    if (id && w->leave && mix(w->seed + (uint64_t)id) % (uint64_t)w->leave == 0) return;
    for (v.phase = 1; v.phase <= w->phases; v.phase++) {
        v.chunks = chunks_of(w, v.phase);
        if (member) {
            fnn_team_phase(member, v.chunks, chunk_of, &v);
        } else {
            for (i = 0; i < v.chunks; i++) chunk_of(&v, i, 0);
        }
        if (id == 0 || v.phase % 3) delay(&v);
        for (v.factor = 0, i = 0; i < CELLS; i++)
            v.factor += atomic_load_explicit(&w->cells[v.phase & 1][i], memory_order_relaxed);
        if (id == 0) w->log = mix(w->log + v.factor);
        if (w->stops && v.factor % 128 == 5) return; /* where a helper is late, it may believe so when it is not */
    }
}

static world *fresh(uint64_t seed, int phases, int delays)
{
    world *w = calloc(1, sizeof(world));
    w->seed = mix(seed);
    w->phases = phases;
    w->delays = delays;
    w->stops = seed % 3 == 0;
    w->leave = seed % 5 ? 0 : 2;
    return w;
}

/* Run one program on one thread and on several; return how many differ, and the most members seen. */
static int differs(uint64_t seed, int threads, int phases, int delays, int *members)
{
    world *one = fresh(seed, phases, 0), *many = fresh(seed, phases, delays);
    int wrong;
    program(one, NULL);
    fnn_team_run(threads, program, many);
    wrong = one->log != many->log || one->many != many->many || memcmp(one->plain, many->plain, sizeof(one->plain));
    if (wrong) printf("seed %llu, %d threads: another result\n", (unsigned long long)seed, threads);
    if (many->most_members > *members) *members = many->most_members;
    memset(many, 0xee, sizeof(world)); /* nobody may look at it any more */
    free(many);
    free(one);
    return wrong;
}

static int rounds, phases_each;

static void *caller(void *first)
{
    const uint64_t seed = (uint64_t)(uintptr_t)first;
    int i, members = 0;
    i64 wrong = 0;
    for (i = 0; i < rounds; i++)
        wrong += differs(seed + (uint64_t)i, 2 + (int)(mix(seed + (uint64_t)i) % 7), phases_each, i % 4 != 3, &members);
    return (void *)(intptr_t)(wrong * 1000 + members);
}

static int in_child(void)
{
    int status = 1;
    const pid_t child = fork();
    if (child == 0) _exit(fnn_pool_threads() != 0 || (intptr_t)caller((void *)1001) / 1000 != 0);
    return waitpid(child, &status, 0) != child || status != 0;
}

/* team_check ROUNDS PHASES CALLERS FORKS: the result is 0 where all is well. */
int main(int count, char **words)
{
    pthread_t thread[16];
    void *found;
    i64 wrong = 0, members = 0;
    int i, k, callers = count > 3 ? atoi(words[3]) : 1, forks = count > 4 ? atoi(words[4]) : 0;
    rounds = count > 1 ? atoi(words[1]) : 20;
    phases_each = count > 2 ? atoi(words[2]) : 300;
    for (k = 0; k <= forks; k++) {
        for (i = 1; i < callers; i++)
            pthread_create(&thread[i], NULL, caller, (void *)(uintptr_t)(i * 100000 + k * 1000));
        if (k) wrong += in_child(); /* while the others are in the middle of it */
        found = caller((void *)(uintptr_t)(k * 1000 + 1));
        for (i = 0; i < callers; i++) {
            if (i) pthread_join(thread[i], &found);
            wrong += (intptr_t)found / 1000;
            if ((intptr_t)found % 1000 > members) members = (intptr_t)found % 1000;
        }
        if (k) wrong += in_child();
    }
    printf("%lld wrong, up to %lld members, %d helpers, most used %d\n", (long long)wrong, (long long)members,
           fnn_pool_threads(), fnn_pool_most_used());
    return wrong != 0;
}

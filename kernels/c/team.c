/* team.c: barriers between equals, behind kernels.h's fnn_team functions.
 *
 * A run of the pool costs two ways of a signal between cores: the caller opens it, and hears that it is done.  The
 * members of a team know by themselves what comes next, so a barrier costs one way: each says what it has finished, on a
 * line of its own, and goes on when the sum over all is that of all phases so far.
 *
 * Claims.  A member's range says which of its chunks are unclaimed, and of which phase.  Where the phase is older than
 * the claimer's, nobody has claimed there yet, and the range follows from the number of chunks; where it is newer, the
 * claimer is late, and all that it looks for is done.  So a chunk runs once, with the context of a member that is in
 * that very phase; and as one chunk at least was open then, what that member had read before was what its phase starts
 * from.  A late helper, one that was asleep, may read the sums of later phases in between: it claims nothing with them.
 *
 * Leads.  A helper waits until the caller has entered the phase that the helper is to leave.  So none is further ahead
 * than the phase after the one whose sums the caller is reading.
 *
 * Waits end.  Whoever waits for a phase has looked through all ranges, and what is claimed there cannot be given back: so
 * all its chunks are done or being run, by members that wait for nothing before they have said so.  A helper waits for
 * the caller besides, who goes on, or closes the team; the caller never waits for a helper to arrive.
 *
 * Leaving.  The arrays belong to whoever called, so the caller stays until every helper has left.  A helper that is told
 * to leave does so from inside the phase, by a jump.  One that has given up its core while it waited is not waited for:
 * the caller takes its lease away, and it goes without another look at anything (with one neighbour to each core, an
 * epoch in two slices took 5 % longer when it was).
 *
 * Sleepers count themselves before they look again, speakers look at that count after they have spoken.
 */
#include <setjmp.h>
#include "atomics.h"

#define CLOSED ((i64)1 << 62)
#define TAG_AT 32
#define FIRST_AT 16
#define MOST_CHUNKS (((i64)1 << FIRST_AT) - 1)
#define WAITING(team_number) ((team_number) << 1)
#define WORKING(team_number) ((team_number) << 1 | 1)
#define TAKEN_AWAY ((i64)-1)

/* What others see of a member. */
typedef struct {
    char apart_0[128];
    atomic_word range;    /* phase << TAG_AT | first << FIRST_AT | last: chunks first .. last - 1 of it are unclaimed */
    atomic_word lease;    /* a helper's: WORKING or WAITING of its team's number, or TAKEN_AWAY */
    char apart_1[128];
    atomic_word entered;  /* the caller's: the last phase that it has entered, or CLOSED; said together with the next */
    atomic_word finished; /* chunks, of all phases */
} place;

struct fnn_member {
    i64 phase;            /* their number so far, this one included; 2^31 of them would take ten minutes at least */
    i64 total, done;      /* chunks of all of them; those that it did itself */
    i64 number;           /* of its team */
    int id, threads;
    jmp_buf way_out;
};

static struct {
    int threads;
    i64 number;
    fnn_program program;
    void *context;
    place all[FNN_POOL_MOST];
} team; /* for whoever has the pool */

int fnn_team_id(const fnn_member *member) { return member->id; }

/* Is the member's phase over, and has the caller come as far?  Or is the team closed? */
static inline int is_over_by(const fnn_member *me, i64 (*read)(atomic_word *))
{
    const i64 entered = me->id ? read(&team.all[0].entered) : me->phase;
    i64 finished = me->done;
    int id;
    if (entered < me->phase || entered == CLOSED) return entered == CLOSED;
    for (id = 0; id < me->threads; id++)
        if (id != me->id) finished += read(&team.all[id].finished);
    return finished >= me->total;
}

static int is_over(const fnn_member *me) { return is_over_by(me, look); }

static int may_wake(const void *member)
{
    const fnn_member *me = (const fnn_member *)member;
    return (me->id && load(&team.all[me->id].lease) != WAITING(me->number)) || is_over_by(me, load);
}

static void wake_others(const fnn_member *me)
{
    int id;
    if (!fnn_pool_sleepers()) return;
    for (id = 0; id < me->threads; id++)
        if (id != me->id) fnn_pool_wake(id);
}

static void say(const fnn_member *me)
{
    if (!me->id) release(&team.all[0].entered, me->phase);
    store(&team.all[me->id].finished, me->done);
    wake_others(me);
}

/* ---- one phase */

typedef struct {
    i64 chunks, size, claims; /* chunks are claimed `size` at a time: 1, unless there are too many for a range */
    fnn_body body;
    void *context;
} work;

static i64 share_from(const work *w, i64 id, i64 threads) { return (w->claims * id + threads - 1) / threads; }

/* Claim and run what is left of one member's chunks, the own from the front, another's from the back; say so. */
static void take(fnn_member *me, int whose, const work *w)
{
    atomic_word *range = &team.all[whose].range;
    const i64 done_before = me->done;
    i64 seen = peek(range), first, last, chunk, end;
    while (seen >> TAG_AT <= me->phase) {
        if (seen >> TAG_AT == me->phase) {
            first = seen >> FIRST_AT & MOST_CHUNKS;
            last = seen & MOST_CHUNKS;
        } else {
            first = share_from(w, whose, me->threads);
            last = share_from(w, whose + 1, me->threads);
        }
        if (first >= last) break;
        chunk = whose == me->id ? first++ : --last;
        if (!swap_if(range, &seen, me->phase << TAG_AT | first << FIRST_AT | last)) continue;
        end = (chunk + 1) * w->size < w->chunks ? (chunk + 1) * w->size : w->chunks;
        for (chunk *= w->size; chunk < end; chunk++) w->body(w->context, chunk, me->id);
        me->done++;
        seen = peek(range);
    }
    if (me->done > done_before || me->id == whose) say(me);
}

static void leave(fnn_member *me, int reason) { longjmp(me->way_out, reason); }

enum { DISMISSED = 1, FORGOTTEN };

/* Give up the core, or sleep; the caller may close the team meanwhile, and not wait. */
static void wait_apart(fnn_member *me, int sleeps)
{
    atomic_word *lease = &team.all[me->id].lease;
    i64 seen = WAITING(me->number);
    if (me->id) store(lease, seen);
    if (sleeps)
        fnn_pool_sleep(me->id, may_wake, me);
    else
        fnn_pool_yield();
    while (me->id && !swap_if(lease, &seen, WORKING(me->number)))
        if (seen != WAITING(me->number)) leave(me, FORGOTTEN);
}

static void wait_for_others(fnn_member *me)
{
    int spins;
    for (spins = 1; spins < SPINS && !is_over(me); spins++) {
        if (spins % YIELD_EVERY)
            pause_briefly();
        else
            wait_apart(me, 0);
    }
    while (!is_over(me)) wait_apart(me, 1);
}

void fnn_team_phase(fnn_member *me, i64 chunks, fnn_body body, void *context)
{
    const i64 size = chunks / MOST_CHUNKS + 1;
    const work w = {chunks, size, (chunks + size - 1) / size, body, context};
    int spins, i;
    me->phase++;
    me->total += w.claims;
    take(me, me->id, &w);
    for (spins = 0; spins < PATIENCE && !is_over(me); spins++) pause_briefly();
    for (i = 1; i < me->threads && !is_over(me); i++) take(me, (me->id + i) % me->threads, &w);
    wait_for_others(me);
    if (me->id && look(&team.all[0].entered) == CLOSED) leave(me, DISMISSED);
}

/* ---- the team */

static void begin_as(fnn_member *me, int id)
{
    me->phase = me->total = me->done = 0;
    me->number = team.number;
    me->id = id;
    me->threads = team.threads;
}

/* A chunk of the run that a team is: to be its member, for the helper of the same number; for others nothing. */
static void join(void *unused, i64 chunk, int participant)
{
    fnn_member me;
    (void)unused;
    if (participant == 0 || chunk != participant) return;
    begin_as(&me, participant);
    store(&team.all[participant].lease, WORKING(me.number));
    switch (setjmp(me.way_out)) {
    case 0: team.program(team.context, &me); break;
    case FORGOTTEN: fnn_pool_was_forgotten(participant);
    }
}

static void close_team(const fnn_member *me, fnn_pool_session *session)
{
    i64 id, seen;
    store(&team.all[0].entered, CLOSED);
    for (id = 1; id < me->threads; id++) {
        seen = WAITING(me->number);
        while (!swap_if(&team.all[id].lease, &seen, TAKEN_AWAY) && seen == WAITING(me->number)) {}
        if (seen == WAITING(me->number)) fnn_pool_forget(session);
    }
    wake_others(me);
}

void fnn_team_run(int threads, fnn_program program, void *context)
{
    fnn_pool_session session;
    fnn_member me;
    i64 used = 0;
    int id;
    if (threads > FNN_POOL_MOST) threads = FNN_POOL_MOST;
    if (threads <= 1 || !fnn_pool_take(threads)) {
        program(context, NULL);
        return;
    }
    team.threads = threads;
    team.number++;
    team.program = program;
    team.context = context;
    for (id = 0; id < threads; id++) {
        store(&team.all[id].range, 0);
        store(&team.all[id].entered, 0);
        store(&team.all[id].finished, 0);
    }
    begin_as(&me, 0);
    fnn_pool_open(&session, threads, threads, join, NULL);
    program(context, &me);
    close_team(&me, &session);
    fnn_pool_close(&session);
    for (id = 0; id < threads; id++) used += load(&team.all[id].finished) > 0;
    fnn_pool_give_back(used);
}

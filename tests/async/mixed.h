/* The mixed program of test_seeds: actors that use locks, semaphores, queues, events, groups, deadlines and
 * each other, and cancel each other at any moment; every answer is compared with a model's.
 *
 * mixed.c has the model and the play, mixed_steps.c and mixed_crew.c what actors do.
 */
#pragma once

#include "world.h"

#include <penstock/timeout.h>

/* Hashes of what the actors saw, and of who ran when (pen_trace_hash). */
struct mixed_trace {
        uint64_t seen, order;
};

/* Plays the program in the order of the seed, and answers what happened. What breaks a promise is
 * an assertion that fails, and says how to repeat it. */
struct mixed_trace mixed_play(uint64_t seed);

#define N_ACTORS 8
#define N_PLACES 3
#define QUEUE_SIZE 2
#define N_PARTIES 3

extern uint64_t mixed_seed; /* that is played */

/* Not ck_assert, which makes a system call even if all is well. */
#define HOLDS(condition)                                                                          \
        do {                                                                                      \
                if (!(condition))                                                                 \
                        ck_abort_msg(#condition " (SEED=%llu tests/async/test_seeds repeats it)", \
                                     (unsigned long long)mixed_seed);                             \
        } while (0)

/* What an actor may be suspended in. */
enum wait {
        FOR_LOCK,
        FOR_PLACE,
        FOR_ROOM,
        FOR_ITEM,
        FOR_JOIN,
        FOR_EVENT,
        FOR_LEVEL,
        FOR_OTHERS,
        N_WAITS,
};

struct program {
        struct world w;
        struct random random;
        uint64_t trace;
        bool verbose;
        struct actor *actors;
        size_t waiting[N_WAITS];

        struct list lock_line, place_line; /* of struct place, as they came */
        int n_locked, n_inside;
        uint64_t n_put, n_got, n_freed, n_unfinished;
        uint64_t n_finishes; /* how often nothing was unfinished any more */
        uint64_t n_sets;     /* of the event */

        struct pen_lock *gate;
        struct pen_condition *above_zero; /* the level is */
        size_t level, n_in_gate;
        struct pen_barrier *barrier;
        uint64_t n_resets, n_met[N_PARTIES];
};

struct deadline {
        struct pen_timeout scope;
        struct deadline *outer;
        pen_usec due;
        bool met;             /* the actor has had its -ECANCELED */
        unsigned told_before; /* of the actor, at the begin */
        bool told;            /* and what that was had not been met then */
        bool outer_before;    /* the outer one had been met then */
};

struct actor {
        struct program *p;
        struct pen_task *task;
        int number;
        bool a_child; /* whom its parent cancels when it likes: the model does not follow that */

        bool told;       /* somebody has cancelled it, and it has not met that yet */
        unsigned n_told; /* in this step */
        bool unsure; /* until its end: one request was met and another came, we cannot tell which */
        struct deadline *deadline;
        bool sibling_failed;             /* in its group, of whom it is the parent */
        struct pen_task *const *errands; /* that it waits for with pen_await */
        uint64_t event_round;
};

static inline uint64_t below(struct program *p, uint64_t n)
{
        return random_below(&p->random, n);
}

/* Adds to the trace, and tells it if only one seed is played. */
void note(struct actor *a, const char *what, int r);

/* What every call must keep: -ECANCELED if and only if there is a request, and once for all that
 * there are. */
int answered(struct actor *a, const char *what, int r);

/* The same of a call that, once cancelled, waits until others have ended: `error` is theirs. */
void ended(struct actor *a, const char *what, int r, int error);

/* Is there a request that the actor has to meet at its next call? */
bool has_cause(const struct actor *a);

/* All requests have been met. */
void meet_causes(struct actor *a);

/* pen_timeout_begin and _end: -ETIME exactly if this one expired and nobody else has asked since. */
void deadline_begin(struct actor *a, struct deadline *d, pen_usec usec);
int deadline_end(struct actor *a, struct deadline *d, int r);

/* Something that an actor does: 0 or an error, as its calls answered. */
int mixed_step(struct actor *a);
void mixed_free_item(void *item);

/* Some of those. */
int mixed_use_lock(struct actor *a);
int mixed_use_semaphore(struct actor *a);
int mixed_use_group(struct actor *a);
int mixed_await_errand(struct actor *a);
int mixed_shield_errand(struct actor *a);
int mixed_gather_errands(struct actor *a);

#include "mixed.h"

#include <errno.h>
#include <stdio.h>

#include <penstock/debug.h>
#include <penstock/queue.h>
#include <penstock/sync.h>

#include "last_words.h"

#define N_STEPS 15
#define TURNS_MAX 100000

uint64_t mixed_seed;

/* --- the model ---------------------------------------------------------------------------------- */

void note(struct actor *a, const char *what, int r)
{
        struct program *p = a->p;

        for (const char *c = what; *c; c++)
                p->trace = (p->trace ^ (unsigned char)*c) * 0x100000001b3;
        p->trace = (p->trace ^ (uint64_t)(a->number * 1000 + r)) * 0x100000001b3;
        p->trace = (p->trace ^ pen_now()) * 0x100000001b3;
        if (p->verbose)
                fprintf(stderr, "%6llu actor %d%s: %s: %d\n",
                        (unsigned long long)pen_now() % PEN_SEC, a->number,
                        a->a_child ? "'s child" : "", what, r);
}

bool has_cause(const struct actor *a)
{
        bool cause = a->told || a->sibling_failed;

        for (const struct deadline *d = a->deadline; d; d = d->outer)
                cause |= pen_timeout_expired(&d->scope) && !d->met;
        return cause;
}

void meet_causes(struct actor *a)
{
        a->told = a->sibling_failed = false;
        for (struct deadline *d = a->deadline; d; d = d->outer)
                d->met |= pen_timeout_expired(&d->scope);
}

int answered(struct actor *a, const char *what, int r)
{
        note(a, what, r);
        if (a->a_child || a->unsure)
                return r;
        HOLDS((r == -ECANCELED) == has_cause(a));
        meet_causes(a);
        return r;
}

void ended(struct actor *a, const char *what, int r, int error)
{
        if (r == 0 || error == 0)
                (void)answered(a, what, r);
        else
                HOLDS(r == error || r == -ECANCELED);
        a->unsure |= r == -ECANCELED && a->task->interrupt;
}

/* --- deadlines -------------------------------------------------------------------------------- */

void deadline_begin(struct actor *a, struct deadline *d, pen_usec usec)
{
        *d = (struct deadline){
                .outer = a->deadline,
                .due = pen_now() + usec,
                .told_before = a->n_told,
                .told = a->told,
                .outer_before = a->deadline && a->deadline->met,
        };
        pen_timeout_begin(&d->scope, usec);
        a->deadline = d;
}

int deadline_end(struct actor *a, struct deadline *d, int r)
{
        bool expired = pen_timeout_expired(&d->scope);
        bool outer = d->outer && pen_timeout_expired(&d->outer->scope) && !d->outer_before;
        bool others = outer || d->told || a->n_told > d->told_before;
        int answer = pen_timeout_end(&d->scope, r);

        a->deadline = d->outer;
        HOLDS(expired ? pen_now() >= d->due : pen_now() <= d->due);
        HOLDS(answer == (r == -ECANCELED && expired && !others ? -ETIME : r));
        note(a, "the end of a deadline", answer);
        return answer;
}

/* --- the play ----------------------------------------------------------------------------------- */

static int live(void *arg)
{
        struct actor *a = arg;

        for (int i = 0; i < N_STEPS; i++) {
                struct deadline d;
                int r;

                deadline_begin(a, &d, below(a->p, 3) ? below(a->p, 30) : PEN_SEC);
                r = deadline_end(a, &d, mixed_step(a));
                HOLDS(r == 0 || r == 7 || r == -ETIME || r == -ECANCELED || r == -EIO);
                HOLDS(pen_cancelling() == a->n_told);
                HOLDS(a->unsure || a->task->interrupt == a->told);
                while (pen_uncancel() > 0) /* and goes on */
                        ;
                a->told = a->unsure = false;
                a->n_told = 0;
        }
        return 0;
}

/* Nothing can run: then nobody waits for what is there. */
static void look_at_the_waiting(struct program *p)
{
        struct world *w = &p->w;

        HOLDS(p->waiting[FOR_LOCK] == 0 || pen_lock_locked(w->lock));
        HOLDS(p->waiting[FOR_PLACE] == 0 || pen_semaphore_value(w->semaphore) == 0);
        HOLDS(p->waiting[FOR_ROOM] == 0 || pen_queue_full(w->queue));
        HOLDS(p->waiting[FOR_ITEM] == 0 || pen_queue_empty(w->queue));
        HOLDS(p->waiting[FOR_JOIN] == 0 || p->n_unfinished > 0);
        HOLDS(p->waiting[FOR_EVENT] == 0 || !pen_event_is_set(w->event));
        HOLDS(p->waiting[FOR_LEVEL] == 0 || p->level == 0 || pen_lock_locked(p->gate));
        HOLDS(p->waiting[FOR_OTHERS] < N_PARTIES);
        for (int i = 0; i < N_ACTORS; i++)
                HOLDS(p->actors[i].event_round == UINT64_MAX ||
                      p->actors[i].event_round == p->n_sets);
        HOLDS(pen_semaphore_value(w->semaphore) + (size_t)p->n_inside <= N_PLACES);
}

static void run_to_the_end(struct program *p)
{
        struct pen_loop *loop = p->w.loop;
        struct heap_node *next;
        size_t n_turns = 0;

        do {
                while (loop_turn(loop, false))
                        HOLDS(++n_turns < TURNS_MAX);
                look_at_the_waiting(p);
                next = heap_peek(&loop->timers);
                if (next)
                        loop->now = next->key;
        } while (next);
}

static void make(struct program *p, uint64_t seed)
{
        random_seed(&p->random, seed);
        world_init_seeded(&p->w, seed);
        list_init(&p->lock_line);
        list_init(&p->place_line);
        HOLDS(pen_queue_create(QUEUE_SIZE, mixed_free_item, &p->w.queue) == 0);
        HOLDS(pen_lock_create(&p->w.lock) == 0);
        HOLDS(pen_semaphore_create(N_PLACES, N_PLACES, &p->w.semaphore) == 0);
        HOLDS(pen_event_create(&p->w.event) == 0);
        HOLDS(pen_lock_create(&p->gate) == 0);
        HOLDS(pen_condition_create(p->gate, &p->above_zero) == 0);
        HOLDS(pen_barrier_create(N_PARTIES, &p->barrier) == 0);
}

static void unmake(struct program *p)
{
        pen_barrier_free(p->barrier);
        pen_condition_free(p->above_zero);
        pen_lock_free(p->gate);
        world_deinit(&p->w);
}

static void look_at_the_end(struct program *p)
{
        HOLDS(p->w.loop->n_tasks == 0);
        HOLDS(p->w.loop->timers.n == 0);
        for (int i = 0; i < N_ACTORS; i++)
                HOLDS(pen_task_result(p->actors[i].task) == 0);
        HOLDS(!pen_lock_locked(p->w.lock));
        HOLDS(pen_semaphore_value(p->w.semaphore) == N_PLACES);
        HOLDS(!pen_lock_locked(p->gate));
        for (int i = 0; i < N_PARTIES; i++)
                HOLDS(p->n_met[i] == p->n_met[0]);
        HOLDS(p->n_put - p->n_got == pen_queue_size(p->w.queue));
        HOLDS(p->n_unfinished == pen_queue_size(p->w.queue));
        pen_queue_shutdown(p->w.queue, true);
        HOLDS(p->n_put == p->n_got + p->n_freed);
        HOLDS(pen_queue_task_done(p->w.queue) == -EINVAL);
        ck_assert_msg(!p->w.log[0], "%s (SEED=%llu)", p->w.log, (unsigned long long)mixed_seed);
}

struct mixed_trace mixed_play(uint64_t seed)
{
        struct mixed_trace trace;
        struct actor actors[N_ACTORS] = { 0 };
        struct program p = { .trace = 0xcbf29ce484222325, .actors = actors };

        mixed_seed = seed;
        p.verbose = getenv("SEED");
        last_words("seed %llu ends the process: SEED=%llu tests/async/test_seeds repeats it\n",
                   (unsigned long long)seed, (unsigned long long)seed);
        make(&p, seed);
        for (int i = 0; i < N_ACTORS; i++) {
                actors[i] = (struct actor){ .p = &p, .number = i, .event_round = UINT64_MAX };
                actors[i].task = world_spawn_arg(&p.w, live, &actors[i]);
        }
        run_to_the_end(&p);
        look_at_the_end(&p);
        trace = (struct mixed_trace){ p.trace, pen_trace_hash() };
        unmake(&p);
        last_words("%s", "");
        return trace;
}

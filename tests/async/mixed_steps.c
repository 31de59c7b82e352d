#include "mixed.h"

#include <errno.h>

#include <penstock/gen.h>
#include <penstock/queue.h>
#include <penstock/sync.h>

struct item {
        struct program *program;
        uint64_t number; /* in the order of the puts */
};

/* Whoever asks for a lock or a semaphore is in a line of ours, too. */
struct place {
        struct list link;
};

/* --- on one's own --------------------------------------------------------------------------- */

int mixed_use_lock(struct actor *a)
{
        struct program *p = a->p;
        struct place place;
        int r;

        list_append(&p->lock_line, &place.link);
        p->waiting[FOR_LOCK]++;
        r = answered(a, "lock", pen_lock_acquire(p->w.lock));
        p->waiting[FOR_LOCK]--;
        HOLDS(r < 0 || p->lock_line.next == &place.link); /* nobody overtakes */
        list_remove(&place.link);
        if (r < 0)
                return r;
        HOLDS(++p->n_locked == 1);
        r = answered(a, "sleep with the lock", pen_sleep(below(p, 3)));
        if (r < 0)
                (void)answered(a, "cleanup", pen_yield());
        p->n_locked--;
        HOLDS(pen_lock_release(p->w.lock) == 0);
        return r;
}

int mixed_use_semaphore(struct actor *a)
{
        struct program *p = a->p;
        struct place place;
        int r, n_before = 0;

        list_append(&p->place_line, &place.link);
        p->waiting[FOR_PLACE]++;
        r = answered(a, "semaphore", pen_semaphore_acquire(p->w.semaphore));
        p->waiting[FOR_PLACE]--;
        for (struct list *i = p->place_line.next; i != &place.link; i = i->next)
                n_before++;
        list_remove(&place.link);
        if (r < 0)
                return r;
        HOLDS(n_before + ++p->n_inside <= N_PLACES); /* those who came before have theirs */
        r = answered(a, "yield inside", pen_yield());
        p->n_inside--;
        HOLDS(pen_semaphore_release(p->w.semaphore) == 0);
        return r;
}

void mixed_free_item(void *item)
{
        struct program *p = ((struct item *)item)->program;

        p->n_freed++;
        free(item);
}

static int put(struct actor *a)
{
        struct program *p = a->p;
        struct item *item = malloc(sizeof(*item));
        int r;

        *item = (struct item){ .program = p };
        p->waiting[FOR_ROOM]++;
        r = answered(a, "put", pen_queue_put(p->w.queue, item));
        p->waiting[FOR_ROOM]--;
        if (r < 0) {
                free(item);
                return r;
        }
        item->number = p->n_put++;
        p->n_unfinished++;
        HOLDS(pen_queue_size(p->w.queue) <= QUEUE_SIZE);
        return 0;
}

static void finish(struct program *p, struct item *item)
{
        HOLDS(item->number == p->n_got); /* each once, in the order of the puts */
        p->n_got++;
        p->n_finishes += --p->n_unfinished == 0;
        HOLDS(pen_queue_task_done(p->w.queue) == 0);
        free(item);
}

static int get(struct actor *a)
{
        struct program *p = a->p;
        void *item;
        int r;

        p->waiting[FOR_ITEM]++;
        r = answered(a, "get", pen_queue_get(p->w.queue, &item));
        p->waiting[FOR_ITEM]--;
        if (r == 0)
                finish(p, item);
        return r;
}

static int get_many(struct actor *a)
{
        struct program *p = a->p;
        void *items[3];
        ssize_t n;
        int r;

        p->waiting[FOR_ITEM]++;
        n = pen_queue_get_many(p->w.queue, items, 1 + below(p, 3));
        p->waiting[FOR_ITEM]--;
        HOLDS(n != 0);
        r = answered(a, "get many", (int)n);
        for (ssize_t i = 0; i < n; i++)
                finish(p, items[i]);
        return MIN(r, 0);
}

static int join_queue(struct actor *a)
{
        struct program *p = a->p;
        uint64_t n_finishes = p->n_finishes + (p->n_unfinished > 0);
        int r;

        p->waiting[FOR_JOIN]++;
        r = answered(a, "join", pen_queue_join(p->w.queue));
        p->waiting[FOR_JOIN]--;
        HOLDS(r < 0 || p->n_finishes >= n_finishes);
        return r;
}

static int use_event(struct actor *a)
{
        struct program *p = a->p;
        int r;

        if (below(p, 2)) {
                pen_event_set(p->w.event);
                p->n_sets++;
                if (below(p, 2))
                        pen_event_clear(p->w.event);
                return 0;
        }
        a->event_round = p->n_sets;
        p->waiting[FOR_EVENT]++;
        r = answered(a, "event", pen_event_wait(p->w.event));
        p->waiting[FOR_EVENT]--;
        HOLDS(r < 0 || p->n_sets > a->event_round || pen_event_is_set(p->w.event));
        a->event_round = UINT64_MAX;
        if (below(p, 2))
                pen_event_clear(p->w.event);
        return r;
}

/* A deadline within the step's: shorter, longer, or the same moment. */
static int nest(struct actor *a)
{
        pen_usec now = pen_now(), due = a->deadline->due;
        struct deadline inner;
        int r;

        deadline_begin(a, &inner, below(a->p, 3) ? below(a->p, 8) : due - MIN(due, now));
        r = answered(a, "sleep in a deadline", pen_sleep(below(a->p, 8)));
        if (r == 0 && below(a->p, 2))
                r = mixed_use_lock(a);
        return deadline_end(a, &inner, r);
}

static int be_uncancellable(struct actor *a)
{
        pen_uncancellable_begin();
        HOLDS(pen_sleep(below(a->p, 5)) == 0);
        pen_uncancellable_end();
        return answered(a, "yield, cancellable again", pen_yield());
}

static int cancel_another(struct actor *a)
{
        struct actor *b = &a->p->actors[below(a->p, N_ACTORS)];
        bool waits = b->errands && !pen_task_done(*b->errands);

        if (pen_task_cancel(b->task)) {
                b->told |= !waits; /* else the errand has it */
                b->n_told++;
        }
        note(a, "cancel", b->number);
        return 0;
}

/* --- conditions, barriers, generators ----------------------------------------------------------- */

static bool is_above_zero(void *level)
{
        return *(size_t *)level > 0;
}

/* Takes one of the level, or adds one: it is only looked at with the gate's lock held. */
static int use_level(struct actor *a)
{
        struct program *p = a->p;
        bool adding = below(p, 2);
        int r;

        r = answered(a, "gate", pen_lock_acquire(p->gate));
        if (r < 0)
                return r;
        HOLDS(++p->n_in_gate == 1);
        if (adding) {
                p->level++;
                HOLDS(pen_condition_notify(p->above_zero, 1) == 0);
                r = answered(a, "sleep in the gate", pen_sleep(below(p, 3)));
        } else {
                p->n_in_gate--;
                p->waiting[FOR_LEVEL]++;
                r = pen_condition_wait_for(p->above_zero, is_above_zero, &p->level);
                p->waiting[FOR_LEVEL]--;
                HOLDS(++p->n_in_gate == 1); /* whatever it answers */
                (void)answered(a, "level", r);
                HOLDS(r < 0 || p->level > 0);
                p->level -= r == 0;
        }
        p->n_in_gate--;
        HOLDS(pen_lock_release(p->gate) == 0);
        return r;
}

/* A round is N_PARTIES waits that answer each number below that once; one that is let go on passes,
 * and what was asked of it stays pending. */
static int meet_others(struct actor *a)
{
        struct program *p = a->p;
        uint64_t n_resets = p->n_resets;
        int r;

        if (below(p, 8) == 0) {
                p->n_resets++;
                pen_barrier_reset(p->barrier);
                return 0;
        }
        p->waiting[FOR_OTHERS]++;
        r = pen_barrier_wait(p->barrier);
        p->waiting[FOR_OTHERS]--;
        HOLDS(r < N_PARTIES);
        HOLDS(r != -EPIPE || p->n_resets > n_resets);
        if (r >= 0)
                p->n_met[r]++;
        if (r == -ECANCELED)
                return answered(a, "barrier", r);
        note(a, "barrier", r);
        return 0;
}

struct numbers {
        struct actor *a;
        uintptr_t n_yielded;
        size_t n_runs;
        bool inside, freeing;
};

/* Not interrupted when it is freed. */
static void clean_up(struct numbers *numbers)
{
        struct actor *a = numbers->a;
        int r = pen_sleep(below(a->p, 3));

        if (numbers->freeing)
                HOLDS(r == 0);
        else
                (void)answered(a, "cleanup of a generator", r);
}

static int yield_numbers(struct pen_gen *gen, void *arg)
{
        struct numbers *numbers = arg;
        struct actor *a = numbers->a;
        int r = 0;

        numbers->inside = true;
        for (uint64_t n = below(a->p, 4); r == 0 && n > 0; n--) {
                numbers->n_runs++;
                r = answered(a, "a generator's sleep", pen_sleep(below(a->p, 4)));
                if (r == 0)
                        r = pen_gen_yield(gen, (void *)++numbers->n_yielded);
        }
        if (r == -ECANCELED && below(a->p, 2)) /* cleanup may wait */
                clean_up(numbers);
        numbers->inside = false;
        return r;
}

static int use_generator(struct actor *a)
{
        struct numbers numbers = { .a = a };
        uint64_t n = below(a->p, 5);
        struct pen_gen *gen;
        uintptr_t n_got = 0;
        void *item;
        int r = 1;

        HOLDS(pen_gen_create(yield_numbers, &numbers, &gen) == 0);
        while (r > 0 && n_got < n) {
                size_t n_runs = numbers.n_runs;

                r = pen_gen_next(gen, &item);
                HOLDS(r <= 0 || (uintptr_t)item == ++n_got);
                HOLDS(r > 0 || r == -ECANCELED || !numbers.inside);
                if (r < 0 && numbers.n_runs == n_runs)
                        (void)answered(a, "generator", r); /* the body has not met it */
        }
        numbers.freeing = true;
        pen_gen_free(gen);
        HOLDS(!numbers.inside);
        return MIN(r, 0);
}

/* --- any of it --------------------------------------------------------------------------------- */

int mixed_step(struct actor *a)
{
        static int (*const all[])(struct actor *) = {
                mixed_use_lock,
                mixed_use_semaphore,
                put,
                put,
                get,
                get_many,
                use_event,
                nest,
                join_queue,
                nest,
                be_uncancellable,
                cancel_another,
                use_level,
                use_level,
                meet_others,
                meet_others,
                use_generator,
                mixed_use_group,
                mixed_use_group,
                mixed_await_errand,
                mixed_shield_errand,
                mixed_gather_errands,
        };

        return all[below(a->p, ARRAY_SIZE(all))](a);
}

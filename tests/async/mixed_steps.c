#include "mixed.h"

#include <errno.h>

#include <penstock/group.h>
#include <penstock/queue.h>
#include <penstock/sync.h>
#include <penstock/wait.h>

struct item {
        struct program *program;
        uint64_t number; /* in the order of the puts */
};

/* Whoever asks for a lock or a semaphore is in a line of ours, too. */
struct place {
        struct list link;
};

/* --- on one's own --------------------------------------------------------------------------- */

static int use_lock(struct actor *a)
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

static int use_semaphore(struct actor *a)
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
        p->n_unfinished--;
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
        int r;

        a->p->waiting[FOR_JOIN]++;
        r = answered(a, "join", pen_queue_join(a->p->w.queue));
        a->p->waiting[FOR_JOIN]--;
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
        struct deadline inner;
        int r;

        deadline_begin(a, &inner, below(a->p, 3) ? below(a->p, 8) : inner.due);
        r = answered(a, "sleep in a deadline", pen_sleep(below(a->p, 8)));
        if (r == 0 && below(a->p, 2))
                r = use_lock(a);
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

/* --- errands, and groups: other tasks ----------------------------------------------------------- */

struct crew {
        struct program *p;
        struct actor *parent;
        size_t n_alive;
        int first_error; /* -ECANCELED is none for a group */
        bool is_group;
};

static int do_work(void *arg)
{
        struct crew *crew = arg;
        struct actor child = { .p = crew->p, .number = crew->parent->number, .a_child = true };
        struct program *p = crew->p;
        int r;

        child.task = pen_task_current();
        child.event_round = UINT64_MAX;
        switch (below(p, 4)) {
        case 0:
                r = use_semaphore(&child);
                break;
        case 1:
                r = use_lock(&child);
                break;
        default:
                r = answered(&child, "sleep", pen_sleep(below(p, 9)));
                break;
        }
        if (r == -ECANCELED && below(p, 3) == 0)
                r = pen_sleep(below(p, 3)); /* cleanup takes a while */
        else if (r == -ECANCELED && below(p, 3) == 0)
                r = 7;
        else if (r == 0 && below(p, 5) == 0)
                r = -EIO;
        crew->n_alive--;
        if (r < 0 && crew->first_error == 0 && !(crew->is_group && r == -ECANCELED)) {
                crew->first_error = r;
                if (crew->is_group)
                        crew->parent->sibling_failed = true;
        }
        return r;
}

static int group_spawn(struct pen_group *g, struct crew *crew)
{
        int r = pen_group_spawn(g, NULL, do_work, crew);

        HOLDS(r == (crew->first_error < 0 ? -ESHUTDOWN : 0));
        crew->n_alive += r == 0;
        return r;
}

static int group_body(struct actor *a, struct pen_group *g, struct crew *crew)
{
        int r = 0;

        for (uint64_t i = below(a->p, 4); i > 0; i--)
                (void)group_spawn(g, crew);
        if (below(a->p, 2))
                r = answered(a, "yield in a group", pen_yield());
        if (r == 0 && below(a->p, 2))
                (void)group_spawn(g, crew);
        return r;
}

/* What an actor had met of its requests at a moment. */
struct standing {
        bool told, met;
        unsigned n_told;
};

static struct standing standing_of(const struct actor *a)
{
        return (struct standing){ a->told, a->deadline->met, a->n_told };
}

/* Who meets a child's error shall meet what else was asked of it since then, too. */
static void meet_again(struct actor *a, struct standing then)
{
        a->told |= then.told || a->n_told > then.n_told;
        a->deadline->met &= then.met;
}

static int use_group(struct actor *a)
{
        struct crew crew = { .p = a->p, .parent = a, .is_group = true };
        struct standing then = standing_of(a);
        struct pen_group *g;
        int r;

        HOLDS(pen_group_create(&g) == 0);
        r = group_body(a, g, &crew);
        if (r < 0 && below(a->p, 2)) {
                pen_group_free(g);
                HOLDS(crew.n_alive == 0);
                a->sibling_failed = false;
                return crew.first_error < 0 ? -EIO : r;
        }
        a->sibling_failed = false; /* it takes that back */
        r = pen_group_join(g);
        HOLDS(crew.n_alive == 0);
        a->sibling_failed = false;
        HOLDS(crew.first_error == 0 || r == crew.first_error);
        ended(a, "join a group", r, crew.first_error);
        if (crew.first_error < 0)
                meet_again(a, then);
        pen_group_free(g);
        return r;
}

static int await_errand(struct actor *a)
{
        struct crew crew = { .p = a->p, .parent = a, .n_alive = 1 };
        PEN_CLEANUP(pen_task_unrefp) struct pen_task *errand = NULL;
        int r, result = 12345;

        HOLDS(pen_spawn(do_work, &crew, &errand) == 0);
        a->errands = &errand;
        r = pen_await(errand, &result);
        a->errands = NULL;
        if (crew.n_alive > 0) { /* cancelled before it waited: nobody has told the errand */
                (void)answered(a, "await", r);
                HOLDS(r == -ECANCELED);
                pen_task_cancel(errand);
                pen_uncancellable_begin();
                HOLDS(pen_await(errand, &result) == 0);
                pen_uncancellable_end();
                return r;
        }
        note(a, "await", r);
        HOLDS(r == 0 || r == -ECANCELED);
        /* Cancelled after the errand's end: nobody but us asks how it went. */
        HOLDS(pen_task_result(errand) == result || r == -ECANCELED);
        HOLDS(r < 0 || result != -ECANCELED);
        HOLDS(r < 0 || !a->told);
        meet_causes(a);
        return r;
}

static int gather_errands(struct actor *a)
{
        struct crew crew = { .p = a->p, .parent = a };
        size_t n = below(a->p, 4);
        struct pen_task *errands[3];
        int r;

        for (size_t i = 0; i < n; i++, crew.n_alive++)
                HOLDS(pen_spawn(do_work, &crew, &errands[i]) == 0);
        r = pen_gather(errands, n, NULL, 0);
        HOLDS(crew.n_alive == 0);
        ended(a, "gather", r, crew.first_error);
        if (r == -ECANCELED && !a->task->interrupt)
                meet_causes(a);
        for (size_t i = 0; i < n; i++)
                pen_task_unref(errands[i]);
        return r;
}

int mixed_step(struct actor *a)
{
        static int (*const all[])(struct actor *) = {
                use_lock,         use_semaphore,  put,       put,        get,
                get_many,         use_event,      nest,      join_queue, nest,
                be_uncancellable, cancel_another, use_group, use_group,  await_errand,
                gather_errands,
        };

        return all[below(a->p, ARRAY_SIZE(all))](a);
}

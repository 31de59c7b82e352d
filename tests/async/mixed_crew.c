/* What actors do with other tasks: groups, and errands that they wait for. */
#include "mixed.h"

#include <errno.h>

#include <penstock/group.h>
#include <penstock/wait.h>

struct crew {
        struct program *p;
        struct actor *parent;
        size_t n_alive;
        int first_error; /* -ECANCELED is none for a group */
        bool is_group;
        bool unmet; /* one that ended had not met a request */
};

static int crew_member(void *arg)
{
        struct crew *crew = arg;
        struct actor child = { .p = crew->p, .number = crew->parent->number, .a_child = true };
        struct program *p = crew->p;
        int r;

        child.task = pen_task_current();
        child.event_round = UINT64_MAX;
        switch (below(p, 4)) {
        case 0:
                r = mixed_use_semaphore(&child);
                break;
        case 1:
                r = mixed_use_lock(&child);
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
        crew->unmet |= child.task->undelivered > 0;
        if (r < 0 && crew->first_error == 0 && !(crew->is_group && r == -ECANCELED)) {
                crew->first_error = r;
                if (crew->is_group)
                        crew->parent->sibling_failed = true;
        }
        return r;
}

static int group_spawn(struct pen_group *g, struct crew *crew)
{
        int r = pen_group_spawn(g, NULL, crew_member, crew, NULL);

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

int mixed_use_group(struct actor *a)
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
        if (below(a->p, 2))
                (void)answered(a, "yield, the group joined", pen_yield());
        pen_group_free(g);
        return r;
}

/* A request that is pending, or comes meanwhile, goes on to the errand. */
int mixed_await_errand(struct actor *a)
{
        struct crew crew = { .p = a->p, .parent = a, .n_alive = 1 };
        PEN_CLEANUP(pen_task_unrefp) struct pen_task *errand = NULL;
        unsigned told_before = a->n_told;
        int r, result = 12345;

        HOLDS(pen_spawn(crew_member, &crew, &errand) == 0);
        a->errands = &errand;
        r = pen_await(errand, &result);
        a->errands = NULL;
        note(a, "await", r);
        HOLDS(crew.n_alive == 0);
        HOLDS(r == 0 || r == -ECANCELED);
        /* Cancelled after the errand's end: nobody but us asks how it went. */
        HOLDS(pen_task_result(errand) == result || r == -ECANCELED);
        HOLDS(r < 0 || result != -ECANCELED);
        if (r < 0 || !crew.unmet) {
                meet_causes(a);
        } else {
                a->told |= a->n_told > told_before;
                HOLDS(has_cause(a)); /* what it has not met is ours again */
        }
        return r;
}

/* A request ends this wait alone; the errand, which uses our frame, is ended by us. */
int mixed_shield_errand(struct actor *a)
{
        struct crew crew = { .p = a->p, .parent = a, .n_alive = 1 };
        PEN_CLEANUP(pen_task_unrefp) struct pen_task *errand = NULL;
        int r, result = 12345;

        HOLDS(pen_spawn(crew_member, &crew, &errand) == 0);
        r = answered(a, "shield", pen_shield(errand, &result));
        HOLDS(r < 0 || (crew.n_alive == 0 && result == pen_task_result(errand)));
        HOLDS(r == 0 || r == -ECANCELED);
        pen_task_cancel(errand);
        pen_uncancellable_begin();
        HOLDS(pen_await(errand, &result) == 0);
        pen_uncancellable_end();
        return r;
}

int mixed_gather_errands(struct actor *a)
{
        struct crew crew = { .p = a->p, .parent = a };
        size_t n = below(a->p, 4);
        struct pen_task *errands[3];
        int r;

        for (size_t i = 0; i < n; i++, crew.n_alive++)
                HOLDS(pen_spawn(crew_member, &crew, &errands[i]) == 0);
        r = pen_gather(errands, n, NULL, 0);
        HOLDS(crew.n_alive == 0);
        ended(a, "gather", r, crew.first_error);
        if (r == -ECANCELED && !a->task->interrupt)
                meet_causes(a);
        for (size_t i = 0; i < n; i++)
                pen_task_unref(errands[i]);
        return r;
}

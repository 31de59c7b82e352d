#include <penstock/wait.h>

#include <errno.h>

#include <async/loop.h>
#include <penstock/group.h>

struct each {
        void *const *items; /* those not yet begun */
        size_t n, limit, running;
        int (*fn)(void *item, void *arg);
        void *arg;
        struct pen_task *parent;
        struct pen_group *group;
        int error; /* the first */
};

/* Each child takes the next item when it first runs: they begin in their order, whatever the order
 * of the tasks. */
static int run_next(void *each)
{
        struct each *e = each;
        int r = pen_cancelling() > 0 ? -ECANCELED : e->fn(*e->items++, e->arg);

        if (r < 0 && e->error == 0) {
                e->error = r;
                pen_group_cancel(e->group);
        }
        e->running--;
        task_wake(e->parent);
        return 0; /* the error is told by us: an item's -ECANCELED is one */
}

static int run_all(struct each *e)
{
        int r = task_checkpoint(e->parent);

        while (r == 0 && e->error == 0 && (e->n > 0 || e->running > 0)) {
                if (e->n == 0 || e->running == e->limit) {
                        r = task_suspend(e->parent, "its items");
                        continue;
                }
                r = pen_group_spawn(e->group, NULL, run_next, e, NULL);
                e->n--;
                e->running++;
        }
        return r;
}

int pen_each(void *const *items, size_t n, size_t limit, int (*fn)(void *item, void *arg),
             void *arg)
{
        struct each e = {
                .items = items,
                .n = n,
                .limit = limit,
                .fn = fn,
                .arg = arg,
                .parent = pen_task_current(),
        };
        int r;

        if (limit == 0)
                return -EINVAL;
        if (!e.parent)
                return -EDEADLK;
        r = pen_group_create(&e.group);
        if (r < 0)
                return r;
        r = run_all(&e);
        pen_group_free(e.group); /* cancels what still runs, and waits for it */
        return r < 0 ? r : e.error;
}

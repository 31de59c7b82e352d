#include <penstock/wait.h>

#include <errno.h>

#include <async/loop.h>

struct gathering {
        struct pen_task *waiter;
        size_t pending;
        int error; /* the first */
        struct member {
                struct done_hook hook;
                struct gathering *gathering;
        } members[];
};

static void member_ended(struct done_hook *hook, struct pen_task *task)
{
        struct gathering *g = container_of(hook, struct member, hook)->gathering;

        g->pending--;
        if (task->result < 0 && g->error == 0)
                g->error = task->result;
        task_wake(g->waiter);
}

static int begin(struct pen_task *const *tasks, size_t n, struct gathering **ret)
{
        struct gathering *g;

        if (n > (SIZE_MAX - sizeof(*g)) / sizeof(g->members[0]))
                return -ENOMEM;
        g = malloc(sizeof(*g) + n * sizeof(g->members[0]));
        if (!g)
                return -ENOMEM;
        *g = (struct gathering){ .waiter = current_loop->current };
        for (size_t i = 0; i < n; i++) {
                struct member *m = &g->members[i];

                m->gathering = g;
                m->hook.fn = member_ended;
                list_init(&m->hook.link);
                if (!pen_task_done(tasks[i])) {
                        list_append(&tasks[i]->done_hooks, &m->hook.link);
                        g->pending++;
                } else if (tasks[i]->result < 0 && g->error == 0) {
                        g->error = tasks[i]->result;
                }
        }
        *ret = g;
        return 0;
}

static void cancel_all(struct pen_task *const *tasks, size_t n)
{
        for (size_t i = 0; i < n; i++)
                pen_task_cancel(tasks[i]);
}

static int wait_for_all(struct gathering *g, struct pen_task *const *tasks, size_t n,
                        unsigned flags)
{
        bool stop_at_error = !(flags & PEN_RETURN_ERRORS);
        int r = task_checkpoint(g->waiter);

        while (g->pending > 0 && r == 0 && !(stop_at_error && g->error < 0))
                r = task_suspend(g->waiter, "gather");
        if (r < 0)
                cancel_all(tasks, n);
        if (flags & PEN_LEAVE_RUNNING)
                return r;
        if (r == 0 && g->pending > 0)
                cancel_all(tasks, n);
        pen_uncancellable_begin();
        while (g->pending > 0 && task_suspend(g->waiter, "a cancelled gather") == 0)
                ;
        pen_uncancellable_end();
        return r;
}

int pen_gather(struct pen_task *const *tasks, size_t n, int *results, unsigned flags)
{
        struct gathering *g;
        int r;

        if (!current_loop || !current_loop->current->stack)
                return -EDEADLK;
        for (size_t i = 0; i < n; i++)
                if (tasks[i] == current_loop->current)
                        return -EDEADLK;
        r = begin(tasks, n, &g);
        if (r < 0)
                return r;
        r = wait_for_all(g, tasks, n, flags);
        for (size_t i = 0; i < n; i++) {
                list_remove(&g->members[i].hook.link);
                tasks[i]->retrieved |= pen_task_done(tasks[i]);
                if (results)
                        results[i] = pen_task_done(tasks[i]) ? tasks[i]->result : -EAGAIN;
        }
        if (r == 0 && !(flags & PEN_RETURN_ERRORS))
                r = g->error;
        free(g);
        return r;
}

/* Several tasks watched at once; pen_gather and pen_wait stand on this. */
#include <penstock/wait.h>

#include <errno.h>

#include <async/loop.h>

struct pen_as_completed {
        struct pen_loop *loop;
        struct pen_task *waiter; /* in `next`; NULL: nobody is */
        struct timer timer;
        bool expired;
        size_t n, pending;
        struct list ended; /* in that order */
        struct member {
                struct done_hook hook; /* linked to its task, then among the ended */
                struct pen_task *task;
                struct pen_as_completed *done;
        } members[];
};

static void wake_waiter(struct pen_as_completed *done)
{
        if (done->waiter)
                task_wake(done->waiter);
}

static void member_ended(struct done_hook *hook, struct pen_task *task)
{
        struct pen_as_completed *done = container_of(hook, struct member, hook)->done;

        (void)task;
        if (done->expired)
                return;
        list_append(&done->ended, &hook->link);
        done->pending--;
        wake_waiter(done);
}

static void expire(struct timer *timer)
{
        struct pen_as_completed *done = container_of(timer, struct pen_as_completed, timer);

        done->expired = true;
        wake_waiter(done);
}

static void watch(struct pen_as_completed *done, struct member *member, struct pen_task *task)
{
        *member = (struct member){
                .hook.fn = member_ended,
                .task = pen_task_ref(task),
                .done = done,
        };
        if (pen_task_done(task)) {
                list_append(&done->ended, &member->hook.link);
        } else {
                list_append(&task->done_hooks, &member->hook.link);
                done->pending++;
        }
}

int pen_as_completed_create(struct pen_task *const *tasks, size_t n, pen_usec timeout,
                            struct pen_as_completed **ret_done)
{
        struct pen_loop *loop = current_loop;
        struct pen_as_completed *done;
        int r;

        if (!loop)
                return -ENXIO;
        for (size_t i = 0; i < n; i++)
                if (tasks[i] == loop->current)
                        return -EDEADLK;
        if (n > (SIZE_MAX - sizeof(*done)) / sizeof(done->members[0]))
                return -ENOMEM;
        done = malloc(sizeof(*done) + n * sizeof(done->members[0]));
        if (!done)
                return -ENOMEM;
        *done = (struct pen_as_completed){ .loop = loop, .timer = TIMER_INIT(expire), .n = n };
        list_init(&done->ended);
        r = timer_start(loop, &done->timer, time_after(loop->now, timeout));
        if (r < 0) {
                free(done);
                return r;
        }
        for (size_t i = 0; i < n; i++)
                watch(done, &done->members[i], tasks[i]);
        *ret_done = done;
        return 0;
}

int pen_as_completed_next(struct pen_as_completed *done, struct pen_task **ret_task)
{
        struct pen_task *self = done->loop->current;
        struct member *first;
        int r = task_checkpoint(self);

        if (r < 0)
                return r;
        if (done->waiter)
                return -EBUSY;
        done->waiter = self;
        while (r == 0 && list_empty(&done->ended) && done->pending > 0 && !done->expired)
                r = task_suspend(self, "several tasks");
        done->waiter = NULL;
        if (r < 0)
                return r;
        if (list_empty(&done->ended))
                return done->pending > 0 ? -ETIME : 0;
        first = list_first(&done->ended, struct member, hook.link);
        list_remove(&first->hook.link);
        *ret_task = first->task;
        return 1;
}

void pen_as_completed_free(struct pen_as_completed *done)
{
        if (!done)
                return;
        timer_stop(done->loop, &done->timer);
        for (size_t i = 0; i < done->n; i++) {
                list_remove(&done->members[i].hook.link);
                pen_task_unref(done->members[i].task);
        }
        free(done);
}

void pen_as_completed_freep(struct pen_as_completed **done)
{
        pen_as_completed_free(*done);
}

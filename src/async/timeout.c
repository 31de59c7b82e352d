#include <penstock/timeout.h>

#include <errno.h>

#include <async/loop.h>

/* What struct pen_timeout holds. */
struct scope {
        struct timer timer;
        struct pen_task *task; /* NULL: not in a task */
        unsigned cancelling;   /* requests that the task had met at `begin` */
        bool expired;
        bool starved; /* so it did at once, for want of memory: better too early than never */
        uint64_t request;
};

_Static_assert(sizeof(struct scope) <= sizeof(struct pen_timeout), "opaque is too small");

static struct scope *scope_of(const struct pen_timeout *timeout)
{
        return (struct scope *)(uintptr_t)timeout->opaque;
}

static void expire(struct timer *timer)
{
        struct scope *scope = container_of(timer, struct scope, timer);

        scope->expired = true;
        scope->request = task_request(scope->task);
}

void pen_timeout_begin_at(struct pen_timeout *timeout, pen_usec when)
{
        struct scope *scope = scope_of(timeout);

        *scope = (struct scope){ .timer = TIMER_INIT(expire), .task = pen_task_current() };
        if (!scope->task)
                return;
        scope->cancelling = task_mark(scope->task).cancelling;
        scope->starved = timer_start(scope->task->loop, &scope->timer, when) < 0;
        if (scope->starved)
                expire(&scope->timer);
}

void pen_timeout_begin(struct pen_timeout *timeout, pen_usec usec)
{
        pen_timeout_begin_at(timeout, time_after(pen_now(), usec));
}

int pen_timeout_reschedule(struct pen_timeout *timeout, pen_usec usec)
{
        struct scope *scope = scope_of(timeout);

        if (scope->expired)
                return -ETIME;
        if (!scope->task)
                return 0;
        return timer_start(scope->task->loop, &scope->timer,
                           time_after(scope->task->loop->now, usec));
}

bool pen_timeout_expired(const struct pen_timeout *timeout)
{
        return scope_of(timeout)->expired;
}

int pen_timeout_end(struct pen_timeout *timeout, int r)
{
        struct scope *scope = scope_of(timeout);

        if (!scope->task)
                return r;
        timer_stop(scope->task->loop, &scope->timer);
        if (!scope->expired)
                return r;
        if (task_take_back(scope->task, scope->request) <= scope->cancelling && r == -ECANCELED)
                return scope->starved ? -ENOMEM : -ETIME;
        return r;
}

int pen_within(pen_usec usec, int (*fn)(void *arg), void *arg)
{
        struct pen_timeout scope;

        pen_timeout_begin(&scope, usec);
        return pen_timeout_end(&scope, fn(arg));
}

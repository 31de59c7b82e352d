/* Time, I/O, and calls from other threads: everything that happens to a loop from outside. */
#include <errno.h>
#include <time.h>
#include <unistd.h>

#include <async/debug.h>
#include <async/loop.h>

static bool is_virtual(const struct pen_loop *loop)
{
        return loop->options.clock == PEN_CLOCK_VIRTUAL;
}

pen_usec loop_real_time(void)
{
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (pen_usec)t.tv_sec * PEN_SEC + (pen_usec)t.tv_nsec / 1000;
}

pen_usec loop_time(const struct pen_loop *loop)
{
        return is_virtual(loop) ? loop->now : loop_real_time();
}

/* --- timers ----------------------------------------------------------------------------------- */

int timer_start(struct pen_loop *loop, struct timer *timer, pen_usec due)
{
        timer_stop(loop, timer);
        if (due == PEN_FOREVER)
                return 0;
        return heap_push(&loop->timers, &timer->node, due);
}

void timer_stop(struct pen_loop *loop, struct timer *timer)
{
        heap_remove(&loop->timers, &timer->node);
}

static bool run_due_timers(struct pen_loop *loop)
{
        struct heap_node *node;
        bool any = false;

        while ((node = heap_peek(&loop->timers)) && node->key <= loop->now) {
                struct timer *timer = container_of(node, struct timer, node);

                timer_stop(loop, timer);
                timer->fn(timer);
                any = true;
        }
        return any;
}

/* --- waiting for I/O, time and threads ---------------------------------------------------------- */

/* Lets libevent call back for what has happened; `usec` is how long to wait for something to. */
static void poll_events(struct pen_loop *loop, pen_usec usec)
{
        struct timeval tv;
        int how = EVLOOP_ONCE;

        if (UNLIKELY(loop->watch) && usec > 0)
                usec = watch_wait(loop, usec);
        if (usec == 0) {
                event_base_loop(loop->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
                return;
        }
        if (usec != PEN_FOREVER) {
                usec = MIN(usec, PEN_DAY);
                tv.tv_sec = (time_t)(usec / PEN_SEC);
                tv.tv_usec = (suseconds_t)(usec % PEN_SEC);
                if (event_add(loop->alarm, &tv) < 0) /* no memory: better too early than never */
                        how |= EVLOOP_NONBLOCK;
        }
        event_base_loop(loop->base, how);
        loop_awake(loop);
}

static pen_usec time_to_wait(struct pen_loop *loop)
{
        struct heap_node *next = heap_peek(&loop->timers);

        if (!next)
                return PEN_FOREVER;
        return next->key > loop->now ? next->key - loop->now : 0;
}

/* With the virtual clock, time passes only when nothing else can happen. */
static bool poll_virtual(struct pen_loop *loop, bool may_wait)
{
        pen_usec wait;

        poll_events(loop, 0);
        if (loop->ready_first || !list_empty(&loop->deferred) || !may_wait)
                return false;
        wait = time_to_wait(loop);
        if (loop->n_busy > 0 || (wait == PEN_FOREVER && loop->n_events > 0))
                poll_events(loop, PEN_FOREVER);
        else if (wait != PEN_FOREVER)
                loop->now += wait;
        else
                return false;
        return true;
}

static bool run_deferred(struct pen_loop *loop)
{
        struct list due = LIST_INIT(due);
        bool any = !list_empty(&loop->deferred);

        list_splice(&due, &loop->deferred);
        while (!list_empty(&due)) {
                struct deferred *first = list_first(&due, struct deferred, link);

                list_remove(&first->link);
                first->fn(first);
        }
        return any;
}

bool loop_poll(struct pen_loop *loop, bool may_wait)
{
        bool deferred = run_deferred(loop), happened;
        bool wait = may_wait && !loop->ready_first && list_empty(&loop->deferred);

        if (is_virtual(loop)) {
                happened = poll_virtual(loop, wait);
        } else {
                if (wait)
                        loop->now = loop_time(loop);
                poll_events(loop, wait ? time_to_wait(loop) : 0);
                loop->now = loop_time(loop);
                happened = wait;
        }
        if (run_due_timers(loop) || deferred || !list_empty(&loop->deferred))
                happened = true;
        return happened;
}

/* --- calls from other threads ------------------------------------------------------------------- */

void loop_post(struct pen_loop *loop, struct thread_call *call)
{
        uint64_t one = 1;

        pthread_mutex_lock(&loop->lock);
        /* Under the lock: once the call can be taken from the list the loop may be gone. */
        if (list_empty(&loop->calls) && write(loop->wake_fd, &one, sizeof(one)) < 0)
                abort(); /* an eventfd below its maximum takes a 1 */
        list_append(&loop->calls, &call->link);
        pthread_mutex_unlock(&loop->lock);
}

void loop_run_calls(struct pen_loop *loop)
{
        struct list calls = LIST_INIT(calls);
        uint64_t count;

        pthread_mutex_lock(&loop->lock);
        if (read(loop->wake_fd, &count, sizeof(count)) < 0)
                count = 0; /* it is non-blocking: no call has come */
        list_splice(&calls, &loop->calls);
        pthread_mutex_unlock(&loop->lock);
        while (!list_empty(&calls)) {
                struct thread_call *call = list_first(&calls, struct thread_call, link);

                list_remove(&call->link);
                call->fn(call);
        }
}

struct public_call {
        struct thread_call call;
        void (*fn)(void *arg);
        void *arg;
};

static void run_public_call(struct thread_call *call)
{
        struct public_call *public = container_of(call, struct public_call, call);

        public->fn(public->arg);
        free(public);
}

int pen_call_threadsafe(struct pen_loop *loop, void (*fn)(void *arg), void *arg)
{
        struct public_call *public;

        if (atomic_load(&loop->closed))
                return -ESHUTDOWN;
        public = malloc(sizeof(*public));
        if (!public)
                return -ENOMEM;
        *public = (struct public_call){ .call.fn = run_public_call, .fn = fn, .arg = arg };
        loop_post(loop, &public->call);
        return 0;
}

#include <async/loop.h>

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>


/* I/O is looked at after so many resumptions or so much time, whichever is first. Reading the clock
 * costs as much as a switch, so it is read every few resumptions, and each time if those are long. */
#define RESUMPTIONS_MAX 256
#define RESUMPTIONS_SLICE 16
#define RUN_MAX (100 * PEN_USEC)

__thread struct pen_loop *current_loop;

static pen_usec monotonic_now(void)
{
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (pen_usec)t.tv_sec * PEN_SEC + (pen_usec)t.tv_nsec / 1000;
}

static bool is_virtual(const struct pen_loop *loop)
{
        return loop->options.clock == PEN_CLOCK_VIRTUAL;
}

static void update_now(struct pen_loop *loop)
{
        if (!is_virtual(loop))
                loop->now = monotonic_now();
}

void loop_log(struct pen_loop *loop, enum pen_log_level level, const char *format, ...)
{
        char message[1024];
        va_list args;

        va_start(args, format);
        vsnprintf(message, sizeof(message), format, args);
        va_end(args);
        if (loop->options.log)
                loop->options.log(loop->options.log_data, level, message);
        else if (level <= PEN_LOG_WARNING)
                fprintf(stderr, "penstock: %s\n", message);
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

static void on_alarm(evutil_socket_t fd, short what, void *arg)
{
        (void)fd, (void)what, (void)arg;
}

/* Lets libevent call back for what has happened; `usec` is how long to wait for something to. */
static void poll_events(struct pen_loop *loop, pen_usec usec)
{
        struct timeval tv;

        if (usec == 0) {
                event_base_loop(loop->base, EVLOOP_NONBLOCK);
                return;
        }
        if (usec != PEN_FOREVER) {
                usec = MIN(usec, PEN_DAY);
                tv.tv_sec = (time_t)(usec / PEN_SEC);
                tv.tv_usec = (suseconds_t)(usec % PEN_SEC);
                event_add(loop->alarm, &tv);
        }
        event_base_loop(loop->base, EVLOOP_ONCE);
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

/* Answers false if nothing can happen any more, or, without waiting, if nothing has. */
static bool poll(struct pen_loop *loop, bool may_wait)
{
        bool deferred = run_deferred(loop), happened;
        bool wait = may_wait && !loop->ready_first && list_empty(&loop->deferred);

        if (is_virtual(loop)) {
                happened = poll_virtual(loop, wait);
        } else {
                if (wait)
                        update_now(loop);
                poll_events(loop, wait ? time_to_wait(loop) : 0);
                update_now(loop);
                happened = wait;
        }
        if (run_due_timers(loop) || deferred || !list_empty(&loop->deferred))
                happened = true;
        loop->polled = loop->looked = loop->now;
        loop->resumed = 0;
        loop->budget = RESUMPTIONS_SLICE;
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

static void run_thread_calls(struct pen_loop *loop)
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
        struct public_call *public = malloc(sizeof(*public));

        if (!public)
                return -ENOMEM;
        *public = (struct public_call){ .call.fn = run_public_call, .fn = fn, .arg = arg };
        loop_post(loop, &public->call);
        return 0;
}

/* --- the run queue ------------------------------------------------------------------------------ */

static void make_ready(struct pen_loop *loop, struct pen_task *task)
{
        task->state = TASK_READY;
        task->next_ready = NULL;
        if (loop->ready_first)
                loop->ready_last->next_ready = task;
        else
                loop->ready_first = task;
        loop->ready_last = task;
}

/* With a seed: any of the runnable ones. */
static struct pen_task *take_ready_at_random(struct pen_loop *loop)
{
        struct pen_task **i = &loop->ready_first, *before = NULL, *task;
        uint64_t n = 0;

        for (task = loop->ready_first; task; task = task->next_ready)
                n++;
        if (n == 0)
                return NULL;
        for (n = random_below(&loop->random, n); n > 0; n--) {
                before = *i;
                i = &before->next_ready;
        }
        task = *i;
        *i = task->next_ready;
        if (loop->ready_last == task)
                loop->ready_last = before;
        return task;
}

static inline struct pen_task *take_ready(struct pen_loop *loop)
{
        struct pen_task *task;

        if (UNLIKELY(loop->options.seed))
                return take_ready_at_random(loop);
        task = loop->ready_first;
        if (task)
                loop->ready_first = task->next_ready;
        return task;
}

/* The slice is used up: is it time to look at I/O? */
static bool time_to_poll(struct pen_loop *loop)
{
        pen_usec now;

        loop->resumed += RESUMPTIONS_SLICE;
        if (is_virtual(loop)) { /* real time must not change a run that a seed repeats */
                loop->budget = RESUMPTIONS_SLICE;
                return loop->resumed >= RESUMPTIONS_MAX;
        }
        now = monotonic_now();
        loop->budget = 1;
        if (loop->resumed >= RESUMPTIONS_MAX || now - loop->polled >= RUN_MAX)
                return true;
        loop->budget = now - loop->looked < RUN_MAX / 4 ? RESUMPTIONS_SLICE : 1;
        loop->looked = now;
        return false;
}

/* Who runs next: a task, or the root. */
static inline struct pen_task *choose_next(struct pen_loop *loop)
{
        struct pen_task *next;

        if (UNLIKELY(--loop->budget == 0) && time_to_poll(loop))
                return &loop->root;
        next = take_ready(loop);
        return next ? next : &loop->root;
}

static inline void switch_to(struct pen_loop *loop, struct pen_task *from, struct pen_task *to)
{
        if (from == to)
                return;
        loop->current = to;
        context_switch(&from->context, &to->context);
}

static void report_overflow(struct pen_task *task)
{
        loop_log(task->loop, PEN_LOG_ERROR, "task %s has run past the end of its stack", task->name);
        abort();
}

int task_suspend(struct pen_task *task, const char *what)
{
        struct pen_loop *loop = task->loop;
        int r;

        if (UNLIKELY(!task->stack))
                return -EDEADLK;
        r = task_checkpoint(task);
        if (r < 0)
                return r;
        if (UNLIKELY(!stack_intact(task->stack)))
                report_overflow(task);
        task->state = TASK_SUSPENDED;
        task->waits_for = what;
        switch_to(loop, task, choose_next(loop));
        task->state = TASK_RUNNING;
        return task_checkpoint(task);
}

void task_wake(struct pen_task *task)
{
        if (task->state == TASK_SUSPENDED)
                make_ready(task->loop, task);
}

int pen_yield(void)
{
        struct pen_loop *loop = current_loop;
        struct pen_task *task;
        int r;

        if (!loop)
                return -EDEADLK;
        task = loop->current;
        if (UNLIKELY(!task->stack))
                return -EDEADLK;
        r = task_checkpoint(task);
        if (r < 0)
                return r;
        if (UNLIKELY(!stack_intact(task->stack)))
                report_overflow(task);
        task->waits_for = "its turn";
        make_ready(loop, task);
        switch_to(loop, task, choose_next(loop));
        task->state = TASK_RUNNING;
        return task_checkpoint(task);
}

int pen_on_thread_stack(int (*fn)(void *arg), void *arg)
{
        struct pen_loop *loop = current_loop;
        struct pen_task *task;

        if (!loop || !loop->current->stack)
                return fn(arg);
        task = loop->current;
        loop->errand = (struct errand){ .fn = fn, .arg = arg, .task = task };
        switch_to(loop, task, &loop->root);
        return loop->errand.result;
}

/* --- the root ----------------------------------------------------------------------------------- */

/* Switches to the task; then does what tasks want done on this stack, until one has no wish. */
static void run_task(struct pen_loop *loop, struct pen_task *task)
{
        switch_to(loop, &loop->root, task);
        while (loop->errand.fn) {
                struct errand *errand = &loop->errand;
                int (*fn)(void *) = TAKE(errand->fn);

                errand->result = fn(errand->arg);
                switch_to(loop, &loop->root, errand->task);
        }
        if (loop->ended)
                task_reap(TAKE(loop->ended));
}

bool loop_turn(struct pen_loop *loop, bool may_wait)
{
        bool happened = poll(loop, may_wait);
        struct pen_task *next;

        while ((next = choose_next(loop)) != &loop->root) {
                run_task(loop, next);
                happened = true;
        }
        return happened;
}

void loop_run_until_idle(struct pen_loop *loop)
{
        while (loop_turn(loop, false))
                ;
}

void loop_advance(struct pen_loop *loop, pen_usec usec)
{
        pen_usec end = loop->now + usec;
        struct heap_node *next;

        loop_run_until_idle(loop);
        while ((next = heap_peek(&loop->timers)) && next->key <= end) {
                loop->now = MAX(loop->now, next->key);
                loop_run_until_idle(loop);
        }
        loop->now = end;
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
        (void)fd, (void)what;
        run_thread_calls(arg);
}

static int create_base(struct pen_loop *loop)
{
        struct event_config *config = event_config_new();

        if (!config)
                return -ENOMEM;
        /* The default clock is coarse: off by up to 4 ms. */
        event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER | EVENT_BASE_FLAG_NOLOCK |
                                              EVENT_BASE_FLAG_NO_CACHE_TIME |
                                              EVENT_BASE_FLAG_IGNORE_ENV);
        loop->base = event_base_new_with_config(config);
        event_config_free(config);
        loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (!loop->base || loop->wake_fd < 0)
                return -EMFILE;
        loop->alarm = evtimer_new(loop->base, on_alarm, NULL);
        loop->wake_event = event_new(loop->base, loop->wake_fd, EV_READ | EV_PERSIST, on_wake, loop);
        if (!loop->alarm || !loop->wake_event || event_add(loop->wake_event, NULL) < 0)
                return -ENOMEM;
        return 0;
}

/* A write to a pipe or connection whose reader has gone shall be -EPIPE, not the end of us all. A
 * handler that somebody has set stays. */
static void ignore_sigpipe(void)
{
        struct sigaction action;

        if (sigaction(SIGPIPE, NULL, &action) == 0 && action.sa_handler == SIG_DFL)
                signal(SIGPIPE, SIG_IGN);
}

int loop_create(const struct pen_options *options, struct pen_loop **ret_loop)
{
        struct pen_loop *loop;
        int r;

        if (current_loop)
                return -EBUSY;
        loop = calloc(1, sizeof(*loop));
        if (!loop)
                return -ENOMEM;
        loop->options = *options;
        loop->budget = RESUMPTIONS_SLICE;
        loop->root = (struct pen_task){ .loop = loop, .state = TASK_RUNNING, .name = "the loop" };
        list_init(&loop->root.done_hooks);
        loop->current = &loop->root;
        list_init(&loop->tasks);
        list_init(&loop->calls);
        list_init(&loop->deferred);
        pthread_mutex_init(&loop->lock, NULL);
        context_init_thread(&loop->root.context);
        stack_pool_init(&loop->stacks, options->stack_size);
        random_seed(&loop->random, options->seed);
        r = create_base(loop);
        if (r < 0) {
                loop_free(loop);
                return r;
        }
        ignore_sigpipe();
        update_now(loop);
        loop->polled = loop->looked = loop->now;
        *ret_loop = current_loop = loop;
        return 0;
}

void loop_free(struct pen_loop *loop)
{
        loop_resolver_free(loop);
        loop_threads_free(loop);
        loop_signals_free(loop);
        run_thread_calls(loop);
        if (loop->wake_event)
                event_free(loop->wake_event);
        if (loop->alarm)
                event_free(loop->alarm);
        if (loop->base)
                event_base_free(loop->base);
        if (loop->wake_fd >= 0)
                close(loop->wake_fd);
        stack_pool_deinit(&loop->stacks);
        heap_deinit(&loop->timers);
        pthread_mutex_destroy(&loop->lock);
        free(loop);
        current_loop = NULL;
}

struct pen_loop *pen_loop_current(void)
{
        return current_loop;
}

pen_usec pen_now(void)
{
        return current_loop ? current_loop->now : 0;
}

/* --- pen_run ------------------------------------------------------------------------------------ */

static void cancel_all(struct pen_loop *loop)
{
        list_for_each(i, &loop->tasks)
                pen_task_cancel(list_entry(i, struct pen_task, link));
}

int pen_run_with(const struct pen_options *options, int (*fn)(void *arg), void *arg)
{
        static const struct pen_spawn_options as_main = { .name = "main" };
        struct pen_loop *loop;
        struct pen_task *main_task;
        int r;

        r = loop_create(options, &loop);
        if (r < 0)
                return r;
        r = pen_spawn_with(&as_main, fn, arg, &main_task);
        if (r < 0)
                goto out;
        while (!pen_task_done(main_task))
                if (!loop_turn(loop, true)) {
                        loop_log(loop, PEN_LOG_ERROR, "deadlock: every task waits for another one");
                        pen_task_cancel(main_task);
                        cancel_all(loop);
                }
        r = pen_task_result(main_task);
        pen_task_unref(main_task);
        cancel_all(loop);
        while (loop->n_tasks > 0)
                if (!loop_turn(loop, true))
                        cancel_all(loop);
out:
        loop_free(loop);
        return r;
}

int pen_run(int (*fn)(void *arg), void *arg)
{
        static const struct pen_options defaults = PEN_OPTIONS_DEFAULT;

        return pen_run_with(&defaults, fn, arg);
}

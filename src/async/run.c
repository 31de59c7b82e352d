/* The life of a loop: pen_run. */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <async/debug.h>
#include <async/loop.h>
#include <async/overflow.h>

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

/* The poll's own timer: that it fires is enough. */
static void on_alarm(evutil_socket_t fd, short what, void *arg)
{
        (void)fd, (void)what, (void)arg;
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
        (void)fd, (void)what;
        loop_awake(arg);
        loop_run_calls(arg);
}

/* What libevent warns of on standard error we answer as an error. */
static void mute(int severity, const char *message)
{
        (void)severity, (void)message;
}

static int create_base(struct pen_loop *loop)
{
        struct event_config *config = event_config_new();
        int r = 0;

        if (!config)
                return -ENOMEM;
        event_set_log_callback(mute);
        /* The default clock is coarse: off by up to 4 ms. */
        event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER | EVENT_BASE_FLAG_NOLOCK |
                                              EVENT_BASE_FLAG_NO_CACHE_TIME |
                                              EVENT_BASE_FLAG_IGNORE_ENV);
        /* For want of memory it would quietly make do with poll, which has no edges. */
        event_config_require_features(config, EV_FEATURE_ET);
        errno = 0;
        loop->base = event_base_new_with_config(config);
        if (loop->base)
                loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (loop->wake_fd < 0)
                r = errno == EMFILE || errno == ENFILE ? -errno : -ENOMEM;
        event_config_free(config);
        if (r < 0)
                return r;
        loop->alarm = evtimer_new(loop->base, on_alarm, NULL);
        loop->wake_event =
                event_new(loop->base, loop->wake_fd, EV_READ | EV_PERSIST, on_wake, loop);
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
        loop->wake_fd = -1;
        loop->root = (struct pen_task){ .loop = loop, .state = TASK_RUNNING, .name = "the loop" };
        list_init(&loop->root.done_hooks);
        loop->current = &loop->root;
        list_init(&loop->generators);
        list_init(&loop->tasks);
        list_init(&loop->calls);
        list_init(&loop->deferred);
        pthread_mutex_init(&loop->lock, NULL);
        context_init_thread(&loop->root.context);
        stack_pool_init(&loop->stacks, options->stack_size);
        if (options->seed)
                random_seed(&loop->random, options->seed);
        else
                random_seed_from_system(&loop->random);
        loop->trace = options->seed ? 1 : 0;
        loop->now = loop_time(loop);
        r = create_base(loop);
        if (r < 0) {
                loop_free(loop);
                return r;
        }
        ignore_sigpipe();
        loop->overflow = overflow_watch_create();
        *ret_loop = current_loop = loop;
        loop->watch = watch_create(loop);
        return 0;
}

void loop_free(struct pen_loop *loop)
{
        watch_free(TAKE(loop->watch));
        current_loop = NULL; /* what is called now can spawn nothing: nobody would run it */
        loop->ending = true;
        atomic_store(&loop->closed, true);
        loop_resolver_free(loop);
        loop_threads_free(loop);
        loop_signals_free(loop);
        loop_run_calls(loop);
        loop_generators_free(loop);
        if (loop->wake_event)
                event_free(loop->wake_event);
        if (loop->alarm)
                event_free(loop->alarm);
        if (loop->base)
                event_base_free(loop->base);
        if (loop->wake_fd >= 0)
                close(loop->wake_fd);
        overflow_watch_free(loop->overflow);
        stack_pool_deinit(&loop->stacks);
        heap_deinit(&loop->timers);
        pthread_mutex_destroy(&loop->lock);
        free(loop);
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

/* A deadlock is told of once: those who wait uninterruptibly stay in it. */
static void turn(struct pen_loop *loop, bool *told)
{
        if (loop_turn(loop, true))
                return;
        if (!*told)
                loop_log_tasks(loop, PEN_LOG_ERROR, "deadlock: every task waits for another one");
        *told = true;
        cancel_all(loop);
}

static void end_leftovers(struct pen_loop *loop, bool *told)
{
        loop_run_calls(loop); /* they may spawn */
        cancel_all(loop);
        while (loop->n_tasks > 0)
                turn(loop, told);
}

int pen_run_with(const struct pen_options *options, int (*fn)(void *arg), void *arg)
{
        static const struct pen_spawn_options as_main = { .name = "main" };
        struct pen_loop *loop;
        struct pen_task *main_task;
        bool told = false;
        int r;

        r = loop_create(options, &loop);
        if (r < 0)
                return r;
        r = pen_spawn_with(&as_main, fn, arg, &main_task);
        if (r < 0)
                goto out;
        loop_cancel_on_interrupt(loop, main_task);
        while (!pen_task_done(main_task))
                turn(loop, &told);
        r = pen_task_result(main_task);
        loop->ending = true; /* what leftovers spawn in their cleanup is cancelled as they are */
        do
                end_leftovers(loop, &told);
        while (loop_generators_close(loop));
        pen_task_unref(main_task);
out:
        loop_free(loop);
        return r;
}

int pen_run(int (*fn)(void *arg), void *arg)
{
        static const struct pen_options defaults = PEN_OPTIONS_DEFAULT;

        return pen_run_with(&defaults, fn, arg);
}

#include <async/debug.h>

#include <errno.h>
#include <execinfo.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

#include <async/symbol.h>
#include <penstock/debug.h>

/* Each loop in debug mode has a watchdog, a thread that sleeps most of the time. When a hold has
 * lasted for too long it sends the loop's thread a signal, whose handler notes the stack; who ends
 * the hold tells of it, and of one that goes on ten times as long the watchdog does.
 *
 * SIGURG, because it does nothing where nobody handles it, and debuggers let it pass. */
#define LOOK SIGURG
#define SLOW_DEFAULT (100 * PEN_MSEC)
#define STUCK_FACTOR 10
#define FRAMES_MAX 48
#define WATCHDOG_STACK ((size_t)256 << 10)

/* What the loop did at a moment. Written by the handler. */
struct glimpse {
        char who[64];
        pen_usec after; /* the hold's beginning */
        void *frames[FRAMES_MAX];
        size_t n;
};

/* Nothing that the loop knows of can wake a task: not so; so for a while; and it was told. */
enum solitude {
        NOT_ALONE,
        ALONE,
        ALONE_TOLD,
};

/* A hold is known by when it began: those that are of interest have that for themselves. */
struct watch {
        struct pen_loop *loop;
        pthread_t thread; /* the loop's */
        pen_usec limit;
        bool was_blocked; /* the signal */

        _Atomic pen_usec since;    /* the current hold's beginning; 0: the loop waits */
        _Atomic pen_usec wanted;   /* the hold that the watchdog wants to see */
        _Atomic pen_usec captured; /* the one that `glimpse` is of */
        struct glimpse glimpse;

        enum solitude alone;

        bool has_watchdog;
        pthread_t watchdog;
        pthread_mutex_t lock;
        pthread_cond_t changed;
        bool stop;
};

/* --- telling ------------------------------------------------------------------------------------ */

/* The task whose hold this is; the root for a callback's. */
static struct pen_task *holder(const struct pen_loop *loop)
{
        if (loop->ended)
                return loop->ended;
        return loop->errand.task ? loop->errand.task : loop->current;
}

static void format_who(const struct pen_task *task, char who[64])
{
        if (!task->stack)
                strcpy(who, "a callback");
        else if (task->name[0])
                snprintf(who, 64, "task %s", task->name);
        else
                snprintf(who, 64, "task task-%llu", (unsigned long long)task->number);
}

/* Below it there is only the switch. */
static bool is_bottom(const char *name)
{
        return strncmp(name, "task_main+", strlen("task_main+")) == 0 ||
               strncmp(name, "gen_main+", strlen("gen_main+")) == 0;
}

/* "; after 100 ms it was in: a+0x12 < b+0x4d < c+0x20": what called what, from right to left. */
static void format_glimpse(const struct glimpse *glimpse, char *text, size_t size)
{
        int n = snprintf(text, size, "; after %llu ms it was in: ",
                         (unsigned long long)(glimpse->after / PEN_MSEC));

        for (size_t i = 0; i < glimpse->n; i++) {
                /* A return address may be that of the next function already. */
                const char *address = (const char *)glimpse->frames[i] - (i > 0);
                char name[96];

                symbol_format(address, name, sizeof(name));
                if (is_bottom(name) || (size_t)n + strlen(name) + sizeof(" < ") > size)
                        break;
                n += snprintf(text + n, size - (size_t)n, "%s%s", i > 0 ? " < " : "", name);
        }
}

static void report(struct watch *watch, pen_usec since, pen_usec now)
{
        char who[64], where[800] = "";

        format_who(holder(watch->loop), who);
        if (watch->captured == since)
                format_glimpse(&watch->glimpse, where, sizeof(where));
        loop_log(watch->loop, PEN_LOG_WARNING, "%s held the loop for %llu ms%s", who,
                 (unsigned long long)((now - since) / PEN_MSEC), where);
}

/* By the watchdog, and so not to the log: its callback is for the loop's thread. */
static void report_stuck(struct watch *watch, pen_usec since, pen_usec now)
{
        char where[800] = "";
        bool seen = watch->captured == since;

        if (seen)
                format_glimpse(&watch->glimpse, where, sizeof(where));
        dprintf(STDERR_FILENO, "penstock: %s has held the loop for %llu ms and goes on%s\n",
                seen ? watch->glimpse.who : "something",
                (unsigned long long)((now - since) / PEN_MSEC), where);
}

/* --- looking ------------------------------------------------------------------------------------ */

static const void *interrupted_at(const void *context)
{
#if defined(__x86_64__)
        return (const void *)((const ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
        return (const void *)((const ucontext_t *)context)->uc_mcontext.pc;
#else
        (void)context;
        return NULL;
#endif
}

static void capture(struct watch *watch, const void *context)
{
        struct glimpse *glimpse = &watch->glimpse;
        const void *at = interrupted_at(context);
        size_t n = (size_t)backtrace(glimpse->frames, FRAMES_MAX), own = 0;

        while (own < n && glimpse->frames[own] != at)
                own++;
        if (own < n) {
                n -= own;
                memmove(glimpse->frames, glimpse->frames + own, n * sizeof(glimpse->frames[0]));
        }
        glimpse->n = n;
        format_who(holder(watch->loop), glimpse->who);
}

static void on_look(int signo, siginfo_t *info, void *context)
{
        struct watch *watch = current_loop ? current_loop->watch : NULL;
        int saved = errno;
        pen_usec since;

        (void)signo, (void)info;
        if (!watch)
                return;
        since = watch->since;
        if (since == 0 || since != watch->wanted || since == watch->captured)
                return; /* too late, or somebody else's signal */
        watch->glimpse.after = loop_real_time() - since;
        capture(watch, context);
        watch->captured = since;
        errno = saved;
}

/* A handler that somebody else has set stays; then nothing is seen. Ours stays for good: without a
 * loop in debug mode it does nothing. */
static bool handle_looks(void)
{
        struct sigaction action = { .sa_sigaction = on_look,
                                    .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK };
        struct sigaction before;

        if (sigaction(LOOK, NULL, &before) < 0 ||
            (before.sa_handler != SIG_DFL && before.sa_sigaction != on_look))
                return false;
        return sigaction(LOOK, &action, NULL) == 0;
}

/* --- the watchdog ------------------------------------------------------------------------------- */

static void wait_until(struct watch *watch, pen_usec due)
{
        struct timespec t = { .tv_sec = (time_t)(due / PEN_SEC),
                              .tv_nsec = (long)(due % PEN_SEC) * 1000 };

        pthread_cond_timedwait(&watch->changed, &watch->lock, &t);
}

static void *watch_over(void *arg)
{
        struct watch *watch = arg;
        pen_usec told = 0;

        pthread_mutex_lock(&watch->lock);
        while (!watch->stop) {
                pen_usec since = watch->since, now = loop_real_time();
                bool slow = since > 0 && now >= time_after(since, watch->limit);

                if (slow && since != watch->wanted) {
                        watch->wanted = since;
                        pthread_kill(watch->thread, LOOK);
                } else if (slow && since != told && (now - since) / STUCK_FACTOR >= watch->limit) {
                        told = since;
                        report_stuck(watch, since, now);
                }
                wait_until(watch, time_after(slow || since == 0 ? now : since, watch->limit));
        }
        pthread_mutex_unlock(&watch->lock);
        return NULL;
}

static int start_watchdog(struct watch *watch)
{
        sigset_t all, before;
        pthread_attr_t attr;
        int r;

        sigfillset(&all);
        pthread_attr_init(&attr);
        pthread_attr_setstacksize(&attr, WATCHDOG_STACK);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        r = pthread_create(&watch->watchdog, &attr, watch_over, watch);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        pthread_attr_destroy(&attr);
        watch->has_watchdog = r == 0;
        return -r;
}

/* --- life --------------------------------------------------------------------------------------- */

static pen_usec slow_limit(const struct pen_options *options)
{
        const char *debug = secure_getenv("PENSTOCK_DEBUG");

        if (options->slow_task > 0)
                return options->slow_task;
        return debug && strcmp(debug, "1") == 0 ? SLOW_DEFAULT : PEN_FOREVER;
}

static bool unblock_looks(void)
{
        sigset_t look, before;

        sigemptyset(&look);
        sigaddset(&look, LOOK);
        pthread_sigmask(SIG_UNBLOCK, &look, &before);
        return sigismember(&before, LOOK);
}

static void block_looks(void)
{
        sigset_t look;

        sigemptyset(&look);
        sigaddset(&look, LOOK);
        pthread_sigmask(SIG_BLOCK, &look, NULL);
}

struct watch *watch_create(struct pen_loop *loop)
{
        pen_usec limit = slow_limit(&loop->options);
        pthread_condattr_t attr;
        struct watch *watch;
        void *frame;

        if (limit == PEN_FOREVER)
                return NULL;
        watch = calloc(1, sizeof(*watch));
        if (!watch)
                return NULL;
        watch->loop = loop;
        watch->thread = pthread_self();
        watch->limit = limit;
        watch->since = loop_real_time();
        pthread_mutex_init(&watch->lock, NULL);
        pthread_condattr_init(&attr);
        pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
        pthread_cond_init(&watch->changed, &attr);
        pthread_condattr_destroy(&attr);
        backtrace(&frame, 1); /* what it loads and allocates the first time is not for a handler */
        if (handle_looks())
                watch->was_blocked = unblock_looks();
        if (start_watchdog(watch) < 0)
                loop_log(loop, PEN_LOG_WARNING, "debug mode: no thread to watch the loop");
        return watch;
}

void watch_free(struct watch *watch)
{
        if (!watch)
                return;
        if (watch->has_watchdog) {
                pthread_mutex_lock(&watch->lock);
                watch->stop = true;
                pthread_cond_signal(&watch->changed);
                pthread_mutex_unlock(&watch->lock);
                pthread_join(watch->watchdog, NULL);
        }
        if (watch->was_blocked)
                block_looks();
        pthread_cond_destroy(&watch->changed);
        pthread_mutex_destroy(&watch->lock);
        free(watch);
}

/* --- holds -------------------------------------------------------------------------------------- */

/* Nobody's time begins: what is told here is not looked at. */
static void end_hold(struct watch *watch)
{
        pen_usec since = atomic_exchange(&watch->since, 0), now = loop_real_time();

        if (since > 0 && now >= time_after(since, watch->limit))
                report(watch, since, now);
}

void watch_next(struct pen_loop *loop)
{
        struct watch *watch = loop->watch;

        if (loop != current_loop) {
                dprintf(STDERR_FILENO,
                        "penstock: a call that waits, for an object of another thread's loop\n");
                abort();
        }
        if (holder(loop)->stack && watch->alone < ALONE_TOLD)
                watch->alone = NOT_ALONE;
        end_hold(watch);
        watch->since = loop_real_time();
}

/* Neither time nor I/O, no thread or child of ours can wake a task. Another thread may still call;
 * if none does for a while that is worth a word, once. */
static bool is_alone(const struct pen_loop *loop, pen_usec usec)
{
        return usec == PEN_FOREVER && loop->n_events == 0 && loop->n_busy == 0;
}

pen_usec watch_wait(struct pen_loop *loop, pen_usec usec)
{
        struct watch *watch = loop->watch;

        end_hold(watch);
        if (watch->alone == ALONE_TOLD || !is_alone(loop, usec))
                return usec;
        if (watch->alone++ == NOT_ALONE)
                return time_after(0, STUCK_FACTOR * watch->limit);
        loop_log_tasks(loop, PEN_LOG_WARNING,
                       "deadlock, unless another thread wakes a task by pen_call_threadsafe:");
        return usec;
}

bool watch_is_waiting(const struct watch *watch)
{
        return watch->since == 0;
}

void watch_awake(struct pen_loop *loop)
{
        if (loop->watch->since == 0)
                loop->watch->since = loop_real_time();
}

bool watch_has_looked(const struct watch *watch)
{
        return watch->captured == watch->since;
}

/* --- the order ---------------------------------------------------------------------------------- */

uint64_t pen_trace_hash(void)
{
        return current_loop ? current_loop->trace : 0;
}

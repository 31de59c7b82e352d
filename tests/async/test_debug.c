/* Debug mode: who held the loop, and what he did then. The moments are waited for, not slept for. The
 * watchdog's signal is held back until the task is where it shall be seen; on a slow day others may
 * be told of as well. */
#include "world.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <async/debug.h>
#include <penstock/debug.h>
#include <penstock/fd.h>
#include <penstock/queue.h>
#include <penstock/sync.h>

#define LIMIT (20 * PEN_MSEC)

/* What the library says. */
struct said {
        char text[8192];
        atomic_size_t lines;
        atomic_bool listed; /* tasks */
        pthread_t thread;   /* that said it last */
};

static void hear(void *data, enum pen_log_level level, const char *message)
{
        struct said *said = data;
        size_t n = strlen(said->text);

        ck_assert_msg(level == PEN_LOG_WARNING, "%s", message);
        snprintf(said->text + n, sizeof(said->text) - n, "%s\n", message);
        said->lines++;
        if (message[0] == ' ')
                said->listed = true;
        said->thread = pthread_self();
}

static struct said said;

static int run_debugged(enum pen_clock clock, int (*fn)(void *arg), void *arg)
{
        struct pen_options options = {
                .clock = clock, .slow_task = LIMIT, .log = hear, .log_data = &said
        };

        memset(&said, 0, sizeof(said));
        return pen_run_with(&options, fn, arg);
}

/* A checker may deliver signals late, and then elsewhere. */
static bool signals_come_at_once(void)
{
#if defined(PEN_TSAN)
        return false;
#else
        return !under_valgrind();
#endif
}

static void assert_said(const char *words)
{
        ck_assert_msg(strstr(said.text, words), "\"%s\" is not in: %s", words, said.text);
}

/* That it was seen in the function of this name. */
static void assert_seen_in(const char *function)
{
        if (signals_come_at_once())
                assert_said(function);
}

/* --- a blocking call ---------------------------------------------------------------------------- */

static void hold_looks(int how)
{
        sigset_t look;

        sigemptyset(&look);
        sigaddset(&look, SIGURG);
        pthread_sigmask(how, &look, NULL);
}

/* Until the watchdog has looked, which it can here alone. */
__attribute__((noinline)) static int block_in_a_call(void)
{
        struct pollfd none = { .fd = -1 };
        sigset_t mask;

        hold_looks(SIG_BLOCK);
        pthread_sigmask(SIG_SETMASK, NULL, &mask);
        sigdelset(&mask, SIGURG);
        while (!watch_has_looked(pen_loop_current()->watch))
                (void)!ppoll(&none, 1, NULL, &mask);
        hold_looks(SIG_UNBLOCK);
        return 0;
}

static int block_once(void *arg)
{
        int r = block_in_a_call();

        (void)arg;
        return r < 0 ? r : 0; /* not a tail call, which would leave the backtrace */
}

static int spawn_a_blocker(void *arg)
{
        const struct pen_spawn_options as = { .name = "crawl" };
        struct pen_task *t;
        int r;

        (void)arg;
        hold_looks(SIG_BLOCK);
        ck_assert_int_eq(pen_spawn_with(&as, block_once, NULL, &t), 0);
        ck_assert_int_eq(pen_await(t, &r), 0);
        pen_task_unref(t);
        return r;
}

START_TEST(task_that_held_the_loop_is_named_with_what_it_did_then)
{
        unsigned held, after;
        const char *line;

        ck_assert_int_eq(run_debugged(PEN_CLOCK_REAL, spawn_a_blocker, NULL), 0);
        assert_said("task crawl held the loop for ");
        line = strstr(said.text, "task crawl");
        ck_assert_int_eq(sscanf(line, "task crawl held the loop for %u ms; after %u ms it was in: ",
                                &held, &after),
                         2);
        ck_assert_uint_ge(after, LIMIT / PEN_MSEC);
        ck_assert_uint_ge(held, after);
        assert_seen_in("poll+0x");
        assert_seen_in("< block_in_a_call"); /* perhaps a copy of it, with more behind the name */
        assert_seen_in("< block_once+0x");
        ck_assert_ptr_null(strstr(said.text, "task_main"));
        ck_assert_ptr_null(strstr(said.text, "on_look"));
        ck_assert(pthread_equal(said.thread, pthread_self()));
}
END_TEST

static int block_and_go_on(void *arg)
{
        size_t before = said.lines;

        ck_assert_int_eq(block_in_a_call(), 0);
        ck_assert_uint_eq(said.lines, before);
        ck_assert_int_eq(pen_yield(), 0);
        *(size_t *)arg = said.lines - before;
        return 0;
}

START_TEST(it_is_told_when_the_task_next_gives_way)
{
        size_t lines = 0;

        ck_assert_int_eq(run_debugged(PEN_CLOCK_REAL, block_and_go_on, &lines), 0);
        ck_assert_uint_ge(lines, 1);
        assert_said("task main held the loop for ");
}
END_TEST

/* The virtual clock stands still meanwhile, and yet a blocking call is one. */
START_TEST(real_time_counts_with_the_virtual_clock_too)
{
        ck_assert_int_eq(run_debugged(PEN_CLOCK_VIRTUAL, spawn_a_blocker, NULL), 0);
        assert_said("task crawl held the loop for ");
        assert_seen_in("block_in_a_call");
}
END_TEST

static int block_on_the_thread_stack(void *arg)
{
        hold_looks(SIG_BLOCK);
        return pen_yield() < 0 ? -EIO : pen_on_thread_stack(block_once, arg);
}

START_TEST(heavy_call_is_its_tasks_hold)
{
        ck_assert_int_eq(run_debugged(PEN_CLOCK_REAL, block_on_the_thread_stack, NULL), 0);
        assert_said("task main held the loop for ");
        assert_seen_in("block_in_a_call");
}
END_TEST

/* --- a callback --------------------------------------------------------------------------------- */

static void block_in_a_callback(void *event)
{
        ck_assert_int_eq(block_in_a_call(), 0);
        pen_event_set(event);
}

static int do_nothing(void *arg)
{
        (void)arg;
        return 0;
}

static int be_called_back(void *arg)
{
        PEN_CLEANUP(pen_event_freep) struct pen_event *event = NULL;

        hold_looks(SIG_BLOCK);
        ck_assert_int_eq(pen_on_thread_stack(do_nothing, arg), 0); /* which is over then */
        ck_assert_int_eq(pen_event_create(&event), 0);
        ck_assert_int_eq(pen_call_threadsafe(pen_loop_current(), block_in_a_callback, event), 0);
        return pen_event_wait(event);
}

START_TEST(callback_that_held_the_loop_is_told_as_one)
{
        ck_assert_int_eq(run_debugged(PEN_CLOCK_REAL, be_called_back, NULL), 0);
        assert_said("a callback held the loop for ");
        assert_seen_in("< block_in_a_callback+0x");
}
END_TEST

/* --- a hold that does not end ------------------------------------------------------------------- */

/* Standard error goes to a pipe; a thread reads it until the watchdog has spoken, and then lets the
 * one who holds the loop go on. */
struct listener {
        int before, ends[2], release[2];
        pthread_t thread;
        char words[2048];
        atomic_bool heard;
};

static void *listen_to_stderr(void *arg)
{
        struct listener *l = arg;
        size_t n = 0;
        ssize_t got;

        while (!strchr(l->words, '\n') && n < sizeof(l->words) - 1 &&
               (got = read(l->ends[0], l->words + n, sizeof(l->words) - 1 - n)) > 0)
                n += (size_t)got;
        l->heard = true;
        if (write(l->release[1], "", 1) != 1)
                abort(); /* Check is for one thread */
        return NULL;
}

static void listener_start(struct listener *l)
{
        *l = (struct listener){ .before = dup(STDERR_FILENO) };
        ck_assert_int_eq(pipe(l->ends), 0);
        ck_assert_int_eq(pipe(l->release), 0);
        dup2(l->ends[1], STDERR_FILENO);
        ck_assert_int_eq(pthread_create(&l->thread, NULL, listen_to_stderr, l), 0);
}

static void listener_end(struct listener *l)
{
        dup2(l->before, STDERR_FILENO);
        close(l->before);
        close(l->ends[1]);
        pthread_join(l->thread, NULL);
        close(l->ends[0]);
        close(l->release[0]);
        close(l->release[1]);
}

/* A call that the kernel restarts. */
__attribute__((noinline)) static int read_the_release(void *arg)
{
        struct listener *l = arg;
        char byte;

        hold_looks(SIG_UNBLOCK);
        return (int)read(l->release[0], &byte, 1);
}

static int wait_for_the_release(void *arg)
{
        int r;

        hold_looks(SIG_BLOCK);
        r = pen_yield();
        return r < 0 ? r : read_the_release(arg) + 1;
}

START_TEST(hold_without_end_is_told_by_the_watchdog_itself)
{
        struct listener l;

        listener_start(&l);
        ck_assert_int_eq(run_debugged(PEN_CLOCK_REAL, wait_for_the_release, &l), 2); /* not EINTR */
        listener_end(&l);
        ck_assert_ptr_nonnull(strstr(l.words, " has held the loop for "));
        ck_assert_ptr_nonnull(strstr(l.words, " and goes on"));
        if (signals_come_at_once()) {
                ck_assert(strncmp(l.words, "penstock: task main has held ", 29) == 0);
                ck_assert_ptr_nonnull(strstr(l.words, " and goes on; after "));
                ck_assert_ptr_nonnull(strstr(l.words, "< read_the_release+0x"));
        }
        assert_said("task main held the loop for "); /* at its end as well, in the log */
        assert_seen_in("< read_the_release+0x");
}
END_TEST

static int wait_on_the_thread_stack(void *arg)
{
        hold_looks(SIG_BLOCK);
        return pen_yield() < 0 ? -EIO : pen_on_thread_stack(read_the_release, arg);
}

START_TEST(heavy_call_without_end_is_its_tasks_hold)
{
        struct listener l;

        listener_start(&l);
        ck_assert_int_eq(run_debugged(PEN_CLOCK_REAL, wait_on_the_thread_stack, &l), 1);
        listener_end(&l);
        if (signals_come_at_once())
                ck_assert(strncmp(l.words, "penstock: task main has held ", 29) == 0);
}
END_TEST

__attribute__((noinline)) static void count_up(struct listener *l)
{
        static volatile uint64_t n;

        hold_looks(SIG_UNBLOCK);
        while (!l->heard)
                n++;
}

static int compute(void *arg)
{
        int r;

        hold_looks(SIG_BLOCK);
        r = pen_yield();
        count_up(arg);
        return r;
}

START_TEST(task_that_computes_is_seen_as_well)
{
        struct listener l;

        listener_start(&l);
        ck_assert_int_eq(run_debugged(PEN_CLOCK_REAL, compute, &l), 0);
        listener_end(&l);
        assert_said("task main held the loop for ");
        assert_seen_in("count_up+0x");
        assert_seen_in("< compute+0x");
}
END_TEST

/* --- what is no hold ---------------------------------------------------------------------------- */

struct waiting {
        struct pen_loop *loop;
        int ends[2];
        bool stayed;
};

/* Looks at the loop from outside for as long as a hold would need to be slow. Between two holds it seems
 * to wait, too. */
static void *look_at_it_waiting(void *arg)
{
        struct waiting *w = arg;
        pen_usec end;

        do {
                while (!watch_is_waiting(w->loop->watch))
                        sched_yield();
                end = loop_real_time() + 3 * LIMIT;
                while (loop_real_time() < end && (w->stayed = watch_is_waiting(w->loop->watch)))
                        sched_yield();
        } while (!w->stayed);
        if (write(w->ends[1], "", 1) != 1)
                abort(); /* Check is for one thread */
        return NULL;
}

static int wait_for_a_thread(void *arg)
{
        struct waiting *w = arg;
        pthread_t thread;
        int r;

        w->loop = pen_loop_current();
        ck_assert_int_eq(pthread_create(&thread, NULL, look_at_it_waiting, w), 0);
        r = pen_fd_wait(w->ends[0], PEN_READABLE);
        pthread_join(thread, NULL);
        return r;
}

START_TEST(loop_that_waits_is_held_by_nobody)
{
        struct waiting w = { .stayed = false };

        ck_assert_int_eq(pipe(w.ends), 0);
        ck_assert_int_eq(run_debugged(PEN_CLOCK_REAL, wait_for_a_thread, &w), PEN_READABLE);
        ck_assert(w.stayed);
        close(w.ends[0]);
        close(w.ends[1]);
}
END_TEST

static int yield_often(void *arg)
{
        int r = 0;

        (void)arg;
        for (int i = 0; i < 1000 && r == 0; i++)
                r = pen_yield();
        return r;
}

/* An hour is more than this takes anywhere. */
START_TEST(short_holds_are_not_told)
{
        struct pen_options options = { .slow_task = PEN_HOUR, .log = hear, .log_data = &said };

        memset(&said, 0, sizeof(said));
        ck_assert_int_eq(pen_run_with(&options, yield_often, NULL), 0);
        ck_assert_str_eq(said.text, "");
}
END_TEST

/* Twice at once, and again after a wait. */
static int block_three_times(void *arg)
{
        for (int i = 0; i < 3; i++) {
                ck_assert_int_eq(block_once(arg), 0);
                ck_assert_int_eq(i == 1 ? pen_sleep(1) : pen_yield(), 0);
        }
        return 0;
}

START_TEST(each_slow_hold_is_told)
{
        const char *at = said.text;
        size_t n = 0;

        ck_assert_int_eq(run_debugged(PEN_CLOCK_REAL, block_three_times, NULL), 0);
        for (; (at = strstr(at, "task main held the loop for ")); at++)
                n++;
        ck_assert_uint_ge(n, 3);
}
END_TEST

static int block_beside_another(void *arg)
{
        const struct pen_spawn_options guilty = { .name = "guilty" }, other = { .name = "other" };
        struct pen_task *tasks[2];
        int r;

        (void)arg;
        hold_looks(SIG_BLOCK);
        ck_assert_int_eq(pen_spawn_with(&guilty, block_once, NULL, &tasks[0]), 0);
        ck_assert_int_eq(pen_spawn_with(&other, yield_often, NULL, &tasks[1]), 0);
        for (size_t i = 0; i < ARRAY_SIZE(tasks); i++) {
                ck_assert_int_eq(pen_await(tasks[i], &r), 0);
                ck_assert_int_eq(r, 0);
                pen_task_unref(tasks[i]);
        }
        return 0;
}

/* Who did it is told of first. */
START_TEST(who_runs_next_is_not_blamed)
{
        const char *other;

        ck_assert_int_eq(run_debugged(PEN_CLOCK_REAL, block_beside_another, NULL), 0);
        assert_said("task guilty held the loop for ");
        other = strstr(said.text, "task other held");
        ck_assert(!other || other > strstr(said.text, "task guilty held"));
}
END_TEST

/* --- when it is on ------------------------------------------------------------------------------ */

static bool in_debug_mode(pen_usec slow_task)
{
        struct pen_options options = { .slow_task = slow_task };
        struct pen_loop *loop;
        bool is;

        ck_assert_int_eq(loop_create(&options, &loop), 0);
        is = loop->watch != NULL;
        loop_free(loop);
        return is;
}

START_TEST(debug_mode_is_asked_for_by_option_or_environment)
{
        unsetenv("PENSTOCK_DEBUG");
        ck_assert(!in_debug_mode(0));
        ck_assert(in_debug_mode(PEN_SEC));
        setenv("PENSTOCK_DEBUG", "0", 1);
        ck_assert(!in_debug_mode(0));
        setenv("PENSTOCK_DEBUG", "1", 1);
        ck_assert(in_debug_mode(0));
        ck_assert(!in_debug_mode(PEN_FOREVER));
        unsetenv("PENSTOCK_DEBUG");
}
END_TEST

START_TEST(by_the_environment_slow_is_100_ms)
{
        struct pen_options options = { .log = hear, .log_data = &said };
        unsigned held, after;

        setenv("PENSTOCK_DEBUG", "1", 1);
        memset(&said, 0, sizeof(said));
        ck_assert_int_eq(pen_run_with(&options, block_once, NULL), 0);
        unsetenv("PENSTOCK_DEBUG");
        assert_said("task main held the loop for ");
        ck_assert_int_eq(sscanf(said.text, "task main held the loop for %u ms; after %u ms it",
                                &held, &after),
                         2);
        ck_assert_uint_ge(after, 100);
}
END_TEST

static void (*disposition(void))(int)
{
        struct sigaction now;

        ck_assert_int_eq(sigaction(SIGURG, NULL, &now), 0);
        return now.sa_handler;
}

static size_t n_handled;

static void handle(int signo)
{
        (void)signo;
        n_handled++;
}

static int outlive_the_limit(void *arg)
{
        pen_usec end = loop_real_time() + 2 * LIMIT;

        (void)arg;
        while (loop_real_time() < end)
                ;
        return 0;
}

START_TEST(handler_for_the_signal_that_somebody_has_set_stays)
{
        void (*before)(int) = disposition();

        signal(SIGURG, handle);
        ck_assert_int_eq(run_debugged(PEN_CLOCK_REAL, outlive_the_limit, NULL), 0);
        ck_assert(disposition() == handle);
        assert_said("task main held the loop for ");
        ck_assert_ptr_null(strstr(said.text, "it was in"));
        signal(SIGURG, before);
}
END_TEST

static int raise_it_and_block(void *arg)
{
        raise(SIGURG);
        return block_once(arg);
}

START_TEST(signal_from_elsewhere_is_no_look)
{
        ck_assert_int_eq(run_debugged(PEN_CLOCK_REAL, raise_it_and_block, NULL), 0);
        assert_seen_in("block_in_a_call");
        ck_assert_ptr_null(strstr(said.text, "it was in: raise"));
}
END_TEST

static int tell_whether_looks_are_blocked(void *arg)
{
        sigset_t now;

        (void)arg;
        pthread_sigmask(SIG_SETMASK, NULL, &now);
        return sigismember(&now, SIGURG);
}

START_TEST(blocked_signal_is_let_through_and_blocked_again)
{
        hold_looks(SIG_BLOCK);
        ck_assert_int_eq(run_debugged(PEN_CLOCK_REAL, tell_whether_looks_are_blocked, NULL), 0);
        ck_assert_int_eq(tell_whether_looks_are_blocked(NULL), 1);
        hold_looks(SIG_UNBLOCK);
        ck_assert_int_eq(run_debugged(PEN_CLOCK_REAL, tell_whether_looks_are_blocked, NULL), 0);
        ck_assert_int_eq(tell_whether_looks_are_blocked(NULL), 0);
}
END_TEST

/* --- another thread's object -------------------------------------------------------------------- */

static void *get_from_afar(void *queue)
{
        void *item;

        return pen_queue_get(queue, &item) < 0 ? NULL : item;
}

static int let_another_thread_get(void *arg)
{
        struct pen_queue *queue;
        pthread_t thread;

        (void)arg;
        if (pen_queue_create(1, NULL, &queue) < 0 ||
            pthread_create(&thread, NULL, get_from_afar, queue) != 0)
                return -EIO;
        pthread_join(thread, NULL); /* it does not return */
        return 0;
}

START_TEST(waiting_for_an_object_of_another_threads_loop_is_stopped)
{
        char words[256] = "";
        int ends[2], status;
        pid_t pid;

        ck_assert_int_eq(pipe(ends), 0);
        pid = fork();
        if (pid == 0) {
                struct pen_options options = { .slow_task = PEN_HOUR };

                dup2(ends[1], STDERR_FILENO);
                signal(SIGABRT, SIG_DFL);
                _exit(pen_run_with(&options, let_another_thread_get, NULL) == 0 ? 0 : 1);
        }
        close(ends[1]);
        ck_assert_int_gt(read(ends[0], words, sizeof(words) - 1), 0);
        close(ends[0]);
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert(WIFSIGNALED(status));
        ck_assert_int_eq(WTERMSIG(status), SIGABRT);
        ck_assert_ptr_nonnull(strstr(words, "an object of another thread's loop"));
}
END_TEST

/* --- a deadlock --------------------------------------------------------------------------------- */

static void cancel_main(void *task)
{
        pen_task_cancel(task);
}

struct deadlock {
        struct pen_loop *loop;
        struct pen_task *main;
};

/* Once the tasks were listed. */
static void *end_the_deadlock(void *arg)
{
        struct deadlock *d = arg;

        while (!said.listed)
                sched_yield();
        pen_call_threadsafe(d->loop, cancel_main, d->main);
        return NULL;
}

static int wait_for_an_event_nobody_sets(void *arg)
{
        PEN_CLEANUP(pen_event_freep) struct pen_event *event = NULL;
        struct deadlock d = { pen_loop_current(), pen_task_current() };
        pthread_t thread;
        int r;

        (void)arg;
        ck_assert_int_eq(pen_event_create(&event), 0);
        ck_assert_int_eq(pthread_create(&thread, NULL, end_the_deadlock, &d), 0);
        r = pen_event_wait(event);
        pthread_join(thread, NULL);
        return r;
}

START_TEST(deadlock_in_real_time_is_told_with_all_tasks)
{
        ck_assert_int_eq(run_debugged(PEN_CLOCK_REAL, wait_for_an_event_nobody_sets, NULL),
                         -ECANCELED);
        assert_said("deadlock, unless another thread wakes a task by pen_call_threadsafe:\n"
                    "    main: has waited ");
}
END_TEST

/* --- the order ---------------------------------------------------------------------------------- */

static int yield_and_sleep(void *world)
{
        struct world *w = world;
        int r = 0;

        for (int i = 0; i < 300 && r == 0; i++)
                r = i % 50 == 49 ? pen_sleep(PEN_MSEC) : pen_yield();
        world_say(w, "%s ", pen_task_name(pen_task_current()));
        return r;
}

static uint64_t hash_of(uint64_t seed, size_t n_tasks, bool debug)
{
        PEN_CLEANUP(world_deinit) struct world w;
        uint64_t hash;

        if (debug)
                setenv("PENSTOCK_DEBUG", "1", 1);
        world_init_seeded(&w, seed);
        unsetenv("PENSTOCK_DEBUG");
        ck_assert_int_eq(w.loop->watch != NULL, debug);
        for (size_t i = 0; i < n_tasks; i++)
                world_spawn(&w, yield_and_sleep);
        for (int i = 0; i < 10; i++)
                world_advance(&w, PEN_MSEC);
        hash = pen_trace_hash();
        return hash;
}

START_TEST(same_seed_same_hash_and_another_order_another)
{
        for (uint64_t seed = 1; seed < 20; seed++) {
                ck_assert_uint_eq(hash_of(seed, 5, false), hash_of(seed, 5, false));
                ck_assert_uint_ne(hash_of(seed, 5, false), hash_of(seed + 1, 5, false));
                ck_assert_uint_ne(hash_of(seed, 5, false), hash_of(seed, 6, false));
        }
}
END_TEST

static int sleep_for(void *usec)
{
        return pen_sleep(*(pen_usec *)usec);
}

static uint64_t hash_of_sleep(pen_usec usec)
{
        PEN_CLEANUP(world_deinit) struct world w;

        world_init_seeded(&w, 1);
        world_spawn_arg(&w, sleep_for, &usec);
        world_advance(&w, PEN_SEC);
        return pen_trace_hash();
}

START_TEST(hash_is_of_the_order_and_its_times_not_of_the_seed)
{
        ck_assert_uint_eq(hash_of_sleep(10), hash_of_sleep(10));
        ck_assert_uint_ne(hash_of_sleep(10), hash_of_sleep(11));
        ck_assert_uint_eq(hash_of(1, 1, false), hash_of(2, 1, false)); /* one task: one order */
}
END_TEST

START_TEST(without_a_seed_or_a_loop_there_is_no_hash)
{
        ck_assert_uint_eq(hash_of(0, 3, false), 0);
        ck_assert_uint_eq(pen_trace_hash(), 0);
}
END_TEST

START_TEST(debug_mode_changes_no_order)
{
        for (uint64_t seed = 1; seed < 10; seed++)
                ck_assert_uint_eq(hash_of(seed, 7, true), hash_of(seed, 7, false));
}
END_TEST

/* --- a slow machine ------------------------------------------------------------------------------ */

/* Each look at the clock finds that so much time has gone by. The library's own is this one, too. */
static atomic_long step, gone;

int clock_gettime(clockid_t id, struct timespec *t)
{
        long ns = atomic_fetch_add(&gone, step), r = syscall(SYS_clock_gettime, id, t);

        ns += t->tv_nsec;
        t->tv_sec += ns / 1000000000;
        t->tv_nsec = ns % 1000000000;
        return (int)r;
}

static int yield_100_times(void *arg)
{
        int r = 0;

        (void)arg;
        for (int i = 0; i < 100 && r == 0; i++)
                r = pen_yield();
        return r;
}

static int yield_on_a_slow_machine(void *arg)
{
        struct pen_task *other;
        int r, result;

        ck_assert_int_eq(pen_spawn(yield_100_times, NULL, &other), 0);
        step = 200 * 1000;
        r = yield_100_times(arg);
        if (r == 0)
                r = pen_await(other, &result);
        step = 0;
        pen_task_unref(other);
        return r < 0 ? r : result;
}

START_TEST(machine_too_slow_for_its_slices_is_no_deadlock)
{
        ck_assert_int_eq(run_debugged(PEN_CLOCK_REAL, yield_on_a_slow_machine, NULL), 0);
        ck_assert_ptr_null(strstr(said.text, "deadlock"));
}
END_TEST

int main(void)
{
        return RUN_SUITE(
                "debug", task_that_held_the_loop_is_named_with_what_it_did_then,
                it_is_told_when_the_task_next_gives_way,
                real_time_counts_with_the_virtual_clock_too, heavy_call_is_its_tasks_hold,
                callback_that_held_the_loop_is_told_as_one,
                hold_without_end_is_told_by_the_watchdog_itself,
                heavy_call_without_end_is_its_tasks_hold, task_that_computes_is_seen_as_well,
                loop_that_waits_is_held_by_nobody, short_holds_are_not_told, each_slow_hold_is_told,
                who_runs_next_is_not_blamed, debug_mode_is_asked_for_by_option_or_environment,
                by_the_environment_slow_is_100_ms,
                handler_for_the_signal_that_somebody_has_set_stays,
                signal_from_elsewhere_is_no_look, blocked_signal_is_let_through_and_blocked_again,
                waiting_for_an_object_of_another_threads_loop_is_stopped,
                deadlock_in_real_time_is_told_with_all_tasks,
                same_seed_same_hash_and_another_order_another,
                hash_is_of_the_order_and_its_times_not_of_the_seed,
                without_a_seed_or_a_loop_there_is_no_hash, debug_mode_changes_no_order,
                machine_too_slow_for_its_slices_is_no_deadlock);
}

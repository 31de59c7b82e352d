/* What pen_run does around its main task: signals, leftovers, the clock and the turns of the loop. */
#include "../in_loop.h"
#include "world.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <base/util.h>
#include <penstock/fd.h>
#include <penstock/sync.h>

static const int interrupt[] = { SIGINT };

static void (*disposition(int signo))(int)
{
        struct sigaction now;

        ck_assert_int_eq(sigaction(signo, NULL, &now), 0);
        return now.sa_handler;
}

static struct pen_task *spawn(int (*fn)(void *), void *arg)
{
        struct pen_task *t;

        ck_assert_int_eq(pen_spawn(fn, arg, &t), 0);
        return t;
}

/* --- SIGINT ------------------------------------------------------------------------------------- */

static int interrupted_once(void *arg)
{
        (void)arg;
        ck_assert(disposition(SIGINT) != SIG_DFL);
        ck_assert_int_eq(raise(SIGINT), 0);
        ck_assert_int_eq(pen_sleep(PEN_FOREVER), -ECANCELED);
        ck_assert(disposition(SIGINT) == SIG_DFL);
        ck_assert_int_eq(pen_sleep(1), 0); /* the cleanup may wait: it was one request */
        return 5;
}

START_TEST(sigint_cancels_main_once)
{
        signal(SIGINT, SIG_DFL);
        ck_assert_int_eq(pen_run(interrupted_once, NULL), 5);
        ck_assert(disposition(SIGINT) == SIG_DFL);
}
END_TEST

static int interrupted_twice(void *arg)
{
        (void)arg;
        raise(SIGINT);
        if (pen_sleep(PEN_FOREVER) != -ECANCELED)
                _exit(1);
        raise(SIGINT);
        _exit(2);
}

START_TEST(second_sigint_kills)
{
        pid_t pid = fork();
        int status;

        if (pid == 0) {
                signal(SIGINT, SIG_DFL);
                _exit(pen_run(interrupted_twice, NULL));
        }
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert_msg(WIFSIGNALED(status), "it went on: exit %d", WEXITSTATUS(status));
        ck_assert_int_eq(WTERMSIG(status), SIGINT);
}
END_TEST

static int count_interrupts(void *arg)
{
        int *n = arg, r = 0;

        while (*n < 3 && r >= 0) {
                r = pen_signal_wait(interrupt, 1);
                *n += r == SIGINT;
        }
        return r;
}

/* Each comes when the one before has been taken. */
static int interrupted_while_a_task_waits_for_it(void *arg)
{
        int *n = arg;
        struct pen_task *t = spawn(count_interrupts, n);

        for (int i = 0; i < 3; i++) {
                ck_assert_int_eq(pen_yield(), 0);
                ck_assert_int_eq(raise(SIGINT), 0);
                while (*n == i)
                        ck_assert_int_eq(pen_yield(), 0);
        }
        ck_assert_int_eq(pen_await(t, NULL), 0);
        pen_task_unref(t);
        return 6;
}

START_TEST(who_waits_for_sigint_himself_takes_it_over)
{
        int n = 0;

        signal(SIGINT, SIG_DFL);
        ck_assert_int_eq(pen_run(interrupted_while_a_task_waits_for_it, &n), 6);
        ck_assert_int_eq(n, 3);
        ck_assert(disposition(SIGINT) == SIG_DFL);
}
END_TEST

static int n_handled;

static void handle(int signo)
{
        (void)signo;
        n_handled++;
}

static int interrupted_unheeded(void *arg)
{
        (void)arg;
        ck_assert_int_eq(raise(SIGINT), 0);
        return pen_sleep(PEN_MSEC);
}

START_TEST(sigint_that_is_ignored_or_handled_is_not_ours)
{
        signal(SIGINT, SIG_IGN);
        ck_assert_int_eq(pen_run(interrupted_unheeded, NULL), 0);
        ck_assert(disposition(SIGINT) == SIG_IGN);

        n_handled = 0;
        signal(SIGINT, handle);
        ck_assert_int_eq(pen_run(interrupted_unheeded, NULL), 0);
        ck_assert_int_eq(n_handled, 1);
        ck_assert(disposition(SIGINT) == handle);
}
END_TEST

static int tell_whether_sigint_is_left_alone(void *arg)
{
        (void)arg;
        return disposition(SIGINT) == SIG_DFL;
}

static void *run_in_a_thread(void *arg)
{
        *(int *)arg = pen_run(tell_whether_sigint_is_left_alone, NULL);
        return NULL;
}

START_TEST(loop_of_another_thread_leaves_sigint_alone)
{
        pthread_t thread;
        int left_alone = 0;

        signal(SIGINT, SIG_DFL);
        ck_assert_int_eq(pthread_create(&thread, NULL, run_in_a_thread, &left_alone), 0);
        ck_assert_int_eq(pthread_join(thread, NULL), 0);
        ck_assert_int_eq(left_alone, 1);
}
END_TEST

/* --- other signals ------------------------------------------------------------------------------- */

static const int user_1[] = { SIGUSR1 };

static int wait_for_user_1(void *arg)
{
        (void)arg;
        return pen_signal_wait(user_1, 1);
}

static void *wait_in_a_thread(void *result)
{
        *(int *)result = pen_run(wait_for_user_1, NULL);
        return NULL;
}

static int wait_beside_another_threads_loop(void *result)
{
        pthread_t thread;
        struct pen_task *t = spawn(wait_for_user_1, NULL);
        int r;

        ck_assert_int_eq(pen_yield(), 0); /* it waits */
        ck_assert_int_eq(pthread_create(&thread, NULL, wait_in_a_thread, result), 0);
        ck_assert_int_eq(pthread_join(thread, NULL), 0);
        ck_assert_int_eq(kill(getpid(), SIGUSR1), 0);
        ck_assert_int_eq(pen_await(t, &r), 0);
        pen_task_unref(t);
        return r;
}

START_TEST(loop_of_another_thread_can_wait_for_no_signal)
{
        pthread_t thread;
        int result = 0;

        signal(SIGUSR1, SIG_DFL);
        ck_assert_int_eq(pthread_create(&thread, NULL, wait_in_a_thread, &result), 0);
        ck_assert_int_eq(pthread_join(thread, NULL), 0);
        ck_assert_int_eq(result, -EPERM);
        ck_assert(disposition(SIGUSR1) == SIG_DFL);

        /* Nor does it take one from the main thread's loop. */
        result = 0;
        ck_assert_int_eq(pen_run(wait_beside_another_threads_loop, &result), SIGUSR1);
        ck_assert_int_eq(result, -EPERM);
}
END_TEST

/* --- SIGPIPE ------------------------------------------------------------------------------------ */

static int write_to_nobody(void *arg)
{
        int ends[2];
        ssize_t n;

        (void)arg;
        ck_assert_int_eq(pipe(ends), 0);
        close(ends[0]);
        n = write(ends[1], "", 1);
        close(ends[1]);
        return n < 0 ? -errno : 0;
}

START_TEST(sigpipe_is_ignored_only_if_it_is_at_its_default)
{
        signal(SIGPIPE, SIG_DFL);
        ck_assert_int_eq(pen_run(write_to_nobody, NULL), -EPIPE);
        ck_assert(disposition(SIGPIPE) == SIG_IGN);

        n_handled = 0;
        signal(SIGPIPE, handle);
        ck_assert_int_eq(pen_run(write_to_nobody, NULL), -EPIPE);
        ck_assert_int_eq(n_handled, 1);
        ck_assert(disposition(SIGPIPE) == handle);
}
END_TEST

/* --- leftovers ---------------------------------------------------------------------------------- */

struct leftover {
        bool awaits; /* in its cleanup, what it spawns there */
        int awaited, slept;
        pen_usec ended;
};

static int sleep_an_hour(void *arg)
{
        struct leftover *l = arg;

        l->slept = pen_sleep(PEN_HOUR);
        l->ended = pen_now();
        return l->slept;
}

static int spawn_when_cancelled(void *arg)
{
        struct leftover *l = arg;
        struct pen_task *t;

        ck_assert_int_eq(pen_sleep(PEN_FOREVER), -ECANCELED);
        t = spawn(sleep_an_hour, l);
        if (l->awaits)
                ck_assert_int_eq(pen_await(t, &l->awaited), 0);
        pen_task_unref(t);
        return -ECANCELED;
}

static int leave_it(void *arg)
{
        pen_task_unref(spawn(spawn_when_cancelled, arg));
        return pen_sleep(PEN_SEC);
}

START_TEST(what_a_leftover_spawns_in_its_cleanup_ends_at_once)
{
        for (int awaits = 0; awaits < 2; awaits++) {
                struct leftover l = { .awaits = awaits };

                ck_assert_int_eq(run_virtual(leave_it, &l), 0);
                ck_assert_int_eq(l.slept, -ECANCELED);
                ck_assert_int_eq(l.awaited, awaits ? -ECANCELED : 0);
                ck_assert_uint_le(l.ended, PEN_SEC + PEN_MSEC); /* not an hour later */
        }
}
END_TEST

/* --- the clock ---------------------------------------------------------------------------------- */

static pen_usec real_now(void)
{
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (pen_usec)t.tv_sec * PEN_SEC + (pen_usec)t.tv_nsec / 1000;
}

static void spend(pen_usec usec)
{
        pen_usec end = real_now() + usec;

        while (real_now() < end)
                ;
}

IN_LOOP(now_is_the_time_of_the_turns_beginning)
{
        pen_usec now;

        ck_assert_int_eq(pen_sleep(1), 0);
        now = pen_now();
        spend(2 * PEN_MSEC);
        ck_assert_uint_eq(pen_now(), now);
        ck_assert_int_eq(pen_sleep(1), 0);
        ck_assert_uint_ge(pen_now(), now + 2 * PEN_MSEC);
        return 0;
}

/* --- looking at I/O ----------------------------------------------------------------------------- */

#define ENOUGH 10000 /* resumptions: nobody looks at I/O */

struct turns {
        int fd;
        bool has_read;
        unsigned resumptions;
        pen_usec each; /* takes so long, in real time */
};

static int read_a_byte(void *arg)
{
        struct turns *t = arg;
        int r = pen_fd_wait(t->fd, PEN_READABLE);

        t->has_read = true;
        return r;
}

static int yield_until_it_has_read(void *arg)
{
        struct turns *t = arg;
        int r = 0;

        while (!t->has_read && t->resumptions < ENOUGH && r == 0) {
                t->resumptions++;
                spend(t->each);
                r = pen_yield();
        }
        return r;
}

/* How many resumptions of others a task with a readable pipe waits for. */
static unsigned resumptions_until_it_has_read(pen_usec each)
{
        struct turns t = { .each = each };
        struct pen_task *tasks[4];
        int ends[2];

        ck_assert_int_eq(pipe(ends), 0);
        ck_assert_int_eq(write(ends[1], "", 1), 1);
        t.fd = ends[0];
        tasks[0] = spawn(read_a_byte, &t);
        for (size_t i = 1; i < ARRAY_SIZE(tasks); i++)
                tasks[i] = spawn(yield_until_it_has_read, &t);
        for (size_t i = 0; i < ARRAY_SIZE(tasks); i++) {
                int r;

                ck_assert_int_eq(pen_await(tasks[i], &r), 0);
                ck_assert_int_ge(r, 0);
                pen_task_unref(tasks[i]);
        }
        close(ends[0]);
        close(ends[1]);
        return t.resumptions;
}

/* The virtual clock stands still while tasks run: their number alone counts. */
IN_VIRTUAL_LOOP(io_is_looked_at_after_256_resumptions_at_the_latest)
{
        unsigned n = resumptions_until_it_has_read(0);

        ck_assert_uint_le(n, 256);
        ck_assert_uint_gt(n, 16); /* nor at each */
        return 0;
}

static int count_resumptions(void *n)
{
        *(unsigned *)n = resumptions_until_it_has_read(0);
        return 0;
}

START_TEST(io_is_looked_at_no_sooner_in_debug_mode)
{
        struct pen_options options = { .clock = PEN_CLOCK_VIRTUAL };
        unsigned plain = 0, debugged = 0;

        ck_assert_int_eq(pen_run_with(&options, count_resumptions, &plain), 0);
        options.slow_task = PEN_HOUR;
        ck_assert_int_eq(pen_run_with(&options, count_resumptions, &debugged), 0);
        ck_assert_uint_eq(debugged, plain);
}
END_TEST

/* The clock is read every 16 resumptions, and each time once they turn out to be long. */
IN_LOOP(io_is_looked_at_sooner_if_resumptions_are_long)
{
        ck_assert_uint_le(resumptions_until_it_has_read(200), 16);
        return 0;
}

/* --- calls at the end --------------------------------------------------------------------------- */

struct late {
        struct pen_loop *loop;
        int n_ended, n_calls, r;
};

static int end_late(void *late)
{
        struct late *l = late;

        ck_assert_int_eq(pen_sleep(PEN_FOREVER), -ECANCELED);
        l->n_ended++;
        return 0;
}

static void spawn_late(void *late)
{
        ck_assert_int_eq(pen_spawn(end_late, late, NULL), 0);
}

static int call_and_end(void *late)
{
        return pen_call_threadsafe(pen_loop_current(), spawn_late, late);
}

START_TEST(what_a_call_spawns_that_came_before_mains_end_still_runs)
{
        struct late late = { 0 };

        ck_assert_int_eq(pen_run(call_and_end, &late), 0);
        ck_assert_int_eq(late.n_ended, 1);
}
END_TEST

static void call_again(void *late)
{
        struct late *l = late;

        l->n_calls++;
        l->r = pen_call_threadsafe(l->loop, call_again, l);
        if (l->r < 0)
                ck_assert_int_eq(pen_spawn(end_late, l, NULL), -ENXIO);
}

static int call_for_ever(void *late)
{
        struct late *l = late;

        l->loop = pen_loop_current();
        return pen_call_threadsafe(l->loop, call_again, l);
}

START_TEST(call_that_calls_again_is_refused_when_all_tasks_have_ended)
{
        struct late late = { 0 };

        ck_assert_int_eq(pen_run(call_for_ever, &late), 0);
        ck_assert_int_ge(late.n_calls, 2);
        ck_assert_int_eq(late.r, -ESHUTDOWN);
}
END_TEST

/* --- a deadlock that a cancellation does not end ------------------------------------------------ */

struct deaf {
        struct pen_loop *loop;
        struct pen_event *event;
        int n_told, n_turns;
};

static void end_after_some_turns(void *deaf)
{
        struct deaf *d = deaf;

        if (++d->n_turns < 10)
                ck_assert_int_eq(pen_call_threadsafe(d->loop, end_after_some_turns, d), 0);
        else
                pen_event_set(d->event);
}

static void count_deadlocks(void *deaf, enum pen_log_level level, const char *message)
{
        struct deaf *d = deaf;

        (void)level;
        if (!strstr(message, "deadlock"))
                return;
        if (d->n_told++ == 0)
                end_after_some_turns(d);
}

static int wait_deaf(void *deaf)
{
        struct deaf *d = deaf;
        int r;

        d->loop = pen_loop_current();
        ck_assert_int_eq(pen_event_create(&d->event), 0);
        pen_uncancellable_begin();
        r = pen_event_wait(d->event);
        pen_uncancellable_end();
        pen_event_free(d->event);
        return r;
}

START_TEST(deadlock_that_cannot_be_ended_is_told_once)
{
        struct deaf deaf = { 0 };
        struct pen_options options = { .clock = PEN_CLOCK_VIRTUAL,
                                       .log = count_deadlocks,
                                       .log_data = &deaf };

        ck_assert_int_eq(pen_run_with(&options, wait_deaf, &deaf), 0);
        ck_assert_int_eq(deaf.n_turns, 10);
        ck_assert_int_eq(deaf.n_told, 1);
}
END_TEST

int main(void)
{
        return RUN_SUITE("run", sigint_cancels_main_once, second_sigint_kills,
                         who_waits_for_sigint_himself_takes_it_over,
                         sigint_that_is_ignored_or_handled_is_not_ours,
                         loop_of_another_thread_leaves_sigint_alone,
                         loop_of_another_thread_can_wait_for_no_signal,
                         sigpipe_is_ignored_only_if_it_is_at_its_default,
                         what_a_leftover_spawns_in_its_cleanup_ends_at_once,
                         now_is_the_time_of_the_turns_beginning,
                         io_is_looked_at_after_256_resumptions_at_the_latest,
                         io_is_looked_at_no_sooner_in_debug_mode,
                         io_is_looked_at_sooner_if_resumptions_are_long,
                         what_a_call_spawns_that_came_before_mains_end_still_runs,
                         call_that_calls_again_is_refused_when_all_tasks_have_ended,
                         deadlock_that_cannot_be_ended_is_told_once);
}

#include "world.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>

#include <penstock/future.h>
#include <penstock/sync.h>
#include <penstock/thread.h>

/* A call from a thread of its own, and what came of it. */
struct caller {
        struct pen_loop *loop;
        int (*fn)(void *arg);
        void *arg;
        pen_usec timeout;
        int r, result;
        pthread_t id;
        bool returned; /* atomically */
};

static void *make_call(void *caller)
{
        struct caller *c = caller;

        c->r = pen_run_threadsafe(c->loop, c->fn, c->arg, c->timeout, &c->result);
        __atomic_store_n(&c->returned, true, __ATOMIC_SEQ_CST);
        return NULL;
}

static void caller_start(struct caller *c, struct pen_loop *loop, int (*fn)(void *arg), void *arg)
{
        c->loop = loop;
        c->fn = fn;
        c->arg = arg;
        c->r = c->result = 99;
        c->returned = false;
        ck_assert_int_eq(pthread_create(&c->id, NULL, make_call, c), 0);
}

static bool has_calls(struct pen_loop *loop)
{
        bool any;

        pthread_mutex_lock(&loop->lock);
        any = !list_empty(&loop->calls);
        pthread_mutex_unlock(&loop->lock);
        return any;
}

/* Returns when the call is with the loop. */
static void caller_start_and_post(struct caller *c, struct pen_loop *loop, int (*fn)(void *arg),
                                  void *arg)
{
        caller_start(c, loop, fn, arg);
        while (!has_calls(loop))
                sched_yield();
}

static void caller_end(struct caller *c, int r, int result)
{
        ck_assert_int_eq(pthread_join(c->id, NULL), 0);
        ck_assert_int_eq(c->r, r);
        ck_assert_int_eq(c->result, result);
}

static int n_run;

static int answer(void *result)
{
        n_run++;
        ck_assert_ptr_nonnull(pen_task_current());
        return *(int *)result;
}

/* --- results ---------------------------------------------------------------------------------- */

START_TEST(caller_gets_what_the_task_returned)
{
        int results[] = { 0, 7, -EIO, -ETIME, -ECANCELED };
        PEN_CLEANUP(world_deinit) struct world w;

        world_init(&w);
        for (size_t i = 0; i < ARRAY_SIZE(results); i++) {
                struct caller c = { .timeout = PEN_FOREVER };

                caller_start_and_post(&c, w.loop, answer, &results[i]);
                world_run_until_idle(&w);
                caller_end(&c, 0, results[i]);
        }
        ck_assert_str_eq(w.log, ""); /* it was not nobody who asked */
}
END_TEST

static void *call_for_no_result(void *caller)
{
        struct caller *c = caller;

        c->r = pen_run_threadsafe(c->loop, c->fn, c->arg, PEN_FOREVER, NULL);
        return NULL;
}

START_TEST(result_need_not_be_asked_for)
{
        PEN_CLEANUP(world_deinit) struct world w;
        struct caller c = { .fn = answer };
        int seven = 7;

        world_init(&w);
        c.loop = w.loop;
        c.arg = &seven;
        ck_assert_int_eq(pthread_create(&c.id, NULL, call_for_no_result, &c), 0);
        while (!has_calls(w.loop))
                sched_yield();
        world_run_until_idle(&w);
        caller_end(&c, 0, 0);
}
END_TEST

static int sleep_a_second(void *world)
{
        int r = pen_sleep(PEN_SEC);

        world_say(world, "%d at %d, ", r, (int)(pen_now() / PEN_SEC));
        return r < 0 ? r : 3;
}

START_TEST(caller_waits_as_long_as_the_task_takes)
{
        struct caller c = { .timeout = PEN_FOREVER };
        PEN_CLEANUP(world_deinit) struct world w;

        world_init(&w);
        caller_start_and_post(&c, w.loop, sleep_a_second, &w);
        world_run_until_idle(&w);
        ck_assert(!__atomic_load_n(&c.returned, __ATOMIC_SEQ_CST));
        world_advance(&w, PEN_SEC - 1);
        ck_assert(!__atomic_load_n(&c.returned, __ATOMIC_SEQ_CST));
        world_advance(&w, 1);
        caller_end(&c, 0, 3);
        ck_assert_str_eq(w.trace, "0 at 1, ");
}
END_TEST

static int cancel_myself(void *world)
{
        pen_task_cancel(pen_task_current());
        return sleep_a_second(world);
}

START_TEST(task_that_was_cancelled_is_a_result_too)
{
        struct caller c = { .timeout = PEN_HOUR };
        PEN_CLEANUP(world_deinit) struct world w;

        world_init(&w);
        caller_start_and_post(&c, w.loop, cancel_myself, &w);
        world_run_until_idle(&w);
        caller_end(&c, 0, -ECANCELED);
}
END_TEST

static void do_nothing(int signo)
{
        (void)signo;
}

START_TEST(signals_do_not_end_the_wait)
{
        struct sigaction action = { .sa_handler = do_nothing }; /* without SA_RESTART */
        struct caller c = { .timeout = PEN_FOREVER };
        PEN_CLEANUP(world_deinit) struct world w;

        world_init(&w);
        ck_assert_int_eq(sigaction(SIGUSR1, &action, NULL), 0);
        caller_start_and_post(&c, w.loop, sleep_a_second, &w);
        for (int i = 0; i < 100; i++) {
                ck_assert_int_eq(pthread_kill(c.id, SIGUSR1), 0);
                sched_yield();
        }
        world_run_until_idle(&w);
        ck_assert(!__atomic_load_n(&c.returned, __ATOMIC_SEQ_CST));
        world_advance(&w, PEN_SEC);
        caller_end(&c, 0, 3);
}
END_TEST

/* --- timeouts --------------------------------------------------------------------------------- */

static int clean_up_slowly(void *world)
{
        int r = pen_sleep(PEN_HOUR);

        world_say(world, "%d, ", r);
        return sleep_a_second(world) < 0 ? -EIO : r;
}

START_TEST(timeout_cancels_the_task_and_waits_for_its_end)
{
        struct caller c = { .timeout = 10 * PEN_SEC };
        PEN_CLEANUP(world_deinit) struct world w;

        world_init(&w);
        caller_start_and_post(&c, w.loop, clean_up_slowly, &w);
        world_advance(&w, 10 * PEN_SEC);
        ck_assert_str_eq(w.trace, "-125, ");
        ck_assert(!__atomic_load_n(&c.returned, __ATOMIC_SEQ_CST));
        world_advance(&w, 2 * PEN_SEC);
        caller_end(&c, -ETIME, 99);
        ck_assert_uint_eq(w.loop->n_tasks, 0);
        ck_assert_str_eq(w.log, "");
}
END_TEST

static int resist(void *world)
{
        (void)world;
        return pen_sleep(PEN_HOUR) == -ECANCELED ? 5 : -EIO;
}

static int give_up_by_itself(void *world)
{
        return pen_sleep(PEN_HOUR) == -ECANCELED ? -ETIME : ((struct world *)world)->result;
}

START_TEST(task_that_resists_the_timeout_has_a_result)
{
        struct caller resists = { .timeout = PEN_SEC }, gives_up = { .timeout = PEN_SEC };
        PEN_CLEANUP(world_deinit) struct world w;

        world_init(&w);
        caller_start_and_post(&resists, w.loop, resist, &w);
        world_advance(&w, PEN_SEC);
        caller_end(&resists, 0, 5);
        caller_start_and_post(&gives_up, w.loop, give_up_by_itself, &w);
        world_advance(&w, PEN_SEC);
        caller_end(&gives_up, 0, -ETIME);
}
END_TEST

START_TEST(timeout_of_zero_lets_run_what_need_not_wait)
{
        struct caller ready = { .timeout = 0 }, sleeps = { .timeout = 0 };
        PEN_CLEANUP(world_deinit) struct world w;
        int seven = 7;

        world_init(&w);
        caller_start_and_post(&ready, w.loop, answer, &seven);
        world_run_until_idle(&w);
        caller_end(&ready, 0, 7);
        caller_start_and_post(&sleeps, w.loop, sleep_a_second, &w);
        world_run_until_idle(&w);
        caller_end(&sleeps, -ETIME, 99);
        ck_assert_str_eq(w.trace, "-125 at 0, ");
}
END_TEST

/* The time that the loop was elsewhere counts: here it is all of it. */
START_TEST(time_counts_from_the_call)
{
        struct caller c = { .timeout = 10 * PEN_MSEC };
        pen_usec posted;
        PEN_CLEANUP(world_deinit) struct world w;

        world_init(&w);
        caller_start_and_post(&c, w.loop, sleep_a_second, &w);
        posted = loop_real_time();
        while (loop_real_time() < posted + c.timeout)
                sched_yield();
        world_run_until_idle(&w); /* the clock of the loop stands still */
        caller_end(&c, -ETIME, 99);
}
END_TEST

/* --- beginnings and ends ---------------------------------------------------------------------- */

START_TEST(call_made_before_the_loop_has_turned_is_done_when_it_does)
{
        struct caller c = { .timeout = PEN_FOREVER };
        PEN_CLEANUP(world_deinit) struct world w;
        int seven = 7;

        n_run = 0;
        world_init(&w);
        caller_start_and_post(&c, w.loop, answer, &seven);
        ck_assert_int_eq(n_run, 0);
        world_run_until_idle(&w);
        caller_end(&c, 0, 7);
        ck_assert_int_eq(n_run, 1);
}
END_TEST

START_TEST(call_that_the_loop_never_came_to_is_refused_at_its_end)
{
        struct caller c = { .timeout = PEN_FOREVER };
        int seven = 7;

        n_run = 0;
        {
                PEN_CLEANUP(world_deinit) struct world w;

                world_init(&w);
                caller_start_and_post(&c, w.loop, answer, &seven);
        }
        caller_end(&c, -ESHUTDOWN, 99);
        ck_assert_int_eq(n_run, 0);
}
END_TEST

/* A loop whose main task ends while calls are on their way. */
struct ending {
        struct caller before, after;
        struct pen_future *may_end;
        bool called; /* `after` has an answer */
        pthread_t closer;
};

static int sleep_forever_in(void *ending)
{
        int r = pen_sleep(PEN_FOREVER);

        (void)ending;
        return r;
}

static void let_end(void *ending)
{
        ck_assert_int_eq(pen_future_set(((struct ending *)ending)->may_end, 0), 0);
}

/* In the thread: main has ended when this begins. */
static void *call_after_main(void *ending)
{
        struct ending *e = ending;

        make_call(&e->after);
        e->called = pen_call_threadsafe(e->after.loop, let_end, e) == 0;
        return NULL;
}

/* A leftover whose cleanup outlasts the call. */
static int linger(void *ending)
{
        struct ending *e = ending;

        ck_assert_int_eq(pen_sleep(PEN_FOREVER), -ECANCELED);
        ck_assert_int_eq(pthread_create(&e->closer, NULL, call_after_main, e), 0);
        return pen_future_wait(e->may_end, NULL);
}

static int end_with_calls(void *ending)
{
        static int seven = 7;
        struct ending *e = ending;

        e->after = (struct caller){ .loop = pen_loop_current(),
                                    .fn = answer,
                                    .arg = &seven,
                                    .timeout = PEN_FOREVER,
                                    .result = 99 };
        ck_assert_int_eq(pen_future_create(&e->may_end), 0);
        ck_assert_int_eq(pen_spawn(linger, e, NULL), 0);
        caller_start_and_post(&e->before, pen_loop_current(), sleep_forever_in, e);
        while (pen_loop_current()->n_tasks < 3)
                ck_assert_int_eq(pen_yield(), 0);
        ck_assert_int_eq(pen_yield(), 0); /* all sleep */
        return 4;
}

START_TEST(when_main_ends_running_calls_are_cancelled_and_later_ones_refused)
{
        struct ending e = { .before.timeout = PEN_FOREVER };

        n_run = 0;
        ck_assert_int_eq(pen_run(end_with_calls, &e), 4);
        ck_assert_int_eq(pthread_join(e.closer, NULL), 0);
        ck_assert_int_eq(e.after.r, -ESHUTDOWN);
        ck_assert_int_eq(e.after.result, 99);
        ck_assert(e.called);
        ck_assert_int_eq(n_run, 0);
        caller_end(&e.before, 0, -ECANCELED);
        pen_future_free(e.may_end);
}
END_TEST

static int call_own_loop(void *world)
{
        int number = 1, result = 99;

        (void)world;
        ck_assert_int_eq(pen_run_threadsafe(pen_loop_current(), answer, &number, 0, &result),
                         -EDEADLK);
        ck_assert_int_eq(result, 99);
        return 1;
}

START_TEST(loops_own_thread_cannot_wait_for_it)
{
        struct pen_task *t;
        PEN_CLEANUP(world_deinit) struct world w;

        n_run = 0;
        world_init(&w);
        ck_assert_int_eq(call_own_loop(&w), 1);
        t = world_spawn(&w, call_own_loop);
        world_run_until_idle(&w);
        ck_assert_int_eq(pen_task_result(t), 1);
        ck_assert_int_eq(n_run, 0);
}
END_TEST

START_TEST(task_that_cannot_be_made_is_no_memory)
{
        struct pen_options options = { .clock = PEN_CLOCK_VIRTUAL, .stack_size = SIZE_MAX / 8 };
        struct caller c = { .timeout = PEN_FOREVER };
        struct pen_loop *loop;
        int seven = 7;

        n_run = 0;
        ck_assert_int_eq(loop_create(&options, &loop), 0);
        caller_start_and_post(&c, loop, answer, &seven);
        loop_run_until_idle(loop);
        caller_end(&c, -ENOMEM, 99);
        ck_assert_int_eq(n_run, 0);
        loop_free(loop);
}
END_TEST

/* --- several threads -------------------------------------------------------------------------- */

#define N_THREADS 8
#define N_CALLS 100

struct crowd {
        struct pen_loop *loop;
        struct pen_lock *lock; /* tasks of all threads wait for each other */
        long sum;
        int n_left;
        struct pen_event *all_done;
};

struct member {
        struct crowd *crowd;
        int n, errors;
        pthread_t id;
};

static int add(void *member)
{
        struct member *m = member;
        struct crowd *c = m->crowd;
        long sum;

        ck_assert_int_eq(pen_lock_acquire(c->lock), 0);
        sum = c->sum;
        ck_assert_int_eq(pen_yield(), 0);
        c->sum = sum + m->n;
        ck_assert_int_eq(pen_lock_release(c->lock), 0);
        return m->n;
}

static void leave(void *crowd)
{
        struct crowd *c = crowd;

        if (--c->n_left == 0)
                pen_event_set(c->all_done);
}

static void *call_often(void *member)
{
        struct member *m = member;

        for (m->n = 0; m->n < N_CALLS; m->n++) {
                int result = -1;
                int r = pen_run_threadsafe(m->crowd->loop, add, m, PEN_MINUTE, &result);

                m->errors += r != 0 || result != m->n;
        }
        if (pen_call_threadsafe(m->crowd->loop, leave, m->crowd) < 0)
                abort();
        return NULL;
}

static int serve_crowd(void *arg)
{
        PEN_CLEANUP(pen_event_freep) struct pen_event *all_done = NULL;
        PEN_CLEANUP(pen_lock_freep) struct pen_lock *lock = NULL;
        struct crowd crowd = { .loop = pen_loop_current(), .n_left = N_THREADS };
        struct member members[N_THREADS];

        (void)arg;
        ck_assert_int_eq(pen_event_create(&all_done), 0);
        ck_assert_int_eq(pen_lock_create(&lock), 0);
        crowd.all_done = all_done;
        crowd.lock = lock;
        for (size_t i = 0; i < N_THREADS; i++) {
                members[i] = (struct member){ .crowd = &crowd };
                pthread_create(&members[i].id, NULL, call_often, &members[i]);
        }
        ck_assert_int_eq(pen_event_wait(all_done), 0);
        for (size_t i = 0; i < N_THREADS; i++) {
                pthread_join(members[i].id, NULL);
                ck_assert_int_eq(members[i].errors, 0);
        }
        ck_assert_int_eq(crowd.sum, (long)N_THREADS * N_CALLS * (N_CALLS - 1) / 2);
        return 1;
}

START_TEST(several_threads_call_at_once)
{
        ck_assert_int_eq(pen_run(serve_crowd, NULL), 1);
}
END_TEST

static int call_back(void *loop)
{
        static int number = 20;
        int result = 0;

        n_run = 0;
        ck_assert_int_eq(pen_run_threadsafe(loop, answer, &number, PEN_FOREVER, &result), 0);
        return result + 1;
}

static int to_thread_and_back(void *arg)
{
        int result;

        (void)arg;
        ck_assert_int_eq(pen_to_thread(call_back, pen_loop_current(), &result), 0);
        return result;
}

START_TEST(call_in_a_thread_may_call_back_into_the_loop)
{
        ck_assert_int_eq(run_virtual(to_thread_and_back, NULL), 21);
}
END_TEST

/* A loop in another thread: its task blocks that whole thread for ours. */
static void *call_from_a_loop(void *loop)
{
        return (void *)(intptr_t)pen_run(call_back, loop);
}

static int wait_for_thread(void *id)
{
        void *result;

        ck_assert_int_eq(pthread_join(*(pthread_t *)id, &result), 0);
        return (int)(intptr_t)result;
}

static int be_called_by_a_loop(void *arg)
{
        pthread_t id;
        int result;

        (void)arg;
        ck_assert_int_eq(pthread_create(&id, NULL, call_from_a_loop, pen_loop_current()), 0);
        ck_assert_int_eq(pen_to_thread(wait_for_thread, &id, &result), 0);
        return result;
}

START_TEST(task_of_another_loop_may_call)
{
        ck_assert_int_eq(pen_run(be_called_by_a_loop, NULL), 21);
}
END_TEST

int main(void)
{
        return RUN_SUITE("run_threadsafe", caller_gets_what_the_task_returned,
                         result_need_not_be_asked_for, caller_waits_as_long_as_the_task_takes,
                         task_that_was_cancelled_is_a_result_too, signals_do_not_end_the_wait,
                         timeout_cancels_the_task_and_waits_for_its_end,
                         task_that_resists_the_timeout_has_a_result,
                         timeout_of_zero_lets_run_what_need_not_wait, time_counts_from_the_call,
                         call_made_before_the_loop_has_turned_is_done_when_it_does,
                         call_that_the_loop_never_came_to_is_refused_at_its_end,
                         when_main_ends_running_calls_are_cancelled_and_later_ones_refused,
                         loops_own_thread_cannot_wait_for_it, task_that_cannot_be_made_is_no_memory,
                         several_threads_call_at_once, call_in_a_thread_may_call_back_into_the_loop,
                         task_of_another_loop_may_call);
}

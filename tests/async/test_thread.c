#include "world.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <unistd.h>

#include <penstock/local.h>
#include <penstock/sync.h>
#include <penstock/thread.h>
#include <penstock/timeout.h>

/* Runs fn in a loop with the virtual clock and so many threads; it answers 1 if all was well. */
static void run_with_threads(unsigned threads, int (*fn)(void *arg))
{
        struct pen_options options = { .clock = PEN_CLOCK_VIRTUAL, .threads = threads };

        ck_assert_int_eq(pen_run_with(&options, fn, NULL), 1);
}

#define RUN(test, threads, fn)                 \
        START_TEST(test)                       \
        {                                      \
                run_with_threads(threads, fn); \
        }                                      \
        END_TEST

static struct pen_task *spawn(int (*fn)(void *), void *arg)
{
        struct pen_task *t;

        ck_assert_int_eq(pen_spawn(fn, arg, &t), 0);
        return t;
}

static int finish(struct pen_task *t)
{
        int result;

        ck_assert_int_eq(pen_await(t, &result), 0);
        pen_task_unref(t);
        return result;
}

/* --- pen_to_thread ---------------------------------------------------------------------------- */

static int twice(void *number)
{
        return 2 * *(int *)number;
}

static int not_in_this_thread(void *self)
{
        ck_assert_ptr_null(pen_loop_current());
        return pthread_equal(*(pthread_t *)self, pthread_self()) ? 0 : -EIO;
}

static int run_some(void *arg)
{
        pthread_t self = pthread_self();
        int number = 21, result;

        (void)arg;
        ck_assert_int_eq(pen_to_thread(twice, &number, &result), 0);
        ck_assert_int_eq(result, 42);
        ck_assert_int_eq(pen_to_thread(not_in_this_thread, &self, &result), 0);
        ck_assert_int_eq(result, -EIO);
        ck_assert_int_eq(pen_to_thread(twice, &number, NULL), 0);
        return 1;
}
RUN(call_runs_in_another_thread_and_gives_its_result, 0, run_some)

/* A call that says when it has begun, and ends when it may. */
struct gate {
        sem_t begun, may_end;
        int n_calls;
};

static void gate_init(struct gate *g)
{
        *g = (struct gate){ .n_calls = 0 };
        sem_init(&g->begun, 0, 0);
        sem_init(&g->may_end, 0, 0);
}

static int pass(void *gate)
{
        struct gate *g = gate;

        g->n_calls++;
        sem_post(&g->begun);
        sem_wait(&g->may_end);
        return 7;
}

static int pass_in_thread(void *gate)
{
        int result, r = pen_to_thread(pass, gate, &result);

        return r < 0 ? r : result;
}

static int withdraw(void *arg)
{
        struct pen_task *busy, *waits;
        struct gate first, second;

        (void)arg;
        gate_init(&first);
        gate_init(&second);
        busy = spawn(pass_in_thread, &first);
        ck_assert_int_eq(pen_yield(), 0);
        sem_wait(&first.begun);
        waits = spawn(pass_in_thread, &second);
        ck_assert_int_eq(pen_yield(), 0);
        pen_task_cancel(waits);
        ck_assert_int_eq(finish(waits), -ECANCELED);
        ck_assert(!pen_task_done(busy));
        sem_post(&first.may_end);
        ck_assert_int_eq(finish(busy), 7);
        ck_assert_int_eq(second.n_calls, 0);
        return 1;
}
RUN(cancelled_before_it_started_a_call_is_withdrawn, 1, withdraw)

static int pass_and_look(void *gate)
{
        int result = 0;

        ck_assert_int_eq(pen_to_thread(pass, gate, &result), 0);
        ck_assert_int_eq(result, 7);
        ck_assert_uint_eq(pen_cancelling(), 1);
        return pen_yield(); /* the request is pending */
}

static int cancel_started(void *arg)
{
        struct pen_task *t;
        struct gate g;

        (void)arg;
        gate_init(&g);
        t = spawn(pass_and_look, &g);
        ck_assert_int_eq(pen_yield(), 0);
        sem_wait(&g.begun);
        pen_task_cancel(t);
        for (int i = 0; i < 100; i++)
                ck_assert_int_eq(pen_yield(), 0);
        ck_assert(!pen_task_done(t));
        sem_post(&g.may_end);
        ck_assert_int_eq(finish(t), -ECANCELED);
        return 1;
}
RUN(cancelled_after_it_started_a_call_ends_first, 0, cancel_started)

static int deadline_of_started(void *arg)
{
        struct pen_timeout scope;
        struct gate g;
        int r, result = 0;

        (void)arg;
        gate_init(&g);
        sem_post(&g.may_end);
        pen_timeout_begin(&scope, 0);
        r = pen_to_thread(pass, &g, &result);
        ck_assert(r == (g.n_calls ? 0 : -ECANCELED));
        ck_assert_int_eq(result, g.n_calls ? 7 : 0);
        ck_assert_int_eq(pen_timeout_end(&scope, r), r == 0 ? 0 : -ETIME);
        ck_assert_uint_eq(pen_cancelling(), 0);
        return pen_yield() == 0;
}
RUN(deadline_finds_a_call_withdrawn_or_done, 0, deadline_of_started)

/* Returns when the end of the call is with the loop, which has not yet looked. */
static void wait_until_posted(void)
{
        struct pen_loop *loop = pen_loop_current();
        bool posted = false;

        while (!posted) {
                sched_yield();
                pthread_mutex_lock(&loop->lock);
                posted = !list_empty(&loop->calls);
                pthread_mutex_unlock(&loop->lock);
        }
}

static int cancel_ended(void *arg)
{
        struct pen_task *t;
        struct gate g;

        (void)arg;
        gate_init(&g);
        t = spawn(pass_and_look, &g);
        ck_assert_int_eq(pen_yield(), 0);
        sem_post(&g.may_end);
        wait_until_posted();
        pen_task_cancel(t);
        ck_assert_int_eq(finish(t), -ECANCELED); /* after the result */
        return 1;
}
RUN(cancelled_when_the_call_has_just_ended_its_result_is_not_lost, 0, cancel_ended)

static int cancel_twice(void *arg)
{
        struct pen_task *t;
        struct gate g;

        (void)arg;
        gate_init(&g);
        t = spawn(pass_in_thread, &g);
        ck_assert_int_eq(pen_yield(), 0);
        sem_wait(&g.begun);
        for (int i = 0; i < 3; i++) {
                pen_task_cancel(t);
                ck_assert_int_eq(pen_yield(), 0);
        }
        ck_assert(!pen_task_done(t));
        sem_post(&g.may_end);
        ck_assert_int_eq(finish(t), 7);
        return 1;
}
RUN(cancelled_again_while_it_waits_for_the_end_it_waits_on, 0, cancel_twice)

static const struct pen_task_local variable = { .free_value = NULL };

static int look_at_variable(void *arg)
{
        return pen_task_local_get(&variable) == NULL &&
               pen_task_local_set(&variable, arg) == -ENXIO && !pen_task_current();
}

static int set_variable(void *arg)
{
        int number = 1, result;

        (void)arg;
        ck_assert_int_eq(pen_task_local_set(&variable, &number), 0);
        ck_assert_int_eq(pen_to_thread(look_at_variable, &number, &result), 0);
        ck_assert_ptr_eq(pen_task_local_get(&variable), &number);
        return result;
}
RUN(variables_of_the_task_stay_in_its_thread, 0, set_variable)

#define N_CALLS 200

static int add_up(void *arg)
{
        struct pen_task *tasks[N_CALLS];
        struct gate gates[N_CALLS];
        int sum = 0;

        (void)arg;
        for (size_t i = 0; i < N_CALLS; i++) {
                gate_init(&gates[i]);
                sem_post(&gates[i].may_end);
                tasks[i] = spawn(pass_in_thread, &gates[i]);
        }
        for (size_t i = 0; i < N_CALLS; i += 3)
                pen_task_cancel(tasks[i]); /* never begun: not even their tasks have */
        for (size_t i = 0; i < N_CALLS; i++) {
                int result = finish(tasks[i]);

                ck_assert_int_eq(result, i % 3 ? 7 : -ECANCELED);
                sum += gates[i].n_calls;
        }
        ck_assert_int_eq(sum, N_CALLS - (N_CALLS + 2) / 3);
        return 1;
}
RUN(many_calls_share_few_threads, 3, add_up)

/* Calls that end when all of them have begun: none can have been queued behind another. */
struct meeting {
        pthread_mutex_t lock;
        pthread_cond_t came;
        size_t n_missing;
        struct timespec late; /* it has failed */
};

static int meet(void *meeting)
{
        struct meeting *m = meeting;
        int r = 0;

        pthread_mutex_lock(&m->lock);
        m->n_missing--;
        pthread_cond_broadcast(&m->came);
        while (m->n_missing > 0 && r == 0)
                r = pthread_cond_timedwait(&m->came, &m->lock, &m->late);
        pthread_mutex_unlock(&m->lock);
        return -r;
}

static int meet_in_thread(void *meeting)
{
        int result, r = pen_to_thread(meet, meeting, &result);

        return r < 0 ? r : result;
}

#define MEMBERS_MAX 8

/* One more each time: one thread is missing, the others are idle and have not woken yet. */
static int meet_in_ever_greater_number(void *arg)
{
        (void)arg;
        for (size_t n = 1; n <= MEMBERS_MAX; n++) {
                struct meeting m = {
                        PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, n, { 0 }
                };
                struct pen_task *members[MEMBERS_MAX];

                clock_gettime(CLOCK_REALTIME, &m.late);
                m.late.tv_sec += 20;
                for (size_t i = 0; i < n; i++)
                        members[i] = spawn(meet_in_thread, &m);
                for (size_t i = 0; i < n; i++)
                        ck_assert_int_eq(finish(members[i]), 0);
        }
        return 1;
}
RUN(no_call_waits_for_another_while_there_may_be_more_threads, MEMBERS_MAX,
    meet_in_ever_greater_number)

static int doze(void *arg)
{
        (void)arg;
        usleep(20000); /* time for a wrong clock to jump */
        return 1;
}

static int tick(void *arg)
{
        (void)arg;
        return pen_sleep(PEN_HOUR);
}

static int keep_the_time(void *arg)
{
        struct pen_task *ticker = spawn(tick, arg);

        ck_assert_int_eq(pen_to_thread(doze, NULL, NULL), 0);
        ck_assert_uint_eq(pen_now(), 0);
        ck_assert_int_eq(finish(ticker), 0);
        ck_assert_uint_eq(pen_now(), PEN_HOUR);
        return 1;
}
RUN(virtual_clock_stands_still_while_a_thread_runs, 0, keep_the_time)

START_TEST(thread_cannot_be_waited_for_by_the_root)
{
        int number = 1, result = 99;
        PEN_CLEANUP(world_deinit) struct world w;

        ck_assert_int_eq(pen_to_thread(twice, &number, &result), -EDEADLK);
        world_init(&w);
        ck_assert_int_eq(pen_to_thread(twice, &number, &result), -EDEADLK);
        ck_assert_int_eq(result, 99);
}
END_TEST

/* --- detached --------------------------------------------------------------------------------- */

static int n_freed; /* atomically */
static sem_t freed;

static void free_number(void *number)
{
        free(number);
        __atomic_add_fetch(&n_freed, 1, __ATOMIC_SEQ_CST);
        sem_post(&freed);
}

static int *new_number(int number)
{
        int *n = malloc(sizeof(*n));

        *n = number;
        return n;
}

static int run_detached(void *arg)
{
        int result;

        (void)arg;
        ck_assert_int_eq(pen_to_thread_detached(twice, new_number(21), free_number, &result), 0);
        ck_assert_int_eq(result, 42);
        ck_assert_int_eq(n_freed, 1);
        result = 4;
        ck_assert_int_eq(pen_to_thread_detached(twice, &result, NULL, NULL), 0);
        pen_task_cancel(pen_task_current());
        ck_assert_int_eq(pen_to_thread_detached(twice, new_number(1), free_number, NULL),
                         -ECANCELED);
        ck_assert_int_eq(n_freed, 2);
        return 1;
}

START_TEST(detached_call_frees_its_argument)
{
        n_freed = 0;
        sem_init(&freed, 0, 0);
        run_with_threads(0, run_detached);
        ck_assert_int_eq(pen_to_thread_detached(twice, new_number(1), free_number, NULL), -EDEADLK);
        ck_assert_int_eq(n_freed, 3);
}
END_TEST

static struct gate hung;

static int hang(void *number)
{
        pass(&hung);
        return twice(number);
}

static int call_detached(void *arg)
{
        (void)arg;
        return pen_to_thread_detached(hang, new_number(1), free_number, NULL);
}

static int abandon(void *arg)
{
        struct pen_task *t = spawn(call_detached, arg), *never_started;

        ck_assert_int_eq(pen_yield(), 0);
        sem_wait(&hung.begun);
        pen_task_cancel(t);
        ck_assert_int_eq(finish(t), -ECANCELED); /* though the call hangs */
        ck_assert_int_eq(__atomic_load_n(&n_freed, __ATOMIC_SEQ_CST), 0);

        /* The only thread hangs: this one has no chance to begin. */
        never_started = spawn(call_detached, arg);
        ck_assert_int_eq(pen_yield(), 0);
        pen_task_cancel(never_started);
        ck_assert_int_eq(finish(never_started), -ECANCELED);
        sem_wait(&freed);
        ck_assert_int_eq(hung.n_calls, 1);
        return 1;
}

static int abandon_ended(void *arg)
{
        struct pen_task *t = spawn(call_detached, arg);

        ck_assert_int_eq(pen_yield(), 0);
        sem_post(&hung.may_end);
        wait_until_posted();
        pen_task_cancel(t);
        ck_assert_int_eq(finish(t), -ECANCELED);
        while (n_freed == 0)
                ck_assert_int_eq(pen_yield(), 0);
        return 1;
}

START_TEST(call_that_ended_when_it_was_abandoned_frees_its_argument_once)
{
        n_freed = 0;
        sem_init(&freed, 0, 0);
        gate_init(&hung);
        run_with_threads(0, abandon_ended);
        ck_assert_int_eq(n_freed, 1);
}
END_TEST

/* The thread ends when its waiter has gone, and the loop runs on. */
static int end_after_waiter(void *arg)
{
        struct pen_task *t = spawn(call_detached, arg);
        int number = 4, result;

        ck_assert_int_eq(pen_yield(), 0);
        sem_wait(&hung.begun);
        pen_task_cancel(t);
        ck_assert_int_eq(finish(t), -ECANCELED);
        sem_post(&hung.may_end);
        sem_wait(&freed);
        ck_assert_int_eq(pen_to_thread(twice, &number, &result), 0); /* by the same thread */
        return result == 8;
}

START_TEST(thread_that_ends_after_its_waiter_was_cancelled_serves_others)
{
        n_freed = 0;
        sem_init(&freed, 0, 0);
        gate_init(&hung);
        run_with_threads(1, end_after_waiter);
        ck_assert_int_eq(__atomic_load_n(&n_freed, __ATOMIC_SEQ_CST), 1);
}
END_TEST

START_TEST(abandoned_call_frees_its_argument_once_even_after_the_loop)
{
        n_freed = 0;
        sem_init(&freed, 0, 0);
        gate_init(&hung);
        run_with_threads(1, abandon);
        ck_assert_int_eq(__atomic_load_n(&n_freed, __ATOMIC_SEQ_CST), 1);
        sem_post(&hung.may_end);
        sem_wait(&freed);
        ck_assert_int_eq(__atomic_load_n(&n_freed, __ATOMIC_SEQ_CST), 2);
        ck_assert_int_eq(sem_trywait(&freed), -1);
}
END_TEST

/* --- calls from other threads ----------------------------------------------------------------- */

#define N_THREADS 4
#define N_POSTS 500

struct caller {
        struct pen_loop *loop;
        struct pen_event *all_came;
        int thread, *n_left;
        int next; /* that should come */
        pthread_t id;
};

struct post {
        struct caller *caller;
        int number;
};

static void receive(void *post)
{
        struct post *p = post;

        ck_assert_ptr_null(pen_task_current());
        ck_assert_int_eq(p->number, p->caller->next++);
        if (--*p->caller->n_left == 0)
                pen_event_set(p->caller->all_came);
        free(p);
}

static void *call_often(void *caller)
{
        struct caller *c = caller;

        for (int i = 0; i < N_POSTS; i++) {
                struct post *p = malloc(sizeof(*p));

                *p = (struct post){ .caller = c, .number = i };
                if (pen_call_threadsafe(c->loop, receive, p) < 0)
                        abort();
        }
        return NULL;
}

static int receive_all(void *arg)
{
        PEN_CLEANUP(pen_event_freep) struct pen_event *all_came = NULL;
        struct caller callers[N_THREADS];
        int n_left = N_THREADS * N_POSTS;

        (void)arg;
        ck_assert_int_eq(pen_event_create(&all_came), 0);
        for (int i = 0; i < N_THREADS; i++) {
                callers[i] = (struct caller){ .loop = pen_loop_current(),
                                              .all_came = all_came,
                                              .n_left = &n_left };
                pthread_create(&callers[i].id, NULL, call_often, &callers[i]);
        }
        ck_assert_int_eq(pen_event_wait(all_came), 0);
        for (int i = 0; i < N_THREADS; i++)
                pthread_join(callers[i].id, NULL);
        return 1;
}

START_TEST(calls_of_each_thread_come_in_order)
{
        ck_assert_int_eq(pen_run(receive_all, NULL), 1);
}
END_TEST

static void *run_own_loop(void *number)
{
        return (void *)(intptr_t)pen_run(twice, number);
}

START_TEST(loops_in_several_threads_do_not_know_each_other)
{
        int number = 21;
        void *result;
        pthread_t id;
        PEN_CLEANUP(world_deinit) struct world w;

        world_init(&w);
        pthread_create(&id, NULL, run_own_loop, &number);
        pthread_join(id, &result);
        ck_assert_int_eq((int)(intptr_t)result, 42);
        ck_assert_ptr_eq(pen_loop_current(), w.loop);
}
END_TEST

int main(void)
{
        return RUN_SUITE("thread", call_runs_in_another_thread_and_gives_its_result,
                         cancelled_before_it_started_a_call_is_withdrawn,
                         cancelled_after_it_started_a_call_ends_first,
                         cancelled_when_the_call_has_just_ended_its_result_is_not_lost,
                         cancelled_again_while_it_waits_for_the_end_it_waits_on,
                         variables_of_the_task_stay_in_its_thread,
                         deadline_finds_a_call_withdrawn_or_done, many_calls_share_few_threads,
                         no_call_waits_for_another_while_there_may_be_more_threads,
                         virtual_clock_stands_still_while_a_thread_runs,
                         thread_cannot_be_waited_for_by_the_root, detached_call_frees_its_argument,
                         call_that_ended_when_it_was_abandoned_frees_its_argument_once,
                         thread_that_ends_after_its_waiter_was_cancelled_serves_others,
                         abandoned_call_frees_its_argument_once_even_after_the_loop,
                         calls_of_each_thread_come_in_order,
                         loops_in_several_threads_do_not_know_each_other);
}

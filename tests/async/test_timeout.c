#include "world.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>

#include <penstock/queue.h>
#include <penstock/stream.h>
#include <penstock/sync.h>
#include <penstock/timeout.h>

/* Plays fn in a task of a world of its own until nothing is left to do; 1: all was well. */
static void play(int (*fn)(void *world))
{
        struct pen_task *t;
        PEN_CLEANUP(world_deinit) struct world w;

        world_init(&w);
        t = world_spawn(&w, fn);
        world_advance(&w, PEN_DAY);
        ck_assert_int_eq(pen_task_result(t), 1);
}

#define PLAY(test, fn)    \
        START_TEST(test)  \
        {                 \
                play(fn); \
        }                 \
        END_TEST

static int fire(void *world)
{
        struct pen_timeout scope;
        int r;

        (void)world;
        pen_timeout_begin(&scope, 10);
        r = pen_sleep(PEN_SEC);
        ck_assert_int_eq(r, -ECANCELED);
        ck_assert_uint_eq(pen_now(), 10);
        ck_assert(pen_timeout_expired(&scope));
        ck_assert_int_eq(pen_sleep(5), 0); /* once */
        ck_assert_int_eq(pen_timeout_end(&scope, r), -ETIME);
        ck_assert_uint_eq(pen_cancelling(), 0);
        ck_assert_int_eq(pen_sleep(5), 0);
        return 1;
}
PLAY(expired_scope_answers_etime, fire)

static int do_not_fire(void *world)
{
        struct pen_timeout scope;

        (void)world;
        pen_timeout_begin(&scope, 10);
        ck_assert_int_eq(pen_sleep(9), 0);
        ck_assert(!pen_timeout_expired(&scope));
        ck_assert_int_eq(pen_timeout_end(&scope, 7), 7);
        ck_assert_int_eq(pen_sleep(PEN_SEC), 0);
        return 1;
}
PLAY(scope_that_ended_in_time_does_nothing, do_not_fire)

static int pass_on(void *world)
{
        struct pen_timeout scope;

        (void)world;
        pen_timeout_begin(&scope, PEN_FOREVER);
        ck_assert_int_eq(pen_sleep(PEN_HOUR), 0);
        ck_assert_int_eq(pen_timeout_end(&scope, -EIO), -EIO);
        pen_timeout_begin(&scope, 10);
        ck_assert_int_eq(pen_sleep(PEN_HOUR), -ECANCELED);
        ck_assert_int_eq(pen_timeout_end(&scope, -EIO), -EIO);
        ck_assert_uint_eq(pen_cancelling(), 0);
        return 1;
}
PLAY(errors_of_the_body_pass_through, pass_on)

static int keep_result(void *world)
{
        struct pen_timeout scope;

        (void)world;
        pen_timeout_begin(&scope, 10);
        ck_assert_int_eq(pen_sleep(PEN_SEC), -ECANCELED);
        ck_assert_int_eq(pen_timeout_end(&scope, 7), 7);
        ck_assert_uint_eq(pen_cancelling(), 0);
        return pen_sleep(1) == 0;
}
PLAY(result_is_kept_if_the_body_finishes_anyway, keep_result)

static int take_back(void *world)
{
        struct pen_timeout scope;

        (void)world;
        pen_timeout_begin(&scope, 10);
        pen_uncancellable_begin();
        ck_assert_int_eq(pen_sleep(20), 0);
        pen_uncancellable_end();
        ck_assert(pen_timeout_expired(&scope));
        ck_assert_int_eq(pen_timeout_end(&scope, 7), 7);
        ck_assert_uint_eq(pen_cancelling(), 0);
        return pen_sleep(1) == 0;
}
PLAY(undelivered_request_of_a_scope_is_taken_back, take_back)

/* --- nested ----------------------------------------------------------------------------------- */

static int inner_fires(void *world)
{
        struct pen_timeout outer, inner;
        int r;

        (void)world;
        pen_timeout_begin(&outer, 100);
        pen_timeout_begin(&inner, 10);
        r = pen_timeout_end(&inner, pen_sleep(PEN_SEC));
        ck_assert_int_eq(r, -ETIME);
        ck_assert_int_eq(pen_sleep(50), 0);
        ck_assert_int_eq(pen_timeout_end(&outer, 0), 0);
        ck_assert(!pen_timeout_expired(&outer));
        return pen_cancelling() == 0;
}
PLAY(inner_scope_runs_out_alone, inner_fires)

static int outer_fires(void *world)
{
        struct pen_timeout outer, inner;
        int r;

        (void)world;
        pen_timeout_begin(&outer, 10);
        pen_timeout_begin(&inner, 100);
        r = pen_timeout_end(&inner, pen_sleep(PEN_SEC));
        ck_assert_int_eq(r, -ECANCELED);
        ck_assert(!pen_timeout_expired(&inner));
        ck_assert_int_eq(pen_timeout_end(&outer, r), -ETIME);
        return pen_cancelling() == 0;
}
PLAY(inner_scope_does_not_take_the_outer_deadline_for_its_own, outer_fires)

static int both_fire(void *world)
{
        struct pen_timeout outer, inner;
        int r;

        (void)world;
        pen_timeout_begin(&outer, 10);
        pen_timeout_begin(&inner, 10);
        r = pen_timeout_end(&inner, pen_sleep(PEN_SEC));
        ck_assert_int_eq(r, -ECANCELED);
        ck_assert_int_eq(pen_timeout_end(&outer, r), -ETIME);
        return pen_cancelling() == 0 && pen_sleep(1) == 0;
}
PLAY(both_run_out_at_once_and_the_outer_tells, both_fire)

/* The inner one runs out first, the outer one while the body cleans up. */
static int outer_fires_in_cleanup(void *world)
{
        struct pen_timeout outer, inner;
        int r;

        (void)world;
        pen_timeout_begin(&outer, 20);
        pen_timeout_begin(&inner, 10);
        r = pen_sleep(PEN_SEC);
        ck_assert_int_eq(pen_sleep(PEN_SEC), -ECANCELED);
        ck_assert_uint_eq(pen_now(), 20);
        r = pen_timeout_end(&inner, r);
        ck_assert_int_eq(r, -ECANCELED);
        ck_assert_int_eq(pen_timeout_end(&outer, r), -ETIME);
        return pen_cancelling() == 0 && pen_sleep(1) == 0;
}
PLAY(outer_deadline_during_cleanup_of_the_inner_wins, outer_fires_in_cleanup)

#define DEPTH 5

/* Scopes with these deadlines, outermost first: exactly one says -ETIME, the one that ran out first
 * (the outermost of equals), and all inside it -ECANCELED. */
static int nest(const pen_usec *deadlines, size_t depth, size_t last, size_t *ret_told)
{
        struct pen_timeout scope;
        int r;

        if (depth == last)
                return pen_sleep(PEN_HOUR);
        pen_timeout_begin(&scope, deadlines[depth]);
        r = pen_timeout_end(&scope, nest(deadlines, depth + 1, last, ret_told));
        if (r == -ETIME && *ret_told == last)
                *ret_told = depth;
        return r;
}

static int nest_all(void *world)
{
        struct random random;

        (void)world;
        random_seed(&random, 1);
        for (int round = 0; round < 300; round++) {
                size_t told = DEPTH, expected = 0;
                pen_usec deadlines[DEPTH];

                for (size_t i = 0; i < DEPTH; i++) {
                        deadlines[i] = 1 + random_below(&random, 4);
                        if (deadlines[i] < deadlines[expected])
                                expected = i;
                }
                ck_assert_int_eq(nest(deadlines, 0, DEPTH, &told), -ETIME);
                ck_assert_uint_eq(told, expected);
                ck_assert_uint_eq(pen_cancelling(), 0);
                ck_assert_int_eq(pen_yield(), 0);
        }
        return 1;
}
PLAY(of_nested_scopes_the_one_that_ran_out_says_so, nest_all)

/* --- zero and moved --------------------------------------------------------------------------- */

static int zero(void *world)
{
        struct world *w = world;
        struct pen_timeout scope;
        void *item = world;

        ck_assert_int_eq(pen_queue_create(1, NULL, &w->queue), 0);
        pen_timeout_begin(&scope, 0);
        ck_assert_int_eq(pen_queue_put(w->queue, item), 0);
        ck_assert_int_eq(pen_queue_get(w->queue, &item), 0);
        ck_assert_int_eq(pen_timeout_end(&scope, 7), 7);

        pen_timeout_begin(&scope, 0);
        ck_assert_int_eq(pen_timeout_end(&scope, pen_queue_get(w->queue, &item)), -ETIME);
        ck_assert_uint_eq(pen_now(), 0);
        return 1;
}
PLAY(zero_lets_pass_what_need_not_wait, zero)

static int reschedule(void *world)
{
        struct pen_timeout scope;

        (void)world;
        pen_timeout_begin(&scope, 10);
        ck_assert_int_eq(pen_sleep(9), 0);
        ck_assert_int_eq(pen_timeout_reschedule(&scope, 100), 0); /* later */
        ck_assert_int_eq(pen_sleep(99), 0);
        ck_assert_int_eq(pen_timeout_reschedule(&scope, PEN_FOREVER), 0);
        ck_assert_int_eq(pen_sleep(PEN_HOUR), 0);
        ck_assert_int_eq(pen_timeout_reschedule(&scope, 10), 0); /* sooner */
        ck_assert_int_eq(pen_sleep(PEN_HOUR), -ECANCELED);
        ck_assert_uint_eq(pen_now(), PEN_HOUR + 118);
        ck_assert_int_eq(pen_timeout_reschedule(&scope, 10), -ETIME); /* too late */
        ck_assert_int_eq(pen_timeout_end(&scope, -ECANCELED), -ETIME);

        pen_timeout_begin(&scope, PEN_HOUR);
        ck_assert_int_eq(pen_timeout_reschedule(&scope, 0), 0);
        ck_assert_int_eq(pen_timeout_end(&scope, pen_sleep(1)), -ETIME);
        return 1;
}
PLAY(deadline_can_be_moved_until_it_has_passed, reschedule)

/* --- together with other cancellations -------------------------------------------------------- */

static int bounded_sleep(void *world)
{
        struct world *w = world;
        struct pen_timeout scope;
        int r;

        pen_timeout_begin(&scope, 100);
        r = pen_timeout_end(&scope, pen_sleep(PEN_HOUR));
        w->result = (int)pen_cancelling();
        return r;
}

START_TEST(cancellation_from_elsewhere_stays_a_cancellation)
{
        struct pen_task *t;
        PEN_CLEANUP(world_deinit) struct world w;

        world_init(&w);
        t = world_spawn(&w, bounded_sleep);
        world_advance(&w, 50);
        pen_task_cancel(t);
        world_advance(&w, PEN_SEC);
        ck_assert_int_eq(pen_task_result(t), -ECANCELED);
        ck_assert_int_eq(w.result, 1);
}
END_TEST

static int bounded_cleanup(void *world)
{
        struct pen_timeout scope;

        (void)world;
        ck_assert_int_eq(pen_sleep(PEN_HOUR), -ECANCELED);
        ck_assert_uint_eq(pen_cancelling(), 1);
        pen_timeout_begin(&scope, 10);
        ck_assert_int_eq(pen_timeout_end(&scope, pen_sleep(PEN_HOUR)), -ETIME);
        ck_assert_uint_eq(pen_cancelling(), 1);
        return 1;
}

START_TEST(timeouts_work_in_the_cleanup_of_a_cancelled_task)
{
        struct pen_task *t;
        PEN_CLEANUP(world_deinit) struct world w;

        world_init(&w);
        t = world_spawn(&w, bounded_cleanup);
        world_run_until_idle(&w);
        pen_task_cancel(t);
        world_advance(&w, 10);
        ck_assert_int_eq(pen_task_result(t), 1);
}
END_TEST

/* Expires at 10, is cancelled at 15, wakes at 20. `result`: what the body returns. */
static int masked_body(void *world)
{
        struct world *w = world;
        struct pen_timeout scope;
        int r;

        pen_timeout_begin(&scope, 10);
        pen_uncancellable_begin();
        r = pen_sleep(20);
        pen_uncancellable_end();
        if (w->result < 0)
                r = pen_sleep(20);
        r = pen_timeout_end(&scope, r);
        ck_assert_int_eq(r, w->result);
        ck_assert_uint_eq(pen_cancelling(), 1);
        r = pen_sleep(20);
        ck_assert_int_eq(r, w->result < 0 ? 0 : -ECANCELED);
        return 1;
}

static void cancel_an_expired(int result)
{
        struct pen_task *t;
        PEN_CLEANUP(world_deinit) struct world w;

        world_init(&w);
        w.result = result;
        t = world_spawn(&w, masked_body);
        world_advance(&w, 15);
        pen_task_cancel(t);
        world_advance(&w, 100);
        ck_assert_int_eq(pen_task_result(t), 1);
}

START_TEST(expired_and_cancelled_is_cancelled)
{
        cancel_an_expired(-ECANCELED);
}
END_TEST

START_TEST(end_takes_back_its_own_request_only)
{
        cancel_an_expired(0);
}
END_TEST

static int await_within(void *world)
{
        struct world *w = world;
        struct pen_timeout scope;
        int r;

        pen_timeout_begin(&scope, 10);
        r = pen_await(w->task, &w->result);
        return pen_timeout_end(&scope, r);
}

START_TEST(deadline_reaches_the_awaited_task)
{
        struct pen_task *t;
        PEN_CLEANUP(world_deinit) struct world w;

        world_init(&w);
        w.task = world_spawn(&w, sleep_forever);
        t = world_spawn(&w, await_within);
        world_advance(&w, 10);
        ck_assert_int_eq(pen_task_result(w.task), -ECANCELED);
        ck_assert_int_eq(pen_task_result(t), -ETIME);
}
END_TEST

/* --- pen_within, and outside of tasks --------------------------------------------------------- */

static int sleep_for(void *usec)
{
        int r = pen_sleep(*(pen_usec *)usec);

        return r < 0 ? r : 7;
}

static int within(void *world)
{
        pen_usec ten = 10;

        (void)world;
        ck_assert_int_eq(pen_within(11, sleep_for, &ten), 7);
        ck_assert_int_eq(pen_within(PEN_FOREVER, sleep_for, &ten), 7);
        ck_assert_int_eq(pen_within(9, sleep_for, &ten), -ETIME);
        ck_assert_uint_eq(pen_now(), 29);
        pen_task_cancel(pen_task_current());
        ck_assert_int_eq(pen_within(11, sleep_for, &ten), -ECANCELED);
        return 1;
}
PLAY(within_is_a_scope_around_a_call, within)

START_TEST(outside_a_task_a_scope_does_nothing)
{
        struct pen_timeout scope;
        PEN_CLEANUP(world_deinit) struct world w;

        pen_timeout_begin(&scope, 0);
        ck_assert_int_eq(pen_timeout_end(&scope, -ECANCELED), -ECANCELED);
        world_init(&w);
        pen_timeout_begin(&scope, 0);
        world_advance(&w, PEN_SEC);
        ck_assert(!pen_timeout_expired(&scope));
        ck_assert_int_eq(pen_timeout_end(&scope, -ECANCELED), -ECANCELED);
}
END_TEST

/* --- at a moment ---------------------------------------------------------------------------------- */

static int at_a_moment(void *world)
{
        struct pen_timeout scope;

        (void)world;
        ck_assert_int_eq(pen_sleep(100), 0);
        pen_timeout_begin_at(&scope, 130);
        ck_assert_int_eq(pen_timeout_end(&scope, pen_sleep(29)), 0);
        pen_timeout_begin_at(&scope, 130);
        ck_assert_int_eq(pen_timeout_end(&scope, pen_sleep(PEN_HOUR)), -ETIME);
        ck_assert_uint_eq(pen_now(), 130);
        pen_timeout_begin_at(&scope, PEN_FOREVER);
        ck_assert_int_eq(pen_timeout_end(&scope, pen_sleep(PEN_HOUR)), 0);
        ck_assert(!pen_timeout_expired(&scope));
        pen_timeout_begin_at(&scope, PEN_DAY);
        ck_assert_int_eq(pen_timeout_reschedule(&scope, 5), 0); /* from now */
        ck_assert_int_eq(pen_timeout_end(&scope, pen_sleep(6)), -ETIME);
        ck_assert_uint_eq(pen_now(), PEN_HOUR + 135);
        return 1;
}
PLAY(deadline_may_be_a_moment, at_a_moment)

static int in_the_past(void *world)
{
        struct world *w = world;
        struct pen_timeout scope;
        void *item = world;

        ck_assert_int_eq(pen_sleep(100), 0);
        ck_assert_int_eq(pen_queue_create(1, NULL, &w->queue), 0);
        for (pen_usec when = 0; when <= 100; when += 50) {
                pen_timeout_begin_at(&scope, when);
                ck_assert_int_eq(pen_queue_put(w->queue, item), 0);
                ck_assert_int_eq(pen_queue_get(w->queue, &item), 0);
                ck_assert(!pen_timeout_expired(&scope));
                ck_assert_int_eq(pen_timeout_end(&scope, 7), 7);

                pen_timeout_begin_at(&scope, when);
                ck_assert_int_eq(pen_timeout_end(&scope, pen_queue_get(w->queue, &item)), -ETIME);
                ck_assert_uint_eq(pen_now(), 100);
        }
        return pen_cancelling() == 0 && pen_yield() == 0;
}
PLAY(moment_that_has_passed_is_a_time_of_zero, in_the_past)

static int nested_in_the_past(void *world)
{
        struct pen_timeout outer, inner;
        int r;

        (void)world;
        ck_assert_int_eq(pen_sleep(100), 0);
        pen_timeout_begin_at(&outer, 50);
        pen_timeout_begin_at(&inner, 20); /* longer ago, and yet not the one that tells */
        r = pen_timeout_end(&inner, pen_sleep(PEN_HOUR));
        ck_assert_int_eq(r, -ECANCELED);
        ck_assert(pen_timeout_expired(&inner));
        ck_assert_int_eq(pen_timeout_end(&outer, r), -ETIME);
        ck_assert_uint_eq(pen_now(), 100);
        return pen_cancelling() == 0 && pen_yield() == 0;
}
PLAY(nested_moments_that_have_passed_fire_together, nested_in_the_past)

static int nested_zero(void *world)
{
        struct pen_timeout outer, middle, inner;
        int r;

        (void)world;
        pen_timeout_begin(&outer, 0);
        pen_timeout_begin(&middle, PEN_HOUR);
        pen_timeout_begin(&inner, 0);
        r = pen_timeout_end(&inner, pen_sleep(1));
        ck_assert_int_eq(r, -ECANCELED);
        r = pen_timeout_end(&middle, r);
        ck_assert_int_eq(r, -ECANCELED);
        ck_assert(!pen_timeout_expired(&middle));
        ck_assert_int_eq(pen_timeout_end(&outer, r), -ETIME);
        return pen_cancelling() == 0 && pen_sleep(1) == 0;
}
PLAY(nested_times_of_zero_fire_together, nested_zero)

/* --- awkward -------------------------------------------------------------------------------------- */

static int scope_in_cleanup_of_a_scope(void *world)
{
        struct pen_timeout outer, inner;
        int r;

        (void)world;
        pen_timeout_begin(&outer, 10);
        r = pen_sleep(PEN_HOUR);
        pen_timeout_begin(&inner, 10);
        ck_assert_int_eq(pen_timeout_end(&inner, pen_sleep(PEN_HOUR)), -ETIME);
        ck_assert_uint_eq(pen_now(), 20);
        ck_assert_int_eq(pen_timeout_end(&outer, r), -ETIME);
        return pen_cancelling() == 0;
}
PLAY(cleanup_of_an_expired_scope_may_have_a_deadline_too, scope_in_cleanup_of_a_scope)

static int cancel_in_scope_in_cleanup(void *world)
{
        struct pen_timeout scope;

        (void)world;
        pen_task_cancel(pen_task_current());
        ck_assert_int_eq(pen_sleep(1), -ECANCELED);
        pen_timeout_begin(&scope, 10);
        pen_task_cancel(pen_task_current());
        ck_assert_int_eq(pen_timeout_end(&scope, pen_sleep(PEN_HOUR)), -ECANCELED);
        ck_assert(!pen_timeout_expired(&scope));
        ck_assert_uint_eq(pen_cancelling(), 2);
        return pen_sleep(20) == 0;
}
PLAY(cancelled_a_second_time_in_cleanup_is_no_timeout, cancel_in_scope_in_cleanup)

/* The outer deadline passes while the inner scope's body must not be interrupted; the inner one
 * passes afterwards. */
static int outer_first_masked(void *world)
{
        struct pen_timeout outer, inner;
        int r;

        (void)world;
        pen_timeout_begin(&outer, 10);
        pen_timeout_begin(&inner, 20);
        pen_uncancellable_begin();
        ck_assert_int_eq(pen_sleep(30), 0);
        pen_uncancellable_end();
        ck_assert(pen_timeout_expired(&outer));
        ck_assert(pen_timeout_expired(&inner));
        ck_assert_uint_eq(pen_cancelling(), 2);
        ck_assert_int_eq(pen_timeout_end(&inner, 0), 0);
        r = pen_sleep(1);
        ck_assert_int_eq(r, -ECANCELED); /* the outer's, still to be met */
        ck_assert_int_eq(pen_timeout_end(&outer, r), -ETIME);
        return pen_cancelling() == 0 && pen_sleep(1) == 0;
}
PLAY(inner_scope_that_ended_well_leaves_the_outer_deadline_pending, outer_first_masked)

static int inner_caught(void *world)
{
        struct pen_timeout outer, inner;
        int r;

        (void)world;
        pen_timeout_begin(&outer, 20);
        pen_timeout_begin(&inner, 10);
        ck_assert_int_eq(pen_timeout_end(&inner, pen_sleep(PEN_HOUR)), -ETIME);
        r = pen_sleep(PEN_HOUR); /* went on, and meets the outer one */
        ck_assert_uint_eq(pen_now(), 20);
        ck_assert_int_eq(pen_timeout_end(&outer, r), -ETIME);
        return pen_cancelling() == 0;
}
PLAY(after_an_inner_timeout_the_outer_deadline_still_holds, inner_caught)

/* The timer has fired and the sleeper is on its way when the deadline passes, in the same turn. */
static int woken_as_it_expires(void *world)
{
        struct pen_timeout scope;
        int r;

        (void)world;
        pen_timeout_begin(&scope, 10);
        r = pen_sleep(10);
        ck_assert_int_eq(r, -ECANCELED);
        ck_assert_int_eq(pen_timeout_end(&scope, r), -ETIME);
        pen_timeout_begin(&scope, PEN_FOREVER);
        ck_assert_int_eq(pen_timeout_reschedule(&scope, 10), 0);
        ck_assert_int_eq(pen_timeout_end(&scope, pen_sleep(9)), 0);
        return pen_cancelling() == 0;
}
PLAY(deadline_at_the_moment_of_the_wakeup_wins, woken_as_it_expires)

static int cancel_before_expiry(void *world)
{
        struct pen_timeout scope;
        int r;

        (void)world;
        pen_timeout_begin(&scope, 10);
        pen_task_cancel(pen_task_current());
        r = pen_sleep(PEN_HOUR);
        ck_assert_int_eq(pen_sleep(PEN_HOUR), -ECANCELED); /* the deadline, during the cleanup */
        ck_assert_uint_eq(pen_now(), 10);
        ck_assert(pen_timeout_expired(&scope));
        ck_assert_int_eq(pen_timeout_end(&scope, r), -ECANCELED);
        ck_assert_uint_eq(pen_cancelling(), 1);
        return pen_sleep(1) == 0;
}
PLAY(deadline_in_the_cleanup_of_a_cancellation_does_not_hide_it, cancel_before_expiry)

static int uncancelled_scope(void *world)
{
        struct pen_timeout scope;
        int r;

        (void)world;
        pen_timeout_begin(&scope, 10);
        pen_task_cancel(pen_task_current());
        ck_assert_int_eq(pen_sleep(1), -ECANCELED);
        ck_assert_uint_eq(pen_uncancel(), 0); /* taken back: it counts no more */
        r = pen_sleep(PEN_HOUR);
        ck_assert_int_eq(pen_timeout_end(&scope, r), -ETIME);
        return pen_cancelling() == 0;
}
PLAY(cancellation_that_was_taken_back_does_not_hide_a_deadline, uncancelled_scope)
/* --- TCP's own ---------------------------------------------------------------------------------- */

struct unread {
        struct pen_listener *listener;
        struct pen_stream *writer, *reader;
};

static int accept_reader(void *unread)
{
        struct unread *u = unread;

        return pen_accept(u->listener, &u->reader);
}

/* A connection whose other end takes nothing, for longer than the kernel has been told to stand. */
static void connect_to_one_who_never_reads(struct unread *u, unsigned ms)
{
        char address[32];
        struct pen_task *t;
        int r;

        ck_assert_int_eq(pen_listen("127.0.0.1:0", &u->listener), 0);
        ck_assert_int_eq(pen_spawn(accept_reader, u, &t), 0);
        snprintf(address, sizeof(address), "127.0.0.1:%u", pen_listener_port(u->listener));
        ck_assert_int_eq(pen_stream_connect(address, &u->writer), 0);
        ck_assert_int_eq(pen_await(t, &r), 0);
        ck_assert_int_eq(r, 0);
        pen_task_unref(t);
        ck_assert_int_eq(setsockopt(pen_stream_fd(u->writer), IPPROTO_TCP, TCP_USER_TIMEOUT, &ms,
                                    sizeof(ms)),
                         0);
}

static void disconnect(struct unread *u)
{
        pen_stream_free(u->writer);
        pen_stream_free(u->reader);
        pen_listener_free(u->listener);
}

/* More than the buffers of both ends hold. */
static int write_too_much(void *unread)
{
        struct unread *u = unread;
        size_t size = (size_t)64 << 20;
        char *data = calloc(1, size);
        int r = pen_stream_write(u->writer, data, size);

        free(data);
        return r < 0 ? r : pen_stream_drain(u->writer);
}

static int time_out_by_tcp(void *arg)
{
        struct unread u = { .writer = NULL };

        (void)arg;
        connect_to_one_who_never_reads(&u, 100);
        ck_assert_int_eq(pen_within(PEN_HOUR, write_too_much, &u), -ETIMEDOUT);
        disconnect(&u);
        return 1;
}

static int time_out_by_scope(void *arg)
{
        struct unread u = { .writer = NULL };

        (void)arg;
        connect_to_one_who_never_reads(&u, 3600000);
        ck_assert_int_eq(pen_within(10 * PEN_MSEC, write_too_much, &u), -ETIME);
        disconnect(&u);
        return 1;
}

START_TEST(etimedout_is_tcps_and_etime_the_scopes)
{
        ck_assert_int_eq(pen_run(time_out_by_tcp, NULL), 1);
        ck_assert_int_eq(pen_run(time_out_by_scope, NULL), 1);
}
END_TEST

static int sleep_deaf(void *world)
{
        int r;

        (void)world;
        pen_uncancellable_begin();
        r = pen_sleep(20);
        pen_uncancellable_end();
        return r;
}

static int await_and_sleep(void *task)
{
        ck_assert_int_eq(pen_await(task, NULL), 0);
        ck_assert_uint_eq(pen_now(), 20);
        return pen_sleep(PEN_SEC);
}

static int await_deaf_within(void *world)
{
        struct pen_task *t = world_spawn(world, sleep_deaf);

        ck_assert_int_eq(pen_within(10, await_and_sleep, t), -ETIME);
        ck_assert_uint_eq(pen_now(), 20);
        return pen_yield() == 0 && pen_cancelling() == 0;
}
PLAY(deadline_that_the_awaited_has_not_met_still_bounds_what_follows, await_deaf_within)

static int be_late_in_cleanup(void *world)
{
        int r = pen_sleep(PEN_SEC);

        (void)world;
        ck_assert_int_eq(r, -ECANCELED);
        ck_assert_uint_eq(pen_now(), 0);
        ck_assert_int_eq(pen_sleep(PEN_SEC), -ECANCELED);
        ck_assert_uint_eq(pen_now(), 10);
        return r;
}

static int begin_when_cancelled(void *world)
{
        pen_task_cancel(pen_task_current());
        ck_assert_int_eq(pen_within(10, be_late_in_cleanup, world), -ECANCELED);
        return pen_cancelling() == 1;
}
PLAY(request_that_was_pending_at_the_begin_and_met_inside_is_no_timeout, begin_when_cancelled)

int main(void)
{
        return RUN_SUITE(
                "timeout", expired_scope_answers_etime, scope_that_ended_in_time_does_nothing,
                errors_of_the_body_pass_through, result_is_kept_if_the_body_finishes_anyway,
                undelivered_request_of_a_scope_is_taken_back, inner_scope_runs_out_alone,
                inner_scope_does_not_take_the_outer_deadline_for_its_own,
                both_run_out_at_once_and_the_outer_tells,
                outer_deadline_during_cleanup_of_the_inner_wins,
                of_nested_scopes_the_one_that_ran_out_says_so, zero_lets_pass_what_need_not_wait,
                deadline_can_be_moved_until_it_has_passed,
                cancellation_from_elsewhere_stays_a_cancellation,
                timeouts_work_in_the_cleanup_of_a_cancelled_task,
                expired_and_cancelled_is_cancelled, end_takes_back_its_own_request_only,
                deadline_reaches_the_awaited_task, within_is_a_scope_around_a_call,
                outside_a_task_a_scope_does_nothing, deadline_may_be_a_moment,
                moment_that_has_passed_is_a_time_of_zero,
                nested_moments_that_have_passed_fire_together, nested_times_of_zero_fire_together,
                cleanup_of_an_expired_scope_may_have_a_deadline_too,
                cancelled_a_second_time_in_cleanup_is_no_timeout,
                inner_scope_that_ended_well_leaves_the_outer_deadline_pending,
                after_an_inner_timeout_the_outer_deadline_still_holds,
                deadline_at_the_moment_of_the_wakeup_wins,
                deadline_in_the_cleanup_of_a_cancellation_does_not_hide_it,
                cancellation_that_was_taken_back_does_not_hide_a_deadline,
                etimedout_is_tcps_and_etime_the_scopes,
                deadline_that_the_awaited_has_not_met_still_bounds_what_follows,
                request_that_was_pending_at_the_begin_and_met_inside_is_no_timeout);
}

#include "world.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include <penstock/group.h>
#include <penstock/timeout.h>

#define ME pen_task_name(pen_task_current())

/* Children, named by what they do: sleep so long, then answer so. */
static int child(void *world)
{
        pen_usec usec;
        int result = 0, r;

        ck_assert_int_ge(sscanf(ME, "%" SCNu64 " then %d", &usec, &result), 1);
        r = pen_sleep(usec);
        world_say(world, "%s at %d, ", r < 0 ? "cancelled" : "ended", (int)pen_now());
        return r < 0 ? r : result;
}

/* Takes a second to end when cancelled, and then answers -EIO if it is named "bad". */
static int slow_to_cancel(void *world)
{
        int r = pen_sleep(PEN_FOREVER);

        ck_assert_int_eq(pen_sleep(PEN_SEC), 0);
        world_say(world, "cleaned at %d, ", (int)(pen_now() / PEN_SEC));
        return strcmp(ME, "bad") == 0 ? -EIO : r;
}

static int resist(void *world)
{
        int r = pen_sleep(PEN_FOREVER);

        (void)world;
        return r == -ECANCELED ? 5 : r;
}

static struct pen_task *play(struct world *w, int (*body)(void *world))
{
        struct pen_task *t;

        world_init(w);
        t = world_spawn(w, body);
        world_run_until_idle(w);
        return t;
}

#define PLAY(test, body, expected_result, expected_trace)                \
        START_TEST(test)                                                 \
        {                                                                \
                PEN_CLEANUP(world_deinit) struct world w;                \
                struct pen_task *t = play(&w, body);                     \
                                                                         \
                world_advance(&w, PEN_HOUR);                             \
                ck_assert_int_eq(pen_task_result(t), (expected_result)); \
                ck_assert_str_eq(w.trace, expected_trace);               \
        }                                                                \
        END_TEST

/* --- joining ---------------------------------------------------------------------------------- */

static int join_three(void *world)
{
        PEN_CLEANUP(pen_group_freep) struct pen_group *g = NULL;

        ck_assert_int_eq(pen_group_create(&g), 0);
        ck_assert_int_eq(pen_group_spawn(g, "30", child, world, NULL), 0);
        ck_assert_int_eq(pen_group_spawn(g, "10 then 7", child, world, NULL), 0);
        ck_assert_int_eq(pen_group_spawn(g, "20", child, world, NULL), 0);
        ck_assert_uint_eq(pen_group_size(g), 3);
        ck_assert_int_eq(pen_group_join(g), 0);
        ck_assert_uint_eq(pen_group_size(g), 0);
        world_say(world, "joined at %d", (int)pen_now());
        ck_assert_int_eq(pen_group_spawn(g, "1", child, world, NULL), -ESHUTDOWN);
        return 1;
}
PLAY(join_waits_for_all, join_three, 1, "ended at 10, ended at 20, ended at 30, joined at 30")

static int join_nobody(void *world)
{
        PEN_CLEANUP(pen_group_freep) struct pen_group *g = NULL, *unjoined = NULL;

        (void)world;
        ck_assert_int_eq(pen_group_create(&g), 0);
        ck_assert_int_eq(pen_group_create(&unjoined), 0);
        return pen_group_join(g);
}
PLAY(empty_group_joins_at_once, join_nobody, 0, "")

struct spawner {
        struct world *w;
        struct pen_group *g;
};

static int spawn_sibling(void *spawner)
{
        struct spawner *s = spawner;

        ck_assert_int_eq(pen_sleep(5), 0);
        return pen_group_spawn(s->g, "10", child, s->w, NULL);
}

static int join_growing(void *world)
{
        PEN_CLEANUP(pen_group_freep) struct pen_group *g = NULL;
        struct spawner s = { .w = world };

        ck_assert_int_eq(pen_group_create(&g), 0);
        s.g = g;
        ck_assert_int_eq(pen_group_spawn(g, NULL, spawn_sibling, &s, NULL), 0);
        ck_assert_int_eq(pen_group_join(g), 0);
        world_say(world, "joined at %d", (int)pen_now());
        return 1;
}
PLAY(join_waits_for_those_added_meanwhile, join_growing, 1, "ended at 15, joined at 15")

/* --- failing ---------------------------------------------------------------------------------- */

static int join_failing(void *world)
{
        PEN_CLEANUP(pen_group_freep) struct pen_group *g = NULL;

        ck_assert_int_eq(pen_group_create(&g), 0);
        ck_assert_int_eq(pen_group_spawn(g, "30", child, world, NULL), 0);
        ck_assert_int_eq(pen_group_spawn(g, "10 then -5", child, world, NULL), 0);
        ck_assert_int_eq(pen_group_spawn(g, "bad", slow_to_cancel, world, NULL), 0);
        ck_assert_int_eq(pen_group_join(g), -5);
        world_say(world, "joined");
        ck_assert_int_eq(pen_group_spawn(g, "1", child, world, NULL), -ESHUTDOWN);
        ck_assert_int_eq(pen_sleep(1), 0);
        return pen_cancelling() == 0;
}
PLAY(first_error_cancels_the_siblings_and_join_waits_for_them, join_failing, 1,
     "ended at 10, cancelled at 10, cleaned at 1, joined")

static int body_of_failing(void *world)
{
        PEN_CLEANUP(pen_group_freep) struct pen_group *g = NULL;

        ck_assert_int_eq(pen_group_create(&g), 0);
        ck_assert_int_eq(pen_group_spawn(g, "10 then -5", child, world, NULL), 0);
        ck_assert_int_eq(pen_sleep(PEN_HOUR), -ECANCELED);
        world_say(world, "body at %d", (int)pen_now());
        ck_assert_int_eq(pen_group_spawn(g, "1", child, world, NULL), -ESHUTDOWN);
        ck_assert_int_eq(pen_group_join(g), -5);
        ck_assert_int_eq(pen_sleep(1), 0);
        return pen_cancelling() == 0;
}
PLAY(error_of_a_child_interrupts_the_body, body_of_failing, 1, "ended at 10, body at 10")

static int masked_body_of_failing(void *world)
{
        PEN_CLEANUP(pen_group_freep) struct pen_group *g = NULL;

        ck_assert_int_eq(pen_group_create(&g), 0);
        ck_assert_int_eq(pen_group_spawn(g, "10 then -5", child, world, NULL), 0);
        pen_uncancellable_begin();
        ck_assert_int_eq(pen_sleep(20), 0);
        pen_uncancellable_end();
        ck_assert_int_eq(pen_group_join(g), -5);
        ck_assert_int_eq(pen_sleep(1), 0);
        return pen_cancelling() == 0;
}
PLAY(join_takes_back_what_the_body_has_not_met, masked_body_of_failing, 1, "ended at 10, ")

static int free_instead_of_join(void *world)
{
        struct pen_group *g = NULL;

        ck_assert_int_eq(pen_group_create(&g), 0);
        ck_assert_int_eq(pen_group_spawn(g, "10 then -5", child, world, NULL), 0);
        pen_uncancellable_begin();
        ck_assert_int_eq(pen_sleep(20), 0);
        pen_uncancellable_end();
        pen_group_free(g);
        ck_assert_uint_eq(pen_cancelling(), 0);
        return pen_sleep(1) == 0;
}
PLAY(free_takes_back_what_the_body_has_not_met, free_instead_of_join, 1, "ended at 10, ")

static int body_with_a_scope(void *world)
{
        PEN_CLEANUP(pen_group_freep) struct pen_group *g = NULL;
        struct pen_timeout scope;

        ck_assert_int_eq(pen_group_create(&g), 0);
        ck_assert_int_eq(pen_group_spawn(g, "10 then -5", child, world, NULL), 0);
        pen_timeout_begin(&scope, 20);
        ck_assert_int_eq(pen_timeout_end(&scope, pen_sleep(PEN_HOUR)), -ECANCELED);
        return pen_group_join(g);
}
PLAY(scope_in_the_body_does_not_take_a_childs_error, body_with_a_scope, -5, "ended at 10, ")

static int group_in_a_scope(void *world)
{
        PEN_CLEANUP(pen_group_freep) struct pen_group *g = NULL;
        struct pen_timeout scope;

        pen_timeout_begin(&scope, 10);
        ck_assert_int_eq(pen_group_create(&g), 0);
        ck_assert_int_eq(pen_group_spawn(g, "20", child, world, NULL), 0);
        return pen_timeout_end(&scope, pen_group_join(g));
}
PLAY(deadline_around_a_join_cancels_the_children, group_in_a_scope, -ETIME, "cancelled at 10, ")

static int cancelled_child(void *world)
{
        pen_task_cancel(pen_task_current());
        return child(world);
}

static int join_cancelled_child(void *world)
{
        PEN_CLEANUP(pen_group_freep) struct pen_group *g = NULL;

        ck_assert_int_eq(pen_group_create(&g), 0);
        ck_assert_int_eq(pen_group_spawn(g, "30", cancelled_child, world, NULL), 0);
        ck_assert_int_eq(pen_group_spawn(g, "10", child, world, NULL), 0);
        return pen_group_join(g);
}
PLAY(cancelled_child_is_no_failure, join_cancelled_child, 0, "cancelled at 0, ended at 10, ")

/* --- cancelling ------------------------------------------------------------------------------- */

static int cancel_group(void *world)
{
        PEN_CLEANUP(pen_group_freep) struct pen_group *g = NULL;

        ck_assert_int_eq(pen_group_create(&g), 0);
        ck_assert_int_eq(pen_group_spawn(g, "10", child, world, NULL), 0);
        ck_assert_int_eq(pen_group_spawn(g, NULL, resist, world, NULL), 0);
        ck_assert_int_eq(pen_sleep(1), 0);
        pen_group_cancel(g);
        ck_assert_int_eq(pen_group_spawn(g, "1", child, world, NULL), -ESHUTDOWN);
        return pen_group_join(g);
}
PLAY(cancelled_group_has_not_failed, cancel_group, 0, "cancelled at 1, ")

static int join_slow(void *world)
{
        PEN_CLEANUP(pen_group_freep) struct pen_group *g = NULL;
        struct world *w = world;
        int r;

        ck_assert_int_eq(pen_group_create(&g), 0);
        ck_assert_int_eq(pen_group_spawn(g, w->result ? "bad" : "good", slow_to_cancel, w, NULL),
                         0);
        r = pen_group_join(g);
        world_say(w, "joined, then %s", pen_sleep(1) == -ECANCELED ? "cancelled" : "not");
        return r;
}

START_TEST(cancelled_join_cancels_the_children_and_waits_for_them)
{
        PEN_CLEANUP(world_deinit) struct world w;
        struct pen_task *t = play(&w, join_slow);

        pen_task_cancel(t);
        world_advance(&w, PEN_HOUR);
        ck_assert_int_eq(pen_task_result(t), -ECANCELED);
        ck_assert_str_eq(w.trace, "cleaned at 1, joined, then not");
}
END_TEST

START_TEST(cancelled_join_tells_a_childs_error_and_the_request_stays)
{
        struct pen_task *t;
        PEN_CLEANUP(world_deinit) struct world w;

        world_init(&w);
        w.result = 1;
        t = world_spawn(&w, join_slow);
        world_run_until_idle(&w);
        pen_task_cancel(t);
        world_advance(&w, PEN_HOUR);
        ck_assert_int_eq(pen_task_result(t), -EIO);
        ck_assert_str_eq(w.trace, "cleaned at 1, joined, then cancelled");
}
END_TEST

/* In the cleanup of a cancelled task a deadline passes while it joins a child that fails. */
static int join_bad_in_cleanup(void *world)
{
        PEN_CLEANUP(pen_group_freep) struct pen_group *g = NULL;
        struct pen_timeout scope;
        int r;

        ck_assert_int_eq(pen_sleep(PEN_FOREVER), -ECANCELED);
        pen_timeout_begin(&scope, 10);
        ck_assert_int_eq(pen_group_create(&g), 0);
        ck_assert_int_eq(pen_group_spawn(g, "bad", slow_to_cancel, world, NULL), 0);
        r = pen_group_join(g);
        ck_assert_int_eq(r, -EIO);
        if (((struct world *)world)->result) /* from outside, too */
                pen_task_cancel(pen_task_current());
        ck_assert_int_eq(pen_timeout_end(&scope, r), -EIO);
        return pen_sleep(1) == 0;
}

static int cleanup_when_cancelled(int cancelled_again)
{
        struct pen_task *t;
        PEN_CLEANUP(world_deinit) struct world w;

        world_init(&w);
        w.result = cancelled_again;
        t = world_spawn(&w, join_bad_in_cleanup);
        world_run_until_idle(&w);
        pen_task_cancel(t);
        world_advance(&w, PEN_HOUR);
        return pen_task_result(t);
}

START_TEST(deadline_that_a_join_left_pending_ends_with_its_scope)
{
        ck_assert_int_eq(cleanup_when_cancelled(0), 1);
        ck_assert_int_eq(cleanup_when_cancelled(1), 0);
}
END_TEST

static int join_when_cancelled(void *world)
{
        PEN_CLEANUP(pen_group_freep) struct pen_group *g = NULL;

        ck_assert_int_eq(pen_group_create(&g), 0);
        ck_assert_int_eq(pen_group_spawn(g, "10", child, world, NULL), 0);
        ck_assert_int_eq(pen_yield(), 0);
        pen_task_cancel(pen_task_current());
        ck_assert_int_eq(pen_group_join(g), -ECANCELED);
        ck_assert_uint_eq(pen_group_size(g), 0);
        return 1;
}
PLAY(join_by_a_cancelled_task_waits_for_the_children, join_when_cancelled, 1, "cancelled at 0, ")

static int free_slow(void *world)
{
        struct pen_group *g = NULL;

        ck_assert_int_eq(pen_group_create(&g), 0);
        ck_assert_int_eq(pen_group_spawn(g, NULL, slow_to_cancel, world, NULL), 0);
        ck_assert_int_eq(pen_yield(), 0);
        pen_group_freep(&g);
        world_say(world, "freed");
        return pen_yield();
}

START_TEST(free_waits_for_the_children_even_if_cancelled)
{
        PEN_CLEANUP(world_deinit) struct world w;
        struct pen_task *t = play(&w, free_slow);

        pen_task_cancel(t);
        world_advance(&w, PEN_SEC - 1);
        ck_assert_str_eq(w.trace, "");
        world_advance(&w, 1);
        ck_assert_str_eq(w.trace, "cleaned at 1, freed");
        ck_assert_int_eq(pen_task_result(t), -ECANCELED);
}
END_TEST

/* --- nested, and misused ---------------------------------------------------------------------- */

static int inner_group(void *world)
{
        PEN_CLEANUP(pen_group_freep) struct pen_group *g = NULL;

        ck_assert_int_eq(pen_group_create(&g), 0);
        ck_assert_int_eq(pen_group_spawn(g, "40", child, world, NULL), 0);
        ck_assert_int_eq(pen_group_spawn(g, "10 then -5", child, world, NULL), 0);
        return pen_group_join(g);
}

static int outer_group(void *world)
{
        PEN_CLEANUP(pen_group_freep) struct pen_group *g = NULL;

        ck_assert_int_eq(pen_group_create(&g), 0);
        ck_assert_int_eq(pen_group_spawn(g, "inner", inner_group, world, NULL), 0);
        ck_assert_int_eq(pen_group_spawn(g, "50", child, world, NULL), 0);
        return pen_group_join(g);
}
PLAY(error_climbs_through_nested_groups, outer_group, -5,
     "ended at 10, cancelled at 10, cancelled at 10, ")

static int join_others(void *spawner)
{
        struct spawner *s = spawner;

        return pen_group_join(s->g) == -EPERM;
}

static int lend_group(void *world)
{
        PEN_CLEANUP(pen_group_freep) struct pen_group *g = NULL;
        struct spawner s = { .w = world };
        struct pen_task *t;

        ck_assert_int_eq(pen_group_create(&g), 0);
        s.g = g;
        t = world_spawn_arg(world, join_others, &s);
        ck_assert_int_eq(pen_yield(), 0);
        ck_assert_int_eq(pen_task_result(t), 1);
        return 1;
}
PLAY(group_of_another_task_cannot_be_joined, lend_group, 1, "")

START_TEST(group_needs_a_task)
{
        struct pen_group *g = NULL;
        PEN_CLEANUP(world_deinit) struct world w;

        ck_assert_int_eq(pen_group_create(&g), -ENXIO);
        world_init(&w);
        ck_assert_int_eq(pen_group_create(&g), -ENXIO);
        ck_assert_ptr_null(g);
        pen_group_free(NULL);
}
END_TEST

/* --- several at once ------------------------------------------------------------------------------ */

static int join_two_failures(void *world)
{
        PEN_CLEANUP(pen_group_freep) struct pen_group *g = NULL;

        ck_assert_int_eq(pen_group_create(&g), 0);
        ck_assert_int_eq(pen_group_spawn(g, "10 then -5", child, world, NULL), 0);
        ck_assert_int_eq(pen_group_spawn(g, "10 then -6", child, world, NULL), 0);
        return pen_group_join(g);
}
PLAY(of_two_that_fail_in_one_turn_the_first_is_told, join_two_failures, -5,
     "ended at 10, cancelled at 10, ")

static int join_failing_cleanup(void *world)
{
        PEN_CLEANUP(pen_group_freep) struct pen_group *g = NULL;

        ck_assert_int_eq(pen_group_create(&g), 0);
        ck_assert_int_eq(pen_group_spawn(g, "bad", slow_to_cancel, world, NULL), 0);
        ck_assert_int_eq(pen_group_spawn(g, "good", slow_to_cancel, world, NULL), 0);
        ck_assert_int_eq(pen_group_spawn(g, "10 then -6", child, world, NULL), 0);
        return pen_group_join(g);
}
PLAY(failure_while_others_clean_up_is_not_the_first_and_does_not_interrupt_them,
     join_failing_cleanup, -6, "ended at 10, cleaned at 1, cleaned at 1, ")

static int fail_in_cleanup_of_group(void *world)
{
        PEN_CLEANUP(pen_group_freep) struct pen_group *g = NULL;

        ck_assert_int_eq(pen_group_create(&g), 0);
        ck_assert_int_eq(pen_group_spawn(g, "bad", slow_to_cancel, world, NULL), 0);
        ck_assert_int_eq(pen_group_spawn(g, "good", slow_to_cancel, world, NULL), 0);
        ck_assert_int_eq(pen_yield(), 0);
        pen_group_cancel(g);
        ck_assert_int_eq(pen_sleep(PEN_SEC / 2), 0);
        pen_group_cancel(g); /* a second time: they are cleaning up */
        return pen_group_join(g);
}
PLAY(cancelled_twice_a_group_lets_its_children_clean_up, fail_in_cleanup_of_group, -EIO,
     "cleaned at 1, cleaned at 1, ")

/* A child has failed, another cleans up; the body leaves by free, or is cancelled in join. */
static int leave_while_one_cleans_up(void *world)
{
        PEN_CLEANUP(pen_group_freep) struct pen_group *g = NULL;

        ck_assert_int_eq(pen_group_create(&g), 0);
        ck_assert_int_eq(pen_group_spawn(g, "good", slow_to_cancel, world, NULL), 0);
        ck_assert_int_eq(pen_group_spawn(g, "10 then -5", child, world, NULL), 0);
        ck_assert_int_eq(pen_sleep(PEN_HOUR), -ECANCELED);
        if (((struct world *)world)->result == 0)
                return -ECANCELED;
        return pen_group_join(g);
}
PLAY(free_after_a_failure_lets_the_others_clean_up, leave_while_one_cleans_up, -ECANCELED,
     "ended at 10, cleaned at 1, ")

static int leave_then_yield(void *world)
{
        struct world *w = world;

        w->result = 1;
        w->result = leave_while_one_cleans_up(w);
        return pen_yield();
}

START_TEST(cancelled_while_others_clean_up_it_lets_them_and_the_request_stays)
{
        PEN_CLEANUP(world_deinit) struct world w;
        struct pen_task *t = play(&w, leave_then_yield);

        world_advance(&w, PEN_SEC / 2);
        ck_assert(pen_task_cancel(t));
        world_advance(&w, PEN_HOUR);
        ck_assert_str_eq(w.trace, "ended at 10, cleaned at 1, ");
        ck_assert_int_eq(w.result, -5);
        ck_assert_int_eq(pen_task_result(t), -ECANCELED);
}
END_TEST

static int body_that_fails(void *world)
{
        PEN_CLEANUP(pen_group_freep) struct pen_group *g = NULL;

        ck_assert_int_eq(pen_group_create(&g), 0);
        ck_assert_int_eq(pen_group_spawn(g, "30", child, world, NULL), 0);
        ck_assert_int_eq(pen_sleep(10), 0);
        return -EPIPE;
}
PLAY(body_that_fails_cancels_the_children, body_that_fails, -EPIPE, "cancelled at 10, ")

struct hydra {
        struct pen_group *g;
        int n;
};

/* Each becomes two, until the group takes no more. */
static int grow_heads(void *hydra)
{
        struct hydra *h = hydra;
        int r = pen_sleep(10);

        h->n++;
        if (h->n == 20)
                return -EIO;
        for (int i = 0; i < 2 && r == 0; i++)
                r = pen_group_spawn(h->g, NULL, grow_heads, h, NULL);
        return r == -ESHUTDOWN ? 0 : r;
}

static int fight_hydra(void *world)
{
        PEN_CLEANUP(pen_group_freep) struct pen_group *g = NULL;
        struct hydra h = { 0 };

        (void)world;
        ck_assert_int_eq(pen_group_create(&g), 0);
        h.g = g;
        ck_assert_int_eq(pen_group_spawn(g, NULL, grow_heads, &h, NULL), 0);
        ck_assert_int_eq(pen_group_join(g), -EIO);
        ck_assert_uint_eq(pen_group_size(g), 0);
        return h.n >= 20;
}
PLAY(group_that_grows_by_itself_ends_by_a_failure, fight_hydra, 1, "")

static int join_without_children_left(void *world)
{
        PEN_CLEANUP(pen_group_freep) struct pen_group *g = NULL;

        ck_assert_int_eq(pen_group_create(&g), 0);
        for (int i = 0; i < 5; i++) {
                ck_assert_int_eq(pen_group_spawn(g, "3", child, world, NULL), 0);
                ck_assert_int_eq(pen_sleep(5), 0);
                ck_assert_uint_eq(pen_group_size(g), 0);
        }
        ck_assert_uint_eq(pen_group_size(g), 0);
        return pen_group_join(g) == 0 && pen_now() == 25;
}
PLAY(children_that_have_ended_are_not_kept, join_without_children_left, 1,
     "ended at 3, ended at 8, ended at 13, ended at 18, ended at 23, ")

START_TEST(failure_of_a_child_is_told_and_not_logged)
{
        PEN_CLEANUP(world_deinit) struct world w;
        struct pen_task *t = play(&w, join_two_failures);

        world_advance(&w, 10);
        ck_assert_int_eq(pen_task_result(t), -5);
        ck_assert_str_eq(w.log, "");
}
END_TEST

/* --- several groups of one task -------------------------------------------------------------------- */

/* Both fail at once: the inner one's error is handled, and the outer one's request still ends what
 * comes after. */
static int two_groups_fail_at_once(void *world)
{
        PEN_CLEANUP(pen_group_freep) struct pen_group *outer = NULL, *inner = NULL;

        ck_assert_int_eq(pen_group_create(&outer), 0);
        ck_assert_int_eq(pen_group_spawn(outer, "10 then -5", child, world, NULL), 0);
        ck_assert_int_eq(pen_group_create(&inner), 0);
        ck_assert_int_eq(pen_group_spawn(inner, "10 then -6", child, world, NULL), 0);
        ck_assert_int_eq(pen_sleep(PEN_HOUR), -ECANCELED);
        ck_assert_uint_eq(pen_cancelling(), 2);
        ck_assert_int_eq(pen_group_join(inner), -6);
        ck_assert_uint_eq(pen_cancelling(), 1);
        ck_assert_int_eq(pen_sleep(PEN_HOUR), -ECANCELED);
        ck_assert_int_eq(pen_group_join(outer), -5);
        ck_assert_uint_eq(pen_cancelling(), 0);
        return pen_sleep(1) == 0 && pen_now() == 11;
}
PLAY(inner_group_does_not_take_the_request_of_the_outer, two_groups_fail_at_once, 1,
     "ended at 10, ended at 10, ")

/* The same with a request from outside, which nobody takes back. */
static int group_fails_as_it_is_cancelled(void *world)
{
        PEN_CLEANUP(pen_group_freep) struct pen_group *g = NULL;

        ck_assert_int_eq(pen_group_create(&g), 0);
        ck_assert_int_eq(pen_group_spawn(g, "10 then -5", child, world, NULL), 0);
        pen_uncancellable_begin();
        ck_assert_int_eq(pen_sleep(20), 0);
        pen_task_cancel(pen_task_current());
        pen_uncancellable_end();
        ck_assert_int_eq(pen_yield(), -ECANCELED);
        ck_assert_int_eq(pen_group_join(g), -5);
        ck_assert_uint_eq(pen_cancelling(), 1);
        ck_assert_int_eq(pen_yield(), -ECANCELED);
        return pen_yield() == 0;
}
PLAY(request_that_the_body_met_with_the_groups_own_is_pending_again, group_fails_as_it_is_cancelled,
     1, "ended at 10, ")

static int outer_fails_in_inner_join(void *world)
{
        PEN_CLEANUP(pen_group_freep) struct pen_group *outer = NULL, *inner = NULL;

        ck_assert_int_eq(pen_group_create(&outer), 0);
        ck_assert_int_eq(pen_group_spawn(outer, "10 then -5", child, world, NULL), 0);
        ck_assert_int_eq(pen_group_create(&inner), 0);
        ck_assert_int_eq(pen_group_spawn(inner, "30", child, world, NULL), 0);
        ck_assert_int_eq(pen_group_join(inner), -ECANCELED);
        ck_assert_int_eq(pen_group_join(outer), -5);
        return pen_cancelling() == 0 && pen_sleep(1) == 0;
}
PLAY(failure_in_an_outer_group_ends_the_join_of_an_inner_one, outer_fails_in_inner_join, 1,
     "ended at 10, cancelled at 10, ")

/* Cancelled from outside the body cleans up, which a child's failure interrupts. */
static int fails_in_cleanup_of_the_body(void *world)
{
        PEN_CLEANUP(pen_group_freep) struct pen_group *g = NULL;

        ck_assert_int_eq(pen_group_create(&g), 0);
        ck_assert_int_eq(pen_group_spawn(g, "30 then -5", child, world, NULL), 0);
        ck_assert_int_eq(pen_sleep(PEN_HOUR), -ECANCELED);
        ck_assert_uint_eq(pen_now(), 10);
        ck_assert_int_eq(pen_sleep(PEN_HOUR), -ECANCELED);
        ck_assert_uint_eq(pen_now(), 30);
        ck_assert_int_eq(pen_group_join(g), -5);
        ck_assert_uint_eq(pen_cancelling(), 1);
        return pen_yield();
}

START_TEST(failure_interrupts_the_cleanup_of_a_cancelled_body_too)
{
        PEN_CLEANUP(world_deinit) struct world w;
        struct pen_task *t = play(&w, fails_in_cleanup_of_the_body);

        world_advance(&w, 10);
        pen_task_cancel(t);
        world_advance(&w, 20);
        ck_assert_int_eq(pen_task_result(t), -ECANCELED);
}
END_TEST

/* In the cleanup of a cancelled task a group is as ever: the old request does not come again. */
static int group_in_cleanup(void *world)
{
        PEN_CLEANUP(pen_group_freep) struct pen_group *g = NULL;

        pen_task_cancel(pen_task_current());
        ck_assert_int_eq(pen_yield(), -ECANCELED);
        ck_assert_int_eq(pen_group_create(&g), 0);
        ck_assert_int_eq(pen_group_spawn(g, "10 then -5", child, world, NULL), 0);
        ck_assert_int_eq(pen_sleep(PEN_HOUR), -ECANCELED);
        ck_assert_uint_eq(pen_cancelling(), 2);
        ck_assert_int_eq(pen_group_join(g), -5);
        ck_assert_uint_eq(pen_cancelling(), 1);
        return pen_sleep(1) == 0;
}
PLAY(group_in_the_cleanup_of_a_cancelled_task_keeps_the_count, group_in_cleanup, 1, "ended at 10, ")

/* One deadline expires in the body together with the failure. */
static int deadline_as_a_child_fails(void *world)
{
        PEN_CLEANUP(pen_group_freep) struct pen_group *g = NULL;
        struct pen_timeout scope;
        int r;

        pen_timeout_begin(&scope, 10);
        ck_assert_int_eq(pen_group_create(&g), 0);
        ck_assert_int_eq(pen_group_spawn(g, "10 then -5", child, world, NULL), 0);
        ck_assert_int_eq(pen_sleep(PEN_HOUR), -ECANCELED);
        r = pen_group_join(g);
        ck_assert_int_eq(r, -5);
        ck_assert_int_eq(pen_timeout_end(&scope, r), -5);
        ck_assert(pen_timeout_expired(&scope));
        ck_assert_uint_eq(pen_cancelling(), 0);
        return pen_sleep(1) == 0;
}
PLAY(failure_goes_before_a_deadline_that_passes_with_it, deadline_as_a_child_fails, 1,
     "ended at 10, ")

/* --- their tasks ---------------------------------------------------------------------------------- */

static int ask_children(void *world)
{
        PEN_CLEANUP(pen_group_freep) struct pen_group *group = NULL;
        struct pen_task *six, *cancelled;
        int r;

        ck_assert_int_eq(pen_group_create(&group), 0);
        ck_assert_int_eq(pen_group_spawn(group, "10 then 6", child, world, &six), 0);
        ck_assert_int_eq(pen_group_spawn(group, "1000 then 7", child, world, &cancelled), 0);
        ck_assert_int_eq(pen_await(six, &r), 0);
        ck_assert_int_eq(r, 6);
        pen_task_cancel(cancelled); /* alone, and no failure */
        ck_assert_int_eq(pen_group_join(group), 0);
        ck_assert_int_eq(pen_task_result(cancelled), -ECANCELED);
        ck_assert_int_eq(pen_task_result(six), 6);
        pen_task_unref(six);
        pen_task_unref(cancelled);
        return 0;
}
PLAY(childs_task_tells_its_result_and_can_be_cancelled_alone, ask_children, 0,
     "ended at 10, cancelled at 10, ")

static int fail_when_cancelled(void *world)
{
        (void)world;
        ck_assert_int_eq(pen_sleep(PEN_FOREVER), -ECANCELED);
        return -EIO;
}

/* In the cleanup of a cancelled task: one request is outstanding, and stays so. */
static int pass_a_deadline_on(void *world)
{
        PEN_CLEANUP(pen_group_freep) struct pen_group *g = NULL;
        struct pen_timeout scope;
        int r;

        ck_assert_int_eq(pen_sleep(PEN_FOREVER), -ECANCELED);
        pen_timeout_begin(&scope, 10);
        ck_assert_int_eq(pen_group_create(&g), 0);
        ck_assert_int_eq(pen_group_spawn(g, "bad", fail_when_cancelled, world, NULL), 0);
        ck_assert_int_eq(pen_await(world_spawn(world, sleep_forever), NULL), -ECANCELED);
        pen_group_cancel(g);
        r = pen_group_join(g);
        ck_assert_int_eq(r, -EIO);
        ck_assert_int_eq(pen_timeout_end(&scope, r), -EIO);
        ck_assert_uint_eq(pen_cancelling(), 1);
        ck_assert_int_eq(pen_sleep(10), 0); /* nobody else has asked */
        return 1;
}

START_TEST(deadline_that_was_passed_on_and_is_over_asks_nothing_more_after_a_failure)
{
        PEN_CLEANUP(world_deinit) struct world w;
        struct pen_task *t = play(&w, pass_a_deadline_on);

        pen_task_cancel(t);
        world_advance(&w, 100);
        ck_assert_int_eq(pen_task_result(t), 1);
}
END_TEST

int main(void)
{
        return RUN_SUITE(
                "group", join_waits_for_all, empty_group_joins_at_once,
                join_waits_for_those_added_meanwhile,
                first_error_cancels_the_siblings_and_join_waits_for_them,
                error_of_a_child_interrupts_the_body, join_takes_back_what_the_body_has_not_met,
                free_takes_back_what_the_body_has_not_met,
                scope_in_the_body_does_not_take_a_childs_error,
                deadline_around_a_join_cancels_the_children, cancelled_child_is_no_failure,
                cancelled_group_has_not_failed,
                cancelled_join_cancels_the_children_and_waits_for_them,
                cancelled_join_tells_a_childs_error_and_the_request_stays,
                deadline_that_a_join_left_pending_ends_with_its_scope,
                join_by_a_cancelled_task_waits_for_the_children,
                free_waits_for_the_children_even_if_cancelled, error_climbs_through_nested_groups,
                group_of_another_task_cannot_be_joined, group_needs_a_task,
                failure_in_an_outer_group_ends_the_join_of_an_inner_one,
                failure_interrupts_the_cleanup_of_a_cancelled_body_too,
                of_two_that_fail_in_one_turn_the_first_is_told,
                failure_while_others_clean_up_is_not_the_first_and_does_not_interrupt_them,
                cancelled_twice_a_group_lets_its_children_clean_up,
                free_after_a_failure_lets_the_others_clean_up,
                cancelled_while_others_clean_up_it_lets_them_and_the_request_stays,
                body_that_fails_cancels_the_children, group_that_grows_by_itself_ends_by_a_failure,
                children_that_have_ended_are_not_kept, failure_of_a_child_is_told_and_not_logged,
                inner_group_does_not_take_the_request_of_the_outer,
                request_that_the_body_met_with_the_groups_own_is_pending_again,
                group_in_the_cleanup_of_a_cancelled_task_keeps_the_count,
                failure_goes_before_a_deadline_that_passes_with_it,
                childs_task_tells_its_result_and_can_be_cancelled_alone,
                deadline_that_was_passed_on_and_is_over_asks_nothing_more_after_a_failure);
}

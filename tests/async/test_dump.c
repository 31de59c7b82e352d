/* What is told of the tasks of a loop to those who have to find out why nothing moves. */
#include "world.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <penstock/debug.h>
#include <penstock/group.h>
#include <penstock/sync.h>

struct lines {
        char text[16384];
        size_t n;
};

static void add_line(void *data, const char *text)
{
        struct lines *lines = data;
        size_t n = strlen(lines->text);

        ck_assert_ptr_null(strchr(text, '\n'));
        snprintf(lines->text + n, sizeof(lines->text) - n, "%s\n", text);
        lines->n++;
}

static void assert_dump_is(const char *expected)
{
        struct lines lines = { .n = 0 };

        pen_dump_tasks(add_line, &lines);
        ck_assert_str_eq(lines.text, expected);
}

static int wait_for_the_event(void *world)
{
        return pen_event_wait(((struct world *)world)->event);
}

static struct world world_with_event(void)
{
        struct world w;

        world_init(&w);
        ck_assert_int_eq(pen_event_create(&w.event), 0);
        return w;
}

/* --- states ------------------------------------------------------------------------------------- */

START_TEST(each_task_is_told_in_order_with_what_it_waits_for_and_how_long)
{
        PEN_CLEANUP(world_deinit) struct world w = world_with_event();

        world_spawn_named(&w, "patient", wait_for_the_event);
        world_run_until_idle(&w);
        world_advance(&w, 1500 * PEN_MSEC);
        world_spawn(&w, sleep_forever);
        world_run_until_idle(&w);
        world_advance(&w, 61 * PEN_SEC);
        assert_dump_is("patient: has waited 62.500 s for an event\n"
                       "task-2: has waited 61.000 s for time\n");
        assert_dump_is("patient: has waited 62.500 s for an event\n" /* it changes nothing */
                       "task-2: has waited 61.000 s for time\n");
}
END_TEST

static int wait_twice(void *world)
{
        struct world *w = world;
        int r = pen_sleep(PEN_SEC);

        return r < 0 ? r : pen_event_wait(w->event);
}

START_TEST(time_is_that_of_the_present_wait)
{
        PEN_CLEANUP(world_deinit) struct world w = world_with_event();

        world_spawn(&w, wait_twice);
        world_run_until_idle(&w);
        world_advance(&w, 3 * PEN_SEC);
        assert_dump_is("task-1: has waited 2.000 s for an event\n");
}
END_TEST

static int dump_myself(void *world)
{
        (void)world;
        assert_dump_is("watcher: runs\n"
                       "task-2: can run, after waiting for its first run\n");
        return 1;
}

static int return_at_once(void *world)
{
        (void)world;
        return 0;
}

START_TEST(running_and_runnable_ones_are_told_as_such)
{
        PEN_CLEANUP(world_deinit) struct world w;
        struct pen_task *t;

        world_init(&w);
        t = world_spawn_named(&w, "watcher", dump_myself);
        world_spawn(&w, return_at_once);
        world_run_until_idle(&w);
        ck_assert_int_eq(pen_task_result(t), 1);
        assert_dump_is(""); /* what has ended is no longer there */
}
END_TEST

static int lend_the_stack(void *world)
{
        return pen_on_thread_stack(dump_myself, world);
}

START_TEST(task_on_the_thread_stack_runs)
{
        PEN_CLEANUP(world_deinit) struct world w;
        struct pen_task *t;

        world_init(&w);
        t = world_spawn_named(&w, "watcher", lend_the_stack);
        world_spawn(&w, return_at_once);
        world_run_until_idle(&w);
        ck_assert_int_eq(pen_task_result(t), 1);
}
END_TEST

START_TEST(without_a_loop_there_are_no_lines)
{
        assert_dump_is("");
}
END_TEST

/* --- who waits for whom, whose child, cancelled ---------------------------------------------------- */

static int await_the_task(void *world)
{
        return pen_await(((struct world *)world)->task, NULL);
}

START_TEST(awaited_task_is_named)
{
        PEN_CLEANUP(world_deinit) struct world w;

        world_init(&w);
        w.task = world_spawn_named(&w, "fetch", sleep_forever);
        world_spawn_named(&w, "crawl", await_the_task);
        world_run_until_idle(&w);
        assert_dump_is("fetch: has waited 0.000 s for time\n"
                       "crawl: has waited 0.000 s for another task (fetch)\n");
}
END_TEST

static int have_a_child(void *world)
{
        struct pen_group *group;
        int r;

        ck_assert_int_eq(pen_group_create(&group), 0);
        ck_assert_int_eq(pen_group_spawn(group, "child", sleep_forever, world, NULL), 0);
        r = pen_group_join(group);
        pen_group_free(group);
        return r;
}

START_TEST(groups_child_is_told_with_its_parent)
{
        PEN_CLEANUP(world_deinit) struct world w;

        world_init(&w);
        world_spawn_named(&w, "parent", have_a_child);
        world_run_until_idle(&w);
        assert_dump_is("parent: has waited 0.000 s for its group\n"
                       "child: has waited 0.000 s for time; child of parent\n");
}
END_TEST

static int refuse_to_go(void *world)
{
        int r;

        pen_uncancellable_begin();
        r = wait_for_the_event(world);
        pen_uncancellable_end();
        return r;
}

static int clean_up_slowly(void *world)
{
        int r = wait_for_the_event(world);

        return r < 0 ? wait_for_the_event(world) : r;
}

START_TEST(cancellation_under_way_is_told)
{
        PEN_CLEANUP(world_deinit) struct world w = world_with_event();
        struct pen_task *stubborn = world_spawn_named(&w, "stubborn", refuse_to_go);
        struct pen_task *slow = world_spawn_named(&w, "slow", clean_up_slowly);
        struct pen_task *quick = world_spawn_named(&w, "quick", sleep_forever);

        world_run_until_idle(&w);
        assert_dump_is("stubborn: has waited 0.000 s for an event; cannot be cancelled now\n"
                       "slow: has waited 0.000 s for an event\n"
                       "quick: has waited 0.000 s for time\n");
        pen_task_cancel(stubborn);
        pen_task_cancel(slow);
        world_run_until_idle(&w);
        pen_task_cancel(quick);
        assert_dump_is(
                "stubborn: has waited 0.000 s for an event; cancelled, and has not met it yet; "
                "cannot be cancelled now\n"
                "slow: has waited 0.000 s for an event; cancelled, and cleans up\n"
                "quick: can run, after waiting for time; cancelled, and has not met it yet\n");
        pen_event_set(w.event);
        world_run_until_idle(&w);
        assert_dump_is("");
}
END_TEST

static const char long_name[] = "a-name-of-thirty-one-characters";

static int refuse_to_stop_awaiting(void *world)
{
        int r;

        pen_uncancellable_begin();
        r = await_the_task(world);
        pen_uncancellable_end();
        return r;
}

static int have_a_long_child(void *world)
{
        struct pen_group *group;
        int r;

        ck_assert_int_eq(pen_group_create(&group), 0);
        ck_assert_int_eq(pen_group_spawn(group, long_name, refuse_to_stop_awaiting, world, NULL),
                         0);
        pen_group_cancel(group);
        r = pen_group_join(group);
        pen_group_free(group);
        return r;
}

/* The longest of everything, for eleven days. */
START_TEST(long_line_is_whole)
{
        PEN_CLEANUP(world_deinit) struct world w = world_with_event();
        struct lines lines = { .n = 0 };

        w.task = world_spawn_named(&w, long_name, wait_for_the_event);
        world_spawn_named(&w, long_name, have_a_long_child);
        world_run_until_idle(&w);
        world_advance(&w, 1000000 * PEN_SEC);
        pen_dump_tasks(add_line, &lines);
        ck_assert_uint_eq(lines.n, 3);
        ck_assert_ptr_nonnull(strstr(
                lines.text,
                "\na-name-of-thirty-one-characters: has waited 1000000.000 s for another task "
                "(a-name-of-thirty-one-characters); cancelled, and has not met it yet; cannot "
                "be cancelled now; child of a-name-of-thirty-one-characters\n"));
        pen_event_set(w.event);
}
END_TEST

/* --- a deadlock --------------------------------------------------------------------------------- */

static void hear(void *data, enum pen_log_level level, const char *message)
{
        if (level == PEN_LOG_ERROR)
                add_line(data, message);
}

static int wait_for_it(void *event)
{
        return pen_event_wait(event);
}

static int wait_for_each_other(void *n)
{
        PEN_CLEANUP(pen_event_freep) struct pen_event *event = NULL;
        struct pen_group *group;
        int r;

        ck_assert_int_eq(pen_event_create(&event), 0);
        ck_assert_int_eq(pen_group_create(&group), 0);
        for (int i = 0; i < *(int *)n; i++)
                ck_assert_int_eq(pen_group_spawn(group, NULL, wait_for_it, event, NULL), 0);
        r = pen_group_join(group);
        pen_group_free(group);
        return r;
}

static void run_into_deadlock(int (*fn)(void *arg), void *arg, int result, struct lines *lines)
{
        struct pen_options options = { .clock = PEN_CLOCK_VIRTUAL, .log = hear, .log_data = lines };

        memset(lines, 0, sizeof(*lines));
        ck_assert_int_eq(pen_run_with(&options, fn, arg), result);
}

START_TEST(deadlock_is_told_with_all_tasks)
{
        struct lines lines;
        int n = 1;

        run_into_deadlock(wait_for_each_other, &n, -ECANCELED, &lines);
        ck_assert_str_eq(lines.text,
                         "deadlock: every task waits for another one\n"
                         "    main: has waited 0.000 s for its group\n"
                         "    task-2: has waited 0.000 s for an event; child of main\n");
}
END_TEST

START_TEST(deadlock_of_many_tells_of_the_first_hundred)
{
        struct lines lines;
        int n = 120;

        run_into_deadlock(wait_for_each_other, &n, -ECANCELED, &lines);
        ck_assert_uint_eq(lines.n, 1 + 100 + 1);
        ck_assert_ptr_nonnull(strstr(lines.text, "\n    and 21 more\n"));
}
END_TEST

static struct pen_event *held_open;

/* Three requests, the last of which comes after the loop has told. */
static int wait_through_cancellation(void *arg)
{
        int r = 0;

        (void)arg;
        for (int i = 0; i < 3; i++)
                r = pen_event_wait(held_open);
        pen_event_free(held_open);
        return r;
}

static int leave_a_stubborn_one(void *arg)
{
        (void)arg;
        ck_assert_int_eq(pen_event_create(&held_open), 0);
        ck_assert_int_eq(pen_spawn(wait_through_cancellation, NULL, NULL), 0);
        return pen_yield();
}

START_TEST(deadlock_of_leftovers_is_told_once)
{
        struct lines lines;

        run_into_deadlock(leave_a_stubborn_one, NULL, 0, &lines);
        ck_assert_str_eq(lines.text,
                         "deadlock: every task waits for another one\n"
                         "    task-2: has waited 0.000 s for an event; cancelled, and cleans up\n");
}
END_TEST

int main(void)
{
        return RUN_SUITE(
                "dump", each_task_is_told_in_order_with_what_it_waits_for_and_how_long,
                time_is_that_of_the_present_wait, running_and_runnable_ones_are_told_as_such,
                task_on_the_thread_stack_runs, without_a_loop_there_are_no_lines,
                awaited_task_is_named, groups_child_is_told_with_its_parent,
                cancellation_under_way_is_told, long_line_is_whole, deadlock_is_told_with_all_tasks,
                deadlock_of_many_tells_of_the_first_hundred, deadlock_of_leftovers_is_told_once);
}

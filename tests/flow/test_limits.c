#include <errno.h>

#include "../async/world.h"

#include <flow/limits.h>
#include <penstock/task.h>

struct starts {
        struct world w;
        struct limits limits;
        pen_usec at[64];
        size_t n;
};

static int start_once(void *arg)
{
        struct starts *s = arg;
        int r = limits_admit(&s->limits);

        if (r == 0)
                s->at[s->n++] = pen_now();
        return r;
}

static void spawn_starts(struct starts *s, size_t n)
{
        for (size_t i = 0; i < n; i++)
                world_spawn_arg(&s->w, start_once, s);
        world_run_until_idle(&s->w);
}

START_TEST(starts_are_spread_evenly_at_the_rate)
{
        struct starts s = { 0 };

        world_init(&s.w);
        ck_assert_int_eq(limits_init(&s.limits, 10), 0);
        spawn_starts(&s, 20);
        world_advance(&s.w, PEN_MINUTE);
        ck_assert_uint_eq(s.n, 20);
        for (size_t i = 1; i < s.n; i++)
                ck_assert_uint_eq(s.at[i] - s.at[i - 1], 100 * PEN_MSEC);
        limits_deinit(&s.limits);
        world_deinit(&s.w);
}
END_TEST

START_TEST(a_pause_earns_no_burst)
{
        struct starts s = { 0 };

        world_init(&s.w);
        ck_assert_int_eq(limits_init(&s.limits, 10), 0);
        spawn_starts(&s, 1);
        world_advance(&s.w, PEN_HOUR);
        spawn_starts(&s, 3);
        world_advance(&s.w, PEN_SEC);
        ck_assert_uint_eq(s.at[3] - s.at[1], 200 * PEN_MSEC);
        limits_deinit(&s.limits);
        world_deinit(&s.w);
}
END_TEST

START_TEST(without_a_rate_all_start_at_once)
{
        struct starts s = { 0 };

        world_init(&s.w);
        ck_assert_int_eq(limits_init(&s.limits, 0), 0);
        spawn_starts(&s, 50);
        ck_assert_uint_eq(s.n, 50);
        limits_deinit(&s.limits);
        world_deinit(&s.w);
}
END_TEST

START_TEST(an_unavailable_handler_is_tried_after_1s_2s_4s_up_to_30s)
{
        static const pen_usec waits[] = { 1, 2, 4, 8, 16, 30, 30 };
        struct starts s = { 0 };

        world_init(&s.w);
        ck_assert_int_eq(limits_init(&s.limits, 0), 0);
        for (size_t i = 0; i < ARRAY_SIZE(waits); i++) {
                pen_usec failed = pen_now();

                limits_learn(&s.limits, OUTCOME_UNAVAILABLE);
                limits_learn(&s.limits, OUTCOME_UNAVAILABLE); /* the same wave */
                spawn_starts(&s, 1);
                world_advance(&s.w, PEN_MINUTE);
                ck_assert_uint_eq(s.at[i] - failed, waits[i] * PEN_SEC);
        }
        limits_learn(&s.limits, OUTCOME_FAILED); /* it failed, so it was there */
        spawn_starts(&s, 1);
        ck_assert_uint_eq(s.n, ARRAY_SIZE(waits) + 1);
        limits_deinit(&s.limits);
        world_deinit(&s.w);
}
END_TEST

START_TEST(a_close_tells_all_who_wait_and_all_who_come)
{
        struct starts s = { 0 };
        struct pen_task *waiting, *late;

        world_init(&s.w);
        ck_assert_int_eq(limits_init(&s.limits, 1), 0);
        spawn_starts(&s, 1);
        waiting = world_spawn_arg(&s.w, start_once, &s);
        world_run_until_idle(&s.w);
        limits_close(&s.limits);
        late = world_spawn_arg(&s.w, start_once, &s);
        world_run_until_idle(&s.w);
        ck_assert_int_eq(pen_task_result(waiting), -ESHUTDOWN);
        ck_assert_int_eq(pen_task_result(late), -ESHUTDOWN);
        ck_assert_uint_eq(s.n, 1);
        limits_deinit(&s.limits);
        world_deinit(&s.w);
}
END_TEST

int main(void)
{
        return RUN_SUITE("limits", starts_are_spread_evenly_at_the_rate, a_pause_earns_no_burst,
                         without_a_rate_all_start_at_once,
                         an_unavailable_handler_is_tried_after_1s_2s_4s_up_to_30s,
                         a_close_tells_all_who_wait_and_all_who_come);
}

/* The daemon's consumers shared by its queues: who is served next, and that no slot is ever lost. */
#include "../async/world.h"

#include <errno.h>
#include <string.h>

#include <base/random.h>
#include <flow/share.h>
#include <penstock/task.h>

#define PROMISE(name)                                                \
        static int name##_body(void *arg);                           \
        START_TEST(name)                                             \
        {                                                            \
                ck_assert_int_eq(run_virtual(name##_body, NULL), 0); \
        }                                                            \
        END_TEST                                                     \
        static int name##_body(__attribute__((unused)) void *arg)

/* A queue whose jobs take `takes` each; as many wait as it has workers. */
struct queue {
        struct share_member member;
        struct pen_task *workers[40];
        size_t n;
        pen_usec takes;
        unsigned long runs;
        size_t running;
};

static struct share share;
static size_t running, most;

static int run_one(struct queue *q)
{
        int r = share_enter(&q->member);

        if (r < 0)
                return r;
        running++;
        q->running++;
        q->runs++;
        most = MAX(most, running);
        r = pen_sleep(q->takes);
        running--;
        q->running--;
        share_leave(&q->member);
        return r;
}

static int consume(void *arg)
{
        int r;

        do
                r = run_one(arg);
        while (r == 0);
        return r;
}

static int work_once(void *arg)
{
        return run_one(arg);
}

static void begin(size_t n)
{
        share_init(&share, n);
        running = most = 0;
}

static void queue_open(struct queue *q, unsigned weight, int priority)
{
        *q = (struct queue){ .takes = PEN_SEC };
        ck_assert_int_eq(share_join(&share, weight, priority, &q->member), 0);
}

static void queue_hire(struct queue *q, size_t n, int (*fn)(void *))
{
        while (n-- > 0)
                ck_assert_int_eq(pen_spawn(fn, q, &q->workers[q->n++]), 0);
}

static void queue_dismiss(struct queue *q)
{
        for (size_t i = 0; i < q->n; i++) {
                pen_task_cancel(q->workers[i]);
                ck_assert_int_eq(pen_await(q->workers[i], NULL), 0);
                pen_task_unref(q->workers[i]);
        }
        q->n = 0;
}

static void queue_close(struct queue *q)
{
        queue_dismiss(q);
        share_quit(&q->member);
}

/* Every slot can be had, by whomever. */
static void expect_slots(size_t n)
{
        struct queue q;

        queue_open(&q, 1, 0);
        queue_hire(&q, n + 1, consume);
        ck_assert_int_eq(pen_sleep(PEN_SEC / 2), 0);
        ck_assert_uint_eq(running, n);
        queue_close(&q);
        ck_assert_uint_eq(running, 0);
        ck_assert_int_eq((int)share.free, (int)n);
}

PROMISE(no_more_run_than_there_are_slots)
{
        struct queue a, b;

        begin(7);
        queue_open(&a, 1, 0);
        queue_open(&b, 1, 0);
        queue_hire(&a, 20, consume);
        queue_hire(&b, 20, consume);
        ck_assert_int_eq(pen_sleep(100 * PEN_SEC), 0);
        ck_assert_uint_eq(most, 7);
        queue_close(&a);
        queue_close(&b);
        expect_slots(7);
        return 0;
}

PROMISE(a_queue_alone_has_all_slots_whatever_its_weight)
{
        struct queue a, idle;

        begin(5);
        queue_open(&a, 1, 0);
        queue_open(&idle, 100, 9);
        queue_hire(&a, 10, consume);
        ck_assert_int_eq(pen_sleep(10 * PEN_SEC + PEN_SEC / 2), 0);
        ck_assert_uint_eq(a.running, 5);
        ck_assert_uint_eq(a.runs, 11 * 5);
        queue_close(&a);
        queue_close(&idle);
        return 0;
}

PROMISE(weights_1_and_3_are_served_1_to_3)
{
        for (size_t slots = 1; slots <= 8; slots++) {
                struct queue light, heavy;

                begin(slots);
                queue_open(&light, 1, 0);
                queue_open(&heavy, 3, 0);
                queue_hire(&light, 20, consume);
                queue_hire(&heavy, 20, consume);
                ck_assert_int_eq(pen_sleep(1000 * PEN_SEC), 0);
                ck_assert_uint_ge(heavy.runs + 3 * slots, 3 * light.runs);
                ck_assert_uint_le(heavy.runs, 3 * light.runs + 3 * slots);
                ck_assert_uint_ge(light.runs + heavy.runs, 1000 * slots);
                queue_close(&light);
                queue_close(&heavy);
        }
        return 0;
}

/* Starts are shared by weight, not the time that they take. */
PROMISE(a_queue_of_long_jobs_has_its_share_of_the_starts)
{
        struct queue slow, fast;

        begin(4);
        queue_open(&slow, 1, 0);
        queue_open(&fast, 1, 0);
        slow.takes = 10 * PEN_SEC;
        queue_hire(&slow, 20, consume);
        queue_hire(&fast, 20, consume);
        ck_assert_int_eq(pen_sleep(1000 * PEN_SEC), 0);
        ck_assert_uint_le(slow.runs, fast.runs + 4);
        ck_assert_uint_le(fast.runs, slow.runs + 4);
        queue_close(&slow);
        queue_close(&fast);
        return 0;
}

PROMISE(a_higher_priority_goes_strictly_first)
{
        struct queue low, high;

        begin(3);
        queue_open(&low, 100, 0);
        queue_open(&high, 1, 1);
        queue_hire(&high, 10, consume);
        queue_hire(&low, 10, consume);
        ck_assert_int_eq(pen_sleep(50 * PEN_SEC + PEN_SEC / 2), 0);
        ck_assert_uint_eq(low.runs, 0);
        ck_assert_uint_eq(high.runs, 51 * 3);
        queue_dismiss(&high);
        ck_assert_int_eq(pen_sleep(PEN_SEC / 2), 0); /* now it is the other's turn */
        ck_assert_uint_eq(low.running, 3);
        queue_hire(&high, 10, consume); /* which takes back nothing that runs, and then all */
        ck_assert_uint_eq(low.running, 3);
        ck_assert_int_eq(pen_sleep(2 * PEN_SEC), 0);
        ck_assert_uint_eq(low.running, 0);
        queue_close(&low);
        queue_close(&high);
        return 0;
}

PROMISE(who_was_idle_has_no_credit_for_that)
{
        struct queue busy, idle;

        begin(1);
        queue_open(&busy, 1, 0);
        queue_open(&idle, 1, 0);
        queue_hire(&busy, 2, consume);
        ck_assert_int_eq(pen_sleep(1000 * PEN_SEC), 0);
        busy.runs = 0;
        queue_hire(&idle, 2, consume);
        ck_assert_int_eq(pen_sleep(100 * PEN_SEC), 0);
        ck_assert_uint_ge(busy.runs, 49);
        ck_assert_uint_ge(idle.runs, 49);
        queue_close(&busy);
        queue_close(&idle);
        return 0;
}

/* --- no slot is lost ------------------------------------------------------------------------------ */

/* Two slots become free before the one who was given the first has had its turn. */
PROMISE(two_slots_given_in_one_turn_go_to_two_who_wait)
{
        struct queue a, b;

        begin(2);
        queue_open(&a, 1, 1);
        queue_open(&b, 1, 0);
        ck_assert_int_eq(share_enter(&a.member), 0);
        ck_assert_int_eq(share_enter(&a.member), 0);
        queue_hire(&a, 1, work_once);
        queue_hire(&b, 1, work_once);
        ck_assert_int_eq(pen_sleep(PEN_SEC / 2), 0);
        ck_assert_uint_eq(running, 0);
        share_leave(&a.member);
        share_leave(&a.member);
        ck_assert_int_eq(pen_sleep(PEN_SEC / 2), 0);
        ck_assert_uint_eq(a.running, 1);
        ck_assert_uint_eq(b.running, 1);
        ck_assert_int_eq(pen_sleep(PEN_SEC), 0);
        queue_close(&a);
        queue_close(&b);
        expect_slots(2);
        return 0;
}

PROMISE(who_is_cancelled_passes_its_slot_on)
{
        for (int when = 0; when < 3; when++) {
                struct queue a, b;

                begin(1);
                queue_open(&a, 1, 1);
                queue_open(&b, 1, 0);
                ck_assert_int_eq(share_enter(&a.member), 0);
                queue_hire(&a, 1, work_once);
                queue_hire(&b, 1, work_once);
                ck_assert_int_eq(pen_sleep(1), 0);
                if (when == 0) /* while it waits, */
                        pen_task_cancel(a.workers[0]);
                share_leave(&a.member);
                if (when == 1) /* as it is served, */
                        pen_task_cancel(a.workers[0]);
                ck_assert_int_eq(pen_sleep(1), 0);
                if (when == 2) /* or while it runs */
                        pen_task_cancel(a.workers[0]);
                ck_assert_int_eq(pen_sleep(1), 0);
                ck_assert_uint_eq(a.running, 0);
                ck_assert_uint_eq(b.running, 1);
                queue_close(&a);
                queue_close(&b);
                expect_slots(1);
        }
        return 0;
}

PROMISE(a_cancelled_one_of_two_passes_it_to_its_sibling)
{
        struct queue a;

        begin(1);
        queue_open(&a, 1, 0);
        ck_assert_int_eq(share_enter(&a.member), 0);
        queue_hire(&a, 2, work_once);
        ck_assert_int_eq(pen_sleep(1), 0);
        share_leave(&a.member);
        pen_task_cancel(a.workers[0]);
        ck_assert_int_eq(pen_sleep(1), 0);
        ck_assert_uint_eq(a.running, 1);
        queue_close(&a);
        expect_slots(1);
        return 0;
}

PROMISE(more_slots_are_given_at_once_and_fewer_as_jobs_end)
{
        struct queue a, b;

        begin(2);
        queue_open(&a, 1, 1);
        queue_open(&b, 1, 0);
        queue_hire(&a, 3, consume);
        queue_hire(&b, 10, consume);
        ck_assert_int_eq(pen_sleep(PEN_SEC / 2), 0);
        ck_assert_uint_eq(running, 2);
        share_resize(&share, 2, 6);
        ck_assert_int_eq(pen_sleep(1), 0);
        ck_assert_uint_eq(a.running, 3);
        ck_assert_uint_eq(b.running, 3);
        share_resize(&share, 6, 1);
        ck_assert_uint_eq(running, 6); /* those that run finish */
        ck_assert_int_eq(pen_sleep(10 * PEN_SEC), 0);
        ck_assert_uint_eq(running, 1);
        queue_close(&a);
        queue_close(&b);
        expect_slots(1);
        return 0;
}

/* Random arrivals, ends, cancellations and sizes. */
PROMISE(no_history_loses_or_invents_a_slot)
{
        struct random random;

        for (uint64_t seed = 1; seed <= 30; seed++) {
                struct queue queues[3];
                size_t size = 4;

                random_seed(&random, seed);
                begin(size);
                for (size_t i = 0; i < 3; i++) {
                        queue_open(&queues[i], (unsigned)(1 + i), i == 2);
                        queues[i].takes = 1 + random_below(&random, 20);
                }
                for (int step = 0; step < 300; step++) {
                        struct queue *q = &queues[random_below(&random, 3)];
                        size_t after;

                        switch (random_below(&random, 5)) {
                        case 0:
                                if (q->n < ARRAY_SIZE(q->workers))
                                        queue_hire(q, 1, consume);
                                break;
                        case 1:
                                if (q->n > 0)
                                        pen_task_cancel(q->workers[random_below(&random, q->n)]);
                                break;
                        case 2:
                                after = 1 + random_below(&random, 8);
                                share_resize(&share, size, after);
                                size = after;
                                break;
                        case 3:
                                ck_assert_int_eq(pen_yield(), 0);
                                break;
                        default:
                                ck_assert_int_eq(pen_sleep(random_below(&random, 30)), 0);
                        }
                        ck_assert_uint_le(running, 8);
                }
                for (size_t i = 0; i < 3; i++)
                        queue_close(&queues[i]);
                expect_slots(size);
        }
        return 0;
}

int main(void)
{
        return RUN_SUITE(
                "share", no_more_run_than_there_are_slots,
                a_queue_alone_has_all_slots_whatever_its_weight, weights_1_and_3_are_served_1_to_3,
                a_queue_of_long_jobs_has_its_share_of_the_starts,
                a_higher_priority_goes_strictly_first, who_was_idle_has_no_credit_for_that,
                two_slots_given_in_one_turn_go_to_two_who_wait, who_is_cancelled_passes_its_slot_on,
                a_cancelled_one_of_two_passes_it_to_its_sibling,
                more_slots_are_given_at_once_and_fewer_as_jobs_end,
                no_history_loses_or_invents_a_slot);
}

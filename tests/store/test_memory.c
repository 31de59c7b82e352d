/* What only the memory store has: limits of our memory. What all stores promise is in test_contract. */
#include "../async/world.h"

#include <stdio.h>
#include <string.h>

#include <penstock/task.h>
#include <store/memory.h>

#define PROMISE(name)                                                \
        static int name##_body(void *arg);                           \
        START_TEST(name)                                             \
        {                                                            \
                ck_assert_int_eq(run_virtual(name##_body, NULL), 0); \
        }                                                            \
        END_TEST                                                     \
        static int name##_body(__attribute__((unused)) void *arg)

static struct store_queue *open_with(struct store_queue_options options)
{
        struct store_queue *q;

        ck_assert_int_eq(memory_queue_open(&options, &q), 0);
        return q;
}

static enum push_result push(struct store_queue *q, const char *id, size_t size)
{
        static const char bytes[1000];
        struct push push;

        ck_assert_int_eq(
                job_create(&(struct job_fields){ .id = id, .payload = { bytes, size } }, &push.job),
                0);
        ck_assert_int_eq(store_push(q, &push, 1, false), 0);
        job_unref(push.job);
        return push.result;
}

static void settle(struct store_queue *q, enum move move)
{
        struct settlement s = { .verdict = { .move = move } };

        ck_assert_int_eq(store_fetch(q, &s.job, 1), 1);
        ck_assert_int_eq(store_settle(q, &s, 1), 0);
        job_unref(s.job);
}

PROMISE(no_more_ids_are_remembered_than_allowed)
{
        struct store_queue *q =
                open_with((struct store_queue_options){ .dedupe = PEN_HOUR, .dedupe_max = 2 });

        for (const char *id = "abc"; *id; id++) {
                char name[] = { *id, '\0' };

                ck_assert_int_eq(push(q, name, 1), PUSH_STORED);
                settle(q, MOVE_DONE);
        }
        ck_assert_int_eq(push(q, "b", 1), PUSH_EXISTS);
        ck_assert_int_eq(push(q, "c", 1), PUSH_EXISTS);
        ck_assert_int_eq(push(q, "a", 1), PUSH_STORED);
        settle(q, MOVE_DONE);
        store_close(q);
        return 0;
}

PROMISE(past_max_bytes_a_push_is_refused_but_never_into_an_empty_queue)
{
        struct store_queue *q = open_with((struct store_queue_options){ .max_bytes = 500 });

        ck_assert_int_eq(push(q, NULL, 1000), PUSH_STORED);
        ck_assert_int_eq(push(q, NULL, 1), PUSH_FULL);
        settle(q, MOVE_DONE);
        ck_assert_int_eq(push(q, NULL, 1), PUSH_STORED);
        settle(q, MOVE_DONE);
        store_close(q);
        return 0;
}

PROMISE(letters_past_max_bytes_are_dropped_oldest_first)
{
        struct store_queue *q = open_with(
                (struct store_queue_options){ .max_bytes = 2500, .dead_keep = PEN_FOREVER });
        struct dead_letter letters[9];
        ssize_t n;

        for (const char *id = "abcdef"; *id; id++) {
                char name[] = { *id, '\0' };

                ck_assert_int_eq(push(q, name, 500), PUSH_STORED);
                settle(q, MOVE_DEAD);
        }
        n = store_dead_list(q, "", letters, 9);
        ck_assert_int_ge(n, 1);
        ck_assert_int_lt(n, 6);
        ck_assert_str_eq(letters[n - 1].job->fields.id, "f");
        for (ssize_t i = 0; i < n; i++)
                dead_letter_deinit(&letters[i]);
        store_close(q);
        return 0;
}

/* Nothing would write a letter any more, and yet they go. */
PROMISE(letters_that_are_too_old_are_not_listed)
{
        struct store_queue *q = open_with((struct store_queue_options){ .dead_keep = PEN_HOUR });
        struct dead_letter letter;
        struct store_counts counts;

        ck_assert_int_eq(push(q, "a", 1), PUSH_STORED);
        settle(q, MOVE_DEAD);
        ck_assert_int_eq(pen_sleep(PEN_HOUR + 1), 0);
        ck_assert_int_eq(store_dead_list(q, "", &letter, 1), 0);
        ck_assert_int_eq(store_count(q, &counts), 0);
        ck_assert_uint_eq(counts.dead_letters, 0);
        store_close(q);
        return 0;
}

int main(void)
{
        return RUN_SUITE("memory store", no_more_ids_are_remembered_than_allowed,
                         past_max_bytes_a_push_is_refused_but_never_into_an_empty_queue,
                         letters_past_max_bytes_are_dropped_oldest_first,
                         letters_that_are_too_old_are_not_listed);
}

/* Promises about dead letters. */
#include "contract.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <base/clock.h>

static struct dead_letter only_letter(struct store_queue *q)
{
        struct dead_letter letters[2];

        ck_assert_int_eq(store_dead_list(q, "", letters, 2), 1);
        return letters[0];
}

static void bury(struct store_queue *q, const char *payload)
{
        push(q, payload);
        settle_dead(q, fetch(q), OUTCOME_FAILED, payload);
}

static void retry_only_letter(struct store_queue *q)
{
        struct dead_letter letter = only_letter(q);

        ck_assert_int_eq(store_dead_retry(q, letter.place), 0);
        dead_letter_deinit(&letter);
}

static void a_letter_says_what_died_and_why(void)
{
        static const struct job_meta meta[] = { { "who", "anna" } };
        struct store_queue *q = any_store();
        struct job_fields fields = { .id = "a",
                                     .type = "mail",
                                     .payload = { "p\0q", 3 },
                                     .max_attempts = 9,
                                     .meta = meta,
                                     .n_meta = 1 };
        uint64_t before = clock_wall_ms();
        struct dead_letter letter;
        struct job *job;

        ck_assert_int_eq(push_fields(q, fields), PUSH_STORED);
        job = fetch(q);
        ck_assert_int_eq(store_start(q, job), 0);
        job->attempts = 3;
        settle_dead(q, job, OUTCOME_TIMEOUT, "ran past its time");
        letter = only_letter(q);
        ck_assert_str_eq(letter.job->fields.id, "a");
        ck_assert_str_eq(letter.job->fields.type, "mail");
        ck_assert_uint_eq(letter.job->fields.payload.size, 3);
        ck_assert_mem_eq(letter.job->fields.payload.data, "p\0q", 3);
        ck_assert_uint_eq(letter.job->fields.max_attempts, 9);
        ck_assert_uint_eq(letter.job->fields.n_meta, 1);
        ck_assert_str_eq(letter.job->fields.meta[0].value, "anna");
        ck_assert_uint_eq(letter.job->attempts, 3);
        ck_assert_int_eq(letter.outcome, OUTCOME_TIMEOUT);
        ck_assert_str_eq(letter.error, "ran past its time");
        ck_assert_uint_ge(letter.failed_at + 1, before);
        ck_assert_uint_le(letter.failed_at, clock_wall_ms() + 1);
        dead_letter_deinit(&letter);
        ck_assert_uint_eq(counts_of(q).dead, 1);
        finish_all(q);
}

static void a_letter_without_an_id_or_error_has_a_made_id_and_no_error(void)
{
        struct store_queue *q = any_store();
        struct dead_letter letter;
        struct job *job;
        char id[129];

        push(q, "x");
        job = fetch(q);
        snprintf(id, sizeof(id), "%s", job->fields.id);
        settle_dead(q, job, OUTCOME_REJECTED, NULL);
        letter = only_letter(q);
        ck_assert_str_eq(letter.job->fields.id, id);
        ck_assert_ptr_null(letter.error);
        ck_assert_int_eq(letter.outcome, OUTCOME_REJECTED);
        dead_letter_deinit(&letter);
        finish_all(q);
}

static void letters_are_listed_oldest_first_and_page_by_page(void)
{
        struct store_queue *q = any_store();
        struct dead_letter letters[3];
        char payload[16], after[48] = "";
        int seen = 0;
        ssize_t n;

        for (int i = 0; i < 8; i++) {
                snprintf(payload, sizeof(payload), "%d", i);
                bury(q, payload);
        }
        while ((n = store_dead_list(q, after, letters, 3)) > 0) {
                ck_assert_int_eq(n, seen < 6 ? 3 : 2);
                for (ssize_t i = 0; i < n; i++) {
                        snprintf(payload, sizeof(payload), "%d", seen++);
                        ck_assert_str_eq(letters[i].error, payload);
                        ck_assert(has_payload(letters[i].job, payload));
                        strcpy(after, letters[i].place);
                        dead_letter_deinit(&letters[i]);
                }
        }
        ck_assert_int_eq(n, 0);
        ck_assert_int_eq(seen, 8);
        finish_all(q);
}

static void what_is_no_place_is_refused(void)
{
        static const char *const bad[] = { "x",
                                           "-",
                                           "1-",
                                           "-1",
                                           "1-x",
                                           "1 2",
                                           "1-1-1",
                                           "99999999999999999999999999",
                                           "1-99999999999999999999" };
        struct store_queue *q = any_store();
        struct dead_letter letter;

        bury(q, "x");
        for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
                ck_assert_msg(store_dead_list(q, bad[i], &letter, 1) == -EINVAL, "place %s",
                              bad[i]);
                ck_assert_msg(store_dead_retry(q, bad[i]) == -ENOENT, "place %s", bad[i]);
        }
        ck_assert_int_eq(store_dead_retry(q, ""), -ENOENT);
        ck_assert_uint_eq(counts_of(q).dead_letters, 1);
        finish_all(q);
}

static void letters_are_kept_as_the_queue_says(void)
{
        struct store_queue_options options = { .name = "any", .dead_keep = 0 };
        struct store_queue *q = store_with(options);
        struct dead_letter letters[4];

        bury(q, "not kept");
        ck_assert_uint_eq(counts_of(q).dead, 1);
        ck_assert_uint_eq(counts_of(q).dead_letters, 0);

        options.dead_keep = PEN_FOREVER;
        options.dead_max = 2;
        store_configure(q, &options);
        bury(q, "dropped");
        bury(q, "1");
        bury(q, "2");
        ck_assert_uint_eq(counts_of(q).dead_letters, 2);

        options.dead_max = 0;
        options.dead_keep = T(4);
        store_configure(q, &options);
        ck_assert_int_eq(pen_sleep(T(5)), 0);
        bury(q, "3"); /* with which those that are too old go */
        ck_assert_int_eq(store_dead_list(q, "", letters, 4), 1);
        ck_assert_str_eq(letters[0].error, "3");
        dead_letter_deinit(&letters[0]);
        finish_all(q);
}

/* --- again --------------------------------------------------------------------------------------- */

static void a_retried_letter_is_a_job_with_new_budgets(void)
{
        struct store_queue *q = any_store();
        struct dead_letter letter;
        struct job *job;

        ck_assert_int_eq(push_fields(q, (struct job_fields){ .id = "a",
                                                             .type = "t",
                                                             .payload = { "x\0y", 3 },
                                                             .delay = T(2),
                                                             .max_attempts = 5 }),
                         PUSH_STORED);
        put_aside(q);
        promote(q, 1);
        job = fetch(q);
        ck_assert_int_eq(store_start(q, job), 0);
        job->attempts = 5;
        job->crashes = 2;
        settle_dead(q, job, OUTCOME_FAILED, "spent");
        letter = only_letter(q);
        ck_assert_int_eq(store_dead_retry(q, letter.place), 0); /* what is remembered is no job */
        ck_assert_int_eq(store_dead_retry(q, letter.place), -ENOENT);
        dead_letter_deinit(&letter);
        ck_assert_uint_eq(counts_of(q).dead_letters, 0);
        expect_counts(q, 1, 0, 0);

        job = fetch(q); /* at once: its delay was long ago */
        ck_assert_str_eq(job->fields.id, "a");
        ck_assert_str_eq(job->fields.type, "t");
        ck_assert_uint_eq(job->fields.max_attempts, 5);
        ck_assert_uint_eq(job->fields.payload.size, 3);
        ck_assert_uint_eq(job->attempts, 0);
        ck_assert_uint_eq(job->crashes, 0);
        ck_assert_int_eq(store_start(q, job), 0);
        ck_assert_uint_eq(job->deliveries, 2); /* no token comes twice */
        ck_assert_int_eq(push_id(q, "a", "other"), PUSH_CONFLICT);
        settle(q, job, MOVE_DONE, 0);
        finish_all(q);
}

static void a_job_without_an_id_dies_and_is_retried_under_the_same(void)
{
        struct store_queue *q = any_store();
        struct job *job;
        char id[129];

        push(q, "x");
        job = fetch(q);
        snprintf(id, sizeof(id), "%s", job->fields.id);
        settle_dead(q, job, OUTCOME_FAILED, "no");
        for (int i = 0; i < 3; i++) {
                retry_only_letter(q);
                job = fetch_expecting(q, "x");
                ck_assert_str_eq(job->fields.id, id);
                settle_dead(q, job, OUTCOME_FAILED, "no");
        }
        ck_assert_uint_eq(counts_of(q).dead_letters, 1);
        finish_all(q);
}

static void a_letter_whose_id_is_taken_stays(void)
{
        struct store_queue *q =
                store_with((struct store_queue_options){ .dedupe = 0, .dead_keep = PEN_FOREVER });
        struct dead_letter letter;
        struct job *job;

        ck_assert_int_eq(push_id(q, "a", "first"), PUSH_STORED);
        settle_dead(q, fetch(q), OUTCOME_FAILED, "no");
        letter = only_letter(q);
        ck_assert_int_eq(push_id(q, "a", "second"), PUSH_STORED);
        ck_assert_int_eq(store_dead_retry(q, letter.place), -EEXIST); /* ready, */
        job = fetch_expecting(q, "second");
        ck_assert_int_eq(store_dead_retry(q, letter.place), -EEXIST); /* running, */
        settle(q, job, MOVE_RETRY, T(1));
        ck_assert_int_eq(store_dead_retry(q, letter.place), -EEXIST); /* delayed, */
        promote(q, 1);
        run_and_finish(q, "second");
        ck_assert_uint_eq(counts_of(q).dead_letters, 1);
        ck_assert_int_eq(store_dead_retry(q, letter.place), 0); /* and ended */
        dead_letter_deinit(&letter);
        run_and_finish(q, "first");
        finish_all(q);
}

const struct promise dead_promises[] = {
        P(a_letter_says_what_died_and_why),
        P(a_letter_without_an_id_or_error_has_a_made_id_and_no_error),
        P(letters_are_listed_oldest_first_and_page_by_page),
        P(what_is_no_place_is_refused),
        P(letters_are_kept_as_the_queue_says),
        P(a_retried_letter_is_a_job_with_new_budgets),
        P(a_job_without_an_id_dies_and_is_retried_under_the_same),
        P(a_letter_whose_id_is_taken_stays),
        { NULL, NULL },
};

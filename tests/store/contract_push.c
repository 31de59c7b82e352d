/* Promises about what goes in and comes out: jobs bit for bit, their order, their ids, and room. */
#include "contract.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <base/clock.h>
#include <base/parse.h>
#include <penstock/timeout.h>

/* --- push and fetch ------------------------------------------------------------------------------ */

static void a_job_comes_out_as_it_went_in(void)
{
        static const struct job_meta meta[] = { { "who", "anna" }, { "why", "" } };
        struct job_fields fields = {
                .id = "my-id",
                .type = "mail",
                .payload = { "a\0b\xff\r\n", 6 },
                .timeout = 3 * PEN_SEC,
                .max_attempts = 7,
                .expires_at = 4102444800000,
                .traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                .meta = meta,
                .n_meta = 2,
        };
        struct store_queue *q = any_store();
        struct job *job;

        ck_assert_int_eq(push_fields(q, fields), PUSH_STORED);
        for (int again = 0; again < 3; again++) { /* also after a retry and a release */
                job = fetch(q);
                ck_assert_str_eq(job->fields.id, "my-id");
                ck_assert_str_eq(job->fields.type, "mail");
                ck_assert_uint_eq(job->fields.payload.size, 6);
                ck_assert_mem_eq(job->fields.payload.data, "a\0b\xff\r\n", 6);
                ck_assert_uint_eq(job->fields.timeout, 3 * PEN_SEC);
                ck_assert_uint_eq(job->fields.max_attempts, 7);
                ck_assert_uint_eq(job->fields.expires_at, 4102444800000);
                ck_assert_str_eq(job->fields.traceparent, fields.traceparent);
                ck_assert_uint_eq(job->fields.n_meta, 2);
                ck_assert_str_eq(job->fields.meta[0].name, "who");
                ck_assert_str_eq(job->fields.meta[0].value, "anna");
                ck_assert_str_eq(job->fields.meta[1].name, "why");
                ck_assert_str_eq(job->fields.meta[1].value, "");
                ck_assert_int_eq(store_start(q, job), 0);
                settle(q, job, again == 0 ? MOVE_RETRY : again == 1 ? MOVE_RELEASE : MOVE_DONE, 1);
                if (again == 0)
                        promote(q, 1);
        }
        finish_all(q);
}

static void payloads_are_exact_from_nothing_to_a_mebibyte(void)
{
        static const size_t sizes[] = { 0, 1, 256, 65537, 1 << 20 };
        struct store_queue *q = any_store();
        char *bytes = malloc(1 << 20);

        for (size_t i = 0; i < 1 << 20; i++)
                bytes[i] = (char)(i % 257);
        for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
                struct job_fields fields = { .payload = { bytes, sizes[i] } };
                struct job *job;

                ck_assert_int_eq(push_fields(q, fields), PUSH_STORED);
                job = fetch(q);
                ck_assert_uint_eq(job->fields.payload.size, sizes[i]);
                if (sizes[i] > 0)
                        ck_assert_mem_eq(job->fields.payload.data, bytes, sizes[i]);
                settle(q, job, MOVE_DONE, 0);
        }
        free(bytes);
        finish_all(q);
}

static void absent_fields_stay_absent(void)
{
        struct store_queue *q = any_store();
        struct job *job;

        push(q, "bare");
        job = fetch(q);
        ck_assert_ptr_null(job->fields.type);
        ck_assert_ptr_null(job->fields.traceparent);
        ck_assert_uint_eq(job->fields.timeout, 0);
        ck_assert_uint_eq(job->fields.max_attempts, 0);
        ck_assert_uint_eq(job->fields.expires_at, 0);
        ck_assert_uint_eq(job->fields.n_meta, 0);
        ck_assert_uint_eq(job->attempts + job->crashes + job->deliveries, 0);
        settle(q, job, MOVE_DONE, 0);
        finish_all(q);
}

/* Whether they have ids, types or nothing. */
static void oldest_first_and_no_more_than_asked_for(void)
{
        static const struct job_fields order[] = {
                { .payload = { "1", 1 } },
                { .payload = { "2", 1 }, .id = "two" },
                { .payload = { "3", 1 }, .type = "t" },
                { .payload = { "4", 1 } },
        };
        struct store_queue *q = any_store();
        struct job *jobs[3];

        for (size_t i = 0; i < ARRAY_SIZE(order); i++)
                ck_assert_int_eq(push_fields(q, order[i]), PUSH_STORED);
        ck_assert_int_eq(store_fetch(q, jobs, 3), 3);
        ck_assert(has_payload(jobs[0], "1"));
        ck_assert(has_payload(jobs[1], "2"));
        ck_assert(has_payload(jobs[2], "3"));
        expect_counts(q, 1, 0, 3);
        for (int i = 0; i < 3; i++)
                settle(q, jobs[i], MOVE_DONE, 0);
        run_and_finish(q, "4");
        finish_all(q);
}

static void many_pushed_at_once_are_stored_in_their_order(void)
{
        enum {
                N = 1000
        };
        struct store_queue *q = any_store();
        struct push *pushes = calloc(N, sizeof(*pushes));
        struct job *jobs[100];

        for (uint32_t i = 0; i < N; i++) {
                struct job_fields fields = { .payload = { (char *)&i, sizeof(i) } };

                ck_assert_int_eq(job_create(&fields, &pushes[i].job), 0);
        }
        ck_assert_int_eq(store_push(q, pushes, N, false), 0);
        for (uint32_t i = 0; i < N; i++) {
                ck_assert_int_eq(pushes[i].result, PUSH_STORED);
                ck_assert_ptr_nonnull(pushes[i].job->fields.id);
                job_unref(pushes[i].job);
        }
        for (uint32_t expected = 0; expected < N;) {
                ssize_t n = store_fetch(q, jobs, ARRAY_SIZE(jobs));

                ck_assert_int_ge(n, 1);
                for (ssize_t i = 0; i < n; i++, expected++) {
                        ck_assert_mem_eq(jobs[i]->fields.payload.data, &expected, 4);
                        settle(q, jobs[i], MOVE_DONE, 0);
                }
        }
        free(pushes);
        ck_assert_uint_eq(counts_of(q).done, N);
        finish_all(q);
}

static int fetch_one(void *q)
{
        struct job *job;
        int r = (int)store_fetch(q, &job, 1);

        if (r < 0)
                return r;
        settle(q, job, MOVE_DONE, 0);
        return r;
}

static void fetch_waits_for_a_push(void)
{
        struct store_queue *q = any_store();
        struct pen_task *fetcher = spawn(fetch_one, q);

        expect_waiting(fetcher);
        push(q, "late");
        ck_assert_int_eq(await_and_unref(fetcher), 1);
        finish_all(q);
}

static void several_fetches_wait_and_each_job_goes_to_one(void)
{
        struct store_queue *q = any_store();
        struct pen_task *fetchers[3];

        for (int i = 0; i < 3; i++)
                fetchers[i] = spawn(fetch_one, q);
        expect_waiting(fetchers[2]);
        for (int i = 0; i < 3; i++)
                push(q, "x");
        for (int i = 0; i < 3; i++)
                ck_assert_int_eq(await_and_unref(fetchers[i]), 1);
        ck_assert_uint_eq(counts_of(q).done, 3);
        finish_all(q);
}

static void ids_are_made_for_those_who_give_none(void)
{
        struct store_queue *q = any_store();
        char before[129] = "";

        for (int i = 0; i < 100; i++) {
                struct job *job;

                push(q, "x");
                job = fetch(q);
                ck_assert(parse_is_id(job->fields.id, strlen(job->fields.id)));
                ck_assert_str_ne(job->fields.id, before);
                snprintf(before, sizeof(before), "%s", job->fields.id);
                settle(q, job, MOVE_DONE, 0);
        }
        finish_all(q);
}

static void a_made_id_is_told_and_stays_through_retries(void)
{
        struct store_queue *q = any_store();
        struct push push = { .job = NULL };
        struct job *job;

        ck_assert_int_eq(job_create(&(struct job_fields){ .payload = text("x") }, &push.job), 0);
        ck_assert_int_eq(store_push(q, &push, 1, false), 0);
        for (int i = 0; i < 3; i++) {
                job = fetch(q);
                ck_assert_str_eq(job->fields.id, push.job->fields.id);
                settle(q, job, MOVE_RETRY, 1);
                promote(q, 1);
        }
        job_unref(push.job);
        finish_all(q);
}

/* --- ids ----------------------------------------------------------------------------------------- */

static void an_id_is_stored_once_while_its_job_lives(void)
{
        struct store_queue *q = any_store();
        struct job *job;

        ck_assert_int_eq(push_id(q, "a", "body"), PUSH_STORED);
        ck_assert_int_eq(push_id(q, "a", "body"), PUSH_EXISTS);
        expect_counts(q, 1, 0, 0);
        job = fetch(q);
        ck_assert_int_eq(push_id(q, "a", "body"), PUSH_EXISTS);
        settle(q, job, MOVE_RETRY, T(1));
        ck_assert_int_eq(push_id(q, "a", "body"), PUSH_EXISTS);
        expect_counts(q, 0, 1, 0);
        promote(q, 1);
        ck_assert_int_eq(push_id(q, "a", "body"), PUSH_EXISTS);
        settle(q, fetch(q), MOVE_RELEASE, 0);
        ck_assert_int_eq(push_id(q, "a", "body"), PUSH_EXISTS);
        expect_counts(q, 1, 0, 0);
        finish_all(q);
}

static void an_id_with_another_payload_or_type_is_a_conflict(void)
{
        struct store_queue *q = any_store();

        ck_assert_int_eq(push_id(q, "a", "body"), PUSH_STORED);
        ck_assert_int_eq(push_id(q, "a", "other"), PUSH_CONFLICT);
        ck_assert_int_eq(
                push_fields(q,
                            (struct job_fields){ .id = "a", .type = "t", .payload = text("body") }),
                PUSH_CONFLICT);
        expect_counts(q, 1, 0, 0);
        finish_all(q);
}

static void an_id_is_remembered_for_dedupe_after_the_end(void)
{
        static const enum move ends[] = { MOVE_DONE, MOVE_DEAD, MOVE_EXPIRE, MOVE_CANCEL };
        static const char *const ids[] = { "a", "b", "c", "d" };
        struct store_queue *q = store_with((struct store_queue_options){ .dedupe = T(10) });

        for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
                pen_usec ended = pen_now();

                ck_assert_int_eq(push_id(q, ids[i], "body"), PUSH_STORED);
                settle(q, fetch(q), ends[i], 0);
                ck_assert_int_eq(push_id(q, ids[i], "body"), PUSH_EXISTS);
                ck_assert_int_eq(push_id(q, ids[i], "other"), PUSH_CONFLICT);
                UNTIL(push_id(q, ids[i], "other") == PUSH_STORED);
                ck_assert_uint_ge(pen_now() - ended + under_test->clock_error, T(10));
                run_and_finish(q, "other");
        }
        finish_all(q);
}

static void without_dedupe_an_id_is_free_at_once(void)
{
        struct store_queue *q = store_with((struct store_queue_options){ .dedupe = 0 });

        for (int i = 0; i < 3; i++) {
                ck_assert_int_eq(push_id(q, "a", "body"), PUSH_STORED);
                run_and_finish(q, "body");
        }
        finish_all(q);
}

/* --- room ---------------------------------------------------------------------------------------- */

static void past_its_capacity_a_push_is_refused(void)
{
        struct store_queue *q = store_with((struct store_queue_options){ .capacity = 2 });
        struct job *job;

        push(q, "1");
        push(q, "2");
        ck_assert_int_eq(push_id(q, "c", "3"), PUSH_FULL);
        expect_counts(q, 2, 0, 0);
        job = fetch_expecting(q, "1"); /* what runs is no backlog, */
        ck_assert_int_eq(push_id(q, "c", "3"), PUSH_STORED);
        settle(q, job, MOVE_RETRY, T(1)); /* and what waits for its retry is */
        ck_assert_int_eq(push_id(q, "d", "4"), PUSH_FULL);
        job = fetch_expecting(q, "2");
        settle(q, job, MOVE_DONE, 0);
        ck_assert_int_eq(push_id(q, "d", "4"), PUSH_FULL);
        job = fetch_expecting(q, "3");
        ck_assert_int_eq(push_id(q, "d", "4"), PUSH_STORED);
        settle(q, job, MOVE_RELEASE, 0); /* it goes back although there is no room */
        ck_assert_int_eq(push_id(q, "e", "5"), PUSH_FULL);
        expect_counts(q, 2, 1, 0);
        promote(q, 1);
        finish_all(q);
}

static void of_many_pushes_those_that_have_room_are_stored(void)
{
        struct store_queue *q = store_with((struct store_queue_options){ .capacity = 3 });
        struct push pushes[5] = { { NULL, PUSH_PENDING } };

        for (size_t i = 0; i < 5; i++)
                ck_assert_int_eq(
                        job_create(&(struct job_fields){ .payload = text("x") }, &pushes[i].job),
                        0);
        ck_assert_int_eq(store_push(q, pushes, 5, false), 0);
        for (size_t i = 0; i < 5; i++) {
                ck_assert_int_eq(pushes[i].result, i < 3 ? PUSH_STORED : PUSH_FULL);
                job_unref(pushes[i].job);
        }
        expect_counts(q, 3, 0, 0);
        finish_all(q);
}

static int push_waiting(void *arg)
{
        PEN_CLEANUP(job_unrefp) struct job *job;
        struct push p;
        int r;

        ck_assert_int_eq(job_create(&(struct job_fields){ .payload = text("waited") }, &job), 0);
        p = (struct push){ .job = job };
        r = store_push(arg, &p, 1, true);
        ck_assert_int_eq(p.result, r < 0 ? PUSH_PENDING : PUSH_STORED);
        return r;
}

static void a_push_that_waits_goes_on_when_there_is_room(void)
{
        struct store_queue *q = store_with((struct store_queue_options){ .capacity = 1 });
        struct pen_task *pusher;

        push(q, "1");
        pusher = spawn(push_waiting, q);
        expect_waiting(pusher);
        run_and_finish(q, "1");
        ck_assert_int_eq(await_and_unref(pusher), 0);
        run_and_finish(q, "waited");
        finish_all(q);
}

static void a_push_that_is_cancelled_while_it_waits_stores_nothing(void)
{
        struct store_queue *q = store_with((struct store_queue_options){ .capacity = 1 });
        struct pen_task *pusher;

        push(q, "1");
        pusher = spawn(push_waiting, q);
        expect_waiting(pusher);
        cancel_and_unref(pusher);
        expect_counts(q, 1, 0, 0);
        finish_all(q);
}

static void what_is_configured_holds_from_then_on(void)
{
        struct store_queue_options options = { .name = "any", .capacity = 1, .dedupe = 0 };
        struct store_queue *q = store_with(options);
        struct pen_task *pusher;

        ck_assert_int_eq(push_id(q, "a", "1"), PUSH_STORED);
        pusher = spawn(push_waiting, q);
        expect_waiting(pusher);
        options.capacity = 2;
        options.dedupe = T(1000);
        store_configure(q, &options);
        ck_assert_int_eq(await_and_unref(pusher), 0);
        ck_assert_int_eq(push_id(q, "b", "2"), PUSH_FULL);
        run_and_finish(q, "1");
        run_and_finish(q, "waited");
        ck_assert_int_eq(push_id(q, "a", "1"), PUSH_EXISTS); /* is remembered now */
        finish_all(q);
}

const struct promise push_promises[] = {
        P(a_job_comes_out_as_it_went_in),
        P(payloads_are_exact_from_nothing_to_a_mebibyte),
        P(absent_fields_stay_absent),
        P(oldest_first_and_no_more_than_asked_for),
        P(many_pushed_at_once_are_stored_in_their_order),
        P(fetch_waits_for_a_push),
        P(several_fetches_wait_and_each_job_goes_to_one),
        P(ids_are_made_for_those_who_give_none),
        P(a_made_id_is_told_and_stays_through_retries),
        P(an_id_is_stored_once_while_its_job_lives),
        P(an_id_with_another_payload_or_type_is_a_conflict),
        P(an_id_is_remembered_for_dedupe_after_the_end),
        P(without_dedupe_an_id_is_free_at_once),
        P(past_its_capacity_a_push_is_refused),
        P(of_many_pushes_those_that_have_room_are_stored),
        P(a_push_that_waits_goes_on_when_there_is_room),
        P(a_push_that_is_cancelled_while_it_waits_stores_nothing),
        P(what_is_configured_holds_from_then_on),
        { NULL, NULL },
};

#include "../runner.h"

#include <string.h>

#include <job/job.h>

static const char payload[] = "line\n\0binary\xff";

START_TEST(copies_all_that_the_fields_point_to)
{
        char text[] = "id-1\0mail\0from\0web\0note\0";
        char bytes[sizeof(payload)];
        struct job_meta meta[] = { { text + 10, text + 15 }, { text + 19, text + 24 } };
        struct job_fields fields = {
                .id = text,
                .type = text + 5,
                .payload = { bytes, sizeof(bytes) },
                .run_at = 1,
                .delay = 2,
                .timeout = 3,
                .expires_at = 4,
                .max_attempts = 5,
                .traceparent = text + 10,
                .meta = meta,
                .n_meta = 2,
        };
        struct job *job;

        memcpy(bytes, payload, sizeof(bytes));
        ck_assert_int_eq(job_create(&fields, &job), 0);
        memset(text, '!', sizeof(text));
        memset(bytes, '!', sizeof(bytes));
        memset(meta, 0, sizeof(meta));

        ck_assert_str_eq(job->fields.id, "id-1");
        ck_assert_str_eq(job->fields.type, "mail");
        ck_assert_str_eq(job->fields.traceparent, "from");
        ck_assert_uint_eq(job->fields.payload.size, sizeof(payload));
        ck_assert_mem_eq(job->fields.payload.data, payload, sizeof(payload));
        ck_assert_uint_eq(job->fields.run_at, 1);
        ck_assert_uint_eq(job->fields.delay, 2);
        ck_assert_uint_eq(job->fields.timeout, 3);
        ck_assert_uint_eq(job->fields.expires_at, 4);
        ck_assert_uint_eq(job->fields.max_attempts, 5);
        ck_assert_uint_eq(job->fields.n_meta, 2);
        ck_assert_str_eq(job->fields.meta[0].name, "from");
        ck_assert_str_eq(job->fields.meta[0].value, "web");
        ck_assert_str_eq(job->fields.meta[1].name, "note");
        ck_assert_str_eq(job->fields.meta[1].value, "");
        job_unref(job);
}
END_TEST

START_TEST(absent_strings_stay_absent_and_counts_start_at_0)
{
        struct job_fields fields = { 0 };
        PEN_CLEANUP(job_unrefp) struct job *job = NULL;

        ck_assert_int_eq(job_create(&fields, &job), 0);
        ck_assert_ptr_null(job->fields.id);
        ck_assert_ptr_null(job->fields.type);
        ck_assert_ptr_null(job->fields.traceparent);
        ck_assert_uint_eq(job->fields.payload.size, 0);
        ck_assert_uint_eq(job->fields.n_meta, 0);
        ck_assert_uint_eq(job->attempts, 0);
        ck_assert_uint_eq(job->crashes, 0);
        ck_assert_uint_eq(job->deliveries, 0);
        ck_assert_uint_eq(job->source, 0);
}
END_TEST

START_TEST(size_is_what_the_job_takes_in_memory)
{
        const struct job_meta meta = { "n", "val" };
        struct job_fields fields = { .id = "four", .payload = { "0123456789", 10 } };
        struct job *job;

        ck_assert_int_eq(job_create(&fields, &job), 0);
        ck_assert_uint_eq(job_size(job), sizeof(struct job) + 5 + 10);
        job_unref(job);

        fields.meta = &meta;
        fields.n_meta = 1;
        ck_assert_int_eq(job_create(&fields, &job), 0);
        ck_assert_uint_eq(job_size(job), sizeof(struct job) + 5 + 10 + sizeof(meta) + 2 + 4);
        job_unref(job);
}
END_TEST

START_TEST(freeing_nothing_is_allowed)
{
        struct job *none = NULL;

        job_unref(NULL);
        job_unrefp(&none);
}
END_TEST

START_TEST(names_are_those_of_the_contract)
{
        static const char *const states[] = { "scheduled", "ready", "running",   "retrying",
                                              "done",      "dead",  "cancelled", "expired" };
        static const char *const outcomes[] = { "done",        "failed",  "rejected",
                                                "timeout",     "crashed", "released",
                                                "unavailable", "expired", "cancelled" };

        ck_assert_uint_eq(ARRAY_SIZE(states), JOB_EXPIRED + 1);
        ck_assert_uint_eq(ARRAY_SIZE(outcomes), OUTCOME_MAX);
        for (unsigned i = 0; i < ARRAY_SIZE(states); i++)
                ck_assert_str_eq(job_state_name((enum job_state)i), states[i]);
        for (unsigned i = 0; i < ARRAY_SIZE(outcomes); i++)
                ck_assert_str_eq(outcome_name((enum outcome)i), outcomes[i]);
}
END_TEST

int main(void)
{
        return RUN_SUITE("job", copies_all_that_the_fields_point_to,
                         absent_strings_stay_absent_and_counts_start_at_0,
                         size_is_what_the_job_takes_in_memory, freeing_nothing_is_allowed,
                         names_are_those_of_the_contract);
}

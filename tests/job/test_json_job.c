#include "../runner.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <base/random.h>
#include <job/json.h>

/* What json_to_job made of a text; all of it freed by forget. */
struct reading {
        char *text; /* ends where its memory ends */
        struct buffer scratch;
        struct job_fields job;
        struct json_error error;
        int result;
};

static struct reading read_bytes(const char *text, size_t size)
{
        struct reading in = { .text = malloc(size > 0 ? size : 1) };

        ck_assert_ptr_nonnull(in.text);
        memcpy(in.text, text, size);
        in.result = json_to_job(in.text, size, &in.scratch, &in.job, &in.error);
        return in;
}

static void forget(struct reading *in)
{
        buffer_deinit(&in->scratch);
        free(in->text);
}

#define READ(name, text) \
        PEN_CLEANUP(forget) struct reading name = read_bytes(text, sizeof(text) - 1)

static void assert_fit_to_print(const struct json_error *error, size_t size)
{
        bool printable = true;

        ck_assert_uint_le(error->offset, size);
        ck_assert_uint_gt(strlen(error->text), 0);
        for (const char *i = error->text; *i; i++)
                printable = printable && *i >= ' ' && *i <= '~';
        ck_assert_msg(printable, "not printable: %s", error->text);
}

static void assert_accepted(const char *text)
{
        PEN_CLEANUP(forget) struct reading in = read_bytes(text, strlen(text));

        ck_assert_msg(in.result == 0, "refused: %s: %s", text, in.error.text);
}

static void assert_refused(const char *text, size_t offset, const char *message)
{
        PEN_CLEANUP(forget) struct reading in = read_bytes(text, strlen(text));

        ck_assert_msg(in.result == -EINVAL, "accepted: %s", text);
        assert_fit_to_print(&in.error, strlen(text));
        ck_assert_str_eq(in.error.text, message);
        ck_assert_uint_eq(in.error.offset, offset);
}

static void assert_payload(const struct reading *in, const char *bytes, size_t size)
{
        ck_assert_msg(in->result == 0, "%s", in->error.text);
        ck_assert_uint_eq(in->job.payload.size, size);
        if (size > 0)
                ck_assert_mem_eq(in->job.payload.data, bytes, size);
}

static const char full[] =
        "{\"v\":1,\"id\":\"a:1\",\"type\":\"mail\",\"payload\":\"hi\\n\",\"delay\":\"90s\","
        "\"timeout\":\"250ms\",\"expires_at\":\"2026-11-21T09:30:00Z\",\"max_attempts\":4294967295,"
        "\"traceparent\":\"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\","
        "\"meta\":{\"tenant\":\"caf\\u00e9\",\"n\":\"\"}}";

START_TEST(every_field_is_read)
{
        READ(in, full);

        ck_assert_msg(in.result == 0, "%s", in.error.text);
        ck_assert_str_eq(in.job.id, "a:1");
        ck_assert_str_eq(in.job.type, "mail");
        assert_payload(&in, "hi\n", 3);
        ck_assert_uint_eq(in.job.run_at, 0);
        ck_assert_uint_eq(in.job.delay, 90 * PEN_SEC);
        ck_assert_uint_eq(in.job.timeout, 250 * PEN_MSEC);
        ck_assert_uint_eq(in.job.expires_at, 1795253400000);
        ck_assert_uint_eq(in.job.max_attempts, UINT_MAX);
        ck_assert_str_eq(in.job.traceparent,
                         "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
        ck_assert_uint_eq(in.job.n_meta, 2);
        ck_assert_str_eq(in.job.meta[0].name, "tenant");
        ck_assert_str_eq(in.job.meta[0].value, "caf\xc3\xa9");
        ck_assert_str_eq(in.job.meta[1].name, "n");
        ck_assert_str_eq(in.job.meta[1].value, "");
}
END_TEST

START_TEST(every_field_may_be_left_out)
{
        READ(in, " { } ");

        ck_assert_int_eq(in.result, 0);
        ck_assert_ptr_null(in.job.id);
        ck_assert_ptr_null(in.job.type);
        ck_assert_uint_eq(in.job.payload.size, 0);
        ck_assert_uint_eq(in.job.run_at, 0);
        ck_assert_uint_eq(in.job.delay, 0);
        ck_assert_uint_eq(in.job.timeout, 0);
        ck_assert_uint_eq(in.job.expires_at, 0);
        ck_assert_uint_eq(in.job.max_attempts, 0);
        ck_assert_ptr_null(in.job.traceparent);
        ck_assert_uint_eq(in.job.n_meta, 0);
}
END_TEST

START_TEST(payload_string_is_its_bytes)
{
        READ(empty, "{\"payload\":\"\"}");
        READ(plain, "{\"payload\":\"caf\xc3\xa9\"}");
        READ(nul, "{\"payload\":\"a\\u0000\\ud83d\\ude00\\\"\"}");

        assert_payload(&empty, "", 0);
        assert_payload(&plain, "caf\xc3\xa9", 5);
        assert_payload(&nul, "a\0\xf0\x9f\x98\x80\"", 7);
}
END_TEST

START_TEST(any_other_payload_is_its_exact_source_text)
{
        static const char text[] = "{ \"b\": 1.10,\"a\" :[ 1e2 ,\"\\u0061\\u0000\"], \"b\":2 }";
        READ(object, "{\"payload\" : { \"b\": 1.10,\"a\" :[ 1e2 ,\"\\u0061\\u0000\"], \"b\":2 } }");
        READ(number, "{\"payload\": 12345678901234567890.000 ,\"id\":\"x\"}");
        READ(null, "{\"payload\":null}");

        assert_payload(&object, text, strlen(text));
        assert_payload(&number, "12345678901234567890.000", 24);
        assert_payload(&null, "null", 4);
}
END_TEST

START_TEST(payload_base64_is_binary)
{
        READ(binary, "{\"payload_base64\":\"AAEC/w==\"}");
        READ(escaped, "{\"payload_base64\":\"AAEC\\/w=\\u003d\"}");
        READ(empty, "{\"payload_base64\":\"\"}");

        assert_payload(&binary, "\0\1\2\xff", 4);
        assert_payload(&escaped, "\0\1\2\xff", 4);
        assert_payload(&empty, "", 0);
        assert_refused(
                "{\"payload_base64\":\"AAE\"}", 18,
                "payload_base64: \"AAE\" is not base64 as in RFC 4648, section 4, with padding");
        assert_refused("{\"payload_base64\":1}", 18, "payload_base64: 1 is not a string");
}
END_TEST

START_TEST(alternatives_exclude_each_other_in_either_order)
{
        assert_refused("{\"payload\":\"\",\"payload_base64\":\"\"}", 31,
                       "payload_base64: \"\" must not stand beside payload");
        assert_refused("{\"payload_base64\":\"\",\"payload\":1}", 31,
                       "payload: 1 must not stand beside payload_base64");
        assert_refused("{\"run_at\":0,\"delay\":0}", 20, "delay: 0 must not stand beside run_at");
        assert_refused("{\"delay\":0,\"run_at\":0}", 20, "run_at: 0 must not stand beside delay");
}
END_TEST

START_TEST(unknown_field_is_refused_with_the_nearest_known_one)
{
        assert_refused("{\"id\":\"x\",\"paylaod\":1}", 10,
                       "no field is called \"paylaod\"; the nearest is payload");
        assert_refused("{\"maxAttempts\":1}", 1,
                       "no field is called \"maxAttempts\"; the nearest is max_attempts");
        assert_refused("{\"ID\":1}", 1, "no field is called \"ID\"; the nearest is id");
        assert_refused("{\"uniqe\":1}", 1, "no field is called \"uniqe\"; the nearest is unique");
        assert_refused("{\"trace\\u001bparent\":1}", 1,
                       "no field is called \"trace\\x1bparent\"; the nearest is traceparent");
        assert_refused("{\"payload\\u0000\":1}", 1,
                       "\"payload\\u0000\" contains NUL, which a key must not");
}
END_TEST

START_TEST(long_unknown_field_is_cut_in_the_message)
{
        char text[5000] = "{\"", *end = text + sizeof(text) - 1;

        memset(text + 2, 'k', sizeof(text) - 3);
        memcpy(end - 4, "\":1}", 4);
        PEN_CLEANUP(forget) struct reading in = read_bytes(text, sizeof(text) - 1);

        ck_assert_int_eq(in.result, -EINVAL);
        ck_assert_ptr_nonnull(strstr(in.error.text, "kkk...\"; the nearest is "));
        assert_fit_to_print(&in.error, sizeof(text));
}
END_TEST

START_TEST(fields_of_the_contract_that_wait_for_a_version_say_so)
{
        static const char *const names[] = { "unique", "keep", "group", "after_group", "then" };

        for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
                char text[64], message[128];

                snprintf(text, sizeof(text), "{\"%s\":\"x\"}", names[i]);
                snprintf(message, sizeof(message),
                         "%s: \"x\" is for a field that this version does not carry out yet",
                         names[i]);
                assert_refused(text, strlen(names[i]) + 4, message);
        }
}
END_TEST

START_TEST(field_that_is_there_twice_is_refused)
{
        assert_refused("{\"id\":\"a\",\"id\":\"a\"}", 10, "\"id\" is there twice");
        assert_refused("{\"payload\":1,\"payl\\u006fad\":1}", 13,
                       "\"payl\\u006fad\" is there twice");
        assert_refused("{\"meta\":{\"a\":\"1\",\"a\":\"1\"}}", 17, "\"a\" is there twice");
}
END_TEST

START_TEST(only_the_known_version_is_read)
{
        assert_accepted("{\"v\":1}");
        assert_refused("{\"v\":2}", 5, "v: 2 is newer than this program, which knows 1");
        assert_refused("{\"v\":0}", 5, "v: 0 is not a whole number from 1 to 4294967295");
        assert_refused("{\"v\":1.0}", 5, "v: 1.0 is not a whole number from 1 to 4294967295");
        assert_refused("{\"v\":\"1\"}", 5, "v: \"1\" is not a whole number from 1 to 4294967295");
}
END_TEST

START_TEST(ids_and_types_have_their_letters)
{
        static const char id[] = "is not an id: 1 to 128 of A-Z a-z 0-9 _ . : -";
        static const char type[] = "is not a name: 1 to 64 of A-Z a-z 0-9 _ . -";
        static const struct {
                const char *value;
                bool id, type;
        } cases[] = {
                { "\"a-Z_0.9\"", true, true }, { "\"a:b\"", true, false },
                { "\"\"", false, false },      { "\"a b\"", false, false },
                { "\"../x\"", false, false },  { "\"a\\n\"", false, false },
                { "\"*\"", false, false },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
                for (int is_id = 0; is_id < 2; is_id++) {
                        const char *name = is_id ? "id" : "type";
                        char text[64], message[128];

                        snprintf(text, sizeof(text), "{\"%s\":%s}", name, cases[i].value);
                        snprintf(message, sizeof(message), "%s: %s %s", name, cases[i].value,
                                 is_id ? id : type);
                        if (is_id ? cases[i].id : cases[i].type)
                                assert_accepted(text);
                        else
                                assert_refused(text, strlen(name) + 4, message);
                }
        assert_refused("{\"id\":17}", 6, "id: 17 is not a string");
        assert_refused("{\"type\":null}", 8, "type: null is not a string");
}
END_TEST

START_TEST(nul_is_for_payloads_alone)
{
        static const char *const names[] = { "id", "type", "delay", "run_at", "traceparent" };

        for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
                char text[64], message[128];

                snprintf(text, sizeof(text), "{\"%s\":\"0\\u0000\"}", names[i]);
                snprintf(message, sizeof(message),
                         "%s: \"0\\u0000\" contains NUL, which only a payload may", names[i]);
                assert_refused(text, strlen(names[i]) + 4, message);
        }
        assert_refused("{\"meta\":{\"a\":\"\\u0000\"}}", 9,
                       "meta: \"\\u0000\" contains NUL, which only a payload may");
}
END_TEST

START_TEST(durations_have_a_unit)
{
        static const char form[] = "is not a number with its unit, like 250ms, 30s, 5m, 2h or 7d";
        static const char *const values[] = { "30", "\"30\"", "1.5", "\"1.5s\"",
                                              "-1", "true",   "\"\"" };

        for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
                char text[64], message[128];

                snprintf(text, sizeof(text), "{\"delay\":%s}", values[i]);
                snprintf(message, sizeof(message), "delay: %s %s", values[i], form);
                assert_refused(text, 9, message);
                snprintf(text, sizeof(text), "{\"timeout\":%s}", values[i]);
                snprintf(message, sizeof(message), "timeout: %s %s", values[i], form);
                assert_refused(text, 11, message);
        }
        assert_refused("{\"timeout\":\"999999999999d\"}", 11,
                       "timeout: \"999999999999d\" is out of range");
}
END_TEST

START_TEST(delay_is_0_to_365_days)
{
        READ(year, "{\"delay\":\"365d\"}");

        ck_assert_int_eq(year.result, 0);
        ck_assert_uint_eq(year.job.delay, 365 * PEN_DAY);
        assert_accepted("{\"delay\":0}");
        assert_accepted("{\"delay\":\"0\"}");
        assert_refused("{\"delay\":\"366d\"}", 9, "delay: \"366d\" is more than 365d");
        assert_refused("{\"delay\":\"31536000001ms\"}", 9,
                       "delay: \"31536000001ms\" is more than 365d");
}
END_TEST

START_TEST(timeout_and_expires_at_are_not_0)
{
        assert_refused("{\"timeout\":0}", 11,
                       "timeout: 0 is not allowed: leave it out to have the queue's");
        assert_refused("{\"timeout\":\"0s\"}", 11,
                       "timeout: \"0s\" is not allowed: leave it out to have the queue's");
        assert_refused("{\"expires_at\":0}", 14,
                       "expires_at: 0 is not allowed: leave it out for never");
}
END_TEST

START_TEST(times_are_text_or_milliseconds_and_may_be_past)
{
        READ(text, "{\"run_at\":\"1971-01-01T00:00:00.25Z\"}");
        READ(number, "{\"run_at\":1795253400000,\"expires_at\":1795253400001}");
        READ(digits, "{\"run_at\":\"1795253400000\"}");

        ck_assert_int_eq(text.result, 0);
        ck_assert_uint_eq(text.job.run_at, 31536000250);
        ck_assert_int_eq(number.result, 0);
        ck_assert_uint_eq(number.job.run_at, 1795253400000);
        ck_assert_uint_eq(number.job.expires_at, 1795253400001);
        ck_assert_int_eq(digits.result, 0);
        ck_assert_uint_eq(digits.job.run_at, 1795253400000);
        assert_refused("{\"run_at\":1.5e12}", 10,
                       "run_at: 1.5e12 is not a time: RFC 3339 like 2026-11-21T09:30:00Z, or epoch "
                       "milliseconds");
        assert_refused(
                "{\"expires_at\":\"tomorrow\"}", 14,
                "expires_at: \"tomorrow\" is not a time: RFC 3339 like 2026-11-21T09:30:00Z, "
                "or epoch milliseconds");
        assert_refused("{\"run_at\":18446744073709551616}", 10,
                       "run_at: 18446744073709551616 is out of range");
}
END_TEST

START_TEST(max_attempts_is_a_whole_number_that_fits)
{
        static const char *const refused[] = { "0",     "-1",         "-0",   "1.0",  "1e3",
                                               "\"3\"", "4294967296", "true", "null", "[]" };

        assert_accepted("{\"max_attempts\":1}");
        assert_accepted("{\"max_attempts\":4294967295}");
        for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
                char text[64], message[128];

                snprintf(text, sizeof(text), "{\"max_attempts\":%s}", refused[i]);
                snprintf(message, sizeof(message),
                         "max_attempts: %s is not a whole number from 1 to 4294967295", refused[i]);
                assert_refused(text, 16, message);
        }
}
END_TEST

START_TEST(traceparent_has_w3c_form)
{
        static const char *const refused[] = {
                "",
                "00",
                "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
                "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\\r\\nX: y",
                "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-",
                "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
                "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
                "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
                "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                "00-4bf92f3577b34da6a3ce929d0e0e473600f067aa0ba902b7--01",
                "0g-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0x",
        };

        assert_accepted("{\"traceparent\":\"00-00000000000000000000000000000001-"
                        "0000000000000001-00\"}");
        assert_accepted("{\"traceparent\":\"fe-4bf92f3577b34da6a3ce929d0e0e4736-"
                        "00f067aa0ba902b7-ff\"}");
        for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
                char text[128];
                int size = snprintf(text, sizeof(text), "{\"traceparent\":\"%s\"}", refused[i]);
                PEN_CLEANUP(forget) struct reading in = read_bytes(text, (size_t)size);

                ck_assert_msg(in.result == -EINVAL, "accepted: %s", text);
                ck_assert_ptr_nonnull(strstr(in.error.text, "is not W3C trace context"));
                ck_assert_ptr_nonnull(strstr(in.error.text, "digits, not all 0"));
        }
}
END_TEST

/* A job with the meta fields m0 to m(n-1), each with a value of `size` bytes. */
static char *job_with_meta(int n, int size)
{
        struct buffer b = { 0 };

        ck_assert_int_eq(buffer_append(&b, "{\"meta\":{", 9), 0);
        for (int i = 0; i < n; i++)
                ck_assert_int_eq(
                        buffer_printf(&b, "%s\"m%x\":\"%0*d\"", i > 0 ? "," : "", i, size, 0), 0);
        ck_assert_int_eq(buffer_append(&b, "}}", 2), 0);
        return buffer_take(&b, NULL);
}

static void assert_meta(int n, int size, const char *complaint)
{
        char *text = job_with_meta(n, size);
        PEN_CLEANUP(forget) struct reading in = read_bytes(text, strlen(text));

        if (complaint) {
                ck_assert_int_eq(in.result, -EINVAL);
                ck_assert_ptr_nonnull(strstr(in.error.text, complaint));
        } else {
                ck_assert_int_eq(in.result, 0);
                ck_assert_uint_eq(in.job.n_meta, n);
                for (int i = 0; i < n; i++)
                        ck_assert_uint_eq(strlen(in.job.meta[i].value), size);
        }
        free(text);
}

START_TEST(meta_is_16_strings_of_4096_bytes_in_all)
{
        assert_meta(16, 10, NULL);
        assert_meta(17, 10, "has more than 16 members");
        assert_meta(1, 4094, NULL);
        assert_meta(1, 4095, "has more than 4096 bytes of names and values");
        assert_meta(16, 254, NULL);
        assert_meta(16, 255, "has more than 4096 bytes");
        assert_accepted("{\"meta\":{}}");
        assert_refused("{\"meta\":[]}", 8, "meta: [] is not an object of strings");
        assert_refused("{\"meta\":{\"a\":1}}", 9, "meta: 1 is not a string");
        assert_refused("{\"meta\": {\"a\":\"\",\"b c\":\"x\"}}", 17,
                       "meta: b c is not a name: 1 to 64 of A-Z a-z 0-9 _ . -");
}
END_TEST

START_TEST(what_is_no_object_is_refused)
{
        assert_refused("", 0, "the text ends, expected an object");
        assert_refused("[]", 0, "found '[', expected an object");
        assert_refused("{} {}", 3, "found '{', expected nothing behind the object");
        assert_refused("{\"payload\":{\"a\":}}", 16, "found '}', expected a value");
}
END_TEST

START_TEST(payload_nested_too_deep_is_refused)
{
        static char text[2 * 100000 + 20];

        for (size_t depth = 1000; depth <= 100000; depth *= 10) {
                char *to = stpcpy(text, "{\"payload\":");

                memset(to, '[', depth);
                memset(to + depth, ']', depth);
                memcpy(to + 2 * depth, "}", 2);
                PEN_CLEANUP(forget) struct reading in = read_bytes(text, strlen(text));

                if (depth == 1000) {
                        assert_payload(&in, to, 2 * depth);
                } else {
                        ck_assert_int_eq(in.result, -EINVAL);
                        ck_assert_str_eq(in.error.text,
                                         "found '[', expected at most 1000 levels of nesting");
                }
        }
}
END_TEST

START_TEST(no_job_is_accepted_cut_short)
{
        for (size_t size = 0; size < sizeof(full) - 1; size++) {
                PEN_CLEANUP(forget) struct reading in = read_bytes(full, size);

                ck_assert_int_eq(in.result, -EINVAL);
                assert_fit_to_print(&in.error, size);
        }
}
END_TEST

START_TEST(random_damage_is_never_worse_than_an_error)
{
        static const char nasty[] = "\"\\{}[]:,0-.eEu\0\x1f\x7f\x80\xc3\xed\xf0\xff tn";
        struct random r;

        random_seed(&r, 1);
        for (int i = 0; i < 10000; i++) {
                char text[sizeof(full)];

                memcpy(text, full, sizeof(full));
                for (uint64_t n = 1 + random_below(&r, 3); n > 0; n--)
                        text[random_below(&r, sizeof(full) - 1)] =
                                nasty[random_below(&r, sizeof(nasty) - 1)];
                PEN_CLEANUP(forget) struct reading in = read_bytes(text, sizeof(full) - 1);

                if (in.result < 0) {
                        ck_assert_int_eq(in.result, -EINVAL);
                        assert_fit_to_print(&in.error, sizeof(full));
                }
        }
}
END_TEST

START_TEST(scratch_serves_one_job_after_the_other)
{
        struct buffer scratch = { 0 };
        struct json_error error;
        struct job_fields job;
        size_t allocated;

        ck_assert_int_eq(json_to_job(full, sizeof(full) - 1, &scratch, &job, &error), 0);
        allocated = scratch.allocated;
        for (int i = 0; i < 1000; i++) {
                char text[32];
                size_t size = (size_t)snprintf(text, sizeof(text), "{\"id\":\"job-%d\"}", i);

                ck_assert_int_eq(json_to_job(text, size, &scratch, &job, &error), 0);
                ck_assert_str_eq(job.id, strndupa(text + 7, size - 9));
                ck_assert_ptr_null(job.type);
        }
        ck_assert_uint_eq(scratch.allocated, allocated);
        buffer_deinit(&scratch);
}
END_TEST

START_TEST(refused_job_leaves_the_result_alone)
{
        struct job_fields job = { .max_attempts = 4711 };
        struct buffer scratch = { 0 };
        struct json_error error;

        ck_assert_int_eq(json_to_job("{\"max_attempts\":3,\"x\":1}", 24, &scratch, &job, &error),
                         -EINVAL);
        ck_assert_uint_eq(job.max_attempts, 4711);
        buffer_deinit(&scratch);
}
END_TEST

static void *read_on_a_small_stack(void *arg)
{
        READ(good, full);
        READ(bad, "{\"paylaod\":1}");

        ck_assert_int_eq(good.result, 0);
        ck_assert_int_eq(bad.result, -EINVAL);
        return arg;
}

START_TEST(stack_of_a_task_is_enough)
{
        pthread_attr_t attr;
        pthread_t thread;

        ck_assert_int_eq(pthread_attr_init(&attr), 0);
        ck_assert_int_eq(pthread_attr_setstacksize(&attr, small_stack()), 0);
        ck_assert_int_eq(pthread_create(&thread, &attr, read_on_a_small_stack, NULL), 0);
        ck_assert_int_eq(pthread_join(thread, NULL), 0);
        pthread_attr_destroy(&attr);
}
END_TEST

int main(void)
{
        return RUN_SUITE(
                "json_job", every_field_is_read, every_field_may_be_left_out,
                payload_string_is_its_bytes, any_other_payload_is_its_exact_source_text,
                payload_base64_is_binary, alternatives_exclude_each_other_in_either_order,
                unknown_field_is_refused_with_the_nearest_known_one,
                long_unknown_field_is_cut_in_the_message,
                fields_of_the_contract_that_wait_for_a_version_say_so,
                field_that_is_there_twice_is_refused, only_the_known_version_is_read,
                ids_and_types_have_their_letters, nul_is_for_payloads_alone, durations_have_a_unit,
                delay_is_0_to_365_days, timeout_and_expires_at_are_not_0,
                times_are_text_or_milliseconds_and_may_be_past,
                max_attempts_is_a_whole_number_that_fits, traceparent_has_w3c_form,
                meta_is_16_strings_of_4096_bytes_in_all, what_is_no_object_is_refused,
                payload_nested_too_deep_is_refused, no_job_is_accepted_cut_short,
                random_damage_is_never_worse_than_an_error, scratch_serves_one_job_after_the_other,
                refused_job_leaves_the_result_alone, stack_of_a_task_is_enough);
}

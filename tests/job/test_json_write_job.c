#include "../runner.h"

#include <errno.h>
#include <string.h>

#include <job/json.h>

/* Writes the job and reads it back into *ret, which lives in the buffers. */
struct round_trip {
        struct buffer text, scratch;
        struct job_fields read;
};

static void round_trip_deinit(struct round_trip *t)
{
        buffer_deinit(&t->text);
        buffer_deinit(&t->scratch);
}

static void make_round(struct round_trip *t, const struct job_fields *fields)
{
        struct json_error error;

        ck_assert_int_eq(json_write_job(&t->text, fields), 0);
        ck_assert_msg(json_to_job(buffer_data(&t->text), buffer_size(&t->text), &t->scratch,
                                  &t->read, &error) == 0,
                      "%.*s: %s", (int)buffer_size(&t->text), buffer_data(&t->text), error.text);
}

#define ROUND_TRIP(t, ...)                                                      \
        PEN_CLEANUP(round_trip_deinit) struct round_trip t = { .read = { 0 } }; \
        make_round(&t, &(struct job_fields){ __VA_ARGS__ })

static void assert_payload(struct bytes found, const char *wanted, size_t size)
{
        ck_assert_uint_eq(found.size, size);
        ck_assert(size == 0 || memcmp(found.data, wanted, size) == 0);
}

START_TEST(every_field_is_read_back_as_it_was)
{
        static const struct job_meta meta[] = { { "a", "1" }, { "b.c", "say \"hi\"\n" } };
        ROUND_TRIP(t, .id = "a:1", .type = "mail", .payload = { "x", 1 }, .run_at = 1800000000000,
                   .timeout = 30 * PEN_SEC, .expires_at = 1900000000000, .max_attempts = 7,
                   .traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                   .meta = meta, .n_meta = 2);

        ck_assert_str_eq(t.read.id, "a:1");
        ck_assert_str_eq(t.read.type, "mail");
        assert_payload(t.read.payload, "x", 1);
        ck_assert_uint_eq(t.read.run_at, 1800000000000);
        ck_assert_uint_eq(t.read.timeout, 30 * PEN_SEC);
        ck_assert_uint_eq(t.read.expires_at, 1900000000000);
        ck_assert_uint_eq(t.read.max_attempts, 7);
        ck_assert_str_eq(t.read.traceparent,
                         "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
        ck_assert_uint_eq(t.read.n_meta, 2);
        ck_assert_str_eq(t.read.meta[1].name, "b.c");
        ck_assert_str_eq(t.read.meta[1].value, "say \"hi\"\n");
}
END_TEST

START_TEST(delay_keeps_its_milliseconds)
{
        ROUND_TRIP(t, .delay = 1234567 * PEN_MSEC);

        ck_assert_uint_eq(t.read.delay, 1234567 * PEN_MSEC);
        ck_assert_uint_eq(t.read.run_at, 0);
}
END_TEST

START_TEST(what_is_absent_is_not_written)
{
        ROUND_TRIP(t, .payload = { "", 0 });

        ck_assert_uint_eq(buffer_size(&t.text), strlen("{\"payload\":\"\"}"));
        ck_assert_ptr_null(t.read.id);
        ck_assert_uint_eq(t.read.n_meta, 0);
}
END_TEST

START_TEST(binary_payload_comes_back_bit_for_bit)
{
        char all[256];

        for (int i = 0; i < 256; i++)
                all[i] = (char)i;
        ROUND_TRIP(t, .payload = { all, sizeof(all) });

        ck_assert_ptr_nonnull(memmem(buffer_data(&t.text), buffer_size(&t.text), "payload_base64",
                                     strlen("payload_base64")));
        assert_payload(t.read.payload, all, sizeof(all));
}
END_TEST

START_TEST(text_payload_with_nul_and_controls_comes_back_bit_for_bit)
{
        static const char text[] = "a\0b\x1b[31m\"\\\n\xc2\x85\xe2\x82\xac";
        ROUND_TRIP(t, .payload = { text, sizeof(text) - 1 });

        ck_assert_ptr_null(memmem(buffer_data(&t.text), buffer_size(&t.text), "base64", 6));
        ck_assert_ptr_null(memchr(buffer_data(&t.text), '\n', buffer_size(&t.text)));
        assert_payload(t.read.payload, text, sizeof(text) - 1);
}
END_TEST

/* --- arrays ------------------------------------------------------------------------------------- */

/* The items with a `;` behind each. */
static const char *items_of(const char *text, int wanted)
{
        static char joined[256];
        struct bytes rest = { text, strlen(text) }, item;
        enum json_type type;
        int r;

        joined[0] = '\0';
        while ((r = json_next_item(&rest, &type, &item)) > 0) {
                strncat(joined, item.data, item.size);
                strcat(joined, ";");
        }
        ck_assert_int_eq(r, wanted);
        return joined;
}

START_TEST(items_come_one_after_the_other)
{
        ck_assert_str_eq(items_of("[]", 0), "");
        ck_assert_str_eq(items_of("[ ]", 0), "");
        ck_assert_str_eq(items_of("[1]", 0), "1;");
        ck_assert_str_eq(items_of("[ 1 ,\"a,]\" , [2,[3]],{\"b\":[4]} , null ]", 0),
                         "1;\"a,]\";[2,[3]];{\"b\":[4]};null;");
}
END_TEST

START_TEST(what_is_no_array_has_no_items)
{
        ck_assert_str_eq(items_of("{\"a\":1}", -EINVAL), "");
        ck_assert_str_eq(items_of("1", -EINVAL), "");
        ck_assert_str_eq(items_of("[tru]", -EINVAL), "");
}
END_TEST

START_TEST(items_have_their_types)
{
        struct bytes rest = { "[true,\"x\",{}]", 13 }, item;
        enum json_type type;

        ck_assert_int_eq(json_next_item(&rest, &type, &item), 1);
        ck_assert_int_eq(type, JSON_TRUE);
        ck_assert_int_eq(json_next_item(&rest, &type, &item), 1);
        ck_assert_int_eq(type, JSON_STRING);
        ck_assert_int_eq(json_next_item(&rest, &type, &item), 1);
        ck_assert_int_eq(type, JSON_OBJECT);
        ck_assert_int_eq(json_next_item(&rest, &type, &item), 0);
        ck_assert_int_eq(json_next_item(&rest, &type, &item), 0);
}
END_TEST

int main(void)
{
        return RUN_SUITE("json_write_job", every_field_is_read_back_as_it_was,
                         delay_keeps_its_milliseconds, what_is_absent_is_not_written,
                         binary_payload_comes_back_bit_for_bit,
                         text_payload_with_nul_and_controls_comes_back_bit_for_bit,
                         items_come_one_after_the_other, what_is_no_array_has_no_items,
                         items_have_their_types);
}

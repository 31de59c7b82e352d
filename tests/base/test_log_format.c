#include "../runner.h"

#include <stdio.h>
#include <string.h>

#include <base/log_format.h>
#include <base/random.h>

#define LINE(json_, ...)                                              \
        format_line(json_, (const struct log_field[]){ __VA_ARGS__ }, \
                    sizeof((const struct log_field[]){ __VA_ARGS__ }) / sizeof(struct log_field))

/* What stands behind the event, without the end of the line. */
static const char *format_line(bool json, const struct log_field *fields, size_t n)
{
        static char text[LOG_LINE_MAX + 1];
        const struct log_line line = { 0, LOG_INFO, "e", fields, n };
        const struct log_style style = { .json = json };
        size_t size = log_format(text, &line, style);
        const char *head =
                json ? "{\"ts\":\"1970-01-01T00:00:00.000Z\",\"level\":\"info\",\"event\":\"e\""
                     : "ts=1970-01-01T00:00:00.000Z level=info event=e";

        ck_assert_uint_le(size, LOG_LINE_MAX);
        ck_assert_int_eq(text[size - 1], '\n');
        text[size - 1] = '\0';
        ck_assert_uint_eq(strlen(text), size - 1);
        ck_assert_msg(strncmp(text, head, strlen(head)) == 0, "%s", text);
        return text + strlen(head);
}

#define ck_value(value, logfmt, json)                                                \
        do {                                                                         \
                ck_assert_str_eq(LINE(false, F_STR("k", value)), " k=" logfmt);      \
                ck_assert_str_eq(LINE(true, F_STR("k", value)), ",\"k\":" json "}"); \
        } while (0)

static void assert_time(uint64_t wall_ms, const char *expected)
{
        const struct log_line line = { wall_ms, LOG_ERROR, "e", NULL, 0 };
        char text[LOG_LINE_MAX];
        size_t size = log_format(text, &line, (struct log_style){ 0 });
        char wanted[100];

        snprintf(wanted, sizeof(wanted), "ts=%s level=error event=e\n", expected);
        ck_assert_uint_eq(size, strlen(wanted));
        ck_assert_mem_eq(text, wanted, size);
}

START_TEST(time_is_utc_with_milliseconds)
{
        assert_time(0, "1970-01-01T00:00:00.000Z");
        assert_time(1, "1970-01-01T00:00:00.001Z");
        assert_time(951782399999, "2000-02-28T23:59:59.999Z");
        assert_time(951782400000, "2000-02-29T00:00:00.000Z");
        assert_time(951782400987, "2000-02-29T00:00:00.987Z");
        assert_time(1795253425070, "2026-11-21T09:30:25.070Z");
        assert_time(10, "1970-01-01T00:00:00.010Z");
}
END_TEST

START_TEST(every_kind_of_field_is_written)
{
        ck_assert_str_eq(LINE(false, F_STR("s", "text"), F_UINT("u", UINT64_MAX), F_UINT("z", 0),
                              F_INT("i", INT64_MIN), F_INT("j", 7), F_MS("m", 12345), F_MS("n", 5),
                              F_BYTES("b", "a\0b", 3)),
                         " s=text u=18446744073709551615 z=0 i=-9223372036854775808 j=7 "
                         "m=12.345 n=0.005 b=\"a\\u0000b\"");
        ck_assert_str_eq(LINE(true, F_STR("s", "text"), F_UINT("u", 12), F_INT("i", -1),
                              F_MS("m", 1050), F_BYTES("b", "xyz", 2)),
                         ",\"s\":\"text\",\"u\":12,\"i\":-1,\"m\":1.050,\"b\":\"xy\"}");
}
END_TEST

START_TEST(absent_fields_are_left_out)
{
        ck_assert_str_eq(
                LINE(false, F_STR("a", NULL), F_NONE, F_UINT("b", 1), F_BYTES("c", NULL, 0)),
                " b=1");
        ck_assert_str_eq(LINE(true, F_STR("a", NULL), F_NONE), "}");
        ck_assert_str_eq(LINE(true, F_BYTES("c", "", 0)), ",\"c\":\"\"}");
}
END_TEST

START_TEST(logfmt_quotes_only_what_needs_it)
{
        ck_value("plain-._:/@[]{}!~", "plain-._:/@[]{}!~", "\"plain-._:/@[]{}!~\"");
        ck_value("", "\"\"", "\"\"");
        ck_value("two words", "\"two words\"", "\"two words\"");
        ck_value("a=b", "\"a=b\"", "\"a=b\"");
        ck_value("say \"hi\"", "\"say \\\"hi\\\"\"", "\"say \\\"hi\\\"\"");
        ck_value("C:\\", "\"C:\\\\\"", "\"C:\\\\\"");
        ck_value("gr\xc3\xbc\xc3\x9f", "\"gr\xc3\xbc\xc3\x9f\"", "\"gr\xc3\xbc\xc3\x9f\"");
}
END_TEST

START_TEST(what_a_terminal_would_obey_is_escaped)
{
        ck_value("a\r\nb\tc", "\"a\\r\\nb\\tc\"", "\"a\\r\\nb\\tc\"");
        ck_value("\x1b[2J\x7f", "\"\\u001b[2J\\u007f\"", "\"\\u001b[2J\\u007f\"");
        ck_value("\b\f\x01", "\"\\b\\f\\u0001\"", "\"\\b\\f\\u0001\"");
        ck_value("\xc2\x80\xc2\x9b\xc2\x9f", "\"\\u0080\\u009b\\u009f\"",
                 "\"\\u0080\\u009b\\u009f\"");
        ck_value("\xc2\xa0", "\"\xc2\xa0\"", "\"\xc2\xa0\"");
}
END_TEST

START_TEST(what_reorders_or_breaks_lines_is_escaped)
{
        ck_value("\xd8\x9c", "\"\\u061c\"", "\"\\u061c\"");
        ck_value("\xe2\x80\x8e\xe2\x80\x8f", "\"\\u200e\\u200f\"", "\"\\u200e\\u200f\"");
        ck_value("\xe2\x80\xa8\xe2\x80\xa9", "\"\\u2028\\u2029\"", "\"\\u2028\\u2029\"");
        ck_value("\xe2\x80\xaa\xe2\x80\xae", "\"\\u202a\\u202e\"", "\"\\u202a\\u202e\"");
        ck_value("\xe2\x81\xa6\xe2\x81\xa9", "\"\\u2066\\u2069\"", "\"\\u2066\\u2069\"");
        /* their neighbours are not */
        ck_value("\xe2\x80\x90\xe2\x80\xaf\xe2\x81\xa5\xe2\x81\xaa",
                 "\"\xe2\x80\x90\xe2\x80\xaf\xe2\x81\xa5\xe2\x81\xaa\"",
                 "\"\xe2\x80\x90\xe2\x80\xaf\xe2\x81\xa5\xe2\x81\xaa\"");
}
END_TEST

#define R "\xef\xbf\xbd" /* U+FFFD */

START_TEST(what_is_not_utf8_is_replaced)
{
        ck_value("a\xff"
                 "b",
                 "\"a" R "b\"", "\"a" R "b\"");
        ck_value("\xc3", "\"" R "\"", "\"" R "\"");
        ck_value("\xc0\xaf", "\"" R R "\"", "\"" R R "\"");
        ck_value("\xed\xa0\x80", "\"" R R R "\"", "\"" R R R "\"");
        ck_value("\xf0\x9f\x98\x80\x80", "\"\xf0\x9f\x98\x80" R "\"", "\"\xf0\x9f\x98\x80" R "\"");
        ck_value("\xe2\x80\n", "\"" R R "\\n\"", "\"" R R "\\n\"");
}
END_TEST

/* Text of `n` times `unit`. */
static const char *repeat(const char *unit, size_t n)
{
        static char text[40000];
        char *at = text;

        ck_assert_uint_lt(n * strlen(unit), sizeof(text));
        for (size_t i = 0; i < n; i++)
                at = stpcpy(at, unit);
        *at = '\0';
        return text;
}

/* `unit` is written as `written`; so many of them are left, of `n`. */
static void assert_cut(const char *unit, size_t n, const char *written, size_t left)
{
        char expected[3 * LOG_VALUE_MAX], *at = expected;

        at += sprintf(at, ",\"k\":\"");
        for (size_t i = 0; i < left; i++)
                at = stpcpy(at, written);
        at += sprintf(at, "\"");
        if (left < n)
                at += sprintf(at, ",\"k_cut\":%zu", (n - left) * strlen(unit));
        sprintf(at, ",\"next\":1}");
        ck_assert_str_eq(LINE(true, F_STR("k", repeat(unit, n)), F_UINT("next", 1)), expected);
}

START_TEST(long_value_is_cut_between_characters_and_says_by_how_much)
{
        assert_cut("x", LOG_VALUE_MAX, "x", LOG_VALUE_MAX);
        assert_cut("x", LOG_VALUE_MAX + 1, "x", LOG_VALUE_MAX);
        assert_cut("x", 30000, "x", LOG_VALUE_MAX);
        assert_cut("\xe2\x82\xac", 400, "\xe2\x82\xac", LOG_VALUE_MAX / 3);
        assert_cut("\n", 1000, "\\n", LOG_VALUE_MAX / 2);
        assert_cut("\x1b", 200, "\\u001b", LOG_VALUE_MAX / 6);
        assert_cut("\xff", 400, R, LOG_VALUE_MAX / 3);

        ck_assert_str_eq(LINE(false, F_STR("k", repeat("x", LOG_VALUE_MAX))) + 3,
                         repeat("x", LOG_VALUE_MAX));
        ck_assert_ptr_nonnull(strstr(LINE(false, F_STR("k", repeat("x", 1030))), "xxx\" k_cut=6"));
}
END_TEST

START_TEST(line_is_bounded_and_says_how_many_fields_it_lacks)
{
        struct log_field fields[200];
        const char *text;

        for (size_t i = 0; i < 20; i++)
                fields[i] = F_STR("some_name", repeat("\x01", 2000));
        text = format_line(true, fields, 20);
        ck_assert_ptr_nonnull(strstr(text, "\"some_name_cut\":1830"));
        ck_assert_ptr_nonnull(strstr(text, ",\"fields_cut\":12}"));
        text = format_line(false, fields, 20);
        ck_assert_ptr_nonnull(strstr(text, " fields_cut=12"));

        for (size_t i = 0; i < 200; i++)
                fields[i] = F_STR("a", repeat("x", 40));
        text = format_line(false, fields, 200);
        ck_assert_ptr_nonnull(strstr(text, " fields_cut="));
        ck_assert_uint_gt(strlen(text), LOG_LINE_MAX - 300);
}
END_TEST

START_TEST(no_bytes_break_a_line_open)
{
        struct random random;
        char bytes[4][3000];
        struct log_field fields[4];

        random_seed(&random, 8);
        for (int round = 0; round < 2000; round++) {
                const char *text;

                for (size_t i = 0; i < 4; i++) {
                        size_t n = random_below(&random, i == 0 ? 3000 : 30);

                        for (size_t j = 0; j < n; j++)
                                bytes[i][j] = (char)random_next(&random);
                        fields[i] = F_BYTES("k", bytes[i], n);
                }
                text = format_line(round & 1, fields, 4);
                for (; *text; text++)
                        ck_assert_msg((unsigned char)*text >= ' ' && *text != 0x7f,
                                      "a control character");
        }
}
END_TEST

int main(void)
{
        return RUN_SUITE("log_format", time_is_utc_with_milliseconds,
                         every_kind_of_field_is_written, absent_fields_are_left_out,
                         logfmt_quotes_only_what_needs_it, what_a_terminal_would_obey_is_escaped,
                         what_reorders_or_breaks_lines_is_escaped, what_is_not_utf8_is_replaced,
                         long_value_is_cut_between_characters_and_says_by_how_much,
                         line_is_bounded_and_says_how_many_fields_it_lacks,
                         no_bytes_break_a_line_open);
}

#include "../runner.h"

#include <errno.h>
#include <string.h>

#include <base/parse.h>

#define UNTOUCHED 4711

/* All four forms of a test read the same: text, expected answer, expected value. */
#define ASSERT_READS(parse, text, expected)                      \
        do {                                                     \
                uint64_t _value = UNTOUCHED;                     \
                ck_assert_int_eq(parse(text, &_value), 0);       \
                ck_assert_uint_eq(_value, (uint64_t)(expected)); \
        } while (0)
#define ASSERT_REFUSES(parse, text, error)                     \
        do {                                                   \
                uint64_t _value = UNTOUCHED;                   \
                ck_assert_int_eq(parse(text, &_value), error); \
                ck_assert_uint_eq(_value, UNTOUCHED);          \
        } while (0)

START_TEST(whole_numbers_are_digits_and_nothing_else)
{
        static const char *const refused[] = { "",   "017", "00",  "+1",   "-1",    " 1", "1 ",
                                               "1.", "1.5", "1e3", "0x10", "1_000", "no", "١" };

        ASSERT_READS(parse_u64, "0", 0);
        ASSERT_READS(parse_u64, "17", 17);
        ASSERT_READS(parse_u64, "18446744073709551615", UINT64_MAX);
        for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
                ASSERT_REFUSES(parse_u64, refused[i], -EINVAL);
        ASSERT_REFUSES(parse_u64, "18446744073709551616", -ERANGE);
        ASSERT_REFUSES(parse_u64, "99999999999999999999999", -ERANGE);
}
END_TEST

START_TEST(durations_have_a_unit_save_for_0)
{
        static const char *const refused[] = { "",    "30",   "s",  "1.5s",  "-1s", "30 s", "30S",
                                               "1us", "1min", "1w", "1h30m", "00",  "0x1s", "1ss" };

        ASSERT_READS(parse_duration, "0", 0);
        ASSERT_READS(parse_duration, "0s", 0);
        ASSERT_READS(parse_duration, "250ms", 250 * PEN_MSEC);
        ASSERT_READS(parse_duration, "30s", 30 * PEN_SEC);
        ASSERT_READS(parse_duration, "5m", 5 * PEN_MINUTE);
        ASSERT_READS(parse_duration, "2h", 2 * PEN_HOUR);
        ASSERT_READS(parse_duration, "7d", 7 * PEN_DAY);
        for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
                ASSERT_REFUSES(parse_duration, refused[i], -EINVAL);
        ASSERT_READS(parse_duration, "213503982d", 213503982 * PEN_DAY);
        ASSERT_REFUSES(parse_duration, "213503983d", -ERANGE);
        ASSERT_REFUSES(parse_duration, "99999999999999999999d", -ERANGE);
}
END_TEST

START_TEST(sizes_have_a_binary_unit_save_for_0)
{
        static const char *const refused[] = { "",     "1",     "1K",  "1KB",
                                               "1kib", "1 MiB", "MiB", "1.5MiB" };

        ASSERT_READS(parse_size, "0", 0);
        ASSERT_READS(parse_size, "512B", 512);
        ASSERT_READS(parse_size, "64KiB", 65536);
        ASSERT_READS(parse_size, "1MiB", 1048576);
        ASSERT_READS(parse_size, "2GiB", 2147483648);
        for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
                ASSERT_REFUSES(parse_size, refused[i], -EINVAL);
        ASSERT_READS(parse_size, "17179869183GiB", 17179869183ull << 30);
        ASSERT_REFUSES(parse_size, "17179869184GiB", -ERANGE);
}
END_TEST

START_TEST(rates_are_a_number_per_unit_of_time)
{
        static const char *const refused[] = {
                "", "100", "/s", "0.5/s", "100/ms", "100 /s", "-1/s"
        };
        double rate = 0;

        ck_assert_int_eq(parse_rate("100/s", &rate), 0);
        ck_assert_double_eq(rate, 100);
        ck_assert_int_eq(parse_rate("6000/m", &rate), 0);
        ck_assert_double_eq(rate, 100);
        ck_assert_int_eq(parse_rate("36/h", &rate), 0);
        ck_assert_double_eq(rate, 0.01);
        ck_assert_int_eq(parse_rate("86400/d", &rate), 0);
        ck_assert_double_eq(rate, 1);
        for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
                ck_assert_int_eq(parse_rate(refused[i], &rate), -EINVAL);
        ck_assert_int_eq(parse_rate("0/s", &rate), -ERANGE);
        ck_assert_double_eq(rate, 1);
}
END_TEST

START_TEST(times_are_rfc_3339_or_epoch_milliseconds)
{
        ASSERT_READS(parse_time, "0", 0);
        ASSERT_READS(parse_time, "1700000000000", 1700000000000);
        ASSERT_READS(parse_time, "1970-01-01T00:00:00Z", 0);
        ASSERT_READS(parse_time, "2026-11-21T09:30:00Z", 1795253400000);
        ASSERT_READS(parse_time, "2026-11-21t09:30:00z", 1795253400000);
        ASSERT_READS(parse_time, "2026-11-21 09:30:00Z", 1795253400000);
        ASSERT_READS(parse_time, "2026-11-21T09:30:00.5Z", 1795253400500);
        ASSERT_READS(parse_time, "2026-11-21T09:30:00.0129Z", 1795253400012);
        ASSERT_READS(parse_time, "2026-11-21T11:30:00+02:00", 1795253400000);
        ASSERT_READS(parse_time, "2026-11-21T04:00:00-05:30", 1795253400000);
        ASSERT_READS(parse_time, "2024-02-29T00:00:00Z", 1709164800000);
        ASSERT_READS(parse_time, "2000-02-29T00:00:00Z", 951782400000);
        ASSERT_READS(parse_time, "2016-12-31T23:59:60Z", 1483228800000);
        ASSERT_READS(parse_time, "9999-12-31T23:59:59.999Z", 253402300799999);
}
END_TEST

START_TEST(times_that_are_none_are_refused)
{
        static const char *const refused[] = {
                "",
                "now",
                "-1",
                "1.5",
                "2026-11-21",
                "2026-11-21T09:30Z",
                "2026-11-21T09:30:00",
                "2026-11-21T09:30:00.Z",
                "2026-11-21T09:30:00Zx",
                "2026-11-21T09:30:00+0200",
                "2026-11-21T09:30:00+24:00",
                "2026-11-21X09:30:00Z",
                "2026-13-01T00:00:00Z",
                "2026-00-01T00:00:00Z",
                "2026-02-29T00:00:00Z",
                "1900-02-29T00:00:00Z",
                "2100-02-29T00:00:00Z",
                "2026-04-31T00:00:00Z",
                "2026-11-21T24:00:00Z",
                "2026-11-21T09:60:00Z",
                "2026-11-21T09:30:61Z",
                "26-11-21T09:30:00Z",
                "1969-12-31T23:59:59Z",
                " 2026-11-21T09:30:00Z",
        };

        for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
                ASSERT_REFUSES(parse_time, refused[i], -EINVAL);
        ASSERT_REFUSES(parse_time, "1970-01-01T00:00:00+01:00", -ERANGE);
        ASSERT_REFUSES(parse_time, "18446744073709551616", -ERANGE);
}
END_TEST

/* Text of `n` letters. */
static const char *letters(size_t n)
{
        static char text[200];

        memset(text, 'x', n);
        text[n] = '\0';
        return text;
}

START_TEST(names_have_1_to_64_of_their_letters)
{
        static const char *const refused[] = {
                "", "*", "{}", "../", "a b", "a\n", "a:", "é", "a/b"
        };

        ck_assert(parse_is_name("azAZ09_.-", 9));
        ck_assert(parse_is_name(letters(64), 64));
        ck_assert(!parse_is_name(letters(65), 65));
        ck_assert(!parse_is_name("a\0b", 3));
        ck_assert(!parse_is_name("a\0", 2));
        for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
                ck_assert_msg(!parse_is_name(refused[i], strlen(refused[i])), "%s", refused[i]);
}
END_TEST

START_TEST(ids_have_1_to_128_of_their_letters)
{
        ck_assert(parse_is_id("azAZ09_.:-", 10));
        ck_assert(parse_is_id(letters(128), 128));
        ck_assert(!parse_is_id(letters(129), 129));
        ck_assert(!parse_is_id("", 0));
        ck_assert(!parse_is_id("a\0b", 3));
        ck_assert(!parse_is_id("a/b", 3));
        ck_assert(!parse_is_id("a b", 3));
}
END_TEST

int main(void)
{
        return RUN_SUITE("parse", whole_numbers_are_digits_and_nothing_else,
                         durations_have_a_unit_save_for_0, sizes_have_a_binary_unit_save_for_0,
                         rates_are_a_number_per_unit_of_time,
                         times_are_rfc_3339_or_epoch_milliseconds, times_that_are_none_are_refused,
                         names_have_1_to_64_of_their_letters, ids_have_1_to_128_of_their_letters);
}

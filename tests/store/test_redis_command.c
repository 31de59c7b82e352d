#include "../runner.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <string.h>

#include <store/redis/command.h>

/* hiredis has the word on how a command is written. */
static void expect_as_hiredis(const struct redis_arg *args, size_t n)
{
        PEN_CLEANUP(buffer_deinit) struct buffer b = { 0 };
        const char *argv[32];
        size_t sizes[32];
        char *expected;
        int size;

        for (size_t i = 0; i < n; i++) {
                argv[i] = args[i].data;
                sizes[i] = args[i].size;
        }
        size = (int)redisFormatCommandArgv(&expected, (int)n, argv,
                                           sizes); /* an int up to hiredis 0.14 */
        ck_assert_int_gt(size, 0);
        ck_assert_int_eq(buffer_append(&b, "before", 6), 0);
        ck_assert_int_eq(command_format(&b, args, n), 0);
        ck_assert_uint_eq(buffer_size(&b), 6 + (size_t)size);
        ck_assert_int_eq(memcmp(buffer_data(&b), "before", 6), 0);
        ck_assert_int_eq(memcmp(buffer_data(&b) + 6, expected, (size_t)size), 0);
        redisFreeCommand(expected);
}

START_TEST(is_written_as_hiredis_writes_it)
{
        static char large[100000];
        const struct redis_arg args[] = {
                { "XADD", 4 },   { "q", 1 },       { "", 0 },        { "a\0b\r\n", 5 },
                { large, 9 },    { large, 10 },    { large, 11 },    { large, 99 },
                { large, 100 },  { large, 101 },   { large, 999 },   { large, 1000 },
                { large, 9999 }, { large, 10000 }, { large, 99999 }, { large, 100000 },
        };

        memset(large, 'x', sizeof(large));
        for (size_t n = 1; n <= ARRAY_SIZE(args); n++)
                expect_as_hiredis(args, n);
}
END_TEST

START_TEST(an_empty_argument_needs_no_pointer)
{
        PEN_CLEANUP(buffer_deinit) struct buffer b = { 0 };
        const struct redis_arg args[] = { { "ECHO", 4 }, { NULL, 0 } };
        const char expected[] = "*2\r\n$4\r\nECHO\r\n$0\r\n\r\n";

        ck_assert_int_eq(command_format(&b, args, 2), 0);
        ck_assert_uint_eq(buffer_size(&b), strlen(expected));
        ck_assert_int_eq(memcmp(buffer_data(&b), expected, strlen(expected)), 0);
}
END_TEST

int main(void)
{
        return RUN_SUITE("redis_command", is_written_as_hiredis_writes_it,
                         an_empty_argument_needs_no_pointer);
}

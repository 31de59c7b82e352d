#include "../runner.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <base/buffer.h>
#include <base/random.h>
#include <store/redis/reply.h>

#define MAX_SIZE ((size_t)1 << 20)

static struct reply_reader *reader_of(size_t max)
{
        struct reply_reader *r;

        ck_assert_int_eq(reply_reader_create(max, &r), 0);
        return r;
}

static void reader_freep(struct reply_reader **r)
{
        reply_reader_free(*r);
}

#define READER_OF(r, max) PEN_CLEANUP(reader_freep) struct reply_reader *r = reader_of(max)
#define READER(r) READER_OF(r, MAX_SIZE)

static int feed(struct reply_reader *r, const char *text)
{
        return reply_reader_feed(r, text, strlen(text));
}

/* An answer as text: 1 "string" +status -error nil [ ... ] */
static void describe(const struct reply *reply, struct buffer *b)
{
        static const char *const forms[] = {
                [REPLY_STRING] = "\"%s\"",
                [REPLY_STATUS] = "+%s",
                [REPLY_ERROR] = "-%s",
        };

        switch (reply->type) {
        case REPLY_NIL:
                ck_assert_int_eq(buffer_printf(b, "nil"), 0);
                return;
        case REPLY_INTEGER:
                ck_assert_int_eq(buffer_printf(b, "%lld", (long long)reply->integer), 0);
                return;
        case REPLY_ARRAY:
                ck_assert_int_eq(buffer_printf(b, "["), 0);
                for (size_t i = 0; i < reply->n; i++) {
                        ck_assert_int_eq(buffer_printf(b, i > 0 ? " " : ""), 0);
                        describe(&reply->items[i], b);
                }
                ck_assert_int_eq(buffer_printf(b, "]"), 0);
                return;
        default:
                ck_assert_uint_eq(strlen(reply->data), reply->n);
                ck_assert_int_eq(buffer_printf(b, forms[reply->type], reply->data), 0);
        }
}

static void expect_next(struct reply_reader *r, const char *expected)
{
        PEN_CLEANUP(answer_freep) struct answer *answer = NULL;
        PEN_CLEANUP(buffer_deinit) struct buffer b = { 0 };
        int n = reply_reader_next(r, &answer);

        ck_assert_msg(n == 1, "%d: %s", n, reply_reader_error(r));
        describe(&answer->reply, &b);
        ck_assert_int_eq(buffer_append(&b, "", 1), 0);
        ck_assert_str_eq(buffer_data(&b), expected);
}

static void expect_none(struct reply_reader *r)
{
        struct answer *answer;

        ck_assert_int_eq(reply_reader_next(r, &answer), 0);
}

/* Drops the good answers before it. */
static void expect_error(struct reply_reader *r, int error, const char *part)
{
        struct answer *answer;
        int n;

        while ((n = reply_reader_next(r, &answer)) > 0)
                answer_free(answer);
        ck_assert_msg(n == error, "%d instead of %d: %s", n, error, reply_reader_error(r));
        ck_assert_msg(strstr(reply_reader_error(r), part), "%s", reply_reader_error(r));
}

static const struct good {
        const char *bytes, *answer;
} good[] = {
        { "+OK\r\n", "+OK" },
        { "+\r\n", "+" },
        { "-ERR what\r\n", "-ERR what" },
        { ":0\r\n", "0" },
        { ":-1\r\n", "-1" },
        { ":9223372036854775807\r\n", "9223372036854775807" },
        { ":-9223372036854775808\r\n", "-9223372036854775808" },
        { "$5\r\nhello\r\n", "\"hello\"" },
        { "$0\r\n\r\n", "\"\"" },
        { "$4\r\n\r\n\r\n\r\n", "\"\r\n\r\n\"" },
        { "$-1\r\n", "nil" },
        { "*-1\r\n", "nil" },
        { "*0\r\n", "[]" },
        { "*1\r\n*0\r\n", "[[]]" },
        { "*3\r\n*0\r\n*-1\r\n$-1\r\n", "[[] nil nil]" },
        { "*2\r\n$1\r\na\r\n:7\r\n", "[\"a\" 7]" },
        { "*3\r\n+OK\r\n-NOSCRIPT gone\r\n*2\r\n:1\r\n:2\r\n", "[+OK -NOSCRIPT gone [1 2]]" },
        { "*2\r\n*2\r\n:1\r\n*1\r\n$2\r\nab\r\n$1\r\nc\r\n", "[[1 [\"ab\"]] \"c\"]" },
        { "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:7\r\n", "[[[[[[[7]]]]]]]" },
};

START_TEST(each_form_is_read)
{
        for (const struct good *g = good; g < good + ARRAY_SIZE(good); g++) {
                READER(r);

                ck_assert_int_eq(feed(r, g->bytes), 0);
                expect_next(r, g->answer);
                expect_none(r);
        }
}
END_TEST

START_TEST(it_does_not_matter_how_the_bytes_arrive)
{
        READER(r);

        for (const struct good *g = good; g < good + ARRAY_SIZE(good); g++) {
                size_t n = strlen(g->bytes);

                for (size_t i = 0; i < n; i++) {
                        expect_none(r);
                        ck_assert_int_eq(reply_reader_feed(r, g->bytes + i, 1), 0);
                }
                expect_next(r, g->answer);
        }
        expect_none(r);
}
END_TEST

START_TEST(answers_keep_their_order)
{
        READER(r);

        for (const struct good *g = good; g < good + ARRAY_SIZE(good); g++)
                ck_assert_int_eq(feed(r, g->bytes), 0);
        for (const struct good *g = good; g < good + ARRAY_SIZE(good); g++)
                expect_next(r, g->answer);
        expect_none(r);
}
END_TEST

START_TEST(an_answer_outlives_its_reader)
{
        struct reply_reader *r = reader_of(MAX_SIZE);
        struct answer *answer;

        ck_assert_int_eq(feed(r, "*2\r\n$5\r\nhello\r\n*1\r\n:7\r\n+next\r\n"), 0);
        ck_assert_int_eq(reply_reader_next(r, &answer), 1);
        expect_next(r, "+next");
        reply_reader_free(r);
        ck_assert_str_eq(answer->reply.items[0].data, "hello");
        ck_assert_int_eq(answer->reply.items[1].items[0].integer, 7);
        answer_free(answer);
}
END_TEST

START_TEST(strings_are_binary_and_end_in_nul)
{
        PEN_CLEANUP(answer_freep) struct answer *answer = NULL;
        READER(r);
        char bytes[256 + 16];
        int n = sprintf(bytes, "$256\r\n");

        for (int i = 0; i < 256; i++)
                bytes[n + i] = (char)i;
        memcpy(bytes + n + 256, "\r\n", 2);
        ck_assert_int_eq(reply_reader_feed(r, bytes, (size_t)n + 258), 0);
        ck_assert_int_eq(reply_reader_next(r, &answer), 1);
        ck_assert_int_eq(answer->reply.type, REPLY_STRING);
        ck_assert_uint_eq(answer->reply.n, 256);
        ck_assert_int_eq(memcmp(answer->reply.data, bytes + n, 256), 0);
        ck_assert_int_eq(answer->reply.data[256], '\0');
}
END_TEST

/* What XREADGROUP gives: [[key, [[id, [field, value, …]], …]]] */
static void put_entries(struct buffer *b, int n, int fields)
{
        ck_assert_int_eq(buffer_printf(b, "*1\r\n*2\r\n$3\r\nkey\r\n*%d\r\n", n), 0);
        for (int i = 0; i < n; i++) {
                ck_assert_int_eq(
                        buffer_printf(b, "*2\r\n$15\r\n1763700000%03d-0\r\n*%d\r\n", i, 2 * fields),
                        0);
                for (int j = 0; j < fields; j++)
                        ck_assert_int_eq(buffer_printf(b, "$6\r\nfield%d\r\n$%d\r\n%0*d\r\n", j,
                                                       10 * (j + 1), 10 * (j + 1), i),
                                         0);
        }
}

START_TEST(a_long_answer_is_whole)
{
        PEN_CLEANUP(answer_freep) struct answer *answer = NULL;
        PEN_CLEANUP(buffer_deinit) struct buffer b = { 0 };
        const struct reply *entries;
        READER(r);

        put_entries(&b, 128, 9);
        ck_assert_int_eq(reply_reader_feed(r, buffer_data(&b), buffer_size(&b)), 0);
        ck_assert_int_eq(reply_reader_next(r, &answer), 1);
        entries = &answer->reply.items[0].items[1];
        ck_assert_uint_eq(entries->n, 128);
        for (size_t i = 0; i < 128; i++) {
                const struct reply *entry = &entries->items[i];
                char id[32];

                snprintf(id, sizeof(id), "1763700000%03zu-0", i);
                ck_assert_uint_eq(entry->n, 2);
                ck_assert_str_eq(entry->items[0].data, id);
                ck_assert_uint_eq(entry->items[1].n, 18);
                for (size_t j = 0; j < 9; j++) {
                        const struct reply *value = &entry->items[1].items[2 * j + 1];

                        ck_assert_uint_eq(value->n, 10 * (j + 1));
                        ck_assert_uint_eq((size_t)atol(value->data), i);
                }
        }
}
END_TEST

/* --- what breaks it ----------------------------------------------------------------------------- */

static const struct bad {
        const char *bytes;
        int error;
        const char *part;
} bad[] = {
        { "HTTP/1.1 400 Bad Request\r\n\r\n", -EPROTO, "\"H\"" },
        { "\r\n", -EPROTO, "\\r" },
        { "$x\r\n", -EPROTO, "length" },
        { "$-2\r\n", -EPROTO, "range" },
        { "$99999999999999999999\r\n", -EPROTO, "length" },
        { "*-2\r\n", -EPROTO, "range" },
        { "*x\r\n", -EPROTO, "length" },
        { ":1x\r\n", -EPROTO, "integer" },
        { ":\r\n", -EPROTO, "integer" },
        { ":9223372036854775808\r\n", -EPROTO, "integer" },
        { "*2\r\n:1\r\n!oops\r\n", -EPROTO, "\"!\"" },
        { "*2000000000\r\n", -EMSGSIZE, "more than 1048576 bytes" },
        { "*2147483647\r\n", -EMSGSIZE, "more than" },
        { "*2\r\n:1\r\n*50000\r\n", -EMSGSIZE, "more than" },
        { "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:8\r\n", -EMSGSIZE, "too deep" },
        { "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*0\r\n", -EMSGSIZE, "too deep" },
        /* RESP3, which we did not ask for: hiredis reads some of it, or none, by its version. */
        { ",1.5\r\n", -EPROTO, "" },
        { "#t\r\n", -EPROTO, "" },
        { "(123456789\r\n", -EPROTO, "" },
        { "=5\r\ntxt:a\r\n", -EPROTO, "" },
        { "%1\r\n:1\r\n:2\r\n", -EPROTO, "" },
        { "~1\r\n:1\r\n", -EPROTO, "" },
        { ">1\r\n+message\r\n", -EPROTO, "" },
        { "*3\r\n:1\r\n,1.5\r\n#f\r\n", -EPROTO, "" },
};

START_TEST(what_is_not_an_answer_is_named)
{
        for (const struct bad *b = bad; b < bad + ARRAY_SIZE(bad); b++) {
                READER(r);

                ck_assert_int_eq(feed(r, "+before\r\n"), 0);
                ck_assert_int_eq(feed(r, b->bytes), 0);
                expect_next(r, "+before");
                expect_error(r, b->error, b->part);
        }
}
END_TEST

START_TEST(an_error_is_the_last_word)
{
        READER(r);

        ck_assert_int_eq(feed(r, ":x\r\n"), 0);
        expect_error(r, -EPROTO, "integer");
        ck_assert_int_eq(feed(r, "+OK\r\n"), -EPROTO);
        expect_error(r, -EPROTO, "integer");
}
END_TEST

START_TEST(ten_thousand_levels_harm_nobody)
{
        READER(r);

        for (int i = 0; i < 10000; i++)
                if (feed(r, "*1\r\n") < 0)
                        break;
        expect_error(r, -EMSGSIZE, "too deep");
}
END_TEST

/* How the reader ends with a bulk of `size` bytes that comes by and by. */
static int read_bulk(struct reply_reader *r, size_t size)
{
        static char chunk[65536];
        struct answer *answer;
        char head[32];
        int n;

        snprintf(head, sizeof(head), "$%zu\r\n", size);
        n = feed(r, head);
        while (n == 0 && size > 0) {
                size_t part = MIN(size, sizeof(chunk));

                n = reply_reader_feed(r, chunk, part);
                if (n == 0)
                        n = reply_reader_next(r, &answer);
                size -= part;
        }
        if (n == 0)
                n = feed(r, "\r\n");
        if (n == 0)
                n = reply_reader_next(r, &answer);
        if (n == 1)
                answer_free(answer);
        return n;
}

START_TEST(what_an_answer_may_cost_is_bounded)
{
        READER_OF(small, 100000);
        READER_OF(exact, 100001);
        READER(large);

        ck_assert_int_eq(read_bulk(exact, 100000), 1); /* and a NUL */
        ck_assert_int_eq(read_bulk(exact, 100000), 1); /* each for itself */
        ck_assert_int_eq(read_bulk(small, 100000), -EMSGSIZE);
        ck_assert_int_eq(read_bulk(large, SIZE_MAX / 4), -EMSGSIZE);
}
END_TEST

START_TEST(the_bound_is_of_all_values_together)
{
        READER_OF(r, 10000);

        ck_assert_int_eq(feed(r, "*10\r\n"), 0);
        for (int i = 0; i < 9; i++) {
                char text[1100];
                int n = sprintf(text, "$1000\r\n%01000d\r\n", i);

                ck_assert_int_eq(reply_reader_feed(r, text, (size_t)n), 0);
                expect_none(r);
        }
        /* 10 values and 9 strings are 9,249 bytes. */
        ck_assert_int_eq(feed(r, "$760\r\n"), 0);
        for (int i = 0; i < 76; i++)
                ck_assert_int_eq(feed(r, "0123456789"), 0);
        ck_assert_int_eq(feed(r, "\r\n"), 0);
        expect_error(r, -EMSGSIZE, "more than 10000 bytes");
}
END_TEST

START_TEST(a_line_without_an_end_is_not_waited_for)
{
        READER_OF(r, (size_t)1 << 30);
        static char chunk[65536];
        struct answer *answer;
        int n = feed(r, "+"), chunks = 0;

        memset(chunk, 'x', sizeof(chunk));
        while (n == 0 && chunks++ < 100) {
                n = reply_reader_feed(r, chunk, sizeof(chunk));
                if (n == 0)
                        n = reply_reader_next(r, &answer);
        }
        ck_assert_int_eq(n, -EPROTO);
        ck_assert_str_eq(reply_reader_error(r), "a line without an end");
        ck_assert_int_le(chunks, 3);
}
END_TEST

/* Any bytes give answers or an error; ASan watches. A generator of near misses finds more than noise does. */
START_TEST(any_bytes_are_survived)
{
        static const char *const pieces[] = { "*", "$", ":", "+",  "-",  "\r\n", "0",
                                              "1", "2", "7", "-1", "\r", "\n",   "abc",
                                              "_", ",", "#", "%",  "~" };
        struct random random;

        random_seed(&random, 7);
        for (int i = 0; i < 20000; i++) {
                READER_OF(r, 4096);
                struct answer *answer;
                int n = 0;

                for (int j = 0; j < 24 && n >= 0; j++) {
                        n = feed(r, pieces[random_below(&random, ARRAY_SIZE(pieces))]);
                        while (n >= 0 && (n = reply_reader_next(r, &answer)) > 0)
                                answer_free(answer);
                }
        }
}
END_TEST

int main(void)
{
        return RUN_SUITE("redis_reply", each_form_is_read, it_does_not_matter_how_the_bytes_arrive,
                         answers_keep_their_order, an_answer_outlives_its_reader,
                         strings_are_binary_and_end_in_nul, a_long_answer_is_whole,
                         what_is_not_an_answer_is_named, an_error_is_the_last_word,
                         ten_thousand_levels_harm_nobody, what_an_answer_may_cost_is_bounded,
                         the_bound_is_of_all_values_together,
                         a_line_without_an_end_is_not_waited_for, any_bytes_are_survived);
}

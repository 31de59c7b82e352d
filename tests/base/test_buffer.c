#include "../runner.h"

#include <errno.h>
#include <string.h>

#include <base/buffer.h>
#include <base/random.h>

static void assert_contents(const struct buffer *b, const char *expected)
{
        ck_assert_uint_eq(buffer_size(b), strlen(expected));
        ck_assert_mem_eq(buffer_data(b), expected, strlen(expected));
}

START_TEST(appends_behind_and_consumes_in_front)
{
        struct buffer b = { 0 };

        ck_assert_uint_eq(buffer_size(&b), 0);
        ck_assert_int_eq(buffer_append(&b, "hello ", 6), 0);
        ck_assert_int_eq(buffer_append(&b, NULL, 0), 0);
        ck_assert_int_eq(buffer_printf(&b, "%s %d", "world", 42), 0);
        assert_contents(&b, "hello world 42");
        buffer_consume(&b, 6);
        assert_contents(&b, "world 42");
        buffer_consume(&b, 8);
        ck_assert_uint_eq(buffer_size(&b), 0);
        buffer_deinit(&b);
}
END_TEST

START_TEST(reserved_room_becomes_contents_when_added)
{
        struct buffer b = { 0 };
        char *to;

        ck_assert_int_eq(buffer_append(&b, "a", 1), 0);
        ck_assert_int_eq(buffer_reserve(&b, 1000, &to), 0);
        memset(to, 'b', 1000);
        assert_contents(&b, "a");
        buffer_added(&b, 3);
        assert_contents(&b, "abbb");
        buffer_deinit(&b);
}
END_TEST

START_TEST(impossible_size_is_refused_and_nothing_changes)
{
        struct buffer b = { 0 };
        char *to;

        ck_assert_int_eq(buffer_append(&b, "kept", 4), 0);
        ck_assert_int_eq(buffer_reserve(&b, SIZE_MAX, &to), -ENOMEM);
        ck_assert_int_eq(buffer_reserve(&b, SIZE_MAX / 4, &to), -ENOMEM);
        assert_contents(&b, "kept");
        buffer_deinit(&b);
}
END_TEST

START_TEST(clear_keeps_the_memory)
{
        struct buffer b = { 0 };
        char *base;

        ck_assert_int_eq(buffer_append(&b, "abc", 3), 0);
        base = b.base;
        buffer_clear(&b);
        ck_assert_uint_eq(buffer_size(&b), 0);
        ck_assert_int_eq(buffer_append(&b, "d", 1), 0);
        ck_assert_ptr_eq(b.base, base);
        assert_contents(&b, "d");
        buffer_deinit(&b);
        ck_assert_ptr_null(b.base);
}
END_TEST

START_TEST(taken_contents_end_with_nul_and_leave_it_empty)
{
        struct buffer b = { 0 };
        size_t size;
        char *text;

        ck_assert_int_eq(buffer_append(&b, "--text", 6), 0);
        buffer_consume(&b, 2);
        text = buffer_take(&b, &size);
        ck_assert_str_eq(text, "text");
        ck_assert_uint_eq(size, 4);
        ck_assert_ptr_null(b.base);
        ck_assert_uint_eq(buffer_size(&b), 0);
        free(text);

        text = buffer_take(&b, NULL);
        ck_assert_str_eq(text, "");
        free(text);
}
END_TEST

/* A reader that is always one message behind must not pay for the whole backlog at each step. */
START_TEST(steady_flow_through_a_full_buffer_seldom_moves_it)
{
        struct buffer b = { 0 };
        char *to, *base;
        int moves = 0;

        ck_assert_int_eq(buffer_reserve(&b, 1 << 16, &to), 0);
        memset(to, 'x', b.allocated);
        buffer_added(&b, b.allocated);
        base = b.base;
        for (int i = 0; i < 10000; i++) {
                size_t start;

                buffer_consume(&b, 1);
                start = b.start;
                ck_assert_int_eq(buffer_append(&b, "y", 1), 0);
                moves += b.base != base || b.start != start;
                base = b.base;
        }
        ck_assert_int_le(moves, 2);
        ck_assert_uint_eq(buffer_size(&b), 1 << 16);
        buffer_deinit(&b);
}
END_TEST

START_TEST(memory_stays_within_four_times_the_contents)
{
        struct buffer b = { 0 };

        for (size_t i = 0; i < 10000; i++) {
                ck_assert_int_eq(buffer_append(&b, "0123456789", 10), 0);
                if (buffer_size(&b) > 1000)
                        buffer_consume(&b, 10);
                ck_assert_uint_le(b.allocated, 4096);
        }
        buffer_deinit(&b);
}
END_TEST

START_TEST(random_operations_keep_the_bytes_in_order)
{
        struct buffer b = { 0 };
        struct random r;
        uint8_t in = 0, out = 0;
        int wrong = 0;

        random_seed(&r, 1);
        for (int step = 0; step < 20000; step++) {
                size_t n = random_below(&r, 200);

                if (random_below(&r, 2)) {
                        char *to;

                        ck_assert_int_eq(buffer_reserve(&b, n, &to), 0);
                        for (size_t i = 0; i < n; i++)
                                to[i] = (char)in++;
                        buffer_added(&b, n);
                } else {
                        n = MIN(n, buffer_size(&b));
                        for (size_t i = 0; i < n; i++)
                                wrong += (uint8_t)buffer_data(&b)[i] != out++;
                        buffer_consume(&b, n);
                }
                ck_assert_uint_eq((uint8_t)buffer_size(&b), (uint8_t)(in - out));
        }
        ck_assert_int_eq(wrong, 0);
        buffer_deinit(&b);
}
END_TEST

int main(void)
{
        return RUN_SUITE("buffer", appends_behind_and_consumes_in_front,
                         reserved_room_becomes_contents_when_added,
                         impossible_size_is_refused_and_nothing_changes, clear_keeps_the_memory,
                         taken_contents_end_with_nul_and_leave_it_empty,
                         steady_flow_through_a_full_buffer_seldom_moves_it,
                         memory_stays_within_four_times_the_contents,
                         random_operations_keep_the_bytes_in_order);
}

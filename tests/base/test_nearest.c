#include "../runner.h"

#include <string.h>

#include <base/nearest.h>

static const char *nearest_of(const char *word, size_t size)
{
        static const char *const known[] = { "concurrency", "rate", "retry", "dead", "types" };
        struct nearest nearest = { .word = word, .size = size };

        for (size_t i = 0; i < ARRAY_SIZE(known); i++)
                nearest_try(&nearest, known[i]);
        return nearest.name;
}

#define ASSERT_NEAREST(word, name) ck_assert_str_eq(nearest_of(word, strlen(word)), name)

START_TEST(one_letter_more_less_or_other_is_near)
{
        ASSERT_NEAREST("concurency", "concurrency");
        ASSERT_NEAREST("rates", "rate");
        ASSERT_NEAREST("type", "types");
        ASSERT_NEAREST("retri", "retry");
        ASSERT_NEAREST("daed", "dead");
        ASSERT_NEAREST("rate", "rate");
}
END_TEST

START_TEST(of_those_equally_near_the_first_is_taken)
{
        ASSERT_NEAREST("", "rate");
        ASSERT_NEAREST("\xff\xff\xff\xff", "rate");
}
END_TEST

START_TEST(the_word_ends_at_its_size)
{
        ck_assert_str_eq(nearest_of("deadconcurrency", 4), "dead");
}
END_TEST

START_TEST(long_words_are_cut_and_long_names_never_the_nearest)
{
        static char word[100000], name[NEAREST_NAME_MAX + 2];
        struct nearest nearest = { .word = word, .size = sizeof(word) };

        memset(word, 'x', sizeof(word));
        memset(name, 'x', NEAREST_NAME_MAX + 1);
        nearest_try(&nearest, name);
        ck_assert_ptr_null(nearest.name);
        nearest_try(&nearest, name + 1);
        ck_assert_str_eq(nearest.name, name + 1);
        ck_assert_uint_eq(nearest.distance, 0);
}
END_TEST

int main(void)
{
        return RUN_SUITE("nearest", one_letter_more_less_or_other_is_near,
                         of_those_equally_near_the_first_is_taken, the_word_ends_at_its_size,
                         long_words_are_cut_and_long_names_never_the_nearest);
}

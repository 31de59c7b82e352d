/* One program that mixes what tasks can wait for, in the order that a seed picks, many seeds long. A
 * model beside it knows what each call must answer; the library must agree, at every step.
 *
 *     SEED=17 tests/async/test_seeds      # plays that one alone, and tells each step
 */
#include "mixed.h"

#include <dirent.h>
#include <malloc.h>
#include <stdio.h>

static size_t first_of(size_t *n)
{
        const char *one = getenv("SEED");

        if (one)
                *n = 1;
        return one ? strtoull(one, NULL, 10) : 1;
}

START_TEST(any_order_keeps_the_promises)
{
        size_t n = many(10000, 500), first = first_of(&n);
        pen_usec began = loop_real_time();

        for (size_t seed = first; seed < first + n; seed++)
                mixed_play(seed);
        printf("%zu seeds hold, in %.1f s\n", n, (double)(loop_real_time() - began) / PEN_SEC);
}
END_TEST

START_TEST(the_same_seed_plays_the_same_order_and_another_another)
{
        size_t n = many(1000, 50), first = first_of(&n);
        struct mixed_trace *traces = calloc(n, sizeof(*traces));

        for (size_t i = 0; i < n; i++)
                traces[i] = mixed_play(first + i);
        for (size_t i = 0; i < n; i++) {
                struct mixed_trace again = mixed_play(first + i);

                ck_assert_msg(again.seen == traces[i].seen && again.order == traces[i].order,
                              "seed %zu played differently", first + i);
        }
        for (size_t i = 0; i < n; i++)
                for (size_t j = 0; j < i; j++) {
                        ck_assert_uint_ne(traces[i].seen, traces[j].seen);
                        ck_assert_uint_ne(traces[i].order, traces[j].order);
                }
        free(traces);
}
END_TEST

static size_t open_fds(void)
{
        DIR *dir = opendir("/proc/self/fd");
        size_t n = 0;

        while (readdir(dir))
                n++;
        closedir(dir);
        return n;
}

START_TEST(no_order_leaves_anything_behind)
{
        size_t n = many(1000, 50), n_fds, n_bytes;

        mixed_play(1);
        n_fds = open_fds();
        n_bytes = mallinfo2().uordblks;
        for (uint64_t seed = 1; seed <= n; seed++)
                mixed_play(seed);
        ck_assert_uint_eq(open_fds(), n_fds);
        /* malloc's own caches count as used; but no seed leaves so much as one object. */
        ck_assert_uint_le(mallinfo2().uordblks, n_bytes + 32 * n);
}
END_TEST

int main(void)
{
        return RUN_SUITE("seeds", any_order_keeps_the_promises,
                         the_same_seed_plays_the_same_order_and_another_another,
                         no_order_leaves_anything_behind);
}

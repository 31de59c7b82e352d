#include "../runner.h"

#include <stdio.h>
#include <string.h>

#include <base/hash.h>
#include <base/random.h>

#define N 1000

struct item {
        char key[16];
        struct hash_node node;
        bool present;
};

static struct item *find(const struct hash *h, const char *key, size_t size)
{
        struct hash_node *node = hash_find(h, key, size);

        return node ? container_of(node, struct item, node) : NULL;
}

START_TEST(finds_what_was_inserted_and_nothing_else)
{
        struct item a = { .key = "a" }, ab = { .key = "ab" };
        struct hash h;

        ck_assert_int_eq(hash_init(&h), 0);
        hash_insert(&h, &a.node, a.key, 1);
        hash_insert(&h, &ab.node, ab.key, 2);
        ck_assert_ptr_eq(find(&h, "a", 1), &a);
        ck_assert_ptr_eq(find(&h, "ab", 2), &ab);
        ck_assert_ptr_null(find(&h, "b", 1));
        ck_assert_ptr_null(find(&h, "abc", 3));
        ck_assert_ptr_null(find(&h, "", 0));
        hash_deinit(&h);
}
END_TEST

START_TEST(keys_are_bytes_of_any_value_and_length)
{
        static const char zeros[40];
        struct item items[ARRAY_SIZE(zeros)];
        struct hash h;

        ck_assert_int_eq(hash_init(&h), 0);
        for (size_t size = 0; size < ARRAY_SIZE(zeros); size++)
                hash_insert(&h, &items[size].node, zeros, size);
        for (size_t size = 0; size < ARRAY_SIZE(zeros); size++)
                ck_assert_ptr_eq(find(&h, zeros, size), &items[size]);
        hash_deinit(&h);
}
END_TEST

START_TEST(no_two_tables_agree_on_a_seed)
{
        struct item a = { .key = "same" }, b = { .key = "same" };
        struct hash one, other;

        ck_assert_int_eq(hash_init(&one), 0);
        ck_assert_int_eq(hash_init(&other), 0);
        hash_insert(&one, &a.node, a.key, 4);
        hash_insert(&other, &b.node, b.key, 4);
        ck_assert_uint_ne(a.node.hash, b.node.hash);
        hash_deinit(&one);
        hash_deinit(&other);
}
END_TEST

/* Vectors for 1 and 3 rounds, the key 00 01 .. 0f and the input 00 01 .., as those of the paper. */
START_TEST(hash_is_siphash_1_3)
{
        static const char in[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14 };
        static const struct {
                size_t size;
                uint64_t hash;
        } vectors[] = {
                { 0, 0xabac0158050fc4dc }, { 1, 0xc9f49bf37d57ca93 },  { 7, 0xd3927d989bb11140 },
                { 8, 0x369095118d299a8e }, { 15, 0xd320d86d2a519956 },
        };
        struct hash_node node;
        struct hash h;

        ck_assert_int_eq(hash_init(&h), 0);
        h.seed[0] = 0x0706050403020100;
        h.seed[1] = 0x0f0e0d0c0b0a0908;
        for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
                hash_insert(&h, &node, in, vectors[i].size);
                ck_assert_uint_eq(node.hash, vectors[i].hash);
                hash_remove(&h, &node);
        }
        hash_deinit(&h);
}
END_TEST

START_TEST(grows_with_its_contents_and_loses_none)
{
        static struct item items[N];
        struct hash h;

        ck_assert_int_eq(hash_init(&h), 0);
        for (size_t i = 0; i < N; i++) {
                snprintf(items[i].key, sizeof(items[i].key), "key-%zu", i);
                hash_insert(&h, &items[i].node, items[i].key, strlen(items[i].key));
        }
        ck_assert_uint_eq(h.n, N);
        ck_assert_uint_ge(h.n_buckets, N);
        for (size_t i = 0; i < N; i++)
                ck_assert_ptr_eq(find(&h, items[i].key, strlen(items[i].key)), &items[i]);
        hash_deinit(&h);
}
END_TEST

START_TEST(random_operations_agree_with_a_model)
{
        static struct item items[N];
        struct hash h;
        struct random r;
        size_t n = 0;

        random_seed(&r, 1);
        ck_assert_int_eq(hash_init(&h), 0);
        for (size_t i = 0; i < N; i++)
                snprintf(items[i].key, sizeof(items[i].key), "%zu", i);
        for (int step = 0; step < 50000; step++) {
                struct item *item = &items[random_below(&r, N)];
                size_t size = strlen(item->key);

                ck_assert_ptr_eq(find(&h, item->key, size), item->present ? item : NULL);
                if (item->present) {
                        hash_remove(&h, &item->node);
                        n--;
                } else {
                        hash_insert(&h, &item->node, item->key, size);
                        n++;
                }
                item->present = !item->present;
                ck_assert_uint_eq(h.n, n);
        }
        hash_deinit(&h);
}
END_TEST

int main(void)
{
        return RUN_SUITE("hash", finds_what_was_inserted_and_nothing_else,
                         keys_are_bytes_of_any_value_and_length, no_two_tables_agree_on_a_seed,
                         hash_is_siphash_1_3, grows_with_its_contents_and_loses_none,
                         random_operations_agree_with_a_model);
}

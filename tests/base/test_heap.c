#include "../runner.h"

#include <errno.h>

#include <base/heap.h>
#include <base/random.h>

#define N 300

static struct heap_node *pop(struct heap *h)
{
        struct heap_node *first = heap_peek(h);

        if (first)
                heap_remove(h, first);
        return first;
}

START_TEST(smallest_key_leaves_first)
{
        static const uint64_t keys[] = { 5, UINT64_MAX, 0, 9, 1, 7, 3, 8, 2, 6, 4 };
        struct heap_node nodes[ARRAY_SIZE(keys)];
        struct heap h = { 0 };
        uint64_t last = 0;

        ck_assert_ptr_null(heap_peek(&h));
        for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
                ck_assert_int_eq(heap_push(&h, &nodes[i], keys[i]), 0);
        for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
                struct heap_node *node = pop(&h);

                ck_assert_uint_ge(node->key, last);
                last = node->key;
        }
        ck_assert_uint_eq(last, UINT64_MAX);
        ck_assert_ptr_null(heap_peek(&h));
        heap_deinit(&h);
}
END_TEST

START_TEST(equal_keys_leave_in_the_order_they_came)
{
        struct heap_node nodes[N];
        struct heap h = { 0 };

        for (size_t i = 0; i < N; i++)
                ck_assert_int_eq(heap_push(&h, &nodes[i], i % 3), 0);
        for (size_t key = 0; key < 3; key++)
                for (size_t i = key; i < N; i += 3)
                        ck_assert_ptr_eq(pop(&h), &nodes[i]);
        heap_deinit(&h);
}
END_TEST

START_TEST(removing_what_is_in_no_heap_does_nothing)
{
        struct heap_node in, out = HEAP_NODE_INIT;
        struct heap h = { 0 };

        ck_assert_int_eq(heap_push(&h, &in, 1), 0);
        ck_assert(heap_contains(&in));
        ck_assert(!heap_contains(&out));
        heap_remove(&h, &out);
        ck_assert_ptr_eq(heap_peek(&h), &in);
        heap_remove(&h, &in);
        heap_remove(&h, &in);
        ck_assert(!heap_contains(&in));
        ck_assert_uint_eq(h.n, 0);
        heap_deinit(&h);
}
END_TEST

START_TEST(reserved_pushes_do_not_allocate)
{
        struct heap_node nodes[N];
        struct heap h = { 0 };
        struct heap_entry *before;

        ck_assert_int_eq(heap_push(&h, &nodes[0], 0), 0);
        ck_assert_int_eq(heap_reserve(&h, N - 1), 0);
        before = h.entries;
        for (size_t i = 1; i < N; i++) {
                ck_assert_uint_ge(h.allocated, N);
                ck_assert_int_eq(heap_push(&h, &nodes[i], N - i), 0);
        }
        ck_assert_ptr_eq(h.entries, before);
        heap_deinit(&h);
}
END_TEST

START_TEST(impossible_reservation_is_refused)
{
        struct heap h = { 0 };

        ck_assert_int_eq(heap_reserve(&h, SIZE_MAX), -ENOMEM);
        ck_assert_int_eq(heap_reserve(&h, SIZE_MAX / 2 + 2), -ENOMEM);
        ck_assert_int_eq(heap_reserve(&h, SIZE_MAX / 16), -ENOMEM);
        ck_assert_ptr_null(h.entries);
}
END_TEST

/* The one that must leave first, found the slow way. */
static struct heap_node *model_first(struct heap_node nodes[], size_t n)
{
        struct heap_node *first = NULL;

        for (struct heap_node *i = nodes; i < nodes + n; i++)
                if (heap_contains(i) && (!first || i->key < first->key ||
                                         (i->key == first->key && i->order < first->order)))
                        first = i;
        return first;
}

START_TEST(random_operations_agree_with_a_model)
{
        struct heap_node nodes[N];
        struct heap h = { 0 };
        struct random r;
        size_t n = 0;

        random_seed(&r, 1);
        for (size_t i = 0; i < N; i++)
                nodes[i] = (struct heap_node)HEAP_NODE_INIT;
        for (int step = 0; step < 20000; step++) {
                /* Waves, so that it runs both full and empty. */
                bool growing = step / 1000 % 2 == 0;
                struct heap_node *node = &nodes[random_below(&r, N)];
                uint64_t key = random_below(&r, 50);

                if (!heap_contains(node) && (growing || random_below(&r, 4) == 0)) {
                        ck_assert_int_eq(heap_push(&h, node, key), 0);
                        n++;
                } else if (heap_contains(node) && (!growing || random_below(&r, 4) == 0)) {
                        heap_remove(&h, node);
                        ck_assert(!heap_contains(node));
                        n--;
                }
                ck_assert_uint_eq(h.n, n);
                ck_assert_ptr_eq(heap_peek(&h), model_first(nodes, N));
        }
        while (n-- > 0) {
                struct heap_node *first = model_first(nodes, N);

                ck_assert_ptr_eq(pop(&h), first);
        }
        ck_assert_ptr_null(heap_peek(&h));
        heap_deinit(&h);
}
END_TEST

int main(void)
{
        return RUN_SUITE("heap", smallest_key_leaves_first, equal_keys_leave_in_the_order_they_came,
                         removing_what_is_in_no_heap_does_nothing, reserved_pushes_do_not_allocate,
                         impossible_reservation_is_refused, random_operations_agree_with_a_model);
}

#include "../runner.h"

#include <base/list.h>

struct item {
        int value;
        struct list link;
};

/* The values from front to back as digits: 1, 2, 3 is 123. Walked backwards they must be the same.
 */
static int digits_of(const struct list *l)
{
        int forwards = 0, backwards = 0, scale = 1;

        list_for_each(i, l)
                forwards = forwards * 10 + list_entry(i, struct item, link)->value;
        for (struct list *i = l->prev; i != l; i = i->prev, scale *= 10)
                backwards += list_entry(i, struct item, link)->value * scale;
        ck_assert_int_eq(forwards, backwards);
        return forwards;
}

START_TEST(keeps_the_order_of_insertion)
{
        struct list l = LIST_INIT(l);
        struct item a = { 1, { 0 } }, b = { 2, { 0 } }, c = { 3, { 0 } }, d = { 4, { 0 } };

        ck_assert(list_empty(&l));
        list_append(&l, &b.link);
        list_append(&l, &d.link);
        list_prepend(&l, &a.link);
        list_insert_before(&d.link, &c.link);

        ck_assert_int_eq(digits_of(&l), 1234);
        ck_assert_ptr_eq(list_first(&l, struct item, link), &a);
        ck_assert(!list_empty(&l));
}
END_TEST

START_TEST(removed_link_is_in_no_list_and_may_be_removed_again)
{
        struct list l = LIST_INIT(l);
        struct item a = { 1, { 0 } }, b = { 2, { 0 } }, c = { 3, { 0 } };

        list_append(&l, &a.link);
        list_append(&l, &b.link);
        list_append(&l, &c.link);
        list_remove(&b.link);
        ck_assert(list_empty(&b.link));
        list_remove(&b.link);
        ck_assert_int_eq(digits_of(&l), 13);

        list_remove(&a.link);
        list_remove(&c.link);
        ck_assert(list_empty(&l));
}
END_TEST

START_TEST(items_may_leave_while_the_list_is_walked)
{
        struct list l = LIST_INIT(l);
        int seen = 0;

        for (int i = 1; i <= 5; i++) {
                struct item *item = malloc(sizeof(*item));

                ck_assert_ptr_nonnull(item);
                item->value = i;
                list_append(&l, &item->link);
        }
        list_for_each_safe(i, &l) {
                struct item *item = list_entry(i, struct item, link);

                seen = seen * 10 + item->value;
                list_remove(i);
                free(item);
        }
        ck_assert_int_eq(seen, 12345);
        ck_assert(list_empty(&l));
}
END_TEST

START_TEST(splice_moves_all_to_the_end)
{
        struct list to = LIST_INIT(to), from = LIST_INIT(from);
        struct item a = { 1, { 0 } }, b = { 2, { 0 } }, c = { 3, { 0 } };

        list_splice(&to, &from);
        ck_assert(list_empty(&to));

        list_append(&from, &b.link);
        list_append(&from, &c.link);
        list_append(&to, &a.link);
        list_splice(&to, &from);
        ck_assert_int_eq(digits_of(&to), 123);
        ck_assert(list_empty(&from));

        list_splice(&from, &to);
        ck_assert_int_eq(digits_of(&from), 123);
        ck_assert(list_empty(&to));
}
END_TEST

int main(void)
{
        return RUN_SUITE("list", keeps_the_order_of_insertion,
                         removed_link_is_in_no_list_and_may_be_removed_again,
                         items_may_leave_while_the_list_is_walked, splice_moves_all_to_the_end);
}

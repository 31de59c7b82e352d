/* Which handler runs a job. */
#include "../runner.h"

#include <stdio.h>
#include <string.h>

#include <base/util.h>
#include <flow/route.h>

static struct handler own, mail, image;
static const struct typed_handler types[] = { { "mail", &mail }, { "image", &image } };

static struct handler *find(const struct route *route, const char *type)
{
        char error[256];

        return route_find(route, type, error, sizeof(error));
}

START_TEST(without_types_the_queues_own_runs_every_type)
{
        struct route route = { .handler = &own };

        ck_assert_ptr_eq(find(&route, NULL), &own);
        ck_assert_ptr_eq(find(&route, "anything"), &own);
}
END_TEST

START_TEST(a_type_chooses_its_handler)
{
        struct route route = { .handler = &own, .types = types, .n_types = 2 };

        ck_assert_ptr_eq(find(&route, "mail"), &mail);
        ck_assert_ptr_eq(find(&route, "image"), &image);
        ck_assert_ptr_eq(find(&route, NULL), &own);
}
END_TEST

START_TEST(a_type_not_listed_is_refused_with_what_is)
{
        struct route route = { .handler = &own, .types = types, .n_types = 2 };
        static const char *const unknown[] = { "Mail", "mai", "mails", "" };
        char error[256];

        for (size_t i = 0; i < ARRAY_SIZE(unknown); i++)
                ck_assert_ptr_null(find(&route, unknown[i]));
        ck_assert_ptr_null(route_find(&route, "fax", error, sizeof(error)));
        ck_assert_str_eq(error, "type `fax` is not one of this queue's: mail image");
}
END_TEST

START_TEST(where_only_types_have_handlers_a_job_needs_one)
{
        struct route route = { .types = types, .n_types = 2 };
        char error[256];

        ck_assert_ptr_null(route_find(&route, NULL, error, sizeof(error)));
        ck_assert_str_eq(error, "no type is given; this queue's are: mail image");
        ck_assert_ptr_eq(find(&route, "mail"), &mail);
}
END_TEST

START_TEST(a_long_list_of_types_is_cut)
{
        struct typed_handler many[100];
        char names[100][65], error[64];
        struct route route = { .types = many, .n_types = 100 };

        for (size_t i = 0; i < 100; i++) {
                snprintf(names[i], sizeof(names[i]), "%064zu", i);
                many[i] = (struct typed_handler){ names[i], &mail };
        }
        for (size_t room = 1; room <= sizeof(error); room++) {
                memset(error, 'x', sizeof(error));
                ck_assert_ptr_null(route_find(&route, "fax", error, room));
                ck_assert_uint_lt(strnlen(error, sizeof(error)), room);
        }
}
END_TEST

int main(void)
{
        return RUN_SUITE("route", without_types_the_queues_own_runs_every_type,
                         a_type_chooses_its_handler, a_type_not_listed_is_refused_with_what_is,
                         where_only_types_have_handlers_a_job_needs_one,
                         a_long_list_of_types_is_cut);
}

#include "../runner.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <store/redis/connection.h>

static const struct good {
        const char *url, *address, *user, *password;
        unsigned db;
} good[] = {
        { "redis://localhost", "localhost:6379", NULL, NULL, 0 },
        { "redis://localhost/", "localhost:6379", NULL, NULL, 0 },
        { "redis://localhost/0", "localhost:6379", NULL, NULL, 0 },
        { "redis://10.0.0.5:6380/15", "10.0.0.5:6380", NULL, NULL, 15 },
        { "redis://redis-1.example.org:1", "redis-1.example.org:1", NULL, NULL, 0 },
        { "redis://h:65535/2147483647", "h:65535", NULL, NULL, 2147483647 },
        { "redis://[::1]", "[::1]:6379", NULL, NULL, 0 },
        { "redis://[2001:db8::7]:7000/3", "[2001:db8::7]:7000", NULL, NULL, 3 },
        { "redis://:secret@h", "h:6379", NULL, "secret", 0 },
        { "redis://ann@h", "h:6379", "ann", NULL, 0 },
        { "redis://ann:@h", "h:6379", "ann", NULL, 0 },
        { "redis://@h", "h:6379", NULL, NULL, 0 },
        { "redis://ann:secret@h:1/2", "h:1", "ann", "secret", 2 },
        { "redis://a%40b:%2f%3A%25%c3%BC@[::1]", "[::1]:6379", "a@b", "/:%\xc3\xbc", 0 },
        { "redis://u:p:q@h", "h:6379", "u", "p:q", 0 },
        { "redis://u:p@q@h", "h:6379", "u", "p@q", 0 },
        { "unix:///run/redis.sock", "unix:/run/redis.sock", NULL, NULL, 0 },
        { "unix:///run/redis.sock?db=4", "unix:/run/redis.sock", NULL, NULL, 4 },
        { "unix:///a%20b%3fc", "unix:/a b?c", NULL, NULL, 0 },
};

static const struct bad {
        const char *url, *error;
} bad[] = {
        { "", "begin with redis:// or unix:///" },
        { "localhost:6379", "begin with redis://" },
        { "http://localhost", "begin with redis://" },
        { "rediss://localhost", "begin with redis://" },
        { "REDIS://localhost", "begin with redis://" },
        { "redis:/localhost", "begin with redis://" },
        { "redis://", "no host" },
        { "redis:///1", "no host" },
        { "redis://:6379", "no host" },
        { "redis://u:p@", "no host" },
        { "redis://h:", "the port" },
        { "redis://h:0", "the port" },
        { "redis://h:65536", "the port" },
        { "redis://h:123456789012", "the port" },
        { "redis://h:6379x", "the port" },
        { "redis://h:06379", "the port" },
        { "redis://::1", "no host" },
        { "redis://fe80::1", "the port" },
        { "redis://[::1", "without ']'" },
        { "redis://[::1]6379", "behind ']'" },
        { "redis://[10.0.0.1]", "IPv6" },
        { "redis://[]", "IPv6" },
        { "redis://[fe80:0000:0000:0000:0000:0000:0000:0000:0000:0000:0001]", "IPv6" },
        { "redis://h1,h2", "a character" },
        { "redis://a b", "a character" },
        { "redis://h%41", "a character" },
        { "redis://h\n", "a character" },
        { "redis://h/x", "the database" },
        { "redis://h/-1", "the database" },
        { "redis://h/2147483648", "the database" },
        { "redis://h/1/2", "the database" },
        { "redis://h/1?x=y", "follow the database" },
        { "redis://h?db=1", "follow the database" },
        { "redis://h/1#x", "follow the database" },
        { "redis://u:p%4@h", "two hexadecimal" },
        { "redis://u:%zz@h", "two hexadecimal" },
        { "redis://u:p%@h", "two hexadecimal" },
        { "redis://u%00:p@h", "%00" },
        { "unix://run/redis.sock", "absolute" },
        { "unix://", "absolute" },
        { "unix:///a?db=", "the database" },
        { "unix:///a?db=x", "the database" },
        { "unix:///a?base=1", "?db=N" },
        { "unix:///a#1", "?db=N" },
        { "unix:///a%00b", "%00" },
};

START_TEST(the_parts_are_read)
{
        for (const struct good *g = good; g < good + ARRAY_SIZE(good); g++) {
                struct redis_target target;
                const char *error = NULL;
                char *block;
                int r = redis_parse_url(g->url, &target, &block, &error);

                ck_assert_msg(r == 0, "%s: %s", g->url, error);
                ck_assert_pstr_eq(target.address, g->address);
                ck_assert_pstr_eq(target.user, g->user);
                ck_assert_pstr_eq(target.password, g->password);
                ck_assert_ptr_null(target.name);
                ck_assert_uint_eq(target.db, g->db);
                free(block);
        }
}
END_TEST

START_TEST(the_error_names_what_is_wrong)
{
        for (const struct bad *b = bad; b < bad + ARRAY_SIZE(bad); b++) {
                struct redis_target target;
                const char *error = NULL;
                char *block = NULL;
                int r = redis_parse_url(b->url, &target, &block, &error);

                ck_assert_msg(r == -EINVAL, "%s: %d", b->url, r);
                ck_assert_ptr_null(block);
                ck_assert_msg(error && strstr(error, b->error), "%s: %s", b->url, error);
        }
}
END_TEST

static int parse_with_path(size_t size)
{
        char url[600] = "unix:///";
        struct redis_target target;
        const char *error;
        char *block;
        int r;

        memset(url + 8, 'x', size - 1);
        r = redis_parse_url(url, &target, &block, &error);
        if (r == 0)
                free(block);
        return r;
}

START_TEST(a_path_must_fit_an_address)
{
        ck_assert_int_eq(parse_with_path(107), 0);
        ck_assert_int_eq(parse_with_path(108), -EINVAL);
        ck_assert_int_eq(parse_with_path(500), -EINVAL);
}
END_TEST

static int parse_with_host(size_t size)
{
        char url[600] = "redis://";
        struct redis_target target;
        const char *error;
        char *block;
        int r;

        memset(url + 8, 'x', size);
        r = redis_parse_url(url, &target, &block, &error);
        if (r == 0)
                free(block);
        return r;
}

START_TEST(a_host_must_be_no_longer_than_names_are)
{
        ck_assert_int_eq(parse_with_host(255), 0);
        ck_assert_int_eq(parse_with_host(256), -EINVAL);
}
END_TEST

int main(void)
{
        return RUN_SUITE("redis_url", the_parts_are_read, the_error_names_what_is_wrong,
                         a_path_must_fit_an_address, a_host_must_be_no_longer_than_names_are);
}

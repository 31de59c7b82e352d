/* What is said on a new connection, and what is made of the answers. The virtual clock makes the waits short. */
#include "redis_link.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <penstock/sync.h>

static void tell(const struct redis_server *server, const char *command)
{
        char *answer = redis_server_ask(server, command);

        ck_assert_str_eq(answer, "OK");
        free(answer);
}

static void expect_told(const struct link *link, const char *error, const char *advice)
{
        ck_assert_uint_eq(link->ups, 0);
        ck_assert_msg(strstr(link->error, error) && strstr(link->error, advice), "%s", link->error);
        ck_assert_ptr_null(strstr(link->error, "secret"));
}

/* --- who we are --------------------------------------------------------------------------------- */

IN_VIRTUAL_LOOP(a_password_lets_us_in)
{
        SERVER_WITH(s, "--requirepass", "secret");
        LINK(l, .target = { .address = redis_server_address(s), .password = "secret" });

        expect_text(l.redis, "PING", "PONG");
        ck_assert_uint_eq(l.downs, 0);
        return 0;
}

IN_VIRTUAL_LOOP(a_user_and_a_password_let_us_in)
{
        SERVER(s);
        tell(s, "ACL SETUSER ann on >secret ~* +@all");
        LINK(l,
             .target = { .address = redis_server_address(s), .user = "ann", .password = "secret" });

        expect_text(l.redis, "ACL WHOAMI", "ann");
        return 0;
}

IN_VIRTUAL_LOOP(without_a_password_the_advice_is_to_set_one)
{
        SERVER_WITH(s, "--requirepass", "secret");
        LINK(l, .target.address = redis_server_address(s));

        link_wait_down(&l, 1);
        expect_told(&l, ": PING: NOAUTH Authentication required.", "; set store.password_file");
        redis_server_restart_with(s, NULL);
        expect_text(l.redis, "PING", "PONG"); /* it was tried again */
        return 0;
}

IN_VIRTUAL_LOOP(a_wrong_password_is_told_and_tried_slowly)
{
        SERVER(s);
        tell(s, "ACL SETUSER ann on >secret2 ~* +@all");
        LINK(l,
             .target = { .address = redis_server_address(s), .user = "ann", .password = "secret" });
        pen_usec start;

        link_wait_down(&l, 1);
        expect_told(&l, ": AUTH: WRONGPASS ", "; set store.password_file to");
        start = pen_now();
        tell(s, "ACL SETUSER ann >secret");
        ck_assert_int_eq(redis_wait_up(l.redis), 0);
        ck_assert_uint_eq(pen_now() - start, 5 * PEN_SEC);
        return 0;
}

IN_VIRTUAL_LOOP(a_password_that_the_server_does_not_want_is_told)
{
        SERVER(s);
        LINK(l, .target = { .address = redis_server_address(s), .password = "secret" });

        link_wait_down(&l, 1);
        expect_told(&l, ": AUTH: ERR ", "; the server has no password: unset store.password_file");
        return 0;
}

IN_VIRTUAL_LOOP(a_user_without_rights_is_told)
{
        SERVER(s);
        tell(s, "ACL SETUSER ann on >secret -@all");
        LINK(l,
             .target = { .address = redis_server_address(s), .user = "ann", .password = "secret" });

        link_wait_down(&l, 1);
        expect_told(&l, ": PING: NOPERM ", "; allow it to this user by ACL SETUSER");
        return 0;
}

IN_VIRTUAL_LOOP(a_password_changed_behind_our_back_is_told_at_the_next_connection)
{
        SERVER(s);
        LINK(l, .target.address = redis_server_address(s));

        expect_text(l.redis, "CONFIG SET requirepass secret", "OK");
        expect_text(l.redis, "PING", "PONG");
        ck_assert_int_eq(ask(l.redis, "CLIENT KILL TYPE normal SKIPME no", NULL), 0);
        link_wait_down(&l, 2);
        ck_assert_ptr_nonnull(strstr(l.error, "NOAUTH"));
        return 0;
}

/* --- what for ----------------------------------------------------------------------------------- */

IN_VIRTUAL_LOOP(the_database_is_selected_on_each_connection)
{
        SERVER(s);
        LINK(l, .target = { .address = redis_server_address(s), .db = 3 });
        LINK(m, .target = { .address = redis_server_address(s) });

        expect_text(l.redis, "SET key three", "OK");
        ck_assert_int_eq(ask(l.redis, "CLIENT KILL TYPE normal SKIPME no", NULL), 0);
        link_wait_down(&l, 1);
        expect_text(l.redis, "GET key", "three");
        expect_integer(m.redis, "EXISTS key", 0);
        return 0;
}

IN_VIRTUAL_LOOP(a_database_that_is_not_there_is_told)
{
        SERVER_WITH(s, "--databases", "4");
        LINK(l, .target = { .address = redis_server_address(s), .db = 4 });

        link_wait_down(&l, 1);
        expect_told(&l, ": SELECT: ERR ", "range");
        return 0;
}

IN_VIRTUAL_LOOP(the_connection_has_its_name_and_number)
{
        SERVER(s);
        LINK(l, .target = { .address = redis_server_address(s), .name = "penstock:host" });
        int64_t first;

        ck_assert_int_eq(redis_client_id(l.redis), 0);
        ck_assert_uint_eq(redis_epoch(l.redis), 0);
        expect_text(l.redis, "CLIENT GETNAME", "penstock:host");
        first = redis_client_id(l.redis);
        expect_integer(l.redis, "CLIENT ID", first);
        ck_assert_uint_eq(redis_epoch(l.redis), 1);
        ck_assert_int_eq(ask(l.redis, "CLIENT KILL TYPE normal SKIPME no", NULL), 0);
        link_wait_down(&l, 1);
        expect_text(l.redis, "CLIENT GETNAME", "penstock:host");
        ck_assert_int_gt(redis_client_id(l.redis), first);
        ck_assert_uint_eq(redis_epoch(l.redis), 2);
        return 0;
}

IN_VIRTUAL_LOOP(a_name_that_the_server_refuses_is_no_harm)
{
        SERVER(s);
        LINK(l, .target = { .address = redis_server_address(s), .name = "two words" });

        expect_text(l.redis, "PING", "PONG");
        ck_assert_uint_eq(l.downs, 0);
        return 0;
}

/* --- servers that are not ready ----------------------------------------------------------------- */

static int load(struct fake *fake, struct pen_stream *stream, const struct words *command)
{
        if (command->args[0].data[0] == 'P' && fake->connections < 5)
                return fake_say(stream, "-LOADING Redis is loading the dataset in memory\r\n");
        return fake_greet(fake, stream, command);
}

IN_VIRTUAL_LOOP(a_server_that_is_loading_is_waited_for)
{
        FAKE(f, .answer = load);
        LINK(l, .target.address = f.address);

        expect_text(l.redis, "PING", "PONG");
        ck_assert_uint_eq(f.connections, 5);
        ck_assert_uint_eq(l.ups, 1);
        ck_assert_uint_eq(l.downs, 1);
        ck_assert_ptr_nonnull(strstr(l.error, ": PING: LOADING "));
        return 0;
}

static int be_full(struct fake *fake, struct pen_stream *stream, const struct words *command)
{
        (void)fake, (void)command;
        (void)fake_say(stream, "-ERR max number of clients reached\r\n");
        return -EPIPE;
}

IN_VIRTUAL_LOOP(the_last_words_of_who_hangs_up_are_the_reason)
{
        FAKE(f, .answer = be_full);
        LINK(l, .target.address = f.address);

        link_wait_down(&l, 1);
        ck_assert_ptr_nonnull(strstr(l.error, ": ERR max number of clients reached"));
        return 0;
}

static int be_a_web_server(struct fake *fake, struct pen_stream *stream,
                           const struct words *command)
{
        (void)fake, (void)command;
        return fake_say(stream, "HTTP/1.1 400 Bad Request\r\n\r\n");
}

IN_VIRTUAL_LOOP(what_is_no_redis_is_left_at_the_greeting)
{
        FAKE(f, .answer = be_a_web_server);
        LINK(l, .target.address = f.address);

        link_wait_down(&l, 1);
        ck_assert_uint_eq(l.ups, 0);
        ck_assert_ptr_nonnull(strstr(l.error, "got \"H\" as reply type"));
        f.answer = NULL;
        expect_text(l.redis, "PING", "PONG");
        return 0;
}

static int complain(struct fake *fake, struct pen_stream *stream, const struct words *command)
{
        (void)command;
        return fake_say(stream, fake->text);
}

/* A server that refuses some commands is the store's matter; it can be talked to. */
IN_VIRTUAL_LOOP(a_server_that_complains_is_up)
{
        static const char *const complaints[] = {
                "-MISCONF Errors writing to the AOF file\r\n",
                "-MASTERDOWN Link with MASTER is down\r\n",
                "-BUSY Redis is busy running a script\r\n",
        };

        for (size_t i = 0; i < ARRAY_SIZE(complaints); i++) {
                FAKE(f, .answer = complain, .text = complaints[i]);
                LINK(l, .target.address = f.address);

                ck_assert_int_eq(redis_wait_up(l.redis), 0);
                ck_assert_uint_eq(l.downs, 0);
                ck_assert_int_eq(redis_client_id(l.redis), 0);
        }
        return 0;
}

int main(void)
{
        if (!redis_server_is_there())
                return 77;
        return RUN_SUITE(
                "redis_greeting", a_password_lets_us_in, a_user_and_a_password_let_us_in,
                without_a_password_the_advice_is_to_set_one,
                a_wrong_password_is_told_and_tried_slowly,
                a_password_that_the_server_does_not_want_is_told, a_user_without_rights_is_told,
                a_password_changed_behind_our_back_is_told_at_the_next_connection,
                the_database_is_selected_on_each_connection, a_database_that_is_not_there_is_told,
                the_connection_has_its_name_and_number, a_name_that_the_server_refuses_is_no_harm,
                a_server_that_is_loading_is_waited_for,
                the_last_words_of_who_hangs_up_are_the_reason,
                what_is_no_redis_is_left_at_the_greeting, a_server_that_complains_is_up);
}

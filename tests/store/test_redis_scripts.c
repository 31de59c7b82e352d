/* Each script by itself, on a fresh server: what it answers and what it leaves. Entries are named by the tests: 1-0, 2-0, … */
#include "redis_test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <store/redis/script.h>

#define READY "penstock:{q}:ready"
#define DEAD "penstock:{q}:dead"
#define DELAYED "penstock:{q}:delayed"
#define JOB "penstock:{q}:job:"

/* --- calling ------------------------------------------------------------------------------------- */

static void on_up(void *data)
{
        (void)data;
}

static void on_down(void *data, const char *error)
{
        (void)data, (void)error;
}

static struct redis *redis;

static void flatten(const struct reply *reply, char **to)
{
        switch (reply->type) {
        case REPLY_NIL:
                *to = stpcpy(*to, "nil");
                break;
        case REPLY_INTEGER:
                *to += sprintf(*to, "%lld", (long long)reply->integer);
                break;
        case REPLY_ARRAY:
                *to = stpcpy(*to, "(");
                for (size_t i = 0; i < reply->n; i++) {
                        if (i > 0)
                                *to = stpcpy(*to, " ");
                        flatten(&reply->items[i], to);
                }
                *to = stpcpy(*to, ")");
                break;
        default:
                *to = stpcpy(*to, *reply->data ? reply->data : "''");
        }
}

/* The answer as text: (a (b 1) nil). Words are parted by one blank; `''` is an empty one. */
static const char *call(enum script script, const char *words)
{
        PEN_CLEANUP(answer_freep) struct answer *answer = NULL;
        PEN_CLEANUP(freep) char *text = NULL;
        PEN_CLEANUP(freep) char *copy = strdup(words);
        static char flat[65536];
        struct redis_arg args[64] = { { "EVAL", 4 } };
        char *to = flat, *rest = NULL;
        size_t n = 4;
        int r;

        text = script_text(script, &args[1].size);
        args[1].data = text;
        args[2] = (struct redis_arg){ "1", 1 };
        args[3] = (struct redis_arg){ READY, strlen(READY) };
        for (char *word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
                args[n++] = (struct redis_arg){ word, strcmp(word, "''") ? strlen(word) : 0 };
        r = redis_command(redis, args, n, 0, &answer);
        ck_assert(r == 0 || r == -EREMOTEIO);
        flatten(&answer->reply, &to);
        return flat;
}

static void expect(const char *expected, enum script script, const char *words)
{
        const char *answer = call(script, words);

        ck_assert_msg(!strcmp(answer, expected), "%s\n  answered %s\n  expected %s", words, answer,
                      expected);
}

static void expect_error(const char *error, enum script script, const char *words)
{
        ck_assert_msg(strstr(call(script, words), error), "%s", call(script, words));
}

/* What a command answers, its list flattened by a script. */
static void expect_asked(const char *expected, const char *command)
{
        const char *answer =
                asked(server,
                      "EVAL \"local function flat(x) if type(x) ~= 'table' then return "
                      "tostring(x) end local t = {} for i = 1, #x do t[i] = flat(x[i]) "
                      "end return table.concat(t, ' ') end local a = {} for w in "
                      "string.gmatch(ARGV[1], '%%S+') do a[#a + 1] = w end return "
                      "flat(redis.call(unpack(a)))\" 0 \"%s\"",
                      command);

        ck_assert_msg(!strcmp(answer, expected), "%s\n  answered %s\n  expected %s", command,
                      answer, expected);
}

/* Of the n-th entry of a stream. */
static void expect_fields(const char *expected, const char *stream, int n)
{
        const char *fields =
                asked(server,
                      "EVAL \"return table.concat(redis.call('XRANGE', KEYS[1], '-', '+')"
                      "[tonumber(ARGV[1])][2], ' ')\" 1 %s %d",
                      stream, n);

        ck_assert_msg(!strncmp(fields, expected, strlen(expected)), "%s\n  expected %s", fields,
                      expected);
}

static void do_all(const char *const *commands)
{
        for (; *commands; commands++)
                ck_assert_msg(*asked(server, "%s", *commands) != '-', "%s: %s", *commands,
                              asked(server, "%s", *commands));
}

#define DO(...) do_all((const char *const[]){ __VA_ARGS__, NULL })

static struct pen_task *connection;

static void begin(void)
{
        ck_assert_int_eq(redis_create(&(struct redis_options){ .target.address =
                                                                       redis_server_address(server),
                                                               .reply_timeout = 10 * PEN_SEC,
                                                               .reply_max = 1 << 20,
                                                               .up = on_up,
                                                               .down = on_down },
                                      &redis),
                         0);
        connection = spawn(redis_run, redis);
}

static void end(void)
{
        cancel_and_unref(connection);
        redis_free(redis);
}

#define SCRIPT(name)                         \
        static void name##_lua_script(void); \
        PROMISE(name##_lua)                  \
        {                                    \
                begin();                     \
                name##_lua_script();         \
                end();                       \
                return 0;                    \
        }                                    \
        static void name##_lua_script(void)

#define GROUP "XGROUP CREATE " READY " penstock 0 MKSTREAM"
#define READ(consumer) "XREADGROUP GROUP penstock " consumer " STREAMS " READY " >"
#define LETTER " d -1 0" /* daemon, keep, max */

/* --- each ---------------------------------------------------------------------------------------- */

SCRIPT(push)
{
        expect_error("a field without a value", SCRIPT_PUSH, "payload");
        expect("(stored a)", SCRIPT_PUSH, "id a payload x");
        expect("(exists a)", SCRIPT_PUSH, "payload x id a");
        expect("(conflict a)", SCRIPT_PUSH, "payload y id a");
        expect("(conflict a)", SCRIPT_PUSH, "payload x id a type t");
        DO("XTRIM " READY " MAXLEN 0"); /* its entry has vanished: what is known of it is void */
        expect("(stored a)", SCRIPT_PUSH, "payload y id a");
        DO("DEL " JOB "a", "HSET " JOB "a ended done digest x", "PEXPIRE " JOB "a 60000");
        expect("(conflict a)", SCRIPT_PUSH, "payload y id a");
        DO("DEL " JOB "a",
           "HSET " JOB "a entry ''"); /* and so is one that is not delayed after all */
        asked(server, "HSET " JOB "a entry \"\"");
        expect("(stored a)", SCRIPT_PUSH, "payload y id a");
        DO("ZADD " DELAYED " 1 b");
        asked(server, "HSET " JOB "b entry \"\" digest x");
        expect("(conflict b)", SCRIPT_PUSH, "id b payload x");
}

SCRIPT(push_knows_what_is_backlog)
{
        DO("HSET penstock:{q}:limits capacity 2", "XADD " READY " 1-0 payload x",
           "XADD " READY " 2-0 payload x");
        expect("(full '')", SCRIPT_PUSH, "payload x"); /* before there is a group */
        expect("(full a)", SCRIPT_PUSH, "id a payload x");
        DO(GROUP, READ("d"));
        ck_assert(strstr(call(SCRIPT_PUSH, "payload x"), "(stored "));
        DO("XCLAIM " READY " penstock released 0 1-0 JUSTID");
        expect("(full '')", SCRIPT_PUSH, "payload x");
        DO("XACK " READY " penstock 1-0 2-0",
           "XDEL " READY " 2-0"); /* ended, and not all removed */
        ck_assert(strstr(call(SCRIPT_PUSH, "payload x"), "(stored "));
        expect("(full '')", SCRIPT_PUSH, "payload x");
        DO("DEL " READY, "ZADD " DELAYED " 1 a 2 b");
        expect("(full '')", SCRIPT_PUSH, "payload x");
}

SCRIPT(admit)
{
        DO(GROUP, "XADD " READY " 1-0 payload x id a", "XADD " READY " 2-0 payload x id a",
           "XADD " READY " 3-0 payload y id a", READ("d"));
        expect("(gone)", SCRIPT_ADMIT, "9-0 a 0 strip" LETTER);
        expect("(run 0 0 0)", SCRIPT_ADMIT, "1-0 a 0 strip" LETTER);
        expect("(run 0 0 0)", SCRIPT_ADMIT, "1-0 a 0 strip" LETTER); /* repeated */
        expect("(exists)", SCRIPT_ADMIT, "2-0 a 0 strip" LETTER);
        expect("(conflict)", SCRIPT_ADMIT, "3-0 a 0 strip" LETTER);
        expect_asked("1-0 payload x id a", "XRANGE " READY " - +");
        expect_asked("1", "XLEN " DEAD);
        expect_asked("1 1", "HMGET penstock:{q}:counters duplicates conflicts");
        DO("XTRIM " READY " MAXLEN 0", "XADD " READY " 4-0 payload z id a", READ("d"));
        expect("(run 0 0 0)", SCRIPT_ADMIT, "4-0 a 0 strip" LETTER); /* the former has vanished */
}

SCRIPT(admit_puts_aside_what_is_not_due)
{
        DO(GROUP, "XADD " READY " 1-0 payload x delay 1h type t", "XADD " READY " 2-0 v 2 delay 1h",
           "XADD " READY " 3-0 payload x id a delay 1h", READ("d"));
        expect("(aside 4102444800000)", SCRIPT_ADMIT, "1-0 '' 4102444800000 strip" LETTER);
        expect_asked("4102444800000", "ZSCORE " DELAYED " 1-0");
        expect_asked("x t false", "HMGET " JOB "1-0 f.payload f.type f.delay");
        ck_assert(strstr(call(SCRIPT_ADMIT, "2-0 '' 60000 whole" LETTER), "(aside 1"));
        expect_asked("1h 2", "HMGET " JOB "2-0 f.delay f.v");
        expect("(aside 4102444800000)", SCRIPT_ADMIT, "3-0 a 4102444800000 strip" LETTER);
        expect_asked("1 a", "HMGET " JOB "a own f.id");
        expect_asked("0", "XLEN " READY);
        expect("(0 3 0 0 ())", SCRIPT_COUNT, "128");
}

SCRIPT(promote)
{
        expect("(0 -1)", SCRIPT_PROMOTE, "100");
        DO(GROUP, "XADD " READY " 1-0 payload x", "XADD " READY " 2-0 payload y id b",
           "XADD " READY " 3-0 v 2", READ("d"));
        call(SCRIPT_ADMIT, "2-0 b 0 strip" LETTER);
        expect("''", SCRIPT_RETRY, "stranger 1-0 1-0 0 1 0 1");
        ck_assert_str_ne(call(SCRIPT_RETRY, "d 1-0 1-0 0 1 2 3"), "''");
        ck_assert_str_ne(call(SCRIPT_RETRY, "d 2-0 b 1 1 0 1"), "''");
        call(SCRIPT_ADMIT, "3-0 '' 2 whole" LETTER);
        DO("ZADD " DELAYED " 9999999999999 later", "ZADD " DELAYED " 0 lost");
        ck_assert_int_eq(pen_sleep(5 * PEN_MSEC), 0);
        expect("(1 0)", SCRIPT_PROMOTE, "1"); /* of which nothing is known: */
        expect_asked("1", "HGET penstock:{q}:counters lost");
        ck_assert(!strncmp(call(SCRIPT_PROMOTE, "100"), "(3 8", 4)); /* ms until the next */
        expect_fields("payload x id 1-0", READY, 1);
        expect_fields("payload y id b", READY, 2);
        expect_fields("v 2", READY, 3);
        expect_asked("1 2 3", "HMGET " JOB "1-0 attempts crashes deliveries");
        expect_asked("0", "EXISTS " JOB "3-0");
}

SCRIPT(start)
{
        DO(GROUP, "XADD " READY " 1-0 payload x", READ("d"));
        expect("-1", SCRIPT_START, "stranger 1-0 1-0");
        expect_asked("0", "EXISTS " JOB "1-0");
        expect("1", SCRIPT_START, "d 1-0 1-0");
        expect("2", SCRIPT_START, "d 1-0 1-0");
        expect_asked("d 1-0", "HMGET " JOB "1-0 started entry");
        expect("-1", SCRIPT_START, "d 7-0 7-0");
}

SCRIPT(release_and_claim)
{
        expect_error("NOGROUP", SCRIPT_CLAIM, "d 10");
        DO(GROUP, "XADD " READY " 1-0 payload x", "XADD " READY " 2-0 payload y id b",
           "XADD " READY " 3-0 payload z", READ("d"));
        expect("()", SCRIPT_CLAIM, "d 10");
        call(SCRIPT_ADMIT, "2-0 b 0 strip" LETTER);
        call(SCRIPT_START, "d 3-0 3-0");
        expect("(0)", SCRIPT_RELEASE, "stranger 1-0 1-0 1 0");
        expect("(1 1 0 1)", SCRIPT_RELEASE, "d 3-0 3-0 1 2 2-0 b 0 0 9-0 9-0 1 1 1-0 1-0 0 0");
        expect("(0)", SCRIPT_RELEASE, "d 3-0 3-0 1 2"); /* repeated */
        expect_asked("false 1 2", "HMGET " JOB "3-0 started deliveries crashes");
        expect_asked("0", "EXISTS " JOB "1-0"); /* no handler has seen it */
        DO("XDEL " READY " 1-0");               /* by somebody who should not */
        expect("((2-0 (payload y id b) 0 0 0))", SCRIPT_CLAIM, "e 2");
        expect("((3-0 (payload z) 0 2 1))", SCRIPT_CLAIM, "e 2");
        expect("()", SCRIPT_CLAIM, "e 2");
}

SCRIPT(done)
{
        DO(GROUP, "XADD " READY " 1-0 payload x", "XADD " READY " 2-0 payload y id b",
           "XADD " READY " 3-0 payload z", "XADD " READY " 4-0 payload z", READ("d"));
        call(SCRIPT_ADMIT, "2-0 b 0 strip" LETTER);
        expect("(0 0)", SCRIPT_DONE, "stranger expired 60000 1-0 1-0 2-0 b");
        expect("(0)", SCRIPT_DONE, "stranger cancelled 60000 1-0 1-0");
        expect("(1 1 0)", SCRIPT_DONE, "d done 60000 1-0 1-0 2-0 b 9-0 9-0");
        expect("(0 0)", SCRIPT_DONE, "d done 60000 1-0 1-0 2-0 b"); /* repeated */
        expect("(1)", SCRIPT_DONE, "d expired 60000 3-0 3-0");
        expect("(1)", SCRIPT_DONE, "d cancelled 60000 4-0 4-0");
        expect_asked("2 1 1", "HMGET penstock:{q}:counters done expired cancelled");
        expect_asked("done false", "HMGET " JOB "b ended entry");
        ck_assert_int_gt(asked_number(server, "PTTL " JOB "b"), 50000);
        expect_asked("0", "XLEN " READY);
        expect("(exists b)", SCRIPT_PUSH, "id b payload y");
}

SCRIPT(done_of_a_stale_owner)
{
        DO(GROUP, "XADD " READY " 1-0 payload x id a", READ("old"));
        call(SCRIPT_ADMIT, "1-0 a 0 strip" LETTER);
        DO("XCLAIM " READY " penstock new 0 1-0 JUSTID");
        ck_assert_str_ne(call(SCRIPT_RETRY, "new 1-0 a 0 1 0 1"), "''");
        ck_assert_int_eq(pen_sleep(2 * PEN_MSEC), 0);
        expect("(1 -1)", SCRIPT_PROMOTE, "100");
        expect("(1)", SCRIPT_DONE,
               "old done 0 1-0 a"); /* nobody has fetched it: gone all the same */
        expect_asked("0", "XLEN " READY);
        expect_asked("0", "EXISTS " JOB "a");
        expect_asked("1", "HGET penstock:{q}:counters done");
        expect("(stored a)", SCRIPT_PUSH, "id a payload later");
        expect("(0)", SCRIPT_DONE, "old done 0 1-0 a"); /* not this one */
        expect_asked("1", "XLEN " READY);
}

SCRIPT(retry)
{
        DO(GROUP, "XADD " READY " 1-0 payload x delay 1s", "XADD " READY " 2-0 payload x",
           READ("d"));
        expect("''", SCRIPT_RETRY, "stranger 1-0 1-0 1000 1 0 1");
        ck_assert_str_ne(call(SCRIPT_RETRY, "d 1-0 1-0 1000 4 5 6"), "''");
        expect("''", SCRIPT_RETRY, "d 1-0 1-0 1000 4 5 6"); /* repeated */
        expect_asked("4 5 6 x false 0",
                     "HMGET " JOB "1-0 attempts crashes deliveries f.payload f.delay own");
        DO("XDEL " READY " 2-0"); /* by somebody who should not */
        expect("''", SCRIPT_RETRY, "d 2-0 2-0 1000 1 0 1");
        expect_asked("1", "HGET penstock:{q}:counters lost");
        expect("(0 1 0 0 (lost 1))", SCRIPT_COUNT, "128");
}

SCRIPT(bury)
{
        DO(GROUP, "XADD " READY " 1-0 payload x", "XADD " READY " 2-0 payload x id a",
           "XADD " READY " 3-0 nonsense x id a", "XADD " READY " 4-0 payload x",
           "XADD " READY " 5-0 payload x", READ("d"));
        call(SCRIPT_ADMIT, "2-0 a 0 strip" LETTER);
        expect("0", SCRIPT_BURY, "stranger 1-0 1-0 why failed 3 4" LETTER " 60000");
        expect("1", SCRIPT_BURY, "d 1-0 1-0 why failed 3 4" LETTER " 60000");
        expect("0", SCRIPT_BURY, "d 1-0 1-0 why failed 3 4" LETTER " 60000");
        expect_fields(
                "payload x id 1-0 error why outcome failed attempts 3 deliveries 4 failed_at ",
                DEAD, 1);
        expect("1", SCRIPT_BURY, "d 3-0 a what rejected 0 0" LETTER " 60000");
        expect_asked("2-0", "HGET " JOB "a entry"); /* of which it only bore the name */
        expect("1", SCRIPT_BURY, "d 2-0 a why failed 3 4 d 0 0 60000"); /* no letters */
        expect_asked("2", "XLEN " DEAD);
        expect_asked("dead", "HGET " JOB "a ended");
        expect("1", SCRIPT_BURY, "d 4-0 4-0 why failed 3 4 d -1 1 0"); /* one letter */
        expect_asked("1", "XLEN " DEAD);
        ck_assert_int_eq(pen_sleep(5 * PEN_MSEC), 0);
        expect("1", SCRIPT_BURY, "d 5-0 5-0 why failed 3 4 d 1 0 0"); /* for a millisecond */
        expect_asked("1", "XLEN " DEAD);
        expect_asked("5 3", "HMGET penstock:{q}:counters dead letters_dropped");
}

SCRIPT(dead_retry)
{
        expect("0", SCRIPT_DEAD_RETRY, "1-0");
        DO("XADD " DEAD
           " 1-0 payload x delay 1h expires_at 5 id 7-0 error e outcome failed attempts 3 "
           "deliveries 4 failed_at 5 daemon d",
           "XADD " DEAD " 2-0 payload y id a error e outcome failed attempts 3 deliveries 4",
           "XADD " DEAD " 3-0 payload y id a error e outcome failed attempts 3 deliveries 4");
        expect("1", SCRIPT_DEAD_RETRY, "1-0");
        expect("0", SCRIPT_DEAD_RETRY, "1-0");
        expect_fields("payload x id 7-0", READY, 1);
        expect_asked("0 4 false false", "HMGET " JOB "7-0 own deliveries attempts crashes");
        expect("1", SCRIPT_DEAD_RETRY, "2-0");
        expect("-1", SCRIPT_DEAD_RETRY, "3-0");
        expect_asked("1", "HGET " JOB "a own");
        expect("(exists a)", SCRIPT_PUSH, "id a payload y");
        expect_asked("1", "XLEN " DEAD);
}

SCRIPT(beat)
{
        expect_error("no such key", SCRIPT_BEAT, "d");
        DO("DEL penstock:{q}:leases", GROUP);
        expect("(1 -1 (d 1) ())", SCRIPT_BEAT, "d");
        expect("(2 -1 (d 2) ())", SCRIPT_BEAT, "d");
        DO("XADD " READY " 1-0 payload x", READ("e"), "ZADD " DELAYED " 0 a");
        expect("(1 0 (d 2 e 1) (e 1))", SCRIPT_BEAT, "e");
        DO("ZADD " DELAYED " 9999999999999 a");
        ck_assert(strstr(call(SCRIPT_BEAT, "d"), "(3 8")); /* ms until it is due */
}

SCRIPT(take_over)
{
        DO(GROUP, "XADD " READY " 1-0 payload x", "XADD " READY " 2-0 payload x id a",
           "XADD " READY " 3-0 payload x id b", "XADD " READY " 4-0 payload x",
           "XADD " READY " 5-0 payload x", READ("d"), "HSET penstock:{q}:leases d 7 e 1");
        call(SCRIPT_ADMIT, "2-0 a 0 strip" LETTER);
        call(SCRIPT_START, "d 2-0 a");
        DO("HSET " JOB "a crashes 1");
        expect("(-1 0 ())", SCRIPT_TAKE_OVER, "d 6 100 3" LETTER " 0"); /* it has moved */
        expect("(-1 0 ())", SCRIPT_TAKE_OVER, "d '' 100 3" LETTER " 0");
        expect("(-1 0 ())", SCRIPT_TAKE_OVER, "e '' 100 3" LETTER " 0");
        DO("XDEL " READY " 5-0"); /* by somebody who should not */
        expect("(2 1 ())", SCRIPT_TAKE_OVER, "d 7 2 3" LETTER " 0");
        expect_asked("2 false 1", "HMGET " JOB "a crashes started deliveries");
        expect_asked("1-0 1 0", "HMGET " JOB "1-0 entry deliveries own");
        expect("(2 0 ())", SCRIPT_TAKE_OVER, "d 7 100 3" LETTER " 0");
        expect_asked("0", "EXISTS " JOB "b"); /* had not been admitted */
        expect_asked("e 1", "HGETALL penstock:{q}:leases");
        expect_asked("1 1", "HMGET penstock:{q}:counters crashed lost");
        expect_asked("4", "XLEN " READY);

        call(SCRIPT_CLAIM, "f 100");
        call(SCRIPT_START, "f 2-0 a");
        expect("(3 0 (a))", SCRIPT_TAKE_OVER, "f '' 100 3" LETTER " 60000"); /* the third crash */
        expect_asked("1", "XLEN " DEAD);
        expect_asked("dead", "HGET " JOB "a ended");
}

SCRIPT(trim)
{
        expect_error("NOGROUP", SCRIPT_TRIM, "0");
        DO(GROUP);
        expect("''", SCRIPT_TRIM, "0");
        DO("XADD " READY " 1-0 payload x", "XADD " READY " 2-0 payload x",
           "XADD " READY " 3-0 payload x",
           "XREADGROUP GROUP penstock d COUNT 2 STREAMS " READY " >");
        expect("1-0", SCRIPT_TRIM, "0");
        expect_asked("3", "XLEN " READY);
        DO("XACK " READY " penstock 1-0");
        expect("2-0", SCRIPT_TRIM, "3");
        expect_asked("2", "XLEN " READY);
        DO("XACK " READY " penstock 2-0");
        expect("''", SCRIPT_TRIM, "2");
        expect_asked("3-0 payload x", "XRANGE " READY " - +"); /* nobody has fetched it */
        expect_asked("5", "HGET penstock:{q}:counters done");
}

/* --- with memory full ---------------------------------------------------------------------------- */

SCRIPT(what_ends_jobs_needs_no_memory)
{
        static const struct {
                enum script script;
                const char *words, *answer;
        } calls[] = {
                { SCRIPT_PUSH, "payload x", "OOM" },
                { SCRIPT_PUSH, "payload x id z", "OOM" },
                { SCRIPT_BEAT, "d", "(1 " },
                { SCRIPT_ADMIT, "2-0 a 0 strip" LETTER, "(run" },
                { SCRIPT_ADMIT, "3-0 b 4102444800000 strip" LETTER, "(aside" },
                { SCRIPT_START, "d 1-0 1-0", "1" },
                { SCRIPT_RETRY, "d 1-0 1-0 0 1 0 1", "1" },
                { SCRIPT_RELEASE, "d 4-0 4-0 1 0", "(1)" },
                { SCRIPT_CLAIM, "d 10", "((4-0" },
                { SCRIPT_DONE, "d done 60000 2-0 a", "(1)" },
                { SCRIPT_BURY, "d 4-0 4-0 why failed 1 1" LETTER " 0", "1" },
                { SCRIPT_PROMOTE, "10", "(1 " },
                { SCRIPT_TAKE_OVER, "d 1 10 3" LETTER " 0", "(1 0" },
                { SCRIPT_TRIM, "1", "" },
                { SCRIPT_COUNT, "128", "(" },
        };

        DO(GROUP, "XADD " READY " 1-0 payload x", "XADD " READY " 2-0 payload x id a",
           "XADD " READY " 3-0 payload x id b delay 1h", "XADD " READY " 4-0 payload x",
           "XADD " READY " 5-0 payload x", READ("d"), "CONFIG SET maxmemory 1");
        for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
                const char *answer;

                if (calls[i].script == SCRIPT_PROMOTE)
                        ck_assert_int_eq(pen_sleep(3 * PEN_MSEC), 0);
                answer = call(calls[i].script, calls[i].words);
                ck_assert_msg(!strncmp(answer, calls[i].answer, strlen(calls[i].answer)),
                              "script %d %s: %s", calls[i].script, calls[i].words, answer);
        }
        expect_asked("1", "XLEN " DEAD);
        DO("EVAL \"return redis.call('XLEN', KEYS[1])\" 1 " DEAD);
        ck_assert(strncmp(call(SCRIPT_DEAD_RETRY,
                               asked(server, "EVAL \"return redis.call('XRANGE', KEYS[1], '-', "
                                             "'+')[1][1]\" 1 " DEAD)),
                          "1", 1) == 0);
}

SCRIPT(count)
{
        expect("(0 0 0 0 ())", SCRIPT_COUNT, "128");
        DO("XADD " READY " 1-0 payload x", "XADD " READY " 2-0 payload x");
        expect("(2 0 0 0 ())", SCRIPT_COUNT, "128"); /* nobody has made the group yet */
        DO(GROUP);
        expect("(2 0 0 0 ())", SCRIPT_COUNT, "128");
        DO("XREADGROUP GROUP penstock d COUNT 1 STREAMS " READY " >");
        expect("(1 0 1 0 ())", SCRIPT_COUNT, "128");
        DO("XACK " READY " penstock 1-0", "XDEL " READY " 1-0"); /* then there is no lag */
        expect("(1 0 0 0 ())", SCRIPT_COUNT, "128");
        DO(READ("d"), "XCLAIM " READY " penstock released 0 2-0 JUSTID", "ZADD " DELAYED " 1 a",
           "HINCRBY penstock:{q}:counters done 5", "XADD " DEAD " 1-0 a b");
        expect("(1 1 0 1 (done 5))", SCRIPT_COUNT, "128");
}

int main(void)
{
        if (!redis_server_is_there())
                return 77;
        return RUN_SUITE("redis scripts", push_lua, push_knows_what_is_backlog_lua, admit_lua,
                         admit_puts_aside_what_is_not_due_lua, promote_lua, start_lua,
                         release_and_claim_lua, done_lua, done_of_a_stale_owner_lua, retry_lua,
                         bury_lua, dead_retry_lua, beat_lua, take_over_lua, trim_lua, count_lua,
                         what_ends_jobs_needs_no_memory_lua);
}

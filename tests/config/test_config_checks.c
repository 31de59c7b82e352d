/* What is wrong only together with something else: another key, a file, this machine. */
#include "load.h"

#include <fcntl.h>
#include <sys/stat.h>

#define NOOP "handlers: {h: {noop: {}}}\n"
#define IN_QUEUE(text) NOOP "queues: {q: {handler: h, " text "}}\n"
#define EXEC(argv) "handlers:\n  h: {exec: {argv: " argv "}}\n"

/* --- store, http, limits ------------------------------------------------------------------------ */

START_TEST(redis_needs_its_url_and_memory_has_none)
{
        ASSERT_REFUSES("store: {kind: redis}\n",
                       "f:1:15: store.kind: redis needs to know where: store.url is missing\n");
        ASSERT_REFUSES("store: {url: \"redis://h:1/0\"}\n",
                       "f:1:14: store.url: the store in memory has none; allowed: null, or kind: "
                       "redis\n");
        ASSERT_REFUSES("store: {kind: redis, url: \"http://h\"}\n",
                       "f:1:27: store.url: found \"http://h\"; allowed: "
                       "redis://[USER:PASSWORD@]HOST:PORT/DB or unix:///PATH; or null\n");
        ASSERT_TELLS("store: {kind: redis, url: \"unix://relative\"}\n",
                     "f:1:27: store.url: found");
        ASSERT_TELLS("store: {kind: redis, url: \"redis://a b\"}\n", "f:1:27: store.url: found");
}
END_TEST

START_TEST(a_password_in_a_url_is_not_told)
{
        ASSERT_REFUSES("store: {kind: redis, url: \"redjs://u:geheim@h:1/0\"}\n",
                       "f:1:27: store.url: found \"redjs://u:***@h:1/0\"; allowed: "
                       "redis://[USER:PASSWORD@]HOST:PORT/DB or unix:///PATH; or null\n");
        ASSERT_TELLS("store: {kind: redis, url: \"redis://:ge/h@eim@h:1 /0\"}\n",
                     "found \"redis://:***@h:1 /0\"; ");
}
END_TEST

START_TEST(a_lease_is_longer_than_its_renewal)
{
        ASSERT_REFUSES(
                "store: {lease: 2999ms}\n",
                "f:1:16: store.lease: found \"2999ms\"; allowed: a duration like 250ms, 30s, "
                "5m, 2h or 7d, from 3s to 1h\n");
        config_unref(load_text("store: {lease: 3s}\n"));
}
END_TEST

START_TEST(tcp_needs_a_token)
{
        ASSERT_REFUSES(
                "http:\n  listen: [unix:/a, \"127.0.0.1:80\", \"[::1]:80\"]\n",
                "f:2:21: http.listen[1]: found \"127.0.0.1:80\" without http.token_file, and "
                "whoever reaches it may push; allowed: a token_file, or unix:/PATH\n"
                "f:2:37: http.listen[2]: found \"[::1]:80\" without http.token_file, and "
                "whoever reaches it may push; allowed: a token_file, or unix:/PATH\n");
}
END_TEST

START_TEST(addresses_to_listen_at_need_no_name_server)
{
        static const char *const refused[] = { "localhost:80", "unix:a",  "127.0.0.1",
                                               "1.2.3:4",      "[::1]",   "::1:80",
                                               ":80",          "[::1:80", "127.0.0.1:65536",
                                               "127.0.0.1:-1", "[]:80",   "" };
        char text[100];

        for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
                snprintf(text, sizeof(text), "http: {listen: [\"%s\"]}\n", refused[i]);
                ASSERT_TELLS(text, "; allowed: unix:/PATH, ADDRESS:PORT or [ADDRESS]:PORT\n");
        }
}
END_TEST

START_TEST(the_buffer_has_room_for_one_payload)
{
        ASSERT_REFUSES(
                "limits: {payload: 2MiB, buffer: 1MiB}\n",
                "f:1:33: limits.buffer: limits.buffer is 1048576 bytes, and limits.payload is "
                "2097152; allowed: room for one payload at least\n");
        ASSERT_REFUSES("limits: {payload: 65MiB}\n",
                       "f:1:9: limits: limits.buffer is 67108864 bytes, and limits.payload is "
                       "68157440; allowed: room for one payload at least\n");
        config_unref(load_text("limits: {payload: 1MiB, buffer: 1MiB}\n"));
}
END_TEST

/* --- handlers ----------------------------------------------------------------------------------- */

START_TEST(a_handler_is_of_one_kind)
{
        ASSERT_REFUSES("handlers: {h: {}}\n", "f:1:12: handlers.h: says not what to do; allowed: "
                                              "one of exec, http, noop\n");
        ASSERT_REFUSES("handlers: {h: }\n", "f:1:12: handlers.h: says not what to do; allowed: one "
                                            "of exec, http, noop\n");
        ASSERT_REFUSES(
                "handlers: {h: {noop: {}, http: {url: \"http://x\"}}}\n",
                "f:1:26: handlers.h.http: noop is there already; allowed: one of exec, http, "
                "noop\n");
}
END_TEST

START_TEST(what_a_handler_must_say_is_told_when_it_is_missing)
{
        ASSERT_REFUSES("handlers: {h: {exec: {}}}\n",
                       "f:1:16: handlers.h.exec.argv: is missing; allowed: a list of texts\n");
        ASSERT_REFUSES("handlers: {h: {http: }}\n",
                       "f:1:16: handlers.h.http.url: is missing; allowed: http://HOST… or "
                       "https://HOST…\n");
}
END_TEST

START_TEST(a_program_is_absolute_there_and_executable)
{
        ASSERT_REFUSES(EXEC("[cat]"), "f:2:21: handlers.h.exec.argv[0]: cat: a relative path; "
                                      "allowed: an absolute one\n");
        ASSERT_REFUSES(EXEC("[/bin/ctа]"),
                       "f:2:21: handlers.h.exec.argv[0]: /bin/ctа: No such file or directory\n");
        ASSERT_REFUSES(EXEC("[/bin]"), "f:2:21: handlers.h.exec.argv[0]: /bin: a directory; "
                                       "allowed: a program\n");
        ASSERT_REFUSES(EXEC("[/etc/passwd]"), "f:2:21: handlers.h.exec.argv[0]: /etc/passwd: not "
                                              "executable for this user; allowed: a program\n");
        ASSERT_REFUSES(EXEC("[/dev/null]"), "f:2:21: handlers.h.exec.argv[0]: /dev/null: not a "
                                            "regular file; allowed: a program\n");
        config_unref(load_text(EXEC("[/bin/cat, cat]")));
}
END_TEST

START_TEST(a_program_runs_in_a_folder_that_is_there)
{
        ASSERT_REFUSES(EXEC("[/bin/cat], cwd: tmp"),
                       "f:2:37: handlers.h.exec.cwd: found \"tmp\"; allowed: an absolute path; or "
                       "null\n");
        ASSERT_REFUSES(EXEC("[/bin/cat], cwd: /nowhere"),
                       "f:2:37: handlers.h.exec.cwd: /nowhere: No such file or directory\n");
        ASSERT_REFUSES(EXEC("[/bin/cat], cwd: /bin/cat"),
                       "f:2:37: handlers.h.exec.cwd: /bin/cat: Not a directory\n");
}
END_TEST

START_TEST(variables_that_tell_of_the_job_cannot_be_set)
{
        ASSERT_REFUSES(
                EXEC("[/bin/cat], env: {PENSTOCK_ID: x, A-B: x, 1A: x, TRACEPARENT: y}"),
                "f:2:38: handlers.h.exec.env.PENSTOCK_ID: this variable tells a program of "
                "its job; allowed: others\n"
                "f:2:54: handlers.h.exec.env.A-B: not the name of a variable; allowed: A-Z "
                "a-z 0-9 _\n"
                "f:2:62: handlers.h.exec.env.1A: not the name of a variable; allowed: A-Z a-z "
                "0-9 _\n"
                "f:2:69: handlers.h.exec.env.TRACEPARENT: this variable tells a program of "
                "its job; allowed: others\n");
}
END_TEST

START_TEST(urls_are_http_and_name_a_host)
{
        static const char *const refused[] = { "file:///etc/passwd",
                                               "gopher://x",
                                               "//x",
                                               "x",
                                               "http://",
                                               "http:///x",
                                               "https://:80/",
                                               "http://a b",
                                               "http://a\\n",
                                               "http://ä",
                                               "HTTP//x",
                                               "" };
        char text[100];

        for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
                snprintf(text, sizeof(text), "handlers: {h: {http: {url: \"%s\"}}}\n", refused[i]);
                ASSERT_TELLS(text, "; allowed: http://HOST… or https://HOST…\n");
        }
}
END_TEST

START_TEST(headers_are_lines_and_not_our_own)
{
        static const char *const reserved[] = { "Penstock-Id", "idempotency-key",
                                                "traceparent", "Content-Length",
                                                "Host",        "transfer-encoding" };
        char text[200];

        for (size_t i = 0; i < ARRAY_SIZE(reserved); i++) {
                snprintf(text, sizeof(text),
                         "handlers: {h: {http: {url: \"http://x\", headers: {%s: x}}}}\n",
                         reserved[i]);
                ASSERT_TELLS(text, ": this header is Penstock's to say; allowed: others\n");
        }
        ASSERT_TELLS("handlers: {h: {http: {url: \"http://x\", headers: {\"a b\": x}}}}\n",
                     "f:1:50: handlers.h.http.headers.a b: not the name of a header; ");
        ASSERT_TELLS(
                "handlers: {h: {http: {url: \"http://x\", headers: {A: \"geheim\\r\\nB: c\"}}}}\n",
                "f:1:53: handlers.h.http.headers.A: found a control character or a line end; "
                "allowed: one line\n");
        ASSERT_TELLS("handlers: {h: {http: {url: \"http://x\", method: \"GET x\"}}}\n",
                     "found \"GET x\"; allowed: a method like POST or PUT\n");
}
END_TEST

START_TEST(a_status_is_rejected_or_retried_and_not_both)
{
        ASSERT_REFUSES("handlers: {h: {http: {url: \"http://x\", retry_status: [404, 422]}}}\n",
                       "f:1:54: handlers.h.http.retry_status: 422 is in retry_status and in "
                       "reject_status; allowed: in one of them (both have defaults)\n");
        ASSERT_REFUSES("handlers: {h: {http: {url: \"http://x\", reject_status: [429]}}}\n",
                       "f:1:55: handlers.h.http.reject_status: 429 is in retry_status and in "
                       "reject_status; allowed: in one of them (both have defaults)\n");
        ASSERT_TELLS("handlers: {h: {http: {url: \"http://x\", reject_status: [200]}}}\n",
                     "allowed: a whole number from 300 to 599\n");
}
END_TEST

/* --- queues ------------------------------------------------------------------------------------- */

START_TEST(a_queue_names_handlers_that_there_are)
{
        ASSERT_REFUSES(
                "queues: {q: {handler: send_mial}}\n"
                "handlers: {thumb: {noop: {}}, send_mail: {noop: {}}}\n",
                "f:1:23: queues.q.handler: no handler is called \"send_mial\"; the nearest is "
                "send_mail\n");
        ASSERT_REFUSES("queues: {q: {handler: a}}\n",
                       "f:1:23: queues.q.handler: no handler is called \"a\", and there is none at "
                       "all\n");
        ASSERT_REFUSES(IN_QUEUE("types: {a: h, b: g}"),
                       "f:2:43: queues.q.types.b: no handler is called \"g\"; the nearest is h\n");
        ASSERT_TELLS(IN_QUEUE("types: {\"a b\": h}"),
                     "f:2:34: queues.q.types.a b: not the name of a type; ");
}
END_TEST

START_TEST(a_queue_needs_a_handler_or_types)
{
        ASSERT_REFUSES(NOOP "queues:\n  q: {weight: 2}\n",
                       "f:3:3: queues.q: says not who runs its jobs; allowed: a handler, or types "
                       "that have handlers\n");
        ASSERT_REFUSES(NOOP "queues:\n  q:\n", "f:3:3: queues.q: says not who runs its jobs; "
                                               "allowed: a handler, or types that have handlers\n");
        ASSERT_REFUSES(
                NOOP "queues:\n  q: {handler: null, types: {}}\n",
                "f:3:16: queues.q.handler: nobody runs the jobs; allowed: a handler, or types "
                "that have handlers\n");
        config_unref(load_text(NOOP "queues: {q: {types: {a: h}}}\n"));
}
END_TEST

START_TEST(the_first_delay_is_not_over_the_longest)
{
        ASSERT_REFUSES(IN_QUEUE("retry: {delay: 11m}"),
                       "f:2:41: queues.q.retry.delay: 11m is more than max_delay, 10m; allowed: at "
                       "most that\n");
        ASSERT_TELLS(IN_QUEUE("retry: {backoff: linear, delay: 2s, max_delay: 1s}"),
                     "queues.q.retry.delay: 2s is more than max_delay, 1s; ");
        config_unref(load_text(IN_QUEUE("retry: {backoff: constant, delay: 11m}")));
        config_unref(load_text(IN_QUEUE("retry: {delay: 10m}")));
}
END_TEST

START_TEST(a_list_of_delays_goes_with_its_backoff)
{
        ASSERT_REFUSES(
                IN_QUEUE("retry: {backoff: list}"),
                "f:2:43: queues.q.retry.backoff: list needs delays: retry.list is missing\n");
        ASSERT_REFUSES(IN_QUEUE("retry: {list: [1s]}"),
                       "f:2:40: queues.q.retry.list: only backoff: list goes by it; allowed: null, "
                       "or that\n");
}
END_TEST

int main(void)
{
        return RUN_SUITE(
                "config_checks", redis_needs_its_url_and_memory_has_none,
                a_password_in_a_url_is_not_told, a_lease_is_longer_than_its_renewal,
                tcp_needs_a_token, addresses_to_listen_at_need_no_name_server,
                the_buffer_has_room_for_one_payload, a_handler_is_of_one_kind,
                what_a_handler_must_say_is_told_when_it_is_missing,
                a_program_is_absolute_there_and_executable,
                a_program_runs_in_a_folder_that_is_there,
                variables_that_tell_of_the_job_cannot_be_set, urls_are_http_and_name_a_host,
                headers_are_lines_and_not_our_own, a_status_is_rejected_or_retried_and_not_both,
                a_queue_names_handlers_that_there_are, a_queue_needs_a_handler_or_types,
                the_first_delay_is_not_over_the_longest, a_list_of_delays_goes_with_its_backoff);
}

#include "load.h"

#include <fcntl.h>
#include <sys/stat.h>

/* A queue that is well, for texts that are about something else. */
#define NOOP "handlers: {h: {noop: {}}}\n"
#define WELL NOOP "queues: {q: {handler: h}}\n"
#define IN_QUEUE(text) NOOP "queues: {q: {handler: h, " text "}}\n"

/* --- the file ----------------------------------------------------------------------------------- */

static char *errors_of_file(const char *path)
{
        struct buffer errors = { 0 };
        struct config *config = NULL;

        ck_assert_int_eq(config_load(path, &errors, &config), -EINVAL);
        ck_assert_ptr_null(config);
        ck_assert_int_eq(buffer_append(&errors, "", 1), 0);
        return buffer_take(&errors, NULL);
}

START_TEST(a_file_that_is_missing_or_a_directory_is_told_with_its_path)
{
        char *missing = errors_of_file("/nowhere/penstock.yaml");
        char *directory = errors_of_file("/");

        ck_assert_str_eq(missing, "/nowhere/penstock.yaml: No such file or directory\n");
        ck_assert_str_eq(directory, "/: Is a directory\n");
        free(missing);
        free(directory);
}
END_TEST

START_TEST(a_file_that_says_nothing_is_an_error)
{
        static const char *const texts[] = { "", "\n\n", "# only a comment\n", "---\n", "~\n" };

        for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
                ASSERT_REFUSES(texts[i],
                               "f: is empty; allowed: a mapping of keys, like \"queues:\"\n");
        ASSERT_REFUSES("- a\n", "f:1:1: found no mapping; allowed: a mapping of keys\n");
        ASSERT_REFUSES("queues\n", "f:1:1: found no mapping; allowed: a mapping of keys\n");
}
END_TEST

START_TEST(a_file_past_its_limit_is_refused_before_it_is_read)
{
        size_t size = ((size_t)1 << 20) + 1;
        char *text = malloc(size), *errors;

        memset(text, '#', size);
        errors = errors_of_text(text, size);
        ck_assert_str_eq(errors, "f: is larger than 1024 KiB\n");
        free(errors);
        errors = errors_of_file("/dev/zero");
        ck_assert_str_eq(errors, "/dev/zero: is larger than 1024 KiB\n");
        free(errors);
        free(text);
}
END_TEST

/* --- YAML --------------------------------------------------------------------------------------- */

START_TEST(what_is_no_yaml_is_told_where)
{
        ASSERT_REFUSES("log:\n  level: [info\n",
                       "f:3:1: this is not YAML: did not find expected ',' or ']', while parsing a "
                       "flow sequence of line 2\n");
        ASSERT_REFUSES(
                "log:\n\tlevel: info\n",
                "f:2:1: this is not YAML: found character that cannot start any token, while "
                "scanning for the next token\n");
        ASSERT_REFUSES("log:\n  # \xff\n",
                       "f:2:5: this is not the text of a YAML file: invalid leading UTF-8 octet\n");
}
END_TEST

START_TEST(anchors_aliases_and_tags_are_refused)
{
        ASSERT_REFUSES("log: &l {level: info}\nhttp: *l\n",
                       "f:1:6: found the anchor &l; anchors and aliases are not allowed\n"
                       "f:2:7: found the alias *l; anchors and aliases are not allowed\n");
        ASSERT_REFUSES("concurrency: !!int 3\n",
                       "f:1:14: found the tag tag:yaml.org,2002:int; tags are not allowed\n");
        ASSERT_REFUSES("log: !mine {level: info}\n",
                       "f:1:6: found the tag !mine; tags are not allowed\n");
        ASSERT_REFUSES("? *l\n: 3\n",
                       "f:1:3: found the alias *l; anchors and aliases are not allowed\n");
}
END_TEST

START_TEST(an_alias_bomb_never_goes_off)
{
        static const char bomb[] = "a: &a [x, x, x, x, x, x, x, x, x]\n"
                                   "b: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a]\n"
                                   "c: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b]\n"
                                   "d: [*c, *c, *c, *c, *c, *c, *c, *c, *c]\n";

        ASSERT_TELLS(bomb, "f:4:5: found the alias *c; anchors and aliases are not allowed\n");
}
END_TEST

START_TEST(nesting_is_bounded)
{
        size_t n = 10000;
        char *text = malloc(n + 1), *errors;

        memset(text, '[', n);
        errors = errors_of_text(text, n);
        ck_assert_str_eq(errors, "f:1:33: nested more than 32 deep\n");
        free(errors);

        memset(text, '{', n);
        errors = errors_of_text(text, n);
        ck_assert_ptr_nonnull(strstr(errors, "a key must be a text, not a list or a mapping\n"));
        free(errors);
        free(text);
}
END_TEST

START_TEST(the_number_of_values_is_bounded)
{
        static const char line[] = "- x\n";
        size_t n = 100000, size = strlen(line);
        char *text = malloc(n * size), *errors;

        for (size_t i = 0; i < n; i++)
                memcpy(text + i * size, line, size);
        errors = errors_of_text(text, n * size);
        ck_assert_str_eq(errors, "f:100000:3: more than 100000 values in one file\n");
        free(errors);
        errors = errors_of_text(text, (n - 1) * size);
        ck_assert_str_eq(errors, "f:1:1: found no mapping; allowed: a mapping of keys\n");
        free(errors);
        free(text);
}
END_TEST

START_TEST(a_key_twice_is_told_with_both_lines)
{
        ASSERT_REFUSES(WELL "log:\n  level: info\n  jobs: all\n  level: warn\n",
                       "f:6:3: log.level: this key stands on line 4 already\n");
        ASSERT_REFUSES("handlers:\n  h: {noop: {}}\n  \"h\": {noop: {run: 1s}}\n",
                       "f:3:3: handlers.h: this key stands on line 2 already\n");
        ASSERT_REFUSES("log: {jobs: all}\nlog: {jobs: all}\nlog: {jobs: no}\n",
                       "f:2:1: log: this key stands on line 1 already\n"
                       "f:3:1: log: this key stands on line 1 already\n");
}
END_TEST

START_TEST(a_second_document_is_refused)
{
        ASSERT_REFUSES(WELL "---\n" WELL,
                       "f:3:1: a second document begins here; a configuration is one document\n");
}
END_TEST

START_TEST(nul_and_keys_that_are_no_text_are_refused)
{
        ASSERT_REFUSES("instance: \"a\\0b\"\n",
                       "f:1:11: found a NUL character; texts may have none\n");
        ASSERT_REFUSES("? [a]\n: b\n", "f:1:3: a key must be a text, not a list or a mapping\n");
}
END_TEST

/* --- keys --------------------------------------------------------------------------------------- */

START_TEST(an_unknown_key_is_told_with_the_nearest)
{
        ASSERT_REFUSES("concurency: 3\n",
                       "f:1:1: concurency: there is no such key; the nearest is concurrency\n");
        ASSERT_REFUSES(IN_QUEUE("retry: {max_atempts: 3}"),
                       "f:2:34: queues.q.retry.max_atempts: there is no such key; the nearest is "
                       "max_attempts\n");
        ASSERT_REFUSES("handlers: {h: {noop: {}, hhtp: 1}}\n",
                       "f:1:26: handlers.h.hhtp: there is no such key; the nearest is http\n");
}
END_TEST

START_TEST(a_group_is_a_mapping)
{
        ASSERT_REFUSES("store: redis\n",
                       "f:1:8: store: found no mapping; allowed: a mapping of keys\n");
        ASSERT_REFUSES("queues: [a]\n",
                       "f:1:9: queues: found no mapping; allowed: a mapping of names\n");
        ASSERT_REFUSES("handlers: {h: {noop: 3}}\n",
                       "f:1:22: handlers.h.noop: found no mapping; allowed: a mapping of keys\n");
        ASSERT_REFUSES("handlers: {h: [noop]}\n",
                       "f:1:15: handlers.h: found no mapping; allowed: a mapping of keys\n");
        ASSERT_REFUSES("handlers: {h: {exec: /bin/cat}}\n",
                       "f:1:22: handlers.h.exec: found no mapping; allowed: a mapping of keys\n");
}
END_TEST

START_TEST(names_have_their_letters)
{
        ASSERT_REFUSES("handlers: {\"a/b\": {noop: {}}}\n",
                       "f:1:12: handlers.a/b: not a name; allowed: 1 to 64 of A-Z a-z 0-9 _ . -\n");
        ASSERT_REFUSES(NOOP "queues:\n  \"*\": {handler: h}\n",
                       "f:3:3: queues.*: not a name; allowed: 1 to 64 of A-Z a-z 0-9 _ . -\n");
        ASSERT_REFUSES(NOOP "queues:\n  \"\": {handler: h}\n",
                       "f:3:3: queues.: not a name; allowed: 1 to 64 of A-Z a-z 0-9 _ . -\n");
        ASSERT_REFUSES(
                "instance: a b\n",
                "f:1:11: instance: found \"a b\"; allowed: a name: 1 to 64 of A-Z a-z 0-9 _ . "
                "-\n");
}
END_TEST

/* --- values ------------------------------------------------------------------------------------- */

START_TEST(whole_numbers_are_strict)
{
        static const char *const values[] = { "no",   "0x10",   "1.5",
                                              "-1",   "0",      "1e3",
                                              "+5",   "0o17",   "017",
                                              "1_0",  ".5",     "1 0",
                                              "true", "100001", "99999999999999999999" };
        char text[100], expected[200];

        for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
                snprintf(text, sizeof(text), "log: {}\nconcurrency: %s\n", values[i]);
                snprintf(expected, sizeof(expected),
                         "f:2:14: concurrency: found \"%s\"; allowed: a whole number from 1 to "
                         "100000\n",
                         values[i]);
                ASSERT_REFUSES(text, expected);
        }
        ASSERT_REFUSES("concurrency: \"5\"\n", "f:1:14: concurrency: found \"5\"; allowed: a whole "
                                               "number from 1 to 100000\n");
        ASSERT_REFUSES("concurrency:\n", "f:1:13: concurrency: found nothing; allowed: a whole "
                                         "number from 1 to 100000\n");
        ASSERT_REFUSES("concurrency: [5]\n", "f:1:14: concurrency: found a list; allowed: a whole "
                                             "number from 1 to 100000\n");
        ASSERT_REFUSES("concurrency: {a: 5}\n", "f:1:14: concurrency: found a mapping; allowed: a "
                                                "whole number from 1 to 100000\n");
}
END_TEST

START_TEST(durations_sizes_and_rates_have_units_and_bounds)
{
        ASSERT_REFUSES(
                "shutdown_timeout: 25\n",
                "f:1:19: shutdown_timeout: found \"25\"; allowed: a duration like 250ms, 30s, "
                "5m, 2h or 7d, from 0 to 1d\n");
        ASSERT_REFUSES("shutdown_timeout: 1.5s\n",
                       "f:1:19: shutdown_timeout: found \"1.5s\"; allowed: a duration like 250ms, "
                       "30s, 5m, 2h or 7d, from 0 to 1d\n");
        ASSERT_REFUSES(
                "shutdown_timeout: 999999999999d\n",
                "f:1:19: shutdown_timeout: found \"999999999999d\"; allowed: a duration like "
                "250ms, 30s, 5m, 2h or 7d, from 0 to 1d\n");
        ASSERT_REFUSES("limits: {payload: 1MB}\n",
                       "f:1:19: limits.payload: found \"1MB\"; allowed: a size like 512B, 64KiB, "
                       "1MiB or 2GiB, from 1B to 512MiB\n");
        ASSERT_REFUSES(
                "limits: {payload: 0}\n",
                "f:1:19: limits.payload: found \"0\"; allowed: a size like 512B, 64KiB, 1MiB "
                "or 2GiB, from 1B to 512MiB\n");
        ASSERT_TELLS(IN_QUEUE("rate: 100"), "f:2:32: queues.q.rate: found \"100\"; allowed: a rate "
                                            "like 100/s, 6000/m, 3/h or 1/d, at most 1000000000/s; "
                                            "or null\n");
        ASSERT_TELLS(IN_QUEUE("rate: 0/s"), "f:2:32: queues.q.rate: found \"0/s\"; ");
        ASSERT_TELLS(IN_QUEUE("dead: {max: 0}"),
                     "f:2:38: queues.q.dead.max: found \"0\"; allowed: a "
                     "whole number from 1 to 1000000000; or null\n");
        ASSERT_TELLS("log: {stats: null}\n", "f:1:14: log.stats: found null; ");
        ASSERT_TELLS("log: {stats: 25h}\n", "f:1:14: log.stats: found \"25h\"; ");
        ASSERT_TELLS("limits: {delay: 366d}\n", "f:1:17: limits.delay: found \"366d\"; ");
}
END_TEST

START_TEST(counts_of_a_queue_have_their_least)
{
        static const char *const keys[] = { "concurrency", "maxsize", "weight", "max_crashes",
                                            "capacity" };
        char text[200], expected[100];

        for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
                snprintf(text, sizeof(text), IN_QUEUE("%s: 0"), keys[i]);
                snprintf(expected, sizeof(expected),
                         "queues.q.%s: found \"0\"; allowed: a whole "
                         "number from 1 to ",
                         keys[i]);
                ASSERT_TELLS(text, expected);
        }
        ASSERT_TELLS(IN_QUEUE("retry: {max_attempts: 0}"),
                     "f:2:48: queues.q.retry.max_attempts: found \"0\"; ");
        ASSERT_TELLS(
                IN_QUEUE("retry: {factor: 0.9}"),
                "f:2:42: queues.q.retry.factor: found \"0.9\"; allowed: a number like 2 or 0.5 "
                "from 1 to 100\n");
}
END_TEST

START_TEST(decimals_are_strict)
{
        static const char *const values[] = { "1.1",  ".5",     "1.",      "1e-1",
                                              "-0.5", "00.5",   "0,5",     "nan",
                                              "inf",  "0x1p-1", "\"0.5\"", "0.1234567890123456" };
        char text[100];

        for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
                snprintf(text, sizeof(text), "handlers: {h: {noop: {fail: %s}}}\n",
                         !strcmp(values[i], "0,5") ? "\"0,5\"" : values[i]);
                ASSERT_TELLS(text, "; allowed: a number like 2 or 0.5 from 0 to 1\n");
        }
}
END_TEST

START_TEST(words_are_those_there_are)
{
        ASSERT_REFUSES("log: {level: verbose}\n",
                       "f:1:14: log.level: found \"verbose\"; allowed: debug, info, warn, error\n");
        ASSERT_TELLS("log: {level: INFO}\n", "found \"INFO\"");
        ASSERT_TELLS(IN_QUEUE("retry: {backoff: none}"),
                     "found \"none\"; allowed: exponential, linear, constant, list\n");
}
END_TEST

START_TEST(permissions_are_octal_and_show_it)
{
        static const char *const values[] = {
                "660", "0668", "01660", "rw-rw----", "0o660", "1777"
        };
        char text[100];

        for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
                snprintf(text, sizeof(text), "http: {mode: %s}\n", values[i]);
                ASSERT_TELLS(text, "; allowed: octal permissions from 0000 to 0777, like 0660\n");
        }
}
END_TEST

START_TEST(lists_are_told_by_their_element)
{
        ASSERT_REFUSES("handlers: {h: {exec: {argv: [/bin/cat], reject_exit: [65, 256]}}}\n",
                       "f:1:59: handlers.h.exec.reject_exit[1]: found \"256\"; allowed: a whole "
                       "number from 1 to 255\n");
        ASSERT_REFUSES("handlers: {h: {exec: {argv: []}}}\n",
                       "f:1:29: handlers.h.exec.argv: found 0 of them; allowed: from 1 to 1000\n");
        ASSERT_TELLS("handlers: {h: {exec: {argv: [/bin/cat, [a]]}}}\n",
                     "f:1:40: handlers.h.exec.argv[1]: found a list; ");
        ASSERT_TELLS("handlers: {h: {exec: {argv: [/bin/cat, ~]}}}\n",
                     "f:1:40: handlers.h.exec.argv[1]: found null; ");
        ASSERT_TELLS(IN_QUEUE("retry: {backoff: list, list: []}"),
                     "queues.q.retry.list: found 0 of them; allowed: from 1 to 1000\n");
}
END_TEST

/* --- what is not carried out yet ---------------------------------------------------------------- */

START_TEST(what_is_not_carried_out_yet_is_refused_by_name)
{
        ASSERT_REFUSES(
                "store: {kind: sqlite}\n",
                "f:1:15: store.kind: sqlite is not carried out yet; allowed: memory, redis\n");
        ASSERT_REFUSES("store: {path: /x}\n", "f:1:9: store.path: is not carried out yet; allowed: "
                                              "to leave it out\n");
        ASSERT_REFUSES("log: {format: journal}\n", "f:1:15: log.format: journal is not carried out "
                                                   "yet; allowed: auto, logfmt, json\n");
        ASSERT_REFUSES("cron: {}\n",
                       "f:1:1: cron: is not carried out yet; allowed: to leave it out\n");
        ASSERT_REFUSES("handlers: {w: {worker: {argv: [/x]}}}\n",
                       "f:1:16: handlers.w.worker: is not carried out yet; allowed: to leave it "
                       "out\n");
        ASSERT_REFUSES("handlers: {w: {plugin: {path: /x}}}\n",
                       "f:1:16: handlers.w.plugin: is not carried out yet; allowed: to leave it "
                       "out\n");
        ASSERT_REFUSES(IN_QUEUE("keep_results: 1h"),
                       "f:2:40: queues.q.keep_results: is not carried out yet; allowed: 0\n");
        ASSERT_REFUSES(IN_QUEUE("list: {key: k}"),
                       "f:2:26: queues.q.list: is not carried out yet; allowed: to leave it out\n");
}
END_TEST

START_TEST(options_of_handlers_that_are_not_carried_out_yet_are_refused)
{
        static const char *const exec[] = { "umask: 022", "rlimits: {}", "nice: 5" };
        static const char *const http[] = { "secret_file: x", "allow_hosts: []" };
        char text[200];

        for (size_t i = 0; i < ARRAY_SIZE(exec); i++) {
                snprintf(text, sizeof(text), "handlers: {h: {exec: {argv: [/bin/cat], %s}}}\n",
                         exec[i]);
                ASSERT_TELLS(text, "is not carried out yet; allowed: to leave it out\n");
        }
        for (size_t i = 0; i < ARRAY_SIZE(http); i++) {
                snprintf(text, sizeof(text), "handlers: {h: {http: {url: \"http://x\", %s}}}\n",
                         http[i]);
                ASSERT_TELLS(text, "is not carried out yet; allowed: to leave it out\n");
        }
}
END_TEST

START_TEST(stores_that_are_not_carried_out_yet_are_refused_by_their_scheme)
{
        static const char *const schemes[] = { "rediss://", "redis-sentinel://",
                                               "redis-cluster://" };
        char text[200], expected[200];

        for (size_t i = 0; i < ARRAY_SIZE(schemes); i++) {
                snprintf(text, sizeof(text), "store: {kind: redis, url: \"%sh:1/0\"}\n",
                         schemes[i]);
                snprintf(expected, sizeof(expected), "store.url: %s is not carried out yet; ",
                         schemes[i]);
                ASSERT_TELLS(text, expected);
        }
}
END_TEST

/* --- all of them -------------------------------------------------------------------------------- */

START_TEST(all_errors_are_told_at_once_in_the_order_of_the_file)
{
        ASSERT_REFUSES(
                "queues:\n"
                "  q: {handler: nobody, weight: 0}\n"
                "concurrency: no\n"
                "store: {lease: 1s, kind: redis}\n"
                "handlers:\n"
                "  h: {noop: {}, exec: {argv: [x]}}\n",
                "f:2:16: queues.q.handler: no handler is called \"nobody\"; the nearest is h\n"
                "f:2:32: queues.q.weight: found \"0\"; allowed: a whole number from 1 to "
                "1000\n"
                "f:3:14: concurrency: found \"no\"; allowed: a whole number from 1 to 100000\n"
                "f:4:16: store.lease: found \"1s\"; allowed: a duration like 250ms, 30s, 5m, "
                "2h or 7d, from 3s to 1h\n"
                "f:4:26: store.kind: redis needs to know where: store.url is missing\n"
                "f:6:17: handlers.h.exec: noop is there already; allowed: one of exec, http, "
                "noop\n");
}
END_TEST

START_TEST(a_refused_value_has_no_second_error_for_what_follows_from_it)
{
        ASSERT_REFUSES(IN_QUEUE("retry: {max_delay: 5}"),
                       "f:2:45: queues.q.retry.max_delay: found \"5\"; allowed: a duration like "
                       "250ms, 30s, 5m, 2h or 7d, from 0 to 365d\n");
        ASSERT_REFUSES(
                "limits: {payload: 65MiB, buffer: no}\n",
                "f:1:34: limits.buffer: found \"no\"; allowed: a size like 512B, 64KiB, 1MiB "
                "or 2GiB, from 1B to 64GiB\n");
        ASSERT_REFUSES(NOOP "queues: {q: {handler: [h]}}\n",
                       "f:2:23: queues.q.handler: found a list; allowed: the name of a handler; or "
                       "null\n");
}
END_TEST

START_TEST(past_a_hundred_errors_only_their_number_is_told)
{
        char *text = malloc(200 * 8 + 1), *errors, *to = text;
        size_t lines = 0;

        for (int i = 0; i < 150; i++)
                to += sprintf(to, "x%03d: 1\n", i);
        errors = errors_of_text(text, strlen(text));
        for (char *i = errors; *i; i++)
                lines += *i == '\n';
        ck_assert_uint_eq(lines, 101);
        ck_assert_ptr_nonnull(strstr(errors, "f:100:1: x099: "));
        ck_assert_ptr_nonnull(strstr(errors, "f: and 50 more errors\n"));
        free(errors);
        free(text);
}
END_TEST

START_TEST(an_error_is_one_line_whatever_was_found)
{
        ASSERT_REFUSES("\"a\\nb\\e[2J\": 1\n",
                       "f:1:1: a\\x0ab\\x1b[2J: there is no such key; the nearest is store\n");
        ASSERT_TELLS("log: {level: \"a\\nb\"}\n", "found \"a\\x0ab\"; ");
}
END_TEST

int main(void)
{
        return RUN_SUITE(
                "config_errors", a_file_that_is_missing_or_a_directory_is_told_with_its_path,
                a_file_that_says_nothing_is_an_error,
                a_file_past_its_limit_is_refused_before_it_is_read, what_is_no_yaml_is_told_where,
                anchors_aliases_and_tags_are_refused, an_alias_bomb_never_goes_off,
                nesting_is_bounded, the_number_of_values_is_bounded,
                a_key_twice_is_told_with_both_lines, a_second_document_is_refused,
                nul_and_keys_that_are_no_text_are_refused, an_unknown_key_is_told_with_the_nearest,
                a_group_is_a_mapping, names_have_their_letters, whole_numbers_are_strict,
                durations_sizes_and_rates_have_units_and_bounds, counts_of_a_queue_have_their_least,
                decimals_are_strict, words_are_those_there_are, permissions_are_octal_and_show_it,
                lists_are_told_by_their_element, what_is_not_carried_out_yet_is_refused_by_name,
                options_of_handlers_that_are_not_carried_out_yet_are_refused,
                stores_that_are_not_carried_out_yet_are_refused_by_their_scheme,
                all_errors_are_told_at_once_in_the_order_of_the_file,
                a_refused_value_has_no_second_error_for_what_follows_from_it,
                past_a_hundred_errors_only_their_number_is_told,
                an_error_is_one_line_whatever_was_found);
}

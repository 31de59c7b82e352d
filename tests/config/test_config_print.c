/* A configuration as text again, and what is different in two of them. */
#include "load.h"

#include <config/print.h>

static const char odd[] =
        "instance: web-1\n"
        "handlers:\n"
        "  \"123\":\n"
        "    exec:\n"
        "      argv: [/bin/cat, '', \"\\e\\t\\\"\\\\ ü 😀 \\u2028 \\x80 $${HOME} %H {a: b}\", null x, '- #']\n"
        "      reject_exit: []\n"
        "  -: {http: {url: 'https://h/p?a=b@c:1', headers: {}, retry_status: []}}\n"
        "  null: {noop: {run: 90s, fail: 0.1}}\n"
        "queues:\n"
        "  \".\": {handler: \"123\", types: {\"-\": 'null', \"1\": '-'}, rate: 7/d, capacity: null,\n"
        "         retry: {factor: 1.000001, backoff: list, list: [1500ms, 0]}, dead: {keep: 0}}\n"
        "  b: {handler: \"null\", rate: 1/h, dead: {keep: null, max: 1}, timeout: 61m}\n";

/* The differences, one a line; also those that are only counted. */
struct told {
        struct buffer text;
        unsigned n;
};

static void tell(void *data, const char *key, const char *before, const char *after)
{
        struct told *told = data;

        told->n++;
        ck_assert_int_eq(buffer_printf(&told->text, "%s: %s -> %s\n", key,
                                       before ? before : "(none)", after ? after : "(none)"),
                         0);
}

/* Free it. */
static char *differences(const char *before, const char *after)
{
        struct config *a = load_text(before), *b = load_text(after);
        struct told told = { 0 };

        ck_assert_int_eq(config_compare(a, b, tell, &told), 0);
        config_unref(a);
        config_unref(b);
        ck_assert_int_eq(buffer_append(&told.text, "", 1), 0);
        return buffer_take(&told.text, NULL);
}

#define ASSERT_DIFFERENCES(before, after, expected)       \
        do {                                              \
                char *_told = differences(before, after); \
                                                          \
                ck_assert_str_eq(_told, expected);        \
                free(_told);                              \
        } while (0)

START_TEST(what_is_printed_reads_as_the_same)
{
        static const char *const texts[] = { "{}\n", odd };

        for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
                struct config *first = load_text(texts[i]);
                char *printed = print_config(first);
                struct config *second = load_text(printed);
                char *again = print_config(second);
                struct told told = { 0 };

                ck_assert_str_eq(printed, again);
                ck_assert_int_eq(config_compare(first, second, tell, &told), 0);
                ck_assert_uint_eq(told.n, 0);
                buffer_deinit(&told.text);
                free(printed);
                free(again);
                config_unref(first);
                config_unref(second);
        }
}
END_TEST

START_TEST(odd_texts_come_back_byte_by_byte)
{
        struct config *first = load_text(odd);
        char *printed = print_config(first);
        struct config *second = load_text(printed);

        ck_assert_str_eq(first->handlers[0].exec.argv[2],
                         "\x1b\t\"\\ ü 😀 \xe2\x80\xa8 \xc2\x80 ${HOME} %H {a: b}");
        for (size_t i = 0; i < first->handlers[0].exec.n_argv; i++)
                ck_assert_str_eq(second->handlers[0].exec.argv[i], first->handlers[0].exec.argv[i]);
        ck_assert_double_eq(second->queues[0].rate, first->queues[0].rate);
        ck_assert_double_eq(second->queues[0].retry.factor, 1.000001);
        ck_assert_str_eq(second->handlers[1].http.url, "https://h/p?a=b@c:1");
        free(printed);
        config_unref(first);
        config_unref(second);
}
END_TEST

START_TEST(every_key_is_printed_with_its_value)
{
        struct config *c = load_text("instance: i\nhandlers: {h: {noop: {}}}\n"
                                     "queues: {q: {handler: h}}\n");
        char *printed = print_config(c);

        ck_assert_str_eq(printed, "instance: \"i\"\n"
                                  "concurrency: 256\n"
                                  "shutdown_timeout: 25s\n"
                                  "store:\n"
                                  "  kind: memory\n"
                                  "  url: null\n"
                                  "  password_file: null\n"
                                  "  prefix: \"penstock\"\n"
                                  "  lease: 15s\n"
                                  "http:\n"
                                  "  listen: [\"unix:/run/penstock/penstock.sock\"]\n"
                                  "  mode: \"0660\"\n"
                                  "  group: null\n"
                                  "  token_file: null\n"
                                  "log:\n"
                                  "  level: info\n"
                                  "  format: auto\n"
                                  "  jobs: all\n"
                                  "  stats: 1m\n"
                                  "limits:\n"
                                  "  payload: 1MiB\n"
                                  "  buffer: 64MiB\n"
                                  "  result: 64KiB\n"
                                  "  delay: 365d\n"
                                  "handlers:\n"
                                  "  h:\n"
                                  "    noop:\n"
                                  "      run: 0\n"
                                  "      fail: 0\n"
                                  "queues:\n"
                                  "  q:\n"
                                  "    handler: \"h\"\n"
                                  "    types: {}\n"
                                  "    concurrency: 50\n"
                                  "    maxsize: 100\n"
                                  "    capacity: 100000\n"
                                  "    rate: null\n"
                                  "    weight: 1\n"
                                  "    priority: 0\n"
                                  "    dedupe: 10m\n"
                                  "    timeout: 30s\n"
                                  "    keep_results: 0\n"
                                  "    retry:\n"
                                  "      max_attempts: 8\n"
                                  "      backoff: exponential\n"
                                  "      delay: 1s\n"
                                  "      factor: 2\n"
                                  "      max_delay: 10m\n"
                                  "      jitter: full\n"
                                  "      list: null\n"
                                  "    max_crashes: 3\n"
                                  "    dead:\n"
                                  "      keep: 90d\n"
                                  "      max: null\n");
        free(printed);
        config_unref(c);
}
END_TEST

START_TEST(secrets_are_printed_as_stars)
{
        struct config *c = load_text(
                "store: {kind: redis, url: \"redis://u:geheim@h:1/0\"}\n"
                "handlers:\n"
                "  a: {exec: {argv: [/bin/cat], env: {KEY: geheim}}}\n"
                "  b: {http: {url: \"http://u:geheim@h/x@y\", headers: {Authorization: geheim}}}\n");
        char *printed = print_config(c);

        ck_assert_ptr_null(strstr(printed, "geheim"));
        ck_assert_ptr_nonnull(strstr(printed, "  url: \"redis://u:***@h:1/0\"\n"));
        ck_assert_ptr_nonnull(strstr(printed, "      env: {KEY: \"***\"}\n"));
        ck_assert_ptr_nonnull(strstr(printed, "      url: \"http://u:***@h/x@y\"\n"));
        ck_assert_ptr_nonnull(strstr(printed, "      headers: {Authorization: \"***\"}\n"));
        config_unref(load_text(printed));
        free(printed);
        config_unref(c);
}
END_TEST

#define TWO "handlers: {h: {noop: {}}, g: {noop: {run: 1s}}}\n"

START_TEST(each_key_that_differs_is_told_with_both_values)
{
        ASSERT_DIFFERENCES("concurrency: 5\n", "concurrency: 5\n", "");
        ASSERT_DIFFERENCES("concurrency: 5\n", "concurrency: 6\nlog: {level: warn, stats: 0}\n",
                           "concurrency: 5 -> 6\n"
                           "log.level: info -> warn\n"
                           "log.stats: 1m -> 0\n");
        ASSERT_DIFFERENCES(TWO "queues: {q: {handler: h}}\n",
                           TWO "queues: {q: {handler: g, rate: 5/s, dead: {keep: null}, types: {a: "
                               "h}}}\n",
                           "queues.q.handler: \"h\" -> \"g\"\n"
                           "queues.q.types: {} -> {a: \"h\"}\n"
                           "queues.q.rate: null -> 5/s\n"
                           "queues.q.dead.keep: 90d -> null\n");
        ASSERT_DIFFERENCES(TWO, "handlers: {g: {noop: {run: 1s, fail: 1}}, h: {noop: {}}}\n",
                           "handlers.g.noop.fail: 0 -> 1\n");
}
END_TEST

START_TEST(what_only_one_of_them_has_is_told_once)
{
        ASSERT_DIFFERENCES("{}\n", "handlers: {h: {noop: {}}}\n",
                           "handlers.h: (none) -> {noop: {run: 0, fail: 0}}\n");
        ASSERT_DIFFERENCES("handlers: {h: {noop: {}}}\n", "{}\n",
                           "handlers.h: {noop: {run: 0, fail: 0}} -> (none)\n");
        ASSERT_DIFFERENCES(
                TWO, TWO "queues: {q: {handler: h}}\n",
                "queues.q: (none) -> {handler: \"h\", types: {}, concurrency: 50, maxsize: 100, "
                "capacity: 100000, rate: null, weight: 1, priority: 0, dedupe: 10m, timeout: 30s, "
                "keep_results: 0, retry: {max_attempts: 8, backoff: exponential, delay: 1s, factor: "
                "2, max_delay: 10m, jitter: full, list: null}, max_crashes: 3, dead: {keep: 90d, "
                "max: null}}\n");
}
END_TEST

START_TEST(a_handler_of_another_kind_is_told_whole)
{
        ASSERT_DIFFERENCES("handlers: {h: {noop: {}}}\n",
                           "handlers: {h: {exec: {argv: [/bin/cat], env: {A: x}}}}\n",
                           "handlers.h: {noop: {run: 0, fail: 0}} -> {exec: {argv: [\"/bin/cat\"], "
                           "env: {A: \"***\"}, cwd: null, kill_after: 5s, reject_exit: [65]}}\n");
}
END_TEST

START_TEST(another_secret_is_a_difference_that_is_not_told)
{
        ASSERT_DIFFERENCES("handlers: {h: {exec: {argv: [/bin/cat], env: {A: x}}}}\n",
                           "handlers: {h: {exec: {argv: [/bin/cat], env: {A: y}}}}\n",
                           "handlers.h.exec.env: {A: \"***\"} -> {A: \"***\"}\n");
        ASSERT_DIFFERENCES("store: {kind: redis, url: \"redis://:a@h:1/0\"}\n",
                           "store: {kind: redis, url: \"redis://:b@h:1/0\"}\n",
                           "store.url: \"redis://:***@h:1/0\" -> \"redis://:***@h:1/0\"\n");
}
END_TEST

int main(void)
{
        return RUN_SUITE(
                "config_print", what_is_printed_reads_as_the_same, odd_texts_come_back_byte_by_byte,
                every_key_is_printed_with_its_value, secrets_are_printed_as_stars,
                each_key_that_differs_is_told_with_both_values,
                what_only_one_of_them_has_is_told_once, a_handler_of_another_kind_is_told_whole,
                another_secret_is_a_difference_that_is_not_told);
}

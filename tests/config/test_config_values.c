/* What comes of a text that is well: values, defaults, the environment. */
#include "load.h"

#include <limits.h>

static const char full[] =
        "instance: web-1\n"
        "concurrency: 7\n"
        "shutdown_timeout: 250ms\n"
        "store: {kind: redis, url: \"redis://h:6379/2\", prefix: \"a:b\", lease: 4s}\n"
        "http: {listen: [], mode: 0600, group: www}\n"
        "log: {level: debug, format: json, jobs: failures, stats: 0}\n"
        "limits: {payload: 2KiB, buffer: 3GiB, result: 0, delay: 2h}\n"
        "handlers:\n"
        "  run:\n"
        "    exec:\n"
        "      argv: [/bin/cat, '', \"a b\", no, 0x10]\n"
        "      env: {A: 1, b_C: \"x=y\", E: ''}\n"
        "      cwd: /tmp\n"
        "      kill_after: 1s\n"
        "      reject_exit: [1, 255]\n"
        "  send: {http: {url: 'https://h/p', method: PUT, timeout: 10s, headers: {X-A: \"b: c\"},\n"
        "                reject_status: [], retry_status: [404, 503]}}\n"
        "  sleep: {noop: {run: 5ms, fail: 0.25}}\n"
        "queues:\n"
        "  first:\n"
        "    handler: run\n"
        "    types: {mail: send, x.y: sleep}\n"
        "    concurrency: 2\n"
        "    maxsize: 3\n"
        "    capacity: null\n"
        "    rate: 90/m\n"
        "    weight: 5\n"
        "    priority: 1\n"
        "    dedupe: 0\n"
        "    timeout: 0\n"
        "    keep_results: 0\n"
        "    retry: {max_attempts: 1, backoff: list, delay: 2s, factor: 1.5, max_delay: 3s,\n"
        "            jitter: equal, list: [1s, 0, 1d]}\n"
        "    max_crashes: 9\n"
        "    dead: {keep: null, max: 12}\n"
        "  second: {types: {a: send}}\n";

START_TEST(every_value_arrives)
{
        struct config *c = load_text(full);

        ck_assert_str_eq(c->path, "f");
        ck_assert_str_eq(c->instance, "web-1");
        ck_assert_uint_eq(c->concurrency, 7);
        ck_assert_uint_eq(c->shutdown_timeout, 250 * PEN_MSEC);
        ck_assert_int_eq(c->store.kind, STORE_REDIS);
        ck_assert_str_eq(c->store.url, "redis://h:6379/2");
        ck_assert_str_eq(c->store.prefix, "a:b");
        ck_assert_uint_eq(c->store.lease, 4 * PEN_SEC);
        ck_assert_uint_eq(c->http.n_listen, 0);
        ck_assert_uint_eq(c->http.mode, 0600);
        ck_assert_str_eq(c->http.group, "www");
        ck_assert_int_eq(c->log.level, LOG_DEBUG);
        ck_assert_int_eq(c->log.format, LOG_JSON);
        ck_assert_int_eq(c->log.jobs, LOG_JOBS_FAILURES);
        ck_assert_uint_eq(c->log.stats, 0);
        ck_assert_uint_eq(c->limits.payload, 2048);
        ck_assert_uint_eq(c->limits.buffer, (uint64_t)3 << 30);
        ck_assert_uint_eq(c->limits.result, 0);
        ck_assert_uint_eq(c->limits.delay, 2 * PEN_HOUR);
        ck_assert_uint_eq(c->n_handlers, 3);
        ck_assert_uint_eq(c->n_queues, 2);
        config_unref(c);
}
END_TEST

START_TEST(every_value_of_a_handler_arrives)
{
        struct config *c = load_text(full);
        const struct config_exec *exec = &config_handler(c, "run")->exec;
        const struct config_http_handler *http = &config_handler(c, "send")->http;
        const struct config_noop *noop = &config_handler(c, "sleep")->noop;
        static const char *const argv[] = { "/bin/cat", "", "a b", "no", "0x10" };

        ck_assert_int_eq(config_handler(c, "run")->kind, HANDLER_EXEC);
        ck_assert_uint_eq(exec->n_argv, 5);
        for (size_t i = 0; i < 5; i++)
                ck_assert_str_eq(exec->argv[i], argv[i]);
        ck_assert_ptr_null(exec->argv[5]);
        ck_assert_str_eq(exec->env[0], "A=1");
        ck_assert_str_eq(exec->env[1], "b_C=x=y");
        ck_assert_str_eq(exec->env[2], "E=");
        ck_assert_ptr_null(exec->env[3]);
        ck_assert_str_eq(exec->cwd, "/tmp");
        ck_assert_uint_eq(exec->kill_after, PEN_SEC);
        ck_assert_uint_eq(exec->n_reject_exit, 2);
        ck_assert_int_eq(exec->reject_exit[0], 1);
        ck_assert_int_eq(exec->reject_exit[1], 255);

        ck_assert_int_eq(config_handler(c, "send")->kind, HANDLER_HTTP);
        ck_assert_str_eq(http->url, "https://h/p");
        ck_assert_str_eq(http->method, "PUT");
        ck_assert_uint_eq(http->timeout, 10 * PEN_SEC);
        ck_assert_str_eq(http->headers[0], "X-A: b: c");
        ck_assert_ptr_null(http->headers[1]);
        ck_assert_uint_eq(http->n_reject_status, 0);
        ck_assert_uint_eq(http->n_retry_status, 2);
        ck_assert_int_eq(http->retry_status[1], 503);

        ck_assert_int_eq(config_handler(c, "sleep")->kind, HANDLER_NOOP);
        ck_assert_uint_eq(noop->run, 5 * PEN_MSEC);
        ck_assert_double_eq(noop->fail, 0.25);
        ck_assert_ptr_null(config_handler(c, "nobody"));
        config_unref(c);
}
END_TEST

START_TEST(every_value_of_a_queue_arrives)
{
        struct config *c = load_text(full);
        const struct config_queue *q = config_queue(c, "first");

        ck_assert_str_eq(q->name, "first");
        ck_assert_str_eq(q->handler, "run");
        ck_assert_uint_eq(q->n_types, 2);
        ck_assert_str_eq(q->types[0].type, "mail");
        ck_assert_str_eq(q->types[0].handler, "send");
        ck_assert_str_eq(q->types[1].type, "x.y");
        ck_assert_str_eq(q->types[1].handler, "sleep");
        ck_assert_uint_eq(q->concurrency, 2);
        ck_assert_uint_eq(q->maxsize, 3);
        ck_assert_uint_eq(q->capacity, 0);
        ck_assert_double_eq(q->rate, 1.5);
        ck_assert_uint_eq(q->weight, 5);
        ck_assert_int_eq(q->priority, 1);
        ck_assert_uint_eq(q->dedupe, 0);
        ck_assert_uint_eq(q->timeout, 0);
        ck_assert_uint_eq(q->retry.max_attempts, 1);
        ck_assert_int_eq(q->retry.backoff, BACKOFF_LIST);
        ck_assert_uint_eq(q->retry.delay, 2 * PEN_SEC);
        ck_assert_double_eq(q->retry.factor, 1.5);
        ck_assert_uint_eq(q->retry.max_delay, 3 * PEN_SEC);
        ck_assert_int_eq(q->retry.jitter, JITTER_EQUAL);
        ck_assert_uint_eq(q->retry.n_list, 3);
        ck_assert_uint_eq(q->retry.list[0], PEN_SEC);
        ck_assert_uint_eq(q->retry.list[2], PEN_DAY);
        ck_assert_uint_eq(q->retry.max_crashes, 9);
        ck_assert_uint_eq(q->dead_keep, PEN_FOREVER);
        ck_assert_uint_eq(q->dead_max, 12);
        ck_assert_ptr_null(config_queue(c, "second")->handler);
        ck_assert_ptr_null(config_queue(c, "third"));
        config_unref(c);
}
END_TEST

/* --- defaults ----------------------------------------------------------------------------------- */

START_TEST(defaults_are_those_of_the_contract)
{
        struct config *c = load_text("{}\n");
        char host[HOST_NAME_MAX + 1] = "";

        ck_assert_int_eq(gethostname(host, sizeof(host)), 0);
        ck_assert_str_eq(c->instance, host);
        ck_assert_uint_eq(c->concurrency, 256);
        ck_assert_uint_eq(c->shutdown_timeout, 25 * PEN_SEC);
        ck_assert_int_eq(c->store.kind, STORE_MEMORY);
        ck_assert_ptr_null(c->store.url);
        ck_assert_ptr_null(c->store.password);
        ck_assert_str_eq(c->store.prefix, "penstock");
        ck_assert_uint_eq(c->store.lease, 15 * PEN_SEC);
        ck_assert_uint_eq(c->http.n_listen, 1);
        ck_assert_str_eq(c->http.listen[0], "unix:/run/penstock/penstock.sock");
        ck_assert_uint_eq(c->http.mode, 0660);
        ck_assert_ptr_null(c->http.group);
        ck_assert_ptr_null(c->http.token);
        ck_assert_int_eq(c->log.level, LOG_INFO);
        ck_assert_int_eq(c->log.format, LOG_AUTO);
        ck_assert_int_eq(c->log.jobs, LOG_JOBS_ALL);
        ck_assert_uint_eq(c->log.stats, PEN_MINUTE);
        ck_assert_uint_eq(c->limits.payload, 1 << 20);
        ck_assert_uint_eq(c->limits.buffer, 64 << 20);
        ck_assert_uint_eq(c->limits.result, 64 << 10);
        ck_assert_uint_eq(c->limits.delay, JOB_DELAY_MAX);
        ck_assert_uint_eq(c->n_handlers, 0);
        ck_assert_uint_eq(c->n_queues, 0);
        config_unref(c);
}
END_TEST

START_TEST(defaults_of_a_queue_are_those_of_the_contract)
{
        struct config *c = load_text("handlers: {h: {noop: }}\nqueues: {q: {handler: h}}\n");
        static const struct retry_policy retry = RETRY_POLICY_DEFAULT;
        const struct config_queue *q = &c->queues[0];

        ck_assert_uint_eq(q->n_types, 0);
        ck_assert_uint_eq(q->concurrency, 50);
        ck_assert_uint_eq(q->maxsize, 100);
        ck_assert_uint_eq(q->capacity, 100000);
        ck_assert_double_eq(q->rate, 0);
        ck_assert_uint_eq(q->weight, 1);
        ck_assert_int_eq(q->priority, 0);
        ck_assert_uint_eq(q->dedupe, 10 * PEN_MINUTE);
        ck_assert_uint_eq(q->timeout, 30 * PEN_SEC);
        ck_assert_uint_eq(q->retry.max_attempts, retry.max_attempts);
        ck_assert_uint_eq(q->retry.max_crashes, retry.max_crashes);
        ck_assert_int_eq(q->retry.backoff, retry.backoff);
        ck_assert_int_eq(q->retry.jitter, retry.jitter);
        ck_assert_uint_eq(q->retry.delay, retry.delay);
        ck_assert_uint_eq(q->retry.max_delay, retry.max_delay);
        ck_assert_double_eq(q->retry.factor, retry.factor);
        ck_assert_ptr_null(q->retry.list);
        ck_assert_uint_eq(q->dead_keep, 90 * PEN_DAY);
        ck_assert_uint_eq(q->dead_max, 0);
        config_unref(c);
}
END_TEST

START_TEST(defaults_of_handlers_are_those_of_the_contract)
{
        struct config *c = load_text("handlers:\n"
                                     "  e: {exec: {argv: [/bin/cat]}}\n"
                                     "  h: {http: {url: \"http://x\"}}\n"
                                     "  n: {noop: {}}\n");
        static const int reject[] = { 400, 410, 413, 415, 422 }, retry[] = { 408, 425, 429 };
        const struct config_exec *exec = &c->handlers[0].exec;
        const struct config_http_handler *http = &c->handlers[1].http;

        ck_assert_uint_eq(exec->n_env, 0);
        ck_assert_ptr_null(exec->env[0]);
        ck_assert_ptr_null(exec->cwd);
        ck_assert_uint_eq(exec->kill_after, 5 * PEN_SEC);
        ck_assert_uint_eq(exec->n_reject_exit, 1);
        ck_assert_int_eq(exec->reject_exit[0], 65);
        ck_assert_str_eq(http->method, "POST");
        ck_assert_uint_eq(http->timeout, 0);
        ck_assert_ptr_null(http->headers[0]);
        ck_assert_uint_eq(http->n_reject_status, ARRAY_SIZE(reject));
        ck_assert_mem_eq(http->reject_status, reject, sizeof(reject));
        ck_assert_uint_eq(http->n_retry_status, ARRAY_SIZE(retry));
        ck_assert_mem_eq(http->retry_status, retry, sizeof(retry));
        ck_assert_uint_eq(c->handlers[2].noop.run, 0);
        ck_assert_double_eq(c->handlers[2].noop.fail, 0);
        config_unref(c);
}
END_TEST

START_TEST(a_group_with_nothing_below_it_has_its_defaults)
{
        config_unref(load_text("store:\nhttp:\nlog: null\nlimits: ~\nhandlers:\nqueues:\n"));
}
END_TEST

START_TEST(whoever_holds_it_keeps_it)
{
        struct config *c = load_text("instance: a\n"), *second = config_ref(c);

        config_unrefp(&c);
        ck_assert_str_eq(second->instance, "a");
        config_unref(second);
        config_unref(NULL);
}
END_TEST

START_TEST(the_file_is_the_named_one_or_the_environments_or_the_systems)
{
        setenv("PENSTOCK_CONFIG", "/b", 1);
        ck_assert_str_eq(config_path("/a"), "/a");
        ck_assert_str_eq(config_path(NULL), "/b");
        setenv("PENSTOCK_CONFIG", "", 1);
        ck_assert_str_eq(config_path(NULL), "/etc/penstock/penstock.yaml");
        unsetenv("PENSTOCK_CONFIG");
        ck_assert_str_eq(config_path(NULL), "/etc/penstock/penstock.yaml");
}
END_TEST

/* --- the environment ---------------------------------------------------------------------------- */

START_TEST(the_environment_stands_in_values)
{
        struct config *c;

        setenv("PENTEST_A", "a", 1);
        setenv("PENTEST_N", "12", 1);
        setenv("PENTEST_EMPTY", "", 1);
        c = load_text("instance: x${PENTEST_A}-${PENTEST_N}${PENTEST_EMPTY}\n"
                      "concurrency: ${PENTEST_N}\n"
                      "limits: {payload: \"${PENTEST_N}KiB\"}\n"
                      "log: {stats: \"${PENTEST_N}s\"}\n"
                      "handlers:\n"
                      "  h: {exec: {argv: [/bin/cat, \"$${PENTEST_A} $ $$ $$${PENTEST_A} $5 }\"],\n"
                      "             env: {A: \"b${PENTEST_A}\"}}}\n"
                      "queues: {q: {handler: h, concurrency: \"${PENTEST_N}\"}}\n");
        ck_assert_str_eq(c->instance, "xa-12");
        ck_assert_uint_eq(c->concurrency, 12);
        ck_assert_uint_eq(c->limits.payload, 12 << 10);
        ck_assert_uint_eq(c->log.stats, 12 * PEN_SEC);
        ck_assert_str_eq(c->handlers[0].exec.argv[1], "${PENTEST_A} $ $$ $${PENTEST_A} $5 }");
        ck_assert_str_eq(c->handlers[0].exec.env[0], "A=ba");
        ck_assert_uint_eq(c->queues[0].concurrency, 12);
        config_unref(c);
}
END_TEST

START_TEST(a_variable_that_is_not_set_is_an_error)
{
        unsetenv("PENTEST_NONE");
        setenv("PENTEST_LATIN", "\xe4", 1);
        setenv("PENTEST_SECRET", "geheim", 1);
        ASSERT_REFUSES("instance: a${PENTEST_NONE}\n",
                       "f:1:11: instance: the environment has no PENTEST_NONE, which "
                       "${PENTEST_NONE} stands for\n");
        ASSERT_REFUSES("instance: a${PENTEST_LATIN}\n",
                       "f:1:11: instance: the environment's PENTEST_LATIN is not UTF-8\n");
        ASSERT_REFUSES("concurrency: ${PENTEST_SECRET}\n",
                       "f:1:14: concurrency: found \"${PENTEST_SECRET}\"; allowed: a whole number "
                       "from 1 to 100000\n");
        ASSERT_TELLS("instance: \"a${\"\n",
                     "f:1:11: instance: found \"${\" without a NAME} behind");
        ASSERT_TELLS("instance: \"a${}\"\n", "found \"${\" without a NAME} behind it; ");
        ASSERT_TELLS("instance: \"a${1}\"\n", "found \"${\" without a NAME} behind it; ");
        ASSERT_TELLS("instance: \"a${A B}\"\n", "found \"${\" without a NAME} behind it; ");
}
END_TEST

START_TEST(percent_signs_stand_in_the_instance_alone)
{
        char host[HOST_NAME_MAX + 1] = "", expected[200];
        struct config *c;

        ck_assert_int_eq(gethostname(host, sizeof(host)), 0);
        setenv("PENSTOCK_INSTANCE", "two", 1);
        c = load_text("instance: \"%H-%i\"\n"
                      "handlers: {h: {http: {url: \"http://x/%20%H\"}}}\n");
        snprintf(expected, sizeof(expected), "%s-two", host);
        ck_assert_str_eq(c->instance, expected);
        ck_assert_str_eq(c->handlers[0].http.url, "http://x/%20%H");
        config_unref(c);
        unsetenv("PENSTOCK_INSTANCE");
        ASSERT_REFUSES(
                "instance: \"a%i\"\n",
                "f:1:11: instance: the environment has no PENSTOCK_INSTANCE, which %i stands "
                "for (the unit penstockd@.service sets it)\n");
        ASSERT_TELLS("instance: \"a%x\"\n", "found % without H, i or % behind it; ");
        ASSERT_TELLS("instance: \"a%\"\n", "found % without H, i or % behind it; ");
        ASSERT_TELLS("instance: \"a%%b\"\n", "f:1:11: instance: found \"a%b\"; allowed: a name");
}
END_TEST

int main(void)
{
        return RUN_SUITE("config_values", every_value_arrives, every_value_of_a_handler_arrives,
                         every_value_of_a_queue_arrives, defaults_are_those_of_the_contract,
                         defaults_of_a_queue_are_those_of_the_contract,
                         defaults_of_handlers_are_those_of_the_contract,
                         a_group_with_nothing_below_it_has_its_defaults, whoever_holds_it_keeps_it,
                         the_file_is_the_named_one_or_the_environments_or_the_systems,
                         the_environment_stands_in_values, a_variable_that_is_not_set_is_an_error,
                         percent_signs_stand_in_the_instance_alone);
}

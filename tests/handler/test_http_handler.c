#include "../http_server.h"
#include "../in_loop.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <handler/http.h>
#include <penstock/http.h>
#include <penstock/stream.h>
#include <penstock/timeout.h>

struct desk {
        struct http_server *server;
        struct pen_http_client *client;
        struct handler *handler;
        struct job *job;
        struct report report;
};

static void desk_init(struct desk *d)
{
        static const struct pen_http_options defaults = PEN_HTTP_OPTIONS_DEFAULT;

        *d = (struct desk){ .server = http_server_start(), .report = REPORT_INIT };
        ck_assert_int_eq(pen_http_client_create(&defaults, &d->client), 0);
}

static void desk_deinit(struct desk *d)
{
        report_deinit(&d->report);
        handler_free(d->handler);
        job_unref(d->job);
        pen_http_client_free(d->client);
        http_server_stop(d->server);
}

#define DESK(d)                                 \
        PEN_CLEANUP(desk_deinit) struct desk d; \
        desk_init(&(d))

/* `url` is whole, or a path of the server's. */
static void use_options(struct desk *d, struct http_options options)
{
        options.client = d->client;
        if (*options.url == '/')
                options.url = http_server_url(d->server, options.url);
        handler_free(TAKE(d->handler));
        ck_assert_int_eq(http_handler_create(&options, &d->handler), 0);
}

static void use(struct desk *d, const char *url)
{
        use_options(d, (struct http_options){ .url = url });
}

static void use_hole(struct desk *d, const char *url)
{
        use_options(d, (struct http_options){ .url = url, .placeholder = "{}" });
}

static int run_bytes(struct desk *d, const void *payload, size_t size)
{
        struct job_fields fields = {
                .id = "order:17",
                .type = "mail",
                .payload = { payload, size },
                .traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        };
        struct attempt attempt = { .queue = "emails", .number = 3, .max_attempts = 8 };

        job_unref(d->job);
        ck_assert_int_eq(job_create(&fields, &d->job), 0);
        d->job->deliveries = 12345678901;
        attempt.job = d->job;
        report_deinit(&d->report);
        return handler_run(d->handler, &attempt, &d->report);
}

static void run(struct desk *d, const char *payload)
{
        ck_assert_int_eq(run_bytes(d, payload, strlen(payload)), 0);
}

static void expect(struct desk *d, const char *url, enum outcome outcome, const char *error)
{
        use(d, url);
        run(d, "payload");
        ck_assert_int_eq(d->report.outcome, outcome);
        if (error)
                ck_assert_str_eq(d->report.error, error);
        else
                ck_assert_ptr_null(d->report.error);
}

static bool has(const struct desk *d, const char *text)
{
        return strstr(d->report.result, text) != NULL;
}

/* --- what is sent --------------------------------------------------------------------------------- */

IN_LOOP(payload_is_posted_with_who_and_which)
{
        static const char *const headers[] = { "X-Own: yes", "Content-Type: text/plain", NULL };
        static const char payload[] = "a\0b\xff\n";
        DESK(d);

        use_options(&d,
                    (struct http_options){ .url = "/echo", .headers = headers, .prefix = "shop" });
        ck_assert_int_eq(run_bytes(&d, payload, sizeof(payload) - 1), 0);
        ck_assert_int_eq(d.report.outcome, OUTCOME_DONE);
        ck_assert(!d.report.result_cut);
        ck_assert_ptr_null(d.report.error);
        ck_assert_int_eq(memcmp(d.report.result + d.report.result_size - 5, payload, 5), 0);
        ck_assert(has(&d, "POST /echo HTTP/1.1\r\n"));
        ck_assert(has(&d, "\r\nIdempotency-Key: shop:emails:order:17\r\n"));
        ck_assert(has(&d, "\r\nPenstock-Id: order:17\r\n"));
        ck_assert(has(&d, "\r\nPenstock-Queue: emails\r\n"));
        ck_assert(has(&d, "\r\nPenstock-Type: mail\r\n"));
        ck_assert(has(&d, "\r\nPenstock-Attempt: 3\r\n"));
        ck_assert(has(&d, "\r\nPenstock-Token: 12345678901\r\n"));
        ck_assert(has(&d, "\r\ntraceparent: 00-0af7651916cd43dd8448eb211c80319c-"
                          "b7ad6b7169203331-01\r\n"));
        ck_assert(has(&d, "\r\nX-Own: yes\r\n"));
        ck_assert(has(&d, "\r\nContent-Type: text/plain\r\n"));
        ck_assert(has(&d, "\r\nContent-Length: 5\r\n"));
        return 0;
}

IN_LOOP(what_the_job_does_not_say_is_not_sent)
{
        struct job_fields fields = { .id = "1" };
        struct attempt attempt = { .queue = "q", .number = 1 };
        DESK(d);

        use(&d, "/echo");
        ck_assert_int_eq(job_create(&fields, &d.job), 0);
        attempt.job = d.job;
        ck_assert_int_eq(handler_run(d.handler, &attempt, &d.report), 0);
        ck_assert_int_eq(d.report.outcome, OUTCOME_DONE);
        ck_assert(has(&d, "\r\nIdempotency-Key: penstock:q:1\r\n"));
        ck_assert(has(&d, "\r\nPenstock-Token: 0\r\n"));
        ck_assert(!has(&d, "Penstock-Type"));
        ck_assert(!has(&d, "traceparent"));
        ck_assert(has(&d, "\r\nContent-Length: 0\r\n"));
        return 0;
}

IN_LOOP(method_is_the_configurations)
{
        DESK(d);

        use_options(&d, (struct http_options){ .url = "/echo", .method = "PUT" });
        run(&d, "body");
        ck_assert(has(&d, "PUT /echo HTTP/1.1\r\n"));
        ck_assert_str_eq(d.report.result + d.report.result_size - 4, "body");
        use_options(&d, (struct http_options){ .url = "/echo", .method = "GET" });
        run(&d, "body");
        ck_assert(has(&d, "GET /echo HTTP/1.1\r\n"));
        ck_assert(!has(&d, "body"));
        return 0;
}

IN_LOOP(payload_stands_in_the_url_as_it_is)
{
        DESK(d);

        use_hole(&d, "/echo/{}?again={}");
        run(&d, "a/b?c=%20&d={}$(x);'");
        ck_assert_int_eq(d.report.outcome, OUTCOME_DONE);
        ck_assert(
                has(&d, "GET /echo/a/b?c=%20&d={}$(x);'?again=a/b?c=%20&d={}$(x);' HTTP/1.1\r\n"));
        ck_assert(!has(&d, "Content-Length"));

        use_hole(&d, "{}");
        run(&d, http_server_url(d.server, "/status/201"));
        ck_assert_int_eq(d.report.outcome, OUTCOME_DONE);
        ck_assert_str_eq(d.report.result, "status 201");

        use_options(&d, (struct http_options){
                                .url = "/echo?{}", .placeholder = "{}", .method = "POST" });
        run(&d, "x");
        ck_assert(has(&d, "POST /echo?x HTTP/1.1\r\n"));
        ck_assert(has(&d, "\r\nContent-Length: 0\r\n"));

        use_options(&d, (struct http_options){ .url = "/echo?{}", .placeholder = "@@" });
        run(&d, "x");
        ck_assert(has(&d, "POST /echo?{} HTTP/1.1\r\n"));
        return 0;
}

IN_LOOP(payload_that_makes_no_url_is_rejected)
{
        static const char *const bad[] = { "a b", "a\nb", "a\r\nX: y", "\t", "\x7f", " " };
        DESK(d);

        use_hole(&d, "/status/200?{}");
        for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
                run(&d, bad[i]);
                ck_assert_int_eq(d.report.outcome, OUTCOME_REJECTED);
        }
        run(&d, "a b");
        ck_assert_str_eq(d.report.error, "the payload does not fit into a URL: byte 2 is 0x20");
        ck_assert_int_eq(run_bytes(&d, "x\0y", 3), 0);
        ck_assert_int_eq(d.report.outcome, OUTCOME_REJECTED);
        ck_assert_uint_eq(http_server_counts(d.server)->requests, 0);
        return 0;
}

IN_LOOP(only_http_is_spoken)
{
        static const char *const bad[] = { "file:///etc/passwd", "gopher://127.0.0.1/", "", "x" };
        DESK(d);

        use_hole(&d, "{}");
        for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
                run(&d, bad[i]);
                ck_assert_int_eq(d.report.outcome, OUTCOME_REJECTED);
                ck_assert_ptr_eq(strstr(d.report.error, "not an http or https URL"),
                                 d.report.error);
        }
        return 0;
}

IN_LOOP(line_end_in_a_header_is_rejected)
{
        struct job_fields fields = { .id = "1", .traceparent = "00\r\nX-Evil: yes" };
        struct attempt attempt = { .queue = "q", .number = 1 };
        DESK(d);

        use(&d, "/echo");
        ck_assert_int_eq(job_create(&fields, &d.job), 0);
        attempt.job = d.job;
        ck_assert_int_eq(handler_run(d.handler, &attempt, &d.report), 0);
        ck_assert_int_eq(d.report.outcome, OUTCOME_REJECTED);
        ck_assert_uint_eq(http_server_counts(d.server)->connections, 0);
        return 0;
}

/* --- what comes of it ----------------------------------------------------------------------------- */

IN_LOOP(status_decides)
{
        static const struct {
                int status;
                enum outcome outcome;
        } table[] = {
                { 200, OUTCOME_DONE },     { 201, OUTCOME_DONE },     { 299, OUTCOME_DONE },
                { 300, OUTCOME_FAILED },   { 400, OUTCOME_REJECTED }, { 401, OUTCOME_FAILED },
                { 404, OUTCOME_FAILED },   { 408, OUTCOME_FAILED },   { 409, OUTCOME_FAILED },
                { 410, OUTCOME_REJECTED }, { 413, OUTCOME_REJECTED }, { 415, OUTCOME_REJECTED },
                { 422, OUTCOME_REJECTED }, { 425, OUTCOME_FAILED },   { 429, OUTCOME_FAILED },
                { 500, OUTCOME_FAILED },   { 503, OUTCOME_FAILED },   { 599, OUTCOME_FAILED },
        };
        char path[32], error[64];
        DESK(d);

        for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
                sprintf(path, "/status/%d", table[i].status);
                sprintf(error, "HTTP %d: status %d", table[i].status, table[i].status);
                expect(&d, path, table[i].outcome, table[i].status < 300 ? NULL : error);
                ck_assert(d.report.retry_after == PEN_FOREVER);
        }
        ck_assert_uint_eq(http_server_counts(d.server)->connections, 1);
        return 0;
}

IN_LOOP(redirect_is_not_followed)
{
        DESK(d);

        expect(&d, "/redirect", OUTCOME_FAILED, "HTTP 302: elsewhere");
        ck_assert_uint_eq(http_server_counts(d.server)->requests, 1);
        return 0;
}

static pen_usec wish(struct desk *d, const char *path)
{
        use(d, path);
        run(d, "");
        ck_assert_int_eq(d->report.outcome, OUTCOME_FAILED);
        return d->report.retry_after;
}

IN_LOOP(retry_after_is_taken_in_both_forms)
{
        DESK(d);

        ck_assert_uint_eq(wish(&d, "/header/Retry-After/_120"), 120 * PEN_SEC);
        ck_assert_uint_eq(wish(&d, "/header/retry-after/_0"), 0);
        ck_assert_uint_eq(wish(&d, "/header/Retry-After/_99999999999999999999999"), 365 * PEN_DAY);
        ck_assert(wish(&d, "/header/Retry-After/_soon") == PEN_FOREVER);
        ck_assert(wish(&d, "/header/Retry-After/_-5") == PEN_FOREVER);
        ck_assert(wish(&d, "/header/Retry-After/_") == PEN_FOREVER);

        ck_assert_uint_eq(wish(&d, "/date/Sun,_06_Nov_1994_08:51:07_GMT"), 90 * PEN_SEC);
        ck_assert_uint_eq(wish(&d, "/date/Sun,_06_Nov_1994_08:00:00_GMT"), 0);
        ck_assert_uint_eq(wish(&d, "/date/Fri,_01_Jan_2999_00:00:00_GMT"), 365 * PEN_DAY);
        ck_assert(wish(&d, "/date/Sun,_06_Foo_1994_08:51:07_GMT") == PEN_FOREVER);
        ck_assert(wish(&d, "/date/Sun,_06_Nov_1994_08:51:07") == PEN_FOREVER);
        return 0;
}

IN_LOOP(retry_after_without_a_date_goes_by_our_clock)
{
        time_t then = time(NULL) + 1000;
        char value[64], path[128];
        struct tm tm;
        pen_usec wait;
        DESK(d);

        strftime(value, sizeof(value), "%a,_%d_%b_%Y_%H:%M:%S_GMT", gmtime_r(&then, &tm));
        sprintf(path, "/header/Retry-After/_%s", value);
        wait = wish(&d, path);
        ck_assert(wait > 900 * PEN_SEC && wait <= 1000 * PEN_SEC);
        return 0;
}

IN_LOOP(result_is_kept_up_to_its_limit)
{
        DESK(d);

        use_options(&d, (struct http_options){ .url = "/size/1000", .result_max = 1000 });
        run(&d, "");
        ck_assert_uint_eq(d.report.result_size, 1000);
        ck_assert(!d.report.result_cut);
        use_options(&d, (struct http_options){ .url = "/size/1001", .result_max = 1000 });
        run(&d, "");
        ck_assert_int_eq(d.report.outcome, OUTCOME_DONE);
        ck_assert_uint_eq(d.report.result_size, 1000);
        ck_assert(d.report.result_cut);
        use(&d, "/size/100000");
        run(&d, "");
        ck_assert_uint_eq(d.report.result_size, HTTP_RESULT_MAX);
        ck_assert(d.report.result_cut);
        return 0;
}

IN_LOOP(error_is_short_and_printable)
{
        DESK(d);

        expect(&d, "/binary", OUTCOME_FAILED, "HTTP 500: bad\\x00\\x1b[31m\\x0d\\x0a\\xff red");
        expect(&d, "/date/x", OUTCOME_FAILED, "HTTP 429: later");
        return 0;
}

IN_LOOP(broken_server_is_a_failure)
{
        static const char *const paths[] = { "/short", "/hang-up", "/garbage" };
        DESK(d);

        for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
                use(&d, paths[i]);
                run(&d, "payload");
                ck_assert_int_eq(d.report.outcome, OUTCOME_FAILED);
                ck_assert_int_gt((int)strlen(d.report.error), 0);
        }
        return 0;
}

IN_LOOP(refusing_target_is_unavailable_unless_the_job_named_it)
{
        struct pen_listener *listener;
        char url[64];
        DESK(d);

        ck_assert_int_eq(pen_listen("127.0.0.1:0", &listener), 0);
        sprintf(url, "http://127.0.0.1:%u/", pen_listener_port(listener));
        pen_listener_free(listener);
        use(&d, url);
        run(&d, "");
        ck_assert_int_eq(d.report.outcome, OUTCOME_UNAVAILABLE);
        ck_assert_ptr_nonnull(strstr(d.report.error, "127.0.0.1"));
        use_hole(&d, "{}");
        run(&d, url);
        ck_assert_int_eq(d.report.outcome, OUTCOME_FAILED);
        return 0;
}

/* --- time ----------------------------------------------------------------------------------------- */

IN_VIRTUAL_LOOP(own_timeout_is_an_outcome)
{
        DESK(d);

        use_options(&d, (struct http_options){ .url = "/drip", .timeout = 10 * PEN_SEC });
        run(&d, "");
        ck_assert_int_eq(d.report.outcome, OUTCOME_TIMEOUT);
        ck_assert_str_eq(d.report.error, "no response within 10s");
        ck_assert_uint_eq(pen_now(), 10 * PEN_SEC);
        return 0;
}

static int run_never(void *arg)
{
        struct desk *d = arg;

        use(d, "/never");
        return run_bytes(d, "", 0);
}

IN_VIRTUAL_LOOP(cancellation_is_no_outcome)
{
        DESK(d);

        ck_assert_int_eq(pen_within(PEN_SEC, run_never, &d), -ETIME);
        ck_assert_ptr_null(d.report.error);
        return 0;
}

/* --- configuration -------------------------------------------------------------------------------- */

IN_LOOP(unusable_configuration_is_refused)
{
        static const char *const bad_header[] = { "X: 1\nY: 2", NULL };
        struct http_options options[] = {
                { .url = "file:///x" },
                { .url = "x" },
                { .url = "http://a b/" },
                { .url = "http://localhost/", .method = "GET /" },
                { .url = "http://localhost/", .headers = bad_header },
                { .url = "{}", .placeholder = "{}", .headers = bad_header },
        };
        DESK(d);

        for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
                options[i].client = d.client;
                ck_assert_int_eq(http_handler_create(&options[i], &d.handler), -EINVAL);
                ck_assert_ptr_null(d.handler);
        }
        return 0;
}

int main(void)
{
        return RUN_SUITE(
                "http handler", payload_is_posted_with_who_and_which,
                what_the_job_does_not_say_is_not_sent, method_is_the_configurations,
                payload_stands_in_the_url_as_it_is, payload_that_makes_no_url_is_rejected,
                only_http_is_spoken, line_end_in_a_header_is_rejected, status_decides,
                redirect_is_not_followed, retry_after_is_taken_in_both_forms,
                retry_after_without_a_date_goes_by_our_clock, result_is_kept_up_to_its_limit,
                error_is_short_and_printable, broken_server_is_a_failure,
                refusing_target_is_unavailable_unless_the_job_named_it, own_timeout_is_an_outcome,
                cancellation_is_no_outcome, unusable_configuration_is_refused);
}

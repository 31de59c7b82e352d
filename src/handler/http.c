#include <handler/http.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <base/buffer.h>
#include <base/parse.h>
#include <job/json.h>
#include <penstock/http.h>

#define RETRY_AFTER_MAX (365 * PEN_DAY)
#define EXCERPT_SIZE 200
#define OWN_HEADERS_MAX 7

struct http {
        struct handler handler;
        struct pen_http_client *client;
        char *url, *placeholder, *method, *prefix;
        char **headers;
        size_t n_headers;
        bool payload_in_url; /* by the placeholder */
        bool job_names_host;
        bool has_body;
        pen_usec timeout;
        size_t result_max;
        int *statuses; /* those that reject, then those that fail in spite of being among them */
        size_t n_reject, n_retry;
};

static const int reject_by_default[] = { 400, 410, 413, 415, 422 };

/* --- what is sent ------------------------------------------------------------------------------- */

static int put_payload(const struct http *h, struct bytes payload, struct buffer *url)
{
        const char *rest = h->url, *hole;
        int r = 0;

        while (r == 0 && (hole = strstr(rest, h->placeholder))) {
                r = buffer_append(url, rest, (size_t)(hole - rest));
                if (r == 0)
                        r = buffer_append(url, payload.data, payload.size);
                rest = hole + strlen(h->placeholder);
        }
        return r < 0 ? r : buffer_append(url, rest, strlen(rest) + 1);
}

/* Answers the place of the first byte that cannot stand in a URL; payload.size if there is none. */
static size_t find_unfit(struct bytes payload)
{
        size_t i = 0;

        while (i < payload.size && (unsigned char)payload.data[i] > ' ' && payload.data[i] != 0x7f)
                i++;
        return i;
}

/* Appends the parts, up to a NULL, and a NUL. */
static int add_header(struct buffer *text, ...) __attribute__((sentinel));

static int add_header(struct buffer *text, ...)
{
        const char *part;
        va_list parts;
        int r = 0;

        va_start(parts, text);
        while (r == 0 && (part = va_arg(parts, const char *)))
                r = buffer_append(text, part, strlen(part));
        va_end(parts);
        return r < 0 ? r : buffer_append(text, "", 1);
}

static int write_headers(const struct http *h, const struct attempt *attempt, struct buffer *text)
{
        const struct job_fields *fields = &attempt->job->fields;
        const char *id = fields->id ? fields->id : "";
        char number[16], token[24];
        int r;

        snprintf(number, sizeof(number), "%u", attempt->number);
        snprintf(token, sizeof(token), "%llu", (unsigned long long)attempt->job->deliveries);
        r = add_header(text, "Idempotency-Key: ", h->prefix, ":", attempt->queue, ":", id, NULL);
        if (r == 0)
                r = add_header(text, "Penstock-Id: ", id, NULL);
        if (r == 0)
                r = add_header(text, "Penstock-Queue: ", attempt->queue, NULL);
        if (r == 0 && fields->type)
                r = add_header(text, "Penstock-Type: ", fields->type, NULL);
        if (r == 0)
                r = add_header(text, "Penstock-Attempt: ", number, NULL);
        if (r == 0)
                r = add_header(text, "Penstock-Token: ", token, NULL);
        if (r == 0 && fields->traceparent)
                r = add_header(text, "traceparent: ", fields->traceparent, NULL);
        return r;
}

/* Ours first: those of the configuration are as they are for every job. */
static const char **list_headers(const struct http *h, const struct buffer *text)
{
        const char **list = calloc(h->n_headers + OWN_HEADERS_MAX + 1, sizeof(*list));
        const char *i = buffer_data(text), *end = i + buffer_size(text);
        size_t n = 0;

        if (!list)
                return NULL;
        for (; i < end; i += strlen(i) + 1)
                list[n++] = i;
        for (size_t k = 0; k < h->n_headers; k++)
                list[n++] = h->headers[k];
        return list;
}

/* --- what comes back ---------------------------------------------------------------------------- */

/* "Sun, 06 Nov 1994 08:49:37 GMT"; in no locale. */
static int read_date(const char *text, time_t *ret)
{
        static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
        char month[4] = "";
        const char *found;
        struct tm tm = { 0 };
        int end = 0;

        sscanf(text, "%*3[A-Za-z], %2d %3[A-Za-z] %4d %2d:%2d:%2d GMT%n", &tm.tm_mday, month,
               &tm.tm_year, &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &end);
        found = strlen(month) == 3 ? strstr(months, month) : NULL;
        if (end == 0 || text[end] || !found || (found - months) % 3 != 0)
                return -EINVAL;
        tm.tm_mon = (int)(found - months) / 3;
        tm.tm_year -= 1900;
        *ret = timegm(&tm);
        return 0;
}

/* By the server's own clock, if it tells it. */
static pen_usec time_until(const struct pen_http_response *response, time_t then)
{
        char value[64];
        time_t now;

        if (pen_http_response_header(response, "Date", value, sizeof(value)) < 0 ||
            read_date(value, &now) < 0)
                now = time(NULL);
        return then > now ? MIN((pen_usec)(then - now), RETRY_AFTER_MAX / PEN_SEC) * PEN_SEC : 0;
}

static pen_usec read_retry_after(const struct pen_http_response *response)
{
        char value[64];
        uint64_t seconds;
        time_t then;
        int r;

        if (pen_http_response_header(response, "Retry-After", value, sizeof(value)) < 0)
                return PEN_FOREVER;
        r = parse_u64(value, &seconds);
        if (r == 0)
                return MIN(seconds, RETRY_AFTER_MAX / PEN_SEC) * PEN_SEC;
        if (r == -ERANGE)
                return RETRY_AFTER_MAX;
        return read_date(value, &then) < 0 ? PEN_FOREVER : time_until(response, then);
}

static bool has_status(const int *statuses, size_t n, int status)
{
        for (size_t i = 0; i < n; i++)
                if (statuses[i] == status)
                        return true;
        return false;
}

static enum outcome outcome_of(const struct http *h, int status)
{
        if (status >= 200 && status <= 299)
                return OUTCOME_DONE;
        if (has_status(h->statuses + h->n_reject, h->n_retry, status))
                return OUTCOME_FAILED;
        return has_status(h->statuses, h->n_reject, status) ? OUTCOME_REJECTED : OUTCOME_FAILED;
}

static void judge(const struct http *h, struct pen_http_response *response, struct report *report)
{
        enum outcome outcome = outcome_of(h, response->status);
        char excerpt[EXCERPT_SIZE + 4];

        if (outcome == OUTCOME_DONE) {
                report->outcome = outcome;
                report->result = TAKE(response->body);
                report->result_size = response->size;
                report->result_cut = response->cut;
                return;
        }
        json_excerpt(excerpt, sizeof(excerpt), (struct bytes){ response->body, response->size });
        report_fail(report, outcome, "HTTP %d%s%s", response->status, *excerpt ? ": " : "",
                    excerpt);
        if (outcome == OUTCOME_FAILED)
                report->retry_after = read_retry_after(response);
}

/* No response: whose fault is it? */
static enum outcome outcome_of_error(const struct http *h, int error)
{
        switch (error) {
        case -EINVAL:
                return OUTCOME_REJECTED; /* of the job's making: ours was checked */
        case -ETIME:
                return OUTCOME_TIMEOUT;
        case -ECONNREFUSED:
                return h->job_names_host ? OUTCOME_FAILED : OUTCOME_UNAVAILABLE;
        default:
                return OUTCOME_FAILED;
        }
}

/* --- an attempt --------------------------------------------------------------------------------- */

static int send_request(struct http *h, const struct attempt *attempt, const char *url,
                        struct report *report)
{
        PEN_CLEANUP(pen_http_response_deinit) struct pen_http_response response = { 0 };
        PEN_CLEANUP(buffer_deinit) struct buffer text = { 0 };
        PEN_CLEANUP(freep) const char **headers = NULL;
        struct bytes payload = attempt->job->fields.payload;
        char error[256] = "out of memory";
        int r;

        r = write_headers(h, attempt, &text);
        if (r == 0 && !(headers = list_headers(h, &text)))
                r = -ENOMEM;
        if (r == 0) {
                struct pen_http_request request = {
                        .method = h->method,
                        .url = url,
                        .headers = headers,
                        .body = payload.data,
                        .body_size = h->has_body ? payload.size : 0,
                        .has_body = h->has_body,
                        .timeout = h->timeout,
                        .max_body = h->result_max,
                        .cut_body = true,
                };

                r = pen_http_send(h->client, &request, &response, error);
        }
        if (r == -ECANCELED)
                return r;
        if (r < 0)
                report_fail(report, outcome_of_error(h, r), "%s", error);
        else
                judge(h, &response, report);
        return 0;
}

static int http_run(struct handler *handler, const struct attempt *attempt, struct report *report)
{
        struct http *h = container_of(handler, struct http, handler);
        PEN_CLEANUP(buffer_deinit) struct buffer url = { 0 };
        struct bytes payload = attempt->job->fields.payload;
        size_t unfit;

        if (!h->payload_in_url)
                return send_request(h, attempt, h->url, report);
        unfit = find_unfit(payload);
        if (unfit < payload.size) {
                report_fail(report, OUTCOME_REJECTED,
                            "the payload does not fit into a URL: byte %zu is 0x%02x", unfit + 1,
                            (unsigned char)payload.data[unfit]);
                return 0;
        }
        if (put_payload(h, payload, &url) < 0) {
                report_fail(report, OUTCOME_FAILED, "out of memory");
                return 0;
        }
        return send_request(h, attempt, buffer_data(&url), report);
}

/* --- life --------------------------------------------------------------------------------------- */

static void http_free(struct handler *handler)
{
        struct http *h = container_of(handler, struct http, handler);

        for (size_t i = 0; i < h->n_headers; i++)
                free(h->headers[i]);
        free(h->headers);
        free(h->url);
        free(h->placeholder);
        free(h->method);
        free(h->prefix);
        free(h->statuses);
        free(h);
}

static const struct handler_class http_class = { "http", http_run, http_free };

static int copy_text(const char *text, char **ret)
{
        if (text && !(*ret = strdup(text)))
                return -ENOMEM;
        return 0;
}

static int copy_headers(struct http *h, const char *const *headers)
{
        size_t n = 0;

        while (headers && headers[n])
                n++;
        h->headers = calloc(n + 1, sizeof(*h->headers));
        if (!h->headers)
                return -ENOMEM;
        for (; h->n_headers < n; h->n_headers++)
                if (copy_text(headers[h->n_headers], &h->headers[h->n_headers]) < 0)
                        return -ENOMEM;
        return 0;
}

static void find_placeholder(struct http *h)
{
        const char *at = h->placeholder && *h->placeholder ? strstr(h->url, h->placeholder) : NULL;
        const char *host = strstr(h->url, "://");

        host = host ? host + 3 : h->url;
        h->payload_in_url = at;
        h->job_names_host = at && at < host + strcspn(host, "/?#");
}

static int copy_statuses(struct http *h, const struct http_options *o)
{
        const int *reject = o->reject_status ? o->reject_status : reject_by_default;

        h->n_reject = o->reject_status ? o->n_reject_status : ARRAY_SIZE(reject_by_default);
        h->n_retry = o->retry_status ? o->n_retry_status : 0;
        h->statuses = malloc((h->n_reject + h->n_retry + 1) * sizeof(*h->statuses));
        if (!h->statuses)
                return -ENOMEM;
        if (h->n_reject > 0)
                memcpy(h->statuses, reject, h->n_reject * sizeof(*reject));
        if (h->n_retry > 0)
                memcpy(h->statuses + h->n_reject, o->retry_status, h->n_retry * sizeof(*reject));
        return 0;
}

static int copy_options(struct http *h, const struct http_options *options)
{
        int r;

        r = copy_text(options->url, &h->url);
        if (r == 0)
                r = copy_statuses(h, options);
        if (r == 0)
                r = copy_text(options->placeholder, &h->placeholder);
        if (r == 0)
                r = copy_text(options->prefix ? options->prefix : "penstock", &h->prefix);
        if (r == 0)
                r = copy_headers(h, options->headers);
        if (r < 0)
                return r;
        find_placeholder(h);
        r = copy_text(options->method     ? options->method
                      : h->payload_in_url ? "GET"
                                          : "POST",
                      &h->method);
        if (r < 0)
                return r;
        h->has_body = !h->payload_in_url && strcmp(h->method, "GET") != 0 &&
                      strcmp(h->method, "HEAD") != 0;
        return 0;
}

int http_handler_create(const struct http_options *options, struct handler **ret_handler)
{
        struct http *h = calloc(1, sizeof(*h));
        int r;

        if (!h)
                return -ENOMEM;
        h->handler.class = &http_class;
        h->client = options->client;
        h->timeout = options->timeout;
        h->result_max = options->result_max > 0 ? options->result_max : HTTP_RESULT_MAX;
        r = copy_options(h, options);
        if (r == 0) {
                struct pen_http_request request = {
                        .method = h->method,
                        /* What the job will make of it is not known yet. */
                        .url = h->payload_in_url ? "http://localhost/" : h->url,
                        .headers = (const char *const *)h->headers,
                };

                r = pen_http_check(&request, NULL);
        }
        if (r < 0) {
                http_free(&h->handler);
                return r;
        }
        *ret_handler = &h->handler;
        return 0;
}

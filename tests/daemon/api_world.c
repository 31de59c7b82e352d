#include "api_world.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <penstock/task.h>
#include <store/memory.h>

#define JOBS "/v1/queues/mail/jobs"

/* --- the host ----------------------------------------------------------------------------------- */

static bool next(void *data, size_t index, struct api_queue *ret)
{
        struct api_world *w = data;

        if (index > 0)
                return false;
        *ret = (struct api_queue){ .name = "mail",
                                   .intake = &w->intake,
                                   .store = w->store,
                                   .buffered = w->buffered,
                                   .paused = w->paused };
        return true;
}

static bool find(void *data, const char *name, struct api_queue *ret)
{
        return strcmp(name, "mail") == 0 && next(data, 0, ret);
}

static bool is_ready(void *data)
{
        const struct api_world *w = data;

        return w->ready;
}

void api_world_start(struct api_world *w)
{
        char *error;

        strcpy(w->directory, "/tmp/test-api-XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(w->directory));
        snprintf(w->path, sizeof(w->path), "%s/socket", w->directory);
        snprintf(w->address, sizeof(w->address), "unix:%s", w->path);
        w->addresses[0] = w->address;
        w->addresses[1] = "127.0.0.1:0";
        if (!w->store)
                ck_assert_int_eq(memory_queue_open(&w->store_options, &w->store), 0);
        w->intake = (struct intake){ .store = w->store, .payload_max = w->options.payload_max };
        w->options.listen = w->addresses;
        w->options.n_listen = w->options.token ? 2 : 1;
        w->options.host =
                (struct api_host){ .find = find, .next = next, .ready = is_ready, .data = w };
        ck_assert_int_eq(http_api_create(&w->options, &w->api, &error), 0);
        ck_assert_int_eq(pen_spawn(http_api_run, w->api, &w->task), 0);
}

void api_world_end(struct api_world *w)
{
        int result;

        pen_task_cancel(w->task);
        ck_assert_int_eq(pen_await(w->task, &result), 0);
        ck_assert_int_eq(result, -ECANCELED);
        w->task = pen_task_unref(w->task);
        http_api_free(w->api);
        ck_assert_int_eq(access(w->path, F_OK), -1);
}

void api_world_free(struct api_world *w)
{
        store_close(w->store);
        ck_assert_int_eq(rmdir(w->directory), 0);
}

void api_world_stop(struct api_world *w)
{
        api_world_end(w);
        api_world_free(w);
}

/* --- the client --------------------------------------------------------------------------------- */

void answer_deinit(struct answer *answer)
{
        free(answer->head);
        free(answer->body);
}

struct pen_stream *api_connect(const struct api_world *w)
{
        struct pen_stream *stream;

        ck_assert_int_eq(pen_stream_connect(w->address, &stream), 0);
        return stream;
}

struct pen_stream *api_connect_tcp(const struct api_world *w)
{
        struct pen_stream *stream;
        char address[32];

        snprintf(address, sizeof(address), "127.0.0.1:%u", http_api_port(w->api, 1));
        ck_assert_int_eq(pen_stream_connect(address, &stream), 0);
        return stream;
}

void api_send(struct pen_stream *stream, const char *data, size_t size)
{
        ck_assert_int_eq(pen_stream_write(stream, data, size), 0);
        ck_assert_int_eq(pen_stream_drain(stream), 0);
}

void api_say(struct pen_stream *stream, const char *format, ...)
{
        va_list args;
        char *text;
        int n;

        va_start(args, format);
        n = vasprintf(&text, format, args);
        va_end(args);
        ck_assert_int_ge(n, 0);
        api_send(stream, text, (size_t)n);
        free(text);
}

void api_request(struct pen_stream *stream, const char *what, const char *headers, const void *body,
                 size_t size)
{
        PEN_CLEANUP(buffer_deinit) struct buffer text = { 0 };

        ck_assert_int_eq(buffer_printf(&text, "%s HTTP/1.1\r\nHost: penstock\r\n%s", what,
                                       headers ? headers : ""),
                         0);
        if (body)
                ck_assert_int_eq(buffer_printf(&text, "Content-Length: %zu\r\n", size), 0);
        ck_assert_int_eq(buffer_append(&text, "\r\n", 2), 0);
        ck_assert_int_eq(buffer_append(&text, body, size), 0);
        /* It may be refused before it is sent to its end. */
        (void)pen_stream_write(stream, buffer_data(&text), buffer_size(&text));
        ck_assert_int_ne(pen_stream_drain(stream), -ECANCELED);
}

struct answer api_receive(struct pen_stream *stream)
{
        struct answer answer = { 0 };
        struct buffer head = { 0 };
        const char *length;
        ssize_t n;
        char *line;

        while ((n = pen_stream_read_line(stream, 65536, &line)) > 0) {
                ck_assert_int_eq(buffer_append(&head, line, (size_t)n), 0);
                if (n == 2)
                        break;
        }
        answer.head = buffer_take(&head, NULL);
        ck_assert_ptr_nonnull(answer.head);
        if (sscanf(answer.head, "HTTP/1.1 %u", &answer.status) != 1 || answer.status < 200)
                return answer;
        length = strstr(answer.head, "Content-Length: ");
        ck_assert_ptr_nonnull(length);
        answer.size = strtoul(length + 16, NULL, 10);
        answer.body = calloc(1, answer.size + 1);
        ck_assert_int_eq(pen_stream_read_exactly(stream, answer.body, answer.size), 0);
        return answer;
}

bool api_is_closed(struct pen_stream *stream)
{
        char byte;
        ssize_t n = pen_stream_read(stream, &byte, 1);

        return n == 0 || n == -ECONNRESET || n == -EPIPE;
}

struct answer api_ask(const struct api_world *w, const char *what)
{
        PEN_CLEANUP(pen_stream_freep) struct pen_stream *stream = api_connect(w);

        api_request(stream, what, NULL, NULL, 0);
        return api_receive(stream);
}

struct answer api_post(const struct api_world *w, const char *path, const char *type,
                       const void *body, size_t size)
{
        PEN_CLEANUP(pen_stream_freep) struct pen_stream *stream = api_connect(w);
        char what[300], headers[200];

        snprintf(what, sizeof(what), "POST %s", path);
        snprintf(headers, sizeof(headers), "Content-Type: %s\r\n", type);
        api_request(stream, what, type ? headers : NULL, body, size);
        return api_receive(stream);
}

void expect(const struct answer *answer, unsigned status, const char *text)
{
        ck_assert_msg(answer->status == status && (!text || strstr(answer->body, text)),
                      "expected %u with \"%s\", was answered %u with \"%s\"", status,
                      text ? text : "", answer->status, answer->body ? answer->body : "");
        if (status >= 400 && strstr(answer->head, "Content-Type: application/problem+json"))
                ck_assert_ptr_nonnull(strstr(answer->body, "\"detail\":\""));
}

void api_expect(const struct api_world *w, const char *what, unsigned status, const char *text)
{
        PEN_CLEANUP(answer_deinit) struct answer a = api_ask(w, what);

        expect(&a, status, text);
}

void api_expect_job(const struct api_world *w, const char *job, unsigned status, const char *text)
{
        PEN_CLEANUP(answer_deinit)
        struct answer a = api_post(w, JOBS, "application/json", job, strlen(job));

        expect(&a, status, text);
}

/* --- the store ---------------------------------------------------------------------------------- */

void api_settle(struct api_world *w, struct job *job, enum outcome outcome)
{
        bool well = outcome == OUTCOME_DONE;
        struct settlement settlement = { .job = job,
                                         .verdict.move = well ? MOVE_DONE : MOVE_DEAD,
                                         .outcome = outcome,
                                         .error = well ? NULL : "no luck" };

        job->attempts = well ? 0 : 3;
        ck_assert_int_eq(store_settle(w->store, &settlement, 1), 0);
}

static struct job *fetch(struct api_world *w)
{
        struct job *job;

        ck_assert_int_eq(store_fetch(w->store, &job, 1), 1);
        return job;
}

struct job *api_fetch(struct api_world *w)
{
        struct job *job = fetch(w);

        api_settle(w, job, OUTCOME_DONE);
        return job;
}

void api_end(struct api_world *w, enum outcome outcome)
{
        PEN_CLEANUP(job_unrefp) struct job *job = fetch(w);

        api_settle(w, job, outcome);
}

struct store_counts api_count(const struct api_world *w)
{
        struct store_counts counts;

        ck_assert_int_eq(store_count(w->store, &counts), 0);
        return counts;
}

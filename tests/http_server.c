#include "http_server.h"

#include "runner.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <base/buffer.h>
#include <penstock/group.h>
#include <penstock/stream.h>
#include <penstock/task.h>

#define LINE_MAX_SIZE 65536

struct http_server {
        struct pen_listener *listener;
        struct pen_task *task;
        struct http_counts counts;
};

struct connection {
        struct http_server *server;
        struct pen_stream *stream;
};

struct request {
        char path[1024];
        struct buffer text; /* head and body */
        size_t head, body;
        struct http_counts *counts;
};

/* --- answers: less than 0 closes the connection --------------------------------------------------- */

static int put(struct pen_stream *stream, const char *text)
{
        return pen_stream_write(stream, text, strlen(text));
}

static int answer(struct pen_stream *stream, int status, const char *headers, const void *body,
                  size_t size)
{
        PEN_CLEANUP(buffer_deinit) struct buffer text = { 0 };
        int r;

        r = buffer_printf(&text, "HTTP/1.1 %d Whatever\r\n%sContent-Length: %zu\r\n\r\n", status,
                          headers, size);
        if (r == 0)
                r = buffer_append(&text, body, size);
        if (r == 0)
                r = pen_stream_write(stream, buffer_data(&text), buffer_size(&text));
        return r < 0 ? r : pen_stream_drain(stream);
}

static int answer_text(struct pen_stream *stream, int status, const char *headers, const char *text)
{
        return answer(stream, status, headers, text, strlen(text));
}

static int give_status(struct pen_stream *stream, const struct request *request, const char *arg)
{
        char text[64];

        (void)request;
        snprintf(text, sizeof(text), "status %s", arg);
        return answer_text(stream, atoi(arg), "", text);
}

static int give_slow(struct pen_stream *stream, const struct request *request, const char *arg)
{
        int r = pen_sleep((pen_usec)atoi(arg) * PEN_MSEC);

        (void)request;
        return r < 0 ? r : answer_text(stream, 200, "", "at last");
}

static int give_never(struct pen_stream *stream, const struct request *request, const char *arg)
{
        char byte;
        ssize_t n = pen_stream_read(stream, &byte, 1);

        (void)request, (void)arg;
        return n < 0 ? (int)n : -EPIPE;
}

static int give_size(struct pen_stream *stream, const struct request *request, const char *arg)
{
        size_t size = (size_t)atol(arg);
        char *body = malloc(size + 1);
        int r;

        (void)request;
        memset(body, 'x', size);
        r = answer(stream, 200, "", body, size);
        free(body);
        return r;
}

static int give_endless(struct pen_stream *stream, const struct request *request, const char *arg)
{
        static char block[65536];
        int r = put(stream, "HTTP/1.1 200 OK\r\n\r\n");

        (void)arg;
        while (r >= 0) {
                r = pen_stream_write(stream, block, sizeof(block));
                if (r >= 0)
                        r = pen_stream_drain(stream);
                if (r >= 0)
                        request->counts->endless += sizeof(block);
        }
        return r;
}

static int give_drip(struct pen_stream *stream, const struct request *request, const char *arg)
{
        int r = put(stream, "HTTP/1.1 200 OK\r\n\r\n");

        (void)request, (void)arg;
        while (r >= 0) {
                r = put(stream, ".");
                if (r >= 0)
                        r = pen_sleep(PEN_SEC);
        }
        return r;
}

static int give_echo(struct pen_stream *stream, const struct request *request, const char *arg)
{
        (void)arg;
        return answer(stream, 200, "", buffer_data(&request->text), buffer_size(&request->text));
}

static int give_header(struct pen_stream *stream, const struct request *request, const char *arg)
{
        char header[1100], *value;

        (void)request;
        snprintf(header, sizeof(header) - 2, "%s", arg);
        value = strchr(header, '/');
        if (!value)
                return -EINVAL;
        *value = ':';
        for (char *i = value; *i; i++)
                if (*i == '_')
                        *i = ' ';
        strcat(header, "\r\n");
        return answer_text(stream, 503, header, "later");
}

static int give_date(struct pen_stream *stream, const struct request *request, const char *arg)
{
        char headers[1200];

        (void)request;
        snprintf(headers, sizeof(headers),
                 "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nRetry-After: %s\r\n", arg);
        for (char *i = headers; *i; i++)
                if (*i == '_')
                        *i = ' ';
        return answer_text(stream, 429, headers, "later");
}

static int give_redirect(struct pen_stream *stream, const struct request *request, const char *arg)
{
        (void)request, (void)arg;
        return answer_text(stream, 302, "Location: /status/200\r\n", "elsewhere");
}

static int give_interim(struct pen_stream *stream, const struct request *request, const char *arg)
{
        int r = put(stream, "HTTP/1.1 103 Early Hints\r\nLink: early\r\n\r\n");

        (void)request, (void)arg;
        return r < 0 ? r : answer_text(stream, 200, "Link: late\r\n", "done");
}

static int give_continue(struct pen_stream *stream, const struct request *request, const char *arg)
{
        int r = put(stream, "HTTP/1.1 100 Continue\r\n\r\n");

        (void)request, (void)arg;
        return r < 0 ? r : answer_text(stream, 200, "", "done");
}

static int give_trailers(struct pen_stream *stream, const struct request *request, const char *arg)
{
        int r = put(stream, "HTTP/1.1 200 OK\r\nLink: head\r\nTransfer-Encoding: chunked\r\n"
                            "Trailer: X-Sum\r\n\r\n"
                            "4\r\nfour\r\n5\r\nfives\r\n0\r\nX-Sum: 9\r\nLink: trailer\r\n\r\n");

        (void)request, (void)arg;
        return r < 0 ? r : pen_stream_drain(stream);
}

static int give_long_header(struct pen_stream *stream, const struct request *request,
                            const char *arg)
{
        size_t size = (size_t)atol(arg);
        char *header = calloc(1, size + 32);
        int r;

        (void)request;
        strcpy(header, "X-Long: ");
        memset(header + strlen(header), 'x', size);
        strcat(header, "\r\n");
        r = answer_text(stream, 200, header, "done");
        free(header);
        return r;
}

static int give_short(struct pen_stream *stream, const struct request *request, const char *arg)
{
        int r = put(stream, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789");

        (void)request, (void)arg;
        if (r == 0)
                r = pen_stream_drain(stream);
        return r < 0 ? r : -EPIPE;
}

static int give_hang_up(struct pen_stream *stream, const struct request *request, const char *arg)
{
        (void)stream, (void)request, (void)arg;
        return -EPIPE;
}

static int give_bye(struct pen_stream *stream, const struct request *request, const char *arg)
{
        int r = answer_text(stream, 200, "", "bye");

        (void)request, (void)arg;
        return r < 0 ? r : -EPIPE;
}

static int give_garbage(struct pen_stream *stream, const struct request *request, const char *arg)
{
        int r = put(stream, "\x16\x03\x01 what is this\r\n\r\n\r\n");

        (void)request, (void)arg;
        if (r == 0)
                r = pen_stream_drain(stream);
        return r < 0 ? r : -EPIPE;
}

static int give_long_head(struct pen_stream *stream, const struct request *request, const char *arg)
{
        int r = put(stream, "HTTP/1.1 200 OK\r\n");

        (void)request, (void)arg;
        for (int i = 0; i < 16384 && r >= 0; i++) {
                r = put(stream,
                        "X-Filler: 0123456789012345678901234567890123456789012345678901\r\n");
                if (r >= 0)
                        r = pen_stream_drain(stream);
        }
        return r < 0 ? r : put(stream, "\r\n");
}

static int give_binary(struct pen_stream *stream, const struct request *request, const char *arg)
{
        static const char body[] = "bad\0\x1b[31m\r\n\xff red";

        (void)request, (void)arg;
        return answer(stream, 500, "", body, sizeof(body) - 1);
}

static const struct route {
        const char *path;
        int (*give)(struct pen_stream *stream, const struct request *request, const char *arg);
} routes[] = {
        { "/status/", give_status },    { "/slow/", give_slow },
        { "/never", give_never },       { "/size/", give_size },
        { "/endless", give_endless },   { "/drip", give_drip },
        { "/echo", give_echo },         { "/header/", give_header },
        { "/date/", give_date },        { "/interim", give_interim },
        { "/redirect", give_redirect }, { "/short", give_short },
        { "/hang-up", give_hang_up },   { "/bye", give_bye },
        { "/garbage", give_garbage },   { "/long-head", give_long_head },
        { "/binary", give_binary },     { "/continue", give_continue },
        { "/trailers", give_trailers }, { "/header-of/", give_long_header },
};

static int give(struct pen_stream *stream, const struct request *request)
{
        for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
                size_t n = strlen(routes[i].path);

                if (strncmp(request->path, routes[i].path, n) == 0)
                        return routes[i].give(stream, request, request->path + n);
        }
        return answer_text(stream, 404, "", "no such route");
}

/* --- requests ------------------------------------------------------------------------------------- */

static void read_path(const char *line, size_t size, char path[1024])
{
        const char *start = memchr(line, ' ', size), *end;

        *path = '\0';
        if (!start++)
                return;
        end = memchr(start, ' ', size - (size_t)(start - line));
        if (end && end - start < 1024)
                snprintf(path, 1024, "%.*s", (int)(end - start), start);
}

/* 1: there is one. 0: there will be no more. */
static int read_request(struct pen_stream *stream, struct request *request)
{
        char *line, *body;
        ssize_t n;
        int r;

        buffer_clear(&request->text);
        request->body = 0;
        for (;;) {
                n = pen_stream_read_line(stream, LINE_MAX_SIZE, &line);
                if (n <= 0)
                        return (int)n;
                if (buffer_size(&request->text) == 0)
                        read_path(line, (size_t)n, request->path);
                if (n > 15 && strncasecmp(line, "Content-Length:", 15) == 0)
                        request->body = (size_t)atol(line + 15); /* ends at the line's end */
                r = buffer_append(&request->text, line, (size_t)n);
                if (r < 0)
                        return r;
                if (n <= 2)
                        break;
        }
        r = buffer_reserve(&request->text, request->body, &body);
        if (r == 0)
                r = pen_stream_read_exactly(stream, body, request->body);
        if (r == 0)
                buffer_added(&request->text, request->body);
        return r < 0 ? r : 1;
}

static int serve(void *arg)
{
        struct connection *c = arg;
        struct http_counts *counts = &c->server->counts;
        struct request request = { .counts = counts };
        int r = 1;

        counts->open++;
        if (counts->open > counts->most_open)
                counts->most_open = counts->open;
        while (r >= 0 && (r = read_request(c->stream, &request)) > 0) {
                counts->requests++;
                counts->running++;
                if (counts->running > counts->most_running)
                        counts->most_running = counts->running;
                r = give(c->stream, &request);
                counts->running--;
        }
        counts->open--;
        pen_stream_free(c->stream);
        buffer_deinit(&request.text);
        free(c);
        return 0;
}

static int accept_all(void *arg)
{
        PEN_CLEANUP(pen_group_freep) struct pen_group *group = NULL;
        struct http_server *server = arg;
        int r;

        r = pen_group_create(&group);
        while (r == 0) {
                struct pen_stream *stream;
                struct connection *c;

                r = pen_accept(server->listener, &stream);
                if (r < 0)
                        break;
                server->counts.connections++;
                c = malloc(sizeof(*c));
                ck_assert_ptr_nonnull(c);
                *c = (struct connection){ server, stream };
                r = pen_group_spawn(group, "connection", serve, c, NULL);
        }
        return r;
}

/* --- life ----------------------------------------------------------------------------------------- */

struct http_server *http_server_start(void)
{
        return http_server_start_at("127.0.0.1:0");
}

struct http_server *http_server_start_at(const char *address)
{
        struct http_server *server = calloc(1, sizeof(*server));

        ck_assert_ptr_nonnull(server);
        ck_assert_int_eq(pen_listen(address, &server->listener), 0);
        ck_assert_int_eq(pen_spawn(accept_all, server, &server->task), 0);
        return server;
}

void http_server_cancel(struct http_server *server)
{
        pen_task_cancel(server->task);
}

void http_server_free(struct http_server *server)
{
        ck_assert(pen_task_done(server->task));
        pen_task_unref(server->task);
        pen_listener_free(server->listener);
        free(server);
}

void http_server_stop(struct http_server *server)
{
        http_server_cancel(server);
        pen_uncancellable_begin();
        ck_assert_int_eq(pen_await(server->task, NULL), 0);
        pen_uncancellable_end();
        http_server_free(server);
}

void http_server_stopp(struct http_server **server)
{
        http_server_stop(*server);
}

struct http_counts *http_server_counts(struct http_server *server)
{
        return &server->counts;
}

uint16_t http_server_port(const struct http_server *server)
{
        return pen_listener_port(server->listener);
}

const char *http_server_url_of(const struct http_server *server, const char *host, const char *path)
{
        static char urls[8][512];
        static unsigned i;
        char *url = urls[i++ % 8];

        snprintf(url, sizeof(urls[0]), "http://%s:%u%s", host, http_server_port(server), path);
        return url;
}

const char *http_server_url(const struct http_server *server, const char *path)
{
        return http_server_url_of(server, "127.0.0.1", path);
}

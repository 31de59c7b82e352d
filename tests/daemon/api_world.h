/* A world for tests of the HTTP interface: a daemon's face without its flow (jobs stay ready until the test
 * fetches them), and a client that speaks raw HTTP. All in the test's own loop; failures fail the test.
 *
 *     struct api_world w = API_WORLD;
 *     api_world_start(&w);
 *     struct answer a = api_ask(&w, "GET /v1/queues/mail");
 *     ...
 *     answer_deinit(&a);
 *     api_world_stop(&w);
 */
#pragma once

#include "../in_loop.h"

#include <base/buffer.h>
#include <daemon/http_api.h>
#include <penstock/stream.h>

struct api_world {
        /* May be set before the start. */
        struct store_queue_options store_options;
        struct api_options options;

        char directory[64], path[80], address[90];
        const char *addresses[2];
        struct store_queue *store; /* of the queue `mail` */
        struct intake intake;
        bool ready, paused;
        size_t buffered;
        struct http_api *api;
        struct pen_task *task;
};

#define PAYLOAD_MAX 1000

#define API_WORLD                                                                                  \
        {                                                                                          \
                .store_options = { .name = "mail", .dedupe = PEN_HOUR, .dead_keep = PEN_FOREVER }, \
                .options = { .mode = 0600,                                                         \
                             .payload_max = PAYLOAD_MAX,                                           \
                             .request_timeout = 10 * PEN_SEC,                                      \
                             .connections_max = 100 },                                             \
                .ready = true                                                                      \
        }

/* At a Unix socket in a directory of its own; with a token also at 127.0.0.1. */
void api_world_start(struct api_world *w);

/* Ends the interface and insists that nothing of it is left. */
void api_world_stop(struct api_world *w);

/* The same in two steps. */
void api_world_end(struct api_world *w);
void api_world_free(struct api_world *w);

struct answer {
        unsigned status; /* 0: the connection was closed without one */
        char *head, *body;
        size_t size;
};

void answer_deinit(struct answer *answer);

struct pen_stream *api_connect(const struct api_world *w);
struct pen_stream *api_connect_tcp(const struct api_world *w);

void api_send(struct pen_stream *stream, const char *data, size_t size);
void api_say(struct pen_stream *stream, const char *format, ...)
        __attribute__((format(printf, 2, 3)));

/* A whole request: "POST /path", further header lines (each with its \r\n; may be NULL), a body. */
void api_request(struct pen_stream *stream, const char *what, const char *headers, const void *body,
                 size_t size);
struct answer api_receive(struct pen_stream *stream);

/* The peer has closed the connection. */
bool api_is_closed(struct pen_stream *stream);

/* On connections of their own. */
struct answer api_ask(const struct api_world *w, const char *what);
struct answer api_post(const struct api_world *w, const char *path, const char *type,
                       const void *body, size_t size);

/* Posts a job to `mail`, or many, and expects this status and, in the body, this text. */
void api_expect_job(const struct api_world *w, const char *job, unsigned status, const char *text);

/* Asks and expects. */
void api_expect(const struct api_world *w, const char *what, unsigned status, const char *text);
void expect(const struct answer *answer, unsigned status, const char *text);

/* Ends a job that was fetched; dead ones with the error "no luck". */
void api_settle(struct api_world *w, struct job *job, enum outcome outcome);

/* The next ready job of `mail`, which has ended well; the caller has a reference. Waits for it. */
struct job *api_fetch(struct api_world *w);

/* Fetches a job and ends it. */
void api_end(struct api_world *w, enum outcome outcome);

struct store_counts api_count(const struct api_world *w);

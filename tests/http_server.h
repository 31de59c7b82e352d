/* A small HTTP server for tests, in the test's own loop. What it does is chosen by the path:
 *
 *     /status/503   that status, and the body "status 503"
 *     /slow/20      answers after so many ms of the loop's time; /never: never
 *     /size/1000    a body of so many bytes; /endless: one that does not end
 *     /drip         a byte a second, without an end
 *     /echo         the request's head and body, as the body
 *     /header/NAME/VALUE    503 with that header ('_' in VALUE is a space); /date/VALUE: and with a
 *                   Date of Sun, 06 Nov 1994 08:49:37 GMT and Retry-After: VALUE
 *     /redirect     302 to /status/200
 *     /interim      103 with a header of its own before the answer; /continue: 100, unasked
 *     /trailers     in two chunks, and then X-Sum: 9 and Link: trailer; its head has Link: head
 *     /header-of/1000     a header, X-Long, of so many bytes
 *     /short        ends before the body does; /hang-up: before the answer
 *     /bye          answers, and closes the connection, which it had not announced
 *     /garbage      what is not HTTP; /long-head: headers of 1 MiB
 *     /binary       a 500 whose body is bytes that nobody wants in a log
 */
#pragma once

#include <penstock/common.h>

struct http_server;

struct http_counts {
        size_t connections, open, most_open; /* in all, now, at once */
        size_t requests, running, most_running;
        size_t endless; /* bytes that /endless has written */
};

/* Serves until it is stopped, at 127.0.0.1 or at an address that pen_listen takes. Call from a task or
 * from the root of a loop. */
struct http_server *http_server_start(void);
struct http_server *http_server_start_at(const char *address);
void http_server_stop(struct http_server *server); /* from a task */
void http_server_stopp(struct http_server **server);

/* From the root: requests the stop; the loop has to turn before the free. */
void http_server_cancel(struct http_server *server);
void http_server_free(struct http_server *server);

struct http_counts *http_server_counts(struct http_server *server);
uint16_t http_server_port(const struct http_server *server);

/* "http://127.0.0.1:PORT" and the path. Valid until 8 more were made. */
const char *http_server_url(const struct http_server *server, const char *path);
const char *http_server_url_of(const struct http_server *server, const char *host,
                               const char *path);

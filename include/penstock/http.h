/* HTTP client: aiohttp.ClientSession's ideas on libcurl.
 *
 * Connections are kept and reused, HTTP/2 where the server offers it over TLS, certificates are
 * checked, redirects are not followed, nothing is read from the environment (no proxies, no netrc),
 * only http and https. Names are resolved by the loop's resolver. A body is what the server has sent:
 * who asks for gzip by a header of his own unpacks it himself.
 */
#pragma once

#include <penstock/common.h>

PEN_BEGIN_DECLS

struct pen_http_client;

/* Start from PEN_HTTP_OPTIONS_DEFAULT. */
struct pen_http_options {
        /* Further requests wait. The limits are of connections, of which one carries many requests on
         * HTTP/2; requests that begin together, to a host that is new, open several if they may.
         * 0: no limit. */
        unsigned max_connections; /* in all */
        unsigned max_per_host;
        pen_usec connect_timeout; /* TLS included; 0: none. -ETIMEDOUT */
        const char *user_agent;   /* copied */
        const char *ca_file;      /* NULL: the system's; copied */
        bool insecure;            /* do not check certificates */
        /* NULL: hosts are reached by name and port. Else all requests go to the Unix socket at this
         * path, whatever host their URL names (that is still sent, as Host); copied. */
        const char *unix_socket;
        /* Asked for each address before it is connected to (may be NULL): 0 goes on, less refuses,
         * and the request answers with that. Must not suspend. */
        int (*allow_address)(const void *sockaddr, size_t size, void *data);
        void *allow_data;
};

#define PEN_HTTP_OPTIONS_DEFAULT                                          \
        {                                                                 \
                .connect_timeout = 10 * PEN_SEC, .user_agent = "penstock" \
        }

/* -ENAMETOOLONG: the path of the Unix socket.  -ENXIO, -ENOMEM. */
int pen_http_client_create(const struct pen_http_options *options,
                           struct pen_http_client **ret_client);

/* No request may be under way, and no stream be open. Look-ups that hang are left behind. */
void pen_http_client_free(struct pen_http_client *client);
void pen_http_client_freep(struct pen_http_client **client);

struct pen_http_request {
        const char *method; /* NULL: GET, or POST with a body */
        const char *url;
        /* "Name: value", NULL-terminated; may be NULL. "Name:" alone leaves out what would be sent
         * by default. A body is application/octet-stream if nothing else is said here. */
        const char *const *headers;
        const void *body; /* not for HEAD */
        size_t body_size;
        bool has_body;    /* a body of 0 bytes is one */
        pen_usec timeout; /* of it all; 0: none */
        size_t max_body;  /* of the response; 0: 16 MiB. More is -EFBIG, or cut: */
        bool cut_body;    /* keep the first max_body bytes, read and drop the rest */
        bool once;        /* over a connection of its own: it is never sent a second time */
};

struct pen_http_response {
        int status;
        char *body; /* malloc'ed, followed by a NUL byte */
        size_t size;
        bool cut;
        char *headers; /* malloc'ed: "Name: value\n" lines, those of a trailer last */
};

/* Sends the request and reads the whole response, which the caller gives to
 * pen_http_response_deinit. Every status is a success here: see pen_http_raise_for_status.
 * -EINVAL: not an http(s) URL, or a header with a line end.  -ENXIO: the host is not known.
 * -EAGAIN: the name servers do not answer.  -ENOENT, -EACCES: of a Unix socket.
 * -ECONNREFUSED, -ECONNRESET, -ENETUNREACH, -ETIMEDOUT (connecting), -ETIME (`timeout`).
 * -EPROTO: not HTTP, headers of more than 256 KiB, or TLS failed: the certificate is not to be trusted,
 * has expired, is another host's.  -EFBIG.  -ENOMEM, which libcurl says of a header of more than
 * 100 KB, too.  `error` (may be NULL) then says more.
 * Cancelled: at once, and the connection is closed, or on HTTP/2 the stream reset. What the request
 * points to is used until the end.
 *
 * A connection that was kept and proves to be dead is replaced, and the request sent again: a
 * server may see it twice, and an Idempotency-Key tells it so; or say `once`.
 */
PEN_ASYNC int pen_http_send(struct pen_http_client *client, const struct pen_http_request *request,
                            struct pen_http_response *ret_response, char error[256]);

/* A response whose body is read as it comes: aiohttp's response.content. */
struct pen_http_stream;

/* Sends the request and returns with the response's head. `timeout` is for all of it, the reading
 * included; `max_body` and `cut_body` are not looked at. The request's body is used until the stream
 * has ended or is freed (a server may answer before it has read it), all else until this returns.
 * Errors as of pen_http_send. */
PEN_ASYNC int pen_http_open(struct pen_http_client *client, const struct pen_http_request *request,
                            struct pen_http_stream **ret_stream, char error[256]);

int pen_http_stream_status(const struct pen_http_stream *stream);

/* As pen_http_response_header. Those of a trailer are known at the end. */
int pen_http_stream_header(const struct pen_http_stream *stream, const char *name, char *value,
                           size_t size);

/* Waits for something and reads what there is, `size` bytes (1 or more) at most; 0: the body has ended.
 * -ECONNRESET, -EPROTO: it did not come whole; what has come is read first.  -ETIME.  -EBUSY: another
 * task is reading.  Each of them is answered again if it is asked for again.
 * Cancelled: nothing is lost, and one may read on.
 *
 * Who does not read holds the server back: at most 256 KiB are kept here. On HTTP/2 libcurl keeps as
 * well what the server may still send while others use the connection: up to its window for one
 * stream, 32 MiB with libcurl 7.88. */
PEN_ASYNC ssize_t pen_http_stream_read(struct pen_http_stream *stream, void *data, size_t size);

/* Before the body's end it closes the connection, or on HTTP/2 resets the stream alone. */
void pen_http_stream_free(struct pen_http_stream *stream);
void pen_http_stream_freep(struct pen_http_stream **stream);

void pen_http_response_deinit(struct pen_http_response *response);

/* Whether method, url and headers can be sent at all: 0, -EINVAL, -ENOMEM. */
int pen_http_check(const struct pen_http_request *request, char error[256]);

/* The value of the first header of that name (without regard to case), copied to `value`; answers
 * its length.  -ENOENT.  -EMSGSIZE: `value` is too small. */
int pen_http_response_header(const struct pen_http_response *response, const char *name,
                             char *value, size_t size);

/* 0 for a status below 400, -EREMOTEIO otherwise. */
int pen_http_raise_for_status(const struct pen_http_response *response);

PEN_END_DECLS

/* An HTTP/1.1 server in which a request is a task: it reads the body and answers in straight lines, and may
 * suspend wherever it likes. libmicrohttpd parses and formats, driven by our loop; its callbacks end in
 * http_connection.c.
 *
 * While a request's task works its connection is not read, so a peer that sends faster than we can take is
 * held back by its own socket. A peer that closes its sending side is taken to have gone.
 */
#pragma once

#include <base/buffer.h>
#include <job/job.h>

struct http_service;
struct http_request;

struct http_reply {
        unsigned status;  /* 0: none is sent, the connection is closed */
        const char *type; /* of the body; a constant. NULL: JSON */
        struct buffer body;
        const char *header; /* one more, a constant; NULL: none */
        char value[64];
};

struct http_service_options {
        const char *const *listen; /* as pen_listen has it */
        size_t n_listen;
        unsigned mode;     /* of the Unix socket's file */
        const char *group; /* of that file, by name or number; NULL: the process's */
        /* Each of these may take so long: a request's head (also counted from the end of the one before), its
         * body or the part up to the next http_request_renew, the sending of the answer. Then the connection
         * is closed. The task's own time is not counted. */
        pen_usec step_timeout;
        unsigned connections_max; /* past it the one that is idle longest is closed for a new one */

        /* Fills the reply; by a task of its own. Cancelled: the peer has gone, or the service ends, which
         * still sends an answer that is given at once. */
        void (*handle)(struct http_request *request, struct http_reply *reply, void *data);
        void *data;
};

/* Opens the sockets. Less than 0: *ret_error (malloc'ed, or NULL) says which address and why. */
int http_service_create(const struct http_service_options *options,
                        struct http_service **ret_service, char **ret_error);

/* Serves until it is cancelled, then cancels the requests under way and closes all. */
PEN_ASYNC int http_service_run(struct http_service *s);
void http_service_free(struct http_service *s); /* it does not run */

/* Of the n-th address; 0: a Unix socket. */
uint16_t http_service_port(const struct http_service *s, size_t n);

/* "Not Found" */
const char *http_status_text(unsigned status);

/* --- a request, for its own task ---------------------------------------------------------------- */

const char *http_request_method(const struct http_request *rq);

/* As it was sent, without the query; percent-encoded. */
const char *http_request_path(const struct http_request *rq);

/* NULL: there is no such header. */
const char *http_request_header(const struct http_request *rq, const char *name);

/* Calls `fn` for each argument of the query, percent-encoded, until that answers less than 0, and answers that.
 * `value` NULL: only the name was there. */
int http_request_arguments(const struct http_request *rq,
                           int (*fn)(void *data, const char *name, const char *value), void *data);

/* It came through a Unix socket. */
bool http_request_is_local(const struct http_request *rq);

/* Appends what comes next of the body; suspends until there is some. 0: that was all.
 * -ECONNRESET: the peer has gone, and no other function may be called any more.  -ECANCELED. */
PEN_ASYNC ssize_t http_request_read(struct http_request *rq, struct buffer *to);

/* The peer gets a whole step_timeout for what follows of the body. */
void http_request_renew(struct http_request *rq);

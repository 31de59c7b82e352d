/* What the four files of the HTTP client share.
 *
 * All of curl runs on the root: requests go there to begin and to be withdrawn, sockets and timers
 * call back there. What has ended is collected after curl has returned, never from inside it, and
 * only wakes the task that waits for it.
 *
 * A response that is read as it comes (a stream) is the same transfer, but its callbacks wake the
 * task as well, and its body's callback pauses the transfer while BODY_HIGH bytes are unread. The
 * reader asks for the rest: with the next kick, on the root, the transfer goes on.
 *
 * What curl wants done at once (a request was added) is done once a turn, for all requests of that
 * turn. A socket's read event stays where it is between two requests, since most often the next
 * wants it again; it goes when it is called for nothing. Easy handles are kept and are told only
 * what differs from their last use.
 *
 * curl's timers run on the real clock, whatever the loop's is: curl compares them with its own.
 */
#pragma once

#include <curl/curl.h>
#include <event2/event_struct.h>

#include <async/loop.h>
#include <base/buffer.h>
#include <penstock/http.h>

#define BODY_MAX_DEFAULT ((size_t)16 << 20)
#define HEAD_MAX ((size_t)256 << 10)
/* Of a stream: so much unread pauses it, and so much resumes it. curl hands over 16 KiB at a time, so
 * that 256 KiB are the most. A resumption copies what curl keeps meanwhile: they should be few. */
#define BODY_HIGH ((size_t)240 << 10)
#define BODY_LOW ((size_t)64 << 10)
#define METHOD_SIZE 32
#define ERROR_SIZE 256   /* of the caller's */
#define IDLE_MAX 1024    /* easy handles that are kept */
#define ADDRESSES_MAX 16 /* of a name, handed over to curl */
/* Connections that are kept: all, or those past the limit would be closed after each request. */
#define KEEP_MAX (1L << 20)

enum kind { /* of request, as curl knows them */
        KIND_NONE,
        KIND_GET,
        KIND_HEAD,
        KIND_POST,
};

struct pen_http_client {
        struct pen_loop *loop;
        CURLM *multi;
        struct event timer;
        pen_usec timer_due; /* on the real clock; 0: not set */
        struct deferred kick;
        struct http_socket **sockets; /* by descriptor */
        size_t n_sockets;
        struct transfer *idle;
        size_t n_idle;
        struct list running; /* transfers that curl has */
        struct list broken;  /* those that have lost their sockets' events */
        struct list resumed; /* those whose readers have made room */
        struct pen_http_options options;
        char *user_agent, *ca_file, *unix_socket;
};

/* One descriptor of curl's. */
struct http_socket {
        struct pen_http_client *client;
        struct event read, write;
        bool ours; /* opened, and so to be closed, by us: it is known how long it lives */
        bool reading, writing;
        int wanted; /* CURL_POLL_* */
};

struct transfer {
        struct pen_http_client *client;
        CURL *easy;
        struct transfer *next_idle;
        struct list running_link;
        struct list link; /* among the broken, or the resumed */

        /* What the easy handle was told and will remember. */
        char *url;
        char *host; /* to be resolved; NULL: an address in digits */
        uint16_t port;
        enum kind kind;
        bool once;
        char method[METHOD_SIZE];   /* in place of the kind's own name */
        struct curl_slist *headers; /* an array of n_headers; the strings are the caller's */
        size_t n_headers;
        struct curl_slist resolve;

        /* The present request. */
        const struct pen_http_request *request;
        struct pen_task *task; /* the one that waits */
        struct buffer head, body;
        int status;
        bool streamed; /* the body is read as it comes */
        bool headed;   /* the head is whole */
        bool paused, cut, done;
        pen_usec opened; /* its first socket, on the real clock; 0: it had none */
        int failure;     /* why we stopped it */
        int refusal;     /* of an address */
        CURLcode code;
        long os_error;
        char error[CURL_ERROR_SIZE];
};

/* --- http.c: a request, from its beginning to its end --------------------------------------------- */

/* By a task, as all here. Checks and sends; on failure nothing is left, and `error` says why. */
PEN_ASYNC int http_begin(struct pen_http_client *client, const struct pen_http_request *request,
                         bool streamed, char *error, struct transfer **ret);

/* Waits until it is done or, if `enough` is given, that says so. */
PEN_ASYNC int http_wait(struct transfer *t, bool (*enough)(const struct transfer *t));

/* What came of one that is done: 0, or what went wrong. */
int http_judge(struct transfer *t, char *error);

/* Withdraws it if it is not done. */
void http_end(struct transfer *t);

/* The wording of pen_http_send and _open for what it answers. */
int http_explain(const struct pen_http_request *request, int r, char *error);

/* pen_http_response_header, of `size` bytes of lines. */
int http_find_header(const char *lines, size_t n, const char *name, char *value, size_t size);

/* --- http_curl.c: curl on the loop ------------------------------------------------------------- */

/* Soon, on the root: the reader has made room. */
void http_resume(struct transfer *t);

curl_socket_t http_open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address);
int http_close_socket(void *arg, curl_socket_t fd);

/* --- http_transfer.c: an easy handle, and what it is told. All on the root, but for `resolve`. --- */

int http_transfer_acquire(struct pen_http_client *c, struct transfer **ret);
void http_transfer_release(struct transfer *t);
void http_transfer_free(struct transfer *t);

/* Whether method and headers can be sent; whether the URL can. -EINVAL, -ENOMEM. */
int http_check_request(const struct pen_http_request *request, char *error);
int http_parse_url(const char *url, char **ret_host, uint16_t *ret_port, char *error);

int http_transfer_set_url(struct transfer *t, const char *url, char *error);
int http_transfer_set_method(struct transfer *t);
int http_transfer_set_headers(struct transfer *t);
void http_transfer_set_connection(struct transfer *t);

/* Finds the addresses of the host, by a task. */
PEN_ASYNC int http_transfer_resolve(struct transfer *t, char *error);

/* The caller's error text; `error` may be NULL. */
void http_say(char *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

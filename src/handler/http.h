/* The http handler: a request for every attempt (contract §7). 2xx is done; 408, 425, 429, 5xx and
 * network errors failed, with Retry-After honoured; 400, 410, 413, 415, 422 rejected; other
 * statuses failed. Redirects are not followed. The response body is the result.
 *
 * Where the url is fixed, one that refuses connections is unavailable. Where the job supplies a
 * part of it (the placeholder stands in it) that is the job's failure, and so is, for good, a
 * payload that makes no URL: spaces, line ends, control characters.
 */
#pragma once

#include <handler/handler.h>

struct pen_http_client;

struct http_options {
        struct pen_http_client *client; /* outlives the handler */
        const char *url;                /* may contain `placeholder` */
        const char *placeholder; /* "{}": replaced by the payload, as it stands, and there is no */
                                 /* body then; NULL: none */
        const char *method;      /* NULL: POST, or GET if the placeholder stands in the url. */
                                 /* GET and HEAD have no body */
        const char *const *headers; /* "Name: value", NULL-terminated, may be NULL */
        const char *prefix;         /* of Idempotency-Key: PREFIX:QUEUE:ID; NULL: "penstock" */
        const int *reject_status, *retry_status; /* in place of the above; NULL: those. Copied */
        size_t n_reject_status, n_retry_status;
        pen_usec timeout;  /* 0: the attempt's alone */
        size_t result_max; /* bytes of the body that are kept, the rest is dropped; */
                           /* 0: HTTP_RESULT_MAX */
};

#define HTTP_RESULT_MAX ((size_t)64 << 10)

/* Copies what `options` points to, but the client. -EINVAL: url, method or a header unusable.
 * -ENOMEM. */
int http_handler_create(const struct http_options *options, struct handler **ret_handler);

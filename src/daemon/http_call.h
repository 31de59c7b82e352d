/* Inside the HTTP interface: one call of it, and what all its functions share. */
#pragma once

#include <daemon/http_api.h>
#include <daemon/http_service.h>
#include <job/json.h>

#define SEGMENTS_MAX 5 /* of a path */

struct api_call {
        const struct api_options *options;
        struct http_request *request;
        struct http_reply *reply;
        char segments[SEGMENTS_MAX][80]; /* of the path, decoded; longer ones are no name of ours */
        size_t n_segments;
};

/* Functions that answer a call: 0 once they have filled the reply, an error too is one; less than 0 is answered by
 * http_problem_of. */

/* Answers with a problem; always 0. */
int http_problem(struct api_call *call, unsigned status, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

/* The same for what went wrong inside: -ETIME, -ECANCELED, -ECONNRESET (no answer), … */
void http_problem_of(struct api_call *call, int r);

void http_header(struct api_call *call, const char *name, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

/* The queue that the path names. false: there is none, and the call has been answered. */
bool http_queue(struct api_call *call, struct api_queue *ret_queue);

/* The value of the query's argument, decoded, in `value`. -ENOENT: it is not there.  -EINVAL: it is not decodable, or
 * longer than `size`. */
int http_argument(struct api_call *call, const char *name, char *value, size_t size);

/* The same, for a duration; false: it is none, and the call has been answered. */
bool http_duration(struct api_call *call, const char *name, pen_usec *usec);

/* Answers 415 if the body is not of this type. */
bool http_is_type(const struct api_call *call, const char *type);

/* Reads the whole body. -EMSGSIZE: it is larger than `max`. */
PEN_ASYNC int http_read_all(struct api_call *call, size_t max, struct buffer *to);

/* Decodes what is percent-encoded. -EINVAL: a bad escape, a NUL, or no room. */
int http_decode(const char *text, size_t size, char *ret, size_t room);

/* The functions themselves. */
PEN_ASYNC int http_push(struct api_call *call);
PEN_ASYNC int http_push_many(struct api_call *call, pen_usec wait);
PEN_ASYNC int http_list_queues(struct api_call *call);
PEN_ASYNC int http_show_queue(struct api_call *call);
PEN_ASYNC int http_join(struct api_call *call);
PEN_ASYNC int http_list_dead(struct api_call *call);
PEN_ASYNC int http_retry_dead(struct api_call *call);

/* What a body of so many bytes of payload may come to as JSON: six for each byte, and the other fields. */
size_t http_job_size_max(const struct api_options *options);

/* Pushes without waiting for room. -ETIME: the store does not answer; those that are still PUSH_PENDING may have been
 * stored. */
PEN_ASYNC int http_push_now(struct api_call *call, struct store_queue *store, struct push *pushes,
                            size_t n);

/* Pushes again what was PUSH_FULL, waiting for room. It still is, if there was none within `usec`. */
PEN_ASYNC int http_push_waiting(struct store_queue *store, struct push *push, pen_usec usec);

/* Says 503 if nothing is to be pushed. */
bool http_is_ready(struct api_call *call);

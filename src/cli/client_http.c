/* The verbs through a daemon's HTTP interface. */
#include <cli/client.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <cli/answers.h>
#include <job/json.h>
#include <penstock/http.h>
#include <penstock/task.h>

#define REQUEST_TIMEOUT (30 * PEN_SEC)
#define ANSWER_MAX ((size_t)128 << 20) /* dead letters with their payloads */
#define LINES "application/x-ndjson"
#define WAIT "?wait=5s" /* for room */
#define JOIN_TIMEOUT 20 /* seconds that the daemon waits before it answers */

struct client_http {
        struct client client;
        struct pen_http_client *http;
        char *base;          /* "http://penstock" */
        char *authorization; /* a header; NULL: none */
};

static struct client_http *of(struct client *c)
{
        return container_of(c, struct client_http, client);
}

/* --- requests ----------------------------------------------------------------------------------- */

struct call {
        const char *method, *path, *type;
        struct bytes body;
        bool once; /* to do it twice would be wrong */
};

static int tell_unreachable(struct client *c, int r, const char *error)
{
        const struct location *l = c->location;
        const char *address = l->socket ? l->socket : l->address;

        switch (r) {
        case -EACCES:
        case -EPERM:
                return client_fail(c, -ENOTCONN,
                                   "%s; be a member of the group that http.group names", error);
        case -ENOENT:
        case -ECONNREFUSED:
                return client_fail(c, -ENOTCONN,
                                   "there is no daemon at %s (%s); is penstockd running?", address,
                                   strerror(-r));
        case -ENXIO:
        case -ENETUNREACH:
                return client_fail(c, -ENOTCONN, "the daemon at %s: %s", address, error);
        }
        return client_fail(c, -EHOSTUNREACH, "the daemon at %s: %s", address, error);
}

/* A status that is no success, as an error. */
static int judge(struct client *c, const struct pen_http_response *response)
{
        char detail[256];

        answers_read_problem((struct bytes){ response->body, response->size }, detail,
                             sizeof(detail));
        switch (response->status) {
        case 200 ... 299:
                return 0;
        case 401:
        case 403:
                return client_fail(c, -EACCES,
                                   "the daemon wants another token; see http.token_file");
        case 404:
                return client_fail(c, -ENOENT, "%s",
                                   detail[0] ? detail : "the daemon knows no such thing");
        case 408:
        case 504:
                return client_fail(c, -ETIME, "%s", detail[0] ? detail : "it took too long");
        case 409:
                return client_fail(c, -EEXIST, "%s", detail);
        case 429:
                return client_fail(c, -EAGAIN, "%s", detail[0] ? detail : "the queue is full");
        case 503:
                return client_fail(c, -EHOSTUNREACH, "the daemon cannot now: %s",
                                   detail[0] ? detail : "its store is away, or it stops");
        case 400:
        case 413:
        case 415:
                return client_fail(c, -EINVAL, "the daemon refuses: %s", detail);
        }
        return client_fail(c, -EPROTO, "the daemon answers %d%s%s", response->status,
                           detail[0] ? ": " : "", detail);
}

/* Whatever the status is. */
static int exchange(struct client *c, const struct call *call, struct pen_http_response *response)
{
        PEN_CLEANUP(freep) char *url = NULL;
        char type[64], error[256];
        const char *headers[3];
        size_t n = 0;
        int r;

        if (asprintf(&url, "%s%s", of(c)->base, call->path) < 0) {
                url = NULL;
                return -ENOMEM;
        }
        if (of(c)->authorization)
                headers[n++] = of(c)->authorization;
        if (call->type) {
                snprintf(type, sizeof(type), "Content-Type: %s", call->type);
                headers[n++] = type;
        }
        headers[n] = NULL;
        r = pen_http_send(of(c)->http,
                          &(struct pen_http_request){
                                  .method = call->method,
                                  .url = url,
                                  .headers = headers,
                                  .body = call->body.data,
                                  .body_size = call->body.size,
                                  .timeout = REQUEST_TIMEOUT,
                                  .max_body = ANSWER_MAX,
                                  .once = call->once,
                          },
                          response, error);
        return r < 0 && r != -ECANCELED && r != -ENOMEM ? tell_unreachable(c, r, error) : r;
}

static int send_call(struct client *c, const struct call *call, struct pen_http_response *response)
{
        int r = exchange(c, call, response);

        return r < 0 ? r : judge(c, response);
}

static int broken_answer(struct client *c, int r)
{
        return r == -EPROTO ? client_fail(c, r,
                                          "the daemon's answer is not understood: is it of another "
                                          "version?")
                            : r;
}

static struct bytes body_of(const struct pen_http_response *response)
{
        return (struct bytes){ response->body, response->size };
}

#define RESPONSE(r) PEN_CLEANUP(pen_http_response_deinit) struct pen_http_response r = { 0 }

/* --- push --------------------------------------------------------------------------------------- */

/* What a round sends: those that have neither a result nor a refusal, and, again, those without room. */
static bool is_open(const struct push *push, const char *refusal)
{
        return !refusal && (push->result == PUSH_PENDING || push->result == PUSH_FULL);
}

static int write_lines(struct buffer *to, const struct push *pushes, char *const *refusals,
                       size_t n)
{
        int r = 0;

        for (size_t i = 0; i < n && r == 0; i++) {
                if (!is_open(&pushes[i], refusals[i]))
                        continue;
                r = json_write_job(to, &pushes[i].job->fields);
                if (r == 0)
                        r = buffer_append(to, "\n", 1);
        }
        return r;
}

static void take_answer(struct push *push, char **refusal, struct push_answer *answer)
{
        struct job *job = push->job;

        push->result = answer->result;
        *refusal = TAKE(answer->refusal);
        if (!job->fields.id && answer->id[0]) {
                snprintf(job->made_id, sizeof(job->made_id), "%.*s", (int)sizeof(job->made_id) - 1,
                         answer->id);
                job->fields.id = job->made_id;
        }
}

/* The answers come in the order of the lines. */
static int take_answers(struct client *c, struct bytes body, struct push *pushes, char **refusals,
                        size_t n)
{
        const char *line = body.data, *end = body.data + body.size;
        bool unavailable = false;

        for (size_t i = 0; i < n; i++) {
                const char *newline = line < end ? memchr(line, '\n', (size_t)(end - line)) : NULL;
                struct push_answer answer;
                int r;

                if (!is_open(&pushes[i], refusals[i]))
                        continue;
                if (!newline)
                        return broken_answer(c, -EPROTO);
                r = answers_read_push((struct bytes){ line, (size_t)(newline - line) }, &answer);
                if (r < 0)
                        return broken_answer(c, r);
                take_answer(&pushes[i], &refusals[i], &answer);
                unavailable |= answer.unavailable;
                line = newline + 1;
        }
        return unavailable ? client_fail(c, -EHOSTUNREACH, "the daemon's store does not answer")
                           : 0;
}

static bool has_lines(const struct pen_http_response *response)
{
        char type[64];

        return pen_http_response_header(response, "Content-Type", type, sizeof(type)) > 0 &&
               !strncmp(type, LINES, strlen(LINES));
}

static int send_lines(struct client *c, const char *path, struct bytes lines, struct push *pushes,
                      char **refusals, size_t n)
{
        RESPONSE(response);
        int r = exchange(c,
                         &(struct call){
                                 .method = "POST",
                                 .path = path,
                                 .type = LINES,
                                 .body = lines,
                                 .once = true,
                         },
                         &response);

        if (r < 0)
                return r;
        if (has_lines(&response)) /* each has its own status */
                return take_answers(c, body_of(&response), pushes, refusals, n);
        r = judge(c, &response);
        return r < 0 ? r : broken_answer(c, -EPROTO);
}

/* Once, all that are open. 1: for some there was no room. */
static int push_round(struct client *c, const char *queue, bool wait, struct push *pushes,
                      char **refusals, size_t n)
{
        PEN_CLEANUP(buffer_deinit) struct buffer lines = { 0 };
        char path[160];
        int r = write_lines(&lines, pushes, refusals, n);

        snprintf(path, sizeof(path), "/v1/queues/%s/jobs%s", queue, wait ? WAIT : "");
        if (r == 0 && buffer_size(&lines) > 0)
                r = send_lines(c, path, (struct bytes){ buffer_data(&lines), buffer_size(&lines) },
                               pushes, refusals, n);
        for (size_t i = 0; i < n && r == 0; i++)
                r = pushes[i].result == PUSH_FULL;
        return r;
}

/* The first of those that found no room waits for it, so that a request never lasts long. */
static int wait_for_room(struct client *c, const char *queue, struct push *pushes, char **refusals)
{
        size_t first = 0;
        int r;

        while (!is_open(&pushes[first], refusals[first]))
                first++;
        do {
                r = push_round(c, queue, true, &pushes[first], &refusals[first], 1);
        } while (r > 0);
        return r;
}

static int client_http_push(struct client *c, const char *queue, struct push *pushes,
                            char **refusals, size_t n, bool wait)
{
        int r;

        while ((r = push_round(c, queue, false, pushes, refusals, n)) > 0 && wait) {
                r = wait_for_room(c, queue, pushes, refusals);
                if (r < 0)
                        break;
        }
        return MIN(r, 0);
}

/* --- the others --------------------------------------------------------------------------------- */

static ssize_t client_http_status(struct client *c, const char *queue,
                                  struct queue_state **ret_states)
{
        struct queue_state *state;
        RESPONSE(response);
        char path[96];
        ssize_t n;
        int r;

        snprintf(path, sizeof(path), "/v1/queues%s%s", queue ? "/" : "", queue ? queue : "");
        r = send_call(c, &(struct call){ .path = path }, &response);
        if (r < 0)
                return r;
        if (!queue) {
                n = answers_read_states(body_of(&response), ret_states);
                return n < 0 ? broken_answer(c, (int)n) : n;
        }
        state = calloc(1, sizeof(*state));
        r = state ? answers_read_state(body_of(&response), state) : -ENOMEM;
        if (r < 0) {
                free(state);
                return broken_answer(c, r);
        }
        *ret_states = state;
        return 1;
}

/* In slices, so that a daemon that has gone without a word is noticed. */
static int client_http_join(struct client *c, const char *queue)
{
        char path[128];
        int r;

        snprintf(path, sizeof(path), "/v1/queues/%s/join?timeout=%ds", queue, JOIN_TIMEOUT);
        do {
                RESPONSE(response);

                r = send_call(c, &(struct call){ .method = "POST", .path = path }, &response);
        } while (r == -ETIME);
        return r;
}

static ssize_t client_http_dead_list(struct client *c, const char *queue, const char *after,
                                     struct dead_letter *ret_letters, size_t max)
{
        RESPONSE(response);
        char path[256];
        ssize_t n;
        int r;

        snprintf(path, sizeof(path), "/v1/queues/%s/dead?limit=%zu%s%s", queue, max,
                 after[0] ? "&after=" : "", after);
        r = send_call(c, &(struct call){ .path = path }, &response);
        if (r < 0)
                return r;
        n = answers_read_letters(body_of(&response), ret_letters, max);
        return n < 0 ? broken_answer(c, (int)n) : n;
}

static int write_place(struct buffer *to, const char *place)
{
        int r = buffer_printf(to, "{\"place\":");

        if (r == 0)
                r = json_write_string(to, place, strlen(place));
        return r < 0 ? r : buffer_append(to, "}", 1);
}

static int client_http_dead_retry(struct client *c, const char *queue, const char *place)
{
        PEN_CLEANUP(buffer_deinit) struct buffer body = { 0 };
        uint64_t retried, kept;
        RESPONSE(response);
        char path[128];
        int r = write_place(&body, place);

        if (r < 0)
                return r;
        snprintf(path, sizeof(path), "/v1/queues/%s/dead/retry", queue);
        r = send_call(c,
                      &(struct call){
                              .method = "POST",
                              .path = path,
                              .type = "application/json",
                              .body = { buffer_data(&body), buffer_size(&body) },
                              .once = true,
                      },
                      &response);
        if (r == 0)
                r = broken_answer(c, answers_read_retry(body_of(&response), &retried, &kept));
        return r < 0 ? r : kept > 0 ? -EEXIST : 0;
}

/* --- its life ----------------------------------------------------------------------------------- */

static void client_http_close(struct client *client)
{
        struct client_http *c = of(client);

        pen_http_client_free(c->http);
        free(c->base);
        free(c->authorization);
        free(c);
}

static int open_http(struct client_http *c)
{
        const struct location *l = c->client.location;
        struct pen_http_options options = PEN_HTTP_OPTIONS_DEFAULT;

        options.unix_socket = l->socket;
        if (asprintf(&c->base, "http://%s", l->socket ? "penstock" : l->address) < 0) {
                c->base = NULL;
                return -ENOMEM;
        }
        if (l->token && asprintf(&c->authorization, "Authorization: Bearer %s", l->token) < 0) {
                c->authorization = NULL;
                return -ENOMEM;
        }
        return pen_http_client_create(&options, &c->http);
}

int client_http_open(const struct location *location, struct client **ret_client, char *error,
                     size_t size)
{
        static const struct client_class class = {
                .push = client_http_push,
                .status = client_http_status,
                .join = client_http_join,
                .dead_list = client_http_dead_list,
                .dead_retry = client_http_dead_retry,
                .close = client_http_close,
        };
        struct client_http *c = calloc(1, sizeof(*c));
        int r;

        if (!c)
                return -ENOMEM;
        c->client = (struct client){ .class = &class, .location = location };
        r = open_http(c);
        if (r < 0) {
                if (r == -ENAMETOOLONG)
                        snprintf(error, size, "%s: the path of a socket has at most 107 bytes",
                                 location->socket);
                client_http_close(&c->client);
                return r;
        }
        *ret_client = &c->client;
        return 0;
}

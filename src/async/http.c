/* Requests and responses. */
#include <async/http.h>

#include <errno.h>
#include <string.h>
#include <strings.h>

#include <penstock/timeout.h>

/* --- a request ---------------------------------------------------------------------------------- */

struct preparation {
        struct pen_http_client *client;
        const struct pen_http_request *request;
        char *error;
        struct transfer *transfer;
};

static int run_prepare(void *arg)
{
        struct preparation *p = arg;
        struct transfer *t;
        int r;

        r = http_transfer_acquire(p->client, &t);
        if (r < 0)
                return r;
        r = http_transfer_set_url(t, p->request->url, p->error);
        if (r < 0) {
                http_transfer_release(t);
                return r;
        }
        t->request = p->request;
        t->headed = t->paused = t->cut = t->done = false;
        t->status = t->failure = t->refusal = 0;
        t->os_error = 0;
        t->opened = 0;
        t->error[0] = '\0';
        p->transfer = t;
        return 0;
}

static bool must_resolve(const struct transfer *t)
{
        return t->host && !t->client->unix_socket;
}

static int run_start(void *arg)
{
        struct transfer *t = arg;
        int r;

        r = http_transfer_set_method(t);
        if (r == 0)
                r = http_transfer_set_headers(t);
        if (r < 0)
                return r;
        http_transfer_set_connection(t);
        if (must_resolve(t) && curl_easy_setopt(t->easy, CURLOPT_RESOLVE, &t->resolve) != CURLE_OK)
                return -ENOMEM;
        if (curl_multi_add_handle(t->client->multi, t->easy) != CURLM_OK)
                return -ENOMEM;
        list_append(&t->client->running, &t->running_link);
        return 0;
}

int http_begin(struct pen_http_client *client, const struct pen_http_request *request,
               bool streamed, char *error, struct transfer **ret)
{
        struct preparation p = { client, request, error, NULL };
        int r;

        r = http_check_request(request, error);
        if (r == 0)
                r = pen_on_thread_stack(run_prepare, &p);
        if (r < 0)
                return r;
        p.transfer->streamed = streamed;
        if (must_resolve(p.transfer))
                r = http_transfer_resolve(p.transfer, error);
        if (r == 0)
                r = pen_on_thread_stack(run_start, p.transfer);
        if (r < 0)
                http_transfer_release(p.transfer);
        else
                *ret = p.transfer;
        return r;
}

int http_wait(struct transfer *t, bool (*enough)(const struct transfer *t))
{
        struct pen_loop *loop = t->client->loop;
        int r = 0;

        loop->n_events++;
        t->task = loop->current;
        while (!t->done && !(enough && enough(t)) && r == 0)
                r = task_suspend(t->task, "an HTTP response");
        t->task = NULL;
        loop->n_events--;
        return r;
}

static int run_withdraw(void *arg)
{
        struct transfer *t = arg;

        list_remove(&t->link);
        list_remove(&t->running_link);
        curl_multi_remove_handle(t->client->multi, t->easy);
        return 0;
}

void http_end(struct transfer *t)
{
        if (!t->done)
                pen_on_thread_stack(run_withdraw, t);
        http_transfer_release(t);
}

static int error_of(const struct transfer *t)
{
        switch (t->code) {
        case CURLE_OK:
                return 0;
        case CURLE_COULDNT_CONNECT:
                if (t->refusal < 0)
                        return t->refusal;
                /* -EINVAL is for requests that cannot be sent at all. */
                return t->os_error == EINVAL ? -EADDRNOTAVAIL
                       : t->os_error > 0     ? (int)-t->os_error
                                             : -ECONNREFUSED;
        case CURLE_OPERATION_TIMEDOUT:
                return -ETIMEDOUT;
        case CURLE_COULDNT_RESOLVE_HOST:
                return -ENXIO;
        case CURLE_SEND_ERROR:
        case CURLE_RECV_ERROR:
        case CURLE_GOT_NOTHING:
        case CURLE_PARTIAL_FILE:
                return -ECONNRESET;
        case CURLE_OUT_OF_MEMORY:
        case CURLE_FAILED_INIT:
        case CURLE_SETOPT_OPTION_SYNTAX: /* of CURLOPT_RESOLVE, which is ours: for want of memory */
                return -ENOMEM;
        case CURLE_URL_MALFORMAT:
                return -EINVAL;
        default:
                return -EPROTO;
        }
}

int http_judge(struct transfer *t, char *error)
{
        int r = t->code != CURLE_OK && t->failure < 0 ? t->failure : error_of(t);

        if (r == -EFBIG)
                http_say(error, "the response is larger than allowed");
        else if (r < 0 && r == t->failure)
                http_say(error, r == -EPROTO ? "the response's headers are too long" : "%s",
                         strerror(-r));
        else if (r < 0 && r == t->refusal)
                http_say(error, "refused to connect: %s", strerror(-r));
        else if (t->code == CURLE_COULDNT_CONNECT && t->client->unix_socket)
                http_say(error, "%s: %s", t->client->unix_socket, strerror(-r));
        else if (r < 0)
                http_say(error, "%s", t->error[0] ? t->error : curl_easy_strerror(t->code));
        return r;
}

int http_explain(const struct pen_http_request *request, int r, char *error)
{
        if (r == -ETIME)
                http_say(error, "no response within %gs", (double)request->timeout / PEN_SEC);
        else if (r < 0 && error && !*error)
                http_say(error, "%s", strerror(-r));
        return r;
}

/* --- and its response, whole -------------------------------------------------------------------- */

static int take_response(struct transfer *t, struct pen_http_response *ret_response)
{
        struct pen_http_response response = { .status = t->status, .cut = t->cut };

        response.body = buffer_take(&t->body, &response.size);
        response.headers = buffer_take(&t->head, NULL);
        if (!response.body || !response.headers) {
                pen_http_response_deinit(&response);
                return -ENOMEM;
        }
        *ret_response = response;
        return 0;
}

static int perform(struct pen_http_client *client, const struct pen_http_request *request,
                   struct pen_http_response *ret_response, char *error)
{
        struct transfer *t;
        int r;

        r = http_begin(client, request, /* streamed= */ false, error, &t);
        if (r < 0)
                return r;
        r = http_wait(t, NULL);
        if (r == 0)
                r = http_judge(t, error);
        if (r == 0)
                r = take_response(t, ret_response);
        http_end(t);
        return r;
}

int pen_http_send(struct pen_http_client *client, const struct pen_http_request *request,
                  struct pen_http_response *ret_response, char error[ERROR_SIZE])
{
        struct pen_timeout scope;
        int r = task_checkpoint(client->loop->current);

        if (r < 0)
                return r;
        http_say(error, "%s", "");
        pen_timeout_begin(&scope, request->timeout > 0 ? request->timeout : PEN_FOREVER);
        r = pen_timeout_end(&scope, perform(client, request, ret_response, error));
        return http_explain(request, r, error);
}

struct check {
        const struct pen_http_request *request;
        char *error;
};

static int run_check(void *arg)
{
        struct check *check = arg;
        uint16_t port;
        char *host;
        int r;

        r = http_parse_url(check->request->url, &host, &port, check->error);
        if (r == 0)
                free(host);
        return r;
}

int pen_http_check(const struct pen_http_request *request, char error[ERROR_SIZE])
{
        struct check check = { request, error };
        int r = http_check_request(request, error);

        return r < 0 ? r : pen_on_thread_stack(run_check, &check);
}

/* --- responses ---------------------------------------------------------------------------------- */

void pen_http_response_deinit(struct pen_http_response *response)
{
        free(response->body);
        free(response->headers);
        *response = (struct pen_http_response){ 0 };
}

static bool is_blank(char c)
{
        return c == ' ' || c == '\t';
}

/* The value in a line "Name: value", if the name is that; answers its length. */
static int read_header(const char *line, size_t n, const char *name, char *value, size_t size)
{
        size_t length = strlen(name);

        if (n <= length || line[length] != ':' || strncasecmp(line, name, length) != 0)
                return -ENOENT;
        line += length + 1;
        n -= length + 1;
        while (n > 0 && is_blank(*line))
                line++, n--;
        while (n > 0 && is_blank(line[n - 1]))
                n--;
        if (n >= size)
                return -EMSGSIZE;
        memcpy(value, line, n);
        value[n] = '\0';
        return (int)n;
}

int http_find_header(const char *lines, size_t n, const char *name, char *value, size_t size)
{
        while (n > 0) {
                const char *end = memchr(lines, '\n', n);
                size_t length = end ? (size_t)(end - lines) : n;
                int r = read_header(lines, length, name, value, size);

                if (r != -ENOENT || !end)
                        return r;
                lines += length + 1;
                n -= length + 1;
        }
        return -ENOENT;
}

int pen_http_response_header(const struct pen_http_response *response, const char *name,
                             char *value, size_t size)
{
        return http_find_header(response->headers, strlen(response->headers), name, value, size);
}

int pen_http_raise_for_status(const struct pen_http_response *response)
{
        return response->status < 400 ? 0 : -EREMOTEIO;
}

#include <daemon/http_call.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <base/nearest.h>
#include <base/parse.h>

/* --- answers ------------------------------------------------------------------------------------ */

void http_header(struct api_call *call, const char *name, const char *format, ...)
{
        struct http_reply *reply = call->reply;
        va_list args;

        va_start(args, format);
        vsnprintf(reply->value, sizeof(reply->value), format, args);
        va_end(args);
        reply->header = name;
}

int http_problem(struct api_call *call, unsigned status, const char *format, ...)
{
        struct http_reply *reply = call->reply;
        struct buffer *body = &reply->body;
        char detail[512];
        va_list args;
        int r;

        va_start(args, format);
        vsnprintf(detail, sizeof(detail), format, args);
        va_end(args);
        reply->status = status;
        reply->type = "application/problem+json";
        buffer_clear(body);
        r = buffer_printf(body,
                          "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%u,\"detail\":",
                          http_status_text(status), status);
        if (r == 0)
                r = json_write_string(body, detail, strlen(detail));
        if (r == 0)
                r = buffer_append(body, "}\n", 2);
        if (r < 0)
                reply->status = 0;
        return 0;
}

void http_problem_of(struct api_call *call, int r)
{
        switch (r) {
        case -ECONNRESET:
                call->reply->status = 0;
                return;
        case -ETIME:
                http_problem(call, 503,
                             "the store does not answer; what was asked for may have been done");
                break;
        case -ECANCELED:
                http_problem(call, 503, "the daemon is stopping");
                break;
        case -ENOMEM:
                http_problem(call, 503, "out of memory");
                break;
        default:
                http_problem(call, 500, "%s", strerror(-r));
                return;
        }
        http_header(call, "Retry-After", "1");
}

/* --- what was asked for ------------------------------------------------------------------------- */

static int hex(char c)
{
        return c >= '0' && c <= '9'   ? c - '0'
               : c >= 'a' && c <= 'f' ? c - 'a' + 10
               : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                      : -1;
}

int http_decode(const char *text, size_t size, char *ret, size_t room)
{
        const char *end = text + size;

        for (; text < end; text++) {
                char c = *text;

                if (c == '%') {
                        int high = end - text > 2 ? hex(text[1]) : -1;
                        int low = high >= 0 ? hex(text[2]) : -1;

                        if (low < 0)
                                return -EINVAL;
                        c = (char)(high << 4 | low);
                        text += 2;
                }
                if (c == '\0' || room < 2)
                        return -EINVAL;
                *ret++ = c;
                room--;
        }
        *ret = '\0';
        return 0;
}

struct argument_search {
        const char *name;
        char *value;
        size_t size;
        int result;
};

static int find_argument(void *data, const char *name, const char *value)
{
        struct argument_search *search = data;

        if (strcmp(name, search->name) != 0)
                return 0;
        value = value ? value : "";
        search->result = http_decode(value, strlen(value), search->value, search->size);
        return -EEXIST; /* enough */
}

int http_argument(struct api_call *call, const char *name, char *value, size_t size)
{
        struct argument_search search = {
                .name = name, .value = value, .size = size, .result = -ENOENT
        };

        (void)http_request_arguments(call->request, find_argument, &search);
        return search.result;
}

bool http_duration(struct api_call *call, const char *name, pen_usec *usec)
{
        char value[32];
        int r = http_argument(call, name, value, sizeof(value));

        if (r == -ENOENT)
                return true;
        if (r == 0)
                r = parse_duration(value, usec);
        if (r == 0)
                return true;
        http_problem(call, 400, "?%s= is a duration, %s", name, parse_duration_form);
        return false;
}

/* A name is valid as long as nothing suspends. */
static const char *nearest_queue(const struct api_host *host, const char *name)
{
        struct nearest nearest = { .word = name, .size = strlen(name) };
        struct api_queue queue;

        for (size_t i = 0; host->next(host->data, i, &queue); i++)
                nearest_try(&nearest, queue.name);
        return nearest.name;
}

bool http_queue(struct api_call *call, struct api_queue *ret_queue)
{
        const struct api_host *host = &call->options->host;
        const char *name = call->segments[2], *nearest;
        char excerpt[64];

        if (!parse_is_name(name, strlen(name))) {
                json_excerpt(excerpt, sizeof(excerpt), (struct bytes){ name, strlen(name) });
                http_problem(
                        call, 400,
                        "\"%s\" is no name of a queue: those have 1 to 64 of A-Z a-z 0-9 _ . -",
                        excerpt);
                return false;
        }
        if (host->find(host->data, name, ret_queue))
                return true;
        nearest = nearest_queue(host, name);
        http_problem(call, 404, "there is no queue %s; %s%s", name,
                     nearest ? "the nearest is " : "there is none at all", nearest ? nearest : "");
        return false;
}

bool http_is_type(const struct api_call *call, const char *type)
{
        const char *said = http_request_header(call->request, "Content-Type");
        size_t n = strlen(type);

        return said && strncasecmp(said, type, n) == 0 && strchr(" \t;", said[n]);
}

int http_read_all(struct api_call *call, size_t max, struct buffer *to)
{
        ssize_t n;

        do {
                n = http_request_read(call->request, to);
                if (n > 0 && buffer_size(to) > max)
                        return -EMSGSIZE;
        } while (n > 0);
        return (int)n;
}

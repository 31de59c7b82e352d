/* What queues hold, and the wait until they are empty. */
#include <daemon/http_call.h>

#include <errno.h>
#include <string.h>

#include <penstock/timeout.h>

#define JOIN_DEFAULT (30 * PEN_SEC)

static int write_queue(struct buffer *to, const struct api_queue *queue, const char *name,
                       const struct store_counts *counts)
{
        uint64_t buffered = MIN(counts->running, (uint64_t)queue->buffered);

        return buffer_printf(
                to,
                "{\"name\":\"%s\",\"ready\":%llu,\"delayed\":%llu,\"buffered\":%llu,\"running\":%llu,"
                "\"dead_letters\":%llu,\"done\":%llu,\"dead\":%llu,\"expired\":%llu,"
                "\"cancelled\":%llu,\"duplicates\":%llu,\"conflicts\":%llu,\"paused\":%s}",
                name, (unsigned long long)counts->ready, (unsigned long long)counts->delayed,
                (unsigned long long)buffered, (unsigned long long)(counts->running - buffered),
                (unsigned long long)counts->dead_letters, (unsigned long long)counts->done,
                (unsigned long long)counts->dead, (unsigned long long)counts->expired,
                (unsigned long long)counts->cancelled, (unsigned long long)counts->duplicates,
                (unsigned long long)counts->conflicts, queue->paused ? "true" : "false");
}

/* Counting suspends, and the queue's name may be gone then. */
static int describe(struct api_call *call, const struct api_queue *queue)
{
        struct store_counts counts;
        char name[80];
        int r;

        strncpy(name, queue->name, sizeof(name) - 1);
        name[sizeof(name) - 1] = '\0';
        r = store_count(queue->store, &counts);
        return r < 0 ? r : write_queue(&call->reply->body, queue, name, &counts);
}

int http_show_queue(struct api_call *call)
{
        struct api_queue queue;
        int r;

        if (!http_queue(call, &queue))
                return 0;
        r = describe(call, &queue);
        if (r == 0)
                r = buffer_append(&call->reply->body, "\n", 1);
        call->reply->status = 200;
        return r;
}

int http_list_queues(struct api_call *call)
{
        const struct api_host *host = &call->options->host;
        struct buffer *body = &call->reply->body;
        struct api_queue queue;
        int r = buffer_printf(body, "{\"queues\":[");

        for (size_t i = 0; r == 0 && host->next(host->data, i, &queue); i++) {
                if (i > 0)
                        r = buffer_append(body, ",", 1);
                if (r == 0)
                        r = describe(call, &queue);
        }
        if (r == 0)
                r = buffer_printf(body, "]}\n");
        call->reply->status = 200;
        return r;
}

/* --- join --------------------------------------------------------------------------------------- */

static int count_within(struct store_queue *store, struct store_counts *ret_counts, pen_usec usec)
{
        struct pen_timeout scope;

        pen_timeout_begin(&scope, usec);
        return pen_timeout_end(&scope, store_count(store, ret_counts));
}

static int join_within(struct store_queue *store, pen_usec usec)
{
        struct pen_timeout scope;

        pen_timeout_begin(&scope, usec);
        return pen_timeout_end(&scope, store_join(store));
}

int http_join(struct api_call *call)
{
        pen_usec timeout = JOIN_DEFAULT, bound = call->options->request_timeout;
        struct store_counts before, after;
        struct api_queue queue;
        uint64_t died;
        int r;

        if (!http_queue(call, &queue) || !http_duration(call, "timeout", &timeout))
                return 0;
        r = count_within(queue.store, &before, bound);
        if (r < 0)
                return r;
        r = join_within(queue.store, timeout);
        if (r == -ETIME)
                return http_problem(call, 408,
                                    "there still are jobs that are ready, delayed or running; wait "
                                    "again, or longer with ?timeout=");
        if (r == 0)
                r = count_within(queue.store, &after, bound);
        if (r < 0)
                return r;
        died = after.dead - MIN(before.dead, after.dead); /* who counts may have begun anew */
        call->reply->status = 200;
        return buffer_printf(&call->reply->body, "{\"died\":%llu}\n", (unsigned long long)died);
}

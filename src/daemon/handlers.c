#include <daemon/handlers.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <handler/exec.h>
#include <handler/http.h>
#include <handler/noop.h>
#include <penstock/http.h>

struct handlers {
        unsigned refs;
        struct config *config;
        size_t n;
        struct handler *handlers[]; /* in the order of the configuration */
};

static int create_exec(const struct config *config, const struct config_exec *c,
                       struct handler **ret_handler)
{
        return exec_handler_create(
                &(struct exec_options){
                        .argv = c->argv,
                        .env = c->env,
                        .cwd = c->cwd,
                        .reject_exit = c->reject_exit,
                        .n_reject_exit = c->n_reject_exit,
                        .result_max = config->limits.result,
                        .kill_after = c->kill_after,
                },
                ret_handler);
}

static int create_http(const struct config *config, const struct config_http_handler *c,
                       struct pen_http_client **client, struct handler **ret_handler)
{
        int r = 0;

        if (!*client)
                r = pen_http_client_create(&(struct pen_http_options)PEN_HTTP_OPTIONS_DEFAULT,
                                           client);
        if (r < 0)
                return r;
        return http_handler_create(
                &(struct http_options){
                        .client = *client,
                        .url = c->url,
                        .method = c->method,
                        .headers = c->headers,
                        .prefix = config->store.prefix,
                        .reject_status = c->reject_status,
                        .n_reject_status = c->n_reject_status,
                        .retry_status = c->retry_status,
                        .n_retry_status = c->n_retry_status,
                        .timeout = c->timeout,
                        .result_max = config->limits.result,
                },
                ret_handler);
}

static int create_one(const struct config *config, const struct config_handler *c,
                      struct pen_http_client **client, struct handler **ret_handler)
{
        switch (c->kind) {
        case HANDLER_EXEC:
                return create_exec(config, &c->exec, ret_handler);
        case HANDLER_HTTP:
                return create_http(config, &c->http, client, ret_handler);
        case HANDLER_NOOP:
                return noop_handler_create(
                        &(struct noop_options){ .run = c->noop.run, .fail = c->noop.fail },
                        ret_handler);
        }
        return -EINVAL;
}

int handlers_create(struct config *config, struct pen_http_client **client,
                    struct handlers **ret_handlers, char *error, size_t room)
{
        struct handlers *h = calloc(1, sizeof(*h) + config->n_handlers * sizeof(h->handlers[0]));

        if (!h) {
                snprintf(error, room, "%s", strerror(ENOMEM));
                return -ENOMEM;
        }
        h->refs = 1;
        h->config = config_ref(config);
        for (; h->n < config->n_handlers; h->n++) {
                const struct config_handler *c = &config->handlers[h->n];
                int r = create_one(config, c, client, &h->handlers[h->n]);

                if (r < 0) {
                        snprintf(error, room, "handlers.%s: %s", c->name, strerror(-r));
                        handlers_unref(h);
                        return r;
                }
        }
        *ret_handlers = h;
        return 0;
}

struct handlers *handlers_ref(struct handlers *h)
{
        h->refs++;
        return h;
}

void handlers_unref(struct handlers *h)
{
        if (!h || --h->refs > 0)
                return;
        for (size_t i = 0; i < h->n; i++)
                handler_free(h->handlers[i]);
        config_unref(h->config);
        free(h);
}

static struct handler *find(const struct handlers *h, const char *name)
{
        for (size_t i = 0; name && i < h->n; i++)
                if (!strcmp(h->config->handlers[i].name, name))
                        return h->handlers[i];
        return NULL;
}

struct route handlers_route(const struct handlers *h, const struct config_queue *queue,
                            struct typed_handler *types)
{
        for (size_t i = 0; i < queue->n_types; i++)
                types[i] = (struct typed_handler){ queue->types[i].type,
                                                   find(h, queue->types[i].handler) };
        return (struct route){ find(h, queue->handler), types, queue->n_types };
}

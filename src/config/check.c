#include <config/check.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <base/nearest.h>
#include <config/value.h>
#include <job/json.h>

struct checking {
        struct errors *errors;
        const struct node *root;
        const struct config *config;
};

/* The deepest node there is on the way down these keys (which end with NULL). */
static __attribute__((sentinel)) const struct node *find(const struct node *from, ...)
{
        const struct node *node = from;
        const char *key;
        va_list keys;

        va_start(keys, from);
        while (node && (key = va_arg(keys, const char *))) {
                from = node;
                node = node_child(node, key);
        }
        va_end(keys);
        return node ? node : from;
}

#define REFUSE(c, node, ...) \
        (errors_at((c)->errors, (node)->mark) ? 0 : node_refuse((c)->errors, (node), __VA_ARGS__))

/* --- the top ------------------------------------------------------------------------------------ */

static int check_store(const struct checking *c)
{
        const struct config_store *store = &c->config->store;
        const struct node *url = find(c->root, "store", "url", NULL);

        if (store->kind == STORE_REDIS && !store->url && !errors_at(c->errors, url->mark))
                return REFUSE(c, find(c->root, "store", "kind", NULL),
                              "redis needs to know where: store.url is missing");
        if (store->kind == STORE_MEMORY && store->url)
                return REFUSE(c, url,
                              "the store in memory has none; allowed: null, or kind: redis");
        if (store->kind == STORE_MEMORY && store->password_file)
                return REFUSE(c, find(c->root, "store", "password_file", NULL),
                              "the store in memory has none; allowed: null, or kind: redis");
        return 0;
}

static int check_http(const struct checking *c)
{
        const struct node *list = find(c->root, "http", "listen", NULL);
        int r = 0;

        if (c->config->http.token_file || list->kind != NODE_LIST)
                return 0;
        for (const struct node *i = list->first; r == 0 && i; i = i->next)
                if (i->kind == NODE_SCALAR && strncmp(i->text, "unix:", 5) != 0)
                        r = REFUSE(c, i,
                                   "found \"%s\" without http.token_file, and whoever reaches it "
                                   "may push; allowed: a token_file, or unix:/PATH",
                                   i->text);
        return r;
}

static int check_limits(const struct checking *c)
{
        const struct config_limits *limits = &c->config->limits;
        const struct node *group = node_child(c->root, "limits");

        if (!group || limits->buffer >= limits->payload)
                return 0;
        return REFUSE(c, node_child(group, "buffer") ? node_child(group, "buffer") : group,
                      "limits.buffer is %llu bytes, and limits.payload is %llu; allowed: room for "
                      "one payload at least",
                      (unsigned long long)limits->buffer, (unsigned long long)limits->payload);
}

/* --- handlers ----------------------------------------------------------------------------------- */

/* What keeps the program from running; NULL: nothing. */
static const char *find_obstacle(const char *program)
{
        struct stat st;

        if (*program != '/')
                return "a relative path; allowed: an absolute one";
        if (stat(program, &st) < 0)
                return strerror(errno);
        if (S_ISDIR(st.st_mode))
                return "a directory; allowed: a program";
        if (!S_ISREG(st.st_mode))
                return "not a regular file; allowed: a program";
        return access(program, X_OK) < 0 ? "not executable for this user; allowed: a program"
                                         : NULL;
}

static int check_exec(const struct checking *c, const struct node *node,
                      const struct config_exec *exec)
{
        const struct node *argv = find(node, "exec", "argv", NULL);
        const struct node *cwd = find(node, "exec", "cwd", NULL);
        const char *obstacle;
        struct stat st;
        int r = 0;

        if (!exec->argv)
                return 0;
        obstacle = find_obstacle(exec->argv[0]);
        if (obstacle)
                r = REFUSE(c, argv->first, "%s: %s", exec->argv[0], obstacle);
        if (r < 0 || !exec->cwd)
                return r;
        if (stat(exec->cwd, &st) < 0)
                return REFUSE(c, cwd, "%s: %s", exec->cwd, strerror(errno));
        return S_ISDIR(st.st_mode) ? 0 : REFUSE(c, cwd, "%s: %s", exec->cwd, strerror(ENOTDIR));
}

static int check_http_handler(const struct checking *c, const struct node *node,
                              const struct config_http_handler *http)
{
        const struct node *place = find(node, "http", "retry_status", NULL);

        if (place->kind != NODE_LIST)
                place = find(node, "http", "reject_status", NULL);
        for (size_t i = 0; i < http->n_retry_status; i++)
                for (size_t j = 0; j < http->n_reject_status; j++)
                        if (http->retry_status[i] == http->reject_status[j])
                                return REFUSE(c, place,
                                              "%d is in retry_status and in reject_status; "
                                              "allowed: in one of them (both have defaults)",
                                              http->retry_status[i]);
        return 0;
}

static int check_handler(const struct checking *c, const struct config_handler *handler)
{
        const struct node *node = find(c->root, "handlers", handler->name, NULL);

        switch (handler->kind) {
        case HANDLER_EXEC:
                return check_exec(c, node, &handler->exec);
        case HANDLER_HTTP:
                return check_http_handler(c, node, &handler->http);
        case HANDLER_NOOP:
                break;
        }
        return 0;
}

/* --- queues ------------------------------------------------------------------------------------- */

static int check_reference(const struct checking *c, const struct node *node, const char *name)
{
        struct nearest nearest = { .word = name, .size = strlen(name) };
        char shown[80];

        if (config_handler(c->config, name))
                return 0;
        for (size_t i = 0; i < c->config->n_handlers; i++)
                nearest_try(&nearest, c->config->handlers[i].name);
        json_excerpt(shown, sizeof(shown), (struct bytes){ name, strlen(name) });
        if (!nearest.name)
                return REFUSE(c, node, "no handler is called \"%s\", and there is none at all",
                              shown);
        return REFUSE(c, node, "no handler is called \"%s\"; the nearest is %s", shown,
                      nearest.name);
}

static int check_handlers_of(const struct checking *c, const struct node *node,
                             const struct config_queue *queue)
{
        const struct node *types = find(node, "types", NULL);
        int r = 0;

        if (queue->handler)
                r = check_reference(c, find(node, "handler", NULL), queue->handler);
        else if (queue->n_types == 0 && !node_child(node, "handler") && !node_child(node, "types"))
                r = node_refuse_key(c->errors, node,
                                    "says not who runs its jobs; allowed: a handler, or types that "
                                    "have handlers");
        else if (queue->n_types == 0)
                r = REFUSE(c, find(node, "handler", NULL),
                           "nobody runs the jobs; allowed: a handler, or types that have handlers");
        for (size_t i = 0; r == 0 && i < queue->n_types; i++)
                r = check_reference(c, find(types, queue->types[i].type, NULL),
                                    queue->types[i].handler);
        return r;
}

static int refuse_delay(const struct checking *c, const struct node *retry,
                        const struct retry_policy *policy)
{
        struct buffer text = { 0 };
        int r = value_write_duration(policy->delay, &text);

        if (r == 0)
                r = buffer_printf(&text, " is more than max_delay, ");
        if (r == 0)
                r = value_write_duration(policy->max_delay, &text);
        if (r == 0)
                r = buffer_append(&text, "", 1);
        if (r == 0)
                r = REFUSE(c, find(retry, "delay", NULL), "%s; allowed: at most that",
                           buffer_data(&text));
        buffer_deinit(&text);
        return r;
}

static int check_retry(const struct checking *c, const struct node *node,
                       const struct retry_policy *policy)
{
        const struct node *retry = node_child(node, "retry");
        bool grows = policy->backoff == BACKOFF_EXPONENTIAL || policy->backoff == BACKOFF_LINEAR;

        if (!retry)
                return 0;
        if (policy->backoff == BACKOFF_LIST && policy->n_list == 0)
                return REFUSE(c, find(retry, "backoff", NULL),
                              "list needs delays: retry.list is missing");
        if (policy->backoff != BACKOFF_LIST && policy->n_list > 0)
                return REFUSE(c, find(retry, "list", NULL),
                              "only backoff: list goes by it; allowed: null, or that");
        return grows && policy->delay > policy->max_delay ? refuse_delay(c, retry, policy) : 0;
}

static int check_queue(const struct checking *c, const struct config_queue *queue)
{
        const struct node *node = find(c->root, "queues", queue->name, NULL);
        int r = check_handlers_of(c, node, queue);

        return r < 0 ? r : check_retry(c, node, &queue->retry);
}

int check_config(struct errors *errors, const struct node *root, const struct config *config)
{
        const struct checking c = { errors, root, config };
        int r = check_store(&c);

        if (r == 0)
                r = check_http(&c);
        if (r == 0)
                r = check_limits(&c);
        for (size_t i = 0; r == 0 && i < config->n_handlers; i++)
                r = check_handler(&c, &config->handlers[i]);
        for (size_t i = 0; r == 0 && i < config->n_queues; i++)
                r = check_queue(&c, &config->queues[i]);
        return r < 0 ? r : check_machine(errors, root, config);
}

/* The verbs on a Redis, without any daemon.
 *
 * The store's verbs wait for a Redis that is away, as a daemon wants it. A person wants to be told: a
 * watcher ends it all when Redis has not answered for a while, by failing in the group that the
 * verb's task has made, which cancels that task. */
#include <cli/client.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <base/log.h>
#include <penstock/group.h>
#include <penstock/loop.h>
#include <penstock/task.h>
#include <penstock/timeout.h>
#include <store/redis/store.h>

#define PATIENCE (5 * PEN_SEC)
#define SHORT_TIMEOUT (10 * PEN_SEC) /* of what Redis does at once */
#define LOOK_EVERY (200 * PEN_MSEC)

struct open_queue {
        struct open_queue *next;
        struct store_queue *queue;
        char name[65];
};

struct client_redis {
        struct client client;
        struct redis_store *store;
        struct pen_group *group;
        struct open_queue *queues;
};

static struct client_redis *of(struct client *c)
{
        return container_of(c, struct client_redis, client);
}

/* --- queues ------------------------------------------------------------------------------------- */

/* What only daemons look at is left out. */
static struct store_queue_options queue_options(const struct config *config, const char *name)
{
        const struct config_queue *q = config ? config_queue(config, name) : NULL;

        return (struct store_queue_options){
                .name = name,
                .capacity = q ? (size_t)q->capacity : 0,
                .dedupe = q ? q->dedupe : 10 * PEN_MINUTE,
                .dead_keep = q ? q->dead_keep : 90 * PEN_DAY,
                .dead_max = q ? (size_t)q->dead_max : 0,
        };
}

/* NULL: client_fail was called. */
static struct store_queue *find_queue(struct client_redis *c, const char *name)
{
        struct store_queue_options options = queue_options(c->client.location->config, name);
        struct open_queue *q = c->queues;
        int r;

        while (q && strcmp(q->name, name) != 0)
                q = q->next;
        if (q)
                return q->queue;
        q = calloc(1, sizeof(*q));
        r = q ? redis_queue_open(c->store, &options, &q->queue) : -ENOMEM;
        if (r < 0) {
                free(q);
                client_fail(&c->client, r, "queue %s: %s", name, strerror(-r));
                return NULL;
        }
        snprintf(q->name, sizeof(q->name), "%s", name);
        q->next = c->queues;
        c->queues = q;
        return q->queue;
}

/* What the store's verbs answer, in our words. */
static ssize_t explain(struct client_redis *c, ssize_t r)
{
        const char *trouble = redis_store_trouble(c->store);

        switch (r) {
        case -ECONNRESET:
                return client_fail(&c->client, -EHOSTUNREACH, "the connection to Redis broke%s%s",
                                   trouble[0] ? ": " : "", trouble);
        case -ETIME:
                return client_fail(&c->client, -EHOSTUNREACH, "Redis did not do it within %us%s%s",
                                   (unsigned)(SHORT_TIMEOUT / PEN_SEC), trouble[0] ? ": " : "",
                                   trouble);
        }
        return r;
}

/* --- the verbs ---------------------------------------------------------------------------------- */

static int client_redis_push(struct client *c, const char *queue, struct push *pushes,
                             char **refusals, size_t n, bool wait)
{
        struct store_queue *q = find_queue(of(c), queue);

        (void)refusals;
        return q ? (int)explain(of(c), store_push(q, pushes, n, wait)) : -ENOMEM;
}

static int count(struct client_redis *c, const char *name, struct queue_state *state)
{
        struct store_queue *q = find_queue(c, name);
        struct pen_timeout scope;

        if (!q)
                return -ENOMEM;
        snprintf(state->name, sizeof(state->name), "%s", name);
        pen_timeout_begin(&scope, SHORT_TIMEOUT);
        return (int)explain(c, pen_timeout_end(&scope, store_count(q, &state->counts)));
}

static ssize_t count_all(struct client_redis *c, const char *const *names, size_t n,
                         struct queue_state **ret_states)
{
        struct queue_state *states = calloc(n + 1, sizeof(*states));
        int r = states ? 0 : -ENOMEM;

        for (size_t i = 0; i < n && r == 0; i++)
                r = count(c, names[i], &states[i]);
        if (r < 0) {
                free(states);
                return r;
        }
        *ret_states = states;
        return (ssize_t)n;
}

/* A name that nobody has used is a slip of the pen: nothing waits there, and nothing ever will. */
static int insist_on_use(struct client_redis *c, const struct queue_state *state)
{
        static const struct store_counts none;
        PEN_CLEANUP(freep) const char **names = NULL;
        const struct config *config = c->client.location->config;
        ssize_t n;

        if (memcmp(&state->counts, &none, sizeof(none)) != 0 ||
            (config && config_queue(config, state->name)))
                return 0;
        n = redis_store_queues(c->store, &names);
        for (ssize_t i = 0; i < n; i++)
                if (!strcmp(names[i], state->name))
                        return 0;
        return n < 0 ? (int)n
                     : client_fail(&c->client, -ENOENT,
                                   "there is no queue %s; `penstock status` "
                                   "shows those that there are",
                                   state->name);
}

static ssize_t client_redis_status(struct client *c, const char *queue,
                                   struct queue_state **ret_states)
{
        PEN_CLEANUP(freep) struct queue_state *states = NULL;
        PEN_CLEANUP(freep) const char **names = NULL;
        ssize_t n;
        int r;

        if (!queue) {
                n = redis_store_queues(of(c)->store, &names);
                return n < 0 ? n : count_all(of(c), names, (size_t)n, ret_states);
        }
        n = count_all(of(c), &queue, 1, &states);
        r = n < 0 ? (int)n : insist_on_use(of(c), states);
        if (r < 0)
                return r;
        *ret_states = TAKE(states);
        return n;
}

static int client_redis_join(struct client *c, const char *queue)
{
        struct store_queue *q = find_queue(of(c), queue);

        return q ? (int)explain(of(c), store_join(q)) : -ENOMEM;
}

static ssize_t client_redis_dead_list(struct client *c, const char *queue, const char *after,
                                      struct dead_letter *ret_letters, size_t max)
{
        struct store_queue *q = find_queue(of(c), queue);
        struct pen_timeout scope;
        ssize_t n;

        if (!q)
                return -ENOMEM;
        pen_timeout_begin(&scope, SHORT_TIMEOUT);
        n = pen_timeout_end(&scope, (int)store_dead_list(q, after, ret_letters, max));
        return n == -EINVAL ? client_fail(c, -EINVAL, "%s is no place of a letter", after)
                            : explain(of(c), n);
}

static int client_redis_dead_retry(struct client *c, const char *queue, const char *place)
{
        struct store_queue *q = find_queue(of(c), queue);
        struct pen_timeout scope;

        if (!q)
                return -ENOMEM;
        pen_timeout_begin(&scope, SHORT_TIMEOUT);
        return (int)explain(of(c), pen_timeout_end(&scope, store_dead_retry(q, place)));
}

/* --- its life ----------------------------------------------------------------------------------- */

static int watch(void *arg)
{
        struct client_redis *c = arg;
        pen_usec seen = pen_now();
        int r;

        while ((r = pen_sleep(LOOK_EVERY)) == 0) {
                if (redis_store_is_up(c->store))
                        seen = pen_now();
                if (pen_now() - seen < PATIENCE)
                        continue;
                c->client.lost = true;
                return client_fail(&c->client, -EHOSTUNREACH, "Redis went away: %s",
                                   redis_store_trouble(c->store));
        }
        return r;
}

static void client_redis_close(struct client *client)
{
        struct client_redis *c = of(client);

        while (c->queues) {
                struct open_queue *q = c->queues;

                c->queues = q->next;
                store_close(q->queue);
                free(q);
        }
        pen_group_free(c->group);
        redis_store_free(c->store);
        free(c);
}

static int wait_up(void *arg)
{
        return redis_store_wait_up(arg);
}

/* What a Redis that is not there has to say is told once, by us; what it says later is the log's. */
static int connect_quietly(struct client_redis *c)
{
        int r;

        log_set_level((enum log_level)(LOG_ERROR + 1));
        r = pen_within(PATIENCE, wait_up, c->store);
        log_set_level(LOG_ERROR);
        return r;
}

static int start(struct client_redis *c, char *error, size_t size)
{
        const char *trouble;
        int r;

        r = pen_group_create(&c->group);
        if (r == 0)
                r = pen_group_spawn(c->group, "redis", redis_store_run, c->store, NULL);
        if (r == 0)
                r = connect_quietly(c);
        if (r == -ETIME) {
                trouble = redis_store_trouble(c->store);
                snprintf(error, size, "Redis does not answer: %s",
                         trouble[0] ? trouble : "no answer within 5s");
                return -ENOTCONN;
        }
        return r < 0 ? r : pen_group_spawn(c->group, "watch", watch, c, NULL);
}

int client_redis_open(const struct location *location, struct client **ret_client, char *error,
                      size_t size)
{
        static const struct client_class class = {
                .push = client_redis_push,
                .status = client_redis_status,
                .join = client_redis_join,
                .dead_list = client_redis_dead_list,
                .dead_retry = client_redis_dead_retry,
                .close = client_redis_close,
        };
        struct redis_store_options options = {
                .url = location->url,
                .password = location->password,
                .prefix = location->prefix,
                .lease = location->config ? location->config->store.lease : 15 * PEN_SEC,
        };
        PEN_CLEANUP(freep) char *reason = NULL;
        struct client_redis *c = calloc(1, sizeof(*c));
        int r;

        if (!c)
                return -ENOMEM;
        c->client = (struct client){ .class = &class, .location = location };
        r = redis_store_create(&options, &c->store, &reason);
        if (r < 0 && reason)
                snprintf(error, size, "%s", reason);
        if (r == 0)
                r = start(c, error, size);
        if (r < 0)
                client_redis_close(&c->client);
        else
                *ret_client = &c->client;
        return r;
}

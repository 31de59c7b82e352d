#include <store/redis/store.h>

#include <errno.h>
#include <stdarg.h>

#include <base/log.h>
#include <base/random.h>
#include <penstock/group.h>
#include <penstock/loop.h>
#include <penstock/sync.h>
#include <penstock/task.h>
#include <penstock/timeout.h>
#include <store/redis/queue.h>

/* --- up and down -------------------------------------------------------------------------------- */

static void on_up(void *data)
{
        struct redis_store *store = data;

        store->scripts_loaded = false; /* it may be another server, or an emptied one */
        store->trouble[0] = '\0';
        LOG(LOG_INFO, "store.up", F_STR("store", "redis"), F_STR("address", store->target.address));
        if (store->options.instance)
                list_for_each(i, &store->queues)
                        queue_came_up(list_entry(i, struct redis_queue, link));
}

static void on_down(void *data, const char *error)
{
        struct redis_store *store = data;

        snprintf(store->trouble, sizeof(store->trouble), "%s", error);
        LOG(LOG_ERROR, "store.down", F_STR("store", "redis"), F_STR("error", error));
}

bool redis_store_is_up(const struct redis_store *store)
{
        return redis_is_up(store->redis);
}

const char *redis_store_trouble(const struct redis_store *store)
{
        return store->trouble;
}

const char *redis_store_consumer(const struct redis_store *store)
{
        return store->consumer;
}

int redis_store_wait_up(struct redis_store *store)
{
        return redis_store_ready(store);
}

/* --- scripts ------------------------------------------------------------------------------------ */

static int load(struct redis_store *store, enum script script)
{
        PEN_CLEANUP(answer_freep) struct answer *answer = NULL;
        PEN_CLEANUP(freep) char *text = NULL;
        size_t size;
        int r;
        COMMAND(c, 3, 1);

        text = script_text(script, &size);
        if (!text)
                return -ENOMEM;
        command_string(&c, "SCRIPT");
        command_string(&c, "LOAD");
        command_add(&c, text, size);
        r = redis_command(store->redis, c.args, c.n, 0, &answer);
        if (r == -EREMOTEIO && strcmp(store->trouble, answer->reply.data) != 0)
                on_down(store, answer->reply.data);
        if (r == 0 && answer->reply.n == sizeof(store->scripts.sha[0]) - 1)
                memcpy(store->scripts.sha[script], answer->reply.data, answer->reply.n);
        return r;
}

static int load_all(struct redis_store *store)
{
        int r = 0;

        for (enum script i = 0; i < SCRIPTS && r == 0; i++)
                r = load(store, i);
        if (r == 0)
                store->scripts_loaded = true;
        return r;
}

/* The value of `name:` among the lines of INFO; "" if it is not there. */
static void info_value(const char *info, const char *name, char *to, size_t room)
{
        const char *found = info;
        size_t n = strlen(name);

        to[0] = '\0';
        for (; (found = strstr(found, name)); found += n) {
                if ((found != info && found[-1] != '\n') || found[n] != ':')
                        continue;
                snprintf(to, room, "%.*s", (int)strcspn(found + n + 1, "\r\n"), found + n + 1);
                return;
        }
}

static void warn(const char *error)
{
        LOG(LOG_WARN, "store.warn", F_STR("store", "redis"), F_STR("error", error));
}

/* What an operator should know of this server before it matters. One that does not tell is used all the same. */
static int look_at_server(struct redis_store *store)
{
        PEN_CLEANUP(answer_freep) struct answer *answer = NULL;
        char version[32], policy[32], aof[8], text[160];
        int r;
        COMMAND(c, 1, 1);

        command_string(&c, "INFO");
        r = redis_command(store->redis, c.args, c.n, 0, &answer);
        if (r < 0)
                return r == -EREMOTEIO ? 0 : r;
        info_value(answer->reply.data, "redis_version", version, sizeof(version));
        info_value(answer->reply.data, "maxmemory_policy", policy, sizeof(policy));
        info_value(answer->reply.data, "aof_enabled", aof, sizeof(aof));
        LOG(LOG_INFO, "store.server", F_STR("store", "redis"), F_STR("version", version),
            F_STR("maxmemory_policy", policy), F_STR("aof", !strcmp(aof, "1") ? "on" : "off"));
        if (*version && strtoul(version, NULL, 10) < 7)
                warn("this Redis is older than 7.0: streams behave otherwise there");
        if (*policy && strcmp(policy, "noeviction") != 0) {
                snprintf(text, sizeof(text),
                         "maxmemory-policy is %s: Redis may throw jobs away; set noeviction",
                         policy);
                warn(text);
        }
        return 0;
}

int redis_store_ready(struct redis_store *store)
{
        int r;

        if (LIKELY(redis_is_up(store->redis) && store->scripts_loaded))
                return 0;
        r = pen_lock_acquire(store->loading);
        if (r < 0)
                return r;
        while (r == 0 && !(redis_is_up(store->redis) && store->scripts_loaded)) {
                r = redis_wait_up(store->redis);
                if (r == 0)
                        r = load_all(store);
                if (r == 0 && store->options.instance)
                        r = look_at_server(store);
                if (r == -ECONNRESET)
                        r = 0;
                if (r == -EREMOTEIO)
                        r = pen_sleep(PEN_SEC);
        }
        (void)pen_lock_release(store->loading); /* it is ours */
        return r;
}

/* --- the registry ------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
        return strcmp(*(char *const *)a, *(char *const *)b);
}

ssize_t redis_store_queues(struct redis_store *store, const char ***ret_names)
{
        PEN_CLEANUP(answer_freep) struct answer *answer = NULL;
        char key[256], *text;
        const char **names;
        size_t size = 0;
        int r;
        COMMAND(c, 2, 1);

        snprintf(key, sizeof(key), "%s:queues", store->options.prefix);
        command_string(&c, "SMEMBERS");
        command_string(&c, key);
        r = redis_store_ready(store);
        if (r == 0)
                r = redis_command(store->redis, c.args, c.n, 0, &answer);
        if (r < 0)
                return r;
        for (size_t i = 0; i < answer->reply.n; i++)
                size += answer->reply.items[i].n + 1;
        names = malloc(answer->reply.n * sizeof(*names) + size + 1);
        if (!names)
                return -ENOMEM;
        text = (char *)(names + answer->reply.n);
        for (size_t i = 0; i < answer->reply.n; i++) {
                names[i] = text;
                text = (char *)memcpy(text, answer->reply.items[i].data,
                                      answer->reply.items[i].n + 1) +
                       answer->reply.items[i].n + 1;
        }
        qsort(names, answer->reply.n, sizeof(*names), compare);
        *ret_names = names;
        return (ssize_t)answer->reply.n;
}

/* Commands whose answers nobody needs. */
static void send_lightly(struct redis_store *store, size_t n, ...)
{
        va_list words;
        COMMAND(c, 8, 1);

        va_start(words, n);
        while (n-- > 0)
                command_string(&c, va_arg(words, const char *));
        va_end(words);
        redis_tell(store->redis, c.args, c.n);
}

/* The daemon's sign of life for people: a hash that vanishes when it is not renewed. */
static int beat_heart(void *arg)
{
        struct redis_store *store = arg;
        char key[256], daemons[256], expiry[32];
        int r;

        snprintf(key, sizeof(key), "%s:daemon:%s", store->options.prefix, store->options.instance);
        snprintf(daemons, sizeof(daemons), "%s:daemons", store->options.prefix);
        snprintf(expiry, sizeof(expiry), "%llu",
                 (unsigned long long)(3 * store->options.lease / PEN_MSEC));
        while ((r = redis_wait_up(store->redis)) == 0) {
                send_lightly(store, 4, "HSET", key, "consumer", store->consumer);
                send_lightly(store, 3, "PEXPIRE", key, expiry);
                send_lightly(store, 3, "SADD", daemons, store->options.instance);
                r = pen_sleep(store->options.lease / 3);
                if (r < 0)
                        break;
        }
        return r;
}

static int flush(void *arg)
{
        struct redis_store *store = arg;
        COMMAND(c, 1, 1);

        command_string(&c, "PING");
        return redis_command(store->redis, c.args, c.n, 0, NULL);
}

void redis_store_farewell(struct redis_store *store)
{
        char key[256], daemons[256];

        snprintf(key, sizeof(key), "%s:daemon:%s", store->options.prefix, store->options.instance);
        snprintf(daemons, sizeof(daemons), "%s:daemons", store->options.prefix);
        send_lightly(store, 2, "DEL", key);
        send_lightly(store, 3, "SREM", daemons, store->options.instance);
        if (redis_is_up(store->redis) && pen_within(PEN_SEC, flush, store) < 0) {
                /* the hash expires by itself */
        }
}

int redis_store_run(void *arg)
{
        PEN_CLEANUP(pen_group_freep) struct pen_group *group = NULL;
        struct redis_store *store = arg;
        int r = pen_group_create(&group);

        if (r == 0)
                r = pen_group_spawn(group, "redis", redis_run, store->redis, NULL);
        if (r == 0 && store->options.instance)
                r = pen_group_spawn(group, "heart", beat_heart, store, NULL);
        return r < 0 ? r : pen_group_join(group);
}

/* --- making, freeing ---------------------------------------------------------------------------- */

static char *copy(char **to, const char *text)
{
        char *start = *to;

        if (!text)
                return NULL;
        *to = stpcpy(*to, text) + 1;
        return start;
}

static size_t size_of(const char *text)
{
        return text ? strlen(text) + 1 : 0;
}

static int copy_options(struct redis_store *store, const struct redis_store_options *o)
{
        char *to;

        store->strings = malloc(size_of(o->url) + size_of(o->password) + size_of(o->prefix) +
                                size_of(o->instance) + size_of(o->former) + 1);
        if (!store->strings)
                return -ENOMEM;
        to = store->strings;
        store->options = (struct redis_store_options){
                .url = copy(&to, o->url),
                .password = copy(&to, o->password),
                .prefix = copy(&to, o->prefix),
                .instance = copy(&to, o->instance),
                .former = copy(&to, o->former),
                .lease = o->lease,
        };
        return 0;
}

static int choose_target(struct redis_store *store, char **ret_error)
{
        const char *error = "";
        int r = redis_parse_url(store->options.url, &store->target, &store->url_block, &error);

        if (r == -EINVAL && asprintf(ret_error, "store.url: %s", error) < 0)
                *ret_error = NULL;
        if (store->options.password)
                store->target.password = store->options.password;
        if (store->options.instance) {
                struct random random;

                random_seed_from_system(&random);
                snprintf(store->consumer, sizeof(store->consumer), "%.90s#%08llx",
                         store->options.instance,
                         (unsigned long long)(random_next(&random) & 0xffffffff));
                store->target.name = store->consumer;
        }
        return r;
}

int redis_store_create(const struct redis_store_options *options, struct redis_store **ret_store,
                       char **ret_error)
{
        struct redis_store *store = calloc(1, sizeof(*store));
        int r;

        *ret_error = NULL;
        if (!store)
                return -ENOMEM;
        list_init(&store->queues);
        r = copy_options(store, options);
        if (r == 0)
                r = choose_target(store, ret_error);
        if (r == 0)
                r = pen_lock_create(&store->loading);
        if (r == 0)
                r = redis_create(
                        &(struct redis_options){
                                .target = store->target,
                                .reply_timeout = REPLY_TIMEOUT,
                                .reply_max = REPLY_MAX,
                                .up = on_up,
                                .down = on_down,
                                .data = store,
                        },
                        &store->redis);
        if (r < 0) {
                redis_store_free(store);
                return r;
        }
        *ret_store = store;
        return 0;
}

void redis_store_free(struct redis_store *store)
{
        if (!store)
                return;
        redis_free(store->redis);
        pen_lock_free(store->loading);
        free(store->url_block);
        free(store->strings);
        free(store);
}

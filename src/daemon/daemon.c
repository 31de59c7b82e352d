#include <daemon/daemon.h>

#include <errno.h>
#include <string.h>

#include "config.h"
#include <base/log.h>
#include <daemon/log_writer.h>
#include <daemon/parts.h>
#include <daemon/systemd.h>
#include <penstock/group.h>
#include <penstock/http.h>
#include <penstock/sync.h>
#include <penstock/task.h>
#include <store/redis/store.h>

#define CONNECTIONS_MAX 1000
#define REQUEST_TIMEOUT (30 * PEN_SEC)
#define STOP_TOLD_EVERY (5 * PEN_SEC)

static int fail(int r, const char *what, const char *why)
{
        LOG(LOG_ERROR, "daemon.failed", F_STR("what", what),
            F_STR("error", why ? why : strerror(-r)));
        return r;
}

/* --- for the HTTP interface --------------------------------------------------------------------- */

static void show(const struct service *s, bool quiet, struct api_queue *ret)
{
        *ret = (struct api_queue){
                .name = s->name,
                .intake = (struct intake *)&s->intake,
                .store = s->store,
                .running = service_running(s),
                .buffered = service_buffered(s),
                .paused = quiet,
        };
}

static bool next_queue(void *data, size_t index, struct api_queue *ret_queue)
{
        struct daemon *d = data;

        list_for_each(i, &d->services) {
                const struct service *s = list_entry(i, struct service, link);

                if (s->removed || index-- > 0)
                        continue;
                show(s, d->quiet, ret_queue);
                return true;
        }
        return false;
}

static bool find_queue(void *data, const char *name, struct api_queue *ret_queue)
{
        for (size_t i = 0; next_queue(data, i, ret_queue); i++)
                if (!strcmp(ret_queue->name, name))
                        return true;
        return false;
}

static bool is_ready(void *data)
{
        struct daemon *d = data;

        return d->state == DAEMON_RUNNING && (!d->redis || redis_store_is_up(d->redis));
}

/* --- starting ----------------------------------------------------------------------------------- */

static int open_store(struct daemon *d)
{
        PEN_CLEANUP(freep) char *why = NULL;
        const struct config_store *c = &d->config->store;
        char error[512];
        int r;

        if (c->kind == STORE_MEMORY)
                return 0;
        r = instance_take(d->config->instance, &d->instance, error, sizeof(error));
        if (r < 0)
                return fail(r, "instance", error);
        r = redis_store_create(
                &(struct redis_store_options){
                        .url = c->url,
                        .password = c->password,
                        .prefix = c->prefix,
                        .lease = c->lease,
                        .instance = d->instance.name,
                        .former = *d->instance.former ? d->instance.former : NULL,
                },
                &d->redis, &why);
        if (r < 0)
                return fail(r, "store", why);
        r = instance_remember(&d->instance, redis_store_consumer(d->redis));
        if (r < 0)
                return fail(r, "instance", NULL);
        return pen_group_spawn(d->storing, "store", redis_store_run, d->redis, NULL);
}

static int open_api(struct daemon *d)
{
        PEN_CLEANUP(freep) char *why = NULL;
        const struct config_http *c = &d->config->http;
        int r;

        if (c->n_listen == 0)
                return 0;
        r = http_api_create(
                &(struct api_options){
                        .listen = c->listen,
                        .n_listen = c->n_listen,
                        .mode = c->mode,
                        .group = c->group,
                        .token = c->token,
                        .payload_max = d->config->limits.payload,
                        .request_timeout = REQUEST_TIMEOUT,
                        .connections_max = CONNECTIONS_MAX,
                        .host = { find_queue, next_queue, is_ready, d },
                },
                &d->api, &why);
        if (r < 0)
                return fail(r, "http.listen", why);
        return pen_group_spawn(d->beside, "http", http_api_run, d->api, NULL);
}

static int create_parts(struct daemon *d)
{
        int r;

        r = pen_event_create(&d->state_changed);
        if (r == 0)
                r = pen_lock_create(&d->alone);
        if (r == 0)
                r = pen_group_create(&d->logging);
        if (r == 0)
                r = pen_group_create(&d->storing);
        if (r == 0)
                r = pen_group_create(&d->working);
        if (r == 0)
                r = pen_group_create(&d->beside);
        if (r == 0)
                r = pen_group_spawn(d->logging, "log", log_writer_run, NULL, NULL);
        return r < 0 ? fail(r, "start", NULL) : 0;
}

static int start_queues(struct daemon *d)
{
        char error[512];
        int r;

        share_init(&d->share, d->config->concurrency);
        d->parts = (struct service_parts){ &d->share, d->alone, d->redis, d->working };
        r = handlers_create(d->config, &d->client, &d->handlers, error, sizeof(error));
        if (r < 0)
                return fail(r, "handlers", error);
        r = daemon_use(d, d->config, d->handlers);
        return r < 0 ? fail(r, "queues", NULL) : 0;
}

static int start_beside(struct daemon *d)
{
        int r;

        r = pen_group_spawn(d->beside, "signals", signals_run, d, NULL);
        if (r == 0)
                r = pen_group_spawn(d->beside, "announce", announce_run, d, NULL);
        if (r == 0)
                r = pen_group_spawn(d->beside, "watchdog", watchdog_run, d, NULL);
        if (r == 0)
                r = pen_group_spawn(d->beside, "statistics", statistics_run, d, NULL);
        return r < 0 ? fail(r, "start", NULL) : 0;
}

/* --- stopping ----------------------------------------------------------------------------------- */

static int wait_for_state(struct daemon *d, enum daemon_state state)
{
        int r = 0;

        while (r == 0 && d->state < state) {
                pen_event_clear(d->state_changed);
                r = pen_event_wait(d->state_changed);
        }
        return r;
}

/* A second signal ends the grace: what runs is cancelled and given back. */
static int hurry(void *arg)
{
        struct daemon *d = arg;
        int r = wait_for_state(d, DAEMON_STOPPING);

        if (r == 0)
                pen_group_cancel(d->working);
        return r;
}

static int ask_for_time(void *arg)
{
        int r;

        (void)arg;
        do
                (void)systemd_extend_timeout(3 * STOP_TOLD_EVERY);
        while ((r = pen_sleep(STOP_TOLD_EVERY)) == 0);
        return r;
}

static void drain(struct daemon *d)
{
        d->state = MAX(d->state, DAEMON_DRAINING);
        LOG(LOG_INFO, "daemon.drain", F_MS("grace_ms", d->config->shutdown_timeout));
        (void)systemd_stopping();
        list_for_each(i, &d->services)
                service_stop(list_entry(i, struct service, link), d->config->shutdown_timeout);
        if (pen_group_spawn(d->beside, "hurry", hurry, d, NULL) < 0 ||
            pen_group_spawn(d->beside, "ask-for-time", ask_for_time, NULL, NULL) < 0)
                pen_group_cancel(d->working);
        if (pen_group_join(d->working) < 0)
                LOG(LOG_WARN, "daemon.drain", F_STR("note", "was cut short"));
}

/* Our memory ends with us: what nobody will run is said. */
static void tell_dropped(struct daemon *d)
{
        struct store_counts counts;

        list_for_each(i, &d->services) {
                struct service *s = list_entry(i, struct service, link);

                if (store_count(s->store, &counts) == 0 && counts.ready + counts.delayed > 0)
                        LOG(LOG_WARN, "store.dropped", F_STR("queue", s->name),
                            F_UINT("jobs", counts.ready + counts.delayed),
                            F_STR("note", "the memory store keeps nothing beyond its daemon"));
        }
}

static void close_all(struct daemon *d)
{
        pen_group_free(TAKE(d->beside));
        pen_group_free(TAKE(d->working));
        http_api_free(d->api);
        if (!d->redis)
                tell_dropped(d);
        while (!list_empty(&d->services))
                service_close(list_first(&d->services, struct service, link));
        if (d->redis)
                redis_store_farewell(d->redis);
        pen_group_free(TAKE(d->storing));
        redis_store_free(d->redis);
        instance_release(&d->instance, d->state >= DAEMON_DRAINING);
        handlers_unref(d->handlers);
        pen_http_client_free(d->client);
        pen_lock_free(d->alone);
        LOG(LOG_INFO, "daemon.stop", F_STR("instance", d->config->instance));
        pen_group_free(TAKE(d->logging));
        pen_event_free(d->state_changed);
        config_unref(d->config);
}

int daemon_run(const char *config_path, struct config *config)
{
        struct daemon d = {
                .config_path = config_path,
                .config = config_ref(config),
                .instance.fd = -1,
        };
        int r;

        list_init(&d.services);
        r = create_parts(&d);
        if (r == 0)
                LOG(LOG_INFO, "daemon.start", F_STR("version", PACKAGE_VERSION),
                    F_STR("config", config_path), F_STR("instance", config->instance));
        if (r == 0)
                r = open_store(&d);
        if (r == 0)
                r = start_queues(&d);
        if (r == 0)
                r = open_api(&d);
        if (r == 0)
                r = start_beside(&d);
        if (r == 0) {
                r = wait_for_state(&d, DAEMON_DRAINING);
                drain(&d);
                r = 0;
        }
        close_all(&d);
        return r;
}

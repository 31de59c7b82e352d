#include <daemon/service.h>

#include <errno.h>
#include <string.h>

#include <base/log.h>
#include <penstock/group.h>
#include <penstock/sync.h>
#include <penstock/task.h>
#include <store/memory.h>
#include <store/redis/store.h>

#define SETTLE_GRACE (10 * PEN_SEC)
#define RESTART_PAUSE PEN_SEC
#define REMEMBERED_MAX 1000000 /* ids of jobs that have ended, in the memory store */

/* One generation of rooms, kept by a task. */
struct rooms {
        struct list link;
        struct service *service;
        struct config *config;
        struct handlers *handlers;
        struct typed_handler *types;
        struct supervisor *supervisor;
        struct pen_event *changed;
        bool quiet, stopping;
        pen_usec grace;
};

static struct rooms *current(const struct service *s)
{
        return list_empty(&s->rooms) ? NULL : list_entry(s->rooms.prev, struct rooms, link);
}

/* --- rooms -------------------------------------------------------------------------------------- */

static void rooms_free(struct rooms *rooms)
{
        if (!rooms)
                return;
        list_remove(&rooms->link);
        if (rooms->supervisor &&
            rooms->service->intake.route == supervisor_route(rooms->supervisor))
                rooms->service->intake.route =
                        NULL; /* until there are others, any type is taken in */
        supervisor_free(rooms->supervisor);
        handlers_unref(rooms->handlers);
        config_unref(rooms->config);
        pen_event_free(rooms->changed);
        free(rooms->types);
        free(rooms);
}

static int rooms_create(struct service *s, struct config *config, const struct config_queue *queue,
                        struct handlers *handlers, struct rooms **ret_rooms)
{
        struct rooms *rooms = calloc(1, sizeof(*rooms));
        int r;

        if (!rooms)
                return -ENOMEM;
        list_init(&rooms->link);
        rooms->service = s;
        rooms->config = config_ref(config);
        rooms->handlers = handlers_ref(handlers);
        rooms->types = calloc(queue->n_types + 1, sizeof(*rooms->types));
        r = rooms->types ? pen_event_create(&rooms->changed) : -ENOMEM;
        if (r == 0)
                r = supervisor_create(
                        &(struct supervisor_options){
                                .queue_name = s->name,
                                .store = s->store,
                                .route = handlers_route(handlers, queue, rooms->types),
                                .slots = &s->slots,
                                .share = s->parts->share,
                                .weight = queue->weight,
                                .priority = queue->priority,
                                .alone = s->parts->alone,
                                .concurrency = queue->concurrency,
                                .maxsize = queue->maxsize,
                                .rate = queue->rate,
                                .timeout = queue->timeout ? queue->timeout : PEN_FOREVER,
                                .retry = queue->retry,
                                .observer = { job_log_settled, &s->log },
                                .settle_grace = SETTLE_GRACE,
                        },
                        &rooms->supervisor);
        if (r < 0) {
                rooms_free(rooms);
                return r;
        }
        *ret_rooms = rooms;
        return 0;
}

/* Less than 0: they are to be stopped. */
static int follow_changes(struct rooms *rooms)
{
        bool quiet = false;
        int r = 0;

        while (r == 0 && !rooms->stopping) {
                if (quiet != rooms->quiet) {
                        quiet = rooms->quiet;
                        if (quiet)
                                supervisor_quiet(rooms->supervisor);
                        else
                                r = supervisor_resume(rooms->supervisor);
                }
                pen_event_clear(rooms->changed);
                if (r == 0 && !rooms->stopping && quiet == rooms->quiet)
                        r = pen_event_wait(rooms->changed);
        }
        return r;
}

static int run_rooms(struct rooms *rooms)
{
        int r = supervisor_start(rooms->supervisor), stopped;

        if (r < 0)
                return r;
        r = follow_changes(rooms);
        stopped = supervisor_stop(rooms->supervisor, rooms->stopping ? rooms->grace : 0);
        if (stopped == -ETIME)
                LOG(LOG_ERROR, "store.warn", F_STR("queue", rooms->service->name),
                    F_STR("error", "the store did not take the last results in time: what is "
                                   "not settled runs again"));
        return stopped < 0 && stopped != -ETIME ? stopped : r;
}

/* Rooms end by themselves only for want of memory, or by an error of ours: their queue must not stand still for that. */
static void replace_broken(struct rooms *rooms, int r)
{
        struct service *s = rooms->service;

        LOG(LOG_ERROR, "queue.failed", F_STR("queue", s->name), F_STR("error", strerror(-r)),
            F_STR("note", "starting its rooms again"));
        while (pen_sleep(RESTART_PAUSE) == 0 && !rooms->stopping && rooms == current(s))
                if (service_use(s, rooms->config, rooms->handlers, rooms->quiet) == 0)
                        return;
}

static int keep_rooms(void *arg)
{
        struct rooms *rooms = arg;
        int r = run_rooms(rooms);

        if (!rooms->stopping && pen_cancelling() == 0)
                replace_broken(rooms, r);
        rooms_free(rooms);
        return 0;
}

static void rooms_stop(struct rooms *rooms, pen_usec grace)
{
        rooms->grace = rooms->stopping ? MIN(rooms->grace, grace) : grace;
        rooms->stopping = true;
        supervisor_hurry(rooms->supervisor, rooms->grace);
        pen_event_set(rooms->changed);
}

/* --- the queue ---------------------------------------------------------------------------------- */

static struct store_queue_options options_of(const struct config *config,
                                             const struct config_queue *queue)
{
        return (struct store_queue_options){
                .name = queue->name,
                .capacity = queue->capacity,
                .max_bytes = config->limits.buffer,
                .dedupe = queue->dedupe,
                .dedupe_max = REMEMBERED_MAX,
                .payload_max = config->limits.payload,
                .delay_max = config->limits.delay,
                .max_crashes = queue->retry.max_crashes,
                .dead_keep = queue->dead_keep,
                .dead_max = queue->dead_max,
        };
}

int service_open(const struct service_parts *parts, struct config *config,
                 const struct config_queue *queue, struct service **ret_service)
{
        struct store_queue_options options = options_of(config, queue);
        struct service *s = calloc(1, sizeof(*s));
        int r = -ENOMEM;

        if (!s)
                return r;
        list_init(&s->link);
        list_init(&s->rooms);
        s->parts = parts;
        s->name = strdup(queue->name);
        if (s->name)
                r = parts->redis ? redis_queue_open(parts->redis, &options, &s->store)
                                 : memory_queue_open(&options, &s->store);
        if (r < 0) {
                service_close(s);
                return r;
        }
        job_log_init(&s->log, s->name, config->log.jobs);
        share_init(&s->slots, queue->concurrency);
        *ret_service = s;
        return 0;
}

int service_use(struct service *s, struct config *config, struct handlers *handlers, bool quiet)
{
        const struct config_queue *queue = config_queue(config, s->name);
        struct store_queue_options options = options_of(config, queue);
        struct rooms *before = current(s), *rooms;
        int r = rooms_create(s, config, queue, handlers, &rooms);

        if (r < 0)
                return r;
        rooms->quiet = quiet;
        r = pen_group_spawn(s->parts->group, s->name, keep_rooms, rooms, NULL);
        if (r < 0) {
                rooms_free(rooms);
                return r;
        }
        list_append(&s->rooms, &rooms->link);
        if (before && !before->stopping)
                rooms_stop(before, PEN_FOREVER);
        if (s->config)
                share_resize(&s->slots, config_queue(s->config, s->name)->concurrency,
                             queue->concurrency);
        config_unref(s->config);
        s->config = config_ref(config);
        s->removed = false;
        store_configure(s->store, &options);
        job_log_set(&s->log, config->log.jobs);
        s->intake = (struct intake){
                .store = s->store,
                .route = supervisor_route(rooms->supervisor),
                .payload_max = config->limits.payload,
                .delay_max = config->limits.delay,
        };
        return 0;
}

void service_quiet(struct service *s, bool quiet)
{
        struct rooms *rooms = current(s);

        if (!rooms)
                return;
        rooms->quiet = quiet;
        pen_event_set(rooms->changed);
}

void service_stop(struct service *s, pen_usec grace)
{
        list_for_each(i, &s->rooms)
                rooms_stop(list_entry(i, struct rooms, link), grace);
}

static size_t count(const struct service *s, enum flight_state state)
{
        size_t n = 0;

        list_for_each(i, &s->rooms)
                n += supervisor_count(list_entry(i, struct rooms, link)->supervisor, state);
        return n;
}

size_t service_running(const struct service *s)
{
        return count(s, FLIGHT_RUNNING);
}

size_t service_buffered(const struct service *s)
{
        return count(s, FLIGHT_BUFFERED);
}

void service_each_running(const struct service *s,
                          void (*fn)(void *data, const struct flight *flight), void *data)
{
        list_for_each(i, &s->rooms)
                supervisor_each_running(list_entry(i, struct rooms, link)->supervisor, fn, data);
}

void service_close(struct service *s)
{
        if (!s)
                return;
        list_remove(&s->link);
        store_close(s->store);
        config_unref(s->config);
        free(s->name);
        free(s);
}

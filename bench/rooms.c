/* rooms memory N: pushes N jobs into the memory store, as many at once as it holds, to a handler that does nothing.
 * rooms http N URL WIDTH: the same to the http handler, WIDTH requests at once.
 * rooms latency PORT N: prints how long jobs of `redis pace` took from before their XADD to their handler.
 *
 * The daemon's rooms without the daemon: no other handler could tell a moment that fine. */
#include <flow/supervisor.h>
#include <handler/http.h>
#include <penstock/group.h>
#include <penstock/http.h>
#include <penstock/loop.h>
#include <penstock/sync.h>
#include <penstock/task.h>
#include <store/memory.h>
#include <store/redis/store.h>

#include "bench.h"

#define BATCH 256
#define CAPACITY 10000
#define WARM_UP 100 /* jobs whose latency does not count */

static long n, ended, bad;
static size_t width = BATCH;
static const char *url;
static double *took;
static struct pen_event *all_ended;

/* --- handlers ----------------------------------------------------------------------------------- */

static int do_nothing(struct handler *handler, const struct attempt *attempt, struct report *report)
{
        (void)handler;
        (void)attempt;
        report->outcome = OUTCOME_DONE;
        return 0;
}

/* The payload is the moment of the push. */
static int take_time(struct handler *handler, const struct attempt *attempt, struct report *report)
{
        static long i;

        (void)handler;
        if (i < n)
                took[i++] = bench_now() - strtod(attempt->job->fields.payload.data, NULL);
        report->outcome = OUTCOME_DONE;
        return 0;
}

static void count(void *data, const struct flight *flight)
{
        (void)data;
        bad += flight->report.outcome != OUTCOME_DONE;
        if (++ended == n)
                pen_event_set(all_ended);
}

/* --- rooms -------------------------------------------------------------------------------------- */

static const struct handler_class nothing_class = { "nothing", do_nothing, NULL };
static const struct handler_class timer_class = { "timer", take_time, NULL };
static struct handler nothing = { &nothing_class }, timer = { &timer_class };

/* As the daemon makes them. */
static struct supervisor *open_rooms(struct store_queue *store, struct handler *handler)
{
        static struct share share, slots;
        static struct pen_lock *alone;
        struct supervisor *supervisor;

        share_init(&share, BATCH);
        share_init(&slots, width);
        bench_check(pen_lock_create(&alone), "lock");
        bench_check(pen_event_create(&all_ended), "event");
        bench_check(supervisor_create(
                            &(struct supervisor_options){
                                    .queue_name = "bench",
                                    .store = store,
                                    .route = { .handler = handler },
                                    .slots = &slots,
                                    .share = &share,
                                    .weight = 1,
                                    .alone = alone,
                                    .concurrency = width,
                                    .maxsize = 1000,
                                    .timeout = 30 * PEN_SEC,
                                    .retry = { .max_attempts = 3, .max_crashes = 3, .factor = 2 },
                                    .observer = { count, NULL },
                            },
                            &supervisor),
                    "supervisor");
        bench_check(supervisor_start(supervisor), "supervisor");
        return supervisor;
}

static void close_rooms(struct supervisor *supervisor, struct store_queue *store)
{
        bench_check(supervisor_stop(supervisor, PEN_FOREVER), "stop");
        supervisor_free(supervisor);
        store_close(store);
        pen_event_free(all_ended);
}

/* --- what is measured --------------------------------------------------------------------------- */

static void push_batch(struct store_queue *store, size_t size)
{
        static const char payload[100];
        const struct job_fields fields = { .payload = { payload, sizeof(payload) } };
        struct push pushes[BATCH] = { 0 };

        for (size_t i = 0; i < size; i++)
                bench_check(job_create(&fields, &pushes[i].job), "job");
        bench_check(store_push(store, pushes, size, true), "push");
        for (size_t i = 0; i < size; i++)
                job_unref(pushes[i].job);
}

static int drain_memory(struct handler *handler)
{
        struct store_queue *store;
        struct supervisor *supervisor;
        double begun;

        bench_check(memory_queue_open(
                            &(struct store_queue_options){ .name = "bench", .capacity = CAPACITY },
                            &store),
                    "store");
        supervisor = open_rooms(store, handler);
        begun = bench_now();
        for (long left = n; left > 0; left -= BATCH)
                push_batch(store, (size_t)MIN(left, (long)BATCH));
        bench_check(pen_event_wait(all_ended), "wait");
        printf("bad=%ld rate=%.0f\n", bad, (double)n / (bench_now() - begun));
        close_rooms(supervisor, store);
        return 0;
}

static int measure_memory(void *arg)
{
        (void)arg;
        return drain_memory(&nothing);
}

static int measure_http(void *arg)
{
        static const struct pen_http_options defaults = PEN_HTTP_OPTIONS_DEFAULT;
        struct http_options options = { .url = url, .method = "GET" };
        struct handler *handler;

        (void)arg;
        bench_check(pen_http_client_create(&defaults, &options.client), "client");
        bench_check(http_handler_create(&options, &handler), "handler");
        drain_memory(handler);
        handler_free(handler);
        pen_http_client_free(options.client);
        return 0;
}

static int compare(const void *a, const void *b)
{
        double x = *(const double *)a, y = *(const double *)b;

        return (x > y) - (x < y);
}

static void print_percentiles(void)
{
        long counted = n - WARM_UP;
        double *from = took + WARM_UP;

        qsort(from, (size_t)counted, sizeof(*from), compare);
        printf("p50_ms=%.4f p99_ms=%.4f\n", from[counted / 2] * 1e3,
               from[counted * 99 / 100] * 1e3);
}

static int measure_latency(void *arg)
{
        struct redis_store_options options = {
                .url = url, .prefix = "penstock", .lease = 15 * PEN_SEC, .instance = "bench"
        };
        struct redis_store *redis;
        struct store_queue *store;
        struct supervisor *supervisor;
        struct pen_group *group;
        char *error;

        (void)arg;
        bench_check(redis_store_create(&options, &redis, &error), "store");
        bench_check(pen_group_create(&group), "group");
        bench_check(pen_group_spawn(group, "redis", redis_store_run, redis, NULL), "redis");
        bench_check(redis_queue_open(redis, &(struct store_queue_options){ .name = "q" }, &store),
                    "queue");
        supervisor = open_rooms(store, &timer);
        bench_check(pen_event_wait(all_ended), "wait");
        close_rooms(supervisor, store);
        pen_group_cancel(group);
        (void)!pen_group_join(group); /* the end that we asked for */
        pen_group_free(group);
        redis_store_free(redis);
        print_percentiles();
        return 0;
}

int main(int argc, char **argv)
{
        bool latency = argc > 3 && !strcmp(argv[1], "latency");
        bool http = argc > 4 && !strcmp(argv[1], "http");
        char redis[64];

        n = bench_argument(argc, argv, latency ? 3 : 2, 2000000);
        took = calloc((size_t)n, sizeof(*took));
        if (!took || (latency && n <= WARM_UP))
                return 2;
        if (http) {
                url = argv[3];
                width = (size_t)bench_argument(argc, argv, 4, BATCH);
        } else if (latency) {
                snprintf(redis, sizeof(redis), "redis://127.0.0.1:%s/0", argv[2]);
                url = redis;
        }
        bench_check(pen_run(latency ? measure_latency
                            : http  ? measure_http
                                    : measure_memory,
                            NULL),
                    "rooms");
        free(took);
        return 0;
}

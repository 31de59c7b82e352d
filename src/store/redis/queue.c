#include <store/redis/queue.h>

#include <errno.h>

#include <base/log.h>
#include <penstock/loop.h>
#include <penstock/sync.h>
#include <penstock/task.h>
#include <penstock/timeout.h>

#define PROMOTE_AT_ONCE 100
#define FEW 128 /* entries that may be counted one by one */
#define JOIN_LOOK_FIRST (10 * PEN_MSEC)
#define JOIN_LOOK_LAST (250 * PEN_MSEC)
#define BACKOFF_FIRST (100 * PEN_MSEC)
#define BACKOFF_LAST (5 * PEN_SEC)

static void publish_options(struct redis_queue *q);

/* --- carrying a command out --------------------------------------------------------------------- */

/* The same trouble is told once. */
static void tell_trouble(struct redis_queue *q, const char *error)
{
        if (!strcmp(q->trouble, error))
                return;
        snprintf(q->trouble, sizeof(q->trouble), "%s", error);
        LOG(LOG_ERROR, "store.warn", F_STR("queue", q->options.name), F_STR("error", error));
}

void queue_is_well(struct redis_queue *q)
{
        q->trouble[0] = '\0';
}

static int create_group(struct redis_queue *q)
{
        PEN_CLEANUP(answer_freep) struct answer *answer = NULL;
        int r;
        COMMAND(c, 6, 1);

        command_string(&c, "XGROUP");
        command_string(&c, "CREATE");
        command_string(&c, q->ready);
        command_string(&c, GROUP);
        command_string(&c, "0"); /* and not `$`: what came before us shall run */
        command_string(&c, "MKSTREAM");
        r = redis_command(q->store->redis, c.args, c.n, 0, &answer);
        if (r == -EREMOTEIO && !strncmp(answer->reply.data, "BUSYGROUP", 9))
                return 0;
        if (r < 0)
                return r;
        if (q->own_count > 0)
                LOG(LOG_ERROR, "store.warn", F_STR("queue", q->options.name),
                    F_STR("error",
                          "the stream or its group had vanished (FLUSHALL, or a Redis that "
                          "kept nothing?): made again, from the start of the stream"));
        else
                LOG(LOG_INFO, "queue.created", F_STR("queue", q->options.name));
        if (q->store->options.instance) {
                publish_options(q);
                queue_publish_name(q);
        }
        return r;
}

static pen_usec backoff(unsigned repetition)
{
        return MIN(BACKOFF_LAST, BACKOFF_FIRST << MIN(repetition, 6u));
}

int queue_recover(struct redis_queue *q, const struct answer *error, unsigned repetition)
{
        const char *text = error->reply.data;
        int r;

        if (!strncmp(text, "NOSCRIPT", 8)) {
                q->store->scripts_loaded = false;
                return redis_store_ready(q->store);
        }
        if (!strncmp(text, "UNBLOCKED", 9))
                return 0;
        if (strstr(text, "NOGROUP") || strstr(text, "no such key")) {
                r = create_group(q);
                if (r == 0 || r == -ECANCELED)
                        return r;
        }
        tell_trouble(q, text);
        return pen_sleep(backoff(repetition));
}

int queue_call(struct redis_queue *q, const struct command *command, struct answer **ret_answer)
{
        for (unsigned repetition = 0;; repetition++) {
                int r = redis_store_ready(q->store);

                if (r == 0)
                        r = redis_command(q->store->redis, command->args, command->n, 0,
                                          ret_answer);
                if (r == 0)
                        queue_is_well(q);
                if (r != -EREMOTEIO && r != -ECONNRESET)
                        return r;
                r = r == -EREMOTEIO ? queue_recover(q, *ret_answer, repetition) : 0;
                answer_free(TAKE(*ret_answer));
                if (r < 0)
                        return r;
        }
}

/* --- what the rooms ask for --------------------------------------------------------------------- */

void queue_key(const struct redis_queue *q, const char *name, char key[KEY_MAX])
{
        snprintf(key, KEY_MAX, "%s:{%s}:%s", q->store->options.prefix, q->options.name, name);
}

uint64_t queue_epochs(const struct redis_queue *q)
{
        return redis_epoch(q->store->redis) + redis_epoch(q->reader);
}

void queue_hold(struct redis_queue *q, struct job *job)
{
        list_append(&q->held, &job_ref(job)->entry.held);
        q->n_held++;
        q->held_bytes += job_size(job);
}

void queue_drop(struct redis_queue *q, struct job *job)
{
        list_remove(&job->entry.held);
        q->n_held--;
        q->held_bytes -= job_size(job);
        pen_event_set(q->dropped);
        job_unref(job);
}

void queue_due_in(struct redis_queue *q, pen_usec usec)
{
        pen_usec due = pen_now() + MIN(usec, PEN_HOUR);

        if (due >= q->next_due)
                return;
        q->next_due = due;
        pen_event_set(q->earlier);
}

void queue_add_dedupe(const struct redis_queue *q, struct command *c)
{
        command_number(c, q->options.dedupe / PEN_MSEC);
}

void queue_add_letter_options(const struct redis_queue *q, struct command *c)
{
        const char *instance = q->store->options.instance;

        command_string(c, instance ? instance : "");
        if (q->options.dead_keep == PEN_FOREVER)
                command_string(c, "-1");
        else
                command_number(c, q->options.dead_keep / PEN_MSEC);
        command_number(c, q->options.dead_max);
}

/* --- verbs of one command ----------------------------------------------------------------------- */

/* Others may have put something aside that is due before what we know of: their leases' beat tells us. */
static int wait_until_due(struct redis_queue *q)
{
        struct pen_timeout scope;
        int r;

        while (q->next_due > pen_now()) {
                pen_timeout_begin(&scope, q->next_due == PEN_FOREVER ? PEN_FOREVER
                                                                     : q->next_due - pen_now());
                r = pen_event_wait(q->earlier);
                r = pen_timeout_end(&scope, r);
                pen_event_clear(q->earlier);
                if (r < 0 && r != -ETIME)
                        return r;
        }
        return 0;
}

ssize_t redis_promote(struct store_queue *head)
{
        struct redis_queue *q = redis_queue(head);
        PEN_CLEANUP(answer_freep) struct answer *answer = NULL;
        const struct reply *items;
        int r = wait_until_due(q);
        COMMAND(c, 5, ENTRY_TEXT);

        if (r < 0)
                return r;
        command_script(&c, &q->store->scripts, SCRIPT_PROMOTE, q->ready);
        command_number(&c, PROMOTE_AT_ONCE);
        q->next_due = PEN_FOREVER;
        r = queue_call(q, &c, &answer);
        if (r < 0) {
                q->next_due = pen_now();
                return r;
        }
        if (answer->reply.type != REPLY_ARRAY || answer->reply.n < 2)
                return -EPROTO;
        items = answer->reply.items;
        if (items[1].integer >= 0)
                queue_due_in(q, (pen_usec)items[1].integer * PEN_MSEC);
        return items[0].integer;
}

static void read_counters(const struct reply *list, struct store_counts *counts)
{
        static const struct {
                const char *name;
                size_t offset;
        } known[] = {
                { "done", offsetof(struct store_counts, done) },
                { "dead", offsetof(struct store_counts, dead) },
                { "expired", offsetof(struct store_counts, expired) },
                { "cancelled", offsetof(struct store_counts, cancelled) },
                { "duplicates", offsetof(struct store_counts, duplicates) },
                { "conflicts", offsetof(struct store_counts, conflicts) },
        };

        for (size_t i = 0; i + 1 < list->n; i += 2)
                for (size_t k = 0; k < ARRAY_SIZE(known); k++)
                        if (!strcmp(list->items[i].data, known[k].name))
                                *(uint64_t *)((char *)counts + known[k].offset) =
                                        strtoull(list->items[i + 1].data, NULL, 10);
}

static int look(struct redis_queue *q, unsigned few, struct store_counts *ret_counts)
{
        PEN_CLEANUP(answer_freep) struct answer *answer = NULL;
        const struct reply *items;
        int r = redis_store_ready(q->store);
        COMMAND(c, 5, ENTRY_TEXT);

        if (r == 0 &&
            q->uncounted > 0) /* what has ended by our own word is neither there nor untold */
                r = redis_trim(q);
        if (r < 0)
                return r;
        command_script(&c, &q->store->scripts, SCRIPT_COUNT, q->ready);
        command_number(&c, few);
        r = queue_call(q, &c, &answer);
        if (r < 0)
                return r;
        if (answer->reply.type != REPLY_ARRAY || answer->reply.n < 5)
                return -EPROTO;
        items = answer->reply.items;
        *ret_counts = (struct store_counts){
                .ready = (uint64_t)items[0].integer,
                .delayed = (uint64_t)items[1].integer,
                .running = (uint64_t)items[2].integer,
                .dead_letters = (uint64_t)items[3].integer,
        };
        read_counters(&items[4], ret_counts);
        return 0;
}

static int redis_count(struct store_queue *head, struct store_counts *ret_counts)
{
        return look(redis_queue(head), FEW, ret_counts);
}

/* Whoever ends the last job may be anybody: we look, less often the longer it takes. */
static int redis_join(struct store_queue *head)
{
        pen_usec pause = JOIN_LOOK_FIRST;
        struct store_counts counts;
        int r;

        for (;;) {
                r = look(redis_queue(head), 0, &counts);
                if (r < 0 || counts.ready + counts.delayed + counts.running == 0)
                        return r;
                r = pen_sleep(pause);
                if (r < 0)
                        return r;
                pause = MIN(2 * pause, JOIN_LOOK_LAST);
        }
}

/* --- opening, closing --------------------------------------------------------------------------- */

/* What push.lua goes by, whoever calls it. */
static void publish_options(struct redis_queue *q)
{
        char limits[KEY_MAX];
        COMMAND(c, 6, 2 * ENTRY_TEXT);

        queue_key(q, "limits", limits);
        command_string(&c, "HSET");
        command_string(&c, limits);
        command_string(&c, "capacity");
        command_number(&c, q->options.capacity);
        command_string(&c, "dedupe");
        command_number(&c, q->options.dedupe / PEN_MSEC);
        redis_tell(q->store->redis, c.args, c.n);
}

void queue_publish_name(struct redis_queue *q)
{
        char queues[KEY_MAX];
        COMMAND(c, 3, 1);

        snprintf(queues, sizeof(queues), "%s:queues", q->store->options.prefix);
        command_string(&c, "SADD");
        command_string(&c, queues);
        command_string(&c, q->options.name);
        if (redis_tell(q->store->redis, c.args, c.n))
                q->named = true;
}

void queue_came_up(struct redis_queue *q)
{
        publish_options(q);
        queue_publish_name(q);
        pen_event_set(q->beat_now);
        q->next_beat = pen_now();
}

static void redis_configure(struct store_queue *head, const struct store_queue_options *options)
{
        struct redis_queue *q = redis_queue(head);
        const char *name = q->options.name;

        q->options = *options;
        q->options.name = name;
        if (q->store->options.instance && redis_is_up(q->store->redis))
                publish_options(q);
}

/* Our lease ends, and with it our consumer; as far as Redis is there now. What no handler has seen goes back as if
 * it had never been fetched. */
static int retire(void *arg)
{
        struct redis_queue *q = arg;
        ssize_t r;

        if (q->own_count == 0) /* we never fetched */
                return 0;
        if (redis_trim(q) == -ECANCELED)
                return -ECANCELED;
        if (q->reconcile || q->epochs != queue_epochs(q)) {
                int reconciled = redis_reconcile(q);

                if (reconciled < 0)
                        return reconciled;
        }
        r = redis_take_over(q, q->store->consumer, "*", PEN_FOREVER);
        return r < 0 ? (int)r : 0;
}

static void stop_task(struct pen_task **task)
{
        if (!*task)
                return;
        pen_task_cancel(*task);
        while (!pen_task_done(*task)) /* a request to us goes to it, too */
                (void)!pen_await(*task, NULL);
        pen_task_unrefp(task);
}

/* Jobs that could not be settled: Redis keeps them. */
static void drop_held(struct redis_queue *q)
{
        while (!list_empty(&q->held))
                queue_drop(q, list_first(&q->held, struct job, entry.held));
}

static void redis_close(struct store_queue *head)
{
        struct redis_queue *q = redis_queue(head);

        stop_task(&q->trimmer);
        if (redis_is_up(q->store->redis) && pen_within(PEN_SEC, retire, q) < 0)
                LOG(LOG_WARN, "store.warn", F_STR("queue", q->options.name),
                    F_STR("error", "our lease stays until others see it stand still"));
        drop_held(q);
        stop_task(&q->reading);
        list_remove(&q->link);
        redis_free(q->reader);
        pen_lock_free(q->blocker);
        pen_event_free(q->reads_changed);
        pen_event_free(q->dropped);
        pen_event_free(q->leased);
        pen_event_free(q->beat_now);
        pen_event_free(q->earlier);
        pen_event_free(q->trim_wanted);
        free(q->behind);
        free(q->observed);
        free(q->ready);
        free((char *)q->options.name);
        free(q);
}

static const struct store_class redis_class = {
        .name = "redis",
        .fetches = 3,
        .settles = 3,
        .push = redis_push,
        .fetch = redis_fetch,
        .start = redis_start,
        .settle = redis_settle,
        .promote = redis_promote,
        .keep_lease = redis_keep_lease,
        .join = redis_join,
        .count = redis_count,
        .dead_list = redis_dead_list,
        .dead_retry = redis_dead_retry,
        .configure = redis_configure,
        .close = redis_close,
};

/* The shared connection tells of an outage; but this one may be refused alone. */
static void on_reader_down(void *data, const char *error)
{
        struct redis_queue *q = data;

        if (redis_is_up(q->store->redis))
                tell_trouble(q, error);
}

static int create_parts(struct redis_queue *q)
{
        struct pen_event **events[] = { &q->reads_changed, &q->dropped, &q->leased,
                                        &q->beat_now,      &q->earlier, &q->trim_wanted };
        int r;

        q->options.name = strdup(q->options.name);
        if (!q->options.name ||
            asprintf(&q->ready, "%s:{%s}:ready", q->store->options.prefix, q->options.name) < 0)
                return -ENOMEM;
        r = pen_lock_create(&q->blocker);
        for (size_t i = 0; i < ARRAY_SIZE(events) && r == 0; i++)
                r = pen_event_create(events[i]);
        if (r == 0)
                r = redis_create(
                        &(struct redis_options){
                                .target = q->store->target,
                                .reply_timeout = REPLY_TIMEOUT,
                                .reply_max = REPLY_MAX,
                                .down = on_reader_down,
                                .data = q,
                        },
                        &q->reader);
        return r;
}

static int spawn(const char *name, int (*fn)(void *arg), void *arg, struct pen_task **ret_task)
{
        return pen_spawn_with(&(struct pen_spawn_options){ .name = name }, fn, arg, ret_task);
}

int redis_queue_open(struct redis_store *store, const struct store_queue_options *options,
                     struct store_queue **ret_queue)
{
        struct redis_queue *q = calloc(1, sizeof(*q));
        int r;

        if (!q)
                return -ENOMEM;
        q->head.class = &redis_class;
        q->options = *options;
        q->store = store;
        q->next_due = PEN_FOREVER;
        q->look_for_released = true;
        list_init(&q->held);
        list_init(&q->link);
        r = create_parts(q);
        if (r == 0 && store->options.instance)
                r = spawn("redis-reader", redis_run, q->reader, &q->reading);
        if (r == 0 && store->options.instance)
                r = spawn("redis-trimmer", redis_trimmer_run, q, &q->trimmer);
        if (r < 0) {
                redis_close(&q->head);
                return r;
        }
        list_append(&store->queues, &q->link);
        if (store->options.instance && redis_is_up(store->redis))
                queue_came_up(q);
        *ret_queue = &q->head;
        return 0;
}

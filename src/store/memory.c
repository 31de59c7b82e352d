#include <store/memory.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <base/clock.h>
#include <base/hash.h>
#include <base/heap.h>
#include <base/list.h>
#include <penstock/loop.h>
#include <penstock/sync.h>
#include <penstock/task.h>
#include <penstock/timeout.h>
#include <store/letters.h>

struct memory_queue {
        struct store_queue head;
        struct store_queue_options options;

        struct list ready; /* of records */
        struct heap delayed;
        struct store_counts counts;
        size_t bytes;

        struct hash ids;   /* of records whose producer gave an id: live, or ended and remembered */
        struct list ended; /* those remembered, oldest first */
        size_t n_ended;
        uint64_t n_pushed;
        struct letters letters;

        /* Pulsed, never left set: who waits looks again. */
        struct pen_event *got_ready, *got_room, *got_earlier, *got_idle;
};

/* What the store knows of a job. */
struct record {
        struct list link; /* in `ready` or `ended` */
        struct heap_node due;
        struct hash_node by_id;
        struct job *job; /* NULL: ended */
        uint64_t digest; /* of payload and type: tells a conflict from a repetition */
        pen_usec ended_at;
        uint64_t order; /* of the pushes */
        bool indexed;
        bool released; /* stands among the first of the ready */
        char id[];
};

#define memory_queue(q) container_of(q, struct memory_queue, head)

static void pulse(struct pen_event *event)
{
        pen_event_set(event);
        pen_event_clear(event);
}

/* --- records ------------------------------------------------------------------------------------ */

static void record_free(struct memory_queue *q, struct record *record)
{
        if (record->indexed)
                hash_remove(&q->ids, &record->by_id);
        list_remove(&record->link);
        heap_remove(&q->delayed, &record->due);
        job_unref(record->job);
        free(record);
}

/* Ids of jobs that ended longer than `dedupe` ago are free again, and the oldest if there are too
 * many. */
static void forget_ended(struct memory_queue *q)
{
        while (!list_empty(&q->ended)) {
                struct record *oldest = list_first(&q->ended, struct record, link);

                if (pen_now() - oldest->ended_at < q->options.dedupe &&
                    (q->options.dedupe_max == 0 || q->n_ended <= q->options.dedupe_max))
                        return;
                record_free(q, oldest);
                q->n_ended--;
        }
}

static uint64_t digest_of(const struct memory_queue *q, const struct job_fields *fields)
{
        uint64_t digest = hash_bytes(&q->ids, fields->payload.data, fields->payload.size);

        return fields->type ? digest ^ ~hash_bytes(&q->ids, fields->type, strlen(fields->type))
                            : digest;
}

static struct record *find(const struct memory_queue *q, const char *id)
{
        struct hash_node *node = hash_find(&q->ids, id, strlen(id));

        return node ? container_of(node, struct record, by_id) : NULL;
}

/* In the form of a Redis stream entry's id, so that ids look the same whatever the store. */
static void make_id(struct memory_queue *q, struct job *job)
{
        snprintf(job->made_id, sizeof(job->made_id), "%llu-%llu",
                 (unsigned long long)clock_wall_ms(), (unsigned long long)q->n_pushed);
        job->fields.id = job->made_id;
}

static int record_create(struct memory_queue *q, struct job *job, struct record **ret_record)
{
        size_t id_size = job->fields.id ? strlen(job->fields.id) + 1 : 0;
        size_t live = q->counts.ready + q->counts.delayed + q->counts.running;
        struct record *record;
        int r;

        /* Room for every live job in the heap: a retry must not fail. */
        r = heap_reserve(&q->delayed, live + 1 - q->delayed.n);
        if (r < 0)
                return r;
        record = malloc(sizeof(*record) + id_size);
        if (!record)
                return -ENOMEM;
        *record = (struct record){ .due = HEAP_NODE_INIT,
                                   .job = job_ref(job),
                                   .order = ++q->n_pushed };
        list_init(&record->link);
        job->record = record;
        if (id_size > 0) {
                memcpy(record->id, job->fields.id, id_size);
                record->digest = digest_of(q, &job->fields);
                record->indexed = true;
                hash_insert(&q->ids, &record->by_id, record->id, id_size - 1);
        } else {
                make_id(q, job);
        }
        *ret_record = record;
        return 0;
}

/* --- moves -------------------------------------------------------------------------------------- */

static void make_ready_at(struct memory_queue *q, struct record *record, struct list *next)
{
        list_insert_before(next, &record->link);
        q->counts.ready++;
        pulse(q->got_ready);
}

static void make_ready(struct memory_queue *q, struct record *record)
{
        make_ready_at(q, record, &q->ready);
}

/* Before all others, but behind those released that were pushed earlier. */
static void release(struct memory_queue *q, struct record *record)
{
        struct list *next = q->ready.next;

        for (; next != &q->ready; next = next->next) {
                const struct record *other = list_entry(next, struct record, link);

                if (!other->released || other->order > record->order)
                        break;
        }
        record->released = true;
        make_ready_at(q, record, next);
}

static void delay(struct memory_queue *q, struct record *record, pen_usec usec)
{
        pen_usec due = usec > PEN_FOREVER - pen_now() ? PEN_FOREVER : pen_now() + usec;

        (void)heap_push(&q->delayed, &record->due, due); /* room was made at the push */
        q->counts.delayed++;
        if (heap_peek(&q->delayed) == &record->due)
                pulse(q->got_earlier);
}

static void end(struct memory_queue *q, struct record *record)
{
        q->bytes -= job_size(record->job);
        if (!record->indexed || q->options.dedupe == 0) {
                record_free(q, record);
                return;
        }
        record->job->record = NULL;
        job_unref(TAKE(record->job));
        record->ended_at = pen_now();
        list_append(&q->ended, &record->link);
        q->n_ended++;
        forget_ended(q);
}

/* --- push --------------------------------------------------------------------------------------- */

static bool has_room(const struct memory_queue *q, const struct job *job)
{
        const struct store_queue_options *o = &q->options;

        return (o->capacity == 0 || q->counts.ready + q->counts.delayed < o->capacity) &&
               (o->max_bytes == 0 || q->bytes == 0 || q->bytes + job_size(job) <= o->max_bytes);
}

static pen_usec time_to_start(const struct job_fields *fields)
{
        uint64_t now;

        if (fields->run_at == 0)
                return fields->delay;
        now = clock_wall_ms();
        return fields->run_at > now ? (fields->run_at - now) * PEN_MSEC : 0;
}

static int push_one(struct memory_queue *q, struct push *push, bool wait)
{
        struct job *job = push->job;
        struct record *record;
        pen_usec usec;
        int r;

        for (;;) {
                forget_ended(q);
                record = job->fields.id ? find(q, job->fields.id) : NULL;
                if (record) {
                        push->result = record->digest == digest_of(q, &job->fields) ? PUSH_EXISTS
                                                                                    : PUSH_CONFLICT;
                        return 0;
                }
                if (has_room(q, job))
                        break;
                if (!wait) {
                        push->result = PUSH_FULL;
                        return 0;
                }
                r = pen_event_wait(q->got_room);
                if (r < 0)
                        return r;
        }
        r = record_create(q, job, &record);
        if (r < 0)
                return r;
        q->bytes += job_size(job);
        usec = time_to_start(&job->fields);
        if (usec > 0)
                delay(q, record, usec);
        else
                make_ready(q, record);
        push->result = PUSH_STORED;
        return 0;
}

static int memory_push(struct store_queue *head, struct push *pushes, size_t n, bool wait)
{
        struct memory_queue *q = memory_queue(head);
        int r = 0;

        for (size_t i = 0; i < n && r == 0; i++)
                r = push_one(q, &pushes[i], wait);
        return r;
}

/* --- the other verbs ---------------------------------------------------------------------------- */

static ssize_t memory_fetch(struct store_queue *head, struct job **ret_jobs, size_t max)
{
        struct memory_queue *q = memory_queue(head);
        size_t n = 0;
        int r;

        while (list_empty(&q->ready)) {
                r = pen_event_wait(q->got_ready);
                if (r < 0)
                        return r;
        }
        for (; n < max && !list_empty(&q->ready); n++) {
                struct record *record = list_first(&q->ready, struct record, link);

                list_remove(&record->link);
                record->released = false;
                ret_jobs[n] = job_ref(record->job);
        }
        q->counts.ready -= n;
        q->counts.running += n;
        pulse(q->got_room);
        return (ssize_t)n;
}

/* Nobody else can have it, and nothing outlives us. */
static int memory_start(struct store_queue *head, struct job *job)
{
        (void)head;
        job->deliveries++;
        return 0;
}

static void settle_one(struct memory_queue *q, const struct settlement *s)
{
        struct record *record = s->job->record;
        struct store_counts *counts = &q->counts;

        counts->running--;
        switch (s->verdict.move) {
        case MOVE_RETRY:
                delay(q, record, s->verdict.delay);
                return;
        case MOVE_RELEASE:
                release(q, record);
                return;
        case MOVE_DONE:
                counts->done++;
                break;
        case MOVE_DEAD:
                counts->dead++;
                letters_add(&q->letters, &q->options, s);
                break;
        case MOVE_EXPIRE:
                counts->expired++;
                break;
        case MOVE_CANCEL:
                counts->cancelled++;
                break;
        }
        end(q, record);
}

static int memory_settle(struct store_queue *head, struct settlement *settlements, size_t n)
{
        struct memory_queue *q = memory_queue(head);

        for (size_t i = 0; i < n; i++) {
                settlements[i].stale = false;
                settle_one(q, &settlements[i]);
        }
        pulse(q->got_room);
        if (q->counts.ready + q->counts.delayed + q->counts.running == 0)
                pulse(q->got_idle);
        return 0;
}

static ssize_t memory_promote(struct store_queue *head)
{
        struct memory_queue *q = memory_queue(head);
        struct heap_node *next;
        ssize_t n = 0;

        while (!(next = heap_peek(&q->delayed)) || next->key > pen_now()) {
                struct pen_timeout scope;
                int r;

                pen_timeout_begin(&scope, next ? next->key - pen_now() : PEN_FOREVER);
                r = pen_event_wait(q->got_earlier);
                r = pen_timeout_end(&scope, r);
                if (r < 0 && r != -ETIME)
                        return r;
        }
        for (; next && next->key <= pen_now(); n++, next = heap_peek(&q->delayed)) {
                struct record *record = container_of(next, struct record, due);

                heap_remove(&q->delayed, next);
                q->counts.delayed--;
                make_ready(q, record);
        }
        return n;
}

/* No other daemon shares it: there is nothing to claim. */
static ssize_t memory_keep_lease(struct store_queue *head)
{
        (void)head;
        return pen_sleep(PEN_FOREVER);
}

static int memory_join(struct store_queue *head)
{
        struct memory_queue *q = memory_queue(head);
        int r = 0;

        while (r == 0 && q->counts.ready + q->counts.delayed + q->counts.running > 0)
                r = pen_event_wait(q->got_idle);
        return r;
}

static int memory_count(struct store_queue *head, struct store_counts *ret_counts)
{
        struct memory_queue *q = memory_queue(head);

        *ret_counts = q->counts;
        ret_counts->dead_letters = letters_count(&q->letters, &q->options);
        return 0;
}

static ssize_t memory_dead_list(struct store_queue *head, const char *after,
                                struct dead_letter *ret_letters, size_t max)
{
        struct memory_queue *q = memory_queue(head);

        return letters_list(&q->letters, &q->options, after, ret_letters, max);
}

static int memory_dead_retry(struct store_queue *head, const char *place)
{
        struct memory_queue *q = memory_queue(head);
        struct letter *letter = letters_find(&q->letters, place);
        struct record *record;
        int r;

        if (!letter)
                return -ENOENT;
        record = find(q, letter->job->fields.id);
        if (record && record->job)
                return -EEXIST;
        if (record) { /* remembered only so that nobody pushes it again by mistake */
                record_free(q, record);
                q->n_ended--;
        }
        r = record_create(q, letter->job, &record);
        if (r < 0)
                return r;
        record->job->attempts = record->job->crashes = 0;
        q->bytes += job_size(record->job);
        make_ready(q, record);
        letters_remove(&q->letters, letter);
        return 0;
}

static void memory_configure(struct store_queue *head, const struct store_queue_options *options)
{
        struct memory_queue *q = memory_queue(head);

        q->options = *options;
        pulse(q->got_room);
}

static void free_all(struct memory_queue *q, struct list *records)
{
        while (!list_empty(records))
                record_free(q, list_first(records, struct record, link));
}

/* What was fetched has been settled by now. */
static void memory_close(struct store_queue *head)
{
        struct memory_queue *q = memory_queue(head);
        struct heap_node *next;

        free_all(q, &q->ready);
        free_all(q, &q->ended);
        letters_deinit(&q->letters);
        while ((next = heap_peek(&q->delayed)))
                record_free(q, container_of(next, struct record, due));
        heap_deinit(&q->delayed);
        hash_deinit(&q->ids);
        pen_event_free(q->got_ready);
        pen_event_free(q->got_room);
        pen_event_free(q->got_earlier);
        pen_event_free(q->got_idle);
        free(q);
}

static const struct store_class memory_class = {
        .name = "memory",
        .push = memory_push,
        .fetches = 1,
        .settles = 1,
        .fetch = memory_fetch,
        .start = memory_start,
        .settle = memory_settle,
        .promote = memory_promote,
        .keep_lease = memory_keep_lease,
        .join = memory_join,
        .count = memory_count,
        .dead_list = memory_dead_list,
        .dead_retry = memory_dead_retry,
        .configure = memory_configure,
        .close = memory_close,
};

int memory_queue_open(const struct store_queue_options *options, struct store_queue **ret_queue)
{
        struct memory_queue *q = calloc(1, sizeof(*q));
        struct pen_event **events[] = { &q->got_ready, &q->got_room, &q->got_earlier,
                                        &q->got_idle };
        int r;

        if (!q)
                return -ENOMEM;
        q->head.class = &memory_class;
        q->options = *options;
        list_init(&q->ready);
        list_init(&q->ended);
        letters_init(&q->letters);
        r = hash_init(&q->ids);
        for (size_t i = 0; i < ARRAY_SIZE(events) && r == 0; i++)
                r = pen_event_create(events[i]);
        if (r < 0) {
                memory_close(&q->head);
                return r;
        }
        *ret_queue = &q->head;
        return 0;
}

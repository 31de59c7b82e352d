/* Leases: a claim on all that one start of a daemon holds of a queue, kept by moving a number every third of the lease.
 *
 * No clock is compared: who sees a number stand still for a whole lease, by its own monotonic clock and over one unbroken
 * connection, takes over, and the script looks again. At most a third counts for each look, so that a time in
 * which Redis did not answer anybody makes nobody look dead. */
#include <errno.h>

#include <base/log.h>
#include <penstock/loop.h>
#include <penstock/sync.h>
#include <penstock/task.h>
#include <penstock/timeout.h>
#include <store/redis/queue.h>

#define TAKE_AT_ONCE 64
#define RECONCILE_AT_ONCE 32
#define LATE (10 * PEN_SEC) /* after that nothing comes any more from a connection that broke */

/* --- what is known of the others ---------------------------------------------------------------- */

static struct observed *find(struct redis_queue *q, const char *name)
{
        for (size_t i = 0; i < q->n_observed; i++)
                if (!strcmp(q->observed[i].name, name))
                        return &q->observed[i];
        return NULL;
}

/* NULL: without memory, or with such a name, it cannot be taken over. */
static struct observed *add(struct redis_queue *q, const struct reply *name)
{
        struct observed *o;

        if (name->n >= CONSUMER_MAX)
                return NULL;
        if (q->n_observed == q->observed_room) {
                size_t room = MAX(2 * q->observed_room, (size_t)8);

                o = realloc(q->observed, room * sizeof(*o));
                if (!o)
                        return NULL;
                q->observed = o;
                q->observed_room = room;
        }
        o = &q->observed[q->n_observed++];
        *o = (struct observed){ .unmoved = 0 };
        memcpy(o->name, name->data, name->n + 1);
        return o;
}

/* `elapsed` since the last look, of which no more counts than there should have been. */
static void observe(struct redis_queue *q, const struct reply *name, const struct reply *lease,
                    pen_usec elapsed)
{
        const char *value = lease ? lease->data : "";
        struct observed *o;
        bool unmoved;

        if (!strcmp(name->data, q->store->consumer) || !strcmp(name->data, "released"))
                return;
        o = find(q, name->data);
        unmoved = o && !strcmp(o->lease, value);
        if (!o)
                o = add(q, name);
        if (!o || o->seen)
                return;
        o->seen = true;
        o->unmoved = unmoved ? o->unmoved + MIN(elapsed, q->store->options.lease / 3) : 0;
        snprintf(o->lease, sizeof(o->lease), "%s", value);
}

static void forget_gone(struct redis_queue *q)
{
        size_t kept = 0;

        for (size_t i = 0; i < q->n_observed; i++) {
                if (!q->observed[i].seen)
                        continue;
                q->observed[i].seen = false;
                if (kept != i)
                        q->observed[kept] = q->observed[i];
                kept++;
        }
        q->n_observed = kept;
}

/* --- taking over -------------------------------------------------------------------------------- */

static ssize_t take_some(struct redis_queue *q, const char *consumer, const char *lease, bool *more)
{
        PEN_CLEANUP(answer_freep) struct answer *answer = NULL;
        const struct reply *items;
        int r;
        COMMAND(c, 16, 6 * ENTRY_TEXT);

        command_script(&c, &q->store->scripts, SCRIPT_TAKE_OVER, q->ready);
        command_string(&c, consumer);
        command_string(&c, lease);
        command_number(&c, TAKE_AT_ONCE);
        command_number(&c, q->options.max_crashes);
        queue_add_letter_options(q, &c);
        queue_add_dedupe(q, &c);
        r = queue_call(q, &c, &answer);
        *more = false;
        if (r < 0 || answer->reply.type != REPLY_ARRAY || answer->reply.n < 3)
                return r;
        items = answer->reply.items;
        if (items[0].integer < 0)
                return 0; /* it lives */
        for (size_t i = 0; i < items[2].n; i++)
                LOG(LOG_ERROR, "job.dead", F_STR("queue", q->options.name),
                    F_STR("id", items[2].items[i].data), F_STR("outcome", "crashed"),
                    F_STR("daemon", consumer),
                    F_STR("error", "the daemon that ran it died, as often as max_crashes allows"));
        *more = items[1].integer > 0;
        return items[0].integer;
}

ssize_t redis_take_over(struct redis_queue *q, const char *consumer, const char *lease,
                        pen_usec until)
{
        ssize_t taken = 0, n;
        bool more;

        do {
                n = take_some(q, consumer, lease, &more);
                if (n < 0)
                        return n;
                taken += n;
        } while (more && pen_now() < until);
        if (taken > 0) {
                q->look_for_released = true;
                queue_unblock(q);
        }
        return taken;
}

/* As far as it can be done before the next beat is due; the rest then. */
static ssize_t take_over_all_dead(struct redis_queue *q)
{
        ssize_t taken = 0, n;

        for (size_t i = 0; i < q->n_observed; i++) {
                struct observed o = q->observed[i];
                const char *former = q->store->options.former;
                bool is_former = former && !strcmp(former, o.name);

                if (o.unmoved < q->store->options.lease && !is_former)
                        continue;
                n = redis_take_over(q, o.name, o.lease, q->next_beat);
                if (n < 0)
                        return n;
                if (n > 0)
                        LOG(LOG_WARN, "store.taken_over", F_STR("queue", q->options.name),
                            F_STR("from", o.name), F_UINT("jobs", (uint64_t)n),
                            F_STR("because",
                                  is_former ? "it was this instance, and its process has ended"
                                            : "its lease stood still"));
                taken += n;
        }
        return taken;
}

/* --- the beat ----------------------------------------------------------------------------------- */

/* A lease that begins again was taken over. (A step of more than 1 was a beat whose answer got lost.) */
static void check_own(struct redis_queue *q, uint64_t count)
{
        if (count <= q->own_count) {
                LOG(LOG_WARN, "store.warn", F_STR("queue", q->options.name),
                    F_STR("error",
                          "our lease was taken over: we stood still, or did not reach Redis, for too "
                          "long; what ran meanwhile may run twice"));
                list_for_each(i, &q->held)
                        list_entry(i, struct job, entry.held)->entry.doubted = true;
        }
        q->own_count = count;
}

/* More than we know of, twice in a row, is no answer on its way: what a connection that broke had sent may reach Redis long
 * after it. */
static void compare_held(struct redis_queue *q, size_t pending)
{
        if (pending > q->n_held && q->more_pending)
                q->reconcile = true;
        q->more_pending = pending > q->n_held;
}

static void look_at_others(struct redis_queue *q, const struct reply *leases,
                           const struct reply *consumers, pen_usec elapsed)
{
        for (size_t i = 0; i + 1 < leases->n; i += 2)
                observe(q, &leases->items[i], &leases->items[i + 1], elapsed);
        for (size_t i = 0; i + 1 < consumers->n; i += 2) {
                if (!strcmp(consumers->items[i].data, "released") &&
                    consumers->items[i + 1].integer > 0) {
                        q->look_for_released = true;
                        queue_unblock(q);
                }
                if (!strcmp(consumers->items[i].data, q->store->consumer))
                        compare_held(q, (size_t)consumers->items[i + 1].integer);
                observe(q, &consumers->items[i], NULL, elapsed);
        }
        forget_gone(q);
}

/* The next look comes when somebody's lease has run out, if that is sooner. */
static void look_in_time(struct redis_queue *q)
{
        pen_usec lease = q->store->options.lease;

        for (size_t i = 0; i < q->n_observed; i++)
                if (q->observed[i].unmoved < lease)
                        q->next_beat =
                                MIN(q->next_beat, pen_now() + lease - q->observed[i].unmoved);
}

static int beat(struct redis_queue *q)
{
        PEN_CLEANUP(answer_freep) struct answer *answer = NULL;
        pen_usec elapsed, sent = pen_now();
        int r;
        COMMAND(c, 5, ENTRY_TEXT);

        command_script(&c, &q->store->scripts, SCRIPT_BEAT, q->ready);
        command_string(&c, q->store->consumer);
        r = queue_call(q, &c, &answer);
        if (r < 0)
                return r;
        if (answer->reply.type != REPLY_ARRAY || answer->reply.n < 4)
                return -EPROTO;
        if (q->beat_epoch != redis_epoch(q->store->redis)) {
                q->n_observed = 0; /* what was seen over another connection does not count */
                q->beat_epoch = redis_epoch(q->store->redis);
        }
        elapsed = pen_now() - q->last_beat;
        q->last_beat = pen_now();
        q->renewed = sent;
        check_own(q, (uint64_t)answer->reply.items[0].integer);
        if (answer->reply.items[1].integer >= 0)
                queue_due_in(q, (pen_usec)answer->reply.items[1].integer * PEN_MSEC);
        look_at_others(q, &answer->reply.items[2], &answer->reply.items[3], elapsed);
        look_in_time(q);
        pen_event_set(q->leased);
        return 0;
}

static int wait_until_due(struct redis_queue *q)
{
        struct pen_timeout scope;
        int r;

        if (pen_now() >= q->next_beat)
                return 0;
        pen_timeout_begin(&scope, q->next_beat - pen_now());
        r = pen_event_wait(q->beat_now);
        r = pen_timeout_end(&scope, r);
        pen_event_clear(q->beat_now);
        return r == -ETIME ? 0 : r;
}

static int reconcile(void *q)
{
        return queue_reconcile(q);
}

/* For that a read must end, which may take longer than our lease allows: the next beat goes on with it. */
static int reconcile_for_a_while(struct redis_queue *q)
{
        int r;

        if (pen_now() < q->doubt_until)
                q->reconcile = true;
        r = pen_within(q->store->options.lease / 3, reconcile, q);
        return r == -ETIME ? 0 : r;
}

ssize_t redis_keep_lease(struct store_queue *head)
{
        struct redis_queue *q = redis_queue(head);
        int r = wait_until_due(q);

        if (r == 0)
                r = redis_store_ready(q->store);
        if (r < 0)
                return r;
        q->next_beat = pen_now() + q->store->options.lease / 3;
        r = beat(q);
        if (r < 0)
                return r;
        pen_event_set(q->trim_wanted); /* also what other daemons have left */
        r = reconcile_for_a_while(q);
        return r < 0 ? r : take_over_all_dead(q);
}

/* --- what we hold without knowing --------------------------------------------------------------- */

static bool is_known(const struct redis_queue *q, uint64_t ms, uint64_t seq)
{
        list_for_each(i, &q->held) {
                const struct job *job = list_entry(i, struct job, entry.held);

                if (job->entry.ms == ms && job->entry.seq == seq)
                        return true;
        }
        return false;
}

static int release_unknown(struct redis_queue *q, const struct place *places, size_t n)
{
        PEN_CLEANUP(answer_freep) struct answer *answer = NULL;
        int r;
        COMMAND(c, 5 + 4 * RECONCILE_AT_ONCE, 3 * RECONCILE_AT_ONCE * ENTRY_TEXT);

        if (n == 0)
                return 0;
        command_script(&c, &q->store->scripts, SCRIPT_RELEASE, q->ready);
        command_string(&c, q->store->consumer);
        for (size_t i = 0; i < n; i++) {
                command_entry(&c, places[i].ms, places[i].seq);
                command_string(&c, "");
                command_number(&c, 0);
                command_number(&c, 0);
        }
        LOG(LOG_WARN, "store.warn", F_STR("queue", q->options.name), F_UINT("jobs", n),
            F_STR("error", "fetched, but the answer was lost: given back"));
        r = queue_call(q, &c, &answer);
        q->look_for_released = true; /* and not before: who looked would have found none */
        queue_unblock(q);
        return r;
}

/* A page of our own pending list. 1: there may be more after *from. */
static int reconcile_page(struct redis_queue *q, struct place *from)
{
        PEN_CLEANUP(answer_freep) struct answer *answer = NULL;
        struct place unknown[RECONCILE_AT_ONCE];
        size_t n = 0;
        int r;
        COMMAND(c, 7, 3 * ENTRY_TEXT);

        command_string(&c, "XPENDING");
        command_string(&c, q->ready);
        command_string(&c, GROUP);
        command_entry(&c, from->ms, from->seq);
        command_string(&c, "+");
        command_number(&c, RECONCILE_AT_ONCE);
        command_string(&c, q->store->consumer);
        r = queue_call(q, &c, &answer);
        if (r < 0)
                return r;
        for (size_t i = 0; i < answer->reply.n; i++) {
                const struct reply *item = &answer->reply.items[i];

                if (item->type != REPLY_ARRAY || item->n < 1 ||
                    entry_parse_id(&item->items[0], &from->ms, &from->seq) < 0)
                        return -EPROTO;
                if (!is_known(q, from->ms, from->seq))
                        unknown[n++] = *from;
        }
        from->seq++;
        r = release_unknown(q, unknown, n);
        return r < 0 ? r : answer->reply.n == RECONCILE_AT_ONCE;
}

int redis_reconcile(struct redis_queue *q)
{
        uint64_t epochs = queue_epochs(q);
        struct place from = { 0, 0 };
        int r;

        q->reconcile = false;
        if (q->epochs != epochs)
                q->doubt_until = pen_now() + LATE;
        do
                r = reconcile_page(q, &from);
        while (r > 0);
        if (r == 0)
                q->epochs = epochs;
        else
                q->reconcile = true;
        return r;
}

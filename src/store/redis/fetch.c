/* Fetching: released jobs first, then what nobody has had yet.
 *
 * Several fetches may be under way while there is plenty. When the stream is empty one of them waits for all, on the
 * queue's own connection, in an XREADGROUP that blocks; to be cancelled it is unblocked through the shared
 * connection, so that no answer gets lost. */
#include <errno.h>

#include <base/log.h>
#include <penstock/loop.h>
#include <penstock/sync.h>
#include <penstock/task.h>
#include <penstock/timeout.h>
#include <store/redis/queue.h>

#define BLOCK_MS 5000
#define UNBLOCK_AGAIN (5 * PEN_MSEC)

/* --- waiting for entries ------------------------------------------------------------------------ */

/* Best effort: who is unblocked looks again whether there is something better to do. */
static void unblock(struct redis_queue *q)
{
        COMMAND(c, 3, ENTRY_TEXT);

        command_string(&c, "CLIENT");
        command_string(&c, "UNBLOCK");
        command_number(&c, (uint64_t)redis_client_id(q->reader));
        redis_tell(q->store->redis, c.args, c.n);
}

void queue_unblock(struct redis_queue *q)
{
        if (q->blocked)
                unblock(q);
}

static int wait_for_answer(void *call)
{
        return redis_wait(call);
}

/* We are cancelled, and the answer is on its way or not: gets it in any case. */
static void insist_on_answer(struct redis_queue *q, struct redis_call *call, bool block)
{
        do
                if (block)
                        unblock(q);
        while (pen_within(UNBLOCK_AGAIN, wait_for_answer, call) < 0);
}

static void add_read(const struct redis_queue *q, struct command *c, size_t max, bool block)
{
        command_string(c, "XREADGROUP");
        command_string(c, "GROUP");
        command_string(c, GROUP);
        command_string(c, q->store->consumer);
        command_string(c, "COUNT");
        command_number(c, max);
        if (block) {
                command_string(c, "BLOCK");
                command_number(c, BLOCK_MS);
        }
        command_string(c, "STREAMS");
        command_string(c, q->ready);
        command_string(c, ">");
}

/* We are cancelled, and may have got something: that goes back; no handler has seen it. */
static ssize_t give_back(struct redis_queue *q)
{
        q->reconcile = true;
        pen_event_set(q->beat_now);
        return -ECANCELED;
}

static ssize_t admit(struct redis_queue *q, const struct reply *entries, struct job **ret_jobs)
{
        ssize_t n = redis_admit(q, entries, ret_jobs);

        return n == -ECANCELED ? give_back(q) : n;
}

/* One command; 0: there was nothing. */
static ssize_t read_once(struct redis_queue *q, struct job **ret_jobs, size_t max, bool block)
{
        PEN_CLEANUP(answer_freep) struct answer *answer = NULL;
        struct redis *redis = block ? q->reader : q->store->redis;
        struct redis_call *call;
        bool cancelled;
        int r;
        COMMAND(c, 12, 2 * ENTRY_TEXT);

        add_read(q, &c, max, block);
        r = redis_send(redis, c.args, c.n, block ? BLOCK_MS * PEN_MSEC : 0, &call);
        if (r < 0)
                return r == -ENOTCONN ? 0 : r;
        if (block)
                q->blocked = true;
        cancelled = redis_wait(call) == -ECANCELED;
        if (cancelled)
                insist_on_answer(q, call, block);
        if (block)
                q->blocked = false;
        r = redis_receive(call, &answer);
        if (cancelled || r == -ECANCELED)
                return give_back(q);
        if (r == -EREMOTEIO)
                return queue_recover(q, answer, 0);
        if (r < 0) /* what a broken connection may have brought is found when it is there again */
                return r == -ECONNRESET ? 0 : r;
        queue_is_well(q);
        if (answer->reply.type != REPLY_ARRAY || answer->reply.n == 0 ||
            answer->reply.items[0].type != REPLY_ARRAY || answer->reply.items[0].n < 2)
                return 0;
        return admit(q, &answer->reply.items[0].items[1], ret_jobs);
}

/* The same, while nobody reconciles. */
static ssize_t read_entries(struct redis_queue *q, struct job **ret_jobs, size_t max, bool block)
{
        ssize_t n = redis_wait_up(block ? q->reader : q->store->redis);

        if (n < 0)
                return n;
        if (q->reconciling || q->reconcile || q->epochs != queue_epochs(q))
                return 0; /* that goes first, and we have waited since we looked */
        q->n_reads++;
        n = read_once(q, ret_jobs, max, block);
        q->n_reads--;
        pen_event_set(q->reads_changed);
        return n;
}

static ssize_t read_when_there_is_something(struct redis_queue *q, struct job **ret_jobs,
                                            size_t max)
{
        ssize_t n = pen_lock_acquire(q->blocker);

        if (n < 0)
                return n;
        if (!q->reconcile && !q->look_for_released)
                n = read_entries(q, ret_jobs, max, true);
        (void)pen_lock_release(q->blocker); /* it is ours */
        return n;
}

/* --- what was given back ------------------------------------------------------------------------ */

/* Should the connection break, or we be cancelled, what is claimed is found unknown. */
static ssize_t claim_released(struct redis_queue *q, struct job **ret_jobs, size_t max)
{
        PEN_CLEANUP(answer_freep) struct answer *answer = NULL;
        ssize_t n;
        COMMAND(c, 6, ENTRY_TEXT);

        command_script(&c, &q->store->scripts, SCRIPT_CLAIM, q->ready);
        command_string(&c, q->store->consumer);
        command_number(&c, max);
        q->look_for_released = false;
        q->n_reads++;
        n = redis_command(q->store->redis, c.args, c.n, 0, &answer);
        if (n == -ECANCELED)
                n = give_back(q);
        else if (n == -EREMOTEIO)
                n = queue_recover(q, answer, 0);
        else if (n == 0 && answer->reply.type == REPLY_ARRAY && answer->reply.n > 0)
                n = admit(q, &answer->reply, ret_jobs);
        q->n_reads--;
        pen_event_set(q->reads_changed);
        if (!answer || answer->reply.type != REPLY_ARRAY || answer->reply.n > 0)
                q->look_for_released = true; /* there may be more */
        return n == -ECONNRESET ? 0 : n;
}

/* --- both --------------------------------------------------------------------------------------- */

static int wait_for_reads(void *arg)
{
        struct redis_queue *q = arg;

        pen_event_clear(q->reads_changed);
        return pen_event_wait(q->reads_changed);
}

/* A read that begins to block as we unblock it is unblocked again. */
static int wait_until_nobody_reads(struct redis_queue *q)
{
        int r = 0;

        while (q->n_reads > 0 && (r == 0 || r == -ETIME)) {
                queue_unblock(q);
                r = pen_within(UNBLOCK_AGAIN, wait_for_reads, q);
        }
        return r == -ETIME ? 0 : r;
}

/* Nothing that we were sent may be lost: after each break of a connection, before anything else. */
int queue_reconcile(struct redis_queue *q)
{
        int r = 0;

        while (q->reconciling && r == 0)
                r = wait_for_reads(q);
        if (r < 0 || (!q->reconcile && q->epochs == queue_epochs(q)))
                return r;
        q->reconciling = true;
        r = wait_until_nobody_reads(q);
        if (r == 0)
                r = redis_reconcile(q);
        q->reconciling = false;
        pen_event_set(q->reads_changed);
        return r;
}

/* So many at once that their payloads fit into our memory, going by the size of those that we have; waits for room. */
static int bound_by_memory(struct redis_queue *q, size_t *max)
{
        size_t most = q->options.max_bytes, size;
        int r = 0;

        if (most == 0)
                return 0;
        while (r == 0 && q->held_bytes >= most) {
                pen_event_clear(q->dropped);
                r = pen_event_wait(q->dropped);
        }
        if (r < 0 || q->n_held == 0)
                return r;
        size = q->held_bytes / q->n_held;
        *max = MAX(MIN(*max, (most - q->held_bytes) / size), (size_t)1);
        return 0;
}

ssize_t redis_fetch(struct store_queue *head, struct job **ret_jobs, size_t max)
{
        struct redis_queue *q = redis_queue(head);
        ssize_t n = 0;
        int r;

        max = MIN(max, (size_t)QUEUE_BATCH);
        while (n == 0) {
                r = redis_store_ready(q->store);
                if (r == 0)
                        r = pen_event_wait(q->leased);
                if (r == 0)
                        r = queue_reconcile(q);
                if (r == 0)
                        r = bound_by_memory(q, &max);
                if (r < 0)
                        return r;
                if (q->look_for_released)
                        n = claim_released(q, ret_jobs, max);
                if (n == 0)
                        n = read_entries(q, ret_jobs, max, false);
                if (n == 0)
                        n = read_when_there_is_something(q, ret_jobs, max);
        }
        return n;
}

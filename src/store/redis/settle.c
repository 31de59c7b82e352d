/* Settling: what ended well and was never more than its entry is acknowledged by one XACK for all of a batch; every other
 * verdict is a script. All of a batch leaves in one write. What was not answered is repeated: the scripts look who
 * owns the entry, so that a repetition changes nothing.
 *
 * What was acknowledged is removed by trimming the stream up to the oldest entry that is pending. What ended
 * behind a long job is remembered here, and removed one by one when it is too much. */
#include <errno.h>

#include <base/log.h>
#include <penstock/loop.h>
#include <penstock/sync.h>
#include <penstock/task.h>
#include <store/redis/queue.h>

#define BATCH QUEUE_BATCH
#define MEMORY_PAUSE (100 * PEN_MSEC)
#define BEHIND_MAX 2048

enum kind {
        KIND_NONE, /* it is settled */
        KIND_DOUBTED, /* as KIND_DONE in the next round: the acknowledgement did not find all of them */
        KIND_PLAIN,
        KIND_DONE,
        KIND_EXPIRED,
        KIND_CANCELLED,
        KIND_RELEASE,
        KIND_RETRY,
        KIND_BURY,
};

struct round {
        struct settlement *settlements;
        size_t n;
        enum kind kinds[BATCH];
        struct redis_call
                *calls[BATCH]; /* the call that settles it, at the first of those it is for */
        bool unsure; /* a call was not answered: one that is found stale may have been settled by it */
        unsigned repetition;
};

/* While our lease cannot have been taken over, what we hold is nobody else's. */
static bool is_surely_ours(const struct redis_queue *q, const struct job *job)
{
        return !job->entry.doubted && pen_now() - q->renewed < q->store->options.lease;
}

static enum kind kind_of(const struct redis_queue *q, const struct settlement *s)
{
        switch (s->verdict.move) {
        case MOVE_DONE:
                return s->job->tracked || !is_surely_ours(q, s->job) ? KIND_DONE : KIND_PLAIN;
        case MOVE_RETRY:
                return KIND_RETRY;
        case MOVE_DEAD:
                return KIND_BURY;
        case MOVE_RELEASE:
                return KIND_RELEASE;
        case MOVE_EXPIRE:
                return KIND_EXPIRED;
        case MOVE_CANCEL:
                return KIND_CANCELLED;
        }
        return KIND_NONE;
}

static void is_settled(struct redis_queue *q, struct round *round, size_t i, bool stale)
{
        struct settlement *s = &round->settlements[i];

        round->kinds[i] = KIND_NONE;
        s->stale = stale && !round->unsure;
        queue_drop(q, s->job);
}

/* --- plain jobs --------------------------------------------------------------------------------- */

static int send_acknowledgement(struct redis_queue *q, struct round *round)
{
        size_t first = round->n;
        struct command c = queue_command(q);

        command_string(&c, "XACK");
        command_string(&c, q->ready);
        command_string(&c, GROUP);
        for (size_t i = 0; i < round->n; i++) { /* oldest first: Redis is faster so */
                const struct job *job = round->settlements[i].job;

                if (round->kinds[i] != KIND_PLAIN)
                        continue;
                command_entry(&c, job->entry.ms, job->entry.seq);
                first = MIN(first, i);
        }
        return first == round->n
                       ? 0
                       : redis_send(q->store->redis, c.args, c.n, 0, &round->calls[first]);
}

static void remember_behind(struct redis_queue *q, const struct job *job)
{
        if (q->n_behind == q->behind_room) {
                size_t room = MAX(2 * q->behind_room, (size_t)BATCH);
                struct place *grown = realloc(q->behind, room * sizeof(*grown));

                if (!grown)
                        return; /* a later trim will remove it */
                q->behind = grown;
                q->behind_room = room;
        }
        q->behind[q->n_behind++] = (struct place){ job->entry.ms, job->entry.seq };
}

/* Fewer than we sent: some were taken from us, and have become more than their entries; or they were acknowledged before, and
 * we never heard of it. done.lua tells, and counts what it finds. */
static void acknowledged(struct redis_queue *q, struct round *round, size_t n)
{
        size_t sent = 0;

        for (size_t i = 0; i < round->n; i++)
                sent += round->kinds[i] == KIND_PLAIN;
        for (size_t i = 0; i < round->n; i++) {
                if (round->kinds[i] != KIND_PLAIN)
                        continue;
                if (n < sent) {
                        round->kinds[i] = KIND_DOUBTED;
                        continue;
                }
                remember_behind(q, round->settlements[i].job);
                is_settled(q, round, i, false);
        }
        q->uncounted += n < sent ? 0 : n;
}

/* --- scripts ------------------------------------------------------------------------------------ */

static void add_place(struct command *c, const struct job *job)
{
        command_entry(c, job->entry.ms, job->entry.seq);
        command_string(c, job->fields.id);
}

static int send_many(struct redis_queue *q, struct round *round, enum kind kind)
{
        size_t first = round->n;
        enum script script = kind == KIND_RELEASE ? SCRIPT_RELEASE : SCRIPT_DONE;
        struct command c = queue_command(q);
        int r;

        command_script(&c, &q->store->scripts, script, q->ready);
        command_string(&c, q->store->consumer);
        if (script == SCRIPT_DONE) {
                command_string(&c, kind == KIND_DONE      ? "done"
                                   : kind == KIND_EXPIRED ? "expired"
                                                          : "cancelled");
                queue_add_dedupe(q, &c);
        }
        for (size_t i = 0; i < round->n; i++) {
                const struct job *job = round->settlements[i].job;

                if (round->kinds[i] != kind)
                        continue;
                first = MIN(first, i);
                add_place(&c, job);
                if (kind == KIND_RELEASE) {
                        command_number(&c, job->deliveries);
                        command_number(&c, job->crashes);
                }
        }
        if (first == round->n)
                return 0;
        r = redis_send(q->store->redis, c.args, c.n, 0, &round->calls[first]);
        if (r == 0 && kind == KIND_RELEASE) { /* who looks from now on finds them */
                q->look_for_released = true;
                queue_unblock(q);
        }
        return r;
}

static int send_retry(struct redis_queue *q, struct round *round, size_t i)
{
        const struct settlement *s = &round->settlements[i];
        COMMAND(c, 16, 6 * ENTRY_TEXT);

        command_script(&c, &q->store->scripts, SCRIPT_RETRY, q->ready);
        command_string(&c, q->store->consumer);
        add_place(&c, s->job);
        command_number(&c, (s->verdict.delay + PEN_MSEC - 1) / PEN_MSEC);
        command_number(&c, s->job->attempts);
        command_number(&c, s->job->crashes);
        command_number(&c, s->job->deliveries);
        return redis_send(q->store->redis, c.args, c.n, 0, &round->calls[i]);
}

static int send_bury(struct redis_queue *q, struct round *round, size_t i)
{
        const struct settlement *s = &round->settlements[i];
        COMMAND(c, 20, 8 * ENTRY_TEXT);

        command_script(&c, &q->store->scripts, SCRIPT_BURY, q->ready);
        command_string(&c, q->store->consumer);
        add_place(&c, s->job);
        command_string(&c, s->error ? s->error : "");
        command_string(&c, outcome_name(s->outcome));
        /* One that was rejected spent none of its budget, but it was tried. */
        command_number(&c,
                       s->job->attempts + (s->outcome == OUTCOME_REJECTED && s->job->deliveries));
        command_number(&c, s->job->deliveries);
        queue_add_letter_options(q, &c);
        queue_add_dedupe(q, &c);
        return redis_send(q->store->redis, c.args, c.n, 0, &round->calls[i]);
}

/* --- a round ------------------------------------------------------------------------------------ */

static int send_all(struct redis_queue *q, struct round *round)
{
        int r;

        /* We may have waited for the store since they were judged, and lost what was ours. */
        for (size_t i = 0; i < round->n; i++)
                if (round->kinds[i] == KIND_DOUBTED ||
                    (round->kinds[i] == KIND_PLAIN &&
                     !is_surely_ours(q, round->settlements[i].job)))
                        round->kinds[i] = KIND_DONE;
        r = send_acknowledgement(q, round);
        for (enum kind kind = KIND_DONE; r == 0 && kind <= KIND_RELEASE; kind++)
                r = send_many(q, round, kind);
        for (size_t i = 0; i < round->n && r == 0; i++) {
                if (round->kinds[i] == KIND_RETRY)
                        r = send_retry(q, round, i);
                else if (round->kinds[i] == KIND_BURY)
                        r = send_bury(q, round, i);
        }
        return r;
}

static bool is_stale(const struct reply *reply)
{
        return reply->type == REPLY_INTEGER ? reply->integer == 0 : reply->n == 0;
}

/* The answer to the call that stands at `i`. */
static void apply(struct redis_queue *q, struct round *round, size_t i, const struct reply *reply)
{
        enum kind kind = round->kinds[i];
        size_t item = 0;

        switch (kind) {
        case KIND_PLAIN:
                acknowledged(q, round, (size_t)reply->integer);
                break;
        case KIND_RETRY:
                /* Also if it is stale: perhaps it was we who did it, and never heard of that. */
                queue_due_in(q, round->settlements[i].verdict.delay);
                is_settled(q, round, i, is_stale(reply));
                break;
        case KIND_BURY:
                is_settled(q, round, i, is_stale(reply));
                break;
        default:
                for (; i < round->n && item < reply->n; i++)
                        if (round->kinds[i] == kind)
                                is_settled(q, round, i, is_stale(&reply->items[item++]));
        }
}

/* A call is repeated, and finds out what it did the first time. Not so a release: the entry may be ours anew by then. What
 * we hold without knowing is given back in any case. */
static void lost_answer(struct redis_queue *q, struct round *round, enum kind kind)
{
        round->unsure = true;
        if (kind != KIND_RELEASE)
                return;
        q->reconcile = true;
        for (size_t i = 0; i < round->n; i++)
                if (round->kinds[i] == KIND_RELEASE)
                        is_settled(q, round, i, false);
}

static int receive_all(struct redis_queue *q, struct round *round)
{
        int r = 0;

        for (size_t i = 0; i < round->n; i++) {
                PEN_CLEANUP(answer_freep) struct answer *answer = NULL;
                int got;

                if (!round->calls[i])
                        continue;
                got = redis_receive(TAKE(round->calls[i]), &answer);
                if (got == 0) {
                        queue_is_well(q);
                        apply(q, round, i, &answer->reply);
                } else if (got == -EREMOTEIO) {
                        got = queue_recover(q, answer, round->repetition);
                } else if (got == -ECONNRESET) {
                        lost_answer(q, round, round->kinds[i]);
                        got = 0;
                }
                if (got < 0)
                        r = got;
        }
        return r;
}

static size_t left(const struct round *round)
{
        size_t n = 0;

        for (size_t i = 0; i < round->n; i++)
                n += round->kinds[i] != KIND_NONE;
        return n;
}

/* --- trimming ----------------------------------------------------------------------------------- */

/* What stands before the oldest entry that stays has been removed; of those remembered `n` were acknowledged by then. */
static void forget_removed(struct redis_queue *q, const struct reply *oldest, size_t n)
{
        struct place stays = { UINT64_MAX, UINT64_MAX };
        size_t kept = 0;

        if (oldest->n > 0 && entry_parse_id(oldest, &stays.ms, &stays.seq) < 0)
                return;
        for (size_t i = 0; i < q->n_behind; i++) {
                struct place p = q->behind[i];

                if (i >= n || p.ms > stays.ms || (p.ms == stays.ms && p.seq > stays.seq))
                        q->behind[kept++] = p;
        }
        q->n_behind = kept;
}

static void remove_behind(struct redis_queue *q)
{
        while (q->n_behind > 0) {
                struct command c = queue_command(q);

                command_string(&c, "XDEL");
                command_string(&c, q->ready);
                for (size_t i = 0; i < BATCH && q->n_behind > 0; i++) {
                        struct place p = q->behind[--q->n_behind];

                        command_entry(&c, p.ms, p.seq);
                }
                redis_tell(q->store->redis, c.args, c.n);
        }
}

int redis_trim(struct redis_queue *q)
{
        PEN_CLEANUP(answer_freep) struct answer *answer = NULL;
        size_t behind = q->n_behind;
        uint64_t counted = q->uncounted;
        struct redis_call *call;
        int r;
        COMMAND(c, 5, ENTRY_TEXT);

        command_script(&c, &q->store->scripts, SCRIPT_TRIM, q->ready);
        command_number(&c, counted);
        if (redis_send(q->store->redis, c.args, c.n, 0, &call) < 0)
                return 0;
        q->uncounted = 0;
        r = redis_receive(call, &answer);
        if (r == 0)
                forget_removed(q, &answer->reply, behind);
        if (r == -EREMOTEIO) { /* as after SCRIPT FLUSH: nothing was done */
                q->uncounted += counted;
                q->store->scripts_loaded = false;
        }
        if (q->n_behind > BEHIND_MAX)
                remove_behind(q);
        return r == -ECANCELED ? r : 0;
}

int redis_trimmer_run(void *arg)
{
        struct redis_queue *q = arg;
        int r;

        do {
                r = pen_event_wait(q->trim_wanted);
                pen_event_clear(q->trim_wanted);
                if (r == 0)
                        r = redis_trim(q);
        } while (r == 0);
        return r;
}

/* --- the verb ----------------------------------------------------------------------------------- */

static int settle_batch(struct redis_queue *q, struct settlement *settlements, size_t n)
{
        struct round round = { .settlements = settlements, .n = n };
        int r, sent;

        for (size_t i = 0; i < n; i++)
                round.kinds[i] = kind_of(q, &settlements[i]);
        for (; left(&round) > 0; round.repetition++) {
                r = redis_store_ready(q->store);
                if (r < 0)
                        return r;
                sent = send_all(q, &round);
                round.unsure |=
                        sent < 0 && sent != -ENOTCONN; /* some were sent, the rest comes again */
                r = receive_all(q, &round);
                if (r == 0 && sent == -ENOMEM)
                        r = pen_sleep(MEMORY_PAUSE);
                if (r < 0)
                        return r;
        }
        pen_event_set(q->trim_wanted);
        return 0;
}

int redis_settle(struct store_queue *head, struct settlement *settlements, size_t n)
{
        int r = 0;

        for (size_t i = 0; i < n && r == 0; i += BATCH)
                r = settle_batch(redis_queue(head), settlements + i, MIN(n - i, (size_t)BATCH));
        return r;
}

/* --- starting ----------------------------------------------------------------------------------- */

int redis_start(struct store_queue *head, struct job *job)
{
        struct redis_queue *q = redis_queue(head);
        PEN_CLEANUP(answer_freep) struct answer *answer = NULL;
        int r;
        COMMAND(c, 8, 2 * ENTRY_TEXT);

        if (job->deliveries++ == 0 && is_surely_ours(q, job))
                return 0;
        command_script(&c, &q->store->scripts, SCRIPT_START, q->ready);
        command_string(&c, q->store->consumer);
        add_place(&c, job);
        r = queue_call(q, &c, &answer);
        if (r < 0)
                return r;
        if (answer->reply.type != REPLY_INTEGER || answer->reply.integer < 0)
                return -ESTALE;
        job->tracked = true;
        job->deliveries = (uint64_t)answer->reply.integer;
        return 0;
}

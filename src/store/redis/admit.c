/* From entries to jobs. An entry that is nothing but a job costs no more than that; one with an id, a start in the
 * future, a version that is not ours or an error takes effect in one script each, all of an answer at once. */
#include <errno.h>

#include <base/clock.h>
#include <base/log.h>
#include <store/redis/queue.h>

#define ASIDE \
        (PEN_MINUTE / PEN_MSEC) /* for an entry of a higher version, from the server's now on */

struct special {
        const struct reply *item;
        struct redis_call *call;
};

/* -EINVAL and -EPROTONOSUPPORT are of the entry, as entry_parse. */
static int parse(const struct redis_queue *q, const struct reply *item, struct entry *e)
{
        if (item->type != REPLY_ARRAY || item->n < 2)
                return -EPROTO;
        int r = entry_parse(&item->items[0], &item->items[1], q->options.payload_max, e);

        if (r == 0 && q->options.delay_max > 0 &&
            (e->fields.delay > q->options.delay_max ||
             e->fields.run_at > clock_wall_ms() + q->options.delay_max / PEN_MSEC)) {
                snprintf(e->error, sizeof(e->error),
                         "the start is too far in the future: allowed are %llu days (limits.delay)",
                         (unsigned long long)(q->options.delay_max / PEN_DAY));
                return -EINVAL;
        }
        return r;
}

static int make_job(struct redis_queue *q, const struct entry *e, const struct reply *id,
                    struct job **ret_job)
{
        struct job *job;
        int r = job_create(&e->fields, &job);

        if (r < 0)
                return r;
        if (!e->fields.id) {
                memcpy(job->made_id, id->data, MIN(id->n + 1, sizeof(job->made_id)));
                job->fields.id = job->made_id;
        }
        job->entry.ms = e->ms;
        job->entry.seq = e->seq;
        queue_hold(q, job);
        *ret_job = job;
        return 0;
}

static uint64_t number_of(const struct reply *reply)
{
        return reply->type == REPLY_STRING ? strtoull(reply->data, NULL, 10)
                                           : (uint64_t)reply->integer;
}

static void add_history(struct job *job, const struct reply *attempts_crashes_deliveries)
{
        job->tracked = true;
        job->attempts = (unsigned)number_of(&attempts_crashes_deliveries[0]);
        job->crashes = (unsigned)number_of(&attempts_crashes_deliveries[1]);
        job->deliveries = number_of(&attempts_crashes_deliveries[2]);
}

/* --- specials ----------------------------------------------------------------------------------- */

static int send_bury(struct redis_queue *q, const struct reply *item, const struct entry *e,
                     struct redis_call **ret_call)
{
        COMMAND(c, 20, 4 * ENTRY_TEXT);

        LOG(LOG_ERROR, "job.dead", F_STR("queue", q->options.name),
            F_BYTES("id", item->items[0].data, item->items[0].n), F_STR("outcome", "rejected"),
            F_STR("error", e->error));
        command_script(&c, &q->store->scripts, SCRIPT_BURY, q->ready);
        command_string(&c, q->store->consumer);
        command_entry(&c, e->ms, e->seq);
        command_add(&c, item->items[0].data, item->items[0].n);
        command_string(&c, e->error);
        command_string(&c, "rejected");
        command_number(&c, 0);
        command_number(&c, 0);
        queue_add_letter_options(q, &c);
        queue_add_dedupe(q, &c);
        return redis_send(q->store->redis, c.args, c.n, 0, ret_call);
}

static int send_admit(struct redis_queue *q, const struct entry *e, bool ours,
                      struct redis_call **ret_call)
{
        const struct job_fields *f = &e->fields;
        uint64_t due = !ours          ? ASIDE
                       : f->delay > 0 ? e->ms + (f->delay + PEN_MSEC - 1) / PEN_MSEC
                                      : f->run_at;
        COMMAND(c, 16, 5 * ENTRY_TEXT);

        command_script(&c, &q->store->scripts, SCRIPT_ADMIT, q->ready);
        command_entry(&c, e->ms, e->seq);
        command_string(&c, ours && f->id ? f->id : "");
        command_number(&c, due);
        command_string(&c, ours ? "strip" : "whole");
        queue_add_letter_options(q, &c);
        return redis_send(q->store->redis, c.args, c.n, 0, ret_call);
}

static int send_special(struct redis_queue *q, struct special *s)
{
        struct entry e; /* about 1 KiB */
        int r = parse(q, s->item, &e);

        if (r == -EPROTO)
                return r;
        if (r == -EPROTONOSUPPORT)
                LOG(LOG_WARN, "job.newer", F_STR("queue", q->options.name),
                    F_BYTES("id", s->item->items[0].data, s->item->items[0].n),
                    F_UINT("v", e.version));
        return r == -EINVAL ? send_bury(q, s->item, &e, &s->call)
                            : send_admit(q, &e, r == 0, &s->call);
}

static void learn_of_delayed(struct redis_queue *q, const struct reply *due)
{
        uint64_t now = clock_wall_ms(), ms = number_of(due);

        queue_due_in(q, ms > now ? (ms - now) * PEN_MSEC : 0);
}

/* 1: *ret_job is one.  0: it is none, and has been dealt with. */
static int receive_special(struct redis_queue *q, struct special *s, struct job **ret_job)
{
        PEN_CLEANUP(answer_freep) struct answer *answer = NULL;
        const struct reply *reply;
        struct entry e;
        int r = redis_receive(s->call, &answer);

        if (r == -EREMOTEIO) {
                int recovered = queue_recover(q, answer, 0);

                return recovered < 0 ? recovered : r;
        }
        if (r < 0)
                return r;
        reply = &answer->reply;
        if (reply->type != REPLY_ARRAY || reply->n == 0)
                return 0; /* it was buried */
        if (!strcmp(reply->items[0].data, "aside") && reply->n >= 2)
                learn_of_delayed(q, &reply->items[1]);
        if (strcmp(reply->items[0].data, "run") != 0 || reply->n < 4)
                return 0;
        r = parse(q, s->item, &e);
        if (r == 0)
                r = make_job(q, &e, &s->item->items[0], ret_job);
        if (r < 0)
                return r;
        add_history(*ret_job, &reply->items[1]);
        return 1;
}

/* They are not ours after all. */
static void forget(struct redis_queue *q, struct job **jobs, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                queue_drop(q, jobs[i]);
                job_unref(jobs[i]);
        }
}

/* All of them at once; answers how many became jobs. -ECANCELED: none has. */
static ssize_t admit_specials(struct redis_queue *q, struct special *specials, size_t n,
                              struct job **ret_jobs)
{
        size_t jobs = 0;
        int r, failed = 0;

        for (size_t i = 0; i < n; i++)
                if (send_special(q, &specials[i]) < 0)
                        q->reconcile = true;
        for (size_t i = 0; i < n; i++) {
                if (!specials[i].call)
                        continue;
                r = receive_special(q, &specials[i], &ret_jobs[jobs]);
                jobs += r > 0;
                if (r < 0)
                        q->reconcile = true;
                if (r == -ECANCELED)
                        failed = r;
        }
        if (failed == 0)
                return (ssize_t)jobs;
        forget(q, ret_jobs, jobs);
        return failed;
}

/* --- all entries of an answer ------------------------------------------------------------------- */

/* claim.lua knows more of it: an id has taken effect before. (A start perhaps not: the daemon may have died over it.) */
static bool has_history(const struct reply *item)
{
        return item->n >= 5;
}

static bool is_plain(const struct entry *e, const struct reply *item)
{
        return (!e->fields.id || has_history(item)) && e->fields.run_at == 0 &&
               e->fields.delay == 0;
}

static int compare_places(const void *a, const void *b)
{
        const struct job *x = *(struct job *const *)a, *y = *(struct job *const *)b;

        return x->entry.ms != y->entry.ms
                       ? (x->entry.ms < y->entry.ms ? -1 : 1)
                       : (x->entry.seq > y->entry.seq) - (x->entry.seq < y->entry.seq);
}

ssize_t redis_admit(struct redis_queue *q, const struct reply *entries, struct job **ret_jobs)
{
        struct special specials[QUEUE_BATCH];
        size_t n = 0, n_specials = 0;
        struct entry e;
        ssize_t more;

        for (size_t i = 0; i < entries->n; i++) {
                const struct reply *item = &entries->items[i];
                int r = parse(q, item, &e);

                if (r == 0 && is_plain(&e, item))
                        r = make_job(q, &e, &item->items[0], &ret_jobs[n]);
                else if (r == 0 || r == -EINVAL || r == -EPROTONOSUPPORT)
                        r = 1;
                if (r == 0) {
                        if (has_history(item))
                                add_history(ret_jobs[n], &item->items[2]);
                        n++;
                } else if (r == 1 && n_specials < QUEUE_BATCH) {
                        specials[n_specials++] = (struct special){ .item = item };
                } else {
                        q->reconcile = true; /* no memory, or an answer of another form */
                }
        }
        if (n_specials == 0)
                return (ssize_t)n;
        more = admit_specials(q, specials, n_specials, ret_jobs + n);
        if (more < 0) {
                forget(q, ret_jobs, n);
                return more;
        }
        n += (size_t)more;
        qsort(ret_jobs, n, sizeof(*ret_jobs), compare_places);
        return (ssize_t)n;
}

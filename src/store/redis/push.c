/* Pushing: a plain XADD where nothing has to be answered for, push.lua where the job has an id or the queue may be
 * full. All of a call leave in one write. */
#include <errno.h>

#include <penstock/task.h>
#include <store/redis/queue.h>

#define FULL_PAUSE (100 * PEN_MSEC)
#define AT_ONCE 256

/* --- is there room? ----------------------------------------------------------------------------- */

static int send_question(struct redis_queue *q, const char *verb, const char *what,
                         const char *field, struct redis_call **ret_call)
{
        char key[KEY_MAX];
        COMMAND(c, 3, 1);

        queue_key(q, what, key);
        command_string(&c, verb);
        command_string(&c, key);
        if (field)
                command_string(&c, field);
        return redis_send(q->store->redis, c.args, c.n, 0, ret_call);
}

static uint64_t receive_number(struct redis_call *call, uint64_t otherwise)
{
        PEN_CLEANUP(answer_freep) struct answer *answer = NULL;

        if (!call || redis_receive(call, &answer) < 0)
                return otherwise;
        if (answer->reply.type == REPLY_INTEGER)
                return (uint64_t)answer->reply.integer;
        return answer->reply.type == REPLY_STRING ? strtoull(answer->reply.data, NULL, 10) : 0;
}

/* Beyond doubt: the stream and the delayed ones together, in which what runs is too, are below the capacity that the
 * daemons have published. Otherwise push.lua looks closely at each job. */
static bool has_room(struct redis_queue *q, size_t n)
{
        struct redis_call *capacity = NULL, *length = NULL, *delayed = NULL;
        uint64_t most, present;

        int r = send_question(q, "HGET", "limits", "capacity", &capacity);

        if (r == 0)
                r = send_question(q, "XLEN", "ready", NULL, &length);
        if (r == 0)
                r = send_question(q, "ZCARD", "delayed", NULL, &delayed);
        most = receive_number(capacity, 1);
        present = receive_number(length, most);
        present += receive_number(delayed, most);
        return r == 0 && (most == 0 || present + n <= most);
}

/* --- a round ------------------------------------------------------------------------------------ */

static int send_push(struct redis_queue *q, const struct job_fields *fields, bool room,
                     struct redis_call **ret_call)
{
        char meta_names[JOB_META_MAX][80];
        COMMAND(c, 8 + ENTRY_FIELDS_MAX, ENTRY_NUMBERS_MAX);

        if (fields->id || !room) {
                command_script(&c, &q->store->scripts, SCRIPT_PUSH, q->ready);
        } else {
                command_string(&c, "XADD");
                command_string(&c, q->ready);
                command_string(&c, "*");
        }
        entry_append(&c, fields, meta_names);
        return redis_send(q->store->redis, c.args, c.n, 0, ret_call);
}

static void take_id(struct job *job, const struct reply *id)
{
        if (job->fields.id || id->n >= sizeof(job->made_id))
                return;
        memcpy(job->made_id, id->data, id->n + 1);
        job->fields.id = job->made_id;
}

static enum push_result result_of(const struct reply *reply, struct job *job)
{
        const char *word;

        if (reply->type != REPLY_ARRAY) { /* of XADD */
                take_id(job, reply);
                return PUSH_STORED;
        }
        word = reply->items[0].data;
        if (!strcmp(word, "exists"))
                return PUSH_EXISTS;
        if (!strcmp(word, "conflict"))
                return PUSH_CONFLICT;
        if (!strcmp(word, "full"))
                return PUSH_FULL;
        take_id(job, &reply->items[1]);
        return PUSH_STORED;
}

/* Of some pushes: what is the matter with those that have no result. */
struct trouble {
        struct answer *error; /* the first one */
        bool lost;            /* a job without an id may be stored or not */
};

static void receive_push(struct redis_queue *q, struct redis_call *call, struct push *push,
                         bool wait, struct trouble *trouble)
{
        PEN_CLEANUP(answer_freep) struct answer *answer = NULL;
        int r = redis_receive(call, &answer);

        if (r == 0) {
                queue_is_well(q);
                push->result = result_of(&answer->reply, push->job);
        } else if (r == -EREMOTEIO && !strncmp(answer->reply.data, "OOM", 3)) {
                push->result = PUSH_FULL;
        } else if (r == -ECONNRESET && !push->job->fields.id) {
                trouble->lost = true;
        }
        if (wait && push->result == PUSH_FULL)
                push->result = PUSH_PENDING;
        if (r == -EREMOTEIO && !trouble->error)
                trouble->error = TAKE(answer);
}

/* Jobs with an id go by the script in any case. */
static bool needs_room(const struct push *pushes, size_t n)
{
        for (size_t i = 0; i < n; i++)
                if (pushes[i].result == PUSH_PENDING && !pushes[i].job->fields.id)
                        return true;
        return false;
}

/* Those that have no result yet, once. From the sending to the answers we are not interrupted (a server that does not
 * answer is soon found gone), so that what has no result in the end is not stored. */
static int push_round(struct redis_queue *q, struct push *pushes, size_t n, bool wait)
{
        struct redis_call *calls[AT_ONCE] = { NULL };
        struct trouble trouble = { NULL, false };
        int r = redis_store_ready(q->store);
        bool room;

        if (r == 0 && !q->named) /* no daemon has opened it: who pushes makes it known */
                queue_publish_name(q);
        pen_uncancellable_begin();
        room = r == 0 && needs_room(pushes, n) && has_room(q, n);
        for (size_t i = 0; i < n && r == 0; i++)
                if (pushes[i].result == PUSH_PENDING)
                        r = send_push(q, &pushes[i].job->fields, room, &calls[i]);
        for (size_t i = 0; i < n; i++)
                if (calls[i])
                        receive_push(q, calls[i], &pushes[i], wait, &trouble);
        pen_uncancellable_end();
        if (r == 0 || r == -ENOTCONN)
                r = trouble.lost    ? -ECONNRESET
                    : trouble.error ? queue_recover(q, trouble.error, 0)
                                    : 0;
        answer_free(trouble.error);
        return r;
}

static size_t count_pending(const struct push *pushes, size_t n)
{
        size_t pending = 0;

        for (size_t i = 0; i < n; i++)
                pending += pushes[i].result == PUSH_PENDING;
        return pending;
}

static int push_some(struct redis_queue *q, struct push *pushes, size_t n, bool wait)
{
        int r = push_round(q, pushes, n, wait);

        while (r == 0 && count_pending(pushes, n) > 0) {
                r = pen_sleep(FULL_PAUSE);
                if (r == 0)
                        r = push_round(q, pushes, n, wait);
        }
        return r;
}

int redis_push(struct store_queue *head, struct push *pushes, size_t n, bool wait)
{
        int r = 0;

        for (size_t i = 0; i < n; i++)
                pushes[i].result = PUSH_PENDING;
        for (size_t i = 0; i < n && r == 0; i += AT_ONCE)
                r = push_some(redis_queue(head), pushes + i, MIN(n - i, (size_t)AT_ONCE), wait);
        return r;
}

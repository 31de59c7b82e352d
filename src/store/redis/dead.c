/* Dead letters: a stream of their own. */
#include <errno.h>

#include <base/parse.h>
#include <store/redis/queue.h>

struct letter_fields {
        const struct reply *error, *outcome, *attempts, *failed_at, *daemon;
};

static const struct {
        const char *name;
        size_t offset;
} letter_names[] = {
        { "error", offsetof(struct letter_fields, error) },
        { "outcome", offsetof(struct letter_fields, outcome) },
        { "attempts", offsetof(struct letter_fields, attempts) },
        { "failed_at", offsetof(struct letter_fields, failed_at) },
        { "daemon", offsetof(struct letter_fields, daemon) },
        { "deliveries", SIZE_MAX },
};

/* Parts the letter's own fields from the job's, which stay in `job_items`. */
static size_t part(const struct reply *fields, struct letter_fields *ret, struct reply *job_items)
{
        size_t n = 0;

        for (size_t i = 0; i + 1 < fields->n; i += 2) {
                size_t k = 0;

                while (k < ARRAY_SIZE(letter_names) &&
                       strcmp(letter_names[k].name, fields->items[i].data) != 0)
                        k++;
                if (k == ARRAY_SIZE(letter_names)) {
                        job_items[n++] = fields->items[i];
                        job_items[n++] = fields->items[i + 1];
                } else if (letter_names[k].offset != SIZE_MAX) {
                        *(const struct reply **)((char *)ret + letter_names[k].offset) =
                                &fields->items[i + 1];
                }
        }
        return n;
}

static enum outcome outcome_of(const struct reply *reply)
{
        for (enum outcome i = 0; reply && i < OUTCOME_MAX; i++)
                if (!strcmp(outcome_name(i), reply->data))
                        return i;
        return OUTCOME_FAILED;
}

static uint64_t number_of(const struct reply *reply)
{
        return reply ? strtoull(reply->data, NULL, 10) : 0;
}

/* The last `id`: before it may stand what was no id. */
static const char *find_id(const struct reply *items, size_t n)
{
        while (n >= 2) {
                n -= 2;
                if (!strcmp(items[n].data, "id") && parse_is_id(items[n + 1].data, items[n + 1].n))
                        return items[n + 1].data;
        }
        return NULL;
}

/* What is no job (that may be why it is here) is shown as far as it is one. */
static int read_job(const struct reply *place, struct reply *items, size_t n, struct job **ret_job)
{
        struct reply fields = { .type = REPLY_ARRAY, .n = n, .items = items };
        struct entry e;

        if (entry_parse(place, &fields, 0, &e) == -EPROTO)
                return -EPROTO;
        e.fields.id = find_id(items, n);
        if (!e.fields.id)
                e.fields.id = place->data;
        return job_create(&e.fields, ret_job);
}

static char *copy(const struct reply *text)
{
        return text && text->n > 0 ? strdup(text->data) : NULL;
}

static bool is_place(const char *text)
{
        struct reply reply = { .type = REPLY_STRING, .n = strlen(text), .data = text };
        uint64_t ms, seq;

        return entry_parse_id(&reply, &ms, &seq) == 0;
}

static int read_letter(const struct reply *item, struct dead_letter *letter)
{
        struct letter_fields own = { 0 };
        struct reply *job_items;
        size_t n;
        int r;

        if (item->type != REPLY_ARRAY || item->n < 2 || item->items[0].n >= sizeof(letter->place))
                return -EPROTO;
        job_items = malloc((item->items[1].n + 1) * sizeof(*job_items));
        if (!job_items)
                return -ENOMEM;
        *letter = (struct dead_letter){ .job = NULL };
        memcpy(letter->place, item->items[0].data, item->items[0].n + 1);
        n = part(&item->items[1], &own, job_items);
        r = read_job(&item->items[0], job_items, n, &letter->job);
        free(job_items);
        if (r < 0)
                return r;
        letter->outcome = outcome_of(own.outcome);
        letter->failed_at = number_of(own.failed_at);
        letter->job->attempts = (unsigned)number_of(own.attempts);
        letter->error = copy(own.error);
        letter->daemon = copy(own.daemon);
        return 0;
}

ssize_t redis_dead_list(struct store_queue *head, const char *after,
                        struct dead_letter *ret_letters, size_t max)
{
        struct redis_queue *q = redis_queue(head);
        PEN_CLEANUP(answer_freep) struct answer *answer = NULL;
        char key[KEY_MAX], from[64];
        size_t n = 0;
        int r;
        COMMAND(c, 6, ENTRY_TEXT);

        if (*after && !is_place(after))
                return -EINVAL;
        queue_key(q, "dead", key);
        snprintf(from, sizeof(from), "%s%s", *after ? "(" : "-", after);
        command_string(&c, "XRANGE");
        command_string(&c, key);
        command_string(&c, from);
        command_string(&c, "+");
        command_string(&c, "COUNT");
        command_number(&c, max);
        r = queue_call(q, &c, &answer);
        if (r < 0)
                return r;
        for (size_t i = 0; i < answer->reply.n && n < max; i++) {
                r = read_letter(&answer->reply.items[i], &ret_letters[n]);
                n += r == 0;
        }
        return r == -ENOMEM && n == 0 ? r : (ssize_t)n;
}

int redis_dead_retry(struct store_queue *head, const char *place)
{
        struct redis_queue *q = redis_queue(head);
        PEN_CLEANUP(answer_freep) struct answer *answer = NULL;
        int r;
        COMMAND(c, 5, 1);

        if (!is_place(place))
                return -ENOENT;
        r = redis_store_ready(q->store);
        if (r < 0)
                return r;
        command_script(&c, &q->store->scripts, SCRIPT_DEAD_RETRY, q->ready);
        command_string(&c, place);
        r = queue_call(q, &c, &answer);
        if (r < 0)
                return r;
        return answer->reply.integer == 1 ? 0 : answer->reply.integer == 0 ? -ENOENT : -EEXIST;
}

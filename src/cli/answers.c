#include <cli/answers.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <base/parse.h>
#include <job/json.h>

/* --- members ------------------------------------------------------------------------------------ */

struct member {
        const char *key;
        enum json_type type;
        struct bytes source;
};

/* Calls `take` for every member of the object. */
static int read_object(struct bytes object, int (*take)(void *to, const struct member *member),
                       void *to)
{
        PEN_CLEANUP(buffer_deinit) struct buffer keys = { 0 };
        struct json_members members = { .object = object };
        struct json_error error;
        struct member member;
        struct bytes key;
        int r;

        while ((r = json_next_member(&members, &keys, &key, &member.type, &member.source, &error)) >
               0) {
                member.key = key.data;
                r = take(to, &member);
                if (r < 0)
                        return r;
        }
        return r == -EINVAL ? -EPROTO : r;
}

static bool is(const struct member *member, const char *key)
{
        return !strcmp(member->key, key);
}

static int read_number(const struct member *member, uint64_t *to)
{
        char text[24];

        if (member->type != JSON_NUMBER || member->source.size >= sizeof(text))
                return -EPROTO;
        memcpy(text, member->source.data, member->source.size);
        text[member->source.size] = '\0';
        return parse_u64(text, to) < 0 ? -EPROTO : 0;
}

/* malloc'ed. null is NULL. */
static int read_bytes(const struct member *member, char **to, size_t *ret_size)
{
        PEN_CLEANUP(buffer_deinit) struct buffer text = { 0 };

        if (member->type == JSON_NULL)
                return 0;
        if (member->type != JSON_STRING)
                return -EPROTO;
        if (json_decode_string(member->source, &text) < 0)
                return -ENOMEM;
        free(*to);
        *to = buffer_take(&text, ret_size);
        return *to ? 0 : -ENOMEM;
}

static int read_text(const struct member *member, char *to, size_t size)
{
        PEN_CLEANUP(freep) char *text = NULL;
        int r = read_bytes(member, &text, NULL);

        if (r == 0 && text)
                snprintf(to, size, "%s", text);
        return r;
}

/* Of {"NAME":[…]}: the array. */
struct wanted {
        const char *name;
        struct bytes array;
};

static int take_array(void *to, const struct member *member)
{
        struct wanted *w = to;

        if (is(member, w->name) && member->type == JSON_ARRAY)
                w->array = member->source;
        return 0;
}

static int find_array(struct bytes body, const char *name, struct bytes *ret_array)
{
        struct wanted w = { .name = name };
        int r = read_object(body, take_array, &w);

        *ret_array = w.array;
        return r < 0 ? r : w.array.data ? 0 : -EPROTO;
}

/* --- queues ------------------------------------------------------------------------------------- */

static int take_state(void *to, const struct member *member)
{
        struct queue_state *s = to;
        struct {
                const char *key;
                uint64_t *to;
        } numbers[] = {
                { "ready", &s->counts.ready },
                { "delayed", &s->counts.delayed },
                { "running", &s->counts.running },
                { "dead_letters", &s->counts.dead_letters },
                { "done", &s->counts.done },
                { "dead", &s->counts.dead },
                { "expired", &s->counts.expired },
                { "cancelled", &s->counts.cancelled },
                { "duplicates", &s->counts.duplicates },
                { "conflicts", &s->counts.conflicts },
                { "buffered", &s->buffered },
        };

        for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
                if (is(member, numbers[i].key))
                        return read_number(member, numbers[i].to);
        if (is(member, "name"))
                return read_text(member, s->name, sizeof(s->name));
        if (is(member, "paused"))
                s->paused = member->type == JSON_TRUE;
        return 0;
}

int answers_read_state(struct bytes object, struct queue_state *ret_state)
{
        struct queue_state state = { .by_daemon = true };
        int r = read_object(object, take_state, &state);

        if (r == 0)
                *ret_state = state;
        return r;
}

ssize_t answers_read_states(struct bytes body, struct queue_state **ret_states)
{
        PEN_CLEANUP(freep) struct queue_state *states = NULL;
        struct bytes array, item;
        enum json_type type;
        size_t n = 0;
        int r = find_array(body, "queues", &array);

        while (r == 0 && (r = json_next_item(&array, &type, &item)) > 0) {
                struct queue_state *more = reallocarray(states, n + 1, sizeof(*more));

                if (!more)
                        return -ENOMEM;
                states = more;
                r = answers_read_state(item, &states[n++]);
        }
        if (r < 0)
                return r == -EINVAL ? -EPROTO : r;
        *ret_states = TAKE(states);
        return (ssize_t)n;
}

/* --- dead letters ------------------------------------------------------------------------------- */

struct letter {
        struct dead_letter made;
        char *id, *type, *payload;
        size_t payload_size;
        uint64_t attempts, crashes;
};

static void letter_deinit(struct letter *letter)
{
        dead_letter_deinit(&letter->made);
        free(letter->id);
        free(letter->type);
        free(letter->payload);
}

static int read_outcome(const struct member *member, enum outcome *to)
{
        char name[16] = "";
        int r = read_text(member, name, sizeof(name));

        for (enum outcome o = 0; o < OUTCOME_MAX; o++)
                if (!strcmp(name, outcome_name(o)))
                        *to = o;
        return r;
}

static int read_base64(const struct member *member, struct letter *letter)
{
        PEN_CLEANUP(buffer_deinit) struct buffer decoded = { 0 };
        PEN_CLEANUP(freep) char *text = NULL;
        size_t size = 0;
        int r = read_bytes(member, &text, &size);

        if (r == 0 && text)
                r = base64_decode(&decoded, text, size);
        if (r < 0)
                return r == -EINVAL ? -EPROTO : r;
        free(letter->payload);
        letter->payload = buffer_take(&decoded, &letter->payload_size);
        return letter->payload ? 0 : -ENOMEM;
}

static int take_letter(void *to, const struct member *member)
{
        struct letter *l = to;

        if (is(member, "place"))
                return read_text(member, l->made.place, sizeof(l->made.place));
        if (is(member, "outcome"))
                return read_outcome(member, &l->made.outcome);
        if (is(member, "failed_at"))
                return read_number(member, &l->made.failed_at);
        if (is(member, "attempts"))
                return read_number(member, &l->attempts);
        if (is(member, "crashes"))
                return read_number(member, &l->crashes);
        if (is(member, "error"))
                return read_bytes(member, &l->made.error, NULL);
        if (is(member, "daemon"))
                return read_bytes(member, &l->made.daemon, NULL);
        if (is(member, "id"))
                return read_bytes(member, &l->id, NULL);
        if (is(member, "type"))
                return read_bytes(member, &l->type, NULL);
        if (is(member, "payload"))
                return read_bytes(member, &l->payload, &l->payload_size);
        if (is(member, "payload_base64"))
                return read_base64(member, l);
        return 0;
}

static int read_letter(struct bytes object, struct dead_letter *ret_letter)
{
        PEN_CLEANUP(letter_deinit) struct letter l = { .made.outcome = OUTCOME_FAILED };
        int r = read_object(object, take_letter, &l);

        if (r < 0)
                return r;
        r = job_create(
                &(struct job_fields){
                        .id = l.id,
                        .type = l.type,
                        .payload = { l.payload, l.payload_size },
                },
                &l.made.job);
        if (r < 0)
                return r;
        l.made.job->attempts = (unsigned)l.attempts;
        l.made.job->crashes = (unsigned)l.crashes;
        *ret_letter = l.made;
        l.made = (struct dead_letter){ 0 };
        return 0;
}

ssize_t answers_read_letters(struct bytes body, struct dead_letter *ret_letters, size_t max)
{
        struct bytes array, item;
        enum json_type type;
        size_t n = 0;
        int r = find_array(body, "letters", &array);

        while (r == 0 && n < max && (r = json_next_item(&array, &type, &item)) > 0) {
                r = read_letter(item, &ret_letters[n]);
                n += r == 0;
        }
        if (r == 0)
                return (ssize_t)n;
        while (n > 0)
                dead_letter_deinit(&ret_letters[--n]);
        return r == -EINVAL ? -EPROTO : r;
}

struct retry_counts {
        uint64_t retried, kept;
};

static int take_count(void *to, const struct member *member)
{
        struct retry_counts *c = to;

        if (is(member, "retried"))
                return read_number(member, &c->retried);
        if (is(member, "kept"))
                return read_number(member, &c->kept);
        return 0;
}

int answers_read_retry(struct bytes body, uint64_t *ret_retried, uint64_t *ret_kept)
{
        struct retry_counts counts = { 0 };
        int r = read_object(body, take_count, &counts);

        if (r < 0)
                return r;
        *ret_retried = counts.retried;
        *ret_kept = counts.kept;
        return 0;
}

/* --- pushes ------------------------------------------------------------------------------------- */

struct push_words {
        char status[16], id[129];
        char *error;
};

static int take_push(void *to, const struct member *member)
{
        struct push_words *w = to;

        if (is(member, "status"))
                return read_text(member, w->status, sizeof(w->status));
        if (is(member, "id"))
                return read_text(member, w->id, sizeof(w->id));
        if (is(member, "error"))
                return read_bytes(member, &w->error, NULL);
        return 0;
}

/* A status that is none of these refuses the job for what it is. */
static const struct {
        const char *name;
        enum push_result result;
} statuses[] = {
        { "stored", PUSH_STORED }, { "exists", PUSH_EXISTS }, { "conflict", PUSH_CONFLICT },
        { "full", PUSH_FULL },     { "too_many", PUSH_FULL }, { "unavailable", PUSH_PENDING },
};

static int judge_push(struct push_words *words, struct push_answer *answer)
{
        for (size_t i = 0; i < ARRAY_SIZE(statuses); i++)
                if (!strcmp(words->status, statuses[i].name)) {
                        answer->result = statuses[i].result;
                        answer->unavailable = statuses[i].result == PUSH_PENDING;
                        return 0;
                }
        if (!words->error && words->status[0])
                words->error = strdup(words->status);
        answer->refusal = TAKE(words->error);
        return answer->refusal ? 0 : -EPROTO;
}

int answers_read_push(struct bytes line, struct push_answer *ret_answer)
{
        struct push_answer answer = { .result = PUSH_PENDING };
        struct push_words words = { .error = NULL };
        int r = read_object(line, take_push, &words);

        if (r == 0)
                r = judge_push(&words, &answer);
        if (r == 0) {
                memcpy(answer.id, words.id, sizeof(words.id));
                *ret_answer = answer;
        }
        free(words.error);
        return r;
}

/* --- problems ----------------------------------------------------------------------------------- */

struct problem {
        char *detail, *title;
};

static int take_problem(void *to, const struct member *member)
{
        struct problem *p = to;

        if (is(member, "detail"))
                return read_bytes(member, &p->detail, NULL);
        if (is(member, "title"))
                return read_bytes(member, &p->title, NULL);
        return 0;
}

void answers_read_problem(struct bytes body, char *to, size_t size)
{
        struct problem p = { 0 };

        if (read_object(body, take_problem, &p) < 0 || (!p.detail && !p.title))
                *to = '\0';
        else
                snprintf(to, size, "%s", p.detail ? p.detail : p.title);
        free(p.detail);
        free(p.title);
}

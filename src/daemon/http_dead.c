/* Dead letters: what became of jobs that nobody could run, and their second chance. */
#include <daemon/http_call.h>

#include <errno.h>
#include <string.h>

#include <base/parse.h>
#include <penstock/loop.h>

#define LETTERS_AT_ONCE 8 /* their payloads are in memory together */
#define PLACE_SIZE sizeof(((struct dead_letter *)0)->place)
#define LIMIT_DEFAULT 100
#define LIMIT_MAX 1000
#define ANSWER_MAX ((size_t)16 << 20) /* begun letters are written to their end */
#define RETRY_BODY_MAX ((size_t)4096)
#define REASONS_MAX 100

static void deinit_letters(struct dead_letter *letters, ssize_t n)
{
        for (ssize_t i = 0; i < n; i++)
                dead_letter_deinit(&letters[i]);
}

/* --- reading ------------------------------------------------------------------------------------ */

/* `,"name":"value"`; nothing for NULL. */
static int write_member(struct buffer *to, const char *name, const char *value)
{
        int r;

        if (!value)
                return 0;
        r = buffer_printf(to, ",\"%s\":", name);
        return r < 0 ? r : json_write_string(to, value, strlen(value));
}

static int write_payload(struct buffer *to, struct bytes payload)
{
        int r;

        if (json_is_utf8(payload.data, payload.size)) {
                r = buffer_printf(to, ",\"payload\":");
                return r < 0 ? r : json_write_string(to, payload.data, payload.size);
        }
        r = buffer_printf(to, ",\"payload_base64\":\"");
        if (r == 0)
                r = base64_encode(to, payload.data, payload.size);
        return r < 0 ? r : buffer_append(to, "\"", 1);
}

static int write_letter(struct buffer *to, const struct dead_letter *letter)
{
        const struct job *job = letter->job;
        int r;

        r = buffer_printf(to,
                          "{\"outcome\":\"%s\",\"attempts\":%u,\"crashes\":%u,\"failed_at\":%llu",
                          outcome_name(letter->outcome), job->attempts, job->crashes,
                          (unsigned long long)letter->failed_at);
        if (r == 0)
                r = write_member(to, "place", letter->place);
        if (r == 0)
                r = write_member(to, "id", job->fields.id);
        if (r == 0)
                r = write_member(to, "type", job->fields.type);
        if (r == 0)
                r = write_member(to, "error", letter->error);
        if (r == 0)
                r = write_member(to, "daemon", letter->daemon);
        if (r == 0)
                r = write_payload(to, job->fields.payload);
        return r < 0 ? r : buffer_append(to, "}", 1);
}

struct listing {
        struct store_queue *store;
        struct buffer *body;
        char after[PLACE_SIZE];
        size_t n, limit;
};

/* Answers how many there were. */
static ssize_t write_some(struct listing *l)
{
        struct dead_letter letters[LETTERS_AT_ONCE];
        ssize_t n = store_dead_list(l->store, l->after, letters,
                                    MIN(l->limit - l->n, (size_t)LETTERS_AT_ONCE));
        int r = 0;

        for (ssize_t i = 0; i < n && r == 0; i++) {
                if (l->n++ > 0)
                        r = buffer_append(l->body, ",", 1);
                if (r == 0)
                        r = write_letter(l->body, &letters[i]);
                memcpy(l->after, letters[i].place, sizeof(l->after));
        }
        deinit_letters(letters, n);
        return r < 0 ? r : n;
}

/* Where a further call goes on: `"next":"…"`, or null. */
static int write_next(struct buffer *to, const char *place)
{
        return place ? buffer_printf(to, "\"next\":\"%s\"}\n", place)
                     : buffer_printf(to, "\"next\":null}\n");
}

static bool read_limit(struct api_call *call, size_t *limit)
{
        char text[24];
        uint64_t value;
        int r = http_argument(call, "limit", text, sizeof(text));

        if (r == -ENOENT)
                return true;
        if (r == 0)
                r = parse_u64(text, &value);
        if (r == 0 && value >= 1 && value <= LIMIT_MAX) {
                *limit = (size_t)value;
                return true;
        }
        http_problem(call, 400, "?limit= is a number from 1 to %d", LIMIT_MAX);
        return false;
}

static int no_place(struct api_call *call)
{
        return http_problem(call, 400,
                            "that is no place of a dead letter; an answer's \"next\" is");
}

int http_list_dead(struct api_call *call)
{
        struct listing l = { .body = &call->reply->body, .limit = LIMIT_DEFAULT };
        struct api_queue queue;
        ssize_t n;
        int r;

        if (!http_queue(call, &queue) || !read_limit(call, &l.limit))
                return 0;
        r = http_argument(call, "after", l.after, sizeof(l.after));
        if (r == -EINVAL)
                return no_place(call);
        l.store = queue.store;
        call->reply->status = 200;
        r = buffer_printf(l.body, "{\"letters\":[");
        if (r < 0)
                return r;
        do {
                n = write_some(&l);
                if (n == -EINVAL)
                        return no_place(call);
                if (n < 0)
                        return (int)n;
        } while (n > 0 && l.n < l.limit && buffer_size(l.body) < ANSWER_MAX);
        r = buffer_append(l.body, "],", 2);
        return r < 0 ? r : write_next(l.body, n > 0 ? l.after : NULL);
}

/* --- retrying ----------------------------------------------------------------------------------- */

struct retry {
        struct store_queue *store;
        bool all;
        char place[PLACE_SIZE]; /* the one, or after which to begin */
        uint64_t retried, kept;
        struct buffer reasons;
};

static void retry_deinit(struct retry *retry)
{
        buffer_deinit(&retry->reasons);
}

static int keep(struct retry *retry, const char *place, const char *id)
{
        int r = 0;

        if (retry->kept++ >= REASONS_MAX)
                return 0;
        if (buffer_size(&retry->reasons) > 0)
                r = buffer_append(&retry->reasons, ",", 1);
        if (r == 0)
                r = buffer_printf(&retry->reasons,
                                  "{\"reason\":\"a live job has its id\",\"place\":\"%s\"", place);
        if (r == 0)
                r = write_member(&retry->reasons, "id", id);
        return r < 0 ? r : buffer_append(&retry->reasons, "}", 1);
}

/* -ENOENT: somebody else was faster. */
static int retry_one(struct retry *retry, const char *place, const char *id)
{
        int r = store_dead_retry(retry->store, place);

        if (r == -EEXIST)
                return keep(retry, place, id);
        if (r == 0)
                retry->retried++;
        return r;
}

static ssize_t retry_some(struct retry *retry, uint64_t max)
{
        struct dead_letter letters[LETTERS_AT_ONCE];
        ssize_t n = store_dead_list(retry->store, retry->place, letters,
                                    (size_t)MIN(max, (uint64_t)LETTERS_AT_ONCE));
        int r = 0;

        for (ssize_t i = 0; i < n && r == 0; i++) {
                r = retry_one(retry, letters[i].place, letters[i].job->fields.id);
                if (r == -ENOENT)
                        r = 0;
                if (r == 0)
                        memcpy(retry->place, letters[i].place, sizeof(retry->place));
        }
        deinit_letters(letters, n);
        return r < 0 ? r : n;
}

/* As many as there are now: a job that dies again at once comes back behind them. Answers 1 if the time is over
 * before that; the next call goes on. */
static int retry_all(struct retry *retry, pen_usec usec)
{
        pen_usec until = pen_now() + usec;
        struct store_counts counts;
        int r = store_count(retry->store, &counts);

        if (r < 0)
                return r;
        for (uint64_t left = counts.dead_letters; left > 0;) {
                ssize_t n = retry_some(retry, left);

                if (n <= 0)
                        return (int)n;
                left -= (uint64_t)n;
                if (left > 0 && pen_now() >= until)
                        return 1;
        }
        return 0;
}

static int copy_place(struct bytes source, struct buffer *scratch, struct retry *retry)
{
        size_t before = buffer_size(scratch);
        int r = json_decode_string(source, scratch);

        if (r < 0)
                return r;
        if (buffer_size(scratch) - before >= sizeof(retry->place))
                return -EINVAL;
        memcpy(retry->place, buffer_data(scratch) + before, buffer_size(scratch) - before);
        return 0;
}

/* `{"place":"…"}`, or `{"all":true}`, which may have an `"after":"…"`. */
static int read_retry(struct buffer *body, struct buffer *scratch, struct retry *retry)
{
        struct json_members members = { .object = { buffer_data(body), buffer_size(body) } };
        bool place = false, after = false;
        struct json_error error;
        struct bytes key, value;
        enum json_type type;
        int r;

        while ((r = json_next_member(&members, scratch, &key, &type, &value, &error)) > 0) {
                if (strcmp(key.data, "all") == 0 && type == JSON_TRUE)
                        retry->all = true;
                else if (strcmp(key.data, "place") == 0 && type == JSON_STRING)
                        place = true;
                else if (strcmp(key.data, "after") == 0 && type == JSON_STRING)
                        after = true;
                else
                        return -EINVAL;
                if (type == JSON_STRING) {
                        r = copy_place(value, scratch, retry);
                        if (r < 0)
                                return r;
                }
        }
        return r < 0 ? r : place == retry->all || (after && !retry->all) ? -EINVAL : 0;
}

static int say_retried(struct api_call *call, const struct retry *retry, bool more)
{
        struct buffer *body = &call->reply->body;
        int r;

        call->reply->status = 200;
        r = buffer_printf(body, "{\"retried\":%llu,\"kept\":%llu,\"reasons\":[",
                          (unsigned long long)retry->retried, (unsigned long long)retry->kept);
        if (r == 0)
                r = buffer_append(body, buffer_data(&retry->reasons), buffer_size(&retry->reasons));
        if (r == 0)
                r = buffer_append(body, "],", 2);
        return r < 0 ? r : write_next(body, more ? retry->place : NULL);
}

static int retry_letters(struct api_call *call, struct retry *retry)
{
        int r = retry->all ? retry_all(retry, call->options->request_timeout / 2)
                           : retry_one(retry, retry->place, NULL);

        if (r == -EINVAL)
                return no_place(call);
        if (r == -ENOENT)
                return http_problem(call, 404, "there is no dead letter at that place (any more)");
        return r < 0 ? r : say_retried(call, retry, r > 0);
}

int http_retry_dead(struct api_call *call)
{
        PEN_CLEANUP(buffer_deinit) struct buffer body = { 0 };
        PEN_CLEANUP(buffer_deinit) struct buffer scratch = { 0 };
        PEN_CLEANUP(retry_deinit) struct retry retry = { 0 };
        struct api_queue queue;
        int r;

        if (!http_is_type(call, "application/json"))
                return http_problem(call, 415,
                                    "the body is application/json: say so in Content-Type");
        if (!http_queue(call, &queue))
                return 0;
        r = http_read_all(call, RETRY_BODY_MAX, &body);
        if (r == -EMSGSIZE)
                return http_problem(call, 413, "the body has at most %zu bytes", RETRY_BODY_MAX);
        if (r == 0)
                r = read_retry(&body, &scratch, &retry);
        if (r == -EINVAL)
                return http_problem(call, 400,
                                    "send {\"place\":\"…\"}, or {\"all\":true}, which may have an "
                                    "\"after\":\"…\"");
        /* Reading has suspended. */
        if (r < 0 || !http_queue(call, &queue))
                return r;
        retry.store = queue.store;
        return retry_letters(call, &retry);
}

/* A table of the contract's fields and a function for each that is carried out. */
#include <job/json.h>

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include <base/nearest.h>
#include <base/parse.h>

struct reading {
        struct buffer *scratch;
        struct job_fields *job;
        struct job_meta *meta; /* room for JOB_META_MAX, in the scratch */
        struct json_error *error;

        /* The member that is being read. */
        const char *name;
        enum json_type type;
        struct bytes source;
        size_t offset; /* in the text, where an error points */
};

static __attribute__((format(printf, 2, 3))) int refuse(struct reading *in, const char *format, ...)
{
        struct json_error *e = in->error;
        char source[48];
        va_list args;
        int n;

        e->offset = in->offset;
        json_excerpt(source, sizeof(source), in->source);
        n = snprintf(e->text, sizeof(e->text), "%s: %s ", in->name, source);
        va_start(args, format);
        vsnprintf(e->text + n, sizeof(e->text) - n, format, args);
        va_end(args);
        return -EINVAL;
}

/* The text that the member's source stands for. The scratch has room: it does not move. */
static int read_text(struct reading *in, const char **ret)
{
        size_t start = buffer_size(in->scratch), size;
        const char *text;
        int r;

        if (in->type == JSON_STRING)
                r = json_decode_string(in->source, in->scratch);
        else
                r = buffer_append(in->scratch, in->source.data, in->source.size);
        if (r < 0)
                return r;
        size = buffer_size(in->scratch) - start;
        r = buffer_append(in->scratch, "", 1);
        if (r < 0)
                return r;
        text = buffer_data(in->scratch) + start;
        if (strlen(text) != size)
                return refuse(in, "contains NUL, which only a payload may");
        *ret = text;
        return 0;
}

static int read_string(struct reading *in, const char **ret)
{
        if (in->type != JSON_STRING)
                return refuse(in, "is not a string");
        return read_text(in, ret);
}

static int read_id(struct reading *in)
{
        const char *text;
        int r = read_string(in, &text);

        if (r < 0)
                return r;
        if (!parse_is_id(text, strlen(text)))
                return refuse(in, "is not an id: 1 to 128 of A-Z a-z 0-9 _ . : -");
        in->job->id = text;
        return 0;
}

static int read_type(struct reading *in)
{
        const char *text;
        int r = read_string(in, &text);

        if (r < 0)
                return r;
        if (!parse_is_name(text, strlen(text)))
                return refuse(in, "is not a name: 1 to 64 of A-Z a-z 0-9 _ . -");
        in->job->type = text;
        return 0;
}

/* The bytes of a string: from the text itself, unless an escape forbids that. */
static int read_bytes(struct reading *in, struct bytes *ret)
{
        struct bytes inner = { in->source.data + 1, in->source.size - 2 };
        size_t start = buffer_size(in->scratch);
        int r;

        if (memchr(inner.data, '\\', inner.size)) {
                r = json_decode_string(in->source, in->scratch);
                if (r < 0)
                        return r;
                inner.data = buffer_data(in->scratch) + start;
                inner.size = buffer_size(in->scratch) - start;
        }
        *ret = inner;
        return 0;
}

static int read_payload(struct reading *in)
{
        if (in->type == JSON_STRING)
                return read_bytes(in, &in->job->payload);
        in->job->payload = in->source;
        return 0;
}

static int read_payload_base64(struct reading *in)
{
        struct bytes encoded;
        size_t start;
        int r;

        if (in->type != JSON_STRING)
                return refuse(in, "is not a string");
        r = read_bytes(in, &encoded);
        if (r < 0)
                return r;
        start = buffer_size(in->scratch);
        r = base64_decode(in->scratch, encoded.data, encoded.size);
        if (r == -EINVAL)
                return refuse(in, "is not base64 as in RFC 4648, section 4, with padding");
        if (r < 0)
                return r;
        in->job->payload.data = buffer_data(in->scratch) + start;
        in->job->payload.size = buffer_size(in->scratch) - start;
        return 0;
}

static int read_time(struct reading *in, uint64_t *ret)
{
        const char *text;
        int r = read_text(in, &text);

        if (r < 0)
                return r;
        r = parse_time(text, ret);
        if (r == -ERANGE)
                return refuse(in, "is out of range");
        return r < 0 ? refuse(in, "is not a time: %s", parse_time_form) : 0;
}

static int read_duration(struct reading *in, pen_usec *ret)
{
        const char *text;
        int r = read_text(in, &text);

        if (r < 0)
                return r;
        r = parse_duration(text, ret);
        if (r == -ERANGE)
                return refuse(in, "is out of range");
        return r < 0 ? refuse(in, "is not %s", parse_duration_form) : 0;
}

static int read_run_at(struct reading *in)
{
        return read_time(in, &in->job->run_at);
}

static int read_delay(struct reading *in)
{
        int r = read_duration(in, &in->job->delay);

        if (r < 0)
                return r;
        if (in->job->delay > JOB_DELAY_MAX)
                return refuse(in, "is more than %ud", (unsigned)(JOB_DELAY_MAX / PEN_DAY));
        return 0;
}

static int read_timeout(struct reading *in)
{
        int r = read_duration(in, &in->job->timeout);

        if (r < 0)
                return r;
        if (in->job->timeout == 0)
                return refuse(in, "is not allowed: leave it out to have the queue's");
        return 0;
}

static int read_expires_at(struct reading *in)
{
        int r = read_time(in, &in->job->expires_at);

        if (r < 0)
                return r;
        if (in->job->expires_at == 0)
                return refuse(in, "is not allowed: leave it out for never");
        return 0;
}

/* A number of digits alone: not "3", 3.0 or 3e0. */
static int read_whole(struct reading *in, unsigned *ret)
{
        const char *text;
        uint64_t value;
        int r = read_text(in, &text);

        if (r < 0)
                return r;
        if (in->type != JSON_NUMBER || parse_u64(text, &value) < 0 || value < 1 || value > UINT_MAX)
                return refuse(in, "is not a whole number from 1 to %u", UINT_MAX);
        *ret = (unsigned)value;
        return 0;
}

static int read_max_attempts(struct reading *in)
{
        return read_whole(in, &in->job->max_attempts);
}

static int read_version(struct reading *in)
{
        unsigned version = 0;
        int r = read_whole(in, &version);

        if (r < 0)
                return r;
        if (version > JOB_VERSION)
                return refuse(in, "is newer than this program, which knows %d", JOB_VERSION);
        return 0;
}

static int read_traceparent(struct reading *in)
{
        const char *text;
        int r = read_string(in, &text);

        if (r < 0)
                return r;
        if (!job_is_traceparent(text))
                return refuse(in, "is not W3C trace context, like 00-TRACE-PARENT-01 with 32 and "
                                  "16 small hexadecimal digits, not all 0");
        in->job->traceparent = text;
        return 0;
}

static int read_meta(struct reading *in)
{
        struct reading member = *in;
        struct json_members members = { .object = in->source };
        size_t size = 0, n = 0;
        struct bytes key;
        int r;

        if (in->type != JSON_OBJECT)
                return refuse(in, "is not an object of strings");
        while ((r = json_next_member(&members, in->scratch, &key, &member.type, &member.source,
                                     in->error)) > 0) {
                member.offset = in->offset + members.key_offset;
                if (!parse_is_name(key.data, key.size)) {
                        member.source = key;
                        return refuse(&member, "is not a name: 1 to 64 of A-Z a-z 0-9 _ . -");
                }
                if (n == JOB_META_MAX)
                        return refuse(in, "has more than %d members", JOB_META_MAX);
                in->meta[n].name = key.data;
                r = read_string(&member, &in->meta[n].value);
                if (r < 0)
                        return r;
                size += key.size + strlen(in->meta[n++].value);
        }
        if (r < 0) {
                in->error->offset += in->offset;
                return r;
        }
        if (size > JOB_META_BYTES_MAX)
                return refuse(in, "has more than %d bytes of names and values", JOB_META_BYTES_MAX);
        in->job->meta = in->meta;
        in->job->n_meta = n;
        return 0;
}

static int read_not_yet(struct reading *in)
{
        return refuse(in, "is for a field that this version does not carry out yet");
}

#define BIT(field) (1u << (field))

enum {
        PAYLOAD,
        ID,
        TYPE,
        PAYLOAD_BASE64,
        RUN_AT,
        DELAY,
        TIMEOUT,
        EXPIRES_AT,
        MAX_ATTEMPTS,
        TRACEPARENT,
        META,
        VERSION,
        UNIQUE,
        KEEP,
        GROUP,
        AFTER_GROUP,
        THEN,
};

static const struct field {
        const char *name;
        int (*read)(struct reading *in);
        unsigned excludes;
} fields[] = {
        [PAYLOAD] = { "payload", read_payload, BIT(PAYLOAD_BASE64) },
        [ID] = { "id", read_id, 0 },
        [TYPE] = { "type", read_type, 0 },
        [PAYLOAD_BASE64] = { "payload_base64", read_payload_base64, BIT(PAYLOAD) },
        [RUN_AT] = { "run_at", read_run_at, BIT(DELAY) },
        [DELAY] = { "delay", read_delay, BIT(RUN_AT) },
        [TIMEOUT] = { "timeout", read_timeout, 0 },
        [EXPIRES_AT] = { "expires_at", read_expires_at, 0 },
        [MAX_ATTEMPTS] = { "max_attempts", read_max_attempts, 0 },
        [TRACEPARENT] = { "traceparent", read_traceparent, 0 },
        [META] = { "meta", read_meta, 0 },
        [VERSION] = { "v", read_version, 0 },
        [UNIQUE] = { "unique", read_not_yet, 0 },
        [KEEP] = { "keep", read_not_yet, 0 },
        [GROUP] = { "group", read_not_yet, 0 },
        [AFTER_GROUP] = { "after_group", read_not_yet, 0 },
        [THEN] = { "then", read_not_yet, 0 },
};

static int refuse_unknown(struct json_error *error, size_t offset, struct bytes key)
{
        struct nearest nearest = { .word = key.data, .size = key.size };
        char name[80];

        for (const struct field *f = fields; f < fields + ARRAY_SIZE(fields); f++)
                nearest_try(&nearest, f->name);
        error->offset = offset;
        json_excerpt(name, sizeof(name), key);
        snprintf(error->text, sizeof(error->text), "no field is called \"%s\"; the nearest is %s",
                 name, nearest.name);
        return -EINVAL;
}

static int read_member(struct reading *in, struct bytes key, size_t key_offset, unsigned *seen)
{
        const struct field *f = fields;
        unsigned excluded;

        while (f < fields + ARRAY_SIZE(fields) && strcmp(f->name, key.data))
                f++;
        if (f == fields + ARRAY_SIZE(fields))
                return refuse_unknown(in->error, key_offset, key);
        in->name = f->name;
        excluded = *seen & f->excludes;
        if (excluded)
                return refuse(in, "must not stand beside %s", fields[__builtin_ctz(excluded)].name);
        *seen |= BIT(f - fields);
        return f->read(in);
}

int json_to_job(const char *text, size_t size, struct buffer *scratch, struct job_fields *ret,
                struct json_error *error)
{
        struct json_members members = { .object = { text, size } };
        struct job_fields job = { 0 };
        struct reading in = { .scratch = scratch, .job = &job, .error = error };
        unsigned seen = 0;
        struct bytes key;
        char *room;
        int r;

        /* From here on nothing in the scratch may move. Decoded text is shorter than its source,
         * and base64 with escapes is decoded twice. The meta comes first, for its alignment. */
        buffer_clear(scratch);
        r = buffer_reserve(scratch, JOB_META_MAX * sizeof(*in.meta) + 2 * size, &room);
        if (r < 0)
                return r;
        in.meta = (struct job_meta *)room;
        buffer_added(scratch, JOB_META_MAX * sizeof(*in.meta));

        while ((r = json_next_member(&members, scratch, &key, &in.type, &in.source, error)) > 0) {
                in.offset = (size_t)(in.source.data - text);
                r = read_member(&in, key, members.key_offset, &seen);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;
        *ret = job;
        return 0;
}

#include <store/redis/entry.h>

#include <errno.h>
#include <inttypes.h>
#include <limits.h>

#include <base/parse.h>
#include <job/json.h>

/* --- reading ------------------------------------------------------------------------------------ */

static int parse_digits(const char **i, const char *end, uint64_t *ret)
{
        uint64_t value = 0;
        const char *start = *i;

        for (; *i < end && **i >= '0' && **i <= '9'; (*i)++) {
                uint64_t digit = (uint64_t)(**i - '0');

                if (value > (UINT64_MAX - digit) / 10)
                        return -EINVAL;
                value = value * 10 + digit;
        }
        *ret = value;
        return *i > start ? 0 : -EINVAL;
}

int entry_parse_id(const struct reply *reply, uint64_t *ret_ms, uint64_t *ret_seq)
{
        const char *i = reply->data, *end = i + reply->n;

        if (reply->type != REPLY_STRING || parse_digits(&i, end, ret_ms) < 0 || i == end ||
            *i++ != '-' || parse_digits(&i, end, ret_seq) < 0 || i != end)
                return -EINVAL;
        return 0;
}

/* What a field's value must be read with: strings end with NUL in an answer, so one that contains NUL is longer. */
static bool is_text(const struct reply *value)
{
        return strlen(value->data) == value->n;
}

static int refuse(struct entry *e, const char *name, const struct reply *value, const char *allowed)
{
        char found[64];

        json_excerpt(found, sizeof(found), (struct bytes){ value->data, value->n });
        snprintf(e->error, sizeof(e->error), "%s: found `%s`, allowed is %s", name, found, allowed);
        return -EINVAL;
}

static int read_id(struct entry *e, const char *name, const struct reply *value)
{
        if (!parse_is_id(value->data, value->n))
                return refuse(e, name, value, "[A-Za-z0-9_.:-]{1,128}");
        e->fields.id = value->data;
        return 0;
}

static int read_type(struct entry *e, const char *name, const struct reply *value)
{
        if (!parse_is_name(value->data, value->n))
                return refuse(e, name, value, "[A-Za-z0-9_.-]{1,64}");
        e->fields.type = value->data;
        return 0;
}

static int read_payload(struct entry *e, const char *name, const struct reply *value)
{
        (void)name;
        e->fields.payload = (struct bytes){ value->data, value->n };
        return 0;
}

static int read_time(struct entry *e, const char *name, const struct reply *value, uint64_t *ret)
{
        if (!is_text(value) || parse_time(value->data, ret) < 0)
                return refuse(e, name, value, parse_time_form);
        return 0;
}

static int read_run_at(struct entry *e, const char *name, const struct reply *value)
{
        return read_time(e, name, value, &e->fields.run_at);
}

static int read_expires_at(struct entry *e, const char *name, const struct reply *value)
{
        return read_time(e, name, value, &e->fields.expires_at);
}

static int read_duration(struct entry *e, const char *name, const struct reply *value,
                         pen_usec *ret)
{
        if (!is_text(value) || parse_duration(value->data, ret) < 0)
                return refuse(e, name, value, parse_duration_form);
        return 0;
}

static int read_delay(struct entry *e, const char *name, const struct reply *value)
{
        return read_duration(e, name, value, &e->fields.delay);
}

static int read_timeout(struct entry *e, const char *name, const struct reply *value)
{
        int r = read_duration(e, name, value, &e->fields.timeout);

        return r == 0 && e->fields.timeout == 0 ? refuse(e, name, value, "more than 0") : r;
}

static int read_max_attempts(struct entry *e, const char *name, const struct reply *value)
{
        uint64_t n;

        if (!is_text(value) || parse_u64(value->data, &n) < 0 || n == 0 || n > UINT_MAX)
                return refuse(e, name, value, "a whole number from 1");
        e->fields.max_attempts = (unsigned)n;
        return 0;
}

static int read_traceparent(struct entry *e, const char *name, const struct reply *value)
{
        if (!is_text(value) || !job_is_traceparent(value->data))
                return refuse(e, name, value, "a W3C trace context like 00-32HEX-16HEX-01");
        e->fields.traceparent = value->data;
        return 0;
}

static int read_version(struct entry *e, const char *name, const struct reply *value)
{
        if (!is_text(value) || parse_u64(value->data, &e->version) < 0 || e->version == 0)
                return refuse(e, name, value, "a whole number from 1");
        return 0;
}

static int refuse_for_now(struct entry *e, const char *name, const struct reply *value)
{
        (void)value;
        snprintf(e->error, sizeof(e->error), "%s: not carried out yet by this version", name);
        return -EINVAL;
}

static const struct field {
        const char *name;
        int (*read)(struct entry *e, const char *name, const struct reply *value);
} known_fields[] = {
        { "payload", read_payload },
        { "id", read_id },
        { "type", read_type },
        { "run_at", read_run_at },
        { "delay", read_delay },
        { "timeout", read_timeout },
        { "expires_at", read_expires_at },
        { "max_attempts", read_max_attempts },
        { "traceparent", read_traceparent },
        { "v", read_version },
        { "unique", refuse_for_now },
        { "keep", refuse_for_now },
        { "group", refuse_for_now },
        { "after_group", refuse_for_now },
        { "then", refuse_for_now },
};

static int read_meta(struct entry *e, const char *name, const struct reply *value)
{
        size_t bytes = strlen(name) + value->n;

        if (!parse_is_name(name, strlen(name)) || !is_text(value))
                return refuse(e, "meta", value, "NAME=text without NUL, NAME [A-Za-z0-9_.-]{1,64}");
        for (size_t i = 0; i < e->fields.n_meta; i++)
                bytes += strlen(e->meta[i].name) + strlen(e->meta[i].value);
        if (e->fields.n_meta == JOB_META_MAX || bytes > JOB_META_BYTES_MAX)
                return refuse(e, "meta", value, "16 strings, 4KiB in all");
        e->meta[e->fields.n_meta++] = (struct job_meta){ name, value->data };
        return 0;
}

static int read_unknown(struct entry *e, const struct reply *name)
{
        char found[64];

        json_excerpt(found, sizeof(found), (struct bytes){ name->data, name->n });
        snprintf(e->error, sizeof(e->error),
                 "unknown field `%s`; known are payload id type delay run_at timeout expires_at "
                 "max_attempts traceparent meta.NAME v",
                 found);
        return -EINVAL;
}

static int read_field(struct entry *e, const struct reply *name, const struct reply *value,
                      unsigned *seen)
{
        if (!is_text(name))
                return read_unknown(e, name);
        if (!strncmp(name->data, "meta.", 5))
                return read_meta(e, name->data + 5, value);
        for (unsigned i = 0; i < ARRAY_SIZE(known_fields); i++) {
                if (strcmp(name->data, known_fields[i].name) != 0)
                        continue;
                if (*seen & 1u << i) {
                        snprintf(e->error, sizeof(e->error), "%s: is there twice", name->data);
                        return -EINVAL;
                }
                *seen |= 1u << i;
                return known_fields[i].read(e, name->data, value);
        }
        return read_unknown(e, name);
}

static int read_version_first(struct entry *e, const struct reply *fields)
{
        for (size_t i = 0; i + 1 < fields->n; i += 2)
                if (fields->items[i].n == 1 && fields->items[i].data[0] == 'v')
                        return read_version(e, "v", &fields->items[i + 1]);
        return 0;
}

int entry_parse(const struct reply *id, const struct reply *fields, size_t payload_max,
                struct entry *e)
{
        unsigned seen = 0;
        int r;

        e->fields = (struct job_fields){ .meta = e->meta };
        e->version = JOB_VERSION;
        e->error[0] = '\0';
        if (entry_parse_id(id, &e->ms, &e->seq) < 0 || fields->type != REPLY_ARRAY)
                return -EPROTO;
        if (fields->n > 2 * ENTRY_READ_MAX) {
                snprintf(e->error, sizeof(e->error), "found %zu fields, allowed are %d",
                         fields->n / 2, ENTRY_READ_MAX);
                return -EINVAL;
        }
        r = read_version_first(e, fields);
        if (r < 0)
                return r;
        if (e->version > JOB_VERSION)
                return -EPROTONOSUPPORT;
        for (size_t i = 0; i + 1 < fields->n; i += 2) {
                r = read_field(e, &fields->items[i], &fields->items[i + 1], &seen);
                if (r < 0)
                        return r;
        }
        if (payload_max > 0 && e->fields.payload.size > payload_max) {
                snprintf(e->error, sizeof(e->error),
                         "payload: found %zu bytes, allowed are %zu (limits.payload)",
                         e->fields.payload.size, payload_max);
                return -EINVAL;
        }
        if (e->fields.run_at > 0 && e->fields.delay > 0) {
                snprintf(e->error, sizeof(e->error), "run_at and delay: only one of them");
                return -EINVAL;
        }
        return 0;
}

/* --- writing ------------------------------------------------------------------------------------ */

static void append_number(struct command *c, const char *name, uint64_t value, const char *unit)
{
        struct redis_arg *arg;

        if (value == 0)
                return;
        command_string(c, name);
        command_number(c, value);
        arg = &c->args[c->n - 1];
        memcpy(c->text + c->used, unit, strlen(unit));
        c->used += strlen(unit);
        arg->size += strlen(unit);
}

static void append_string(struct command *c, const char *name, const char *value)
{
        if (!value)
                return;
        command_string(c, name);
        command_string(c, value);
}

void entry_append(struct command *c, const struct job_fields *f, char (*meta_names)[80])
{
        append_string(c, "id", f->id);
        append_string(c, "type", f->type);
        append_number(c, "run_at", f->run_at, "");
        append_number(c, "delay", (f->delay + PEN_MSEC - 1) / PEN_MSEC, "ms");
        append_number(c, "timeout", (f->timeout + PEN_MSEC - 1) / PEN_MSEC, "ms");
        append_number(c, "expires_at", f->expires_at, "");
        append_number(c, "max_attempts", f->max_attempts, "");
        append_string(c, "traceparent", f->traceparent);
        for (size_t i = 0; i < f->n_meta; i++) {
                snprintf(meta_names[i], sizeof(meta_names[i]), "meta.%s", f->meta[i].name);
                append_string(c, meta_names[i], f->meta[i].value);
        }
        command_add(c, "payload", 7);
        command_add(c, f->payload.size > 0 ? f->payload.data : "", f->payload.size);
}

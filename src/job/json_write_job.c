/* A job as JSON. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include <job/json.h>

static int write_text(struct buffer *to, const char *name, const char *value)
{
        int r;

        if (!value)
                return 0;
        r = buffer_printf(to, ",\"%s\":", name);
        return r < 0 ? r : json_write_string(to, value, strlen(value));
}

static int write_number(struct buffer *to, const char *name, uint64_t value)
{
        return value > 0 ? buffer_printf(to, ",\"%s\":%" PRIu64, name, value) : 0;
}

static int write_duration(struct buffer *to, const char *name, pen_usec value)
{
        return value > 0 ? buffer_printf(to, ",\"%s\":\"%" PRIu64 "ms\"", name, value / PEN_MSEC)
                         : 0;
}

int json_write_payload(struct buffer *to, struct bytes payload)
{
        int r;

        if (json_is_utf8(payload.data, payload.size)) {
                r = buffer_printf(to, "\"payload\":");
                return r < 0 ? r : json_write_string(to, payload.data, payload.size);
        }
        r = buffer_printf(to, "\"payload_base64\":\"");
        if (r == 0)
                r = base64_encode(to, payload.data, payload.size);
        return r < 0 ? r : buffer_append(to, "\"", 1);
}

static int write_meta(struct buffer *to, const struct job_fields *f)
{
        int r = 0;

        for (size_t i = 0; i < f->n_meta && r == 0; i++) {
                r = buffer_printf(to, i == 0 ? ",\"meta\":{" : ",");
                if (r == 0)
                        r = json_write_string(to, f->meta[i].name, strlen(f->meta[i].name));
                if (r == 0)
                        r = buffer_append(to, ":", 1);
                if (r == 0)
                        r = json_write_string(to, f->meta[i].value, strlen(f->meta[i].value));
        }
        return r < 0 || f->n_meta == 0 ? r : buffer_append(to, "}", 1);
}

static int write_fields(struct buffer *to, const struct job_fields *f)
{
        int r = write_text(to, "id", f->id);

        if (r == 0)
                r = write_text(to, "type", f->type);
        if (r == 0)
                r = write_number(to, "run_at", f->run_at);
        if (r == 0)
                r = write_duration(to, "delay", f->delay);
        if (r == 0)
                r = write_duration(to, "timeout", f->timeout);
        if (r == 0)
                r = write_number(to, "expires_at", f->expires_at);
        if (r == 0)
                r = write_number(to, "max_attempts", f->max_attempts);
        if (r == 0)
                r = write_text(to, "traceparent", f->traceparent);
        return r < 0 ? r : write_meta(to, f);
}

int json_write_job(struct buffer *to, const struct job_fields *fields)
{
        size_t before = buffer_size(to);
        int r = buffer_append(to, "{", 1);

        if (r == 0)
                r = json_write_payload(to, fields->payload);
        if (r == 0)
                r = write_fields(to, fields);
        if (r == 0)
                r = buffer_append(to, "}", 1);
        if (r < 0)
                to->end = to->start + before;
        return r;
}

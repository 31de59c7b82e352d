/* Two values are the same when they would be written the same; secrets are compared as they are,
 * and told as `***`. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <config/print.h>
#include <config/value.h>

struct comparing {
        void (*differs)(void *data, const char *key, const char *before, const char *after);
        void *data;
};

static int compare_keys(const struct comparing *c, const char *path, const struct key *keys,
                        const void *before, const void *after);

static char *render(const struct key *key, const void *record, bool reveal)
{
        struct buffer text = { 0 };

        if (value_write(key, record, reveal, &text) < 0 || buffer_append(&text, "", 1) < 0) {
                buffer_deinit(&text);
                return NULL;
        }
        return buffer_take(&text, NULL);
}

static char *render_record(const struct key *keys, const void *record)
{
        struct buffer text = { 0 };

        if (print_flow(keys, record, &text) < 0 || buffer_append(&text, "", 1) < 0) {
                buffer_deinit(&text);
                return NULL;
        }
        return buffer_take(&text, NULL);
}

static int compare_values(const struct comparing *c, const char *path, const struct key *key,
                          const void *before, const void *after)
{
        PEN_CLEANUP(freep) char *a = render(key, before, true), *b = render(key, after, true);
        PEN_CLEANUP(freep) char *shown_a = NULL, *shown_b = NULL;

        if (!a || !b)
                return -ENOMEM;
        if (!strcmp(a, b))
                return 0;
        shown_a = render(key, before, false);
        shown_b = render(key, after, false);
        if (!shown_a || !shown_b)
                return -ENOMEM;
        c->differs(c->data, path, shown_a, shown_b);
        return 0;
}

static const void *find_record(const struct key *key, const void *record, const char *name)
{
        for (size_t i = 0; i < records_count(key, record); i++) {
                const void *one = records_at(key, record, i);

                if (!strcmp(record_name(one), name))
                        return one;
        }
        return NULL;
}

/* The whole of it: it is new or gone (then the other is NULL), or of another kind now. */
static int tell_record(const struct comparing *c, const char *path, const struct key *keys,
                       const void *before, const void *after)
{
        PEN_CLEANUP(freep) char *a = before ? render_record(keys, before) : NULL;
        PEN_CLEANUP(freep) char *b = after ? render_record(keys, after) : NULL;

        if ((before && !a) || (after && !b))
                return -ENOMEM;
        c->differs(c->data, path, a, b);
        return 0;
}

static int compare_record(const struct comparing *c, const char *path, const struct key *key,
                          const void *before, const void *after)
{
        PEN_CLEANUP(freep) char *own = NULL;

        if (asprintf(&own, "%s.%s", path, record_name(before ? before : after)) < 0) {
                own = NULL;
                return -ENOMEM;
        }
        if (!before || !after || key_variant(key->keys, before) != key_variant(key->keys, after))
                return tell_record(c, own, key->keys, before, after);
        return compare_keys(c, own, key->keys, before, after);
}

static int compare_records(const struct comparing *c, const char *path, const struct key *key,
                           const void *before, const void *after)
{
        int r = 0;

        for (size_t i = 0; r == 0 && i < records_count(key, before); i++) {
                const void *one = records_at(key, before, i);

                r = compare_record(c, path, key, one, find_record(key, after, record_name(one)));
        }
        for (size_t i = 0; r == 0 && i < records_count(key, after); i++) {
                const void *one = records_at(key, after, i);

                if (!find_record(key, before, record_name(one)))
                        r = compare_record(c, path, key, NULL, one);
        }
        return r;
}

static int compare_key(const struct comparing *c, const char *path, const struct key *key,
                       const void *before, const void *after)
{
        switch (key->shape) {
        case KEY_VALUE:
                return compare_values(c, path, key, before, after);
        case KEY_RECORDS:
                return compare_records(c, path, key, before, after);
        case KEY_VARIANT:
                if (*(unsigned *)key_field(key, before) != key->variant)
                        return 0;
                return compare_keys(c, path, key->keys, before, after);
        case KEY_GROUP:
                return compare_keys(c, path, key->keys, before, after);
        case KEY_NOT_YET:
                break;
        }
        return 0;
}

static int compare_keys(const struct comparing *c, const char *path, const struct key *keys,
                        const void *before, const void *after)
{
        int r = 0;

        for (const struct key *k = keys; r == 0 && k->name; k++) {
                PEN_CLEANUP(freep) char *own = NULL;

                if (asprintf(&own, "%s%s%s", path, *path ? "." : "", k->name) < 0) {
                        own = NULL;
                        return -ENOMEM;
                }
                r = compare_key(c, own, k, before, after);
        }
        return r;
}

int config_compare(const struct config *before, const struct config *after,
                   void (*differs)(void *data, const char *key, const char *before,
                                   const char *after),
                   void *data)
{
        const struct comparing c = { differs, data };

        return compare_keys(&c, "", config_keys, before, after);
}

#include <config/print.h>

#include <string.h>

#include <config/value.h>

static bool is_shown(const struct key *key, const void *record)
{
        switch (key->shape) {
        case KEY_NOT_YET:
                return key->initial;
        case KEY_VARIANT:
                return *(unsigned *)key_field(key, record) == key->variant;
        case KEY_VALUE:
        case KEY_GROUP:
        case KEY_RECORDS:
                break;
        }
        return true;
}

static int indent(unsigned depth, struct buffer *to)
{
        return buffer_printf(to, "%*s", (int)depth * 2, "");
}

/* What stands behind "key: " in the same line. */
static int print_leaf(const struct key *key, const void *record, struct buffer *to)
{
        if (key->shape == KEY_NOT_YET)
                return buffer_append(to, key->initial, strlen(key->initial));
        return value_write(key, record, false, to);
}

static int print_records(const struct key *key, const void *record, unsigned depth,
                         struct buffer *to)
{
        size_t n = records_count(key, record);
        int r = buffer_append(to, n > 0 ? "\n" : " {}\n", n > 0 ? 1 : 4);

        for (size_t i = 0; r == 0 && i < n; i++) {
                const void *one = records_at(key, record, i);

                r = indent(depth, to);
                if (r == 0)
                        r = value_write_key(record_name(one), strlen(record_name(one)), to);
                if (r == 0)
                        r = buffer_append(to, ":\n", 2);
                if (r == 0)
                        r = print_block(key->keys, one, depth + 1, to);
        }
        return r;
}

static int print_key(const struct key *key, const void *record, unsigned depth, struct buffer *to)
{
        int r = indent(depth, to);

        if (r == 0)
                r = buffer_printf(to, "%s:", key->name);
        if (r < 0)
                return r;
        if (key->shape == KEY_RECORDS)
                return print_records(key, record, depth + 1, to);
        r = buffer_append(to, key->keys ? "\n" : " ", 1);
        if (r < 0)
                return r;
        if (key->keys)
                return print_block(key->keys, record, depth + 1, to);
        r = print_leaf(key, record, to);
        return r < 0 ? r : buffer_append(to, "\n", 1);
}

int print_block(const struct key *keys, const void *record, unsigned depth, struct buffer *to)
{
        int r = 0;

        for (const struct key *k = keys; r == 0 && k->name; k++)
                if (is_shown(k, record))
                        r = print_key(k, record, depth, to);
        return r;
}

int print_flow(const struct key *keys, const void *record, struct buffer *to)
{
        const char *before = "{";
        int r = 0;

        for (const struct key *k = keys; r == 0 && k->name; k++) {
                if (!is_shown(k, record))
                        continue;
                r = buffer_printf(to, "%s%s: ", before, k->name);
                before = ", ";
                if (r == 0)
                        r = k->keys ? print_flow(k->keys, record, to) : print_leaf(k, record, to);
        }
        return r < 0 ? r : buffer_append(to, "}", 1);
}

int config_print(const struct config *config, struct buffer *to)
{
        return print_block(config_keys, config, 0, to);
}

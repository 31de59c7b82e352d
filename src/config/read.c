#include <config/read.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <base/nearest.h>
#include <base/parse.h>

/* --- defaults ----------------------------------------------------------------------------------- */

/* A default is written as in a file, so it is read as from one. */
static int parse_initial(const struct reading *in, const struct key *key, struct arena *arena,
                         struct node *ret)
{
        struct node *root = NULL;
        int r;

        *ret = (struct node){ .text = key->initial, .plain = true };
        if (!strcmp(key->initial, "{}"))
                ret->kind = NODE_MAP;
        if (!strchr("[\"", *key->initial))
                return 0;
        r = tree_parse(in->errors, arena, key->initial, strlen(key->initial), &root);
        if (r == 0)
                *ret = *root;
        return r;
}

static int set_default(const struct reading *in, const struct key *key, void *record)
{
        struct node top = { .kind = NODE_MAP }, node;
        struct arena arena = { 0 };
        int r = parse_initial(in, key, &arena, &node);

        if (r == 0) {
                node.parent = &top;
                node.key = key->name;
                node.mark = (struct mark){ 0 }; /* it is not in the file */
                r = value_read(in, key, &node, record);
        }
        arena_deinit(&arena);
        return r;
}

/* --- one key ------------------------------------------------------------------------------------ */

static int read_group(const struct reading *in, const struct key *keys, const struct node *node,
                      void *record);

static int refuse_missing(const struct reading *in, const struct key *key, const struct node *node)
{
        struct buffer allowed = { 0 };
        int r = value_describe(key, &allowed);

        if (r == 0)
                r = buffer_append(&allowed, "", 1);
        if (r == 0)
                r = node_refuse_below(in->errors, node, key->name, "is missing; allowed: %s",
                                      buffer_data(&allowed));
        buffer_deinit(&allowed);
        return r;
}

static int read_one_value(const struct reading *in, const struct key *key, const struct node *node,
                          const struct node *child, void *record)
{
        size_t errors = in->errors->n;
        int r;

        if (!child && key->initial)
                return set_default(in, key, record);
        if (!child)
                return node ? refuse_missing(in, key, node) : 0;
        r = value_read(in, key, child, record);
        if (r < 0 || in->errors->n == errors || !key->initial)
                return r;
        return set_default(in, key, record);
}

static int read_not_yet(const struct reading *in, const struct key *key, const struct node *child)
{
        if (!child)
                return 0;
        if (!key->initial)
                return node_refuse_key(in->errors, child,
                                       "is not carried out yet; allowed: to leave it out");
        if (child->kind == NODE_SCALAR && !strcmp(child->text, key->initial))
                return 0;
        return node_refuse(in->errors, child, "is not carried out yet; allowed: %s", key->initial);
}

/* --- records ------------------------------------------------------------------------------------ */

static int read_record(const struct reading *in, const struct key *key, const struct node *node,
                       void *record)
{
        int r = 0;

        if (!parse_is_name(node->key, strlen(node->key)))
                r = node_refuse_key(in->errors, node,
                                    "not a name; allowed: 1 to 64 of A-Z a-z 0-9 _ . -");
        if (r < 0)
                return r;
        *(const char **)record = arena_copy(in->arena, node->key, strlen(node->key));
        return record_name(record) ? read_group(in, key->keys, node, record) : -ENOMEM;
}

static int read_records(const struct reading *in, const struct key *key, const struct node *node,
                        void *record)
{
        char *array;
        size_t n;
        int r = 0;

        if (!node || node_is_null(node))
                return 0;
        if (node->kind != NODE_MAP)
                return node_refuse(in->errors, node,
                                   "found no mapping; allowed: a mapping of names");
        n = node_count(node);
        if (n > key->max)
                return node_refuse(in->errors, node, "found %zu; allowed: at most %zu", n,
                                   (size_t)key->max);
        array = arena_alloc(in->arena, n * key->record_size);
        if (!array)
                return -ENOMEM;
        n = 0;
        for (const struct node *i = node->first; r == 0 && i; i = i->next)
                if (!i->refused)
                        r = read_record(in, key, i, array + key->record_size * n++);
        *(void **)key_field(key, record) = array;
        *(size_t *)key_beside(key, record) = n;
        return r;
}

/* --- groups ------------------------------------------------------------------------------------- */

static int refuse_unknown(const struct reading *in, const struct key *keys, const struct node *node)
{
        struct nearest nearest = { .word = node->key, .size = strlen(node->key) };

        key_for_each(k, keys)
                nearest_try(&nearest, k->name);
        return node_refuse_key(in->errors, node, "there is no such key; the nearest is %s",
                               nearest.name);
}

static int refuse_unknowns(const struct reading *in, const struct key *keys,
                           const struct node *node)
{
        int r = 0;

        for (const struct node *i = node->first; r == 0 && i; i = i->next)
                if (!key_find(keys, i->key))
                        r = refuse_unknown(in, keys, i);
        return r;
}

/* "exec, http, noop" */
static void list_variants(const struct key *keys, char *to, size_t room)
{
        size_t n = 0;

        key_for_each(k, keys)
                if (k->shape == KEY_VARIANT && n < room)
                        n += (size_t)snprintf(to + n, room - n, "%s%s", n > 0 ? ", " : "", k->name);
}

/* Which of the variants is there: exactly one is to be. */
static int read_variant(const struct reading *in, const struct key *keys, const struct node *node,
                        void *record)
{
        const struct key *chosen = NULL;
        bool not_yet = false;
        char all[80] = "";
        int r = 0;

        list_variants(keys, all, sizeof(all));
        for (const struct node *i = node->first; r == 0 && i; i = i->next) {
                const struct key *k = key_find(keys, i->key);

                if (!k || i->refused)
                        continue;
                not_yet |= k->shape == KEY_NOT_YET;
                if (k->shape != KEY_VARIANT)
                        continue;
                if (chosen) {
                        r = node_refuse_key(in->errors, i,
                                            "%s is there already; allowed: one of %s", chosen->name,
                                            all);
                        continue;
                }
                chosen = k;
                *(unsigned *)key_field(k, record) = k->variant;
                r = read_group(in, k->keys, i, record);
        }
        if (r == 0 && !chosen && !not_yet)
                r = node_refuse_key(in->errors, node, "says not what to do; allowed: one of %s",
                                    all);
        return r;
}

static int read_key(const struct reading *in, const struct key *key, const struct node *node,
                    void *record)
{
        const struct node *child = node ? node_child(node, key->name) : NULL;

        switch (key->shape) {
        case KEY_VALUE:
                return read_one_value(in, key, node, child, record);
        case KEY_GROUP:
                return read_group(in, key->keys, child, record);
        case KEY_RECORDS:
                return read_records(in, key, child, record);
        case KEY_NOT_YET:
                return read_not_yet(in, key, child);
        case KEY_VARIANT:
                break;
        }
        return 0;
}

/* `node` may be NULL: then there are only defaults, and nothing is missed. */
static int read_group(const struct reading *in, const struct key *keys, const struct node *node,
                      void *record)
{
        bool has_variants = false;
        int r = 0;

        if (node && node->kind == NODE_MAP) {
                r = refuse_unknowns(in, keys, node);
        } else if (node && !node_is_null(node)) {
                r = node_refuse(in->errors, node, "found no mapping; allowed: a mapping of keys");
                node = NULL;
        }
        for (const struct key *k = keys; r == 0 && k->name; k++) {
                r = read_key(in, k, node, record);
                has_variants |= k->shape == KEY_VARIANT;
        }
        return r == 0 && node && has_variants ? read_variant(in, keys, node, record) : r;
}

int read_keys(const struct reading *in, const struct node *root, struct config *config)
{
        return read_group(in, config_keys, root, config);
}

/* Lists: the array grows out of the node's children, and is taken whole or not at all. */
#include <config/value.h>

#include <errno.h>

static int read_elements(const struct reading *in, const struct key *key, const struct node *node,
                         const struct element *element, char *to)
{
        int r = 0;

        for (const struct node *i = node->first; r == 0 && i; i = i->next, to += element->size)
                if (i->kind != NODE_SCALAR || node_is_null(i))
                        r = i->refused ? 0 : value_refuse(in, key, i);
                else
                        r = element->read(in, key, i, to);
        return r;
}

int value_read_list(const struct reading *in, const struct key *key, const struct node *node,
                    const struct element *element, void *record)
{
        size_t n = node_count(node), errors = in->errors->n;
        void *array;
        int r;

        if (n < key->least || n > VALUE_LIST_MAX)
                return node_refuse(in->errors, node, "found %zu of them; allowed: from %zu to %d",
                                   n, key->least, VALUE_LIST_MAX);
        array = arena_alloc(in->arena, (n + 1) * element->size);
        if (!array)
                return -ENOMEM;
        r = read_elements(in, key, node, element, array);
        if (r < 0 || in->errors->n > errors)
                return r;
        *(void **)key_field(key, record) = array;
        *(size_t *)key_beside(key, record) = n;
        return 0;
}

int value_write_list(const struct key *key, const void *record, bool reveal,
                     const struct element *element, struct buffer *to)
{
        const void *array = *(const void *const *)key_field(key, record);
        size_t n = *(const size_t *)key_beside(key, record);
        int r = buffer_append(to, &element->brackets[0], 1);

        for (size_t i = 0; r == 0 && i < n; i++) {
                if (i > 0)
                        r = buffer_append(to, ", ", 2);
                if (r == 0)
                        r = element->write(array, i, reveal, to);
        }
        return r < 0 ? r : buffer_append(to, &element->brackets[1], 1);
}

/* One of them, as a scalar of that type at the begin of its own record. */
static struct key key_of_one(const struct key *key, const struct value_type *type, size_t size)
{
        struct key one = *key;

        one.type = type;
        one.null = NULL_NEVER;
        one.offset = 0;
        one.size = size;
        return one;
}

/* --- texts -------------------------------------------------------------------------------------- */

static int read_text(const struct reading *in, const struct key *key, const struct node *node,
                     void *element)
{
        struct key one = key_of_one(key, &type_text, sizeof(char *));

        return value_read(in, &one, node, element);
}

static int write_text(const void *array, size_t i, bool reveal, struct buffer *to)
{
        (void)reveal;
        return value_write_text(((const char *const *)array)[i], to);
}

static const struct element text_element = { sizeof(char *), "[]", read_text, write_text };

static int read_texts(const struct reading *in, const struct key *key, const struct node *node,
                      void *record)
{
        return value_read_list(in, key, node, &text_element, record);
}

static int write_texts(const struct key *key, const void *record, bool reveal, struct buffer *to)
{
        return value_write_list(key, record, reveal, &text_element, to);
}

static int describe_texts(const struct key *key, struct buffer *to)
{
        return buffer_printf(to, "a list of %s", key->form ? key->form : "texts");
}

const struct value_type type_texts = { NODE_LIST, read_texts, write_texts, describe_texts };

/* --- whole numbers ------------------------------------------------------------------------------ */

static int read_whole(const struct reading *in, const struct key *key, const struct node *node,
                      void *element)
{
        struct key one = key_of_one(key, &type_whole, sizeof(int));

        return value_read(in, &one, node, element);
}

static int write_whole(const void *array, size_t i, bool reveal, struct buffer *to)
{
        (void)reveal;
        return buffer_printf(to, "%d", ((const int *)array)[i]);
}

static const struct element whole_element = { sizeof(int), "[]", read_whole, write_whole };

static int read_wholes(const struct reading *in, const struct key *key, const struct node *node,
                       void *record)
{
        return value_read_list(in, key, node, &whole_element, record);
}

static int write_wholes(const struct key *key, const void *record, bool reveal, struct buffer *to)
{
        return value_write_list(key, record, reveal, &whole_element, to);
}

static int describe_wholes(const struct key *key, struct buffer *to)
{
        return buffer_printf(to, "a list of whole numbers from %llu to %llu",
                             (unsigned long long)key->min, (unsigned long long)key->max);
}

const struct value_type type_wholes = { NODE_LIST, read_wholes, write_wholes, describe_wholes };

/* --- durations ---------------------------------------------------------------------------------- */

static int read_duration(const struct reading *in, const struct key *key, const struct node *node,
                         void *element)
{
        struct key one = key_of_one(key, &type_duration, sizeof(pen_usec));

        return value_read(in, &one, node, element);
}

static int write_duration(const void *array, size_t i, bool reveal, struct buffer *to)
{
        (void)reveal;
        return value_write_duration(((const pen_usec *)array)[i], to);
}

static const struct element duration_element = { sizeof(pen_usec), "[]", read_duration,
                                                 write_duration };

static int read_durations(const struct reading *in, const struct key *key, const struct node *node,
                          void *record)
{
        return value_read_list(in, key, node, &duration_element, record);
}

static int write_durations(const struct key *key, const void *record, bool reveal,
                           struct buffer *to)
{
        return value_write_list(key, record, reveal, &duration_element, to);
}

static int describe_durations(const struct key *key, struct buffer *to)
{
        int r = buffer_printf(to, "a list of durations like [1s, 5m], each at most ");

        return r < 0 ? r : value_write_duration(key->max, to);
}

const struct value_type type_durations = { NODE_LIST, read_durations, write_durations,
                                           describe_durations };

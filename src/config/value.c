/* What all types share: null, the kind of node, ${NAME}, and the one form of refusing. */
#include <config/value.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <job/json.h>

#define SHOWN 60 /* characters of a value in a message */

int value_read(const struct reading *in, const struct key *key, const struct node *node,
               void *record)
{
        if (node->refused)
                return 0;
        if (node_is_null(node)) {
                if (key->null == NULL_NEVER)
                        return value_refuse(in, key, node);
                memset(key_field(key, record), key->null == NULL_IS_ZERO ? 0 : 0xff, key->size);
                return 0;
        }
        if (node->kind != key->type->kind)
                return value_refuse(in, key, node);
        return key->type->read(in, key, node, record);
}

static bool is_null(const struct key *key, const void *record)
{
        const unsigned char *field = key_field(key, record);

        if (key->null == NULL_NEVER)
                return false;
        for (size_t i = 0; i < key->size; i++)
                if (field[i] != (key->null == NULL_IS_ZERO ? 0 : 0xff))
                        return false;
        return true;
}

int value_write(const struct key *key, const void *record, bool reveal, struct buffer *to)
{
        if (is_null(key, record))
                return buffer_append(to, "null", 4);
        return key->type->write(key, record, reveal, to);
}

int value_describe(const struct key *key, struct buffer *to)
{
        int r = key->type->describe(key, to);

        return r < 0 || key->null == NULL_NEVER ? r : buffer_printf(to, "; or null");
}

/* --- refusing ----------------------------------------------------------------------------------- */

static const char *kind_name(const struct node *node)
{
        if (node->kind == NODE_SCALAR)
                return *node->text ? "null" : "nothing";
        return node->kind == NODE_LIST ? "a list" : "a mapping";
}

/* What is written at the node; secrets never, and what stands in the environment neither. */
static int describe_found(const struct key *key, const struct node *node, struct buffer *to)
{
        char shown[SHOWN], *masked;

        if (node->kind != NODE_SCALAR || node_is_null(node))
                return buffer_printf(to, "%s", kind_name(node));
        masked = key->secret ? value_mask_url(node->text) : strdup(node->text);
        if (!masked)
                return -ENOMEM;
        json_excerpt(shown, sizeof(shown), (struct bytes){ masked, strlen(masked) });
        free(masked);
        return buffer_printf(to, "\"%s\"", shown);
}

int value_refuse(const struct reading *in, const struct key *key, const struct node *node)
{
        struct buffer text = { 0 };
        int r = describe_found(key, node, &text);

        if (r == 0)
                r = buffer_printf(&text, "; allowed: ");
        if (r == 0)
                r = value_describe(key, &text);
        if (r == 0)
                r = buffer_append(&text, "", 1);
        if (r == 0)
                r = node_refuse(in->errors, node, "found %s", buffer_data(&text));
        buffer_deinit(&text);
        return r;
}

/* --- ${NAME} ------------------------------------------------------------------------------------ */

/* Of a variable's name at `text`; 0: there is none. */
static size_t name_length(const char *text)
{
        size_t n = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789");

        return *text >= '0' && *text <= '9' ? 0 : n;
}

/* `*text` is at "${" and is left behind "}". 1: appended; 0: it was refused. */
static int expand_one(const struct reading *in, const struct node *node, const char **text,
                      struct buffer *to)
{
        size_t n = name_length(*text + 2);
        const char *value;
        char name[SHOWN];
        int r;

        if (n == 0 || (*text)[2 + n] != '}')
                return node_refuse(in->errors, node,
                                   "found \"${\" without a NAME} behind it; allowed: ${NAME} for a "
                                   "variable of the environment, $${ for the characters ${");
        json_excerpt(name, sizeof(name), (struct bytes){ *text + 2, n });
        if (n >= sizeof(name))
                return node_refuse(in->errors, node, "${%s} is too long a name", name);
        value = getenv(name);
        if (!value)
                return node_refuse(in->errors, node,
                                   "the environment has no %s, which ${%s} stands for", name, name);
        if (!json_is_utf8(value, strlen(value)))
                return node_refuse(in->errors, node, "the environment's %s is not UTF-8", name);
        *text += n + 3;
        r = buffer_append(to, value, strlen(value));
        return r < 0 ? r : 1;
}

static int expand(const struct reading *in, const struct node *node, struct buffer *to)
{
        const char *text = node->text;
        int r = 1;

        while (r > 0 && *text) {
                bool escaped = !strncmp(text, "$${", 3);

                if (!strncmp(text, "${", 2)) {
                        r = expand_one(in, node, &text, to);
                        continue;
                }
                r = escaped ? buffer_append(to, "${", 2) : buffer_append(to, text, 1);
                r = r < 0 ? r : 1;
                text += escaped ? 3 : 1;
        }
        return r;
}

int value_expand(const struct reading *in, const struct node *node, const char **ret_text)
{
        struct buffer text = { 0 };
        int r;

        *ret_text = node->text;
        if (!strstr(node->text, "${"))
                return 0;
        r = expand(in, node, &text);
        if (r > 0) {
                *ret_text = arena_copy(in->arena, buffer_data(&text), buffer_size(&text));
                r = *ret_text ? 0 : -ENOMEM;
        } else {
                *ret_text = NULL;
        }
        buffer_deinit(&text);
        return r;
}

int value_keep(const struct reading *in, const struct node *node, const char **ret_text)
{
        int r = value_expand(in, node, ret_text);

        if (r < 0 || *ret_text != node->text)
                return r;
        *ret_text = arena_copy(in->arena, node->text, strlen(node->text));
        return *ret_text ? 0 : -ENOMEM;
}

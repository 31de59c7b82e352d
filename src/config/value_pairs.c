/* Mappings of names that are the user's own: variables, headers, types. */
#include <config/value.h>

#include <errno.h>
#include <string.h>

#include <base/parse.h>

#define DIGITS "0123456789"
#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

static bool consists_of(const char *text, const char *letters)
{
        return *text && !text[strspn(text, letters)];
}

/* "NAME=value", "Name: value": one text, as who uses it wants it. *ret is NULL if it was refused. */
static int join(const struct reading *in, const struct node *node, const char *between,
                const char **ret)
{
        size_t n = strlen(node->key), m = strlen(between);
        const char *value;
        char *text;
        int r = value_expand(in, node, &value);

        *ret = NULL;
        if (r < 0 || !value)
                return r;
        text = arena_alloc(in->arena, n + m + strlen(value) + 1);
        if (!text)
                return -ENOMEM;
        memcpy(text, node->key, n);
        memcpy(text + n, between, m);
        memcpy(text + n + m, value, strlen(value));
        *ret = text;
        return 0;
}

/* The values may be secrets: "Authorization: Bearer ${TOKEN}". */
static int write_joined(const char *text, const char *between, bool reveal, struct buffer *to)
{
        const char *value = strstr(text, between);
        int r = value_write_key(text, (size_t)(value - text), to);

        if (r == 0)
                r = buffer_append(to, ": ", 2);
        return r < 0 ? r : value_write_text(reveal ? value + strlen(between) : "***", to);
}

static int describe_pairs(const struct key *key, struct buffer *to)
{
        return buffer_printf(to, "a mapping of %s", key->form);
}

/* --- variables ---------------------------------------------------------------------------------- */

static int read_variable(const struct reading *in, const struct key *key, const struct node *node,
                         void *element)
{
        (void)key;
        if (!consists_of(node->key, LETTERS DIGITS "_") || strchr(DIGITS, *node->key))
                return node_refuse_key(in->errors, node,
                                       "not the name of a variable; allowed: A-Z a-z 0-9 _");
        if (!strncmp(node->key, "PENSTOCK_", strlen("PENSTOCK_")) ||
            !strcmp(node->key, "TRACEPARENT"))
                return node_refuse_key(in->errors, node,
                                       "this variable tells a program of its job; allowed: others");
        return join(in, node, "=", element);
}

static int write_variable(const void *array, size_t i, bool reveal, struct buffer *to)
{
        return write_joined(((const char *const *)array)[i], "=", reveal, to);
}

static const struct element variable_element = { sizeof(char *), "{}", read_variable,
                                                 write_variable };

static int read_env(const struct reading *in, const struct key *key, const struct node *node,
                    void *record)
{
        return value_read_list(in, key, node, &variable_element, record);
}

static int write_env(const struct key *key, const void *record, bool reveal, struct buffer *to)
{
        return value_write_list(key, record, reveal, &variable_element, to);
}

const struct value_type type_env = { NODE_MAP, read_env, write_env, describe_pairs };

/* --- headers ------------------------------------------------------------------------------------ */

/* What the frame of a request says, or who the job is. */
static bool is_reserved(const char *name)
{
        static const char *const reserved[] = {
                "Connection",      "Content-Length", "Host",
                "Idempotency-Key", "Traceparent",    "Transfer-Encoding",
        };

        for (size_t i = 0; i < ARRAY_SIZE(reserved); i++)
                if (!strcasecmp(name, reserved[i]))
                        return true;
        return !strncasecmp(name, "Penstock-", strlen("Penstock-"));
}

static bool has_control(const char *value)
{
        while ((unsigned char)*value >= ' ' && *value != 0x7f)
                value++;
        return *value;
}

static int read_header(const struct reading *in, const struct key *key, const struct node *node,
                       void *element)
{
        const char *header;
        int r;

        (void)key;
        if (!consists_of(node->key, LETTERS DIGITS "!#$%&'*+-.^_`|~"))
                return node_refuse_key(in->errors, node,
                                       "not the name of a header; allowed: A-Z a-z 0-9 - _ and "
                                       "the like");
        if (is_reserved(node->key))
                return node_refuse_key(in->errors, node,
                                       "this header is Penstock's to say; allowed: others");
        r = join(in, node, ": ", &header);
        if (r < 0 || !header)
                return r;
        if (has_control(header))
                return node_refuse(in->errors, node,
                                   "found a control character or a line end; allowed: one line");
        *(const char **)element = header;
        return 0;
}

static int write_header(const void *array, size_t i, bool reveal, struct buffer *to)
{
        return write_joined(((const char *const *)array)[i], ": ", reveal, to);
}

static const struct element header_element = { sizeof(char *), "{}", read_header, write_header };

static int read_headers(const struct reading *in, const struct key *key, const struct node *node,
                        void *record)
{
        return value_read_list(in, key, node, &header_element, record);
}

static int write_headers(const struct key *key, const void *record, bool reveal, struct buffer *to)
{
        return value_write_list(key, record, reveal, &header_element, to);
}

const struct value_type type_headers = { NODE_MAP, read_headers, write_headers, describe_pairs };

/* --- types -------------------------------------------------------------------------------------- */

static int read_type(const struct reading *in, const struct key *key, const struct node *node,
                     void *element)
{
        struct config_type *type = element;

        (void)key;
        if (!parse_is_name(node->key, strlen(node->key)))
                return node_refuse_key(in->errors, node,
                                       "not the name of a type; allowed: 1 to 64 of A-Z a-z 0-9 _ "
                                       ". -");
        type->type = arena_copy(in->arena, node->key, strlen(node->key));
        return type->type ? value_keep(in, node, &type->handler) : -ENOMEM;
}

static int write_type(const void *array, size_t i, bool reveal, struct buffer *to)
{
        const struct config_type *type = (const struct config_type *)array + i;
        int r = value_write_key(type->type, strlen(type->type), to);

        (void)reveal;
        if (r == 0)
                r = buffer_append(to, ": ", 2);
        return r < 0 ? r : value_write_text(type->handler, to);
}

static const struct element type_element = { sizeof(struct config_type), "{}", read_type,
                                             write_type };

static int read_types(const struct reading *in, const struct key *key, const struct node *node,
                      void *record)
{
        return value_read_list(in, key, node, &type_element, record);
}

static int write_types(const struct key *key, const void *record, bool reveal, struct buffer *to)
{
        return value_write_list(key, record, reveal, &type_element, to);
}

const struct value_type type_types = { NODE_MAP, read_types, write_types, describe_pairs };

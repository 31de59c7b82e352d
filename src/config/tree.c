/* The events of libyaml become nodes. The containers that are open are the nodes from `at` up to
 * the root, so nothing here recurses. */
#include <config/tree.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include <job/json.h>

struct builder {
        struct errors *errors;
        struct arena *arena;
        struct node *root, *at; /* `at`: the open container; NULL: none */
        const char *key;        /* read in it, and waiting for its value */
        struct mark key_mark;
        size_t depth, n_nodes;
        bool ended; /* the one document */
};

static struct mark mark_of(yaml_mark_t at)
{
        return (struct mark){ (unsigned)at.line + 1, (unsigned)at.column + 1 };
}

/* An error after which there is no going on. */
static __attribute__((format(printf, 3, 4))) int give_up(struct builder *b, struct mark mark,
                                                         const char *format, ...)
{
        va_list args;
        int r;

        va_start(args, format);
        r = errors_addv(b->errors, mark, NULL, format, args);
        va_end(args);
        return r < 0 ? r : -EINVAL;
}

static int add_node(struct builder *b, enum node_kind kind, struct mark mark,
                    struct node **ret_node)
{
        struct node *node;

        if (++b->n_nodes > TREE_NODES_MAX)
                return give_up(b, mark, "more than %d values in one file", TREE_NODES_MAX);
        node = arena_alloc(b->arena, sizeof(*node));
        if (!node)
                return -ENOMEM;
        node->kind = kind;
        node->mark = mark;
        node->parent = b->at;
        node->key = TAKE(b->key);
        node->key_mark = b->key_mark;
        if (!b->at)
                b->root = node;
        else if (b->at->last)
                b->at->last->next = node;
        else
                b->at->first = node;
        if (b->at)
                b->at->last = node;
        *ret_node = node;
        return 0;
}

static bool wants_key(const struct builder *b)
{
        return b->at && b->at->kind == NODE_MAP && !b->key;
}

/* Names for a value are a language of their own, which a configuration need not have. */
static int refuse_extras(struct builder *b, struct mark mark, const yaml_char_t *anchor,
                         const yaml_char_t *tag)
{
        char shown[60];
        int r = 0;

        if (anchor)
                r = errors_add(b->errors, mark, NULL,
                               "found the anchor &%.40s; anchors and aliases are not allowed",
                               (const char *)anchor);
        if (r < 0 || !tag)
                return r;
        json_excerpt(shown, sizeof(shown),
                     (struct bytes){ (const char *)tag, strlen((const char *)tag) });
        return errors_add(b->errors, mark, NULL, "found the tag %s; tags are not allowed", shown);
}

static int add_scalar(struct builder *b, struct mark mark, const char *text, size_t size,
                      bool plain, bool refused)
{
        struct node *node;
        char *copy;
        int r;

        if (memchr(text, '\0', size))
                return give_up(b, mark, "found a NUL character; texts may have none");
        copy = arena_copy(b->arena, text, size);
        if (!copy)
                return -ENOMEM;
        if (wants_key(b)) {
                b->key = copy;
                b->key_mark = mark;
                return 0;
        }
        r = add_node(b, NODE_SCALAR, mark, &node);
        if (r < 0)
                return r;
        node->text = copy;
        node->plain = plain;
        node->refused = refused;
        return 0;
}

static int begin_container(struct builder *b, struct mark mark, enum node_kind kind)
{
        struct node *node;
        int r;

        if (wants_key(b))
                return give_up(b, mark, "a key must be a text, not a list or a mapping");
        if (++b->depth > TREE_DEPTH_MAX)
                return give_up(b, mark, "nested more than %d deep", TREE_DEPTH_MAX);
        r = add_node(b, kind, mark, &node);
        if (r == 0)
                b->at = node;
        return r;
}

/* --- a key twice -------------------------------------------------------------------------------- */

static int by_key_and_place(const void *a, const void *b)
{
        const struct node *x = *(struct node *const *)a, *y = *(struct node *const *)b;
        int order = strcmp(x->key, y->key);

        if (order != 0)
                return order;
        if (x->key_mark.line != y->key_mark.line)
                return x->key_mark.line < y->key_mark.line ? -1 : 1;
        return x->key_mark.column < y->key_mark.column ? -1 : 1;
}

/* Sorted, the same keys stand side by side: a file of 50,000 keys is no quadratic matter. */
static int refuse_repeated(struct builder *b, const struct node *map)
{
        PEN_CLEANUP(freep) struct node **sorted = NULL;
        const struct node *first;
        size_t n = node_count(map);
        int r;

        if (n < 2)
                return 0;
        sorted = calloc(n, sizeof(struct node *));
        if (!sorted)
                return -ENOMEM;
        n = 0;
        node_for_each(i, map)
                sorted[n++] = i;
        qsort(sorted, n, sizeof(struct node *), by_key_and_place);
        first = sorted[0];
        for (size_t i = 1; i < n; i++) {
                if (strcmp(sorted[i]->key, first->key) != 0) {
                        first = sorted[i];
                        continue;
                }
                sorted[i]->refused = true;
                r = node_refuse_key(b->errors, sorted[i], "this key stands on line %u already",
                                    first->key_mark.line);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int end_container(struct builder *b)
{
        struct node *node = b->at;

        b->at = node->parent;
        b->depth--;
        return node->kind == NODE_MAP ? refuse_repeated(b, node) : 0;
}

/* --- events ------------------------------------------------------------------------------------- */

static int take_event(struct builder *b, const yaml_event_t *e)
{
        struct mark mark = mark_of(e->start_mark);
        int r;

        switch (e->type) {
        case YAML_DOCUMENT_START_EVENT:
                return b->ended ? give_up(b, mark,
                                          "a second document begins here; a "
                                          "configuration is one document")
                                : 0;
        case YAML_DOCUMENT_END_EVENT:
                b->ended = true;
                return 0;
        case YAML_ALIAS_EVENT:
                r = errors_add(b->errors, mark, NULL,
                               "found the alias *%.40s; anchors and aliases are not allowed",
                               (const char *)e->data.alias.anchor);
                if (r < 0 || wants_key(b))
                        return r < 0 ? r : -EINVAL;
                return add_scalar(b, mark, "", 0, true, true);
        case YAML_SCALAR_EVENT:
                r = refuse_extras(b, mark, e->data.scalar.anchor, e->data.scalar.tag);
                return r < 0 ? r
                             : add_scalar(b, mark, (const char *)e->data.scalar.value,
                                          e->data.scalar.length,
                                          e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE, false);
        case YAML_SEQUENCE_START_EVENT:
                r = refuse_extras(b, mark, e->data.sequence_start.anchor,
                                  e->data.sequence_start.tag);
                return r < 0 ? r : begin_container(b, mark, NODE_LIST);
        case YAML_MAPPING_START_EVENT:
                r = refuse_extras(b, mark, e->data.mapping_start.anchor, e->data.mapping_start.tag);
                return r < 0 ? r : begin_container(b, mark, NODE_MAP);
        case YAML_SEQUENCE_END_EVENT:
        case YAML_MAPPING_END_EVENT:
                return end_container(b);
        default: /* the stream's begin and end */
                return 0;
        }
}

/* Where a byte is, for errors of the encoding, which libyaml tells by its offset. */
static struct mark mark_of_offset(const char *text, size_t size, size_t offset)
{
        struct mark mark = { 1, 1 };

        for (size_t i = 0; i < MIN(size, offset); i++) {
                mark.column++;
                if (text[i] == '\n')
                        mark = (struct mark){ mark.line + 1, 1 };
        }
        return mark;
}

static int refuse_syntax(struct builder *b, const yaml_parser_t *p, const char *text, size_t size)
{
        if (p->error == YAML_MEMORY_ERROR)
                return -ENOMEM;
        if (p->error == YAML_READER_ERROR)
                return give_up(b, mark_of_offset(text, size, p->problem_offset),
                               "this is not the text of a YAML file: %s", p->problem);
        if (p->context && p->context_mark.line != p->problem_mark.line)
                return give_up(b, mark_of(p->problem_mark), "this is not YAML: %s, %s of line %zu",
                               p->problem, p->context, p->context_mark.line + 1);
        return give_up(b, mark_of(p->problem_mark), "this is not YAML: %s%s%s", p->problem,
                       p->context ? ", " : "", p->context ? p->context : "");
}

static int build(struct builder *b, yaml_parser_t *parser, const char *text, size_t size)
{
        yaml_event_type_t type;
        yaml_event_t event;
        int r;

        do {
                if (!yaml_parser_parse(parser, &event))
                        return refuse_syntax(b, parser, text, size);
                type = event.type;
                r = take_event(b, &event);
                yaml_event_delete(&event);
                if (r < 0)
                        return r;
        } while (type != YAML_STREAM_END_EVENT);
        return 0;
}

int tree_parse(struct errors *errors, struct arena *arena, const char *text, size_t size,
               struct node **ret_root)
{
        struct builder b = { .errors = errors, .arena = arena };
        yaml_parser_t parser;
        int r;

        if (size > TREE_TEXT_MAX)
                return give_up(&b, (struct mark){ 0 }, "is larger than %zu KiB",
                               TREE_TEXT_MAX >> 10);
        if (!yaml_parser_initialize(&parser))
                return -ENOMEM;
        yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
        yaml_parser_set_input_string(&parser, (const unsigned char *)text, size);
        r = build(&b, &parser, text, size);
        yaml_parser_delete(&parser);
        if (r == 0)
                *ret_root = b.root;
        return r;
}

/* A YAML file as a tree with places: what libyaml reads, less what has no place in a configuration.
 *
 * Anchors, aliases, tags, a key twice in one mapping and a second document are errors; nesting, the
 * number of values and the size of the text are bounded, so nothing in the file can grow.
 * Everything of the tree is in one arena.
 */
#pragma once

#include <config/errors.h>

#define TREE_DEPTH_MAX 32
#define TREE_NODES_MAX 100000
#define TREE_TEXT_MAX ((size_t)1 << 20)

enum node_kind {
        NODE_SCALAR,
        NODE_LIST,
        NODE_MAP,
};

struct node {
        enum node_kind kind;
        bool plain;   /* a scalar without quotes */
        bool refused; /* an alias, or the second of a key: told already, and not to be read */
        struct node *parent, *next;
        struct node *first, *last; /* children */
        const char *key;           /* in a mapping; else NULL */
        struct mark key_mark, mark;
        const char *text; /* of a scalar, without NUL in it */
};

#define node_for_each(i, of) for (struct node *i = (of)->first; i; i = i->next)

/* Reads the text; *ret_root is NULL if there is nothing in it. Errors are added to `errors`; when
 * the text is no YAML the tree ends there, and the answer is -EINVAL.  -ENOMEM. */
int tree_parse(struct errors *errors, struct arena *arena, const char *text, size_t size,
               struct node **ret_root);

/* Without quotes: null, ~ or nothing at all. */
bool node_is_null(const struct node *node);

/* The child of that key; NULL: there is none, or `node` is NULL. */
struct node *node_child(const struct node *node, const char *key);

/* How many children it has. */
size_t node_count(const struct node *node);

/* Appends "queues.emails.types[2]". -ENOMEM. */
int node_path(const struct node *node, struct buffer *to);

/* An error at the node's value. Answers 0, or -ENOMEM. */
int node_refuse(struct errors *errors, const struct node *node, const char *format, ...)
        __attribute__((format(printf, 3, 4)));
/* The same at its key, for what the key itself or the whole below it is to blame. */
int node_refuse_key(struct errors *errors, const struct node *node, const char *format, ...)
        __attribute__((format(printf, 3, 4)));
/* The same for a key below it that is not there. */
int node_refuse_below(struct errors *errors, const struct node *node, const char *key,
                      const char *format, ...) __attribute__((format(printf, 4, 5)));

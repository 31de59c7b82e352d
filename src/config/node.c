#include <config/tree.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <job/json.h>

#define KEY_SHOWN 80 /* characters of one key in a message */

bool node_is_null(const struct node *node)
{
        return node->kind == NODE_SCALAR && node->plain &&
               (!*node->text || !strcmp(node->text, "null") || !strcmp(node->text, "~"));
}

struct node *node_child(const struct node *node, const char *key)
{
        if (node && node->kind == NODE_MAP)
                node_for_each(i, node)
                        if (!strcmp(i->key, key))
                                return i;
        return NULL;
}

size_t node_count(const struct node *node)
{
        size_t n = 0;

        node_for_each(i, node)
                n++;
        return n;
}

static unsigned index_of(const struct node *node)
{
        unsigned n = 0;

        for (const struct node *i = node->parent->first; i != node; i = i->next)
                n++;
        return n;
}

static int append_key(struct buffer *to, const char *key)
{
        char shown[KEY_SHOWN];

        json_excerpt(shown, sizeof(shown), (struct bytes){ key, strlen(key) });
        return buffer_printf(to, "%s%s", buffer_size(to) > 0 ? "." : "", shown);
}

int node_path(const struct node *node, struct buffer *to)
{
        int r;

        if (!node->parent) /* the root has no name */
                return 0;
        r = node_path(node->parent, to); /* at most TREE_DEPTH_MAX deep */
        if (r < 0)
                return r;
        if (node->key)
                return append_key(to, node->key);
        return buffer_printf(to, "[%u]", index_of(node));
}

/* `below`: a key of the node that is not there, or NULL. */
static int refuse(struct errors *errors, const struct node *node, struct mark mark,
                  const char *below, const char *format, va_list args)
{
        struct buffer path = { 0 };
        int r = node_path(node, &path);

        if (r == 0 && below)
                r = append_key(&path, below);
        if (r == 0)
                r = buffer_append(&path, "", 1);
        if (r == 0)
                r = errors_addv(errors, mark, *buffer_data(&path) ? buffer_data(&path) : NULL,
                                format, args);
        buffer_deinit(&path);
        return r;
}

int node_refuse(struct errors *errors, const struct node *node, const char *format, ...)
{
        va_list args;
        int r;

        va_start(args, format);
        r = refuse(errors, node, node->mark, NULL, format, args);
        va_end(args);
        return r;
}

int node_refuse_key(struct errors *errors, const struct node *node, const char *format, ...)
{
        va_list args;
        int r;

        va_start(args, format);
        r = refuse(errors, node, node->key ? node->key_mark : node->mark, NULL, format, args);
        va_end(args);
        return r;
}

int node_refuse_below(struct errors *errors, const struct node *node, const char *key,
                      const char *format, ...)
{
        va_list args;
        int r;

        va_start(args, format);
        r = refuse(errors, node, node->key ? node->key_mark : node->mark, key, format, args);
        va_end(args);
        return r;
}

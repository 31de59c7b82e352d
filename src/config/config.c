#include <config/config.h>

#include <errno.h>
#include <string.h>

#include <config/check.h>
#include <config/file.h>
#include <config/read.h>

#define CONFIG_PATH "/etc/penstock/penstock.yaml"

/* The configuration and all that it points to. */
struct block {
        struct config config;
        struct arena arena;
};

const char *config_path(const char *path)
{
        const char *named = getenv("PENSTOCK_CONFIG");

        if (path)
                return path;
        return named && *named ? named : CONFIG_PATH;
}

static int read_tree(struct errors *errors, const struct node *root, struct block *block)
{
        const struct reading in = { .errors = errors, .arena = &block->arena };
        int r;

        if (!root || node_is_null(root))
                return errors_add(errors, (struct mark){ 0 }, NULL,
                                  "is empty; allowed: a mapping of keys, like \"queues:\"");
        if (root->kind != NODE_MAP)
                return node_refuse(errors, root, "found no mapping; allowed: a mapping of keys");
        r = read_keys(&in, root, &block->config);
        return r < 0 ? r : check_config(errors, root, &block->config);
}

/* 0 or -EINVAL by the errors there are, which are written. */
static int tell(struct errors *errors, struct buffer *to)
{
        int r = errors_write(errors, to);

        return r < 0 ? r : errors->n > 0 ? -EINVAL : 0;
}

int config_parse(const char *path, const char *text, size_t size, struct buffer *errors,
                 struct config **ret_config)
{
        struct block *block = calloc(1, sizeof(*block));
        struct errors found = { .file = path };
        struct arena tree = { 0 };
        struct node *root = NULL;
        int r;

        if (!block)
                return -ENOMEM;
        block->config.refs = 1;
        block->config.path = arena_copy(&block->arena, path, strlen(path));
        r = block->config.path ? tree_parse(&found, &tree, text, size, &root) : -ENOMEM;
        if (r == 0)
                r = read_tree(&found, root, block);
        if (r == 0 || r == -EINVAL)
                r = tell(&found, errors);
        arena_deinit(&tree);
        errors_deinit(&found);
        if (r == 0)
                *ret_config = &block->config;
        else
                config_unref(&block->config);
        return r;
}

static int tell_unread(const char *path, int error, struct buffer *errors)
{
        int r;

        if (error == -EFBIG)
                r = buffer_printf(errors, "%s: is larger than %zu KiB\n", path,
                                  TREE_TEXT_MAX >> 10);
        else
                r = buffer_printf(errors, "%s: %s\n", path, strerror(-error));
        return r < 0 ? r : -EINVAL;
}

int config_load(const char *path, struct buffer *errors, struct config **ret_config)
{
        struct buffer text = { 0 };
        struct stat st;
        int r = file_read(path, TREE_TEXT_MAX, false, &st, &text);

        if (r == 0)
                r = config_parse(path, buffer_data(&text), buffer_size(&text), errors, ret_config);
        else if (r != -ENOMEM)
                r = tell_unread(path, r, errors);
        buffer_deinit(&text);
        return r;
}

struct config *config_ref(struct config *config)
{
        config->refs++;
        return config;
}

void config_unref(struct config *config)
{
        struct block *block;

        if (!config || --config->refs > 0)
                return;
        block = container_of(config, struct block, config);
        arena_deinit(&block->arena);
        free(block);
}

void config_unrefp(struct config **config)
{
        config_unref(*config);
}

const struct config_handler *config_handler(const struct config *config, const char *name)
{
        for (size_t i = 0; i < config->n_handlers; i++)
                if (!strcmp(config->handlers[i].name, name))
                        return &config->handlers[i];
        return NULL;
}

const struct config_queue *config_queue(const struct config *config, const char *name)
{
        for (size_t i = 0; i < config->n_queues; i++)
                if (!strcmp(config->queues[i].name, name))
                        return &config->queues[i];
        return NULL;
}

#include <errno.h>
#include <string.h>

#include <base/log.h>
#include <daemon/parts.h>
#include <daemon/systemd.h>

/* Keys of what is made once and kept; the rest is a queue's, a handler's, or read where it is used. */
static const char *const need_restart[] = { "instance", "store.", "http." };

static void tell_difference(void *data, const char *key, const char *before, const char *after)
{
        bool restart = false;

        (void)data;
        for (size_t i = 0; i < ARRAY_SIZE(need_restart); i++)
                restart = restart || !strncmp(key, need_restart[i], strlen(need_restart[i]));
        LOG(restart ? LOG_WARN : LOG_INFO, "daemon.reload", F_STR("key", key),
            F_STR("before", before), F_STR("after", after),
            F_STR("note", restart ? "takes effect at the next start" : NULL));
}

static struct service *find(struct daemon *d, const char *name)
{
        list_for_each(i, &d->services) {
                struct service *s = list_entry(i, struct service, link);

                if (!strcmp(s->name, name))
                        return s;
        }
        return NULL;
}

static int use_queue(struct daemon *d, struct config *config, const struct config_queue *queue,
                     struct handlers *handlers)
{
        struct service *s = find(d, queue->name);
        int r = 0;

        if (!s) {
                r = service_open(&d->parts, config, queue, &s);
                if (r < 0)
                        return r;
                list_append(&d->services, &s->link);
        }
        return service_use(s, config, handlers, d->quiet);
}

int daemon_use(struct daemon *d, struct config *config, struct handlers *handlers)
{
        int r = 0;

        for (size_t i = 0; i < config->n_queues && r == 0; i++)
                r = use_queue(d, config, &config->queues[i], handlers);
        if (r < 0)
                return r;
        list_for_each(i, &d->services) {
                struct service *s = list_entry(i, struct service, link);

                if (config_queue(config, s->name) || s->removed)
                        continue;
                s->removed = true;
                service_stop(s, PEN_FOREVER);
        }
        return 0;
}

/* Everything that can fail is tried before anything changes. */
static int try_new(struct daemon *d, struct config **ret_config, struct handlers **ret_handlers)
{
        PEN_CLEANUP(buffer_deinit) struct buffer errors = { 0 };
        char error[512];
        int r = config_load(d->config_path, &errors, ret_config);

        if (r < 0) {
                LOG(LOG_ERROR, "daemon.reload", F_STR("path", d->config_path),
                    F_BYTES("error", buffer_data(&errors), buffer_size(&errors)),
                    F_STR("note", "nothing was changed"));
                return r;
        }
        r = handlers_create(*ret_config, &d->client, ret_handlers, error, sizeof(error));
        if (r < 0)
                LOG(LOG_ERROR, "daemon.reload", F_STR("path", d->config_path),
                    F_STR("error", error), F_STR("note", "nothing was changed"));
        return r;
}

int daemon_reload(struct daemon *d)
{
        PEN_CLEANUP(config_unrefp) struct config *config = NULL;
        struct handlers *handlers = NULL;
        int r;

        (void)systemd_reloading();
        r = try_new(d, &config, &handlers);
        if (r == 0) {
                (void)!config_compare(d->config, config, tell_difference, NULL);
                r = daemon_use(d, config, handlers);
        }
        if (r == 0) {
                share_resize(&d->share, d->config->concurrency, config->concurrency);
                log_set_level(config->log.level);
                config_unref(d->config);
                handlers_unref(d->handlers);
                d->config = config_ref(config);
                d->handlers = handlers_ref(handlers);
                LOG(LOG_INFO, "daemon.reload", F_STR("path", d->config_path),
                    F_UINT("queues", config->n_queues));
        }
        handlers_unref(handlers);
        (void)systemd_ready();
        return r;
}

/* What the files of the daemon share. */
#pragma once

#include <base/list.h>
#include <daemon/http_api.h>
#include <daemon/instance.h>
#include <daemon/service.h>

struct daemon {
        const char *config_path;
        struct config *config;
        enum daemon_state {
                DAEMON_STARTING,
                DAEMON_RUNNING,
                DAEMON_DRAINING,
                DAEMON_STOPPING, /* told so twice */
        } state;
        bool quiet;
        struct pen_event *state_changed;

        struct instance instance;
        struct redis_store *redis; /* NULL: the store is our memory */
        struct share share;
        struct pen_lock *alone;
        struct pen_http_client *client; /* NULL: no handler has needed it */
        struct handlers *handlers;
        struct service_parts parts;
        struct list services;
        struct http_api *api;

        /* They end in this order. */
        struct pen_group *beside;  /* signals, news to systemd, statistics, the HTTP interface */
        struct pen_group *working; /* rooms */
        struct pen_group *storing; /* the store's connection */
        struct pen_group *logging;
};

/* signals.c: a task's function; `arg` is the daemon. */
PEN_ASYNC int signals_run(void *arg);

/* reload.c: the file again; whole or not at all. */
PEN_ASYNC int daemon_reload(struct daemon *d);

/* Puts every queue of `config` into service by it, and those it does not have out of it. */
int daemon_use(struct daemon *d, struct config *config, struct handlers *handlers);

/* news.c: tasks that tell systemd and the log how things are. */
PEN_ASYNC int announce_run(void *arg);
PEN_ASYNC int watchdog_run(void *arg);
PEN_ASYNC int statistics_run(void *arg);

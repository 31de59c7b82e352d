/* Where the jobs are: a Redis, or a daemon's socket. */
#pragma once

#include <cli/options.h>
#include <config/config.h>

/* As the user says it, before the verb or among its options. */
struct place {
        const char *config; /* -c */
        const char *store;  /* --store */
        const char *socket; /* --socket */
};

/* Their rows. `prefix` is the way to the struct place in `type`: nothing, or `place.`. */
#define PLACE_OPTIONS(type, prefix)                                                               \
        OPTION(TEXT, type, prefix config, .name = "config", .letter = 'c', .value = "FILE",       \
               .help = "the configuration (default: $PENSTOCK_CONFIG, or\n"                       \
                       "/etc/penstock/penstock.yaml): says where the jobs are"),                  \
                OPTION(TEXT, type, prefix store, .name = "store", .value = "URL",                 \
                       .help = "no configuration: the jobs of this Redis, redis://HOST:PORT/DB\n" \
                               "or unix:///PATH"),                                                \
                OPTION(TEXT, type, prefix socket, .name = "socket", .value = "PATH",              \
                       .help = "no configuration: those of the daemon at this Unix socket")

/* As it was found out. What is here lives as long as the place's words and `config`. */
struct location {
        struct config *config; /* NULL: there was none to read */
        bool redis;
        const char *url, *password, *prefix; /* of Redis */
        char *socket;                        /* of the daemon; NULL: */
        char *address;                       /* "HOST:PORT", with */
        const char *token;                   /* that; NULL: none */
};

/* Reads the configuration if it takes one. -1: well; else the exit code, the errors having been told. */
int place_locate(const struct place *place, const char *verb, struct location *ret_location);
void location_deinit(struct location *location);

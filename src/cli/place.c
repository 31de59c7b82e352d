#include <cli/place.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <cli/cli.h>

#define PREFIX_DEFAULT "penstock"
#define UNIX "unix:"

static int out_of_memory(const char *verb)
{
        cli_say(verb, "out of memory");
        return EXIT_UNREACHABLE;
}

void location_deinit(struct location *location)
{
        config_unref(location->config);
        free(location->socket);
        free(location->address);
        *location = (struct location){ 0 };
}

/* --- a daemon ----------------------------------------------------------------------------------- */

static const char *skip_unix(const char *address)
{
        return strncmp(address, UNIX, strlen(UNIX)) ? NULL : address + strlen(UNIX);
}

/* The first Unix socket, since it needs no token; else the first address. */
static const char *choose_address(const struct config_http *http)
{
        for (size_t i = 0; i < http->n_listen; i++)
                if (skip_unix(http->listen[i]))
                        return http->listen[i];
        return http->n_listen > 0 ? http->listen[0] : NULL;
}

/* Who listens everywhere is met at home. */
static char *make_reachable(const char *address)
{
        static const struct {
                const char *any, *home;
        } replaced[] = { { "0.0.0.0:", "127.0.0.1:" }, { "[::]:", "[::1]:" } };
        char *made;

        for (size_t i = 0; i < ARRAY_SIZE(replaced); i++) {
                size_t n = strlen(replaced[i].any);

                if (!strncmp(address, replaced[i].any, n))
                        return asprintf(&made, "%s%s", replaced[i].home, address + n) < 0 ? NULL
                                                                                          : made;
        }
        return strdup(address);
}

static int locate_daemon(const char *verb, struct location *l)
{
        const char *address = choose_address(&l->config->http);

        if (!address) {
                cli_say(verb,
                        "%s: store.kind is not redis and http.listen is empty: the daemon's jobs "
                        "cannot be reached; give http.listen an address",
                        l->config->path);
                return EXIT_CONFIGURATION;
        }
        if (skip_unix(address))
                l->socket = strdup(skip_unix(address));
        else
                l->address = make_reachable(address);
        l->token = l->config->http.token;
        return l->socket || l->address ? -1 : out_of_memory(verb);
}

/* --- the configuration -------------------------------------------------------------------------- */

static int read_config(const struct place *place, const char *verb, struct location *l)
{
        PEN_CLEANUP(buffer_deinit) struct buffer errors = { 0 };
        int r = config_load(config_path(place->config), &errors, &l->config);

        if (r == 0)
                return -1;
        if (r != -EINVAL)
                return out_of_memory(verb);
        fwrite(buffer_data(&errors), 1, buffer_size(&errors), stderr);
        if (!place->config)
                cli_say(verb,
                        "-c FILE names another configuration; --store URL or --socket PATH do "
                        "without one");
        return EXIT_CONFIGURATION;
}

static int locate_configured(const struct place *place, const char *verb, struct location *l)
{
        int code = read_config(place, verb, l);

        if (code >= 0)
                return code;
        if (l->config->store.kind != STORE_REDIS)
                return locate_daemon(verb, l);
        l->redis = true;
        l->url = l->config->store.url;
        l->password = l->config->store.password;
        l->prefix = l->config->store.prefix;
        return -1;
}

int place_locate(const struct place *place, const char *verb, struct location *ret_location)
{
        struct location l = { 0 };
        int code = -1;

        if (!!place->config + !!place->store + !!place->socket > 1)
                return cli_usage_error(verb, "one of -c, --store and --socket");
        if (place->store) {
                l.redis = true;
                l.url = place->store;
                l.prefix = PREFIX_DEFAULT;
        } else if (place->socket) {
                l.socket = strdup(skip_unix(place->socket) ?: place->socket);
                code = l.socket ? -1 : out_of_memory(verb);
        } else {
                code = locate_configured(place, verb, &l);
        }
        if (code >= 0)
                location_deinit(&l);
        else
                *ret_location = l;
        return code;
}

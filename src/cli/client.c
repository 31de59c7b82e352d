#include <cli/client.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <base/parse.h>
#include <cli/cli.h>
#include <penstock/loop.h>
#include <penstock/task.h>

#define PAYLOAD_MAX ((size_t)1 << 20) /* where no configuration says otherwise */

/* --- errors ------------------------------------------------------------------------------------- */

int client_fail(struct client *client, int r, const char *format, ...)
{
        va_list args;

        va_start(args, format);
        vsnprintf(client->error, sizeof(client->error), format, args);
        va_end(args);
        return r;
}

static int exit_code_of(int r)
{
        switch (r) {
        case -ENOENT:
        case -EINVAL:
                return EXIT_USAGE;
        case -EACCES:
                return EXIT_CONFIGURATION;
        case -ETIME:
                return EXIT_TIMED_OUT;
        }
        return EXIT_UNREACHABLE;
}

int client_tell(struct client *client, const char *verb, int r)
{
        if (r == -ECANCELED && client->lost)
                r = -EHOSTUNREACH;
        if (r != -ECANCELED) /* the user has said so */
                cli_say(verb, "%s", client->error[0] ? client->error : strerror(-r));
        return exit_code_of(r);
}

/* --- what can be pushed ------------------------------------------------------------------------- */

int client_check_queue(const struct client *client, const char *queue,
                       char error[INTAKE_ERROR_SIZE])
{
        const struct config *config = client->location->config;

        if (!parse_is_name(queue, strlen(queue)))
                snprintf(error, INTAKE_ERROR_SIZE,
                         "%.80s is not the name of a queue: 1 to 64 of A-Z a-z 0-9 _ . -", queue);
        else if (config && !config_queue(config, queue))
                snprintf(error, INTAKE_ERROR_SIZE, "%s has no queue %s", config->path, queue);
        else
                return 0;
        return -EINVAL;
}

static bool takes_type(const struct config_queue *queue, const char *type)
{
        for (size_t i = 0; i < queue->n_types; i++)
                if (type && !strcmp(queue->types[i].type, type))
                        return true;
        return type ? queue->n_types == 0 : queue->handler != NULL;
}

static struct intake intake_of(const struct client *client)
{
        const struct config *config = client->location->config;

        if (!client->location->redis) /* the daemon's own looks at it */
                return (struct intake){ .payload_max = SIZE_MAX, .delay_max = PEN_FOREVER };
        if (!config)
                return (struct intake){ .payload_max = PAYLOAD_MAX };
        return (struct intake){
                .payload_max = (size_t)config->limits.payload,
                .delay_max = config->limits.delay,
        };
}

int client_make_job(const struct client *client, const char *queue, const struct job_fields *fields,
                    uint64_t source, struct job **ret_job, char error[INTAKE_ERROR_SIZE])
{
        const struct config *config = client->location->config;
        const struct config_queue *q = config ? config_queue(config, queue) : NULL;
        struct intake intake = intake_of(client);
        int r;

        if (q && !takes_type(q, fields->type)) {
                snprintf(error, INTAKE_ERROR_SIZE, "type: queue %s has no handler for %s", queue,
                         fields->type ? fields->type : "jobs without one");
                return -EINVAL;
        }
        r = intake_make(&intake, fields, source, ret_job, error);
        return r == -EMSGSIZE ? -EINVAL : r;
}

/* --- a verb's life ------------------------------------------------------------------------------ */

struct session {
        const struct location *location;
        const char *verb;
        int (*fn)(struct client *client, void *arg);
        void *arg;
        bool interrupted;
};

static int session_main(void *arg)
{
        struct session *s = arg;
        char error[512] = "";
        struct client *client;
        int r;

        r = (s->location->redis ? client_redis_open : client_http_open)(s->location, &client, error,
                                                                        sizeof(error));
        if (r < 0) {
                s->interrupted = r == -ECANCELED;
                if (!s->interrupted)
                        cli_say(s->verb, "%s", error[0] ? error : strerror(-r));
                return exit_code_of(r);
        }
        r = s->fn(client, s->arg);
        s->interrupted = pen_cancelling() > 0 && !client->lost;
        if (r < 0)
                r = client_tell(client, s->verb, r);
        client->class->close(client);
        return r;
}

/* As if we had never caught it: a shell's loop around us ends too. */
static void die_of_interrupt(void)
{
        signal(SIGINT, SIG_DFL);
        raise(SIGINT);
}

int client_run(const struct place *place, const char *verb,
               int (*fn)(struct client *client, void *arg), void *arg)
{
        struct location location;
        struct session session = { .location = &location, .verb = verb, .fn = fn, .arg = arg };
        int r = place_locate(place, verb, &location);

        if (r >= 0)
                return r;
        r = pen_run(session_main, &session);
        location_deinit(&location);
        if (session.interrupted)
                die_of_interrupt();
        if (r < 0) {
                cli_say(verb, "cannot start: %s", strerror(-r));
                return EXIT_UNREACHABLE;
        }
        return r;
}

#include <signal.h>

#include <base/log.h>
#include <daemon/parts.h>
#include <penstock/fd.h>
#include <penstock/loop.h>
#include <penstock/sync.h>

static void set_quiet(struct daemon *d, bool quiet)
{
        if (d->quiet == quiet || d->state >= DAEMON_DRAINING)
                return;
        d->quiet = quiet;
        LOG(LOG_INFO, "daemon.quiet",
            F_STR("note", quiet ? "fetching no more, what was fetched runs" : "fetching again"));
        list_for_each(i, &d->services) {
                struct service *s = list_entry(i, struct service, link);

                if (!s->removed)
                        service_quiet(s, quiet);
        }
}

static void tell_running(void *data, const struct flight *flight)
{
        const struct service *s = data;

        LOG(LOG_WARN, "job.running", F_STR("queue", s->name), F_STR("id", flight->job->fields.id),
            F_STR("type", flight->job->fields.type), F_UINT("attempt", flight->job->attempts + 1),
            F_MS("run_ms", pen_now() - flight->started));
}

/* At a level that is always shown: somebody asked. */
static void tell_all_running(struct daemon *d)
{
        list_for_each(i, &d->services) {
                struct service *s = list_entry(i, struct service, link);

                LOG(LOG_WARN, "queue.running", F_STR("queue", s->name),
                    F_UINT("running", service_running(s)), F_UINT("buffered", service_buffered(s)));
                service_each_running(s, tell_running, s);
        }
}

static void stop(struct daemon *d)
{
        if (d->state == DAEMON_STOPPING)
                return;
        d->state = d->state == DAEMON_DRAINING ? DAEMON_STOPPING : DAEMON_DRAINING;
        pen_event_set(d->state_changed);
}

int signals_run(void *arg)
{
        static const int signals[] = { SIGTERM, SIGINT, SIGHUP, SIGTSTP, SIGCONT, SIGTTIN };
        struct daemon *d = arg;

        for (;;) {
                int r = pen_signal_wait(signals, ARRAY_SIZE(signals));

                switch (r) {
                case SIGTERM:
                case SIGINT:
                        stop(d);
                        break;
                case SIGHUP:
                        if (d->state <= DAEMON_RUNNING)
                                r = daemon_reload(d);
                        break;
                case SIGTSTP:
                        set_quiet(d, true);
                        break;
                case SIGCONT:
                        set_quiet(d, false);
                        break;
                case SIGTTIN:
                        tell_all_running(d);
                        break;
                default:
                        return r;
                }
        }
}

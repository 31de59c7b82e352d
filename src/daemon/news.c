#include <base/log.h>
#include <daemon/parts.h>
#include <daemon/systemd.h>
#include <penstock/loop.h>
#include <penstock/task.h>
#include <store/redis/store.h>

#define STATUS_PERIOD (5 * PEN_SEC)
#define PERIOD_MIN (100 * PEN_MSEC)

static void tell_status(const struct daemon *d)
{
        size_t running = 0, buffered = 0, queues = 0;

        list_for_each(i, &d->services) {
                const struct service *s = list_entry(i, struct service, link);

                running += service_running(s);
                buffered += service_buffered(s);
                queues += !s->removed;
        }
        (void)systemd_status("%s%s%zu queues, %zu jobs running, %zu buffered",
                             d->state >= DAEMON_DRAINING ? "draining: "
                             : d->quiet                  ? "quiet: "
                                                         : "",
                             d->redis && !redis_store_is_up(d->redis) ? "Redis is away: " : "",
                             queues, running, buffered);
}

/* READY only when the store answers. */
int announce_run(void *arg)
{
        struct daemon *d = arg;
        int r = d->redis ? redis_store_wait_up(d->redis) : 0;

        if (r < 0)
                return r;
        if (d->state == DAEMON_STARTING)
                d->state = DAEMON_RUNNING;
        LOG(LOG_INFO, "daemon.ready", F_UINT("queues", d->config->n_queues));
        (void)systemd_ready();
        do
                tell_status(d);
        while ((r = pen_sleep(STATUS_PERIOD)) == 0);
        return r;
}

/* Fed by a task of the loop: one that does not turn starves it. */
int watchdog_run(void *arg)
{
        pen_usec interval = systemd_watchdog_interval();
        int r;

        (void)arg;
        if (interval == PEN_FOREVER)
                return 0;
        do
                (void)systemd_watchdog();
        while ((r = pen_sleep(MAX(interval / 3, PERIOD_MIN))) == 0);
        return r;
}

static int tell_statistics(struct service *s)
{
        struct store_counts counts;
        int r = store_count(s->store, &counts);

        if (r < 0)
                return r;
        job_log_stats(&s->log,
                      (const struct log_field[]){
                              F_UINT("ready", counts.ready),
                              F_UINT("delayed", counts.delayed),
                              F_UINT("running", service_running(s)),
                              F_UINT("buffered", service_buffered(s)),
                              F_UINT("dead_letters", counts.dead_letters),
                      },
                      5);
        return 0;
}

int statistics_run(void *arg)
{
        struct daemon *d = arg;
        int r = 0;

        while (r == 0) {
                /* Off: looked at again, since a reload may turn it on. */
                r = pen_sleep(d->config->log.stats ? d->config->log.stats : PEN_MINUTE);
                if (r < 0 || d->config->log.stats == 0)
                        continue;
                list_for_each(i, &d->services) {
                        struct service *s = list_entry(i, struct service, link);

                        if (r == 0 && !s->removed)
                                r = tell_statistics(s);
                }
        }
        return r;
}

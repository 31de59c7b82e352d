#include <daemon/log_writer.h>

#include <errno.h>

#include <penstock/fd.h>
#include <penstock/sync.h>
#include <penstock/task.h>

#define PAUSE PEN_SEC /* where nobody can tell when there is room: no descriptor, no memory */

static void wake(void *event)
{
        pen_event_set(event);
}

static int wait_for_room(void)
{
        int r = pen_fd_wait(log_fd(), PEN_WRITABLE);

        return r >= 0 || r == -ECANCELED ? r : pen_sleep(PAUSE);
}

/* All that there is, and what is said meanwhile. */
static int write_pending(void)
{
        int r = 0;

        while (r >= 0 && log_pending()) {
                /* The tasks of this turn may have more to say. */
                r = pen_yield();
                if (r == 0 && log_advance() == -EAGAIN)
                        r = wait_for_room();
        }
        return r;
}

int log_writer_run(__attribute__((unused)) void *arg)
{
        PEN_CLEANUP(pen_event_freep) struct pen_event *pending = NULL;
        int r = pen_event_create(&pending);

        if (r < 0)
                return r;
        log_on_pending(wake, pending);
        do {
                pen_event_clear(pending);
                r = write_pending();
                if (r >= 0)
                        r = pen_event_wait(pending);
        } while (r >= 0);
        log_on_pending(NULL, NULL);
        (void)log_advance();
        return r;
}

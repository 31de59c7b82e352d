#include <penstock/stream.h>

#include <errno.h>
#include <string.h>

#include <async/loop.h>
#include <penstock/group.h>

struct connection {
        struct pen_stream *stream;
        int (*handler)(struct pen_stream *stream, void *arg);
        void *arg;
};

/* One connection's failure is not the group's. */
static int serve_one(void *arg)
{
        struct connection *c = arg;
        int r = c->handler(c->stream, c->arg);

        if (r < 0 && r != -ECANCELED)
                loop_log(current_loop, PEN_LOG_ERROR, "task %s failed: %s",
                         pen_task_name(pen_task_current()), strerror(-r));
        pen_stream_free(c->stream);
        free(c);
        return 0;
}

static int start(struct pen_group *group, const struct connection *connection)
{
        struct connection *c = malloc(sizeof(*c));
        int r;

        if (!c)
                return -ENOMEM;
        *c = *connection;
        r = pen_group_spawn(group, NULL, serve_one, c, NULL);
        if (r < 0)
                free(c);
        return r;
}

int pen_serve(struct pen_listener *listener, int (*handler)(struct pen_stream *stream, void *arg),
              void *arg)
{
        struct connection c = { .handler = handler, .arg = arg };
        PEN_CLEANUP(pen_group_freep) struct pen_group *group = NULL;
        int r = pen_task_current() ? pen_group_create(&group) : -EDEADLK;

        while (r == 0 && (r = pen_accept(listener, &c.stream)) == 0) {
                int refused = start(group, &c);

                if (refused < 0) {
                        loop_log(current_loop, PEN_LOG_WARNING, "a connection is refused: %s",
                                 strerror(-refused));
                        pen_stream_free(c.stream);
                }
        }
        return r;
}

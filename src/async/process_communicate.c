/* Talking with a child: the pipes are served on the root, while the task waits for the child's end
 * alone. */
#include <async/process.h>

#include <errno.h>
#include <sys/ioctl.h>

#include <async/loop.h>
#include <base/buffer.h>

#define READ_MAX 65536 /* a full pipe; on the loop's own stack */

struct input {
        struct event event;
        int *fd;
        const char *data;
        size_t size;
};

struct output {
        struct event event;
        int *fd;
        const struct pen_process_capture *capture;
        struct buffer kept;
        bool piped, cut;
        int error;
};

static void end_stream(struct event *event, int *fd)
{
        event_del(event);
        close_fd(fd);
}

/* Writes what the pipe takes. */
static void feed(struct input *in)
{
        ssize_t n = in->size > 0 ? write(*in->fd, in->data, in->size) : 0;

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return;
        if (n > 0) {
                in->data += n;
                in->size -= (size_t)n;
        }
        if (n < 0 || in->size == 0) /* EPIPE: the child does not want it, which is its own affair */
                end_stream(&in->event, in->fd);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
        (void)fd, (void)what;
        feed(arg);
}

static void keep(struct output *out, const char *data, size_t n)
{
        size_t max = out->capture ? out->capture->max : 0;
        size_t room = max - buffer_size(&out->kept);

        if (n > room) {
                out->cut = true;
                if (out->capture && out->capture->tail) {
                        data += n - MIN(n, max);
                        n = MIN(n, max);
                        buffer_consume(&out->kept, n - MIN(n, room));
                } else {
                        n = room;
                }
        }
        if (buffer_append(&out->kept, data, n) < 0)
                out->error = -ENOMEM;
}

/* Answers how many bytes have come; 0: none, or no more. */
static size_t read_some(struct output *out, size_t max)
{
        char data[READ_MAX];
        ssize_t n = read(*out->fd, data, MIN(max, sizeof(data)));

        if (n > 0)
                keep(out, data, (size_t)n);
        else if (n == 0 || (errno != EAGAIN && errno != EINTR))
                end_stream(&out->event, out->fd);
        return n > 0 ? (size_t)n : 0;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
        (void)fd, (void)what;
        read_some(arg, READ_MAX);
}

/* On the root, for its stack. Others may hold the pipe and write on: what is in it now is all. */
static int read_rest(void *arg)
{
        struct output *out = arg;
        size_t n, left = 0;
        int size;

        if (*out->fd >= 0 && ioctl(*out->fd, FIONREAD, &size) == 0)
                left = (size_t)size;
        while (left > 0 && (n = read_some(out, left)) > 0)
                left -= n;
        end_stream(&out->event, out->fd);
        return out->error;
}

static int start_input(struct pen_loop *loop, struct input *in)
{
        event_assign(&in->event, loop->base, *in->fd, EV_WRITE | EV_PERSIST, on_writable, in);
        feed(in);
        return *in->fd >= 0 && event_add(&in->event, NULL) < 0 ? -ENOMEM : 0;
}

/* Not after an error, `r`; but then too there is an event that can be ended. */
static int start_output(struct pen_loop *loop, struct output *out, int r)
{
        event_assign(&out->event, loop->base, *out->fd, EV_READ | EV_PERSIST, on_readable, out);
        return r == 0 && *out->fd >= 0 && event_add(&out->event, NULL) < 0 ? -ENOMEM : r;
}

static int give(struct output *out, struct pen_process_capture *capture)
{
        if (!capture)
                return 0;
        capture->size = 0;
        capture->data = out->piped ? buffer_take(&out->kept, &capture->size) : NULL;
        capture->cut = out->cut;
        return out->piped && !capture->data ? -ENOMEM : 0;
}

static int give_both(struct output outputs[2], struct pen_process_capture *out,
                     struct pen_process_capture *err)
{
        int r = give(&outputs[0], out);

        if (r < 0)
                return r;
        r = give(&outputs[1], err);
        if (r < 0 && out)
                free(TAKE(out->data));
        return r;
}

int pen_process_communicate(struct pen_process *process, const void *input, size_t size,
                            struct pen_process_capture *out, struct pen_process_capture *err,
                            int *ret_status)
{
        int *fds = process->stdio, status, r;
        struct input in = { .fd = &fds[0], .data = input, .size = size };
        struct output outputs[] = { { .fd = &fds[1], .capture = out, .piped = fds[1] >= 0 },
                                    { .fd = &fds[2], .capture = err, .piped = fds[2] >= 0 } };

        if (size > 0 && fds[0] < 0)
                return -EINVAL;
        r = task_checkpoint(process->loop->current);
        if (r < 0)
                return r;
        r = start_input(process->loop, &in);
        for (int i = 0; i < 2; i++)
                r = start_output(process->loop, &outputs[i], r);
        if (r == 0)
                r = pen_process_wait(process, &status);
        event_del(&in.event);
        for (int i = 0; i < 2; i++) {
                event_del(&outputs[i].event);
                if (r == 0)
                        r = pen_on_thread_stack(read_rest, &outputs[i]);
        }
        if (r == 0)
                r = give_both(outputs, out, err);
        if (r == 0) {
                close_fd(&fds[0]);
                *ret_status = status;
        }
        for (int i = 0; i < 2; i++)
                buffer_deinit(&outputs[i].kept);
        return r;
}

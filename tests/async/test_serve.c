#include "../in_loop.h"
#include "world.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <penstock/group.h>
#include <penstock/stream.h>
#include <penstock/sync.h>
#include <penstock/timeout.h>

struct service {
        struct pen_listener *listener;
        struct pen_task *task;
        int (*handler)(struct pen_stream *stream, void *service);
        char address[64];
        int started, ended, running, most;
        int met; /* by the last handler that was cancelled */
};

static int serve(void *arg)
{
        struct service *s = arg;

        return pen_serve(s->listener, s->handler, s);
}

static void service_start(struct service *s, int (*handler)(struct pen_stream *, void *))
{
        *s = (struct service){ .handler = handler };
        ck_assert_int_eq(pen_listen("127.0.0.1:0", &s->listener), 0);
        sprintf(s->address, "127.0.0.1:%u", pen_listener_port(s->listener));
        ck_assert_int_eq(pen_spawn(serve, s, &s->task), 0);
}

static int service_stop(struct service *s)
{
        int r;

        pen_task_cancel(s->task);
        ck_assert_int_eq(pen_await(s->task, &r), 0);
        pen_task_unref(s->task);
        pen_listener_free(s->listener);
        return r;
}

static struct pen_stream *connect_to(struct service *s)
{
        struct pen_stream *stream;

        ck_assert_int_eq(pen_stream_connect(s->address, &stream), 0);
        return stream;
}

static void wait_for(int *n, int wanted)
{
        while (*n < wanted)
                ck_assert_int_eq(pen_sleep(PEN_MSEC), 0);
}

static int echo(struct pen_stream *stream, void *arg)
{
        struct service *s = arg;
        char *line;
        ssize_t n;

        s->started++;
        s->running++;
        s->most = MAX(s->most, s->running);
        while ((n = pen_stream_read_line(stream, 100, &line)) > 0) {
                if (strncmp(line, "fail\n", 5) == 0)
                        n = -EILSEQ;
                if (n < 0 || pen_stream_write(stream, line, (size_t)n) < 0)
                        break;
        }
        if (n == -ECANCELED)
                s->met = (int)n;
        s->running--;
        s->ended++;
        return (int)n;
}

static void talk(struct pen_stream *stream, const char *line)
{
        char *answer;

        ck_assert_int_eq(pen_stream_write(stream, line, strlen(line)), 0);
        ck_assert_int_eq((int)pen_stream_read_line(stream, 100, &answer), (int)strlen(line));
        ck_assert_int_eq(memcmp(answer, line, strlen(line)), 0);
}

IN_LOOP(each_connection_has_a_task_of_its_own)
{
        struct pen_stream *streams[20];
        struct service s;

        service_start(&s, echo);
        for (size_t i = 0; i < ARRAY_SIZE(streams); i++)
                streams[i] = connect_to(&s);
        for (size_t i = ARRAY_SIZE(streams); i-- > 0;)
                talk(streams[i], "hello\n");
        ck_assert_int_eq(s.most, ARRAY_SIZE(streams));
        for (size_t i = 0; i < ARRAY_SIZE(streams); i++)
                pen_stream_free(streams[i]);
        wait_for(&s.ended, ARRAY_SIZE(streams));
        ck_assert_int_eq(service_stop(&s), -ECANCELED);
        return 0;
}

static int talk_much(void *arg)
{
        PEN_CLEANUP(pen_stream_freep) struct pen_stream *stream = connect_to(arg);

        for (int i = 0; i < 20; i++)
                talk(stream, "hello\n");
        return 0;
}

IN_LOOP(many_come_and_go)
{
        PEN_CLEANUP(pen_group_freep) struct pen_group *group = NULL;
        int n = (int)many(500, 100);
        struct service s;

        service_start(&s, echo);
        ck_assert_int_eq(pen_group_create(&group), 0);
        for (int i = 0; i < n; i++)
                ck_assert_int_eq(pen_group_spawn(group, NULL, talk_much, &s, NULL), 0);
        ck_assert_int_eq(pen_group_join(group), 0);
        wait_for(&s.ended, n);
        ck_assert_int_eq(s.started, n);
        ck_assert_int_eq(service_stop(&s), -ECANCELED);
        return 0;
}

/* --- failure ------------------------------------------------------------------------------------------ */

static char logged[256];
static int n_logged;

static void keep_log(void *data, enum pen_log_level level, const char *message)
{
        (void)data;
        ck_assert_int_eq(level, PEN_LOG_ERROR);
        snprintf(logged, sizeof(logged), "%s", message);
        n_logged++;
}

static int fail_one_of_two(__attribute__((unused)) void *arg)
{
        struct pen_stream *a, *b;
        struct service s;
        char byte;

        service_start(&s, echo);
        a = connect_to(&s);
        b = connect_to(&s);
        talk(a, "hello\n");
        talk(b, "hello\n");
        ck_assert_int_eq(pen_stream_write(a, "fail\n", 5), 0);
        ck_assert_int_eq((int)pen_stream_read(a, &byte, 1), 0); /* its stream was freed */
        talk(b, "hello\n");
        pen_stream_free(a);
        a = connect_to(&s);
        talk(a, "hello\n");
        ck_assert_int_eq(s.running, 2);
        pen_stream_free(a);
        pen_stream_free(b);
        return service_stop(&s) == -ECANCELED ? 0 : -EIO;
}

START_TEST(failure_of_a_handler_is_logged_and_nobody_elses)
{
        struct pen_options options = { .log = keep_log };

        ck_assert_int_eq(pen_run_with(&options, fail_one_of_two, NULL), 0);
        ck_assert_int_eq(n_logged, 1);
        ck_assert_ptr_nonnull(strstr(logged, "task-"));
        ck_assert_ptr_nonnull(strstr(logged, strerror(EILSEQ)));
}
END_TEST

IN_LOOP(what_accept_meets_ends_the_handlers_too)
{
        struct pen_stream *a;
        struct service s;
        int fd = dup(0), r;

        close(fd);
        service_start(&s, echo); /* its socket is the lowest free number */
        a = connect_to(&s);
        talk(a, "hello\n");
        ck_assert_int_eq(shutdown(fd, SHUT_RDWR), 0);
        ck_assert_int_eq(pen_await(s.task, &r), 0);
        ck_assert_int_eq(r, -EINVAL);
        ck_assert_int_eq(s.met, -ECANCELED);
        ck_assert_int_eq(s.running, 0);
        ck_assert_int_eq(service_stop(&s), -EINVAL);
        pen_stream_free(a);
        return 0;
}

/* --- cancellation ------------------------------------------------------------------------------------- */

IN_LOOP(cancelled_it_cancels_its_tasks_and_waits_for_them)
{
        struct pen_stream *a, *b;
        struct service s;
        char byte;

        service_start(&s, echo);
        a = connect_to(&s);
        b = connect_to(&s);
        talk(a, "hello\n");
        talk(b, "hello\n");
        ck_assert_int_eq(service_stop(&s), -ECANCELED);
        ck_assert_int_eq(s.ended, 2);
        ck_assert_int_eq(s.met, -ECANCELED);
        ck_assert_int_eq((int)pen_stream_read(a, &byte, 1), 0);
        ck_assert_int_eq((int)pen_stream_read(b, &byte, 1), 0);
        pen_stream_free(a);
        pen_stream_free(b);
        return 0;
}

/* Takes an hour to leave. */
static int leave_slowly(struct pen_stream *stream, void *arg)
{
        struct service *s = arg;
        char byte;
        int r;

        s->started++;
        r = (int)pen_stream_read(stream, &byte, 1);
        ck_assert_int_eq(r, -ECANCELED);
        ck_assert_int_eq(pen_sleep(PEN_HOUR), 0);
        s->ended++;
        return r;
}

IN_VIRTUAL_LOOP(second_cancellation_does_not_leave_a_handler_behind)
{
        struct pen_stream *a;
        struct service s;

        service_start(&s, leave_slowly);
        a = connect_to(&s);
        while (s.started == 0)
                ck_assert_int_eq(pen_yield(), 0);
        pen_task_cancel(s.task);
        ck_assert_int_eq(pen_sleep(PEN_MINUTE), 0);
        ck_assert(!pen_task_done(s.task));
        pen_task_cancel(s.task);
        ck_assert_int_eq(pen_sleep(PEN_MINUTE), 0);
        ck_assert(!pen_task_done(s.task));
        ck_assert_int_eq(service_stop(&s), -ECANCELED);
        ck_assert_int_eq(s.ended, 1);
        ck_assert_uint_ge(pen_now(), PEN_HOUR);
        pen_stream_free(a);
        return 0;
}

IN_VIRTUAL_LOOP(it_serves_until_a_deadline_and_may_begin_again)
{
        struct service s = { .handler = echo };

        ck_assert_int_eq(pen_listen("127.0.0.1:0", &s.listener), 0);
        for (int i = 1; i < 4; i++) {
                ck_assert_int_eq(pen_within(PEN_MINUTE, serve, &s), -ETIME);
                ck_assert_uint_eq(pen_now(), (pen_usec)i * PEN_MINUTE);
        }
        pen_listener_free(s.listener);
        return 0;
}

IN_LOOP(cancelled_before_its_first_run_it_accepts_nobody)
{
        struct service s;

        service_start(&s, echo);
        ck_assert_int_eq(service_stop(&s), -ECANCELED);
        ck_assert_int_eq(s.started, 0);
        return 0;
}

static int end_well(struct pen_stream *stream, void *arg)
{
        int r = pen_stream_write(stream, "good day\n", 9);

        (void)arg;
        return r < 0 ? r : pen_stream_shutdown(stream);
}

IN_LOOP(handler_that_ends_well_is_read_to_the_end)
{
        struct service s;

        service_start(&s, end_well);
        for (int i = 0; i < 100; i++) {
                PEN_CLEANUP(pen_stream_freep) struct pen_stream *a = connect_to(&s);
                char *line, byte;

                ck_assert_int_eq((int)pen_stream_read_line(a, 100, &line), 9);
                ck_assert_int_eq((int)pen_stream_read(a, &byte, 1), 0);
        }
        ck_assert_int_eq(service_stop(&s), -ECANCELED);
        return 0;
}

START_TEST(root_of_the_loop_cannot_serve)
{
        struct pen_listener *l;
        struct world w;

        world_init(&w);
        ck_assert_int_eq(pen_listen("127.0.0.1:0", &l), 0);
        ck_assert_int_eq(pen_serve(l, end_well, NULL), -EDEADLK);
        pen_listener_free(l);
        world_deinit(&w);
}
END_TEST

int main(void)
{
        return RUN_SUITE("serve", each_connection_has_a_task_of_its_own, many_come_and_go,
                         failure_of_a_handler_is_logged_and_nobody_elses,
                         what_accept_meets_ends_the_handlers_too,
                         cancelled_it_cancels_its_tasks_and_waits_for_them,
                         second_cancellation_does_not_leave_a_handler_behind,
                         it_serves_until_a_deadline_and_may_begin_again,
                         cancelled_before_its_first_run_it_accepts_nobody,
                         handler_that_ends_well_is_read_to_the_end, root_of_the_loop_cannot_serve);
}

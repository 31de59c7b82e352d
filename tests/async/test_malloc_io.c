/* The Nth allocation fails, for every N: descriptors, threads, children, streams, HTTP. */
#include "failing.h"
#include "pki.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <base/util.h>
#include <penstock/penstock.h>

/* --- descriptors, signals, threads, calls_of_threads, children ------------------------------------------------------ */

static void close_pair(int (*fds)[2])
{
        for (int i = 0; i < 2; i++)
                if ((*fds)[i] >= 0)
                        close((*fds)[i]);
}

SCENARIO(real_time)
{
        return pen_sleep(PEN_MSEC);
}

SCENARIO(descriptors)
{
        PEN_CLEANUP(close_pair) int fds[2] = { -1, -1 };

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
                return -errno;
        return pen_fd_wait(fds[0], PEN_WRITABLE);
}

static int wait_for_signal(void *arg)
{
        static const int signals[] = { SIGUSR1, SIGINT };

        (void)arg;
        return pen_signal_wait(signals, ARRAY_SIZE(signals));
}

SCENARIO(signals)
{
        PEN_CLEANUP(pen_task_unrefp) struct pen_task *waiting = NULL;
        int r;

        TRY(pen_spawn(wait_for_signal, NULL, &waiting));
        TRY(pen_yield());
        if (!pen_task_done(waiting))
                raise(SIGUSR1);
        TRY(pen_await(waiting, &r));
        return r;
}

static int return_7(void *arg)
{
        (void)arg;
        return 7;
}

SCENARIO(threads, .other_error = -EAGAIN)
{
        int result = -1;
        void *owned = malloc(1);

        if (!owned)
                return -ENOMEM;
        TRY(pen_to_thread_detached(return_7, owned, free, &result));
        return pen_to_thread(return_7, NULL, &result);
}

struct caller {
        struct pen_loop *loop;
        int r;
};

static int call_loop(void *arg)
{
        struct caller *caller = arg;
        int result = -1;

        caller->r = pen_run_threadsafe(caller->loop, return_7, NULL, PEN_MINUTE, &result);
        return 0;
}

SCENARIO(calls_of_threads, .other_error = -EAGAIN)
{
        struct caller caller = { .loop = pen_loop_current() };

        TRY(pen_to_thread(call_loop, &caller, NULL));
        return caller.r;
}

static const char *const echo[] = { "/bin/cat", NULL };

SCENARIO(children, .other_error = -EAGAIN) /* by a thread, where there are no pidfds */
{
        static const struct pen_process_options options = {
                .argv = echo, .in = PEN_STDIO_PIPE, .out = PEN_STDIO_PIPE, .err = PEN_STDIO_PIPE
        };
        PEN_CLEANUP(pen_process_freep) struct pen_process *child = NULL;
        struct pen_process_capture out = { .max = 100 }, err = { .max = 100 };
        int status;

        TRY(pen_process_spawn(&options, &child));
        TRY(pen_process_communicate(child, "hello", 5, &out, &err, &status));
        free(out.data);
        free(err.data);
        return 0;
}

/* --- streams ---------------------------------------------------------------------------------- */

struct talk {
        struct pen_listener *listener;
        struct pen_tls *tls; /* NULL: without */
        struct pen_group *group;
};

static int answer_line(struct pen_stream *stream, void *talk)
{
        struct pen_tls *tls = ((struct talk *)talk)->tls;
        ssize_t n;
        char *line;

        if (tls)
                TRY(pen_stream_start_tls(stream, tls, NULL, NULL));
        n = pen_stream_read_line(stream, 100, &line);
        TRY(n);
        TRY(pen_stream_write(stream, line, (size_t)n));
        return pen_stream_shutdown(stream);
}

static int answer(void *talk)
{
        PEN_CLEANUP(pen_stream_freep) struct pen_stream *stream = NULL;

        TRY(pen_accept(((struct talk *)talk)->listener, &stream));
        return answer_line(stream, talk);
}

static int serve(void *talk)
{
        return pen_serve(((struct talk *)talk)->listener, answer_line, talk);
}

static int ask(const char *address, struct pen_tls *tls)
{
        PEN_CLEANUP(pen_stream_freep) struct pen_stream *stream = NULL;
        char data[6];

        TRY(pen_stream_connect(address, &stream));
        if (tls)
                TRY(pen_stream_start_tls(stream, tls, "example.test", NULL));
        TRY(pen_stream_write(stream, "hello\n", 6));
        TRY(pen_stream_drain(stream));
        return pen_stream_read_exactly(stream, data, 6);
}

/* One side that fails cancels the other. */
static int talk_at(const char *at, int (*server)(void *talk), struct pen_tls *server_tls,
                   struct pen_tls *client_tls)
{
        PEN_CLEANUP(pen_listener_freep) struct pen_listener *listener = NULL;
        PEN_CLEANUP(pen_group_freep) struct pen_group *group = NULL;
        struct talk talk = { .tls = server_tls };
        char address[100];
        int r, joined;

        TRY(pen_listen(at, &listener));
        talk.listener = listener;
        snprintf(address, sizeof(address), "%s", at);
        if (pen_listener_port(listener) > 0)
                snprintf(address, sizeof(address), "127.0.0.1:%u", pen_listener_port(listener));
        TRY(pen_group_create(&group));
        TRY(pen_group_spawn(group, NULL, server, &talk, NULL));
        r = ask(address, client_tls);
        if (r < 0 || server == serve)
                pen_group_cancel(group);
        joined = pen_group_join(group);
        return joined < 0 ? joined : r;
}

SCENARIO(streams)
{
        return talk_at("127.0.0.1:0", answer, NULL, NULL);
}

SCENARIO(unix_streams)
{
        char address[100];

        snprintf(address, sizeof(address), "unix:/tmp/penstock-malloc-%d", (int)getpid());
        return talk_at(address, answer, NULL, NULL);
}

static int sleep_long(void *arg)
{
        (void)arg;
        return pen_sleep(PEN_HOUR);
}

/* For want of memory it refuses a connection, whose other end sees that. */
SCENARIO(servers)
{
        int r;

        for (int i = 0; i < 62; i++) /* so many that a connection's task needs a new stack */
                TRY(pen_spawn(sleep_long, NULL, NULL));
        r = talk_at("127.0.0.1:0", serve, NULL, NULL);
        return r == -EPIPE || r == -ECONNRESET ? -ENOMEM : r;
}

SCENARIO(tls_streams, .whose = FAILING_SSL)
{
        static const struct pen_tls_options server = { .cert_file = "both.pem" },
                                            client = { .ca_file = "ca.pem" };
        PEN_CLEANUP(pen_tls_freep) struct pen_tls *server_tls = NULL, *client_tls = NULL;

        TRY(pen_tls_create(&server, &server_tls, NULL));
        TRY(pen_tls_create(&client, &client_tls, NULL));
        return talk_at("127.0.0.1:0", answer, server_tls, client_tls);
}

SCENARIO(names, .other_error = -EAGAIN)
{
        struct pen_address addresses[4];

        TRY(pen_getaddrinfo("localhost", 80, addresses, 4));
        return pen_getaddrinfo("localhost", 81, addresses, 4);
}

/* --- HTTP ------------------------------------------------------------------------------------- */

/* A server of its own process, whose allocations are not counted: it answers each request alike. */
static uint16_t server_port;
static pid_t server;

static void answer_requests(int fd)
{
        static const char response[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
        char data[4096];
        ssize_t n;

        /* curl sends a small request in one piece */
        while ((n = recv(fd, data, sizeof(data), 0)) > 0)
                if (send(fd, response, sizeof(response) - 1, MSG_NOSIGNAL) < 0)
                        break;
        close(fd);
}

static void serve_http(void)
{
        struct sockaddr_in at = { .sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        socklen_t size = sizeof(at);

        if (bind(listener, (struct sockaddr *)&at, size) < 0 || listen(listener, 16) < 0 ||
            getsockname(listener, (struct sockaddr *)&at, &size) < 0)
                exit(EXIT_FAILURE);
        server_port = ntohs(at.sin_port);
        server = fork();
        if (server == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                signal(SIGCHLD, SIG_IGN);
                for (;;) {
                        int fd = accept(listener, NULL, NULL);

                        if (fd >= 0 && fork() == 0) {
                                prctl(PR_SET_PDEATHSIG, SIGKILL);
                                answer_requests(fd);
                                _exit(0);
                        }
                        close(fd);
                }
        }
        close(listener);
}

SCENARIO(http, .whose = FAILING_CURL, .other_error = -EAGAIN)
{
        static const struct pen_http_options options = PEN_HTTP_OPTIONS_DEFAULT;
        static const char *const headers[] = { "X-Thing: 1", NULL };
        PEN_CLEANUP(pen_http_client_freep) struct pen_http_client *client = NULL;
        PEN_CLEANUP(pen_http_response_deinit) struct pen_http_response response = { 0 };
        PEN_CLEANUP(pen_http_stream_freep) struct pen_http_stream *stream = NULL;
        char url[64], data[16];
        struct pen_http_request post = { .url = url,
                                         .headers = headers,
                                         .body = "body",
                                         .body_size = 4,
                                         .timeout = PEN_MINUTE };

        snprintf(url, sizeof(url), "http://localhost:%u/", server_port);
        TRY(pen_http_client_create(&options, &client));
        TRY(pen_http_send(client, &post, &response, NULL));
        TRY(pen_http_open(client, &(struct pen_http_request){ .url = url }, &stream, NULL));
        return (int)pen_http_stream_read(stream, data, sizeof(data));
}

int main(void)
{
        int r;

        failing_init();
        serve_http();
        r = RUN_SUITE_WITH_PKI("malloc_io", real_time, descriptors, signals, threads,
                               calls_of_threads, children, streams, unix_streams, servers,
                               tls_streams, names, http);
        kill(server, SIGKILL);
        return r;
}

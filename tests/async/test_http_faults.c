/* The HTTP client and what hangs: names, connections, handshakes. */
#include "../http_server.h"
#include "../in_loop.h"
#include "world.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <async/resolve.h>
#include <penstock/group.h>
#include <penstock/http.h>
#include <penstock/stream.h>
#include <penstock/timeout.h>

/* A server and a client in one loop. */
struct pair {
        struct http_server *server;
        struct pen_http_client *client;
};

static struct pen_http_client *create_client(pen_usec connect_timeout)
{
        struct pen_http_options options = PEN_HTTP_OPTIONS_DEFAULT;
        struct pen_http_client *client;

        options.connect_timeout = connect_timeout;
        ck_assert_int_eq(pen_http_client_create(&options, &client), 0);
        return client;
}

static void pair_init(struct pair *p)
{
        p->server = http_server_start();
        p->client = create_client(PEN_MINUTE);
}

static void pair_deinit(struct pair *p)
{
        pen_http_client_free(p->client);
        http_server_stop(p->server);
}

#define PAIR(p)                                 \
        PEN_CLEANUP(pair_deinit) struct pair p; \
        pair_init(&(p))

/* The status, or what went wrong. */
static int ask(struct pen_http_client *client, const char *url, pen_usec timeout, char *error)
{
        struct pen_http_request request = { .url = url, .timeout = timeout };
        struct pen_http_response response;
        int r = pen_http_send(client, &request, &response, error);

        if (r < 0)
                return r;
        r = response.status;
        pen_http_response_deinit(&response);
        return r;
}

static int ask_server(const struct pair *p)
{
        return ask(p->client, http_server_url(p->server, "/status/200"), 0, NULL);
}

struct question {
        struct pen_http_client *client;
        char url[128];
        pen_usec timeout;
};

static int run_question(void *arg)
{
        struct question *q = arg;

        return ask(q->client, q->url, q->timeout, NULL);
}

static int run_open(void *arg)
{
        struct question *q = arg;
        struct pen_http_request request = { .url = q->url };
        struct pen_http_stream *stream;
        int r = pen_http_open(q->client, &request, &stream, NULL);

        if (r == 0)
                pen_http_stream_free(stream);
        return r;
}

/* --- names -------------------------------------------------------------------------------------- */

static pthread_mutex_t hung = PTHREAD_MUTEX_INITIALIZER; /* held: "hung.test" has no answer */

static int look_up(const char *host, const char *service, const struct addrinfo *hints,
                   struct addrinfo **ret)
{
        struct addrinfo numeric = *hints;

        if (strcmp(host, "hung.test") == 0) {
                pthread_mutex_lock(&hung);
                pthread_mutex_unlock(&hung);
        }
        numeric.ai_flags = AI_NUMERICHOST;
        return getaddrinfo("127.0.0.1", service, &numeric, ret);
}

static void cancel_and_expect(struct pen_task *task)
{
        int r;

        pen_task_cancel(task);
        ck_assert_int_eq(pen_await(task, &r), 0);
        ck_assert_int_eq(r, -ECANCELED);
        pen_task_unref(task);
}

IN_LOOP(hung_lookup_delays_nobody_and_is_left_behind_at_once)
{
        static int (*const ways[])(void *) = { run_question, run_open };
        struct pair p;
        struct question q = { .url = "" };
        struct pen_task *tasks[2];

        resolver_getaddrinfo = look_up;
        pthread_mutex_lock(&hung);
        pair_init(&p);
        q.client = p.client;
        snprintf(q.url, sizeof(q.url), "%s",
                 http_server_url_of(p.server, "hung.test", "/status/200"));
        for (size_t i = 0; i < ARRAY_SIZE(ways); i++)
                ck_assert_int_eq(pen_spawn(ways[i], &q, &tasks[i]), 0);
        for (int i = 0; i < 10; i++) {
                ck_assert_int_eq(ask(p.client,
                                     http_server_url_of(p.server, "good.test", "/status/200"), 0,
                                     NULL),
                                 200);
                ck_assert_int_eq(ask_server(&p), 200);
        }
        q.timeout = PEN_MSEC;
        ck_assert_int_eq(run_question(&q), -ETIME);
        for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
                ck_assert(!pen_task_done(tasks[i]));
                cancel_and_expect(tasks[i]);
        }
        pair_deinit(&p); /* the client goes; the look-up hangs on */
        pthread_mutex_unlock(&hung);
        return 0;
}

IN_LOOP(cancelled_lookup_answers_the_next_who_asks)
{
        PAIR(p);
        struct question q = { .client = p.client };
        struct pen_task *t;

        resolver_getaddrinfo = look_up;
        pthread_mutex_lock(&hung);
        snprintf(q.url, sizeof(q.url), "%s",
                 http_server_url_of(p.server, "hung.test", "/status/200"));
        ck_assert_int_eq(pen_spawn(run_question, &q, &t), 0);
        ck_assert_int_eq(ask_server(&p), 200);
        cancel_and_expect(t);
        ck_assert_int_eq(pen_spawn(run_question, &q, &t), 0);
        ck_assert_int_eq(ask_server(&p), 200);
        pthread_mutex_unlock(&hung);
        ck_assert_int_eq(pen_await(t, NULL), 0);
        ck_assert_int_eq(pen_task_result(t), 200);
        pen_task_unref(t);
        return 0;
}

/* --- connections -------------------------------------------------------------------------------- */

static uint16_t listen_at(int backlog, int *ret_fd)
{
        struct sockaddr_in in = { .sin_family = AF_INET };
        socklen_t size = sizeof(in);

        in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        *ret_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        ck_assert_int_eq(bind(*ret_fd, (struct sockaddr *)&in, size), 0);
        ck_assert_int_eq(listen(*ret_fd, backlog), 0);
        ck_assert_int_eq(getsockname(*ret_fd, (struct sockaddr *)&in, &size), 0);
        return ntohs(in.sin_port);
}

static int connect_to(uint16_t port)
{
        struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        ck_assert(connect(fd, (struct sockaddr *)&in, sizeof(in)) == 0 || errno == EINPROGRESS);
        return fd;
}

/* A port whose backlog is full: who connects is not answered. */
struct wall {
        int listener, fillers[4];
        uint16_t port;
};

static void wall_init(struct wall *w)
{
        w->port = listen_at(/* backlog= */ 0, &w->listener);
        for (size_t i = 0; i < ARRAY_SIZE(w->fillers); i++)
                w->fillers[i] = connect_to(w->port);
}

static void wall_deinit(struct wall *w)
{
        for (size_t i = 0; i < ARRAY_SIZE(w->fillers); i++)
                close(w->fillers[i]);
        close(w->listener);
}

#define WALL(w)                                 \
        PEN_CLEANUP(wall_deinit) struct wall w; \
        wall_init(&(w))

static struct question question_to(const struct pair *p, const char *scheme, uint16_t port)
{
        struct question q = { .client = p->client };

        snprintf(q.url, sizeof(q.url), "%s://127.0.0.1:%u/", scheme, port);
        return q;
}

IN_LOOP(connection_that_is_not_answered_runs_out_of_time)
{
        struct pair p = { .client = create_client(20 * PEN_MSEC) };
        struct question q;
        char error[256];
        WALL(wall);

        q = question_to(&p, "http", wall.port);
        for (int i = 0; i < 2; i++) {
                ck_assert_int_eq(ask(p.client, q.url, 0, error), -ETIMEDOUT);
                ck_assert_ptr_nonnull(strcasestr(error, "timeout"));
                ck_assert_int_eq(run_open(&q), -ETIMEDOUT);
        }
        pen_http_client_free(p.client);
        return 0;
}

/* The time of all is another, and comes first if it is shorter. */
IN_LOOP(time_of_all_bounds_the_connecting_too)
{
        PAIR(p);
        struct question q;
        char error[256];
        WALL(wall);

        q = question_to(&p, "http", wall.port);
        ck_assert_int_eq(ask(p.client, q.url, PEN_MSEC, error), -ETIME);
        ck_assert_str_eq(error, "no response within 0.001s");
        ck_assert_int_eq(ask_server(&p), 200);
        return 0;
}

IN_LOOP(answer_may_take_longer_than_the_connecting)
{
        PAIR(p);
        struct pen_http_client *client = create_client(300 * PEN_MSEC);
        int r = -ETIMEDOUT;

        for (int i = 0; i < 20 && r == -ETIMEDOUT; i++) /* on a slow day connecting takes longer */
                r = ask(client, http_server_url(p.server, "/slow/600"), 0, NULL);
        ck_assert_int_eq(r, 200);
        pen_http_client_free(client);
        return 0;
}

struct in_line {
        struct pen_http_client *client;
        const char *url;
        int statuses;
};

static int wait_in_line(void *arg)
{
        struct in_line *line = arg;

        line->statuses += ask(line->client, line->url, 0, NULL);
        return 0;
}

/* The last of them waits for twice the time that connecting may take. */
IN_LOOP(waiting_for_a_connection_is_no_time_of_connecting)
{
        struct pen_http_options options = PEN_HTTP_OPTIONS_DEFAULT;
        PEN_CLEANUP(pen_group_freep) struct pen_group *group = NULL;
        PAIR(p);
        struct in_line line = { .url = http_server_url(p.server, "/slow/250") };

        options.max_connections = 1;
        options.connect_timeout = 500 * PEN_MSEC;
        ck_assert_int_eq(pen_http_client_create(&options, &line.client), 0);
        ck_assert_int_eq(pen_group_create(&group), 0);
        for (int i = 0; i < 5; i++)
                ck_assert_int_eq(pen_group_spawn(group, NULL, wait_in_line, &line, NULL), 0);
        ck_assert_int_eq(pen_group_join(group), 0);
        ck_assert_int_eq(line.statuses, 5 * 200);
        pen_http_client_free(line.client);
        return 0;
}

IN_LOOP(handshake_that_is_not_answered_runs_out_of_time)
{
        struct pair p = { .client = create_client(20 * PEN_MSEC) };
        struct question q;
        int listener;

        q = question_to(&p, "https", listen_at(10, &listener));
        ck_assert_int_eq(run_question(&q), -ETIMEDOUT);
        pen_http_client_free(p.client);
        close(listener);
        return 0;
}

static size_t open_descriptors(void)
{
        DIR *dir = opendir("/proc/self/fd");
        size_t n = 0;

        while (readdir(dir))
                n++;
        closedir(dir);
        return n;
}

/* Neither has an end of its own, and the virtual clock does not wait for them. */
IN_VIRTUAL_LOOP(connection_under_way_is_given_up_on_cancel)
{
        static const char *const schemes[] = { "http", "https" };
        int listener;
        uint16_t port = listen_at(10, &listener);
        PAIR(p);
        WALL(wall);

        ck_assert_int_eq(ask_server(&p), 200);
        for (size_t i = 0; i < ARRAY_SIZE(schemes); i++) {
                struct question q = question_to(&p, schemes[i], i == 0 ? wall.port : port);
                size_t before = open_descriptors();
                struct pen_task *t;

                ck_assert_int_eq(pen_spawn(run_question, &q, &t), 0);
                for (int k = 0; k < 10000 && open_descriptors() != before + 1; k++)
                        ck_assert_int_eq(pen_sleep(PEN_MSEC), 0);
                ck_assert_uint_eq(open_descriptors(), before + 1);
                cancel_and_expect(t);
                ck_assert_uint_eq(open_descriptors(), before);
                ck_assert_int_eq(ask_server(&p), 200);
        }
        close(listener);
        return 0;
}

static int accept_and_close(void *arg)
{
        struct pen_listener *listener = arg;
        struct pen_stream *stream;

        while (pen_accept(listener, &stream) == 0)
                pen_stream_free(stream);
        return 0;
}

IN_LOOP(server_that_closes_what_it_accepts_is_told)
{
        static const struct {
                const char *scheme;
                int error;
        } cases[] = { { "http", -ECONNRESET }, { "https", -EPROTO } };
        PAIR(p);
        struct pen_listener *listener;
        struct pen_task *t;

        ck_assert_int_eq(pen_listen("127.0.0.1:0", &listener), 0);
        ck_assert_int_eq(pen_spawn(accept_and_close, listener, &t), 0);
        for (int i = 0; i < 3; i++)
                for (size_t k = 0; k < ARRAY_SIZE(cases); k++) {
                        struct question q =
                                question_to(&p, cases[k].scheme, pen_listener_port(listener));

                        ck_assert_int_eq(run_question(&q), cases[k].error);
                        ck_assert_int_eq(run_open(&q), cases[k].error);
                }
        ck_assert_int_eq(ask_server(&p), 200);
        pen_task_cancel(t);
        ck_assert_int_eq(pen_await(t, NULL), 0);
        pen_task_unref(t);
        pen_listener_free(listener);
        return 0;
}

/* --- the loop ----------------------------------------------------------------------------------- */

static void do_nothing(evutil_socket_t fd, short what, void *arg)
{
        (void)fd, (void)what;
        ++*(int *)arg;
}

/* As curl does with a socket that it wants to write to and has no window for. */
START_TEST(socket_that_is_always_ready_starves_nobody)
{
        int fds[2], n_called = 0;
        struct event *event;
        struct world w;

        world_init(&w);
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
        event = event_new(w.loop->base, fds[0], EV_WRITE | EV_PERSIST, do_nothing, &n_called);
        event_add(event, NULL);
        for (int i = 0; i < 10; i++)
                loop_turn(w.loop, false);
        ck_assert_int_ge(n_called, 10);
        event_free(event);
        close(fds[0]);
        close(fds[1]);
        world_deinit(&w);
}
END_TEST

int main(void)
{
        return RUN_SUITE("http_faults", hung_lookup_delays_nobody_and_is_left_behind_at_once,
                         cancelled_lookup_answers_the_next_who_asks,
                         connection_that_is_not_answered_runs_out_of_time,
                         time_of_all_bounds_the_connecting_too,
                         answer_may_take_longer_than_the_connecting,
                         waiting_for_a_connection_is_no_time_of_connecting,
                         handshake_that_is_not_answered_runs_out_of_time,
                         connection_under_way_is_given_up_on_cancel,
                         server_that_closes_what_it_accepts_is_told,
                         socket_that_is_always_ready_starves_nobody);
}

#include "../http_server.h"
#include "../in_loop.h"
#include "world.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

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

static void pair_init_with(struct pair *p, const struct pen_http_options *options)
{
        p->server = http_server_start();
        ck_assert_int_eq(pen_http_client_create(options, &p->client), 0);
}

static void pair_init(struct pair *p)
{
        static const struct pen_http_options defaults = PEN_HTTP_OPTIONS_DEFAULT;

        pair_init_with(p, &defaults);
}

static void pair_deinit(struct pair *p)
{
        pen_http_client_free(p->client);
        http_server_stop(p->server);
}

#define PAIR(p)                                 \
        PEN_CLEANUP(pair_deinit) struct pair p; \
        pair_init(&(p))
#define RESPONSE(r) PEN_CLEANUP(pen_http_response_deinit) struct pen_http_response r = { 0 }

static struct http_counts *counts(const struct pair *p)
{
        return http_server_counts(p->server);
}

static int get(const struct pair *p, const char *path, struct pen_http_response *response)
{
        struct pen_http_request request = { .url = http_server_url(p->server, path) };

        return pen_http_send(p->client, &request, response, NULL);
}

/* The status, or what went wrong; `error` says more. */
static int status_of(const struct pair *p, const struct pen_http_request *request, char *error)
{
        RESPONSE(response);
        int r = pen_http_send(p->client, request, &response, error);

        return r < 0 ? r : response.status;
}

static int status_at(const struct pair *p, const char *path)
{
        struct pen_http_request request = { .url = http_server_url(p->server, path) };

        return status_of(p, &request, NULL);
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

/* --- requests and responses ----------------------------------------------------------------------- */

IN_LOOP(status_headers_and_body_come_back)
{
        PAIR(p);
        RESPONSE(response);
        char value[16], small[3];

        ck_assert_int_eq(get(&p, "/header/X-Thing/_some_thing_", &response), 0);
        ck_assert_int_eq(response.status, 503);
        ck_assert_str_eq(response.body, "later");
        ck_assert_uint_eq(response.size, 5);
        ck_assert(!response.cut);
        ck_assert_int_eq(pen_http_response_header(&response, "x-thing", value, sizeof(value)), 10);
        ck_assert_str_eq(value, "some thing");
        ck_assert_int_eq(pen_http_response_header(&response, "x-thin", value, 16), -ENOENT);
        ck_assert_int_eq(pen_http_response_header(&response, "x-thing", small, 3), -EMSGSIZE);
        ck_assert_int_eq(pen_http_raise_for_status(&response), -EREMOTEIO);
        return 0;
}

IN_LOOP(every_status_is_a_response)
{
        static const int statuses[] = { 200, 201, 301, 400, 404, 429, 500, 599 };
        PAIR(p);
        char path[32];

        for (size_t i = 0; i < ARRAY_SIZE(statuses); i++) {
                RESPONSE(response);

                sprintf(path, "/status/%d", statuses[i]);
                ck_assert_int_eq(get(&p, path, &response), 0);
                ck_assert_int_eq(response.status, statuses[i]);
                ck_assert_int_eq(pen_http_raise_for_status(&response),
                                 statuses[i] < 400 ? 0 : -EREMOTEIO);
        }
        return 0;
}

IN_LOOP(empty_body_is_an_empty_string)
{
        PAIR(p);
        RESPONSE(response);

        ck_assert_int_eq(get(&p, "/size/0", &response), 0);
        ck_assert_uint_eq(response.size, 0);
        ck_assert_str_eq(response.body, "");
        return 0;
}

IN_LOOP(body_is_posted_bit_for_bit_and_at_once)
{
        static const char *const headers[] = { "X-One: 1", "X-Two:two", NULL };
        PAIR(p);
        RESPONSE(response);
        struct pen_http_request request = { .url = http_server_url(p.server, "/echo"),
                                            .headers = headers };
        char body[5000], *echoed;

        for (size_t i = 0; i < sizeof(body); i++)
                body[i] = (char)(i * 7);
        request.body = body;
        request.body_size = sizeof(body);
        ck_assert_int_eq(pen_http_send(p.client, &request, &response, NULL), 0);
        echoed = response.body + response.size - sizeof(body);
        ck_assert_int_eq(memcmp(echoed, body, sizeof(body)), 0);
        echoed[0] = '\0';
        ck_assert_ptr_nonnull(strstr(response.body, "POST /echo HTTP/1.1\r\n"));
        ck_assert_ptr_nonnull(strstr(response.body, "\r\nX-One: 1\r\n"));
        ck_assert_ptr_nonnull(strstr(response.body, "\r\nX-Two:two\r\n"));
        ck_assert_ptr_nonnull(strstr(response.body, "\r\nContent-Length: 5000\r\n"));
        ck_assert_ptr_nonnull(strstr(response.body, "\r\nUser-Agent: penstock\r\n"));
        ck_assert_ptr_nonnull(
                strstr(response.body, "\r\nContent-Type: application/octet-stream\r\n"));
        ck_assert_ptr_null(strstr(response.body, "Expect"));
        return 0;
}

static void expect_echo(const struct pair *p, const char *method, bool has_body, const char *start,
                        const char *length)
{
        struct pen_http_request request = { .url = http_server_url(p->server, "/echo"),
                                            .method = method,
                                            .has_body = has_body };
        RESPONSE(response);

        ck_assert_int_eq(pen_http_send(p->client, &request, &response, NULL), 0);
        ck_assert_int_eq(strncmp(response.body, start, strlen(start)), 0);
        if (length)
                ck_assert_ptr_nonnull(strstr(response.body, length));
        else
                ck_assert_ptr_null(strstr(response.body, "Content-Length"));
}

/* One easy handle serves them all: nothing of the one before may be left. */
IN_LOOP(methods_do_not_leave_traces)
{
        static const char *const typed[] = { "content-type: text/plain", "Accept:", NULL };
        PAIR(p);
        struct pen_http_request head = { .url = http_server_url(p.server, "/status/200"),
                                         .method = "HEAD" };
        struct pen_http_request request = { .url = http_server_url(p.server, "/echo"),
                                            .headers = typed,
                                            .body = "x",
                                            .body_size = 1 };
        RESPONSE(response);

        expect_echo(&p, NULL, false, "GET /echo ", NULL);
        expect_echo(&p, "POST", false, "POST /echo ", "Content-Length: 0");
        expect_echo(&p, "DELETE", false, "DELETE /echo ", NULL);
        expect_echo(&p, "PUT", false, "PUT /echo ", "Content-Length: 0");
        ck_assert_int_eq(status_of(&p, &head, NULL), 200);
        expect_echo(&p, "GET", false, "GET /echo ", NULL);
        expect_echo(&p, NULL, true, "POST /echo ", "Content-Length: 0");
        expect_echo(&p, "M-SEARCH", true, "M-SEARCH /echo ", "Content-Length: 0");

        ck_assert_int_eq(pen_http_send(p.client, &request, &response, NULL), 0);
        ck_assert_ptr_nonnull(strstr(response.body, "content-type: text/plain\r\n"));
        ck_assert_ptr_null(strstr(response.body, "octet-stream"));
        ck_assert_ptr_null(strstr(response.body, "Accept"));
        expect_echo(&p, NULL, false, "GET /echo ", NULL);
        return 0;
}

IN_LOOP(redirect_is_an_answer_like_any_other)
{
        PAIR(p);
        RESPONSE(response);
        char value[64];

        ck_assert_int_eq(get(&p, "/redirect", &response), 0);
        ck_assert_int_eq(response.status, 302);
        ck_assert_int_gt(pen_http_response_header(&response, "Location", value, 64), 0);
        ck_assert_str_eq(value, "/status/200");
        ck_assert_uint_eq(counts(&p)->requests, 1);
        return 0;
}

IN_LOOP(interim_answers_leave_no_headers)
{
        PAIR(p);
        RESPONSE(response);
        char value[64];

        ck_assert_int_eq(get(&p, "/interim", &response), 0);
        ck_assert_int_eq(response.status, 200);
        ck_assert_int_gt(pen_http_response_header(&response, "link", value, 64), 0);
        ck_assert_str_eq(value, "late");
        return 0;
}

/* --- connections ---------------------------------------------------------------------------------- */

IN_LOOP(connection_is_kept_and_reused)
{
        PAIR(p);

        for (int i = 0; i < 50; i++)
                ck_assert_int_eq(status_at(&p, "/status/200"), 200);
        ck_assert_uint_eq(counts(&p)->requests, 50);
        ck_assert_uint_eq(counts(&p)->connections, 1);
        return 0;
}

IN_LOOP(kept_connection_that_died_is_replaced)
{
        PAIR(p);

        for (int i = 0; i < 10; i++) {
                ck_assert_int_eq(status_at(&p, "/bye"), 200);
                if (i % 2)
                        ck_assert_int_eq(pen_sleep(PEN_MSEC), 0); /* the end is seen, or is not */
        }
        ck_assert_int_eq(status_at(&p, "/status/200"), 200);
        return 0;
}

struct crowd {
        struct pair p;
        size_t n_left, n_good;
};

static int be_one_of_crowd(void *arg)
{
        struct crowd *crowd = arg;

        if (status_at(&crowd->p, crowd->n_left-- % 7 ? "/slow/1" : "/status/200") == 200)
                crowd->n_good++;
        return 0;
}

static void send_crowd(struct crowd *crowd, size_t n)
{
        PEN_CLEANUP(pen_group_freep) struct pen_group *group = NULL;

        crowd->n_left = n;
        crowd->n_good = 0;
        ck_assert_int_eq(pen_group_create(&group), 0);
        for (size_t i = 0; i < n; i++)
                ck_assert_int_eq(pen_group_spawn(group, NULL, be_one_of_crowd, crowd, NULL), 0);
        ck_assert_int_eq(pen_group_join(group), 0);
        ck_assert_uint_eq(crowd->n_good, n);
}

IN_LOOP(thousand_requests_never_take_more_than_ten_connections)
{
        struct pen_http_options options = PEN_HTTP_OPTIONS_DEFAULT;
        PEN_CLEANUP(pair_deinit) struct pair p;
        struct crowd crowd;

        options.max_connections = 10;
        pair_init_with(&p, &options);
        crowd.p = p;
        send_crowd(&crowd, 1000);
        ck_assert_uint_eq(counts(&p)->requests, 1000);
        ck_assert_uint_eq(counts(&p)->connections, 10);
        ck_assert_uint_eq(counts(&p)->most_open, 10);
        return 0;
}

IN_LOOP(limit_for_a_host_leaves_the_others_alone)
{
        struct pen_http_options options = PEN_HTTP_OPTIONS_DEFAULT;
        PEN_CLEANUP(pair_deinit) struct pair p;
        PEN_CLEANUP(http_server_stopp) struct http_server *other = http_server_start();
        struct crowd crowd, elsewhere;

        options.max_per_host = 3;
        pair_init_with(&p, &options);
        crowd.p = p;
        elsewhere.p = (struct pair){ other, p.client };
        send_crowd(&crowd, 100);
        send_crowd(&elsewhere, 100);
        ck_assert_uint_eq(counts(&p)->most_open, 3);
        ck_assert_uint_eq(http_server_counts(other)->most_open, 3);
        return 0;
}

IN_LOOP(no_limit_means_all_at_once)
{
        PAIR(p);
        struct crowd crowd = { .p = p };
        size_t n = many(500, 200);

        send_crowd(&crowd, n);
        ck_assert_uint_gt(counts(&p)->most_open, n / 2);
        send_crowd(&crowd, n);
        ck_assert_uint_le(counts(&p)->connections, n);
        return 0;
}

IN_LOOP(no_socket_is_left_to_children)
{
        PAIR(p);
        struct sockaddr_storage address;
        int n = 0;

        ck_assert_int_eq(status_at(&p, "/status/200"), 200);
        for (int fd = 3; fd < 100; fd++) {
                socklen_t size = sizeof(address);

                /* Not of curl's own pair, which it makes without asking. */
                if (getsockname(fd, (struct sockaddr *)&address, &size) < 0 ||
                    address.ss_family != AF_INET)
                        continue;
                ck_assert_int_eq(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
                n++;
        }
        ck_assert_int_eq(n, 3); /* listening, connected, accepted */
        return 0;
}

/* --- names and addresses ---------------------------------------------------------------------------- */

static int n_lookups;

/* "both.test": an address that refuses, then the server's. "*.test": the server's. */
static int look_up_test(const char *host, const char *service, const struct addrinfo *hints,
                        struct addrinfo **ret)
{
        struct addrinfo numeric = *hints, *second;
        int r;

        n_lookups++;
        numeric.ai_flags = AI_NUMERICHOST;
        if (!strstr(host, ".test"))
                return EAI_NONAME;
        r = getaddrinfo("127.0.0.1", service, &numeric, ret);
        if (r == 0 && strcmp(host, "both.test") == 0) {
                second = *ret;
                r = getaddrinfo("127.0.0.77", service, &numeric, ret);
                if (r == 0)
                        (*ret)->ai_next = second;
        }
        return r;
}

static int status_of_host(const struct pair *p, const char *host, char *error)
{
        struct pen_http_request request = { .url = http_server_url_of(p->server, host,
                                                                      "/status/200") };

        return status_of(p, &request, error);
}

IN_LOOP(names_are_resolved_by_the_loops_resolver)
{
        PAIR(p);
        char error[256];

        resolver_getaddrinfo = look_up_test;
        for (int i = 0; i < 3; i++)
                ck_assert_int_eq(status_of_host(&p, "one.test", NULL), 200);
        ck_assert_int_eq(status_of_host(&p, "ONE.test", NULL), 200);
        ck_assert_int_eq(n_lookups, 1);
        ck_assert_int_eq(status_of_host(&p, "both.test", NULL), 200);
        ck_assert_int_eq(n_lookups, 2);
        ck_assert_int_eq(status_of_host(&p, "one.example", error), -ENXIO);
        ck_assert_str_eq(error, "no such host: one.example");
        ck_assert_int_eq(status_of_host(&p, "127.0.0.1", NULL), 200);
        ck_assert_int_eq(n_lookups, 3);
        return 0;
}

IN_LOOP(unknown_name_is_an_error_that_says_so)
{
        PAIR(p);
        char error[256];
        int r = status_of_host(&p, "nobody.invalid", error);

        ck_assert(r == -ENXIO || r == -EAGAIN); /* without a network nobody can know */
        ck_assert_ptr_nonnull(strstr(error, "nobody.invalid"));
        return 0;
}

IN_LOOP(request_that_is_sent_once_has_a_connection_of_its_own)
{
        PAIR(p);
        struct pen_http_request request = { .url = http_server_url(p.server, "/status/200") };

        for (int i = 0; i < 2; i++) {
                request.once = i == 0;
                ck_assert_int_eq(status_of(&p, &request, NULL), 200);
        }
        ck_assert_uint_eq(counts(&p)->connections, 2); /* the first was not kept */
        ck_assert_int_eq(status_of(&p, &request, NULL), 200);
        ck_assert_uint_eq(counts(&p)->connections, 2); /* the second was */
        request.once = true;
        ck_assert_int_eq(status_of(&p, &request, NULL), 200);
        ck_assert_uint_eq(counts(&p)->connections, 3);
        return 0;
}

/* --- over a Unix socket --------------------------------------------------------------------------- */

/* In a directory of its own: the name is a test's, and the tests may run side by side. */
static const char *socket_path(void)
{
        static char path[64];
        char directory[] = "/tmp/penstock-test-XXXXXX";

        ck_assert_ptr_nonnull(mkdtemp(directory));
        snprintf(path, sizeof(path), "%s/http.sock", directory);
        return path;
}

static void pair_init_unix(struct pair *p, const char *path)
{
        struct pen_http_options options = PEN_HTTP_OPTIONS_DEFAULT;
        char address[80], copy[64];

        snprintf(address, sizeof(address), "unix:%s", path);
        strcpy(copy, path);
        options.unix_socket = copy;
        p->server = http_server_start_at(address);
        ck_assert_int_eq(pen_http_client_create(&options, &p->client), 0);
        memset(copy, 'x', sizeof(copy)); /* the client has its own */
}

static void remove_socket_directory(const char *path)
{
        char directory[64];

        unlink(path);
        snprintf(directory, sizeof(directory), "%.*s", (int)(strrchr(path, '/') - path), path);
        ck_assert_int_eq(rmdir(directory), 0);
}

IN_LOOP(unix_socket_stands_for_every_host)
{
        static const char *const hosts[] = { "penstock", "127.0.0.1:1", "[::1]:1" };
        const char *path = socket_path();
        struct pair p;

        pair_init_unix(&p, path);
        n_lookups = 0;
        resolver_getaddrinfo = look_up_test;
        for (size_t i = 0; i < ARRAY_SIZE(hosts); i++) {
                RESPONSE(response);
                char url[64], host[64];

                snprintf(url, sizeof(url), "http://%s/echo", hosts[i]);
                snprintf(host, sizeof(host), "Host: %s\r\n", hosts[i]);
                ck_assert_int_eq(pen_http_send(p.client,
                                               &(struct pen_http_request){
                                                       .url = url, .body = "over", .body_size = 4 },
                                               &response, NULL),
                                 0);
                ck_assert_int_eq(response.status, 200);
                ck_assert_ptr_nonnull(strstr(response.body, host));
                ck_assert_ptr_nonnull(strstr(response.body, "\r\n\r\nover"));
        }
        ck_assert_int_eq(n_lookups, 0); /* there is no name to be resolved */
        pair_deinit(&p);
        remove_socket_directory(path);
        return 0;
}

IN_LOOP(unix_socket_keeps_its_connection)
{
        const char *path = socket_path();
        struct pair p;

        pair_init_unix(&p, path);
        for (int i = 0; i < 5; i++)
                ck_assert_int_eq(
                        status_of(&p, &(struct pen_http_request){ .url = "http://d/status/200" },
                                  NULL),
                        200);
        ck_assert_uint_eq(counts(&p)->connections, 1);
        pair_deinit(&p);
        remove_socket_directory(path);
        return 0;
}

IN_LOOP(unix_socket_that_is_not_there_is_told)
{
        struct pen_http_options options = PEN_HTTP_OPTIONS_DEFAULT;
        const char *path = socket_path();
        struct pair p = { .server = NULL };
        char error[256], much[200];

        options.unix_socket = path;
        ck_assert_int_eq(pen_http_client_create(&options, &p.client), 0);
        ck_assert_int_eq(
                status_of(&p, &(struct pen_http_request){ .url = "http://d/status/200" }, error),
                -ENOENT);
        ck_assert_ptr_nonnull(strstr(error, path));
        pen_http_client_free(p.client);
        remove_socket_directory(path);

        memset(much, 'x', sizeof(much) - 1);
        much[sizeof(much) - 1] = '\0';
        options.unix_socket = much;
        ck_assert_int_eq(pen_http_client_create(&options, &p.client), -ENAMETOOLONG);
        return 0;
}

/* --- what is refused ------------------------------------------------------------------------------ */

static int n_asked;

static int refuse_loopback(const void *sockaddr, size_t size, void *data)
{
        const struct sockaddr_in *in = sockaddr;

        ck_assert_ptr_eq(data, &n_asked);
        ck_assert_uint_eq(size, sizeof(*in));
        n_asked++;
        return in->sin_addr.s_addr == htonl(INADDR_LOOPBACK) ? -EACCES : 0;
}

IN_LOOP(refused_address_is_not_connected_to)
{
        struct pen_http_options options = PEN_HTTP_OPTIONS_DEFAULT;
        PEN_CLEANUP(pair_deinit) struct pair p;
        char error[256];

        options.allow_address = refuse_loopback;
        options.allow_data = &n_asked;
        pair_init_with(&p, &options);
        resolver_getaddrinfo = look_up_test;
        ck_assert_int_eq(status_of_host(&p, "127.0.0.1", error), -EACCES);
        ck_assert_str_eq(error, "refused to connect: Permission denied");
        ck_assert_int_eq(status_of_host(&p, "one.test", NULL), -EACCES);
        ck_assert_int_eq(status_of_host(&p, "0x7f000001", NULL), -EACCES);
        ck_assert_int_eq(status_of_host(&p, "127.1", NULL), -EACCES);
        ck_assert_int_gt(n_asked, 1);
        ck_assert_uint_eq(counts(&p)->connections, 0);
        return 0;
}

IN_LOOP(proxies_of_the_environment_are_ignored)
{
        static const char *const names[] = { "http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY",
                                             "all_proxy" };

        for (size_t i = 0; i < ARRAY_SIZE(names); i++)
                setenv(names[i], "http://127.0.0.1:1", 1);
        {
                PAIR(p);
                ck_assert_int_eq(status_at(&p, "/status/200"), 200);
        }
        return 0;
}

/* --- what is refused ------------------------------------------------------------------------------ */

IN_LOOP(only_http_urls_are_taken)
{
        static const char *const urls[] = {
                "file:///etc/passwd",
                "gopher://127.0.0.1/x",
                "ftp://127.0.0.1/",
                "dict://127.0.0.1/",
                "",
                "127.0.0.1",
                "/path",
                "http://",
                "http://a b/",
                "http://a/\r\nb",
                "http://127.0.0.1:99999/",
                "javascript:alert(1)",
                "http://[::1/",
        };
        PAIR(p);
        char error[256];

        for (size_t i = 0; i < ARRAY_SIZE(urls); i++) {
                struct pen_http_request request = { .url = urls[i] };

                ck_assert_int_eq(status_of(&p, &request, error), -EINVAL);
                ck_assert_ptr_eq(strstr(error, "not an http or https URL: "), error);
                ck_assert_int_eq(pen_http_check(&request, error), -EINVAL);
        }
        ck_assert_int_eq(status_at(&p, "/status/200"), 200);
        return 0;
}

IN_LOOP(header_with_a_line_end_is_refused)
{
        static const char *const bad[] = {
                "X-A: 1\r\nX-B: 2", "X-A: 1\n", "X-A: \r", "X A: 1", ": 1", "X-A", "X-A: \x01", "",
        };
        PAIR(p);
        char error[256];

        for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
                const char *const headers[] = { "X-Good: yes", bad[i], NULL };
                struct pen_http_request request = { .url = http_server_url(p.server, "/echo"),
                                                    .headers = headers };

                ck_assert_int_eq(status_of(&p, &request, error), -EINVAL);
                ck_assert_str_eq(error, "header 2 is not \"Name: value\" on one line");
        }
        ck_assert_uint_eq(counts(&p)->connections, 0);
        return 0;
}

IN_LOOP(method_that_is_none_is_refused)
{
        static const char *const bad[] = { "", "GET /x", "GET\r\n",
                                           "A-METHOD-THAT-IS-LONGER-THAN-ANY-REAL-ONE" };
        PAIR(p);

        for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
                struct pen_http_request request = { .url = http_server_url(p.server, "/echo"),
                                                    .method = bad[i] };

                ck_assert_int_eq(status_of(&p, &request, NULL), -EINVAL);
        }
        return 0;
}

/* --- servers that fail ---------------------------------------------------------------------------- */

IN_LOOP(refused_connection_is_told)
{
        PAIR(p);
        struct pen_listener *listener;
        struct pen_http_request request = { 0 };
        char url[64], error[256];

        ck_assert_int_eq(pen_listen("127.0.0.1:0", &listener), 0);
        sprintf(url, "http://127.0.0.1:%u/", pen_listener_port(listener));
        pen_listener_free(listener);
        request.url = url;
        ck_assert_int_eq(status_of(&p, &request, error), -ECONNREFUSED);
        ck_assert_ptr_nonnull(strstr(error, "connect"));
        return 0;
}

IN_LOOP(server_that_breaks_off_is_told)
{
        PAIR(p);

        for (int i = 0; i < 3; i++) {
                ck_assert_int_eq(status_at(&p, "/short"), -ECONNRESET);
                ck_assert_int_eq(status_at(&p, "/hang-up"), -ECONNRESET);
                ck_assert_int_eq(status_at(&p, "/garbage"), -EPROTO);
                ck_assert_int_eq(status_at(&p, "/long-head"), -EPROTO);
                ck_assert_int_eq(status_at(&p, "/status/200"), 200);
        }
        return 0;
}

static int get_bounded(const struct pair *p, const char *path, size_t max, bool cut,
                       struct pen_http_response *response)
{
        struct pen_http_request request = { .url = http_server_url(p->server, path),
                                            .max_body = max,
                                            .cut_body = cut };

        return pen_http_send(p->client, &request, response, NULL);
}

IN_LOOP(body_is_bounded)
{
        PAIR(p);
        RESPONSE(exact);
        RESPONSE(cut);

        ck_assert_int_eq(get_bounded(&p, "/size/100000", 100000, false, &exact), 0);
        ck_assert_uint_eq(exact.size, 100000);
        ck_assert(!exact.cut);
        ck_assert_int_eq(get_bounded(&p, "/size/100001", 100000, false, &cut), -EFBIG);
        ck_assert_int_eq(get_bounded(&p, "/endless", 0, false, &cut), -EFBIG);
        ck_assert_ptr_null(cut.body);

        ck_assert_int_eq(get_bounded(&p, "/size/1000000", 100000, true, &cut), 0);
        ck_assert_uint_eq(cut.size, 100000);
        ck_assert_uint_eq(strlen(cut.body), 100000);
        ck_assert(cut.cut);
        return 0;
}

/* --- time and cancellation ------------------------------------------------------------------------ */

static int timed(const struct pair *p, const char *path, char *error)
{
        struct pen_http_request request = { .url = http_server_url(p->server, path),
                                            .timeout = 5 * PEN_SEC,
                                            .cut_body = true };

        return status_of(p, &request, error);
}

IN_VIRTUAL_LOOP(server_that_never_answers_runs_out_of_time)
{
        PAIR(p);
        pen_usec began = pen_now();
        char error[256];

        ck_assert_int_eq(timed(&p, "/never", error), -ETIME);
        ck_assert_str_eq(error, "no response within 5s");
        ck_assert_uint_eq(pen_now() - began, 5 * PEN_SEC);
        return 0;
}

IN_VIRTUAL_LOOP(drip_of_a_byte_a_second_runs_out_of_time)
{
        PAIR(p);

        ck_assert_int_eq(timed(&p, "/drip", NULL), -ETIME);
        ck_assert_uint_eq(pen_now(), 5 * PEN_SEC);
        return 0;
}

IN_LOOP(endless_body_that_is_cut_runs_out_of_time)
{
        PAIR(p);
        struct pen_http_request request = { .url = http_server_url(p.server, "/endless"),
                                            .timeout = 50 * PEN_MSEC,
                                            .max_body = 10,
                                            .cut_body = true };

        ck_assert_int_eq(status_of(&p, &request, NULL), -ETIME);
        ck_assert_int_eq(status_at(&p, "/status/200"), 200);
        return 0;
}

static int send_never(void *arg)
{
        return timed(arg, "/never", NULL);
}

IN_VIRTUAL_LOOP(callers_own_deadline_and_cancel_are_told_apart)
{
        PAIR(p);
        struct pen_timeout outer;
        struct pen_task *t;
        int r;

        pen_timeout_begin(&outer, PEN_SEC);
        r = send_never(&p);
        ck_assert_int_eq(r, -ECANCELED);
        ck_assert_int_eq(pen_timeout_end(&outer, r), -ETIME);
        ck_assert_uint_eq(pen_now(), PEN_SEC);

        ck_assert_int_eq(pen_spawn(send_never, &p, &t), 0);
        ck_assert_int_eq(pen_sleep(PEN_SEC), 0);
        pen_task_cancel(t);
        ck_assert_int_eq(pen_await(t, &r), 0);
        ck_assert_int_eq(r, -ECANCELED);
        pen_task_unref(t);
        return 0;
}

struct trial {
        struct pair p;
        const char *path;
};

static int try_it(void *arg)
{
        struct trial *trial = arg;
        static char body[1000000];
        struct pen_http_request request = {
                .url = http_server_url_of(trial->p.server, "one.test", trial->path),
                .body = body,
                .body_size = sizeof(body),
        };

        return status_of(&trial->p, &request, NULL);
}

/* Cancels it after k turns of the loop; -1: lets it end. */
static int cancel_after(struct world *w, struct trial *trial, int k)
{
        struct pen_task *t;
        int r;

        ck_assert_int_eq(pen_spawn(try_it, trial, &t), 0);
        for (int i = 0; k < 0 ? !pen_task_done(t) : i < k; i++)
                loop_turn(w->loop, false);
        pen_task_cancel(t);
        while (!pen_task_done(t))
                loop_turn(w->loop, false);
        r = pen_task_result(t);
        pen_task_unref(t);
        ck_assert_msg(r == 200 || r == -ECANCELED, "%d after %d turns", r, k);
        return r;
}

START_TEST(request_cancelled_at_any_moment_leaves_nothing)
{
        static const struct pen_http_options defaults = PEN_HTTP_OPTIONS_DEFAULT;
        static const char *const paths[] = { "/echo", "/size/300000", "/interim", "/slow/0" };
        struct trial trial = { .path = NULL };
        struct world w;
        size_t descriptors;
        int n_cancelled = 0;

        resolver_getaddrinfo = look_up_test;
        world_init(&w);
        trial.p.server = http_server_start();
        world_run_until_idle(&w);
        descriptors = open_descriptors();
        for (int k = 0; k < 200; k++) {
                int turns = (k < 40 ? k : k - 40) / 4;

                ck_assert_int_eq(pen_http_client_create(&defaults, &trial.p.client), 0);
                trial.path = paths[k % 4];
                if (k == 40) /* from here on the name is known */
                        ck_assert_int_eq(cancel_after(&w, &trial, -1), 200);
                for (int fresh = 0; fresh < 2; fresh++)
                        n_cancelled += cancel_after(&w, &trial, turns) < 0;
                pen_http_client_free(trial.p.client);
        }
        ck_assert_int_gt(n_cancelled, 10);
        ck_assert_int_lt(n_cancelled, 390);

        for (int i = 0; i < 1000 && http_server_counts(trial.p.server)->open > 0; i++)
                loop_turn(w.loop, false);
        ck_assert_uint_eq(open_descriptors(), descriptors);
        http_server_cancel(trial.p.server);
        world_run_until_idle(&w);
        http_server_free(trial.p.server);
        world_deinit(&w);
}
END_TEST

static int cancel_half(void *arg)
{
        struct pair *p = arg;
        struct pen_http_request request = { .url = http_server_url(p->server, "/slow/2") };

        return status_of(p, &request, NULL);
}

/* Those that wait for a connection get those of the cancelled. */
IN_LOOP(cancelled_requests_give_their_connections_up)
{
        struct pen_http_options options = PEN_HTTP_OPTIONS_DEFAULT;
        PEN_CLEANUP(pair_deinit) struct pair p;
        struct pen_task *tasks[100];

        options.max_connections = 4;
        pair_init_with(&p, &options);
        for (size_t i = 0; i < ARRAY_SIZE(tasks); i++)
                ck_assert_int_eq(pen_spawn(cancel_half, &p, &tasks[i]), 0);
        ck_assert_int_eq(pen_sleep(PEN_MSEC), 0);
        for (size_t i = 0; i < ARRAY_SIZE(tasks); i++) {
                int r;

                if (i % 2 == 0)
                        pen_task_cancel(tasks[i]);
                if (i % 5 == 0)
                        ck_assert_int_eq(pen_sleep(PEN_MSEC), 0);
                if (i < ARRAY_SIZE(tasks) / 2)
                        continue;
                ck_assert_int_eq(pen_await(tasks[i], &r), 0);
                ck_assert(r == 200 || (i % 2 == 0 && r == -ECANCELED));
        }
        for (size_t i = 0; i < ARRAY_SIZE(tasks); i++) {
                ck_assert_int_eq(pen_await(tasks[i], NULL), 0);
                pen_task_unref(tasks[i]);
        }
        ck_assert_uint_le(counts(&p)->most_open, 8); /* some are closing */
        ck_assert_int_eq(status_at(&p, "/status/200"), 200);
        return 0;
}

START_TEST(root_of_the_loop_cannot_wait)
{
        static const struct pen_http_options defaults = PEN_HTTP_OPTIONS_DEFAULT;
        struct pen_http_request request = { .url = "http://127.0.0.1:1/" };
        struct pen_http_response response;
        struct world w;
        struct pair p;

        world_init(&w);
        ck_assert_int_eq(pen_http_client_create(&defaults, &p.client), 0);
        ck_assert_int_eq(pen_http_send(p.client, &request, &response, NULL), -EDEADLK);
        pen_http_client_free(p.client);
        world_deinit(&w);
}
END_TEST

int main(void)
{
        return RUN_SUITE(
                "http", status_headers_and_body_come_back, every_status_is_a_response,
                empty_body_is_an_empty_string, body_is_posted_bit_for_bit_and_at_once,
                methods_do_not_leave_traces, redirect_is_an_answer_like_any_other,
                interim_answers_leave_no_headers, connection_is_kept_and_reused,
                kept_connection_that_died_is_replaced,
                thousand_requests_never_take_more_than_ten_connections,
                limit_for_a_host_leaves_the_others_alone, no_limit_means_all_at_once,
                no_socket_is_left_to_children, names_are_resolved_by_the_loops_resolver,
                unknown_name_is_an_error_that_says_so,
                request_that_is_sent_once_has_a_connection_of_its_own,
                unix_socket_stands_for_every_host, unix_socket_keeps_its_connection,
                unix_socket_that_is_not_there_is_told, refused_address_is_not_connected_to,
                proxies_of_the_environment_are_ignored, only_http_urls_are_taken,
                header_with_a_line_end_is_refused, method_that_is_none_is_refused,
                refused_connection_is_told, server_that_breaks_off_is_told, body_is_bounded,
                server_that_never_answers_runs_out_of_time,
                drip_of_a_byte_a_second_runs_out_of_time, endless_body_that_is_cut_runs_out_of_time,
                callers_own_deadline_and_cancel_are_told_apart,
                request_cancelled_at_any_moment_leaves_nothing,
                cancelled_requests_give_their_connections_up, root_of_the_loop_cannot_wait);
}

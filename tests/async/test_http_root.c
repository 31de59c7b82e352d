/* Where curl is called: the linker hands us each call that our objects make. */
#include "../http_server.h"
#include "../in_loop.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>

#include <penstock/http.h>
#include <penstock/timeout.h>

static struct {
        unsigned made, by_tasks, from_inside;
} calls;

static unsigned inside; /* of how many calls */

#define CALLED(type, name, args, call)                     \
        type __real_##name args;                           \
        type __wrap_##name args;                           \
        type __wrap_##name args                            \
        {                                                  \
                type r;                                    \
                                                           \
                calls.made++;                              \
                calls.by_tasks += pen_task_current() != 0; \
                calls.from_inside += inside++ > 0;         \
                r = __real_##name call;                    \
                inside--;                                  \
                return r;                                  \
        }

CALLED(CURL *, curl_easy_init, (void), ())
CALLED(CURLcode, curl_easy_pause, (CURL * easy, int what), (easy, what))
CALLED(CURLM *, curl_multi_init, (void), ())
CALLED(CURLMcode, curl_multi_cleanup, (CURLM * multi), (multi))
CALLED(CURLMcode, curl_multi_add_handle, (CURLM * multi, CURL *easy), (multi, easy))
CALLED(CURLMcode, curl_multi_remove_handle, (CURLM * multi, CURL *easy), (multi, easy))
CALLED(CURLMcode, curl_multi_socket_action, (CURLM * multi, curl_socket_t fd, int what, int *n),
       (multi, fd, what, n))
CALLED(CURLMsg *, curl_multi_info_read, (CURLM * multi, int *n), (multi, n))
CALLED(CURLMcode, curl_multi_timeout, (CURLM * multi, long *ms), (multi, ms))
CALLED(CURLU *, curl_url, (void), ())
CALLED(CURLUcode, curl_url_set, (CURLU * url, CURLUPart part, const char *text, unsigned flags),
       (url, part, text, flags))

static int get(struct pen_http_client *client, const char *url)
{
        struct pen_http_request request = { .url = url };
        struct pen_http_response response;
        int r = pen_http_send(client, &request, &response, NULL);

        if (r == 0)
                pen_http_response_deinit(&response);
        return r;
}

/* More than is kept unread: it is held back, and let go on. */
static void read_slowly(struct pen_http_client *client, const char *url)
{
        PEN_CLEANUP(pen_http_stream_freep) struct pen_http_stream *stream = NULL;
        struct pen_http_request request = { .url = url };
        char data[4096];
        ssize_t n;

        ck_assert_int_eq(pen_http_open(client, &request, &stream, NULL), 0);
        while ((n = pen_http_stream_read(stream, data, sizeof(data))) > 0)
                ck_assert_int_eq(pen_yield(), 0);
        ck_assert_int_eq(n, 0);
}

IN_LOOP(curl_is_called_on_the_loops_own_stack_alone)
{
        PEN_CLEANUP(http_server_stopp) struct http_server *server = http_server_start();
        struct pen_http_options options = PEN_HTTP_OPTIONS_DEFAULT;
        struct pen_http_client *client;
        struct pen_timeout scope;

        ck_assert_int_eq(pen_http_client_create(&options, &client), 0);
        ck_assert_int_eq(get(client, http_server_url(server, "/status/200")), 0);
        ck_assert_int_eq(get(client, http_server_url_of(server, "localhost", "/bye")), 0);
        ck_assert_int_lt(get(client, http_server_url(server, "/hang-up")), 0);
        ck_assert_int_eq(get(client, "no URL"), -EINVAL);
        read_slowly(client, http_server_url(server, "/size/3000000"));
        pen_timeout_begin(&scope, 20 * PEN_MSEC);
        ck_assert_int_eq(pen_timeout_end(&scope, get(client, http_server_url(server, "/never"))),
                         -ETIME);
        pen_http_client_free(client);
        ck_assert_uint_gt(calls.made, 30);
        ck_assert_uint_eq(calls.by_tasks, 0);
        ck_assert_uint_eq(calls.from_inside, 0);
        return 0;
}

int main(void)
{
        return RUN_SUITE("http_root", curl_is_called_on_the_loops_own_stack_alone);
}

/* Who may ask, and how connections are kept. */
#include "api_world.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <penstock/process.h>
#include <penstock/task.h>

#define JOBS "/v1/queues/mail/jobs"
#define JSON_HEAD "Content-Type: application/json\r\n"

/* --- the sockets -------------------------------------------------------------------------------- */

IN_LOOP(tcp_needs_the_token_and_the_unix_socket_none)
{
        static const struct {
                const char *header;
                unsigned status;
        } cases[] = {
                { NULL, 401 },
                { "Authorization: Bearer\r\n", 401 },
                { "Authorization: Bearer s3cre\r\n", 401 },
                { "Authorization: Bearer s3cret!\r\n", 401 },
                { "Authorization: Bearer s3creT\r\n", 401 },
                { "Authorization: Bearer s3crets3cret\r\n", 401 },
                { "Authorization: Basic s3cret\r\n", 401 },
                { "Authorization: Bearer s3cret\r\n", 200 },
                { "authorization: bearer s3cret\r\n", 200 },
        };
        struct api_world w = API_WORLD;

        w.options.token = "s3cret";
        api_world_start(&w);
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                PEN_CLEANUP(pen_stream_freep) struct pen_stream *stream = api_connect_tcp(&w);
                PEN_CLEANUP(answer_deinit) struct answer a = { 0 };

                api_request(stream, "GET /healthz", cases[i].header, NULL, 0);
                a = api_receive(stream);
                expect(&a, cases[i].status, NULL);
                if (a.status == 401)
                        ck_assert_ptr_nonnull(strstr(a.head, "WWW-Authenticate: Bearer\r\n"));
        }
        api_expect(&w, "GET /healthz", 200, NULL);
        api_world_stop(&w);
        return 0;
}

static void expect_refused(struct api_options *options, const char *address, int r,
                           const char *text)
{
        struct http_api *api;
        char *error;

        options->listen = &address;
        options->n_listen = 1;
        ck_assert_int_eq(http_api_create(options, &api, &error), r);
        ck_assert_ptr_nonnull(error);
        ck_assert_msg(strstr(error, text), "\"%s\" is not in \"%s\"", text, error);
        free(error);
}

IN_LOOP(address_that_cannot_be_had_is_told_with_the_reason)
{
        struct api_world w = API_WORLD;
        struct api_options options;
        char address[100];

        api_world_start(&w);
        options = w.options;
        expect_refused(&options, "127.0.0.1:0", -EINVAL, "http.token_file");
        expect_refused(&options, "unix:/nonexistent/socket", -ENOENT,
                       "unix:/nonexistent/socket: No");
        expect_refused(&options, w.address, -EADDRINUSE, "somebody listens there");
        options.token = "";
        expect_refused(&options, "127.0.0.1:0", -EINVAL, "http.token_file");
        options.token = "x";
        expect_refused(&options, "localhost:80", -EINVAL, "is no address");
        snprintf(address, sizeof(address), "%s2", w.address);
        options.group = "no-such-group";
        expect_refused(&options, address, -ENOENT,
                       "http.group: no-such-group: there is no such group");
        ck_assert_int_eq(access(address + 5, F_OK), -1);
        api_expect(&w, "GET /healthz", 200, NULL); /* the living one was left alone */
        api_world_stop(&w);
        return 0;
}

IN_LOOP(socket_file_has_its_mode_and_group_whatever_the_umask)
{
        static const mode_t masks[] = { 0, 077, 0777 };

        for (size_t i = 0; i < ARRAY_SIZE(masks); i++) {
                struct api_world w = API_WORLD;
                mode_t before = umask(masks[i]);
                char group[20];
                struct stat st;

                snprintf(group, sizeof(group), "%u", getegid());
                w.options.group = group;
                w.options.mode = 0660;
                api_world_start(&w);
                ck_assert_uint_eq(umask(before), masks[i]);
                ck_assert_int_eq(stat(w.path, &st), 0);
                ck_assert_uint_eq(st.st_mode & 07777, 0660);
                ck_assert_uint_eq(st.st_gid, getegid());
                api_expect(&w, "GET /healthz", 200, NULL);
                api_world_stop(&w);
        }
        return 0;
}

/* --- connections that are kept ------------------------------------------------------------------ */

IN_LOOP(requests_in_one_breath_are_answered_in_order)
{
        struct api_world w = API_WORLD;
        struct pen_stream *stream;

        api_world_start(&w);
        stream = api_connect(&w);
        for (int i = 0; i < 20; i++) {
                api_say(stream,
                        "POST " JOBS " HTTP/1.1\r\nHost: x\r\n" JSON_HEAD
                        "Content-Length: 10\r\n\r\n{\"id\":\"%c\"}"
                        "GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n"
                        "POST " JOBS " HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"
                        "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
                        'a' + i);
        }
        for (int i = 0; i < 80; i++) {
                static const unsigned statuses[] = { 202, 404, 415, 200 };
                PEN_CLEANUP(answer_deinit) struct answer a = api_receive(stream);
                char id[] = "\"?\"";

                id[1] = (char)('a' + i / 4);
                expect(&a, statuses[i % 4], i % 4 == 0 ? id : NULL);
        }
        pen_stream_free(stream);
        ck_assert_uint_eq(api_count(&w).ready, 20);
        api_world_stop(&w);
        return 0;
}

IN_LOOP(head_is_get_without_the_body)
{
        struct api_world w = API_WORLD;
        struct pen_stream *stream;
        char *line;

        api_world_start(&w);
        stream = api_connect(&w);
        api_request(stream, "HEAD /healthz", NULL, NULL, 0);
        ck_assert_int_gt(pen_stream_read_line(stream, 1000, &line), 0);
        ck_assert_int_eq(strncmp(line, "HTTP/1.1 200", 12), 0);
        while (pen_stream_read_line(stream, 1000, &line) > 2)
                ;
        api_request(stream, "GET /healthz", NULL, NULL, 0);
        ck_assert_int_gt(pen_stream_read_line(stream, 1000, &line), 0);
        ck_assert_int_eq(strncmp(line, "HTTP/1.1 200", 12), 0);
        pen_stream_free(stream);
        api_world_stop(&w);
        return 0;
}

IN_LOOP(who_asks_first_is_told_before_he_sends)
{
        struct api_world w = API_WORLD;
        struct pen_stream *stream;
        struct answer a;

        api_world_start(&w);
        stream = api_connect(&w);
        api_say(stream, "POST " JOBS " HTTP/1.1\r\nHost: x\r\n" JSON_HEAD
                        "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n");
        a = api_receive(stream);
        ck_assert_uint_eq(a.status, 100);
        answer_deinit(&a);
        api_say(stream, "{}");
        a = api_receive(stream);
        expect(&a, 202, NULL);
        answer_deinit(&a);
        api_say(stream, "POST " JOBS " HTTP/1.1\r\nHost: x\r\n"
                        "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n");
        a = api_receive(stream);
        expect(&a, 415, NULL);
        answer_deinit(&a);
        ck_assert(api_is_closed(stream));
        pen_stream_free(stream);
        api_world_stop(&w);
        return 0;
}

IN_LOOP(small_body_that_is_refused_keeps_the_connection)
{
        struct api_world w = API_WORLD;
        char body[50000] = { 0 };
        struct pen_stream *stream;

        api_world_start(&w);
        stream = api_connect(&w);
        for (int i = 0; i < 3; i++) {
                PEN_CLEANUP(answer_deinit) struct answer a = { 0 };

                api_request(stream, "POST " JOBS, NULL, body, sizeof(body));
                a = api_receive(stream);
                expect(&a, 415, NULL);
        }
        pen_stream_free(stream);
        api_world_stop(&w);
        return 0;
}

IN_LOOP(huge_body_that_is_refused_is_not_read)
{
        struct api_world w = API_WORLD;
        struct pen_stream *stream;
        struct answer a;

        api_world_start(&w);
        stream = api_connect(&w);
        api_say(stream, "POST " JOBS " HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n");
        a = api_receive(stream);
        expect(&a, 415, NULL);
        answer_deinit(&a);
        ck_assert(api_is_closed(stream));
        pen_stream_free(stream);
        api_world_stop(&w);
        return 0;
}

IN_LOOP(head_that_is_too_long_is_431)
{
        PEN_CLEANUP(buffer_deinit) struct buffer text = { 0 };
        struct api_world w = API_WORLD;
        struct pen_stream *stream;
        struct answer a;

        api_world_start(&w);
        stream = api_connect(&w);
        buffer_printf(&text, "GET /healthz HTTP/1.1\r\nHost: x\r\n");
        while (buffer_size(&text) < 20000)
                buffer_printf(&text, "X-Filler: 0123456789012345678901234567890123456789\r\n");
        (void)pen_stream_write(stream, buffer_data(&text), buffer_size(&text));
        a = api_receive(stream);
        ck_assert_uint_eq(a.status, 431);
        answer_deinit(&a);
        pen_stream_free(stream);
        api_expect(&w, "GET /healthz", 200, NULL);
        api_world_stop(&w);
        return 0;
}

/* --- a client that everybody has ---------------------------------------------------------------- */

IN_LOOP(curl_pushes_a_file_of_jobs)
{
        struct api_world w = API_WORLD;
        char file[100];
        const char *argv[] = { "/usr/bin/curl",
                               "-sS",
                               "-f",
                               "--unix-socket",
                               w.path,
                               "-H",
                               "Content-Type: application/x-ndjson",
                               "-T",
                               file,
                               "-X",
                               "POST",
                               "http://penstock" JOBS,
                               NULL };
        struct pen_process_options options = { .argv = argv, .err = PEN_STDIO_INHERIT };
        struct pen_process *curl;
        int status;
        FILE *jobs;

        if (access(argv[0], X_OK) < 0)
                return 0;
        api_world_start(&w);
        snprintf(file, sizeof(file), "%s/jobs", w.directory);
        jobs = fopen(file, "w");
        ck_assert_ptr_nonnull(jobs);
        for (int i = 0; i < 100000; i++)
                fprintf(jobs, "{\"id\":\"%d\",\"payload\":\"some text to send\"}\n", i);
        ck_assert_int_eq(fclose(jobs), 0);
        ck_assert_int_eq(pen_process_spawn(&options, &curl), 0);
        ck_assert_int_eq(pen_process_wait(curl, &status), 0);
        ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        pen_process_free(curl);
        unlink(file);
        ck_assert_uint_eq(api_count(&w).ready, 100000);
        api_world_stop(&w);
        return 0;
}

int main(void)
{
        return RUN_SUITE("http service", tcp_needs_the_token_and_the_unix_socket_none,
                         address_that_cannot_be_had_is_told_with_the_reason,
                         socket_file_has_its_mode_and_group_whatever_the_umask,
                         requests_in_one_breath_are_answered_in_order, head_is_get_without_the_body,
                         who_asks_first_is_told_before_he_sends,
                         small_body_that_is_refused_keeps_the_connection,
                         huge_body_that_is_refused_is_not_read, head_that_is_too_long_is_431,
                         curl_pushes_a_file_of_jobs);
}

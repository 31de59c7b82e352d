/* TLS with others: OpenSSL's own client and server, as processes. */
#include "pki.h"
#include "tls_pair.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include <penstock/process.h>
#include <penstock/timeout.h>

static const char *const versions[] = { "-tls1_2", "-tls1_3" };

/* --- a process to talk with ------------------------------------------------------------------------- */

struct peer {
        struct pen_process *process;
        struct pen_stream *in, *out; /* its stdin; its stdout and stderr */
};

static struct peer peer_start(const char *format, ...) __attribute__((format(printf, 1, 2)));
static struct peer peer_start(const char *format, ...)
{
        char command[512] = "exec 2>&1 openssl ";
        struct pen_process_options options = {
                .argv = (const char *const[]){ "/bin/sh", "-c", command, NULL },
                .in = PEN_STDIO_PIPE,
                .out = PEN_STDIO_PIPE,
        };
        struct peer peer;
        va_list args;

        va_start(args, format);
        vsnprintf(command + strlen(command), sizeof(command) - strlen(command), format, args);
        va_end(args);
        ck_assert_int_eq(pen_process_spawn(&options, &peer.process), 0);
        ck_assert_int_eq(pen_stream_from_fd(pen_process_take_fd(peer.process, 0), &peer.in), 0);
        ck_assert_int_eq(pen_stream_from_fd(pen_process_take_fd(peer.process, 1), &peer.out), 0);
        return peer;
}

static void peer_deinit(struct peer *peer)
{
        pen_stream_free(peer->in);
        pen_stream_free(peer->out);
        pen_process_free(peer->process);
}

static void peer_say(struct peer *peer, const char *text)
{
        ck_assert_int_eq(put(peer->in, text), 0);
        ck_assert_int_eq(pen_stream_drain(peer->in), 0);
}

/* Reads on to a line that has this in it. */
static char *peer_expect(struct peer *peer, const char *text)
{
        static char line[1000];
        char *found;
        ssize_t n;

        do {
                n = pen_stream_read_line(peer->out, sizeof(line) - 1, &found);
                ck_assert_msg(n > 0, "no '%s' came from the peer", text);
                memcpy(line, found, (size_t)n);
                line[n] = '\0';
        } while (!strstr(line, text));
        return line;
}

static int peer_status(struct peer *peer)
{
        int status;

        ck_assert_int_eq(pen_process_wait(peer->process, &status), 0);
        return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

#define PEER(p, ...) PEN_CLEANUP(peer_deinit) struct peer p = peer_start(__VA_ARGS__)

/* --- we are the server -------------------------------------------------------------------------------- */

struct service {
        struct pen_listener *listener;
        struct pen_tls *tls;
        struct pen_task *task;
        int (*handler)(struct pen_stream *stream, void *service);
        int started, ended; /* what the handshake answered, and the last read */
        char error[256];
        bool done;
};

static int echo(struct pen_stream *stream, void *arg)
{
        struct service *service = arg;
        char *line;
        ssize_t n;

        service->started = pen_stream_start_tls(stream, service->tls, NULL, service->error);
        n = service->started;
        while (n == 0 && (n = pen_stream_read_line(stream, 1000, &line)) > 0)
                n = pen_stream_write(stream, line, (size_t)n);
        service->ended = (int)n;
        service->done = true;
        return n < 0 ? (int)n : pen_stream_shutdown(stream);
}

static int serve(void *arg)
{
        struct service *service = arg;

        return pen_serve(service->listener, service->handler, service);
}

static struct service service_start(int (*handler)(struct pen_stream *, void *),
                                    const struct pen_tls_options *options)
{
        struct service service = { .handler = handler };

        ck_assert_int_eq(pen_tls_create(options, &service.tls, NULL), 0);
        ck_assert_int_eq(pen_listen("127.0.0.1:0", &service.listener), 0);
        return service;
}

static void service_deinit(struct service *service)
{
        pen_task_cancel(service->task);
        ck_assert_int_eq(finish(service->task), -ECANCELED);
        pen_listener_free(service->listener);
        pen_tls_free(service->tls);
}

#define OPTIONS ((struct pen_tls_options){ .cert_file = "server.pem", .key_file = "server.key" })
#define SERVICE(s, handler, options)                                                       \
        PEN_CLEANUP(service_deinit) struct service s = service_start(handler, &(options)); \
        s.task = spawn(serve, &s)
#define CLIENT(p, s, arguments)                                                    \
        PEER(p,                                                                    \
             "s_client -connect 127.0.0.1:%u -CAfile ca.pem -verify_return_error " \
             "-verify_hostname example.test %s",                                   \
             pen_listener_port(s.listener), arguments)

static void wait_for_handler(struct service *service)
{
        while (!service->done)
                ck_assert_int_eq(pen_sleep(PEN_MSEC), 0);
}

IN_LOOP(client_is_served_by_either_version)
{
        for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
                SERVICE(s, echo, OPTIONS);
                CLIENT(p, s, versions[i]);

                peer_expect(&p, "Verification: OK");
                peer_say(&p, "hello\n");
                peer_expect(&p, "hello");
                ck_assert_int_eq(pen_stream_shutdown(p.in), 0); /* it says its end and leaves */
                wait_for_handler(&s);
                ck_assert_int_eq(s.started, 0);
                ck_assert_int_eq(s.ended, 0);
                ck_assert_int_eq(peer_status(&p), 0);
        }
        return 0;
}

IN_LOOP(client_that_is_killed_has_not_said_its_end)
{
        SERVICE(s, echo, OPTIONS);
        CLIENT(p, s, "");

        peer_say(&p, "hello\n");
        peer_expect(&p, "hello");
        ck_assert_int_eq(pen_process_signal(p.process, SIGKILL), 0);
        wait_for_handler(&s);
        ck_assert(s.ended == -EPIPE || s.ended == -ECONNRESET);
        return 0;
}

static int end_well(struct pen_stream *stream, void *arg)
{
        struct service *service = arg;
        int r = pen_stream_start_tls(stream, service->tls, NULL, service->error);

        if (r == 0)
                r = put(stream, "bye\n");
        return r < 0 ? r : pen_stream_shutdown(stream);
}

static int end_badly(struct pen_stream *stream, void *arg)
{
        struct service *service = arg;
        int r = pen_stream_start_tls(stream, service->tls, NULL, service->error);

        if (r == 0)
                r = put(stream, "bye\n");
        return r < 0 ? r : pen_stream_drain(stream);
}

IN_LOOP(client_is_told_the_end_by_a_shutdown_alone)
{
        for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
                SERVICE(well, end_well, OPTIONS);
                SERVICE(badly, end_badly, OPTIONS);
                CLIENT(p, well, versions[i]);
                CLIENT(q, badly, versions[i]);

                peer_expect(&p, "bye");
                peer_expect(&p, "closed");
                ck_assert_int_eq(peer_status(&p), 0);
                peer_expect(&q, "bye");
                peer_expect(&q, "unexpected eof");
        }
        return 0;
}

IN_LOOP(client_may_ask_for_new_keys)
{
        SERVICE(s, echo, OPTIONS);
        CLIENT(p, s, "-msg");

        for (int i = 0; i < 3; i++) {
                peer_say(&p, "K\n"); /* and we are to change ours too */
                peer_expect(&p, "KEYUPDATE");
                peer_say(&p, "hello\n");
                peer_expect(&p, "<<< TLS 1.3, Handshake [length 0005], KeyUpdate");
                peer_expect(&p, "hello");
                peer_say(&p, "k\n");
                peer_expect(&p, "KEYUPDATE");
                peer_say(&p, "again\n");
                peer_expect(&p, "again");
        }
        return 0;
}

IN_LOOP(renegotiation_is_refused)
{
        SERVICE(s, echo, OPTIONS);
        CLIENT(p, s, "-tls1_2");

        peer_say(&p, "hello\n");
        peer_expect(&p, "hello");
        peer_say(&p, "R\n");
        peer_expect(&p, "RENEGOTIATING");
        peer_expect(&p, "no renegotiation");
        wait_for_handler(&s);
        ck_assert_int_le(s.ended, 0);
        return 0;
}

IN_LOOP(old_versions_are_refused)
{
        SERVICE(s, echo, OPTIONS);
        CLIENT(p, s, "-tls1_1 -cipher DEFAULT@SECLEVEL=0");

        ck_assert_int_ne(peer_status(&p), 0);
        wait_for_handler(&s);
        ck_assert_int_eq(s.started, -EPROTO);
        ck_assert_str_eq(s.error, "unsupported protocol");
        return 0;
}

IN_LOOP(client_shows_its_certificate_if_we_insist)
{
        struct pen_tls_options insistent = OPTIONS;

        insistent.ca_file = "ca.pem";
        insistent.verify_client = true;
        for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
                SERVICE(s, echo, insistent);
                char with[100];

                {
                        CLIENT(p, s, versions[i]);
                        peer_expect(&p,
                                    i == 0 ? "alert handshake failure" : "certificate required");
                }
                ck_assert_str_eq(s.error, "peer did not return a certificate");
                snprintf(with, sizeof(with), "%s -cert client.pem -key client.key", versions[i]);
                {
                        CLIENT(p, s, with);
                        peer_say(&p, "hello\n");
                        peer_expect(&p, "hello");
                }
        }
        return 0;
}

static int speak_smtp(struct pen_stream *stream, void *arg)
{
        char *line;
        int r = put(stream, "220 ready\r\n");

        if (r == 0 && pen_stream_read_line(stream, 1000, &line) > 0) /* EHLO */
                r = put(stream, "250-here\r\n250 STARTTLS\r\n");
        if (r == 0 && pen_stream_read_line(stream, 1000, &line) > 0) /* STARTTLS */
                r = put(stream, "220 go ahead\r\n");
        if (r == 0)
                r = pen_stream_drain(stream);
        return r < 0 ? r : echo(stream, arg);
}

IN_LOOP(tls_may_begin_in_the_midst_of_a_talk)
{
        SERVICE(s, speak_smtp, OPTIONS);
        CLIENT(p, s, "-starttls smtp");

        peer_expect(&p, "Verification: OK");
        peer_say(&p, "hello\n");
        peer_expect(&p, "hello");
        return 0;
}

/* --- we are the client -------------------------------------------------------------------------------- */

/* Connects to what the server says that it listens at. */
static struct pen_stream *connect_to(struct peer *peer)
{
        struct pen_stream *stream;
        char *line = peer_expect(peer, "ACCEPT ");

        line[strcspn(line, "\n")] = '\0';
        ck_assert_int_eq(pen_stream_connect(line + strlen("ACCEPT "), &stream), 0);
        return stream;
}

#define SERVER(p, arguments) \
        PEER(p, "s_server -accept 127.0.0.1:0 -cert server.pem -key server.key %s", arguments)

/* Trusts ca.pem; "" or what the handshake said. */
static const char *go_under_tls(struct pen_stream *stream, const char *cert, const char *key)
{
        PEN_CLEANUP(pen_tls_freep) struct pen_tls *tls = tls_of("ca.pem", cert, key);
        static char error[256];

        error[0] = '\0';
        ck_assert_int_eq(pen_stream_start_tls(stream, tls, "127.0.0.1", error) == 0,
                         error[0] == '\0');
        return error;
}

IN_LOOP(server_of_either_version_is_talked_with)
{
        for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
                char arguments[50];
                PEN_CLEANUP(pen_stream_freep) struct pen_stream *s = NULL;

                snprintf(arguments, sizeof(arguments), "-rev %s", versions[i]);
                SERVER(p, arguments);
                s = connect_to(&p);
                ck_assert_str_eq(go_under_tls(s, NULL, NULL), "");
                ck_assert_int_eq(put(s, "hello\n"), 0);
                expect_line(s, "olleh\n");
                ck_assert_int_eq(put(s, "CLOSE\n"), 0);
                expect_line(s, "");
        }
        return 0;
}

IN_LOOP(server_may_ask_for_new_keys)
{
        SERVER(p, "-tls1_3 -msg");
        PEN_CLEANUP(pen_stream_freep) struct pen_stream *s = connect_to(&p);

        ck_assert_str_eq(go_under_tls(s, NULL, NULL), "");
        for (int i = 0; i < 3; i++) {
                peer_say(&p, "K\n");
                peer_expect(&p, ">>> TLS 1.3, Handshake [length 0005], KeyUpdate");
                peer_say(&p, "hello\n");
                expect_line(s, "hello\n");
                ck_assert_int_eq(put(s, "and back\n"), 0);
                peer_expect(&p, "<<< TLS 1.3, Handshake [length 0005], KeyUpdate");
                peer_expect(&p, "and back");
        }
        return 0;
}

IN_LOOP(server_that_wants_to_renegotiate_is_refused)
{
        SERVER(p, "-tls1_2");
        PEN_CLEANUP(pen_stream_freep) struct pen_stream *s = connect_to(&p);
        char *line;

        ck_assert_str_eq(go_under_tls(s, NULL, NULL), "");
        peer_expect(&p, "CIPHER");
        peer_say(&p, "r\n");
        ck_assert_int_le((int)pen_stream_read_line(s, 100, &line), 0);
        return 0;
}

#define FILE_SIZE ((size_t)5 << 20)

IN_LOOP(large_file_comes_whole_and_to_its_end)
{
        FILE *file = fopen("large", "w");
        PEN_CLEANUP(pen_stream_freep) struct pen_stream *s = NULL;
        PEN_CLEANUP(freep) char *data = malloc(FILE_SIZE);
        char *line, byte;

        for (size_t i = 0; i < FILE_SIZE; i++)
                data[i] = (char)(i / 997);
        ck_assert_uint_eq(fwrite(data, 1, FILE_SIZE, file), FILE_SIZE);
        ck_assert_int_eq(fclose(file), 0);
        SERVER(p, "-WWW");
        s = connect_to(&p);
        ck_assert_str_eq(go_under_tls(s, NULL, NULL), "");
        ck_assert_int_eq(put(s, "GET /large HTTP/1.0\r\n\r\n"), 0);
        do
                ck_assert_int_gt((int)pen_stream_read_line(s, 1000, &line), 0);
        while (strncmp(line, "\r\n", 2) != 0);
        memset(data, 0, FILE_SIZE);
        ck_assert_int_eq(pen_stream_read_exactly(s, data, FILE_SIZE), 0);
        for (size_t i = 0; i < FILE_SIZE; i++)
                if (data[i] != (char)(i / 997))
                        return -EIO;
        ck_assert_int_eq((int)pen_stream_read(s, &byte, 1), 0);
        return 0;
}

IN_LOOP(we_show_our_certificate_if_the_server_insists)
{
        SERVER(p, "-rev -CAfile ca.pem -Verify 1 -verify_return_error -tls1_2");
        PEN_CLEANUP(pen_stream_freep) struct pen_stream *s = connect_to(&p);

        ck_assert_str_eq(go_under_tls(s, "client.pem", "client.key"), "");
        ck_assert_int_eq(put(s, "hello\n"), 0);
        expect_line(s, "olleh\n");
        return 0;
}

IN_LOOP(we_are_refused_without_a_certificate)
{
        SERVER(p, "-CAfile ca.pem -Verify 1 -verify_return_error -tls1_2");
        PEN_CLEANUP(pen_stream_freep) struct pen_stream *s = connect_to(&p);

        ck_assert_str_eq(go_under_tls(s, NULL, NULL), "sslv3 alert handshake failure");
        return 0;
}

IN_LOOP(server_that_is_killed_has_not_said_its_end)
{
        SERVER(p, "-rev");
        PEN_CLEANUP(pen_stream_freep) struct pen_stream *s = connect_to(&p);
        char byte;
        int r;

        ck_assert_str_eq(go_under_tls(s, NULL, NULL), "");
        ck_assert_int_eq(put(s, "hello\n"), 0);
        expect_line(s, "olleh\n");
        ck_assert_int_eq(pen_process_signal(p.process, SIGKILL), 0);
        r = (int)pen_stream_read(s, &byte, 1);
        ck_assert(r == -EPIPE || r == -ECONNRESET);
        return 0;
}

int main(void)
{
        return RUN_SUITE_WITH_PKI(
                "tls_peers", client_is_served_by_either_version,
                client_that_is_killed_has_not_said_its_end,
                client_is_told_the_end_by_a_shutdown_alone, client_may_ask_for_new_keys,
                renegotiation_is_refused, old_versions_are_refused,
                client_shows_its_certificate_if_we_insist, tls_may_begin_in_the_midst_of_a_talk,
                server_of_either_version_is_talked_with, server_may_ask_for_new_keys,
                server_that_wants_to_renegotiate_is_refused, large_file_comes_whole_and_to_its_end,
                we_show_our_certificate_if_the_server_insists, we_are_refused_without_a_certificate,
                server_that_is_killed_has_not_said_its_end);
}

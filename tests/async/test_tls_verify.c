/* Whom TLS trusts, and the files that say so. */
#include "pki.h"
#include "tls_pair.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <penstock/timeout.h>

/* One handshake. "" if both sides were content; else what the client said, or the server. */
static const char *meet(const char *ca, const char *cert, const char *key, const char *name)
{
        static char error[256];
        PAIR(p);

        pen_tls_free(p.client.tls);
        pen_tls_free(p.server.tls);
        p.client.tls = tls_of(ca, NULL, NULL);
        p.server.tls = tls_of(NULL, cert, key);
        p.client.name = name;
        pair_start(&p);
        ck_assert(p.client.result == 0 || p.client.result == -EPROTO);
        ck_assert_int_eq(p.client.result == 0, p.client.error[0] == '\0');
        ck_assert_int_eq(p.server.result == 0, p.server.error[0] == '\0');
        strcpy(error, p.client.result < 0 ? p.client.error : p.server.error);
        return error;
}

static void expect_refusal(const char *said, const char *name, const char *why)
{
        char expected[256];

        snprintf(expected, sizeof(expected), "the certificate of %s is refused: %s", name, why);
        ck_assert_str_eq(said, expected);
}

/* --- servers -------------------------------------------------------------------------------------- */

IN_VIRTUAL_LOOP(server_is_known_by_its_name_or_address)
{
        static const char *const good[] = { "example.test", "EXAMPLE.test", "a.wild.test",
                                            "127.0.0.1",    "::1",          "0:0::0:1" };
        static const struct {
                const char *name, *why;
        } bad[] = {
                { "example.org", "hostname mismatch" },   { "wild.test", "hostname mismatch" },
                { "a.b.wild.test", "hostname mismatch" }, { "a.example.test", "hostname mismatch" },
                { "127.0.0.2", "IP address mismatch" },   { "::2", "IP address mismatch" },
                { "server", "hostname mismatch" }, /* its common name is no name of a host */
        };

        for (size_t i = 0; i < ARRAY_SIZE(good); i++)
                ck_assert_str_eq(meet("ca.pem", "server.pem", "server.key", good[i]), "");
        for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
                expect_refusal(meet("ca.pem", "server.pem", "server.key", bad[i].name), bad[i].name,
                               bad[i].why);
        return 0;
}

IN_VIRTUAL_LOOP(refusal_says_why)
{
        static const struct {
                const char *cert, *key, *ca, *why;
        } bad[] = {
                { "expired.pem", "expired.key", "ca.pem", "certificate has expired" },
                { "self.pem", "self.key", "ca.pem", "self-signed certificate" },
                { "server.pem", "server.key", "other.pem",
                  "unable to get local issuer certificate" },
                { "leaf.pem", "leaf.key", "ca.pem", "unable to get local issuer certificate" },
                { "server.pem", "server.key", NULL, "unable to get local issuer certificate" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
                expect_refusal(meet(bad[i].ca, bad[i].cert, bad[i].key, "example.test"),
                               "example.test", bad[i].why);
        return 0;
}

IN_VIRTUAL_LOOP(server_learns_that_it_was_refused)
{
        PAIR(p);

        p.client.name = "example.org";
        pair_start(&p);
        ck_assert_int_eq(p.client.result, -EPROTO);
        if (p.server.result == 0) { /* it was content before the client was not */
                char byte;

                ck_assert_int_eq((int)pen_stream_read(p.server.stream, &byte, 1), -EPROTO);
        } else {
                ck_assert_int_eq(p.server.result, -EPROTO);
                ck_assert_ptr_nonnull(strstr(p.server.error, "alert"));
        }
        return 0;
}

IN_VIRTUAL_LOOP(chain_is_sent_and_any_link_of_it_may_be_trusted)
{
        ck_assert_str_eq(meet("ca.pem", "chain.pem", "leaf.key", "example.test"), "");
        ck_assert_str_eq(meet("inter.pem", "leaf.pem", "leaf.key", "example.test"), "");
        ck_assert_str_eq(meet("leaf.pem", "leaf.pem", "leaf.key", "example.test"), "");
        ck_assert_str_eq(meet("self.pem", "self.pem", "self.key", "example.test"), "");
        ck_assert_str_eq(meet("ca.pem", "both.pem", NULL, "example.test"), "");
        return 0;
}

IN_VIRTUAL_LOOP(without_a_file_the_systems_authorities_are_trusted)
{
        ck_assert_int_eq(setenv("SSL_CERT_FILE", "ca.pem", 1), 0);
        ck_assert_str_eq(meet(NULL, "server.pem", "server.key", "example.test"), "");
        ck_assert_int_eq(setenv("SSL_CERT_FILE", "other.pem", 1), 0);
        ck_assert_str_ne(meet(NULL, "server.pem", "server.key", "example.test"), "");
        unsetenv("SSL_CERT_FILE");
        return 0;
}

IN_VIRTUAL_LOOP(insecure_client_takes_anybody)
{
        static const char *const names[] = { "example.org", "", "127.0.0.9" };
        struct pen_tls_options insecure = { .insecure = true };

        for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
                PAIR(p);

                pen_tls_free(TAKE(p.client.tls));
                pen_tls_free(TAKE(p.server.tls));
                ck_assert_int_eq(pen_tls_create(&insecure, &p.client.tls, NULL), 0);
                p.server.tls = tls_of(NULL, "self.pem", "self.key");
                p.client.name = names[i];
                pair_start(&p);
                ck_assert_int_eq(p.client.result, 0);
                ck_assert_int_eq(put(p.client.stream, "hello"), 0);
                expect_read(p.server.stream, "hello");
        }
        return 0;
}

IN_VIRTUAL_LOOP(what_is_no_name_is_refused_before_anything_is_said)
{
        char overlong[300];
        PAIR(p);

        memset(overlong, 'x', sizeof(overlong) - 1);
        overlong[sizeof(overlong) - 1] = '\0';
        p.client.name = "";
        ck_assert_int_eq(side_start(&p.client), -EINVAL);
        ck_assert_str_eq(p.client.error, "'' is no name of a server");
        p.client.name = overlong;
        ck_assert_int_eq(side_start(&p.client), -EINVAL);
        p.client.name = NULL; /* as a server, and without a certificate */
        ck_assert_int_eq(side_start(&p.client), -EINVAL);
        ck_assert_str_eq(p.client.error, "a server needs a certificate");
        ck_assert_int_eq(put(p.client.stream, "in the clear as before"), 0);
        expect_read(p.server.stream, "in the clear as before");
        p.client.name = "example.test";
        memset(p.client.error, 0, sizeof(p.client.error));
        pair_start(&p);
        ck_assert_int_eq(p.client.result, 0);
        return 0;
}

/* --- clients -------------------------------------------------------------------------------------- */

/* Answers what the server's handshake did; the client's first read tells it the same. */
static int present(const char *cert, const char *key, char error[256])
{
        struct pen_tls_options insistent = { "ca.pem", "server.pem", "server.key", false, true };
        PAIR(p);

        pen_tls_free(TAKE(p.client.tls));
        pen_tls_free(TAKE(p.server.tls));
        p.client.tls = tls_of("ca.pem", cert, key);
        ck_assert_int_eq(pen_tls_create(&insistent, &p.server.tls, NULL), 0);
        pair_start(&p);
        ck_assert_int_eq(p.client.result, 0); /* TLS 1.3: it is done before the server looks */
        if (p.server.result == 0) {
                ck_assert_int_eq(put(p.server.stream, "welcome"), 0);
                expect_read(p.client.stream, "welcome");
        } else {
                char byte;

                ck_assert_int_eq((int)pen_stream_read(p.client.stream, &byte, 1), -EPROTO);
        }
        strcpy(error, p.server.error);
        return p.server.result;
}

IN_VIRTUAL_LOOP(server_may_insist_on_a_certificate_of_its_clients)
{
        char error[256];

        ck_assert_int_eq(present("client.pem", "client.key", error), 0);
        ck_assert_int_eq(present(NULL, NULL, error), -EPROTO);
        ck_assert_str_eq(error, "peer did not return a certificate");
        ck_assert_int_eq(present("stranger.pem", "stranger.key", error), -EPROTO);
        expect_refusal(error, "the client", "unable to get local issuer certificate");
        ck_assert_int_eq(present("expired.pem", "expired.key", error), -EPROTO);
        expect_refusal(error, "the client", "certificate has expired");
        return 0;
}

static char logged[256];

static void keep_log(void *data, enum pen_log_level level, const char *message)
{
        (void)data, (void)level;
        snprintf(logged, sizeof(logged), "%s", message);
}

static int present_nothing(void *arg)
{
        (void)arg;
        char error[256];

        return present(NULL, NULL, error);
}

START_TEST(refusal_that_comes_after_the_handshake_is_logged)
{
        struct pen_options options = { .clock = PEN_CLOCK_VIRTUAL, .log = keep_log };

        ck_assert_int_eq(pen_run_with(&options, present_nothing, NULL), -EPROTO);
        ck_assert_str_eq(logged, "tls: a connection has ended: tlsv13 alert certificate required");
}
END_TEST

/* --- files ---------------------------------------------------------------------------------------- */

static void expect_unusable(struct pen_tls_options options, int r, const char *said)
{
        struct pen_tls *tls = (void *)&options;
        char error[256] = "";

        ck_assert_int_eq(pen_tls_create(&options, &tls, error), r);
        ck_assert_msg(strncmp(error, said, strlen(said)) == 0, "%s", error);
        ck_assert_int_eq(pen_tls_create(&options, &tls, NULL), r);
        ck_assert_ptr_eq(tls, &options);
}

START_TEST(unusable_file_is_named_with_what_is_wrong)
{
#define CA(file) ((struct pen_tls_options){ .ca_file = (file) })
#define IDENTITY(cert, key) ((struct pen_tls_options){ .cert_file = (cert), .key_file = (key) })
        expect_unusable(CA("nowhere.pem"), -ENOENT, "nowhere.pem: No such file or directory");
        expect_unusable(CA("."), -EINVAL, ".: no usable certificate: ");
        expect_unusable(CA("empty.pem"), -EINVAL, "empty.pem: no usable certificate: ");
        expect_unusable(CA("text.pem"), -EINVAL, "text.pem: no usable certificate: ");
        expect_unusable(CA("cut.pem"), -EINVAL, "cut.pem: no usable certificate: ");
        expect_unusable(IDENTITY("nowhere.pem", NULL), -ENOENT,
                        "nowhere.pem: No such file or directory");
        expect_unusable(IDENTITY("text.pem", "server.key"), -EINVAL,
                        "text.pem: no usable certificate: ");
        expect_unusable(IDENTITY("cut.pem", "server.key"), -EINVAL,
                        "cut.pem: no usable certificate: ");
        expect_unusable(IDENTITY("server.pem", "nowhere.key"), -ENOENT,
                        "nowhere.key: No such file or directory");
        expect_unusable(IDENTITY("server.pem", NULL), -EINVAL,
                        "server.pem: no usable private key: ");
        expect_unusable(IDENTITY("server.pem", "text.pem"), -EINVAL,
                        "text.pem: no usable private key: ");
        expect_unusable(IDENTITY("server.pem", "leaf.key"), -EINVAL,
                        "leaf.key: no usable private key: key values mismatch");
        expect_unusable(IDENTITY("server.pem", "locked.key"), -EINVAL,
                        "locked.key: no usable private key: problems getting password");
        expect_unusable((struct pen_tls_options){ NULL, "server.pem", "server.key", false, true },
                        -EINVAL, "verify_client needs a ca_file");
}
END_TEST

START_TEST(file_that_may_not_be_read_is_told)
{
        uid_t self = geteuid();

        ck_assert_int_eq(chmod("other.pem", 0), 0);
        if (self == 0)
                ck_assert_int_eq(seteuid(65534), 0);
        expect_unusable(CA("other.pem"), -EACCES, "other.pem: Permission denied");
        if (self == 0)
                ck_assert_int_eq(seteuid(0), 0);
        ck_assert_int_eq(chmod("other.pem", 0600), 0);
}
END_TEST

START_TEST(context_needs_no_loop)
{
        struct pen_tls_options options = { .ca_file = "ca.pem" };
        struct pen_tls *tls = NULL;

        ck_assert_int_eq(pen_tls_create(&options, &tls, NULL), 0);
        pen_tls_freep(&tls);
        tls = NULL;
        pen_tls_freep(&tls);
        pen_tls_free(NULL);
}
END_TEST

int main(void)
{
        return RUN_SUITE_WITH_PKI(
                "tls_verify", server_is_known_by_its_name_or_address, refusal_says_why,
                server_learns_that_it_was_refused, chain_is_sent_and_any_link_of_it_may_be_trusted,
                without_a_file_the_systems_authorities_are_trusted, insecure_client_takes_anybody,
                what_is_no_name_is_refused_before_anything_is_said,
                server_may_insist_on_a_certificate_of_its_clients,
                refusal_that_comes_after_the_handshake_is_logged,
                unusable_file_is_named_with_what_is_wrong, file_that_may_not_be_read_is_told,
                context_needs_no_loop);
}

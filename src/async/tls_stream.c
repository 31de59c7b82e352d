/* TLS on one stream. */
#include <async/tls.h>

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

/* At once: three records. Of more, malloc would map the buffer anew each time. */
#define SEAL_MAX ((size_t)48 << 10)

/* --- OpenSSL's two ends ------------------------------------------------------------------------- */

static int bio_read(BIO *bio, char *data, int size)
{
        struct pen_stream *s = BIO_get_data(bio);
        ssize_t n = stream_receive(s, data, (size_t)size);

        BIO_clear_retry_flags(bio);
        if (n == -EAGAIN)
                BIO_set_retry_read(bio);
        else if (n <= 0)
                s->tls->error = n < 0 ? (int)n : -EPIPE;
        return n < 0 ? -1 : (int)n;
}

static int bio_write(BIO *bio, const char *data, int size)
{
        struct pen_stream *s = BIO_get_data(bio);
        int r = buffer_append(&s->tls->sealed, data, (size_t)size);

        BIO_clear_retry_flags(bio);
        if (r < 0)
                s->tls->error = r;
        return r < 0 ? -1 : size;
}

static long bio_control(BIO *bio, int command, long number, void *pointer)
{
        (void)bio, (void)number, (void)pointer;
        return command == BIO_CTRL_FLUSH;
}

BIO_METHOD *tls_create_method(void)
{
        BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "stream");

        if (method) {
                BIO_meth_set_read(method, bio_read);
                BIO_meth_set_write(method, bio_write);
                BIO_meth_set_ctrl(method, bio_control);
        }
        return method;
}

/* --- reading and writing ------------------------------------------------------------------------ */

/* Why OpenSSL has not done it. 0: the peer has said its end. */
static int find_cause(struct tls *tls)
{
        switch (SSL_get_error(tls->ssl, 0)) {
        case SSL_ERROR_WANT_READ:
                return -EAGAIN;
        case SSL_ERROR_ZERO_RETURN:
                return 0;
        }
        if (tls->error == 0)
                tls->error = ERR_GET_REASON(ERR_peek_error()) == ERR_R_MALLOC_FAILURE ? -ENOMEM
                                                                                      : -EPROTO;
        return tls->error;
}

static const char *last_reason(void)
{
        const char *reason = ERR_reason_error_string(ERR_peek_last_error());

        return reason ? reason : "unknown";
}

ssize_t tls_receive(struct pen_stream *s, void *data, size_t size)
{
        struct tls *tls = s->tls;
        size_t n;
        int r;

        if (tls->error < 0)
                return tls->error;
        ERR_clear_error();
        r = SSL_read_ex(tls->ssl, data, size, &n) == 1 ? 1 : find_cause(tls);
        if (r == -EPROTO)
                loop_log(s->loop, PEN_LOG_WARNING, "tls: a connection has ended: %s",
                         last_reason());
        if (UNLIKELY(buffer_size(&tls->sealed) > 0)) /* an alert */
                stream_send(s);
        return r == 1 ? (ssize_t)n : r;
}

struct buffer *tls_to_send(struct pen_stream *s)
{
        struct tls *tls = s->tls;
        size_t size = MIN(buffer_size(&s->out), SEAL_MAX);

        if (buffer_size(&tls->sealed) > 0 || size == 0 || !tls->established)
                return &tls->sealed;
        ERR_clear_error();
        if (SSL_write_ex(tls->ssl, buffer_data(&s->out), size, &size) == 1)
                buffer_consume(&s->out, size);
        else if (SSL_get_shutdown(tls->ssl) & SSL_SENT_SHUTDOWN)
                s->write_error = -EPIPE;
        else
                s->write_error = find_cause(tls);
        return &tls->sealed;
}

int tls_close(struct pen_stream *s)
{
        struct tls *tls = s->tls;

        if (SSL_get_shutdown(tls->ssl) & SSL_SENT_SHUTDOWN)
                return 0; /* a second call would wait for the peer's */
        ERR_clear_error();
        return SSL_shutdown(tls->ssl) < 0 ? find_cause(tls) : 0;
}

/* --- the handshake ------------------------------------------------------------------------------ */

static bool is_address(const char *name)
{
        unsigned char address[sizeof(struct in6_addr)];

        return inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1;
}

/* Of an empty name OpenSSL would make: any. */
static bool set_name(SSL *ssl, const char *name)
{
        if (is_address(name))
                return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1;
        return *name && SSL_set1_host(ssl, name) == 1 && SSL_set_tlsext_host_name(ssl, name) == 1;
}

static int expect_server(SSL *ssl, struct pen_tls *shared, const char *name, char *error)
{
        SSL_set_connect_state(ssl);
        SSL_set_verify(ssl, shared->insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
        if (!set_name(ssl, name) && !shared->insecure) {
                tls_say(error, "'%s' is no name of a server", name);
                return -EINVAL;
        }
        return tls_load_system(shared);
}

static int expect_client(SSL *ssl, struct pen_tls *shared, char *error)
{
        if (!SSL_CTX_get0_certificate(shared->context)) {
                tls_say(error, "a server needs a certificate");
                return -EINVAL;
        }
        SSL_set_accept_state(ssl);
        SSL_set_verify(ssl,
                       shared->verify_client ? SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT
                                             : SSL_VERIFY_NONE,
                       NULL);
        return 0;
}

static int create(struct pen_stream *s, struct pen_tls *shared, const char *server_name,
                  char *error)
{
        struct tls *tls = malloc(sizeof(*tls));
        BIO *bio;
        int r;

        if (!tls)
                return -ENOMEM;
        shared->refs++;
        *tls = (struct tls){ .shared = shared, .ssl = SSL_new(shared->context) };
        bio = BIO_new(shared->method);
        if (!tls->ssl || !bio) {
                BIO_free(bio);
                tls_free(tls);
                return -ENOMEM;
        }
        BIO_set_data(bio, s);
        BIO_set_init(bio, 1);
        SSL_set_bio(tls->ssl, bio, bio);
        r = server_name ? expect_server(tls->ssl, shared, server_name, error)
                        : expect_client(tls->ssl, shared, error);
        if (r < 0)
                tls_free(tls);
        else
                s->tls = tls;
        return r;
}

void tls_free(struct tls *tls)
{
        if (!tls)
                return;
        SSL_free(tls->ssl);
        buffer_deinit(&tls->sealed);
        pen_tls_free(tls->shared);
        free(tls);
}

/* Goes on with it, on a stack that is big enough. */
static int proceed(void *arg)
{
        struct tls *tls = arg;
        int r;

        ERR_clear_error();
        if (SSL_do_handshake(tls->ssl) == 1)
                return 0;
        r = find_cause(tls);
        return r == 0 ? -EPIPE : r;
}

static int shake_hands(struct pen_stream *s)
{
        int r;

        while ((r = pen_on_thread_stack(proceed, s->tls)) == -EAGAIN) {
                stream_send(s);
                r = stream_wait_readable(s);
                if (r < 0)
                        break;
        }
        return r;
}

static void explain(const struct tls *tls, const char *server_name, int r, char *error)
{
        unsigned long last = ERR_peek_last_error();

        if (r == -ECANCELED)
                return;
        if (r == -EPIPE)
                tls_say(error, "the peer has left in the handshake");
        else if (r != -EPROTO)
                tls_say(error, "%s", strerror(-r));
        else if (ERR_GET_LIB(last) == ERR_LIB_SSL &&
                 ERR_GET_REASON(last) == SSL_R_CERTIFICATE_VERIFY_FAILED)
                tls_say(error, "the certificate of %s is refused: %s",
                        server_name ? server_name : "the client",
                        X509_verify_cert_error_string(SSL_get_verify_result(tls->ssl)));
        else
                tls_say(error, "%s", last_reason());
}

/* Nothing may be said without the protection that was asked for. */
static void give_up(struct pen_stream *s)
{
        stream_send(s); /* the alert, which says to the peer why */
        s->write_error = s->tls->error = -EPROTO;
        s->readable = true; /* to meet that at once */
        stream_send(s);
}

int pen_stream_start_tls(struct pen_stream *s, struct pen_tls *tls, const char *server_name,
                         char error[256])
{
        int r = pen_stream_drain(s);

        if (r < 0)
                return r;
        if (s->tls)
                return -EALREADY;
        if (s->reader || buffer_size(&s->in) > 0)
                return -EBUSY;
        r = create(s, tls, server_name, error);
        if (r < 0)
                return r;
        r = shake_hands(s);
        if (r < 0) {
                explain(s->tls, server_name, r, error);
                give_up(s);
                return r;
        }
        s->tls->established = true;
        stream_send(s);
        return 0;
}

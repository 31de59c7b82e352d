/* TLS as a stream sees it: a filter. What the program writes is sealed when the socket has room for
 * it; what the socket has is opened when the program reads.
 *
 * OpenSSL reads from the socket and writes into `sealed`, which takes all. So it never meets a full
 * socket, and of all that it may want only one thing is left: more to read. Renegotiation, which is
 * to write because of a read, is refused; a KeyUpdate is answered with the next write.
 */
#pragma once

#include <async/stream.h>
#include <openssl/ssl.h>
#include <penstock/tls.h>

struct pen_tls {
        unsigned refs; /* the owner's, and one for each stream */
        SSL_CTX *context;
        BIO_METHOD *method;
        bool insecure, verify_client;
        bool system; /* its authorities are trusted, and not loaded yet */
};

/* Of a stream. */
struct tls {
        struct pen_tls *shared;
        SSL *ssl;
        struct buffer sealed; /* to be sent */
        bool established;
        int error; /* -errno of reading, or of sealing for want of memory; it stays */
};

/* --- tls.c ------------------------------------------------------------------------------------- */

void tls_say(char *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The system's authorities, a long list, at the first server to be checked. -ENOMEM. */
int tls_load_system(struct pen_tls *tls);

/* --- tls_stream.c ------------------------------------------------------------------------------ */

BIO_METHOD *tls_create_method(void);

/* What is to be sent next; empty: nothing. */
struct buffer *tls_to_send(struct pen_stream *s);

/* Of what the peer has written. -EAGAIN: nothing yet. -EPIPE: cut off. -EPROTO. */
ssize_t tls_receive(struct pen_stream *s, void *data, size_t size);

/* Has the end said to the peer; what was written must be sealed. */
int tls_close(struct pen_stream *s);

void tls_free(struct tls *tls);

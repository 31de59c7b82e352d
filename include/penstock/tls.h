/* TLS on streams, by OpenSSL: asyncio's ssl contexts and StreamWriter.start_tls.
 *
 *     r = pen_stream_connect("example.org:443", &stream);
 *     if (r == 0)
 *             r = pen_stream_start_tls(stream, tls, "example.org", error);
 *
 * A stream under TLS is used as any other; what is more to know:
 *  - 0 from a read is an end that the peer has said. One that it has not said, which anybody on the
 *    way can forge, is -EPIPE: what came may have been cut off. -EPROTO: what comes is not what was
 *    sent, or the peer refuses us; the reason is logged.
 *  - pen_stream_shutdown says our end (and C differs: the other way stays open, and it does not wait
 *    for the peer's). pen_stream_free alone does not: the peer will take that for a truncation.
 *  - Renegotiation is refused. There is no resumption of sessions, no ALPN and no TLS within TLS.
 */
#pragma once

#include <penstock/common.h>
#include <penstock/stream.h>

PEN_BEGIN_DECLS

/* What to trust and who to be: for many streams. TLS 1.2 and newer. */
struct pen_tls;

struct pen_tls_options {
        const char *ca_file;   /* PEM, each of them trusted as it is; NULL: the system's */
        const char *cert_file; /* PEM, the chain; a server needs one, a client may have one */
        const char *key_file;  /* PEM, without a passphrase; NULL: in cert_file */
        bool insecure;         /* a client does not check the server */
        bool verify_client;    /* a server insists on a certificate of ca_file's, which it needs */
};

/* Reads the files now (the system's authorities, which are many, for the first client), and blocks
 * the loop meanwhile. -ENOENT, -EACCES, …: of a file.  -EINVAL: what is in it, or a key that is
 * not the certificate's.  -ENOMEM.  `error` (may be NULL) then says which and why. */
int pen_tls_create(const struct pen_tls_options *options, struct pen_tls **ret_tls,
                   char error[256]);

/* Streams that use it keep what they need. */
void pen_tls_free(struct pen_tls *tls);
void pen_tls_freep(struct pen_tls **tls);

/* Drains the stream and shakes hands: from then on all that is read and written on it is under TLS.
 * As a client, of a server that must prove to be `server_name` (a name or an address); as a server
 * with NULL. What other tasks write meanwhile is sent under TLS. C differs: there is no time limit
 * of its own; see pen_within.
 * -EBUSY: something was read ahead, which came in the clear, or another task reads.  -EALREADY: it
 * is under TLS.  -EINVAL: no name of a server; a server without a certificate. These leave the
 * stream as it was.
 * -EPROTO: the handshake failed, and `error` (may be NULL) says why: of a certificate whether it is
 * expired, of an unknown authority, of another name, ….  -EPIPE, -ECONNRESET: the peer has gone.
 * -ENOMEM.  After these or -ECANCELED the stream is of no more use: -EPROTO from all its calls.
 */
PEN_ASYNC int pen_stream_start_tls(struct pen_stream *stream, struct pen_tls *tls,
                                   const char *server_name, char error[256]);

PEN_END_DECLS

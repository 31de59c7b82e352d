/* TLS on streams, by OpenSSL: asyncio's ssl contexts and StreamWriter.start_tls.
 *
 *     r = pen_stream_connect("example.org:443", &stream);
 *     if (r == 0)
 *             r = pen_stream_start_tls(stream, tls, "example.org", error);
 */
#pragma once

#include <penstock/common.h>
#include <penstock/stream.h>

PEN_BEGIN_DECLS

/* What to trust and who to be: for many streams. TLS 1.2 and newer. */
struct pen_tls;

struct pen_tls_options {
        const char *ca_file;   /* PEM; NULL: the system's */
        const char *cert_file; /* PEM, the chain; a server needs one, a client may have one */
        const char *key_file;  /* PEM; NULL: in cert_file */
        bool insecure;         /* a client does not check the server */
        bool verify_client;    /* a server insists on a certificate of ca_file's */
};

/* Reads the files now.  -ENOENT, -EACCES: of a file.  -EINVAL: what is in it, or a key that is not the
 * certificate's.  -ENOMEM.  `error` (may be NULL) then says more. */
int pen_tls_create(const struct pen_tls_options *options, struct pen_tls **ret_tls,
                   char error[256]);

/* Streams that use it keep what they need. */
void pen_tls_free(struct pen_tls *tls);
void pen_tls_freep(struct pen_tls **tls);

/* From now on all that is read and written on the stream is under TLS; returns after the handshake.
 * As a client, of a server that must prove to be `server_name` (a name or an address); as a server
 * with NULL. Nothing may have been read ahead or written and not drained: -EBUSY.
 * -EPROTO: the handshake failed, and `error` (may be NULL) says why.  -EPIPE, -ECONNRESET: the peer
 * has gone.  -ENOMEM.  After a failure or -ECANCELED the stream can only be freed.
 */
PEN_ASYNC int pen_stream_start_tls(struct pen_stream *stream, struct pen_tls *tls,
                                   const char *server_name, char error[256]);

PEN_END_DECLS

/* Byte streams over TCP, Unix sockets and pipes: asyncio's streams (open_connection, start_server).
 *
 * One task may read and another write at the same time; two of a kind: -EBUSY (C differs: several
 * may drain in asyncio). A cancelled call loses nothing: what came stays readable, what was written
 * is still sent. Deadlines are scopes around the calls: pen_within. TLS: tls.h.
 *
 * -ECONNRESET, -ETIMEDOUT, …: what the connection met, from any call.
 */
#pragma once

#include <penstock/common.h>

PEN_BEGIN_DECLS

struct pen_stream;
struct pen_listener;

/* Connects to "HOST:PORT", "[v6]:PORT" or "unix:/path"; the addresses of a name are tried in turn.
 * -EINVAL: not of that form; else what the last connect met, or as pen_getaddrinfo. */
PEN_ASYNC int pen_stream_connect(const char *address, struct pen_stream **ret_stream);

/* Takes a connected socket or an end of a pipe, and makes it non-blocking. Writing to a pipe whose
 * reader has gone raises SIGPIPE, if the program has a handler for it: see pen_run.
 * -EPERM: a file, which is always ready.  -EBADF, -ENOMEM. */
int pen_stream_from_fd(int fd, struct pen_stream **ret_stream);

/* Closes at once; what was written and not drained may be lost. No task may be in a call of it. */
void pen_stream_free(struct pen_stream *stream);
void pen_stream_freep(struct pen_stream **stream);

/* Drains, then closes our sending side (a pipe altogether). The peer reads to its end; we may read
 * on. */
PEN_ASYNC int pen_stream_shutdown(struct pen_stream *stream);

/* Reads what there is, `size` bytes at most; 0: the peer has ended. */
PEN_ASYNC ssize_t pen_stream_read(struct pen_stream *stream, void *data, size_t size);

/* Reads exactly `size` bytes. -EPIPE: the peer ended before. C differs: what came stays readable. */
PEN_ASYNC int pen_stream_read_exactly(struct pen_stream *stream, void *data, size_t size);

/* Reads to `\n` and with it. *ret_line points into the stream, until its next call; answers the
 * size. 0: the peer has ended; a last line without an end is given as it is.
 * -EMSGSIZE: no line end within `max` bytes, itself included. C differs: they stay readable. */
PEN_ASYNC ssize_t pen_stream_read_line(struct pen_stream *stream, size_t max, char **ret_line);

/* Appends to what will be sent, and sends what the socket takes now or soon. Never suspends; call
 * drain to bound the memory. -EPIPE, -ECONNRESET: the peer has gone.  -ENOMEM. */
int pen_stream_write(struct pen_stream *stream, const void *data, size_t size);

/* Suspends until all that was written is with the kernel. C differs: there is no lower mark. */
PEN_ASYNC int pen_stream_drain(struct pen_stream *stream);

int pen_stream_fd(const struct pen_stream *stream);

/* Listens at "HOST:PORT" (an address in digits; port 0: any), "[v6]:PORT" or "unix:/path" (a stale
 * socket file is replaced, a living one is -EADDRINUSE). -EINVAL, -EADDRINUSE, -EACCES, … */
int pen_listen(const char *address, struct pen_listener **ret_listener);

/* The port that port 0 became. */
uint16_t pen_listener_port(const struct pen_listener *listener);

/* Waits for a connection. Out of descriptors: waits and tries again, without spinning. */
PEN_ASYNC int pen_accept(struct pen_listener *listener, struct pen_stream **ret_stream);

/* Accepts connections on and on, each with a task of its own that runs handler(stream, arg) and frees
 * the stream when that returns (its failure is logged, and is nobody else's): asyncio.start_server.
 * To be read to the end, a handler ends with pen_stream_shutdown. TLS is for the handler to start.
 * Returns when cancelled, or with what pen_accept met; either way after its tasks were cancelled and
 * have ended (C differs: Server.close leaves them running). */
PEN_ASYNC int pen_serve(struct pen_listener *listener,
                        int (*handler)(struct pen_stream *stream, void *arg), void *arg);

void pen_listener_free(struct pen_listener *listener); /* removes a Unix socket's file */
void pen_listener_freep(struct pen_listener **listener);

PEN_END_DECLS

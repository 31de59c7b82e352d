/* A stream's inside, for what may stand between it and its socket: TLS. */
#pragma once

#include <event2/event_struct.h>

#include <async/loop.h>
#include <base/buffer.h>
#include <penstock/stream.h>

struct tls;

struct pen_stream {
        struct pen_loop *loop;
        int fd;
        bool pipe; /* an end of one, and no socket */
        struct event event;
        bool readable, writable; /* perhaps: the kernel has not said no since it said yes */
        struct pen_task *reader, *writer; /* that wait */
        struct deferred flush;
        int write_error;       /* -errno of what was written; it stays */
        struct buffer in, out; /* as the program reads and writes it */
        struct tls *tls;       /* NULL: none */
};

/* From the socket. -EAGAIN: there is nothing yet. */
ssize_t stream_receive(struct pen_stream *s, void *data, size_t size);

/* Sends what the socket takes now, and wakes who waits for that. */
void stream_send(struct pen_stream *s);

/* Suspends until it is worth trying to read. */
int stream_wait_readable(struct pen_stream *s);

/* Where the log goes: a descriptor that we were given and that others may share, written without ever
 * waiting for its reader.
 *
 * O_NONBLOCK belongs to the open file and not to the descriptor: set on an inherited standard error, it would
 * be set for every process that has it. A pipe or a terminal is therefore opened once more, by way of /proc; a
 * socket, which cannot be, is told for each message. Where opening fails (another user's terminal) we look
 * before each write whether there is room, and only somebody else who writes between the two could
 * make us wait. A regular file takes what it is given.
 */
#pragma once

#include <base/util.h>

struct log_sink {
        int fd;
        enum {
                SINK_UNKNOWN, /* `fd` was not looked at yet */
                SINK_FILE,
                SINK_SOCKET,
                SINK_PIPE,   /* or a terminal, opened once more: it is ours */
                SINK_SHARED, /* the same, but as it was given */
        } kind;
};

void log_sink_open(struct log_sink *sink, int fd);
void log_sink_close(struct log_sink *sink);

/* Answers how much was written, always something; as whole lines where another's words could come between.
 * -EAGAIN: there is no room.  Else nobody will read it. */
ssize_t log_sink_write(struct log_sink *sink, const char *data, size_t size);

/* Waits until there is room, or for `usec`. False: there is none. */
bool log_sink_wait(const struct log_sink *sink, pen_usec usec);

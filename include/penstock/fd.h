/* Waiting for file descriptors and signals: asyncio's add_reader and add_signal_handler, awaited. */
#pragma once

#include <penstock/common.h>

PEN_BEGIN_DECLS

enum pen_fd_events {
        PEN_READABLE = 1 << 0,
        PEN_WRITABLE = 1 << 1,
};

/* Waits until `fd` is readable or writable (or has an error or hang-up, which reading or writing
 * tells) and answers which. -EPERM: a file that cannot be waited for, as a regular one, which is
 * always ready.  -EBADF, -ENOMEM.
 */
PEN_ASYNC int pen_fd_wait(int fd, unsigned events);

/* Waits for one of `n` signals and answers its number. From the first call on until the loop ends
 * they are no longer handled the default way, and those that arrive between two calls are kept
 * (once a signal).  -EPERM: signals belong to the main thread's loop, and this is another one's; as
 * asyncio, nothing has changed then.  -EINVAL: no such signal, or one that cannot be caught. */
PEN_ASYNC int pen_signal_wait(const int *signals, size_t n);

PEN_END_DECLS

/* Names to addresses: asyncio's loop.getaddrinfo. In a thread pool of its own, so that slow DNS
 * delays nobody else; answers are kept for a minute, failures for five seconds, and callers that ask for the
 * same name at once share one look-up. */
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <penstock/common.h>

PEN_BEGIN_DECLS

struct pen_address {
        union {
                struct sockaddr any;
                struct sockaddr_in in;
                struct sockaddr_in6 in6;
        };
        socklen_t size;
};

/* The addresses of `host` (a name, or an address in digits, which needs no look-up), for stream
 * sockets, in the order to try them; at most `max` are written. Answers how many.
 * -ENXIO: no such name.  -EAGAIN: the name servers do not answer.  -EINVAL: an empty or overlong
 * name.  -ENOMEM.  Cancelled: at once, the look-up may go on and its answer is kept.
 */
PEN_ASYNC int pen_getaddrinfo(const char *host, uint16_t port, struct pen_address *addresses,
                              size_t max);

PEN_END_DECLS

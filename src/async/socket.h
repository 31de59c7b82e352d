/* What streams and listeners share: addresses as text, and sockets as we make them. */
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <penstock/resolve.h>
#include <penstock/stream.h>

struct place {
        union {
                struct sockaddr any;
                struct sockaddr_un un;
                struct pen_address ip;
        };
        socklen_t size;
};

bool socket_is_unix(const char *address);                  /* "unix:/path" */
int socket_read_unix(const char *path, struct place *ret); /* -EINVAL: it does not fit */

/* "HOST:PORT" or "[v6]:PORT"; -EINVAL. */
int socket_split_address(const char *address, char host[256], uint16_t *ret_port);

/* A descriptor, not blocking, closed on execution; or -errno. */
int socket_open(int family);

/* Makes a stream of a socket that does not block, which is closed on failure. */
int stream_wrap(int fd, struct pen_stream **ret_stream);

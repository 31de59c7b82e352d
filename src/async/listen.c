#include <async/socket.h>

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <async/loop.h>
#include <penstock/fd.h>

#define ACCEPT_BACKOFF (100 * PEN_MSEC) /* when descriptors are used up */
#define PROBE_ATTEMPTS 2

struct pen_listener {
        struct pen_loop *loop;
        int fd;
        uint16_t port;
        bool exhausted; /* descriptors are used up, which has been said */
        char *path;     /* of a Unix socket */
        dev_t device;   /* and which file we made there */
        ino_t inode;
};

/* Does nobody listen there any more? */
static bool is_stale(const struct place *place)
{
        int fd = socket_open(AF_UNIX);
        bool stale;

        if (fd < 0)
                return false;
        stale = connect(fd, &place->any, place->size) < 0 && errno == ECONNREFUSED;
        close(fd);
        return stale;
}

static int bind_unix(struct pen_listener *l, const struct place *place)
{
        struct stat st;

        for (int i = 0; bind(l->fd, &place->any, place->size) < 0; i++) {
                if (errno != EADDRINUSE || i == PROBE_ATTEMPTS)
                        return -errno;
                if (lstat(place->un.sun_path, &st) < 0)
                        continue;
                if (!S_ISSOCK(st.st_mode) || !is_stale(place))
                        return -EADDRINUSE;
                if (unlink(place->un.sun_path) < 0 && errno != ENOENT)
                        return -errno;
        }
        if (lstat(place->un.sun_path, &st) < 0)
                return -errno;
        l->device = st.st_dev;
        l->inode = st.st_ino;
        l->path = strdup(place->un.sun_path);
        if (!l->path)
                unlink(place->un.sun_path);
        return l->path ? 0 : -ENOMEM;
}

static int bind_ip(struct pen_listener *l, struct place *place)
{
        int one = 1;

        if (setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0)
                return -errno;
        /* As asyncio does: [::] and 0.0.0.0 may be listened to side by side. */
        if (place->any.sa_family == AF_INET6 &&
            setsockopt(l->fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) < 0)
                return -errno;
        if (bind(l->fd, &place->any, place->size) < 0 ||
            getsockname(l->fd, &place->any, &place->size) < 0)
                return -errno;
        l->port = ntohs(place->any.sa_family == AF_INET ? place->ip.in.sin_port
                                                        : place->ip.in6.sin6_port);
        return 0;
}

/* An address in digits, for bind. */
static int read_ip(const char *address, struct place *ret)
{
        struct pen_address ip = { .size = 0 };
        char host[256];
        uint16_t port;
        int r;

        r = socket_split_address(address, host, &port);
        if (r < 0)
                return r;
        if (*address == '[') {
                ip.in6 = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = htons(port) };
                ip.size = sizeof(ip.in6);
                r = inet_pton(AF_INET6, host, &ip.in6.sin6_addr);
        } else {
                ip.in = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(port) };
                ip.size = sizeof(ip.in);
                r = inet_pton(AF_INET, host, &ip.in.sin_addr);
        }
        *ret = (struct place){ .ip = ip, .size = ip.size };
        return r == 1 ? 0 : -EINVAL;
}

static int open_listener(struct pen_listener *l, struct place *place)
{
        int r;

        l->fd = socket_open(place->any.sa_family);
        if (l->fd < 0)
                return l->fd;
        r = place->any.sa_family == AF_UNIX ? bind_unix(l, place) : bind_ip(l, place);
        if (r < 0)
                return r;
        return listen(l->fd, SOMAXCONN) < 0 ? -errno : 0;
}

int pen_listen(const char *address, struct pen_listener **ret_listener)
{
        struct pen_listener *l;
        struct place place;
        int r;

        if (!current_loop)
                return -ENXIO;
        r = socket_is_unix(address) ? socket_read_unix(address + 5, &place)
                                    : read_ip(address, &place);
        if (r < 0)
                return r;
        l = malloc(sizeof(*l));
        if (!l)
                return -ENOMEM;
        *l = (struct pen_listener){ .loop = current_loop };
        r = open_listener(l, &place);
        if (r < 0) {
                pen_listener_free(l);
                return r;
        }
        *ret_listener = l;
        return 0;
}

uint16_t pen_listener_port(const struct pen_listener *listener)
{
        return listener->port;
}

static int wait_for_descriptors(struct pen_listener *l, int error)
{
        if (!l->exhausted)
                loop_log(l->loop, PEN_LOG_WARNING, "no connection can be accepted: %s; trying on",
                         strerror(error));
        l->exhausted = true;
        return pen_sleep(ACCEPT_BACKOFF);
}

int pen_accept(struct pen_listener *l, struct pen_stream **ret_stream)
{
        int r = pen_yield(); /* a flood of connections must not hold the loop */

        while (r >= 0) {
                int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

                if (fd >= 0) {
                        l->exhausted = false;
                        return stream_wrap(fd, ret_stream);
                }
                switch (errno) {
                case EAGAIN:
                        r = pen_fd_wait(l->fd, PEN_READABLE);
                        break;
                case EMFILE:
                case ENFILE:
                case ENOBUFS:
                case ENOMEM:
                        r = wait_for_descriptors(l, errno);
                        break;
                case EBADF:
                case EINVAL:
                case ENOTSOCK:
                case EOPNOTSUPP:
                        return -errno;
                default:
                        break; /* that one's trouble: it has gone, or its network */
                }
        }
        return r;
}

void pen_listener_free(struct pen_listener *l)
{
        struct stat st;

        if (!l)
                return;
        /* Somebody else may listen there by now. */
        if (l->path && lstat(l->path, &st) == 0 && st.st_dev == l->device && st.st_ino == l->inode)
                unlink(l->path);
        if (l->fd >= 0)
                close(l->fd);
        free(l->path);
        free(l);
}

void pen_listener_freep(struct pen_listener **listener)
{
        pen_listener_free(*listener);
}

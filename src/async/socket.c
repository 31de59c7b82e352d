#include <async/socket.h>

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include <base/parse.h>

int socket_read_unix(const char *path, struct place *ret)
{
        size_t size = strlen(path);

        if (size == 0 || size >= sizeof(ret->un.sun_path))
                return -EINVAL;
        *ret = (struct place){ .un.sun_family = AF_UNIX, .size = sizeof(ret->un) };
        memcpy(ret->un.sun_path, path, size + 1);
        return 0;
}

bool socket_is_unix(const char *address)
{
        return strncmp(address, "unix:", 5) == 0;
}

int socket_split_address(const char *address, char host[256], uint16_t *ret_port)
{
        bool bracket = *address == '[';
        const char *start = address + bracket, *end = strchr(start, bracket ? ']' : ':');
        struct in6_addr v6;
        uint64_t port;

        if (!end || end == start || end - start > 255)
                return -EINVAL;
        memcpy(host, start, (size_t)(end - start));
        host[end - start] = '\0';
        if (bracket && (inet_pton(AF_INET6, host, &v6) != 1 || *++end != ':'))
                return -EINVAL;
        if (parse_u64(end + 1, &port) < 0 || port > UINT16_MAX)
                return -EINVAL;
        *ret_port = (uint16_t)port;
        return 0;
}

int socket_open(int family)
{
        int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        return fd < 0 ? -errno : fd;
}

/* A datagram for each message, to the socket that NOTIFY_SOCKET names. Not libsystemd's sd_notify, because that
 * waits when the manager is behind (and so would the loop), and brings four libraries of compression and
 * cryptography into a process that handles secrets. The protocol is covered by systemd's promise of stability.
 */
#include <daemon/systemd.h>

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <base/parse.h>
#include <base/utf8.h>

#define STATUS_MAX 500

/* A path, or "@" and a name in the abstract namespace. */
static int parse_address(const char *text, struct sockaddr_un *ret, socklen_t *ret_size)
{
        size_t n = strlen(text);

        if (text[0] != '/' && text[0] != '@')
                return -EAFNOSUPPORT;
        if (n < 2 || n >= sizeof(ret->sun_path))
                return -EINVAL;
        *ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
        memcpy(ret->sun_path, text, n);
        if (text[0] == '@')
                ret->sun_path[0] = '\0';
        *ret_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + (text[0] == '/'));
        return 0;
}

static int notify(const char *message)
{
        const char *socket_name = getenv("NOTIFY_SOCKET");
        struct sockaddr_un address;
        socklen_t size;
        int fd, r;

        if (!socket_name || *socket_name == '\0')
                return 0;
        r = parse_address(socket_name, &address, &size);
        if (r < 0)
                return r;
        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -errno;
        r = sendto(fd, message, strlen(message), MSG_DONTWAIT | MSG_NOSIGNAL,
                   (struct sockaddr *)&address, size) < 0
                    ? -errno
                    : 1;
        close(fd);
        return r;
}

int systemd_ready(void)
{
        return notify("READY=1");
}

/* With the time, which `Type=notify-reload` insists on; the loop's clock may be a virtual one. */
int systemd_reloading(void)
{
        struct timespec t;
        char message[80];

        clock_gettime(CLOCK_MONOTONIC, &t);
        snprintf(message, sizeof(message), "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
                 (uint64_t)t.tv_sec * PEN_SEC + (uint64_t)t.tv_nsec / 1000);
        return notify(message);
}

int systemd_stopping(void)
{
        return notify("STOPPING=1");
}

int systemd_watchdog(void)
{
        return notify("WATCHDOG=1");
}

int systemd_extend_timeout(pen_usec usec)
{
        char message[64];

        snprintf(message, sizeof(message), "EXTEND_TIMEOUT_USEC=%" PRIu64, usec);
        return notify(message);
}

/* A line end would begin the next assignment, and systemd drops all that is not UTF-8. What was cut in the middle
 * of a character is neither. */
static void make_printable(char *text)
{
        const char *end = text + strlen(text);
        size_t n;

        for (; text < end; text += n) {
                n = utf8_length(text, end);
                if (n == 0 || (unsigned char)*text < ' ' || *text == 0x7f) {
                        *text = n == 0 ? '?' : ' ';
                        n = 1;
                }
        }
}

int systemd_status(const char *format, ...)
{
        char message[sizeof("STATUS=") + STATUS_MAX] = "STATUS=";
        char *status = message + strlen(message);
        va_list args;

        va_start(args, format);
        vsnprintf(status, STATUS_MAX + 1, format, args);
        va_end(args);
        make_printable(status);
        return notify(message);
}

/* The process's own: a child that inherits the environment is not watched. */
static bool is_for_us(const char *pid)
{
        uint64_t number;

        return !pid || (parse_u64(pid, &number) == 0 && number == (uint64_t)getpid());
}

pen_usec systemd_watchdog_interval(void)
{
        const char *text = getenv("WATCHDOG_USEC");
        uint64_t usec;

        if (!text || parse_u64(text, &usec) < 0 || usec == 0 || !is_for_us(getenv("WATCHDOG_PID")))
                return PEN_FOREVER;
        return usec;
}

/* Against a socket as the manager has it. */
#include "../runner.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <daemon/systemd.h>

struct manager {
        int fd;
        char folder[32], path[64];
        char message[4096];
};

static void manager_bind(struct manager *m, struct sockaddr_un *address, size_t size)
{
        m->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        ck_assert_int_ge(m->fd, 0);
        ck_assert_int_eq(bind(m->fd, (struct sockaddr *)address, (socklen_t)size), 0);
}

static void manager_start(struct manager *m)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };

        *m = (struct manager){ .folder = "/tmp/penstock-notify-XXXXXX" };
        ck_assert_ptr_nonnull(mkdtemp(m->folder));
        snprintf(m->path, sizeof(m->path), "%s/notify", m->folder);
        strcpy(address.sun_path, m->path);
        manager_bind(m, &address, sizeof(address));
        setenv("NOTIFY_SOCKET", m->path, 1);
}

static void manager_stop(struct manager *m)
{
        close(m->fd);
        unlink(m->path);
        rmdir(m->folder);
        unsetenv("NOTIFY_SOCKET");
}

/* The next message, "" if there is none. */
static const char *heard(struct manager *m)
{
        ssize_t n = recv(m->fd, m->message, sizeof(m->message) - 1, 0);

        m->message[n > 0 ? n : 0] = '\0';
        return m->message;
}

START_TEST(each_word_is_one_message)
{
        struct manager m;

        manager_start(&m);
        ck_assert_int_eq(systemd_ready(), 1);
        ck_assert_str_eq(heard(&m), "READY=1");
        ck_assert_int_eq(systemd_stopping(), 1);
        ck_assert_str_eq(heard(&m), "STOPPING=1");
        ck_assert_int_eq(systemd_watchdog(), 1);
        ck_assert_str_eq(heard(&m), "WATCHDOG=1");
        ck_assert_int_eq(systemd_extend_timeout(90 * PEN_SEC), 1);
        ck_assert_str_eq(heard(&m), "EXTEND_TIMEOUT_USEC=90000000");
        ck_assert_int_eq(systemd_status("%u running, %s", 7, "emails paused"), 1);
        ck_assert_str_eq(heard(&m), "STATUS=7 running, emails paused");
        ck_assert_str_eq(heard(&m), "");
        manager_stop(&m);
}
END_TEST

static uint64_t monotonic(void)
{
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t)t.tv_sec * PEN_SEC + (uint64_t)t.tv_nsec / 1000;
}

START_TEST(reload_carries_its_moment)
{
        unsigned long long moment;
        uint64_t before, after;
        struct manager m;

        manager_start(&m);
        before = monotonic();
        ck_assert_int_eq(systemd_reloading(), 1);
        after = monotonic();
        ck_assert_int_eq(sscanf(heard(&m), "RELOADING=1\nMONOTONIC_USEC=%llu", &moment), 1);
        ck_assert_uint_le(before, moment);
        ck_assert_uint_ge(after, moment);
        manager_stop(&m);
}
END_TEST

START_TEST(abstract_socket_is_found)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        struct manager m = { 0 };
        char name[64];
        int n = snprintf(name, sizeof(name), "@penstock-notify-%d", getpid());

        memcpy(address.sun_path + 1, name + 1, (size_t)n - 1);
        manager_bind(&m, &address, offsetof(struct sockaddr_un, sun_path) + (size_t)n);
        setenv("NOTIFY_SOCKET", name, 1);
        ck_assert_int_eq(systemd_ready(), 1);
        ck_assert_str_eq(heard(&m), "READY=1");
        close(m.fd);
        ck_assert_int_eq(systemd_ready(), -ECONNREFUSED);
        unsetenv("NOTIFY_SOCKET");
}
END_TEST

START_TEST(nobody_asked_and_nothing_is_said)
{
        unsetenv("NOTIFY_SOCKET");
        ck_assert_int_eq(systemd_ready(), 0);
        ck_assert_int_eq(systemd_status("%d", 1), 0);
        setenv("NOTIFY_SOCKET", "", 1);
        ck_assert_int_eq(systemd_watchdog(), 0);
        unsetenv("NOTIFY_SOCKET");
}
END_TEST

START_TEST(addresses_that_are_none_are_told)
{
        char path[200] = "/";

        setenv("NOTIFY_SOCKET", "vsock:2:1", 1);
        ck_assert_int_eq(systemd_ready(), -EAFNOSUPPORT);
        setenv("NOTIFY_SOCKET", "@", 1);
        ck_assert_int_eq(systemd_ready(), -EINVAL);
        memset(path + 1, 'x', 107);
        setenv("NOTIFY_SOCKET", path, 1);
        ck_assert_int_eq(systemd_ready(), -EINVAL);
        path[107] = '\0';
        setenv("NOTIFY_SOCKET", path, 1);
        ck_assert_int_eq(systemd_ready(), -ENOENT);
        unsetenv("NOTIFY_SOCKET");
}
END_TEST

/* A manager that reads nothing for a while. */
START_TEST(full_socket_is_not_waited_for)
{
        int n = 0, r, begun = 0;
        struct manager m;

        manager_start(&m);
        while ((r = systemd_watchdog()) == 1)
                ck_assert_int_lt(++n, 100000);
        ck_assert_int_eq(r, -EAGAIN);
        while (*heard(&m))
                begun++;
        ck_assert_int_eq(begun, n);
        ck_assert_int_eq(systemd_ready(), 1);
        manager_stop(&m);
}
END_TEST

START_TEST(no_descriptor_is_left_open)
{
        int before = dup(STDIN_FILENO), after;
        struct manager m;

        close(before);
        manager_start(&m);
        systemd_ready();
        manager_stop(&m);
        systemd_ready();
        setenv("NOTIFY_SOCKET", "/no/such/socket", 1);
        systemd_ready();
        unsetenv("NOTIFY_SOCKET");
        after = dup(STDIN_FILENO);
        close(after);
        ck_assert_int_eq(after, before);
}
END_TEST

START_TEST(status_is_one_printable_line)
{
        struct manager m;
        char text[1000];

        manager_start(&m);
        ck_assert_int_eq(systemd_status("a\nMAINPID=1\r\x1b[0m\x7f"), 1);
        ck_assert_str_eq(heard(&m), "STATUS=a MAINPID=1  [0m ");
        ck_assert_int_eq(systemd_status("gr\xc3\xbc\xc3\x9f \xff\xc3"), 1);
        ck_assert_str_eq(heard(&m), "STATUS=gr\xc3\xbc\xc3\x9f ??");

        /* Cut after 500 bytes, here within a character of two. */
        memset(text, 'x', sizeof(text));
        memcpy(text + 499, "\xc3\xbc", 3);
        ck_assert_int_eq(systemd_status("%s", text), 1);
        ck_assert_uint_eq(strlen(heard(&m)), 7 + 500);
        ck_assert_str_eq(m.message + 7 + 498, "x?");
        ck_assert_int_eq(systemd_status("%s", ""), 1);
        ck_assert_str_eq(heard(&m), "STATUS=");
        manager_stop(&m);
}
END_TEST

static void assert_interval(const char *usec, const char *pid, pen_usec expected)
{
        usec ? setenv("WATCHDOG_USEC", usec, 1) : unsetenv("WATCHDOG_USEC");
        pid ? setenv("WATCHDOG_PID", pid, 1) : unsetenv("WATCHDOG_PID");
        ck_assert_uint_eq(systemd_watchdog_interval(), expected);
        unsetenv("WATCHDOG_USEC");
        unsetenv("WATCHDOG_PID");
}

START_TEST(watchdog_is_ours_only_if_it_says_so)
{
        char own[32], other[32];

        snprintf(own, sizeof(own), "%d", getpid());
        snprintf(other, sizeof(other), "%d", getppid());
        assert_interval("30000000", own, 30 * PEN_SEC);
        assert_interval("30000000", NULL, 30 * PEN_SEC);
        assert_interval("30000000", other, PEN_FOREVER);
        assert_interval("30000000", "", PEN_FOREVER);
        assert_interval(NULL, own, PEN_FOREVER);
        assert_interval("", own, PEN_FOREVER);
        assert_interval("0", own, PEN_FOREVER);
        assert_interval("30s", own, PEN_FOREVER);
        assert_interval("99999999999999999999", own, PEN_FOREVER);
}
END_TEST

int main(void)
{
        return RUN_SUITE("systemd", each_word_is_one_message, reload_carries_its_moment,
                         abstract_socket_is_found, nobody_asked_and_nothing_is_said,
                         addresses_that_are_none_are_told, full_socket_is_not_waited_for,
                         no_descriptor_is_left_open, status_is_one_printable_line,
                         watchdog_is_ours_only_if_it_says_so);
}

#include "../runner.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include <base/log.h>
#include <base/random.h>

static int woken;

static void wake(void *data)
{
        ck_assert_ptr_eq(data, &woken);
        woken++;
}

/* Behind the time. */
static const char *behind_time(const char *line)
{
        const char *space = strchr(line, ' ');

        ck_assert_msg(space && strncmp(line, "ts=", 3) == 0, "%s", line);
        return space + 1;
}

static int open_file(void)
{
        int fd = memfd_create("log", MFD_CLOEXEC);

        ck_assert_int_ge(fd, 0);
        return fd;
}

/* What a file has, or a pipe or socket has at the moment. */
static char *contents(int fd)
{
        static char text[4 << 20];
        size_t size = 0;
        ssize_t n;

        lseek(fd, 0, SEEK_SET);
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
        while ((n = read(fd, text + size, sizeof(text) - 1 - size)) > 0)
                size += (size_t)n;
        text[size] = '\0';
        return text;
}

static void open_pipe(int fds[2])
{
        ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
        ck_assert_int_ge(fcntl(fds[1], F_SETPIPE_SZ, 4096), 0);
}

static void close_both(int fds[2])
{
        log_close();
        close(fds[0]);
        close(fds[1]);
}

/* Text of `n` times `unit`. */
static const char *repeat(const char *unit, size_t n)
{
        static char text[400];
        char *at = text;

        ck_assert_uint_lt(n * strlen(unit), sizeof(text));
        for (size_t i = 0; i < n; i++)
                at = stpcpy(at, unit);
        *at = '\0';
        return text;
}

/* Events with numbers, from *next on. */
static void say(uint64_t *next, uint64_t n)
{
        for (; n > 0; n--)
                LOG(LOG_INFO, "n", F_UINT("i", (*next)++), F_STR("text", repeat("x", *next % 300)));
}

struct tally {
        uint64_t next, read, told;
};

/* Reads the lines of `say`: in order, each whole, and what was told as dropped. */
static void tally(struct tally *t, char *text)
{
        for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
                unsigned long long i, length;

                line = (char *)behind_time(line);
                if (sscanf(line, "level=warn event=log.dropped count=%llu", &i) == 1) {
                        t->told += i;
                        continue;
                }
                ck_assert_msg(sscanf(line, "level=info event=n i=%llu text=", &i) == 1, "%s", line);
                ck_assert_uint_ge(i, t->next);
                t->next = i + 1;
                t->read++;
                length = strlen(strstr(line, "text=") + 5);
                ck_assert_uint_eq((i + 1) % 300 ? (i + 1) % 300 : 2, length); /* "" is quoted */
        }
}

START_TEST(event_is_written_at_once_without_a_writer)
{
        int fd = open_file();

        log_setup(LOG_INFO, LOG_LOGFMT, fd);
        LOG(LOG_INFO, "store.up", F_STR("store", "redis"));
        ck_assert_str_eq(behind_time(contents(fd)), "level=info event=store.up store=redis\n");
        ck_assert(!log_pending());
        LOG(LOG_WARN, "x");
        ck_assert_ptr_nonnull(strstr(contents(fd), " level=warn event=x\n"));
        log_close();
        close(fd);
}
END_TEST

START_TEST(time_of_an_event_is_now)
{
        int fd = open_file();
        char expected[40];
        time_t before;

        log_setup(LOG_INFO, LOG_JSON, fd);
        do { /* the second may end meanwhile */
                struct tm tm;

                before = time(NULL);
                ck_assert_int_eq(ftruncate(fd, 0), 0);
                lseek(fd, 0, SEEK_SET);
                LOG(LOG_INFO, "x");
                strftime(expected, sizeof(expected), "{\"ts\":\"%FT%T.", gmtime_r(&before, &tm));
        } while (time(NULL) != before);
        ck_assert_int_eq(strncmp(contents(fd), expected, strlen(expected)), 0);
        log_close();
        close(fd);
}
END_TEST

START_TEST(levels_below_are_not_said)
{
        int fd = open_file();

        log_setup(LOG_WARN, LOG_LOGFMT, fd);
        LOG(LOG_INFO, "no");
        LOG(LOG_WARN, "yes");
        log_set_level(LOG_DEBUG);
        ck_assert(log_enabled(LOG_DEBUG));
        LOG(LOG_DEBUG, "yes");
        log_set_level(LOG_ERROR);
        ck_assert(!log_enabled(LOG_WARN));
        LOG(LOG_WARN, "no");
        LOG(LOG_ERROR, "yes");
        ck_assert_ptr_null(strstr(contents(fd), "no"));
        ck_assert_ptr_nonnull(strstr(contents(fd), "level=warn event=yes"));
        ck_assert_ptr_nonnull(strstr(contents(fd), "level=debug event=yes"));
        ck_assert_ptr_nonnull(strstr(contents(fd), "level=error event=yes"));
        log_close();
        close(fd);
}
END_TEST

START_TEST(before_setup_warnings_go_to_standard_error)
{
        int fd = open_file(), stderr_fd = dup(STDERR_FILENO);

        log_close();
        dup2(fd, STDERR_FILENO);
        LOG(LOG_INFO, "no");
        LOG(LOG_WARN, "config.bad", F_STR("why", "no file"));
        dup2(stderr_fd, STDERR_FILENO);
        ck_assert_str_eq(behind_time(contents(fd)),
                         "level=warn event=config.bad why=\"no file\"\n");
        log_close();
        close(stderr_fd);
        close(fd);
}
END_TEST

START_TEST(wake_is_called_when_there_was_nothing)
{
        int fd = open_file();

        woken = 0;
        log_setup(LOG_INFO, LOG_LOGFMT, fd);
        log_on_pending(wake, &woken);
        LOG(LOG_DEBUG, "x");
        ck_assert_int_eq(woken, 0);
        LOG(LOG_INFO, "x");
        LOG(LOG_INFO, "x");
        ck_assert_int_eq(woken, 1);
        ck_assert(log_pending());
        ck_assert_str_eq(contents(fd), "");
        ck_assert_int_eq(log_advance(), 0);
        ck_assert(!log_pending());
        LOG(LOG_INFO, "x");
        ck_assert_int_eq(woken, 2);
        log_close();
        close(fd);
}
END_TEST

START_TEST(full_buffer_drops_what_is_said_and_tells_how_much)
{
        struct tally t = { 0 };
        int fd = open_file();
        uint64_t said = 0;

        log_setup(LOG_INFO, LOG_LOGFMT, fd);
        log_on_pending(wake, &woken);
        while (log_dropped() == 0)
                say(&said, 1);
        ck_assert_uint_gt(said * (150 + 60), LOG_PENDING_MAX * 9 / 10);
        say(&said, 41);
        ck_assert_uint_eq(log_dropped(), 42);
        ck_assert_int_eq(log_advance(), 0);
        say(&said, 7);
        ck_assert_int_eq(log_advance(), 0);

        tally(&t, contents(fd));
        ck_assert_uint_eq(t.told, 42);
        ck_assert_uint_eq(t.read, said - 42);
        ck_assert_uint_eq(t.next, said); /* the last ones are there */
        log_close();
        close(fd);
}
END_TEST

START_TEST(slow_reader_gets_all_and_makes_nobody_wait)
{
        struct tally t = { 0 };
        uint64_t said = 0;
        int fds[2], rounds = 0;

        open_pipe(fds);
        log_setup(LOG_INFO, LOG_LOGFMT, fds[1]);
        log_on_pending(wake, &woken);
        say(&said, 1000);
        while (log_advance() == -EAGAIN) {
                tally(&t, contents(fds[0]));
                rounds++;
        }
        tally(&t, contents(fds[0]));
        ck_assert_int_gt(rounds, 10);
        ck_assert_uint_eq(t.read, 1000);
        ck_assert_uint_eq(log_dropped(), 0);
        close_both(fds);
}
END_TEST

/* The pipe takes one page, and each time it is read it holds whole lines. (tally looks at each.) */
START_TEST(lines_in_a_pipe_are_not_torn)
{
        struct tally t = { 0 };
        uint64_t said = 0;
        int fds[2];
        char *text;

        open_pipe(fds);
        log_setup(LOG_INFO, LOG_LOGFMT, fds[1]);
        log_on_pending(wake, &woken);
        say(&said, 300);
        while (log_pending()) {
                (void)log_advance();
                text = contents(fds[0]);
                ck_assert_int_eq(text[strlen(text) - 1], '\n');
                tally(&t, text);
        }
        ck_assert_uint_eq(t.read, 300);
        close_both(fds);
}
END_TEST

START_TEST(flags_of_the_descriptor_are_left_alone)
{
        int fds[2], flags;

        open_pipe(fds);
        flags = fcntl(fds[1], F_GETFL);
        log_setup(LOG_INFO, LOG_LOGFMT, fds[1]);
        LOG(LOG_INFO, "x");
        ck_assert_int_eq(fcntl(fds[1], F_GETFL), flags);
        ck_assert_int_eq(flags & O_NONBLOCK, 0);
        log_close();
        ck_assert_int_eq(fcntl(fds[1], F_GETFL), flags); /* and it is open */
        close_both(fds);
}
END_TEST

/* A blocking write would hang here. */
static void assert_no_wait(int fds[2])
{
        static char all[1 << 20]; /* a socket takes a part of a line as well */
        struct tally t = { 0 };
        uint64_t said = 0;
        char *end = all;

        log_on_pending(wake, &woken);
        say(&said, 3000);
        ck_assert_int_eq(log_advance(), -EAGAIN);
        ck_assert_int_eq(log_advance(), -EAGAIN);
        while (log_advance() == -EAGAIN)
                end = stpcpy(end, contents(fds[0]));
        stpcpy(end, contents(fds[0]));
        tally(&t, all);
        ck_assert_uint_eq(t.read, 3000);
        close_both(fds);
}

START_TEST(pipe_that_cannot_be_opened_again_makes_nobody_wait)
{
        struct rlimit limit, none = { 0 };
        int fds[2];

        open_pipe(fds);
        getrlimit(RLIMIT_NOFILE, &limit);
        none.rlim_max = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &none);
        log_setup(LOG_INFO, LOG_LOGFMT, fds[1]);
        setrlimit(RLIMIT_NOFILE, &limit);
        ck_assert_int_eq(log_fd(), fds[1]);
        assert_no_wait(fds);
}
END_TEST

/* As the journal's. */
START_TEST(socket_makes_nobody_wait)
{
        int fds[2];

        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        log_setup(LOG_INFO, LOG_LOGFMT, fds[1]);
        assert_no_wait(fds);
}
END_TEST

START_TEST(reader_that_has_gone_costs_what_was_said_to_it)
{
        uint64_t said = 0;
        int fds[2];

        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        log_setup(LOG_INFO, LOG_LOGFMT, fds[1]);
        close(fds[0]);
        say(&said, 3);
        ck_assert_uint_eq(log_dropped(), 3);
        log_on_pending(wake, &woken);
        say(&said, 20);
        ck_assert_int_eq(log_advance(), -EPIPE);
        ck_assert(!log_pending());
        ck_assert_int_eq(log_advance(), 0);
        ck_assert_uint_eq(log_dropped(), 23);
        log_close();
        close(fds[1]);
}
END_TEST

START_TEST(reader_that_comes_back_is_told_what_it_missed)
{
        char name[] = "/tmp/penstock-log-XXXXXX", path[64];
        struct tally t = { 0 };
        uint64_t said = 0;
        int reader, writer;

        signal(SIGPIPE, SIG_IGN);
        ck_assert_ptr_nonnull(mkdtemp(name));
        snprintf(path, sizeof(path), "%s/fifo", name);
        ck_assert_int_eq(mkfifo(path, 0600), 0);
        reader = open(path, O_RDONLY | O_NONBLOCK);
        writer = open(path, O_WRONLY);
        log_setup(LOG_INFO, LOG_LOGFMT, writer);
        say(&said, 5);
        tally(&t, contents(reader));
        close(reader);
        say(&said, 30);
        reader = open(path, O_RDONLY | O_NONBLOCK);
        say(&said, 5);
        tally(&t, contents(reader));
        ck_assert_uint_eq(log_dropped(), 30);
        ck_assert_uint_eq(t.told, 30);
        ck_assert_uint_eq(t.read, 10);
        log_close();
        close(reader);
        close(writer);
        unlink(path);
        rmdir(name);
        signal(SIGPIPE, SIG_DFL);
}
END_TEST

static void limit_file_size(rlim_t size)
{
        struct rlimit limit;

        getrlimit(RLIMIT_FSIZE, &limit);
        limit.rlim_cur = size;
        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* As a disk that is full for a while: at every length of what still had room. */
START_TEST(line_that_was_torn_spoils_no_other)
{
        signal(SIGXFSZ, SIG_IGN);
        for (rlim_t size = 1; size < 400; size++) {
                int fd = open_file();
                uint64_t said = 0;
                struct tally t = { 0 };
                char *text, *end;

                log_setup(LOG_INFO, LOG_LOGFMT, fd);
                log_on_pending(wake, &woken);
                limit_file_size(size);
                say(&said, 10);
                ck_assert_int_eq(log_advance(), -EFBIG);
                say(&said, 10);
                ck_assert_int_eq(log_advance(), -EFBIG);
                limit_file_size(RLIM_INFINITY);
                say(&said, 10);
                ck_assert_int_eq(log_advance(), 0);

                text = contents(fd);
                end = memrchr(text, '\n', size);
                /* The torn line is there, up to where there was room, and nothing behind it. */
                if (text[size - 1] != '\n') {
                        ck_assert_int_eq(text[size], '\n');
                        memmove(end ? end + 1 : text, text + size + 1, strlen(text + size));
                }
                tally(&t, text);
                ck_assert_uint_eq(t.told, log_dropped());
                ck_assert_uint_eq(t.next, 30);
                /* One whose end alone was missing has arrived, and was not dropped. */
                ck_assert_uint_ge(t.read + t.told, 29);
                ck_assert_uint_le(t.read + t.told, 30);
                log_close();
                close(fd);
        }
        signal(SIGXFSZ, SIG_DFL);
}
END_TEST

/* A reader of any pace, who also goes away and comes back: what arrived and what was told as dropped are
 * together all that was said. */
START_TEST(nothing_is_missing_that_was_not_told)
{
        for (uint64_t seed = 1; seed <= 30; seed++) {
                struct tally t = { 0 };
                struct random random;
                uint64_t said = 0;
                int fds[2];

                random_seed(&random, seed);
                open_pipe(fds);
                log_setup(LOG_INFO, LOG_LOGFMT, fds[1]);
                log_on_pending(wake, &woken);
                for (int round = 0; round < 60; round++) {
                        say(&said, random_below(&random, 800));
                        for (uint64_t i = random_below(&random, 20); i > 0; i--) {
                                (void)log_advance();
                                tally(&t, contents(fds[0]));
                        }
                }
                while (log_pending()) {
                        (void)log_advance();
                        tally(&t, contents(fds[0]));
                }
                ck_assert_uint_eq(t.told, log_dropped());
                ck_assert_uint_eq(t.read + t.told, said);
                close_both(fds);
        }
}
END_TEST

START_TEST(flush_waits_for_a_slow_reader_but_not_for_ever)
{
        static char bytes[64 << 10];
        uint64_t said = 0;
        int fds[2], status;
        pid_t child;

        open_pipe(fds);
        log_setup(LOG_INFO, LOG_LOGFMT, fds[1]);
        log_on_pending(wake, &woken);
        say(&said, 1000);
        log_flush(0);
        log_flush(20 * PEN_MSEC);
        ck_assert(log_pending());

        child = fork();
        if (child == 0) {
                log_close();
                close(fds[1]);
                while (read(fds[0], bytes, sizeof(bytes)) > 0)
                        ;
                _exit(0);
        }
        log_flush(PEN_MINUTE);
        ck_assert(!log_pending());
        close_both(fds);
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        ck_assert_int_eq(log_dropped(), 0);
}
END_TEST

/* The other end of a terminal that was opened for the log. */
static int open_terminal(int *ret_terminal)
{
        int master = posix_openpt(O_RDWR | O_NOCTTY);

        ck_assert_int_ge(master, 0);
        grantpt(master);
        unlockpt(master);
        *ret_terminal = open(ptsname(master), O_RDWR | O_NOCTTY);
        ck_assert_int_ge(*ret_terminal, 0);
        return master;
}

START_TEST(terminal_gets_colour_unless_it_does_not_want_it)
{
        int terminal, master = open_terminal(&terminal);

        setenv("TERM", "xterm", 1);
        unsetenv("NO_COLOR");
        log_setup(LOG_INFO, LOG_AUTO, terminal);
        LOG(LOG_WARN, "x", F_UINT("i", 1));
        ck_assert_str_eq(behind_time(contents(master)),
                         "\033[33mlevel=warn event=x\033[0m i=1\r\n");
        setenv("NO_COLOR", "1", 1);
        log_setup(LOG_INFO, LOG_AUTO, terminal);
        LOG(LOG_WARN, "x");
        ck_assert_str_eq(behind_time(contents(master)), "level=warn event=x\r\n");
        unsetenv("NO_COLOR");
        setenv("TERM", "dumb", 1);
        log_setup(LOG_INFO, LOG_AUTO, terminal);
        LOG(LOG_WARN, "x");
        ck_assert_str_eq(behind_time(contents(master)), "level=warn event=x\r\n");
        setenv("TERM", "xterm", 1);
        log_setup(LOG_INFO, LOG_LOGFMT, terminal);
        LOG(LOG_WARN, "x");
        ck_assert_str_eq(behind_time(contents(master)), "level=warn event=x\r\n");
        log_close();
        close(terminal);
        close(master);
}
END_TEST

START_TEST(journal_gets_the_priority_in_front)
{
        char identity[64];
        struct stat st;
        int fds[2];

        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        fstat(fds[1], &st);
        snprintf(identity, sizeof(identity), "%lu:%lu", (unsigned long)st.st_dev,
                 (unsigned long)st.st_ino);
        setenv("JOURNAL_STREAM", identity, 1);
        log_setup(LOG_DEBUG, LOG_AUTO, fds[1]);
        LOG(LOG_DEBUG, "x");
        ck_assert_int_eq(strncmp(contents(fds[0]), "<7>ts=", 6), 0);
        LOG(LOG_INFO, "x");
        ck_assert_int_eq(strncmp(contents(fds[0]), "<6>ts=", 6), 0);
        setenv("JOURNAL_STREAM", "1:2", 1);
        log_setup(LOG_DEBUG, LOG_AUTO, fds[1]);
        LOG(LOG_INFO, "x");
        ck_assert_int_eq(strncmp(contents(fds[0]), "ts=", 3), 0);
        unsetenv("JOURNAL_STREAM");
        log_setup(LOG_DEBUG, LOG_JOURNAL, fds[1]);
        LOG(LOG_WARN, "x");
        ck_assert_int_eq(strncmp(contents(fds[0]), "<4>ts=", 6), 0);
        LOG(LOG_ERROR, "x");
        ck_assert_int_eq(strncmp(contents(fds[0]), "<3>ts=", 6), 0);
        close_both(fds);
}
END_TEST

int main(void)
{
        return RUN_SUITE("log", event_is_written_at_once_without_a_writer, time_of_an_event_is_now,
                         levels_below_are_not_said, before_setup_warnings_go_to_standard_error,
                         wake_is_called_when_there_was_nothing,
                         full_buffer_drops_what_is_said_and_tells_how_much,
                         slow_reader_gets_all_and_makes_nobody_wait, lines_in_a_pipe_are_not_torn,
                         flags_of_the_descriptor_are_left_alone,
                         pipe_that_cannot_be_opened_again_makes_nobody_wait,
                         socket_makes_nobody_wait, reader_that_has_gone_costs_what_was_said_to_it,
                         reader_that_comes_back_is_told_what_it_missed,
                         line_that_was_torn_spoils_no_other, nothing_is_missing_that_was_not_told,
                         flush_waits_for_a_slow_reader_but_not_for_ever,
                         terminal_gets_colour_unless_it_does_not_want_it,
                         journal_gets_the_priority_in_front);
}

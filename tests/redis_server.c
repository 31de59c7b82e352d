#include "redis_server.h"

#include "runner.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

#define ARGS_MAX 64
#define READY_MS 60000 /* under Valgrind it is the machine that is slow, not the server */
#define ANSWER_SECONDS 20

struct redis_server {
        struct redis_server *next; /* of those that live */
        pid_t owner;               /* the process that started it */
        char folder[64];
        char address[128], url[160];
        char port[8]; /* "0": a Unix socket */
        char *args[ARGS_MAX];
        pid_t pid;
};

static struct redis_server *living;

static const char *program(void)
{
        const char *name = getenv("REDIS_SERVER");

        return name && *name ? name : "redis-server";
}

static void wait_ms(long ms)
{
        nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 }, NULL);
}

/* --- the process -------------------------------------------------------------------------------- */

/* In the child. */
static void become(const struct redis_server *s, pid_t parent, char **argv)
{
        sigset_t none;
        int log;

        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent || chdir(s->folder) < 0)
                _exit(126);
        log = open("log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        dup2(log, STDOUT_FILENO);
        dup2(log, STDERR_FILENO);
        execvp(argv[0], argv);
        _exit(127);
}

static void spawn(struct redis_server *s)
{
        const char *argv[16 + ARGS_MAX];
        pid_t parent = getpid();
        size_t n = 0;

        argv[n++] = program();
        argv[n++] = "--port";
        argv[n++] = s->port;
        argv[n++] = "--bind";
        argv[n++] = "127.0.0.1";
        argv[n++] = "--save";
        argv[n++] = "";
        if (strcmp(s->port, "0") == 0) {
                argv[n++] = "--unixsocket";
                argv[n++] = s->address + strlen("unix:");
        }
        for (size_t i = 0; s->args[i]; i++)
                argv[n++] = s->args[i];
        argv[n] = NULL;
        s->pid = fork();
        ck_assert_int_ge(s->pid, 0);
        if (s->pid == 0)
                become(s, parent, (char **)argv);
}

static void print_log(const struct redis_server *s)
{
        char path[128], text[4096];
        FILE *log;

        snprintf(path, sizeof(path), "%s/log", s->folder);
        log = fopen(path, "r");
        if (!log)
                return;
        while (fgets(text, sizeof(text), log))
                fputs(text, stderr);
        fclose(log);
}

int redis_server_is_there(void)
{
        int status = -1;
        pid_t pid = fork();

        if (pid == 0) {
                int null = open("/dev/null", O_WRONLY);

                dup2(null, STDOUT_FILENO);
                execlp(program(), program(), "--version", NULL);
                _exit(127);
        }
        if (pid > 0)
                waitpid(pid, &status, 0);
        if (status == 0)
                return 1;
        fprintf(stderr, "%s cannot be run: these tests are skipped\n", program());
        return 0;
}

/* --- talking to it ------------------------------------------------------------------------------ */

/* -1: nobody is there. */
static int connect_to(const struct redis_server *s)
{
        struct timeval limit = { .tv_sec = ANSWER_SECONDS };
        struct sockaddr_in in = { .sin_family = AF_INET,
                                  .sin_port = htons((in_port_t)atoi(s->port)) };
        struct sockaddr_un un = { .sun_family = AF_UNIX };
        bool is_unix = strcmp(s->port, "0") == 0;
        int fd = socket(is_unix ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        int r;

        ck_assert_int_ge(fd, 0);
        in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        snprintf(un.sun_path, sizeof(un.sun_path), "%s/socket", s->folder);
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
        r = is_unix ? connect(fd, (struct sockaddr *)&un, sizeof(un))
                    : connect(fd, (struct sockaddr *)&in, sizeof(in));
        if (r == 0)
                return fd;
        close(fd);
        return -1;
}

static char *read_answer(int fd)
{
        char *line = NULL, *text = NULL;
        FILE *from = fdopen(fd, "r");
        size_t room = 0, n;

        if (getline(&line, &room, from) > 0) {
                line[strcspn(line, "\r\n")] = '\0';
                if (*line == '$' && line[1] != '-') {
                        n = (size_t)atol(line + 1);
                        text = malloc(n + 1);
                        ck_assert_uint_eq(fread(text, 1, n, from), n);
                        text[n] = '\0';
                } else {
                        text = strdup(*line == '-' || *line == '*' ? line : line + 1);
                }
        }
        free(line);
        fclose(from);
        return text;
}

/* NULL: nobody is there, or it does not answer. */
static char *try_to_ask(const struct redis_server *s, const char *command)
{
        char line[1024];
        int fd = connect_to(s);
        size_t n = (size_t)snprintf(line, sizeof(line), "%s\r\n", command);

        if (fd < 0)
                return NULL;
        ck_assert_uint_lt(n, sizeof(line));
        if (send(fd, line, n, MSG_NOSIGNAL) != (ssize_t)n) {
                close(fd);
                return NULL;
        }
        return read_answer(fd);
}

char *redis_server_ask(const struct redis_server *s, const char *command)
{
        char *answer = try_to_ask(s, command);

        ck_assert_ptr_nonnull(answer);
        return answer;
}

/* Answers false if it died instead. */
static bool wait_until_ready(struct redis_server *s)
{
        for (int i = 0; i < READY_MS / 2; i++) {
                char *answer = try_to_ask(s, "PING");
                bool ready = answer && strncmp(answer, "-LOADING", 8) != 0;

                free(answer);
                if (waitpid(s->pid, NULL, WNOHANG) == s->pid) {
                        s->pid = 0;
                        return false;
                }
                if (ready)
                        return true;
                wait_ms(2);
        }
        return false;
}

/* --- life --------------------------------------------------------------------------------------- */

static void set_args(struct redis_server *s, const char *const *args)
{
        for (size_t i = 0; s->args[i]; i++)
                free(s->args[i]);
        memset(s->args, 0, sizeof(s->args));
        for (size_t i = 0; args && args[i]; i++) {
                ck_assert_uint_lt(i + 1, ARGS_MAX);
                s->args[i] = strdup(args[i]);
        }
}

static void pick_port(struct redis_server *s)
{
        struct sockaddr_in in = { .sin_family = AF_INET };
        socklen_t size = sizeof(in);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        ck_assert_int_eq(bind(fd, (struct sockaddr *)&in, size), 0);
        ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&in, &size), 0);
        close(fd);
        snprintf(s->port, sizeof(s->port), "%u", ntohs(in.sin_port));
        snprintf(s->address, sizeof(s->address), "127.0.0.1:%s", s->port);
        snprintf(s->url, sizeof(s->url), "redis://127.0.0.1:%s", s->port);
}

/* What a test that failed has left. */
static void stop_all(void)
{
        while (living && living->owner == getpid())
                redis_server_stop(living);
}

static struct redis_server *create(const char *const *args)
{
        static bool stops_all;
        struct redis_server *s = calloc(1, sizeof(*s));
        const char *tmp = getenv("TMPDIR");

        ck_assert_ptr_nonnull(s);
        /* A socket's path has 107 bytes. */
        snprintf(s->folder, sizeof(s->folder), "%s/redis-XXXXXX",
                 tmp && strlen(tmp) < 40 ? tmp : "/tmp");
        ck_assert_ptr_nonnull(mkdtemp(s->folder));
        set_args(s, args);
        s->owner = getpid();
        s->next = living;
        living = s;
        if (!stops_all)
                atexit(stop_all);
        stops_all = true;
        return s;
}

static void fail_to_start(const struct redis_server *s)
{
        print_log(s);
        ck_abort_msg("%s did not start", program());
}

static void start(struct redis_server *s)
{
        spawn(s);
        if (!wait_until_ready(s))
                fail_to_start(s);
}

struct redis_server *redis_server_start(const char *const *args)
{
        struct redis_server *s = create(args);

        strcpy(s->port, "0");
        snprintf(s->address, sizeof(s->address), "unix:%s/socket", s->folder);
        snprintf(s->url, sizeof(s->url), "unix://%s/socket", s->folder);
        start(s);
        return s;
}

struct redis_server *redis_server_start_tcp(const char *const *args)
{
        struct redis_server *s = create(args);

        /* Between our look and the server's bind another may have taken the port. */
        for (int i = 0; i < 5; i++) {
                pick_port(s);
                spawn(s);
                if (wait_until_ready(s))
                        return s;
                redis_server_kill(s);
        }
        fail_to_start(s);
        return NULL;
}

void redis_server_kill(struct redis_server *s)
{
        if (s->pid == 0)
                return;
        kill(s->pid, SIGKILL);
        ck_assert_int_eq(waitpid(s->pid, NULL, 0), s->pid);
        s->pid = 0;
}

void redis_server_restart(struct redis_server *s)
{
        redis_server_kill(s);
        start(s);
}

void redis_server_restart_with(struct redis_server *s, const char *const *args)
{
        set_args(s, args);
        redis_server_restart(s);
}

void redis_server_pause(struct redis_server *s)
{
        int status;

        ck_assert_int_eq(kill(s->pid, SIGSTOP), 0);
        ck_assert_int_eq(waitpid(s->pid, &status, WUNTRACED), s->pid);
}

void redis_server_resume(struct redis_server *s)
{
        ck_assert_int_eq(kill(s->pid, SIGCONT), 0);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
        (void)st, (void)type, (void)ftw;
        return remove(path);
}

void redis_server_stop(struct redis_server *s)
{
        struct redis_server **i = &living;

        if (!s)
                return;
        while (*i != s)
                i = &(*i)->next;
        *i = s->next;
        redis_server_kill(s);
        nftw(s->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
        set_args(s, NULL);
        free(s);
}

void redis_server_stopp(struct redis_server **server)
{
        redis_server_stop(*server);
}

const char *redis_server_address(const struct redis_server *server)
{
        return server->address;
}

const char *redis_server_url(const struct redis_server *server)
{
        return server->url;
}

const char *redis_server_folder(const struct redis_server *server)
{
        return server->folder;
}

pid_t redis_server_pid(const struct redis_server *server)
{
        return server->pid;
}

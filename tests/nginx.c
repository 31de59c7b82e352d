#include "nginx.h"

#include "runner.h"

#include <arpa/inet.h>
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
#include <sys/wait.h>

struct nginx {
        struct nginx *next; /* of those that live */
        pid_t owner;        /* the process that started it */
        pid_t pid;
        char folder[64];
        char ca_file[80];
        unsigned ports[NGINX_DOORS];
};

static struct nginx *living;

static const char make_files[] =
        "exec 2>>log\n"
        "key() { openssl ecparam -name prime256v1 -genkey -noout -out $1.key; }\n"
        "certificate() { # NAME DAYS ALTERNATIVE-NAMES\n"
        "        key $1\n"
        "        echo subjectAltName=$3 >$1.ext\n"
        "        openssl req -new -key $1.key -subj /CN=$1 -out $1.csr\n"
        "        openssl x509 -req -in $1.csr -CA ca.crt -CAkey ca.key -set_serial $$ -days $2 "
        "-extfile $1.ext -out $1.crt\n"
        "}\n"
        "key ca\n"
        "openssl req -x509 -new -key ca.key -subj '/CN=authority of a test' -days 2 -out ca.crt "
        "-addext basicConstraints=critical,CA:TRUE\n"
        "certificate good 2 'DNS:localhost,DNS:*.nginx.test,IP:127.0.0.1'\n"
        "certificate expired -1 'DNS:localhost,DNS:*.nginx.test,IP:127.0.0.1'\n"
        "certificate other 2 'DNS:other.example'\n"
        "mkdir -p files/zero files/put tmp\n"
        "truncate -s 1M files/zero/1m\n"
        "truncate -s 10M files/zero/10m\n"
        "truncate -s 1G files/zero/1g\n"
        "yes 'once upon a time' 2>/dev/null | head -1000 >files/text\n"
        "cp files/text files/chunked\n";

static const char main_part[] =
        "daemon off; worker_processes 1; pid pid; error_log log warn;\n"
        "events { worker_connections 1024; }\n"
        "http {\n"
        "access_log off; default_type text/plain; root files; keepalive_requests 1000000;\n"
        "client_body_temp_path tmp; proxy_temp_path tmp; fastcgi_temp_path tmp;\n"
        "uwsgi_temp_path tmp; scgi_temp_path tmp;\n"
        "add_header X-Connection $connection always; add_header X-Protocol $server_protocol;\n";

static const char locations[] =
        "location /hello { return 200 hello; }\n"
        "location /slow/ { alias files/zero/; limit_rate 64k; }\n"
        "location /text { gzip on; gzip_types *; gzip_http_version 1.0; gzip_min_length 1; }\n"
        "location /chunked { sub_filter upon Upon; sub_filter_once off; sub_filter_types *; }\n"
        "location /204 { return 204; }\n"
        "location /close { keepalive_timeout 0; return 200 bye; }\n"
        "location /put/ { dav_methods PUT; client_max_body_size 0; }\n"
        "location /small { client_max_body_size 1k; return 200 small; }\n";

/* --- the process -------------------------------------------------------------------------------- */

/* With Debian's place for it. */
static void extend_path(void)
{
        const char *path = getenv("PATH");
        char longer[4096];

        snprintf(longer, sizeof(longer), "%s:/usr/sbin", path ? path : "/usr/bin:/bin");
        setenv("PATH", longer, 1);
}

/* In the child. */
static void prepare_child(pid_t parent, const char *folder, const char *output)
{
        sigset_t none;
        int fd;

        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        prctl(PR_SET_PDEATHSIG, SIGTERM); /* nginx then ends its worker */
        if (getppid() != parent || chdir(folder) < 0)
                _exit(126);
        fd = open(output, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        dup2(fd, STDOUT_FILENO);
        dup2(fd, STDERR_FILENO);
        extend_path();
}

/* Its status. It may be called outside of tests. */
static int run(const char *folder, const char *output, const char *script)
{
        pid_t parent = getpid(), pid = fork();
        int status = -1;

        if (pid == 0) {
                prepare_child(parent, folder, output);
                execlp("sh", "sh", "-e", "-c", script, NULL);
                _exit(127);
        }
        if (pid > 0)
                waitpid(pid, &status, 0);
        return status;
}

int nginx_is_there(void)
{
        if (run("/", "/dev/null", "nginx -v && openssl version") == 0)
                return 1;
        fprintf(stderr, "nginx or openssl cannot be run: these tests are skipped\n");
        return 0;
}

static void print_log(const struct nginx *n)
{
        char path[80], text[4096];
        FILE *log;

        snprintf(path, sizeof(path), "%s/log", n->folder);
        log = fopen(path, "r");
        if (!log)
                return;
        while (fgets(text, sizeof(text), log))
                fputs(text, stderr);
        fclose(log);
}

/* It is given its sockets, as if it took over from another nginx: so their ports are known to be
 * free, and connections wait in their backlog until it is there. */
static void become_nginx(const int fds[NGINX_DOORS])
{
        char list[NGINX_DOORS * 12], *end = list;

        for (int i = 0; i < NGINX_DOORS; i++) {
                fcntl(fds[i], F_SETFD, 0);
                end += sprintf(end, "%d;", fds[i]);
        }
        setenv("NGINX", list, 1);
        execlp("nginx", "nginx", "-p", ".", "-c", "conf", "-e", "log", NULL);
        _exit(127);
}

static void spawn(struct nginx *n, const int fds[NGINX_DOORS])
{
        pid_t parent = getpid();

        n->pid = fork();
        ck_assert_int_ge(n->pid, 0);
        if (n->pid == 0) {
                prepare_child(parent, n->folder, "log");
                become_nginx(fds);
        }
}

/* --- what it is given --------------------------------------------------------------------------- */

static int open_door(unsigned *ret_port)
{
        struct sockaddr_in in = { .sin_family = AF_INET };
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        socklen_t size = sizeof(in);

        in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        ck_assert_int_eq(bind(fd, (struct sockaddr *)&in, size), 0);
        ck_assert_int_eq(listen(fd, 1024), 0);
        ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&in, &size), 0);
        *ret_port = ntohs(in.sin_port);
        return fd;
}

static void write_configuration(const struct nginx *n)
{
        static const struct {
                const char *options, *certificate;
        } doors[] = {
                [NGINX_PLAIN] = { "", NULL },
                [NGINX_TLS] = { "ssl", "good" },
                [NGINX_HTTP2] = { "ssl http2", "good" },
                [NGINX_EXPIRED] = { "ssl", "expired" },
                [NGINX_OTHER_NAME] = { "ssl", "other" },
        };
        char path[80];
        FILE *f;

        snprintf(path, sizeof(path), "%s/conf", n->folder);
        f = fopen(path, "w");
        ck_assert_ptr_nonnull(f);
        fputs(geteuid() == 0 ? "user root root;\n" : "", f); /* the folder is ours alone */
        fputs(main_part, f);
        for (int i = 0; i < NGINX_DOORS; i++) {
                const char *name = doors[i].certificate;

                fprintf(f, "server {\nlisten 127.0.0.1:%u %s;\n", n->ports[i], doors[i].options);
                if (name)
                        fprintf(f, "ssl_certificate %s.crt; ssl_certificate_key %s.key;\n", name,
                                name);
                fprintf(f, "%s}\n", locations);
        }
        fputs("}\n", f);
        ck_assert_int_eq(fclose(f), 0);
}

/* --- life --------------------------------------------------------------------------------------- */

/* What a test that failed has left. */
static void stop_all(void)
{
        while (living && living->owner == getpid()) {
                print_log(living);
                nginx_stop(living);
        }
}

struct nginx *nginx_start(void)
{
        static bool stops_all;
        struct nginx *n = calloc(1, sizeof(*n));
        int fds[NGINX_DOORS];

        ck_assert_ptr_nonnull(n);
        strcpy(n->folder, "/tmp/nginx-XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(n->folder));
        snprintf(n->ca_file, sizeof(n->ca_file), "%s/ca.crt", n->folder);
        n->owner = getpid();
        n->next = living;
        living = n;
        if (!stops_all)
                atexit(stop_all);
        stops_all = true;

        ck_assert_int_eq(run(n->folder, "log", make_files), 0);
        for (int i = 0; i < NGINX_DOORS; i++)
                fds[i] = open_door(&n->ports[i]);
        write_configuration(n);
        spawn(n, fds);
        for (int i = 0; i < NGINX_DOORS; i++)
                close(fds[i]);
        return n;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
        (void)st, (void)type, (void)ftw;
        return remove(path);
}

void nginx_stop(struct nginx *n)
{
        struct nginx **i = &living;

        if (!n)
                return;
        while (*i != n)
                i = &(*i)->next;
        *i = n->next;
        if (n->pid > 0) {
                kill(n->pid, SIGTERM);
                waitpid(n->pid, NULL, 0);
        }
        nftw(n->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
        free(n);
}

void nginx_stopp(struct nginx **nginx)
{
        nginx_stop(*nginx);
}

const char *nginx_ca_file(const struct nginx *n)
{
        return n->ca_file;
}

const char *nginx_url_of(const struct nginx *n, enum nginx_door door, const char *host,
                         const char *path)
{
        static char urls[8][256];
        static unsigned i;
        char *url = urls[i++ % 8];

        snprintf(url, sizeof(urls[0]), "http%s://%s:%u%s", door == NGINX_PLAIN ? "" : "s", host,
                 n->ports[door], path);
        return url;
}

const char *nginx_url(const struct nginx *n, enum nginx_door door, const char *path)
{
        return nginx_url_of(n, door, "127.0.0.1", path);
}

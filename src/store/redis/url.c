#include <store/redis/connection.h>

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/un.h>

#include <base/parse.h>

#define PORT_DEFAULT "6379"

/* A stretch of the URL. */
struct span {
        const char *start, *end;
};

/* The target under construction: strings go one behind the other into a block that has room for all. */
struct writer {
        char *to;
        const char *error;
};

static int refuse(struct writer *w, const char *error)
{
        w->error = error;
        return -EINVAL;
}

static size_t span_size(struct span s)
{
        return (size_t)(s.end - s.start);
}

/* Where `c` is; the end if it is nowhere. */
static const char *find(struct span s, char c)
{
        while (s.start < s.end && *s.start != c)
                s.start++;
        return s.start;
}

static void put(struct writer *w, struct span s)
{
        w->to = mempcpy(w->to, s.start, span_size(s));
}

static void put_text(struct writer *w, const char *text)
{
        w->to = stpcpy(w->to, text);
}

static int hex_digit(char c)
{
        static const char digits[] = "0123456789abcdef";
        const char *at = c ? strchr(digits, c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c) : NULL;

        return at ? (int)(at - digits) : -1;
}

/* With the NUL at its end. */
static int put_decoded(struct writer *w, struct span s, const char **ret_string)
{
        char *start = w->to;

        for (const char *i = s.start; i < s.end; i++) {
                int high, low;

                if (*i != '%') {
                        *w->to++ = *i;
                        continue;
                }
                high = s.end - i > 2 ? hex_digit(i[1]) : -1;
                low = high >= 0 ? hex_digit(i[2]) : -1;
                if (low < 0)
                        return refuse(w, "'%' wants two hexadecimal digits behind it");
                if (high == 0 && low == 0)
                        return refuse(w, "%00 can stand nowhere");
                *w->to++ = (char)(high * 16 + low);
                i += 2;
        }
        *w->to++ = '\0';
        *ret_string = start;
        return 0;
}

static int read_db(struct writer *w, const char *text, unsigned *ret_db)
{
        uint64_t db;

        if (parse_u64(text, &db) < 0 || db > INT32_MAX)
                return refuse(w, "the database must be a number, like 0");
        *ret_db = (unsigned)db;
        return 0;
}

/* --- redis://[user[:password]@]host[:port][/db] ------------------------------------------------- */

/* An empty name or password is none: redis://:secret@host */
static int read_user(struct writer *w, struct span s, struct redis_target *ret)
{
        const char *colon = find(s, ':');
        int r = 0;

        if (colon > s.start)
                r = put_decoded(w, (struct span){ s.start, colon }, &ret->user);
        if (r == 0 && s.end - colon > 1)
                r = put_decoded(w, (struct span){ colon + 1, s.end }, &ret->password);
        return r;
}

static int check_v6(struct writer *w, struct span host)
{
        char text[INET6_ADDRSTRLEN] = "";
        struct in6_addr v6;

        if (span_size(host) < sizeof(text))
                memcpy(text, host.start, span_size(host));
        return inet_pton(AF_INET6, text, &v6) == 1 ? 0
                                                   : refuse(w, "no IPv6 address between [ and ]");
}

static int check_name(struct writer *w, struct span host)
{
        if (span_size(host) == 0)
                return refuse(w, "no host");
        if (span_size(host) > 255)
                return refuse(w, "the host's name is too long");
        for (const char *i = host.start; i < host.end; i++)
                if (*i <= ' ' || strchr("[]%,\x7f", *i))
                        return refuse(w, "the host has a character that no name has");
        return 0;
}

static int check_port(struct writer *w, struct span port)
{
        char text[8] = "";
        uint64_t number;

        if (span_size(port) < sizeof(text))
                memcpy(text, port.start, span_size(port));
        if (parse_u64(text, &number) < 0 || number == 0 || number > UINT16_MAX)
                return refuse(w, "the port must be a number from 1 to 65535");
        return 0;
}

/* Writes HOST:PORT or [V6]:PORT. */
static int read_place(struct writer *w, struct span s, struct redis_target *ret)
{
        bool bracket = s.start < s.end && *s.start == '[';
        struct span host = { s.start + bracket, s.end }, port;
        int r;

        host.end = find(host, bracket ? ']' : ':');
        if (bracket && host.end == s.end)
                return refuse(w, "'[' without ']'");
        port = (struct span){ host.end + bracket, s.end };
        r = bracket ? check_v6(w, host) : check_name(w, host);
        if (r < 0)
                return r;

        ret->address = w->to;
        put(w, (struct span){ s.start, port.start });
        if (port.start == port.end) {
                put_text(w, ":" PORT_DEFAULT);
        } else {
                if (*port.start != ':')
                        return refuse(w, "what stands behind ']' is no port");
                r = check_port(w, (struct span){ port.start + 1, port.end });
                put(w, port);
        }
        *w->to++ = '\0';
        return r;
}

static int read_redis(struct writer *w, const char *text, struct redis_target *ret)
{
        struct span authority = { text, text + strcspn(text, "/?#") };
        const char *at = memrchr(text, '@', span_size(authority));
        int r = 0;

        if (at) {
                r = read_user(w, (struct span){ text, at }, ret);
                authority.start = at + 1;
        }
        if (r == 0)
                r = read_place(w, authority, ret);
        if (r < 0)
                return r;
        if (strpbrk(authority.end, "?#"))
                return refuse(w, "nothing can follow the database");
        return authority.end[0] && authority.end[1] ? read_db(w, authority.end + 1, &ret->db) : 0;
}

/* --- unix:///path[?db=N] ------------------------------------------------------------------------ */

static int read_unix(struct writer *w, const char *text, struct redis_target *ret)
{
        struct span path = { text, text + strcspn(text, "?#") };
        const char *decoded;
        int r;

        if (*text != '/')
                return refuse(w, "the socket's path must be absolute, like unix:///run/redis.sock");
        ret->address = w->to;
        put_text(w, "unix:");
        r = put_decoded(w, path, &decoded);
        if (r < 0)
                return r;
        if (strlen(decoded) >= sizeof(((struct sockaddr_un *)0)->sun_path))
                return refuse(w, "the socket's path is too long");
        if (!*path.end)
                return 0;
        if (strncmp(path.end, "?db=", 4) != 0)
                return refuse(w, "only ?db=N can follow the path");
        return read_db(w, path.end + 4, &ret->db);
}

int redis_parse_url(const char *url, struct redis_target *ret_target, char **ret_block,
                    const char **ret_error)
{
        static const char redis[] = "redis://", unix_socket[] = "unix://";
        char *block = malloc(strlen(url) + sizeof("::" PORT_DEFAULT) + 3);
        struct redis_target target = { 0 };
        struct writer w = { .to = block };
        int r;

        if (!block)
                return -ENOMEM;
        if (strncmp(url, redis, strlen(redis)) == 0)
                r = read_redis(&w, url + strlen(redis), &target);
        else if (strncmp(url, unix_socket, strlen(unix_socket)) == 0)
                r = read_unix(&w, url + strlen(unix_socket), &target);
        else
                r = refuse(&w, "it must begin with redis:// or unix:///");
        if (r < 0) {
                *ret_error = w.error;
                free(block);
                return r;
        }
        *ret_target = target;
        *ret_block = block;
        return 0;
}

#include <daemon/http_connection.h>

#include <errno.h>
#include <grp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <base/parse.h>
#include <penstock/task.h>

#define UNIX_PREFIX "unix:"

/* Answers `r`. */
__attribute__((format(printf, 3, 4))) static int say(char **ret_error, int r, const char *format,
                                                     ...)
{
        va_list args;

        va_start(args, format);
        if (vasprintf(ret_error, format, args) < 0)
                *ret_error = NULL;
        va_end(args);
        return r;
}

struct group_search {
        const char *name;
        gid_t gid;
};

/* Name services may want more stack than a task has. */
static int find_group(void *arg)
{
        struct group_search *search = arg;
        char text[16384];
        struct group group, *found = NULL;
        uint64_t number;
        int r;

        if (parse_u64(search->name, &number) == 0 && number < (gid_t)-1) {
                search->gid = (gid_t)number;
                return 0;
        }
        r = getgrnam_r(search->name, &group, text, sizeof(text), &found);
        if (!found)
                return r ? -r : -ENOENT;
        search->gid = found->gr_gid;
        return 0;
}

/* The file was made for its owner alone: now that its group is right it may be opened to it. */
static int open_file_to(const char *path, unsigned mode, const char *group, char **ret_error)
{
        struct group_search search = { .name = group };
        int r;

        if (group) {
                r = pen_on_thread_stack(find_group, &search);
                if (r < 0)
                        return say(ret_error, r, "http.group: %s: %s", group,
                                   r == -ENOENT ? "there is no such group" : strerror(-r));
                if (lchown(path, (uid_t)-1, search.gid) < 0) {
                        r = -errno;
                        return say(ret_error, r, "%s cannot be given to the group %s: %s", path,
                                   group, strerror(-r));
                }
        }
        if (chmod(path, mode) < 0) {
                r = -errno;
                return say(ret_error, r, "%s: mode %04o: %s", path, mode, strerror(-r));
        }
        return 0;
}

static const char *why(int r)
{
        switch (r) {
        case -EINVAL:
                return "is no address; HOST:PORT (in digits), [v6]:PORT and unix:/path are";
        case -EADDRINUSE:
                return "is taken: somebody listens there, or it is no socket";
        default:
                return strerror(-r);
        }
}

int http_listen(const char *address, unsigned mode, const char *group,
                struct pen_listener **ret_listener, char **ret_error)
{
        PEN_CLEANUP(pen_listener_freep) struct pen_listener *listener = NULL;
        bool local = strncmp(address, UNIX_PREFIX, strlen(UNIX_PREFIX)) == 0;
        mode_t mask = umask(0177);
        int r = pen_listen(address, &listener);

        umask(mask);
        if (r < 0)
                return say(ret_error, r, "%s: %s", address, why(r));
        if (local)
                r = open_file_to(address + strlen(UNIX_PREFIX), mode, group, ret_error);
        if (r < 0)
                return r;
        *ret_listener = TAKE(listener);
        return 0;
}

#include <daemon/instance.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define SAME_NAME_MAX 1000

/* Where such files live: what systemd made for us, the user's own place, or the system's. */
static void choose_folder(char *folder, size_t room)
{
        const char *runtime = getenv("RUNTIME_DIRECTORY"), *user = getenv("XDG_RUNTIME_DIR");

        if (runtime && *runtime == '/')
                snprintf(folder, room, "%.*s", (int)strcspn(runtime, ":"), runtime);
        else if (user && *user == '/')
                snprintf(folder, room, "%s/penstock", user);
        else if (geteuid() == 0 || access("/run/penstock", W_OK) == 0)
                snprintf(folder, room, "/run/penstock");
        else
                snprintf(folder, room, "/tmp/penstock-%u", (unsigned)geteuid());
}

/* One that others could write to would let them name what we take over. */
static int check_folder(const char *folder, char *error, size_t room)
{
        struct stat st;

        if (mkdir(folder, 0755) < 0 && errno != EEXIST) {
                snprintf(error, room, "%s: %s", folder, strerror(errno));
                return -errno;
        }
        if (stat(folder, &st) < 0 || !S_ISDIR(st.st_mode) ||
            (st.st_uid != geteuid() && st.st_uid != 0) || (st.st_mode & S_IWOTH)) {
                snprintf(error, room, "%s: is not a folder of ours alone", folder);
                return -EPERM;
        }
        return 0;
}

/* -EWOULDBLOCK: a living process holds it. */
static int lock(const char *folder, struct instance *i, char *error, size_t room)
{
        char path[512];
        ssize_t n;
        int r;

        snprintf(path, sizeof(path), "%s/%s.lock", folder, i->name);
        i->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
        if (i->fd < 0 || flock(i->fd, LOCK_EX | LOCK_NB) < 0) {
                r = -errno;
                snprintf(error, room, "%s: %s", path, strerror(-r));
                if (i->fd >= 0)
                        close(i->fd);
                return r;
        }
        n = pread(i->fd, i->former, sizeof(i->former) - 1, 0);
        i->former[n > 0 ? n : 0] = '\0';
        i->former[strcspn(i->former, "\n")] = '\0';
        return 0;
}

int instance_take(const char *wanted, struct instance *ret_instance, char *error, size_t room)
{
        char folder[256];
        int r;

        choose_folder(folder, sizeof(folder));
        r = check_folder(folder, error, room);
        if (r < 0)
                return r;
        *ret_instance = (struct instance){ .fd = -1 };
        snprintf(ret_instance->name, sizeof(ret_instance->name), "%.64s", wanted);
        r = lock(folder, ret_instance, error, room);
        for (unsigned n = 2; r == -EWOULDBLOCK && n < SAME_NAME_MAX; n++) {
                snprintf(ret_instance->name, sizeof(ret_instance->name), "%.64s.%u", wanted, n);
                r = lock(folder, ret_instance, error, room);
        }
        return r;
}

int instance_remember(struct instance *instance, const char *consumer)
{
        size_t n = strlen(consumer);

        if (ftruncate(instance->fd, 0) < 0 || pwrite(instance->fd, consumer, n, 0) != (ssize_t)n)
                return -errno;
        return 0;
}

void instance_release(struct instance *instance, bool clean)
{
        if (instance->fd < 0)
                return;
        if (clean && ftruncate(instance->fd, 0) < 0) {
                /* the next holder looks in vain, and that is all */
        }
        close(instance->fd);
        instance->fd = -1;
}

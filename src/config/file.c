#include <config/file.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define CHUNK ((size_t)16 << 10)

static int read_all(int fd, size_t max, struct buffer *to)
{
        size_t before = buffer_size(to);

        for (;;) {
                char *room;
                ssize_t n;
                int r = buffer_reserve(to, CHUNK, &room);

                if (r < 0)
                        return r;
                n = read(fd, room, CHUNK);
                if (n == 0)
                        return 0;
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                buffer_added(to, (size_t)n);
                if (buffer_size(to) - before > max)
                        return -EFBIG;
        }
}

int file_read(const char *path, size_t max, bool only_regular, struct stat *ret_st,
              struct buffer *to)
{
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | (only_regular ? O_NONBLOCK : 0));
        int r;

        if (fd < 0)
                return -errno;
        if (fstat(fd, ret_st) < 0)
                r = -errno;
        else if (only_regular && !S_ISREG(ret_st->st_mode))
                r = -EINVAL;
        else
                r = read_all(fd, max, to);
        close(fd);
        return r;
}

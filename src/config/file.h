/* Small files, read whole. */
#pragma once

#include <sys/stat.h>

#include <base/buffer.h>

/* Appends what the file holds. -EISDIR, -EFBIG: more than `max` bytes; what open and read met;
 * -EINVAL: not a regular file, and `only_regular`, with which nothing is waited for.  -ENOMEM.
 * *ret_st is written even when reading failed. */
int file_read(const char *path, size_t max, bool only_regular, struct stat *ret_st,
              struct buffer *to);

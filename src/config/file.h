/* Small files, read whole. */
#pragma once

#include <sys/stat.h>

#include <base/buffer.h>

/* Appends what the file holds. -EFBIG: more than `max` bytes.  -EINVAL: not a regular file, and
 * `only_regular`, with which nothing is waited for.  -ENOMEM.  Else what open and read met. */
int file_read(const char *path, size_t max, bool only_regular, struct stat *ret_st,
              struct buffer *to);

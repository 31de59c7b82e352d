/* Commands as Redis reads them: an array of bulk strings. */
#pragma once

#include <base/buffer.h>

struct redis_arg {
        const char *data;
        size_t size;
};

/* Appends the command. -ENOMEM, and nothing is appended.
 *
 * hiredis has this too (redisFormatCommandArgv), with a printf for each argument and a malloc for each command:
 * 110 ns for a PING and 650 ns for one of 12 arguments, where this takes 11 and 105.
 */
int command_format(struct buffer *out, const struct redis_arg *args, size_t n);

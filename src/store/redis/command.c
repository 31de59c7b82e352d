#include <store/redis/command.h>

#include <string.h>

#define DIGITS_MAX 20 /* of a size_t */

/* `sign`, the number and the line's end. */
static char *put_size(char *to, char sign, size_t size)
{
        char digits[DIGITS_MAX];
        size_t n = 0;

        do
                digits[n++] = (char)('0' + size % 10);
        while (size /= 10);
        *to++ = sign;
        while (n > 0)
                *to++ = digits[--n];
        *to++ = '\r';
        *to++ = '\n';
        return to;
}

int command_format(struct buffer *out, const struct redis_arg *args, size_t n)
{
        size_t size = 1 + DIGITS_MAX + 2;
        char *start, *to;
        int r;

        for (size_t i = 0; i < n; i++)
                size += 1 + DIGITS_MAX + 2 + args[i].size + 2;
        r = buffer_reserve(out, size, &start);
        if (r < 0)
                return r;
        to = put_size(start, '*', n);
        for (size_t i = 0; i < n; i++) {
                to = put_size(to, '$', args[i].size);
                if (args[i].size > 0)
                        memcpy(to, args[i].data, args[i].size);
                to += args[i].size;
                *to++ = '\r';
                *to++ = '\n';
        }
        buffer_added(out, (size_t)(to - start));
        return 0;
}

#include <base/buffer.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

int buffer_reserve(struct buffer *b, size_t n, char **ret)
{
        size_t size = buffer_size(b);

        if (b->allocated - b->end < n) {
                /* The room at the front is worth a move only if that frees at least half. */
                if (b->start >= size && b->allocated - size >= n) {
                        memmove(b->base, buffer_data(b), size);
                } else {
                        size_t wanted = MAX(b->allocated, (size_t)64);
                        char *base;

                        if (n > SIZE_MAX / 4 - size)
                                return -ENOMEM;
                        /* As much room as contents, or a full buffer that is consumed and filled
                         * byte by byte would be copied for each of them. */
                        while (wanted - size < MAX(n, size))
                                wanted *= 2;
                        base = malloc(wanted);
                        if (!base)
                                return -ENOMEM;
                        if (size > 0)
                                memcpy(base, buffer_data(b), size);
                        free(b->base);
                        b->base = base;
                        b->allocated = wanted;
                }
                b->start = 0;
                b->end = size;
        }
        *ret = b->base ? b->base + b->end : NULL;
        return 0;
}

void buffer_added(struct buffer *b, size_t n)
{
        b->end += n;
}

int buffer_append(struct buffer *b, const void *data, size_t n)
{
        char *to;
        int r = buffer_reserve(b, n, &to);

        if (r < 0)
                return r;
        if (n > 0)
                memcpy(to, data, n);
        b->end += n;
        return 0;
}

int buffer_printf(struct buffer *b, const char *format, ...)
{
        va_list args;
        char *to;
        int n, r;

        va_start(args, format);
        n = vsnprintf(NULL, 0, format, args);
        va_end(args);
        if (n < 0)
                return -EINVAL;
        r = buffer_reserve(b, (size_t)n + 1, &to);
        if (r < 0)
                return r;
        va_start(args, format);
        vsnprintf(to, (size_t)n + 1, format, args);
        va_end(args);
        b->end += (size_t)n;
        return 0;
}

void buffer_consume(struct buffer *b, size_t n)
{
        b->start += n;
        if (b->start == b->end)
                b->start = b->end = 0;
}

void buffer_clear(struct buffer *b)
{
        b->start = b->end = 0;
}

void buffer_deinit(struct buffer *b)
{
        free(b->base);
        *b = (struct buffer){ 0 };
}

char *buffer_take(struct buffer *b, size_t *ret_size)
{
        char *data;

        if (buffer_append(b, "", 1) < 0)
                return NULL;
        if (b->start > 0)
                memmove(b->base, buffer_data(b), buffer_size(b));
        data = b->base;
        if (ret_size)
                *ret_size = buffer_size(b) - 1;
        *b = (struct buffer){ 0 };
        return data;
}

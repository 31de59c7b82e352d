/* Growing byte buffer. What was read is consumed from the front without moving the rest each time. */
#pragma once

#include <stdarg.h>

#include <base/util.h>

struct buffer {
        char *base;
        size_t start, end, allocated; /* the contents are base[start..end) */
};

static inline char *buffer_data(const struct buffer *b)
{
        return b->base ? b->base + b->start : NULL;
}

static inline size_t buffer_size(const struct buffer *b)
{
        return b->end - b->start;
}

/* Makes room for `n` more bytes and answers where they go, in *ret; then buffer_added. -ENOMEM. */
int buffer_reserve(struct buffer *b, size_t n, char **ret);
void buffer_added(struct buffer *b, size_t n);

int buffer_append(struct buffer *b, const void *data, size_t n); /* -ENOMEM, and nothing appended */
int buffer_printf(struct buffer *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Drops `n` bytes from the front. */
void buffer_consume(struct buffer *b, size_t n);

/* Drops the contents and keeps the memory. */
void buffer_clear(struct buffer *b);
void buffer_deinit(struct buffer *b);

/* Hands the contents over (malloc'ed, followed by a NUL byte) and leaves the buffer empty.
 * NULL: no memory. */
char *buffer_take(struct buffer *b, size_t *ret_size);

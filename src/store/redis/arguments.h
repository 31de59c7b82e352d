/* A command for Redis while it is put together, in memory of the caller. */
#pragma once

#include <stdio.h>
#include <string.h>

#include <base/util.h>
#include <store/redis/connection.h>

/* `text` is for what is made here (numbers, entries); all else is pointed to. Too small for either is an
 * error of the program: the callers know what they add. */
struct command {
        struct redis_arg *args;
        size_t n, room;
        char *text;
        size_t used, size;
};

#define COMMAND(name, n_args, text_size)      \
        struct redis_arg name##_args[n_args]; \
        char name##_text[text_size];          \
        struct command name = { name##_args, 0, n_args, name##_text, 0, text_size }

static inline void command_add(struct command *c, const char *data, size_t size)
{
        if (UNLIKELY(c->n == c->room))
                abort();
        c->args[c->n++] = (struct redis_arg){ data, size };
}

static inline void command_string(struct command *c, const char *string)
{
        command_add(c, string, strlen(string));
}

/* The decimal digits of a number, as text that lives in the command. */
static inline size_t command_digits(struct command *c, uint64_t value)
{
        char digits[20];
        size_t n = 0;

        do
                digits[n++] = (char)('0' + value % 10);
        while ((value /= 10) > 0);
        if (UNLIKELY(c->size - c->used < n + 2))
                abort();
        for (size_t i = n; i > 0; i--)
                c->text[c->used++] = digits[i - 1];
        return n;
}

static inline void command_number(struct command *c, uint64_t value)
{
        const char *start = c->text + c->used;

        command_add(c, start, command_digits(c, value));
}

/* The id of an entry of a stream: MS-SEQ. */
static inline void command_entry(struct command *c, uint64_t ms, uint64_t seq)
{
        const char *start = c->text + c->used;
        size_t n = command_digits(c, ms);

        c->text[c->used++] = '-';
        command_add(c, start, n + 1 + command_digits(c, seq));
}

#define ENTRY_TEXT 44 /* bytes that an entry or a number takes at most in `text` */

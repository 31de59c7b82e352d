/* A configuration from a text, as a test wants it: there it is, or there are its errors. */
#pragma once

#include "../runner.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <config/config.h>

/* The errors of what must not load. Free them. */
static inline char *errors_of_text(const char *text, size_t size)
{
        struct buffer errors = { 0 };
        struct config *config = NULL;
        int r = config_parse("f", text, size, &errors, &config);

        ck_assert_msg(r == -EINVAL, "answers %d for:\n%.*s", r, (int)size, text);
        ck_assert_ptr_null(config);
        ck_assert_int_eq(buffer_append(&errors, "", 1), 0);
        return buffer_take(&errors, NULL);
}

#define ASSERT_REFUSES(text, expected)                              \
        do {                                                        \
                char *_errors = errors_of_text(text, strlen(text)); \
                                                                    \
                ck_assert_str_eq(_errors, expected);                \
                free(_errors);                                      \
        } while (0)

#define ASSERT_TELLS(text, expected)                                                        \
        do {                                                                                \
                char *_errors = errors_of_text(text, strlen(text));                         \
                                                                                            \
                ck_assert_msg(strstr(_errors, expected), "\"%s\" is not in:\n%s", expected, \
                              _errors);                                                     \
                free(_errors);                                                              \
        } while (0)

/* Unref it. */
static inline struct config *load_text(const char *text)
{
        struct buffer errors = { 0 };
        struct config *config = NULL;
        int r = config_parse("f", text, strlen(text), &errors, &config);

        ck_assert_msg(r == 0, "answers %d:\n%.*s", r, (int)buffer_size(&errors),
                      buffer_data(&errors));
        ck_assert_uint_eq(buffer_size(&errors), 0);
        buffer_deinit(&errors);
        return config;
}

/* What config_print prints. Free it. */
static inline char *print_config(const struct config *config)
{
        struct buffer text = { 0 };

        ck_assert_int_eq(config_print(config, &text), 0);
        ck_assert_int_eq(buffer_append(&text, "", 1), 0);
        return buffer_take(&text, NULL);
}

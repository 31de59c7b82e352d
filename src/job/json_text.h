/* What the scanner and the writer of JSON share: the characters of a string. */
#pragma once

#include <base/utf8.h>

/* The same place in both: the letter behind a backslash, and what it stands for. */
static const char escape_letters[] = "\"\\/bfnrt", escape_codes[] = "\"\\/\b\f\n\r\t";

/* An empty payload may be NULL, to which C adds not even 0. */
static inline const char *end_of(const char *data, size_t size)
{
        return size > 0 ? data + size : data;
}

/* Behind what stands for itself in a string: printable ASCII save quote and backslash. */
static inline const char *skip_plain(const char *i, const char *end)
{
        static const bool plain[256] = {
                [' ' ... '!'] = true,
                ['#' ... '['] = true,
                [']' ... '~'] = true,
        };

        while (i < end && plain[(unsigned char)*i])
                i++;
        return i;
}

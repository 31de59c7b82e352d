/* Characters of UTF-8, one at a time. */
#pragma once

#include <base/util.h>

/* Of the character at `text`, which is before `end`; 0: it is not valid. */
static inline size_t utf8_length(const char *text, const char *end)
{
        const unsigned char *c = (const unsigned char *)text;
        size_t n = c[0] < 0x80   ? 1
                   : c[0] < 0xc2 ? 0
                   : c[0] < 0xe0 ? 2
                   : c[0] < 0xf0 ? 3
                   : c[0] < 0xf5 ? 4
                                 : 0;

        if ((size_t)(end - text) < n)
                return 0;
        for (size_t i = 1; i < n; i++)
                if ((c[i] & 0xc0) != 0x80)
                        return 0;
        /* Overlong forms, surrogates and what is past U+10FFFF show in the second byte. */
        if ((c[0] == 0xe0 && c[1] < 0xa0) || (c[0] == 0xed && c[1] > 0x9f) ||
            (c[0] == 0xf0 && c[1] < 0x90) || (c[0] == 0xf4 && c[1] > 0x8f))
                return 0;
        return n;
}

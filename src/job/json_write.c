#include <errno.h>
#include <string.h>

#include <job/json.h>
#include <job/json_text.h>

static int write_escape(struct buffer *to, unsigned char c)
{
        const char *code = c ? strchr(escape_codes, c) : NULL;

        if (code)
                return buffer_append(to, (char[]){ '\\', escape_letters[code - escape_codes] }, 2);
        return buffer_printf(to, "\\u%04x", c);
}

/* One character that is not plain; *i is left behind it. */
static int write_special(struct buffer *to, const char **i, const char *end)
{
        const char *at = *i;
        size_t n = utf8_length(at, end);

        *i += MAX(n, (size_t)1);
        switch (n) {
        case 0:
                return buffer_append(to, "\xef\xbf\xbd", 3);
        case 1:
                return write_escape(to, (unsigned char)*at);
        case 2: /* U+0080 to U+009F are control characters too, to a terminal */
                if ((unsigned char)at[0] == 0xc2 && (unsigned char)at[1] < 0xa0)
                        return write_escape(to, (unsigned char)at[1]);
        }
        return buffer_append(to, at, n);
}

static int write_quoted(struct buffer *to, const char *i, const char *end)
{
        int r = buffer_append(to, "\"", 1);

        while (r == 0 && i < end) {
                const char *plain = i;

                i = skip_plain(i, end);
                r = buffer_append(to, plain, (size_t)(i - plain));
                if (r == 0 && i < end)
                        r = write_special(to, &i, end);
        }
        return r < 0 ? r : buffer_append(to, "\"", 1);
}

int json_write_string(struct buffer *to, const char *data, size_t size)
{
        size_t before = buffer_size(to);
        int r = write_quoted(to, data, end_of(data, size));

        if (r < 0)
                to->end = to->start + before;
        return r;
}

bool json_is_utf8(const char *data, size_t size)
{
        const char *end = end_of(data, size);

        for (data = skip_plain(data, end); data < end; data = skip_plain(data, end)) {
                size_t n = utf8_length(data, end);

                if (n == 0)
                        return false;
                data += n;
        }
        return true;
}

static const char base64_letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int base64_encode(struct buffer *to, const char *data, size_t size)
{
        char *out;
        int r;

        if (size > SIZE_MAX / 2)
                return -ENOMEM;
        r = buffer_reserve(to, (size + 2) / 3 * 4, &out);
        if (r < 0)
                return r;
        for (size_t i = 0; i < size; i += 3, out += 4) {
                size_t n = MIN(size - i, (size_t)3);
                uint32_t word = 0;

                for (size_t k = 0; k < 3; k++)
                        word = word << 8 | (k < n ? (unsigned char)data[i + k] : 0);
                for (size_t k = 0; k < 4; k++)
                        out[k] = k <= n ? base64_letters[word >> (18 - 6 * k) & 63] : '=';
        }
        buffer_added(to, (size + 2) / 3 * 4);
        return 0;
}

/* Negative: not a letter. */
static int base64_digit(char c)
{
        return c >= 'A' && c <= 'Z'   ? c - 'A'
               : c >= 'a' && c <= 'z' ? c - 'a' + 26
               : c >= '0' && c <= '9' ? c - '0' + 52
               : c == '+'             ? 62
               : c == '/'             ? 63
                                      : -1;
}

int base64_decode(struct buffer *to, const char *text, size_t size)
{
        size_t padding = 0, n = size / 4 * 3;
        char *out;
        int r, bad = 0;

        if (size % 4 != 0)
                return -EINVAL;
        while (size > 0 && padding < 2 && text[size - 1 - padding] == '=')
                padding++;
        r = buffer_reserve(to, n, &out);
        if (r < 0)
                return r;
        for (size_t i = 0; i < size; i += 4) {
                uint32_t word = 0;

                for (size_t k = i; k < i + 4; k++) {
                        int digit = k < size - padding ? base64_digit(text[k]) : 0;

                        bad |= digit;
                        word = word << 6 | (uint32_t)digit;
                }
                for (int shift = 16; shift >= 0; shift -= 8)
                        *out++ = (char)(word >> shift & 0xff);
        }
        /* Bits that belong to no byte must be 0: one text for each sequence of bytes. */
        for (size_t k = 1; k <= padding; k++)
                if (out[-(ptrdiff_t)k])
                        return -EINVAL;
        if (bad < 0)
                return -EINVAL;
        buffer_added(to, n - padding);
        return 0;
}

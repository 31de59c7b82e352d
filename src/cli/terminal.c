#include <cli/terminal.h>

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <job/json.h>

bool terminal_is(int fd)
{
        const char *term = getenv("TERM");

        return isatty(fd) && term && strcmp(term, "dumb") != 0;
}

bool terminal_has_colour(int fd)
{
        const char *no = getenv("NO_COLOR");

        return terminal_is(fd) && !(no && *no);
}

unsigned terminal_columns(int fd)
{
        struct winsize size;

        return ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

/* Of valid UTF-8: U+0080 to U+009F, and what turns the direction of writing (U+061C, U+200E, U+200F,
 * U+202A to U+202E, U+2066 to U+2069). Answers its bytes; 0: it is harmless. */
static size_t control_size(const char *text)
{
        const unsigned char *c = (const unsigned char *)text;

        if (c[0] == 0xc2 && c[1] < 0xa0)
                return 2;
        if (c[0] == 0xd8 && c[1] == 0x9c)
                return 2;
        if (c[0] == 0xe2 && c[1] == 0x80 &&
            (c[2] == 0x8e || c[2] == 0x8f || (c[2] >= 0xaa && c[2] <= 0xae)))
                return 3;
        if (c[0] == 0xe2 && c[1] == 0x81 && c[2] >= 0xa6 && c[2] <= 0xa9)
                return 3;
        return 0;
}

int terminal_escape(struct buffer *to, const char *text, size_t size)
{
        bool utf8 = json_is_utf8(text, size);
        size_t escape = 0; /* bytes from here on that are told in digits */
        int r = 0;

        for (size_t i = 0; i < size && r == 0; i++) {
                unsigned char c = (unsigned char)text[i];

                if (c < ' ' || c == 0x7f || (c >= 0x80 && !utf8))
                        escape = 1;
                else if (c >= 0x80 && escape == 0)
                        escape = control_size(text + i);
                if (c == '\n')
                        r = buffer_append(to, " | ", 3);
                else if (escape > 0)
                        r = buffer_printf(to, "\\x%02x", c);
                else
                        r = buffer_append(to, &c, 1);
                escape -= escape > 0;
        }
        return r;
}

size_t terminal_width(const char *text)
{
        size_t n = 0;

        for (; *text; text++)
                n += ((unsigned char)*text & 0xc0) != 0x80;
        return n;
}

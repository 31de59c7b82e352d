/* Every event passes here, so nothing is printed by format strings, the second of the time stamp is kept, and
 * what needs neither quotes nor escapes is copied as it is. Both formats escape as JSON does, which is what
 * readers of logfmt expect between quotes.
 *
 * Room is looked at once a field: its name and all that stands around its value must fit; the value
 * then gets what is left, up to LOG_VALUE_MAX.
 */
#include <base/log_format.h>

#include <string.h>
#include <time.h>

#include <base/utf8.h>

#define EVENT_MAX 64
#define NUMBER_MAX 24 /* digits, point and sign */
#define AROUND_MAX 64 /* separators, quotes, `_cut` and its number, beside the name twice */
#define TAIL_MAX 64   /* fields_cut and the end */

struct out {
        char *at, *end;
        bool json;
};

static void put(struct out *o, const char *data, size_t size)
{
        memcpy(o->at, data, size);
        o->at += size;
}

#define PUT(o, literal) put((o), (literal), sizeof(literal) - 1)

static void put_string(struct out *o, const char *text)
{
        put(o, text, strlen(text));
}

static size_t room(const struct out *o)
{
        return (size_t)(o->end - o->at);
}

/* --- numbers and time --------------------------------------------------------------------------- */

static void put_uint(struct out *o, uint64_t value)
{
        char digits[NUMBER_MAX], *first = digits + sizeof(digits);

        do {
                *--first = (char)('0' + value % 10);
                value /= 10;
        } while (value > 0);
        put(o, first, (size_t)(digits + sizeof(digits) - first));
}

static void put_int(struct out *o, int64_t value)
{
        if (value < 0)
                *o->at++ = '-';
        put_uint(o, value < 0 ? -(uint64_t)value : (uint64_t)value);
}

static void put_three_digits(struct out *o, unsigned value)
{
        *o->at++ = (char)('0' + value / 100);
        *o->at++ = (char)('0' + value / 10 % 10);
        *o->at++ = (char)('0' + value % 10);
}

static void put_thousandths(struct out *o, uint64_t value)
{
        put_uint(o, value / 1000);
        *o->at++ = '.';
        put_three_digits(o, (unsigned)(value % 1000));
}

static void put_time(struct out *o, uint64_t wall_ms)
{
        static char text[] = "1970-01-01T00:00:00";
        static time_t of = 0;
        time_t second = (time_t)(wall_ms / 1000);
        struct tm tm;

        if (second != of && gmtime_r(&second, &tm) &&
            strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm) > 0)
                of = second;
        put(o, text, sizeof(text) - 1);
        *o->at++ = '.';
        put_three_digits(o, (unsigned)(wall_ms % 1000));
        *o->at++ = 'Z';
}

/* --- text --------------------------------------------------------------------------------------- */

enum character {
        CHARACTER_SPECIAL, /* to be escaped, or the first of several bytes */
        CHARACTER_QUOTED,  /* stands for itself between quotes, */
        CHARACTER_BARE,    /* and outside of them as well */
};

static enum character character_of(char c)
{
        static const unsigned char characters[256] = {
                [' '] = CHARACTER_QUOTED,       ['!'] = CHARACTER_BARE,
                ['#' ... '<'] = CHARACTER_BARE, ['='] = CHARACTER_QUOTED,
                ['>' ... '['] = CHARACTER_BARE, [']' ... '~'] = CHARACTER_BARE,
        };

        return characters[(unsigned char)c];
}

/* How many characters at `text` are of this kind or a plainer one. */
static size_t run_of(const char *text, size_t max, enum character least)
{
        size_t n = 0;

        while (n < max && character_of(text[n]) >= least)
                n++;
        return n;
}

/* Of two or three bytes, which are valid. */
static unsigned code_point(const char *text, size_t n)
{
        const unsigned char *c = (const unsigned char *)text;

        return n == 2 ? (c[0] & 0x1fu) << 6 | (c[1] & 0x3fu)
                      : (c[0] & 0x0fu) << 12 | (c[1] & 0x3fu) << 6 | (c[2] & 0x3fu);
}

/* What a terminal obeys or is led astray by: control characters of both sets, ends of lines, and those that
 * change the direction of the text around them. */
static bool is_unsafe(unsigned code)
{
        return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x61c || code == 0x200e ||
               code == 0x200f || (code >= 0x2028 && code <= 0x202e) ||
               (code >= 0x2066 && code <= 0x2069);
}

/* Answers the size. */
static size_t escape(char to[6], unsigned code)
{
        static const char hex[] = "0123456789abcdef";
        static const char letters[] = { ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f',
                                        ['\r'] = 'r', ['"'] = '"',  ['\\'] = '\\' };

        to[0] = '\\';
        if (code < sizeof(letters) && letters[code] != '\0') {
                to[1] = letters[code];
                return 2;
        }
        to[1] = 'u';
        for (int i = 0; i < 4; i++)
                to[2 + i] = hex[code >> (12 - 4 * i) & 0xf];
        return 6;
}

/* One character that does not stand for itself; answers how many bytes it has in `text`, or 0 if the way it
 * is written has no room before `limit`. */
static size_t put_special(struct out *o, const char *limit, const char *text, const char *end)
{
        size_t length = utf8_length(text, end), size;
        const char *written = text;
        char escaped[6];

        if (length == 0) {
                written = "\xef\xbf\xbd"; /* U+FFFD, the replacement character */
                size = 3;
                length = 1;
        } else if (length == 1) {
                size = escape(escaped, (unsigned char)*text);
                written = escaped;
        } else if (length < 4 && is_unsafe(code_point(text, length))) {
                size = escape(escaped, code_point(text, length));
                written = escaped;
        } else {
                size = length;
        }
        if (size > (size_t)(limit - o->at))
                return 0;
        put(o, written, size);
        return length;
}

/* Between quotes, at most `max` bytes; answers how much of the text that was. */
static size_t put_quoted(struct out *o, const char *text, size_t size, size_t max)
{
        const char *limit = o->at + max;
        size_t done = 0, n;

        while (done < size) {
                n = run_of(text + done, MIN(size - done, (size_t)(limit - o->at)),
                           CHARACTER_QUOTED);
                if (n > 0)
                        put(o, text + done, n);
                else
                        n = put_special(o, limit, text + done, text + size);
                if (n == 0)
                        break;
                done += n;
        }
        return done;
}

/* --- fields ------------------------------------------------------------------------------------- */

static void put_name(struct out *o, const char *name, const char *suffix)
{
        if (o->json)
                PUT(o, ",\"");
        else
                *o->at++ = ' ';
        put_string(o, name);
        put_string(o, suffix);
        if (o->json)
                PUT(o, "\":");
        else
                *o->at++ = '=';
}

static void put_text(struct out *o, const char *name, const char *text, size_t size)
{
        size_t max = MIN(room(o) - strlen(name) - AROUND_MAX, (size_t)LOG_VALUE_MAX), done;

        if (!o->json && size > 0 && size <= max && run_of(text, size, CHARACTER_BARE) == size) {
                put(o, text, size);
                return;
        }
        *o->at++ = '"';
        done = put_quoted(o, text, size, max);
        *o->at++ = '"';
        if (done < size) {
                put_name(o, name, "_cut");
                put_uint(o, size - done);
        }
}

static bool is_absent(const struct log_field *f)
{
        return f->type == FIELD_NONE || (f->type == FIELD_STRING && !f->string) ||
               (f->type == FIELD_BYTES && !f->bytes.data);
}

static void put_value(struct out *o, const struct log_field *f)
{
        switch (f->type) {
        case FIELD_NONE:
                break;
        case FIELD_STRING:
                put_text(o, f->name, f->string, strlen(f->string));
                break;
        case FIELD_BYTES:
                put_text(o, f->name, f->bytes.data, f->bytes.size);
                break;
        case FIELD_UINT:
                put_uint(o, f->uint);
                break;
        case FIELD_INT:
                put_int(o, f->sint);
                break;
        case FIELD_THOUSANDTHS:
                put_thousandths(o, f->uint);
                break;
        }
}

/* Answers how many had no room. */
static size_t put_fields(struct out *o, const struct log_field *fields, size_t n)
{
        size_t cut = 0;

        for (size_t i = 0; i < n; i++) {
                if (is_absent(&fields[i]))
                        continue;
                if (room(o) < 2 * strlen(fields[i].name) + AROUND_MAX + NUMBER_MAX) {
                        cut++;
                        continue;
                }
                put_name(o, fields[i].name, "");
                put_value(o, &fields[i]);
        }
        return cut;
}

/* --- the line ----------------------------------------------------------------------------------- */

static void put_head(struct out *o, const struct log_line *line, bool colour)
{
        static const char *const colours[] = {
                [LOG_DEBUG] = "\033[2m",
                [LOG_INFO] = "\033[32m",
                [LOG_WARN] = "\033[33m",
                [LOG_ERROR] = "\033[31m",
        };

        put_string(o, o->json ? "{\"ts\":\"" : "ts=");
        put_time(o, line->wall_ms);
        put_string(o, o->json ? "\",\"level\":\"" : " ");
        if (colour)
                put_string(o, colours[line->level]);
        if (!o->json)
                PUT(o, "level=");
        put_string(o, log_level_name(line->level));
        put_string(o, o->json ? "\",\"event\":\"" : " event=");
        put(o, line->event, strnlen(line->event, EVENT_MAX));
        if (colour)
                PUT(o, "\033[0m");
        if (o->json)
                *o->at++ = '"';
}

static void put_priority(struct out *o, enum log_level level)
{
        static const char *const priorities[] = {
                [LOG_DEBUG] = "<7>",
                [LOG_INFO] = "<6>",
                [LOG_WARN] = "<4>",
                [LOG_ERROR] = "<3>",
        };

        put_string(o, priorities[level]);
}

size_t log_format(char *to, const struct log_line *line, struct log_style style)
{
        struct out o = { .at = to, .end = to + LOG_LINE_MAX - TAIL_MAX, .json = style.json };
        size_t cut;

        if (style.priority)
                put_priority(&o, line->level);
        put_head(&o, line, style.colour);
        cut = put_fields(&o, line->fields, line->n_fields);
        if (cut > 0) {
                put_name(&o, "fields_cut", "");
                put_uint(&o, cut);
        }
        if (style.json)
                *o.at++ = '}';
        *o.at++ = '\n';
        return (size_t)(o.at - to);
}

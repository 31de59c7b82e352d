/* Numbers, with and without a unit. A quoted "5" is a text, unless the environment is in it. */
#include <config/value.h>

#include <errno.h>
#include <string.h>

#include <base/parse.h>

struct unit {
        const char *name;
        uint64_t factor;
};

/* The largest first. */
static const struct unit duration_units[] = { { "d", PEN_DAY },
                                              { "h", PEN_HOUR },
                                              { "m", PEN_MINUTE },
                                              { "s", PEN_SEC },
                                              { "ms", PEN_MSEC } };
static const struct unit size_units[] = {
        { "GiB", 1 << 30 }, { "MiB", 1 << 20 }, { "KiB", 1 << 10 }, { "B", 1 }
};
static const struct unit rate_units[] = {
        { "/s", 1 }, { "/m", 60 }, { "/h", 3600 }, { "/d", 86400 }
};

/* The largest unit of which it is a whole number. */
static int write_in_units(uint64_t value, const struct unit *units, size_t n, struct buffer *to)
{
        const struct unit *u = units;

        if (value == 0)
                return buffer_append(to, "0", 1);
        while (u < units + n - 1 && value % u->factor != 0)
                u++;
        return buffer_printf(to, "%llu%s", (unsigned long long)(value / u->factor), u->name);
}

static int write_whole(uint64_t value, struct buffer *to)
{
        return buffer_printf(to, "%llu", (unsigned long long)value);
}

int value_write_duration(pen_usec usec, struct buffer *to)
{
        return write_in_units(usec, duration_units, ARRAY_SIZE(duration_units), to);
}

static int write_size(uint64_t value, struct buffer *to)
{
        return write_in_units(value, size_units, ARRAY_SIZE(size_units), to);
}

/* --- whole numbers, durations, sizes ------------------------------------------------------------ */

static uint64_t load(const struct key *key, const void *record)
{
        return key->size == sizeof(uint64_t) ? *(const uint64_t *)key_field(key, record)
                                             : *(const unsigned *)key_field(key, record);
}

static void store(const struct key *key, void *record, uint64_t value)
{
        if (key->size == sizeof(uint64_t))
                *(uint64_t *)key_field(key, record) = value;
        else
                *(unsigned *)key_field(key, record) = (unsigned)value; /* key->max fits */
}

static int read_number(const struct reading *in, const struct key *key, const struct node *node,
                       int (*parse)(const char *text, uint64_t *ret), void *record)
{
        const char *text;
        uint64_t value;
        int r = value_expand(in, node, &text);

        if (r < 0 || !text)
                return r;
        if (parse(text, &value) < 0 || value < key->min || value > key->max)
                return value_refuse(in, key, node);
        store(key, record, value);
        return 0;
}

/* "FORM from MIN to MAX" */
static int describe_range(const struct key *key, const char *form,
                          int (*write)(uint64_t value, struct buffer *to), struct buffer *to)
{
        int r = buffer_printf(to, "%s from ", form);

        if (r == 0)
                r = write(key->min, to);
        if (r == 0)
                r = buffer_printf(to, " to ");
        return r < 0 ? r : write(key->max, to);
}

/* A text in quotes is no number, but `"${N}"` must be quoted in a `{…}`. */
static bool is_text(const struct node *node)
{
        return !node->plain && !strstr(node->text, "${");
}

static int read_whole(const struct reading *in, const struct key *key, const struct node *node,
                      void *record)
{
        if (is_text(node))
                return value_refuse(in, key, node);
        return read_number(in, key, node, parse_u64, record);
}

static int write_whole_field(const struct key *key, const void *record, bool reveal,
                             struct buffer *to)
{
        (void)reveal;
        return write_whole(load(key, record), to);
}

static int describe_whole(const struct key *key, struct buffer *to)
{
        return describe_range(key, "a whole number", write_whole, to);
}

const struct value_type type_whole = { NODE_SCALAR, read_whole, write_whole_field, describe_whole };

static int read_duration(const struct reading *in, const struct key *key, const struct node *node,
                         void *record)
{
        return read_number(in, key, node, parse_duration, record);
}

static int write_duration_field(const struct key *key, const void *record, bool reveal,
                                struct buffer *to)
{
        (void)reveal;
        return value_write_duration(load(key, record), to);
}

static int describe_duration(const struct key *key, struct buffer *to)
{
        return describe_range(key, "a duration like 250ms, 30s, 5m, 2h or 7d,",
                              value_write_duration, to);
}

const struct value_type type_duration = { NODE_SCALAR, read_duration, write_duration_field,
                                          describe_duration };

static int read_size(const struct reading *in, const struct key *key, const struct node *node,
                     void *record)
{
        return read_number(in, key, node, parse_size, record);
}

static int write_size_field(const struct key *key, const void *record, bool reveal,
                            struct buffer *to)
{
        (void)reveal;
        return write_size(load(key, record), to);
}

static int describe_size(const struct key *key, struct buffer *to)
{
        return describe_range(key, "a size like 512B, 64KiB, 1MiB or 2GiB,", write_size, to);
}

const struct value_type type_size = { NODE_SCALAR, read_size, write_size_field, describe_size };

/* --- permissions -------------------------------------------------------------------------------- */

/* 0660: the 0 shows that it is octal; quotes or not. */
static int parse_octal(const char *text, uint64_t *ret)
{
        uint64_t value = 0;

        if (*text != '0' || strlen(text) != 4 || strspn(text, "01234567") != 4)
                return -EINVAL;
        for (; *text; text++)
                value = value * 8 + (uint64_t)(*text - '0');
        *ret = value;
        return 0;
}

static int read_mode(const struct reading *in, const struct key *key, const struct node *node,
                     void *record)
{
        return read_number(in, key, node, parse_octal, record);
}

static int write_mode(const struct key *key, const void *record, bool reveal, struct buffer *to)
{
        (void)reveal;
        return buffer_printf(to, "\"%04o\"", (unsigned)load(key, record));
}

static int describe_mode(const struct key *key, struct buffer *to)
{
        return buffer_printf(to, "octal permissions from 0000 to %04o, like 0660",
                             (unsigned)key->max);
}

const struct value_type type_mode = { NODE_SCALAR, read_mode, write_mode, describe_mode };

/* --- rates -------------------------------------------------------------------------------------- */

static int read_rate(const struct reading *in, const struct key *key, const struct node *node,
                     void *record)
{
        const char *text;
        double value;
        int r = value_expand(in, node, &text);

        if (r < 0 || !text)
                return r;
        if (parse_rate(text, &value) < 0 || value > (double)key->max)
                return value_refuse(in, key, node);
        *(double *)key_field(key, record) = value;
        return 0;
}

/* In the unit that gives back the same number: the one it was written in does, others may. */
static int write_rate(const struct key *key, const void *record, bool reveal, struct buffer *to)
{
        double value = *(const double *)key_field(key, record);

        (void)reveal;
        for (const struct unit *u = rate_units;; u++) {
                uint64_t n = (uint64_t)(value * (double)u->factor + 0.5);
                bool last = u == rate_units + ARRAY_SIZE(rate_units) - 1;

                if (last || (n > 0 && (double)n / (double)u->factor == value))
                        return buffer_printf(to, "%llu%s", (unsigned long long)n, u->name);
        }
}

static int describe_rate(const struct key *key, struct buffer *to)
{
        return buffer_printf(to, "a rate like 100/s, 6000/m, 3/h or 1/d, at most %llu/s",
                             (unsigned long long)key->max);
}

const struct value_type type_rate = { NODE_SCALAR, read_rate, write_rate, describe_rate };

/* --- decimals ----------------------------------------------------------------------------------- */

#define DIGITS_MAX 15 /* so that a double holds them, and one division rounds once */

/* 2, 0.5; not .5, 2., 1e3, 007 or a comma, whatever the locale. */
static int parse_decimal(const char *text, double *ret)
{
        size_t whole = strspn(text, "0123456789"), fraction = 0;
        uint64_t digits = 0, scale = 1;

        if (whole == 0 || (whole > 1 && *text == '0'))
                return -EINVAL;
        if (text[whole] == '.') {
                fraction = strspn(text + whole + 1, "0123456789");
                if (fraction == 0 || text[whole + 1 + fraction])
                        return -EINVAL;
        } else if (text[whole]) {
                return -EINVAL;
        }
        if (whole + fraction > DIGITS_MAX)
                return -ERANGE;
        for (size_t i = 0; i < whole + fraction + (fraction > 0); i++)
                if (text[i] != '.')
                        digits = digits * 10 + (uint64_t)(text[i] - '0');
        for (size_t i = 0; i < fraction; i++)
                scale *= 10;
        *ret = (double)digits / (double)scale;
        return 0;
}

static int read_decimal(const struct reading *in, const struct key *key, const struct node *node,
                        void *record)
{
        const char *text;
        double value;
        int r = value_expand(in, node, &text);

        if (r < 0 || !text)
                return r;
        if (is_text(node) || parse_decimal(text, &value) < 0 || value < (double)key->min ||
            value > (double)key->max)
                return value_refuse(in, key, node);
        *(double *)key_field(key, record) = value;
        return 0;
}

/* With the fewest digits that give back the same number. */
static int write_decimal(const struct key *key, const void *record, bool reveal, struct buffer *to)
{
        double value = *(const double *)key_field(key, record);
        uint64_t scale = 1, n;
        int places = 0;

        (void)reveal;
        for (;; places++, scale *= 10) {
                n = (uint64_t)(value * (double)scale + 0.5);
                if ((double)n / (double)scale == value || places == DIGITS_MAX)
                        break;
        }
        if (places == 0)
                return write_whole(n, to);
        return buffer_printf(to, "%llu.%0*llu", (unsigned long long)(n / scale), places,
                             (unsigned long long)(n % scale));
}

static int describe_decimal(const struct key *key, struct buffer *to)
{
        return describe_range(key, "a number like 2 or 0.5", write_whole, to);
}

const struct value_type type_decimal = { NODE_SCALAR, read_decimal, write_decimal,
                                         describe_decimal };

#include <base/parse.h>

#include <errno.h>
#include <string.h>
#include <time.h>

const char parse_duration_form[] = "a number with its unit, like 250ms, 30s, 5m, 2h or 7d";
const char parse_size_form[] = "a number with its unit, like 512B, 64KiB, 1MiB or 2GiB";
const char parse_rate_form[] = "a number per unit of time, like 100/s, 6000/m, 3/h or 1/d";
const char parse_time_form[] = "RFC 3339 like 2026-11-21T09:30:00Z, or epoch milliseconds";

struct unit {
        const char *name;
        uint64_t factor;
};

static bool is_digit(char c)
{
        return c >= '0' && c <= '9';
}

/* Reads digits; *text is left behind them. */
static int read_number(const char **text, uint64_t *ret)
{
        const char *i = *text;
        uint64_t value = 0;

        if (!is_digit(*i) || (*i == '0' && is_digit(i[1])))
                return -EINVAL;
        for (; is_digit(*i); i++)
                if (__builtin_mul_overflow(value, 10, &value) ||
                    __builtin_add_overflow(value, (uint64_t)(*i - '0'), &value))
                        return -ERANGE;
        *text = i;
        *ret = value;
        return 0;
}

int parse_u64(const char *text, uint64_t *ret)
{
        uint64_t value;
        int r = read_number(&text, &value);

        if (r < 0)
                return r;
        if (*text)
                return -EINVAL;
        *ret = value;
        return 0;
}

static int parse_with_unit(const char *text, const struct unit *units, uint64_t *ret)
{
        uint64_t value;
        int r = read_number(&text, &value);

        if (r < 0)
                return r;
        if (!*text && value == 0) {
                *ret = 0;
                return 0;
        }
        for (; units->name; units++)
                if (!strcmp(text, units->name)) {
                        if (__builtin_mul_overflow(value, units->factor, &value))
                                return -ERANGE;
                        *ret = value;
                        return 0;
                }
        return -EINVAL;
}

int parse_duration(const char *text, pen_usec *ret)
{
        static const struct unit units[] = {
                { "ms", PEN_MSEC }, { "s", PEN_SEC }, { "m", PEN_MINUTE },
                { "h", PEN_HOUR },  { "d", PEN_DAY }, { 0 },
        };

        return parse_with_unit(text, units, ret);
}

int parse_size(const char *text, uint64_t *ret)
{
        static const struct unit units[] = {
                { "B", 1 }, { "KiB", 1 << 10 }, { "MiB", 1 << 20 }, { "GiB", 1 << 30 }, { 0 },
        };

        return parse_with_unit(text, units, ret);
}

int parse_rate(const char *text, double *ret_per_second)
{
        static const struct unit units[] = {
                { "/s", 1 }, { "/m", 60 }, { "/h", 3600 }, { "/d", 86400 }, { 0 },
        };
        uint64_t value;
        int r = read_number(&text, &value);

        if (r < 0)
                return r;
        for (const struct unit *u = units; u->name; u++)
                if (!strcmp(text, u->name)) {
                        if (value == 0)
                                return -ERANGE;
                        *ret_per_second = (double)value / (double)u->factor;
                        return 0;
                }
        return -EINVAL;
}

/* Exactly `digits` of them, within bounds. */
static int read_field(const char **text, unsigned digits, int low, int high, int *ret)
{
        int value = 0;

        for (unsigned i = 0; i < digits; i++) {
                if (!is_digit((*text)[i]))
                        return -EINVAL;
                value = value * 10 + (*text)[i] - '0';
        }
        if (value < low || value > high)
                return -EINVAL;
        *text += digits;
        *ret = value;
        return 0;
}

static int read_literal(const char **text, const char *allowed)
{
        if (!**text || !strchr(allowed, **text))
                return -EINVAL;
        (*text)++;
        return 0;
}

static int days_in_month(int year, int month)
{
        static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
        bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

        return month == 2 && leap ? 29 : days[month - 1];
}

static int parse_rfc3339(const char *text, uint64_t *ret_ms)
{
        struct tm tm = { 0 };
        int year, month, day, hour, minute, second, r, offset = 0;
        uint64_t ms = 0;
        int64_t seconds;

        if ((r = read_field(&text, 4, 1970, 9999, &year)) < 0 ||
            (r = read_literal(&text, "-")) < 0 || (r = read_field(&text, 2, 1, 12, &month)) < 0 ||
            (r = read_literal(&text, "-")) < 0 ||
            (r = read_field(&text, 2, 1, days_in_month(year, month), &day)) < 0 ||
            (r = read_literal(&text, "Tt ")) < 0 || (r = read_field(&text, 2, 0, 23, &hour)) < 0 ||
            (r = read_literal(&text, ":")) < 0 || (r = read_field(&text, 2, 0, 59, &minute)) < 0 ||
            (r = read_literal(&text, ":")) < 0 || (r = read_field(&text, 2, 0, 60, &second)) < 0)
                return r;
        if (*text == '.') {
                uint64_t scale = 100;

                if (!is_digit(*++text))
                        return -EINVAL;
                for (; is_digit(*text); text++, scale /= 10)
                        ms += (uint64_t)(*text - '0') * scale;
        }
        if (*text == 'Z' || *text == 'z') {
                text++;
        } else {
                int sign = *text == '-' ? -1 : 1, hours, minutes;

                if ((r = read_literal(&text, "+-")) < 0 ||
                    (r = read_field(&text, 2, 0, 23, &hours)) < 0 ||
                    (r = read_literal(&text, ":")) < 0 ||
                    (r = read_field(&text, 2, 0, 59, &minutes)) < 0)
                        return r;
                offset = sign * (hours * 3600 + minutes * 60);
        }
        if (*text)
                return -EINVAL;
        tm.tm_year = year - 1900;
        tm.tm_mon = month - 1;
        tm.tm_mday = day;
        tm.tm_hour = hour;
        tm.tm_min = minute;
        tm.tm_sec = second;
        seconds = (int64_t)timegm(&tm) - offset;
        if (seconds < 0)
                return -ERANGE;
        *ret_ms = (uint64_t)seconds * 1000 + ms;
        return 0;
}

int parse_time(const char *text, uint64_t *ret_ms)
{
        if (strspn(text, "0123456789") == strlen(text))
                return parse_u64(text, ret_ms);
        return parse_rfc3339(text, ret_ms);
}

static bool consists_of(const char *text, size_t size, size_t max, const char *extra)
{
        if (size == 0 || size > max)
                return false;
        for (size_t i = 0; i < size; i++) {
                char c = text[i];

                if (!(is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) &&
                    (!c || !strchr(extra, c)))
                        return false;
        }
        return true;
}

bool parse_is_name(const char *text, size_t size)
{
        return consists_of(text, size, 64, "_.-");
}

bool parse_is_id(const char *text, size_t size)
{
        return consists_of(text, size, 128, "_.:-");
}

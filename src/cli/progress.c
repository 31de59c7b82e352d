#include <cli/progress.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <base/util.h>
#include <cli/cli.h>
#include <cli/terminal.h>
#include <penstock/loop.h>

#define TELL_EVERY (10 * PEN_SEC) /* without a terminal */
#define BAR_MAX 40

void progress_init(struct progress *p, const char *verb)
{
        *p = (struct progress){
                .verb = verb,
                .terminal = terminal_is(STDERR_FILENO),
                .began = pen_now(),
                .told = pen_now(),
                .last = pen_now(),
        };
}

/* Of the last seconds: half of what it was a second ago, half of what was since. */
static void update_rate(struct progress *p, uint64_t ended)
{
        pen_usec passed = pen_now() - p->last;
        double now;

        if (passed < PEN_SEC)
                return;
        now = (double)(ended - p->last_ended) * (double)PEN_SEC / (double)passed;
        p->rate = p->rate > 0 ? (p->rate + now) / 2 : now;
        p->last = pen_now();
        p->last_ended = ended;
}

static void format_numbers(char *to, size_t size, const struct progress *p,
                           const struct progress_numbers *n)
{
        int used = snprintf(to, size, "%llu", (unsigned long long)n->ended);
        uint64_t left = n->total > n->ended ? n->total - n->ended : 0;

#define ADD(...) used += snprintf(to + used, size - (size_t)used, __VA_ARGS__)
        if (n->total > 0)
                ADD("/%llu  %llu%%", (unsigned long long)n->total,
                    (unsigned long long)(MIN(n->ended, n->total) * 100 / n->total));
        if (n->failed > 0)
                ADD("  %llu failed", (unsigned long long)n->failed);
        if (n->running >= 0)
                ADD("  %zd running", n->running);
        if (p->rate > 0)
                ADD("  %.*f/s", p->rate < 10 ? 1 : 0, p->rate);
        if (n->draining)
                ADD("  stopping");
        else if (p->rate > 0 && left > 0)
                ADD("  %.0fs left", (double)left / p->rate);
#undef ADD
}

static void draw(struct progress *p, const struct progress_numbers *n)
{
        unsigned width = terminal_columns(STDERR_FILENO), bar, full;
        char numbers[160], line[BAR_MAX + 1];
        size_t length;

        format_numbers(numbers, sizeof(numbers), p, n);
        length = strlen(numbers);
        fputs("\r\033[K", stderr);
        if (n->total > 0 && width > length + 14) {
                bar = (unsigned)MIN(width - length - 4, (size_t)BAR_MAX);
                full = (unsigned)(MIN(n->ended, n->total) * bar / n->total);
                memset(line, ' ', bar);
                memset(line, '#', full);
                line[bar] = '\0';
                fprintf(stderr, "[%s] ", line);
        }
        fprintf(stderr, "%.*s", (int)(width - 1), numbers);
        fflush(stderr);
        p->drawn = true;
}

void progress_update(struct progress *p, const struct progress_numbers *numbers)
{
        char text[160];

        update_rate(p, numbers->ended);
        if (p->terminal) {
                draw(p, numbers);
        } else if (pen_now() - p->told >= TELL_EVERY) {
                p->told = pen_now();
                format_numbers(text, sizeof(text), p, numbers);
                cli_say(p->verb, "%s", text);
        }
}

void progress_end(struct progress *p)
{
        if (p->drawn)
                fputs("\r\033[K", stderr);
        p->drawn = false;
        fflush(stderr);
}

void progress_say(struct progress *p, const char *format, ...)
{
        char text[512];
        va_list args;

        progress_end(p);
        va_start(args, format);
        vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        cli_say(p->verb, "%s", text);
}

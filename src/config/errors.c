#include <config/errors.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* One error, one line, and nothing in it that moves a terminal's cursor. */
static void tame(char *text)
{
        for (; *text; text++)
                if ((unsigned char)*text < ' ' || *text == 0x7f)
                        *text = '?';
}

int errors_addv(struct errors *errors, struct mark mark, const char *key, const char *format,
                va_list args)
{
        PEN_CLEANUP(freep) char *message = NULL, *text = NULL;
        struct error *error;
        int size;

        if (errors->n >= ERRORS_MAX) {
                errors->n++;
                return 0;
        }
        if (vasprintf(&message, format, args) < 0) {
                message = NULL; /* it is undefined then */
                return -ENOMEM;
        }
        size = asprintf(&text, "%s%s%s", key ? key : "", key ? ": " : "", message);
        if (size < 0) {
                text = NULL;
                return -ENOMEM;
        }
        tame(text);
        error = &errors->list[errors->n];
        error->mark = mark;
        error->text = arena_copy(&errors->arena, text, (size_t)size);
        if (!error->text)
                return -ENOMEM;
        errors->n++;
        return 0;
}

int errors_add(struct errors *errors, struct mark mark, const char *key, const char *format, ...)
{
        va_list args;
        int r;

        va_start(args, format);
        r = errors_addv(errors, mark, key, format, args);
        va_end(args);
        return r;
}

bool errors_at(const struct errors *errors, struct mark mark)
{
        for (size_t i = 0; i < MIN(errors->n, (size_t)ERRORS_MAX); i++)
                if (errors->list[i].mark.line == mark.line &&
                    errors->list[i].mark.column == mark.column)
                        return true;
        return false;
}

static bool is_before(struct mark a, struct mark b)
{
        return a.line != b.line ? a.line < b.line : a.column < b.column;
}

/* By insertion: stable, and they come nearly sorted. */
static void sort(struct error *list, size_t n)
{
        for (size_t i = 1; i < n; i++) {
                struct error moved = list[i];
                size_t j = i;

                for (; j > 0 && is_before(moved.mark, list[j - 1].mark); j--)
                        list[j] = list[j - 1];
                list[j] = moved;
        }
}

static int write_one(const struct errors *errors, const struct error *e, struct buffer *to)
{
        if (e->mark.line == 0)
                return buffer_printf(to, "%s: %s\n", errors->file, e->text);
        return buffer_printf(to, "%s:%u:%u: %s\n", errors->file, e->mark.line, e->mark.column,
                             e->text);
}

int errors_write(struct errors *errors, struct buffer *to)
{
        size_t told = MIN(errors->n, (size_t)ERRORS_MAX);
        int r;

        sort(errors->list, told);
        for (size_t i = 0; i < told; i++) {
                r = write_one(errors, &errors->list[i], to);
                if (r < 0)
                        return r;
        }
        if (errors->n <= told)
                return 0;
        return buffer_printf(to, "%s: and %zu more errors\n", errors->file, errors->n - told);
}

void errors_deinit(struct errors *errors)
{
        arena_deinit(&errors->arena);
        errors->n = 0;
}

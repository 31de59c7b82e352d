#include <cli/table.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <cli/terminal.h>

#define GAP 2
#define SHRUNK_MIN 8 /* columns that a cut cell keeps */
#define ELLIPSIS "\xe2\x80\xa6"

struct table_cell {
        enum table_mark mark;
        char *text;
        size_t width;
};

void table_init(struct table *table, const struct table_column *columns, size_t n_columns)
{
        *table = (struct table){ .columns = columns, .n_columns = n_columns };
}

void table_deinit(struct table *table)
{
        for (size_t i = 0; i < table->n_cells; i++)
                free(table->cells[i].text);
        free(table->cells);
}

int table_add(struct table *table, enum table_mark mark, const char *format, ...)
{
        PEN_CLEANUP(buffer_deinit) struct buffer escaped = { 0 };
        PEN_CLEANUP(freep) char *text = NULL;
        struct table_cell *cells, *cell;
        va_list args;
        int r;

        va_start(args, format);
        r = vasprintf(&text, format, args);
        va_end(args);
        if (r < 0) {
                text = NULL;
                return -ENOMEM;
        }
        r = terminal_escape(&escaped, text, strlen(text));
        if (r < 0)
                return r;
        cells = reallocarray(table->cells, table->n_cells + 1, sizeof(*cells));
        if (!cells)
                return -ENOMEM;
        table->cells = cells;
        cell = &cells[table->n_cells];
        cell->mark = mark;
        cell->text = buffer_take(&escaped, NULL);
        if (!cell->text)
                return -ENOMEM;
        cell->width = terminal_width(cell->text);
        table->n_cells++;
        return 0;
}

/* --- widths ------------------------------------------------------------------------------------- */

static void measure(const struct table *table, size_t *widths)
{
        for (size_t i = 0; i < table->n_columns; i++)
                widths[i] = terminal_width(table->columns[i].title);
        for (size_t i = 0; i < table->n_cells; i++)
                widths[i % table->n_columns] =
                        MAX(widths[i % table->n_columns], table->cells[i].width);
}

static size_t total(const struct table *table, const size_t *widths)
{
        size_t sum = GAP * (table->n_columns - 1);

        for (size_t i = 0; i < table->n_columns; i++)
                sum += widths[i];
        return sum;
}

/* The widest of those that may, a column at a time, so that they end alike. */
static void fit(const struct table *table, size_t *widths, size_t columns)
{
        while (total(table, widths) > columns) {
                size_t *widest = NULL;

                for (size_t i = 0; i < table->n_columns; i++)
                        if (table->columns[i].shrinks && widths[i] > SHRUNK_MIN &&
                            (!widest || widths[i] > *widest))
                                widest = &widths[i];
                if (!widest)
                        return;
                --*widest;
        }
}

/* --- writing ------------------------------------------------------------------------------------ */

/* The bytes of the first `width` characters. */
static size_t prefix(const char *text, size_t width)
{
        size_t i = 0;

        for (; text[i]; i++)
                if (((unsigned char)text[i] & 0xc0) != 0x80 && width-- == 0)
                        break;
        return i;
}

static int write_cell(struct buffer *to, const struct table_cell *cell, size_t width,
                      const struct table_column *column, bool last, bool colour)
{
        static const char *const codes[] = { "", "\033[31m", "\033[2m" };
        size_t blanks = cell->width < width ? width - cell->width : 0;
        const char *code = colour ? codes[cell->mark] : "";
        bool cut = cell->width > width;
        int size = (int)(cut ? prefix(cell->text, width - 1) : strlen(cell->text));

        return buffer_printf(to, "%*s%s%.*s%s%s%*s%s", column->right ? (int)blanks : 0, "", code,
                             size, cell->text, cut ? ELLIPSIS : "", *code ? "\033[0m" : "",
                             column->right || last ? 0 : (int)blanks, "", last ? "\n" : "  ");
}

static int write_titles(const struct table *table, struct buffer *to, const size_t *widths,
                        bool colour)
{
        int r = 0;

        for (size_t i = 0; i < table->n_columns && r == 0; i++) {
                const char *title = table->columns[i].title;
                struct table_cell cell = {
                        .mark = TABLE_DIM,
                        .text = (char *)(uintptr_t)title,
                        .width = terminal_width(title),
                };

                r = write_cell(to, &cell, widths[i], &table->columns[i], i + 1 == table->n_columns,
                               colour);
        }
        return r;
}

int table_write(const struct table *table, struct buffer *to, unsigned columns, bool colour)
{
        size_t widths[TABLE_COLUMNS_MAX];
        int r;

        measure(table, widths);
        if (columns > 0)
                fit(table, widths, columns);
        r = write_titles(table, to, widths, colour);
        for (size_t i = 0; i < table->n_cells && r == 0; i++) {
                size_t column = i % table->n_columns;

                r = write_cell(to, &table->cells[i], widths[column], &table->columns[column],
                               column + 1 == table->n_columns, colour);
        }
        return r;
}

int table_print(const struct table *table)
{
        PEN_CLEANUP(buffer_deinit) struct buffer text = { 0 };
        unsigned columns = isatty(STDOUT_FILENO) ? terminal_columns(STDOUT_FILENO) : 0;
        int r = table_write(table, &text, columns, terminal_has_colour(STDOUT_FILENO));

        if (r < 0)
                return r;
        fwrite(buffer_data(&text), 1, buffer_size(&text), stdout);
        return 0;
}

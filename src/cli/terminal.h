/* What a terminal can show. */
#pragma once

#include <base/buffer.h>

/* `fd` is a terminal that moves its cursor. */
bool terminal_is(int fd);

/* It is, and nobody said NO_COLOR. */
bool terminal_has_colour(int fd);

unsigned terminal_columns(int fd); /* 80 if it does not tell */

/* Appends the text with nothing in it that a terminal would obey: line ends become " | ", control
 * characters, those of U+0080 to U+009F and of writing direction too, and what is not UTF-8, "\xNN".
 * -ENOMEM. */
int terminal_escape(struct buffer *to, const char *text, size_t size);

/* The columns that escaped text takes: a column a character. */
size_t terminal_width(const char *text);

/* The nearest of the known names to what somebody wrote, for "did you mean": by Levenshtein's
 * distance, the first of those equally near.
 *
 *     struct nearest nearest = { .word = word, .size = size };
 *     for (...)
 *             nearest_try(&nearest, known[i]);
 *     ... nearest.name
 */
#pragma once

#include <base/util.h>

#define NEAREST_NAME_MAX 64 /* a longer name is never the nearest */
#define NEAREST_WORD_MAX 64 /* looked at, of the word */

struct nearest {
        const char *word;
        size_t size;
        const char *name; /* NULL: none was tried */
        size_t distance;
};

void nearest_try(struct nearest *nearest, const char *name);

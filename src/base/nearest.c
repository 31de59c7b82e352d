#include <base/nearest.h>

#include <string.h>

/* Insertions, deletions and substitutions from one to the other; one row of the matrix is enough. */
static size_t edit_distance(const char *name, size_t n, const char *word, size_t size)
{
        size_t row[NEAREST_NAME_MAX + 1];

        for (size_t j = 0; j <= n; j++)
                row[j] = j;
        for (size_t i = 0; i < size; i++) {
                size_t diagonal = row[0];

                row[0] = i + 1;
                for (size_t j = 0; j < n; j++) {
                        size_t substituted = diagonal + (name[j] != word[i]);

                        diagonal = row[j + 1];
                        row[j + 1] = MIN(substituted, MIN(row[j], row[j + 1]) + 1);
                }
        }
        return row[n];
}

void nearest_try(struct nearest *nearest, const char *name)
{
        size_t n = strlen(name), distance;

        if (n > NEAREST_NAME_MAX)
                return;
        distance =
                edit_distance(name, n, nearest->word, MIN(nearest->size, (size_t)NEAREST_WORD_MAX));
        if (nearest->name && distance >= nearest->distance)
                return;
        nearest->name = name;
        nearest->distance = distance;
}

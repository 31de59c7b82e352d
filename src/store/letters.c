#include <store/letters.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <base/clock.h>
#include <base/parse.h>
#include <penstock/loop.h>

void letters_init(struct letters *letters)
{
        *letters = (struct letters){ 0 };
        list_init(&letters->list);
}

void letters_remove(struct letters *letters, struct letter *letter)
{
        list_remove(&letter->link);
        letters->n--;
        letters->bytes -= job_size(letter->job);
        job_unref(letter->job);
        free(letter->error);
        free(letter);
}

static struct letter *oldest(const struct letters *letters)
{
        return list_first(&letters->list, struct letter, link);
}

void letters_deinit(struct letters *letters)
{
        while (letters->n > 0)
                letters_remove(letters, oldest(letters));
}

static void forget_old(struct letters *letters, const struct store_queue_options *options)
{
        while (letters->n > 0) {
                bool too_many = options->dead_max > 0 && letters->n > options->dead_max;
                bool too_large = options->max_bytes > 0 && letters->bytes > options->max_bytes;

                if (!too_many && !too_large &&
                    pen_now() - oldest(letters)->added_at <= options->dead_keep)
                        return;
                letters_remove(letters, oldest(letters));
        }
}

void letters_add(struct letters *letters, const struct store_queue_options *options,
                 const struct settlement *settlement)
{
        struct letter *letter;

        if (options->dead_keep == 0)
                return;
        letter = malloc(sizeof(*letter));
        if (!letter)
                return;
        *letter = (struct letter){
                .job = job_ref(settlement->job),
                .outcome = settlement->outcome,
                .failed_at = clock_wall_ms(),
                .added_at = pen_now(),
                .place = ++letters->n_added,
                .error = settlement->error ? strdup(settlement->error) : NULL,
        };
        list_append(&letters->list, &letter->link);
        letters->n++;
        letters->bytes += job_size(letter->job);
        forget_old(letters, options);
}

struct letter *letters_find(const struct letters *letters, const char *place)
{
        uint64_t wanted;

        if (parse_u64(place, &wanted) < 0)
                return NULL;
        list_for_each(i, &letters->list)
                if (list_entry(i, struct letter, link)->place == wanted)
                        return list_entry(i, struct letter, link);
        return NULL;
}

size_t letters_count(struct letters *letters, const struct store_queue_options *options)
{
        forget_old(letters, options);
        return letters->n;
}

ssize_t letters_list(struct letters *letters, const struct store_queue_options *options,
                     const char *after, struct dead_letter *ret_letters, size_t max)
{
        uint64_t place = 0;
        size_t n = 0;

        forget_old(letters, options);
        if (*after && parse_u64(after, &place) < 0)
                return -EINVAL;
        list_for_each(i, &letters->list) {
                const struct letter *letter = list_entry(i, struct letter, link);

                if (letter->place <= place)
                        continue;
                if (n == max)
                        break;
                ret_letters[n] = (struct dead_letter){
                        .job = job_ref(letter->job),
                        .outcome = letter->outcome,
                        .failed_at = letter->failed_at,
                        .error = letter->error ? strdup(letter->error) : NULL,
                };
                snprintf(ret_letters[n].place, sizeof(ret_letters[n].place), "%" PRIu64,
                         letter->place);
                n++;
        }
        return (ssize_t)n;
}

void dead_letter_deinit(struct dead_letter *letter)
{
        job_unref(TAKE(letter->job));
        free(TAKE(letter->error));
        free(TAKE(letter->daemon));
}

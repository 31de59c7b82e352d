/* penstock dead: jobs that ended dead, for people to look at and to try again. */
#include <cli/dead.h>

#include <errno.h>
#include <string.h>

static int take_page(const struct dead_letter *letters, size_t n, const char *queue,
                     int (*fn)(void *data, const char *queue, const struct dead_letter *letter),
                     void *data)
{
        int r = 0;

        for (size_t i = 0; i < n && r == 0; i++)
                r = fn(data, queue, &letters[i]);
        return r;
}

int dead_for_each(struct client *client, const char *queue,
                  int (*fn)(void *data, const char *queue, const struct dead_letter *letter),
                  void *data)
{
        PEN_CLEANUP(freep) struct dead_letter *letters = calloc(LETTERS_PAGE, sizeof(*letters));
        char after[sizeof(letters->place)] = "";
        ssize_t n;
        int r;

        if (!letters)
                return -ENOMEM;
        do {
                n = client->class->dead_list(client, queue, after, letters, LETTERS_PAGE);
                if (n <= 0)
                        return (int)n;
                strcpy(after, letters[n - 1].place);
                r = take_page(letters, (size_t)n, queue, fn, data);
                for (ssize_t i = 0; i < n; i++)
                        dead_letter_deinit(&letters[i]);
        } while (r == 0);
        return r;
}

static int dead_verb(const struct place *place, int argc, char **argv)
{
        static const struct verb *const verbs[] = { &verb_dead_list, &verb_dead_retry };

        return cli_dispatch("dead", verbs, ARRAY_SIZE(verbs), place, argc, argv);
}

const struct verb verb_dead = { "dead", "look at dead jobs, and try them again", dead_verb };

/* Dead letters in our memory: bounded by age, by number, and by the bytes of all together. */
#pragma once

#include <base/list.h>
#include <store/store.h>

struct letter {
        struct list link;
        struct job *job;
        enum outcome outcome;
        uint64_t failed_at; /* epoch ms */
        pen_usec added_at;
        uint64_t place;
        char *error;
};

struct letters {
        struct list list; /* oldest first */
        size_t n, bytes;
        uint64_t n_added;
};

void letters_init(struct letters *letters);
void letters_deinit(struct letters *letters);

/* Keeps a reference to the job; drops the oldest letters as the options say. Without memory the letter itself is
 * dropped: the job has ended either way. */
void letters_add(struct letters *letters, const struct store_queue_options *options,
                 const struct settlement *settlement);

/* How many are not too old by now. */
size_t letters_count(struct letters *letters, const struct store_queue_options *options);

struct letter *letters_find(const struct letters *letters, const char *place);
void letters_remove(struct letters *letters, struct letter *letter);

/* As the store's dead_list. */
ssize_t letters_list(struct letters *letters, const struct store_queue_options *options,
                     const char *after, struct dead_letter *ret_letters, size_t max);

/* What the verbs on dead letters share. */
#pragma once

#include <cli/cli.h>
#include <cli/client.h>

extern const struct verb verb_dead_list, verb_dead_retry;

#define LETTERS_PAGE 100

/* Calls fn(data, queue, letter) for each letter of the queue, oldest first, until it answers other than 0, and
 * answers that. `fn` may have the letter retried. */
PEN_ASYNC int dead_for_each(struct client *client, const char *queue,
                            int (*fn)(void *data, const char *queue,
                                      const struct dead_letter *letter),
                            void *data);

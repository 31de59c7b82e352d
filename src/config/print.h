/* Records as YAML, by the table of keys. Secrets are `***`. */
#pragma once

#include <config/keys.h>

/* Appends a line for each key, indented by that many steps of two spaces. -ENOMEM. */
int print_block(const struct key *keys, const void *record, unsigned depth, struct buffer *to);

/* Appends "{key: value, …}". -ENOMEM. */
int print_flow(const struct key *keys, const void *record, struct buffer *to);

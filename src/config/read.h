/* From the tree to the records, by the table of keys. */
#pragma once

#include <config/value.h>

/* Reads the file's keys, and the defaults of those that are not there. Errors are added; a key whose
 * value is refused has its default, if there is one, so that checks can go on. -ENOMEM. */
int read_keys(const struct reading *in, const struct node *root, struct config *config);

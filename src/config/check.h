/* What no key can know by itself: values against each other, and against this machine. */
#pragma once

#include <config/config.h>
#include <config/tree.h>

/* Adds errors where the tree has the values that are to blame, save where one is told already.
 * -ENOMEM. */
int check_config(struct errors *errors, const struct node *root, const struct config *config);

/* The part of it that looks at descriptors and mappings. */
int check_machine(struct errors *errors, const struct node *root, const struct config *config);

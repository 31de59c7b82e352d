#pragma once

#include <penstock/group.h>

struct pen_task;

struct pen_task *group_parent(const struct pen_group *group);

/* The loop tells the group that a child of it has ended. */
void group_child_ended(struct pen_group *group, struct pen_task *child);

#include <async/group.h>

#include <errno.h>

#include <async/loop.h>

struct pen_group {
        struct pen_task *parent;
        struct mark begun; /* how the parent's requests stood then */
        struct list children;
        size_t n;
        int error;        /* of the first child that failed */
        bool stopping;    /* its children were cancelled, or it was joined: it takes no more */
        bool joining;     /* the parent waits for the children */
        bool interrupted; /* the parent was cancelled by us: a child failed while it was elsewhere */
        uint64_t request;
};

int pen_group_create(struct pen_group **ret_group)
{
        struct pen_task *parent = pen_task_current();
        struct pen_group *group;

        if (!parent)
                return -ENXIO;
        group = malloc(sizeof(*group));
        if (!group)
                return -ENOMEM;
        *group = (struct pen_group){ .parent = parent, .begun = task_mark(parent) };
        list_init(&group->children);
        *ret_group = group;
        return 0;
}

int pen_group_spawn(struct pen_group *group, const char *name, int (*fn)(void *arg), void *arg,
                    struct pen_task **ret_task)
{
        struct pen_spawn_options options = { .name = name };
        struct pen_task *child;
        int r;

        if (group->stopping)
                return -ESHUTDOWN;
        r = pen_spawn_with(&options, fn, arg, &child);
        if (r < 0)
                return r;
        child->group = group;
        list_append(&group->children, &child->group_link);
        group->n++;
        if (ret_task)
                *ret_task = child;
        else
                pen_task_unref(child); /* the loop's reference lasts until group_child_ended */
        return 0;
}

void pen_group_cancel(struct pen_group *group)
{
        if (group->stopping)
                return;
        group->stopping = true;
        list_for_each(i, &group->children)
                pen_task_cancel(list_entry(i, struct pen_task, group_link));
}

size_t pen_group_size(const struct pen_group *group)
{
        return group->n;
}

struct pen_task *group_parent(const struct pen_group *group)
{
        return group->parent;
}

void group_child_ended(struct pen_group *group, struct pen_task *child)
{
        list_remove(&child->group_link);
        group->n--;
        child->retrieved = true;
        if (child->result < 0 && child->result != -ECANCELED && group->error == 0) {
                group->error = child->result;
                pen_group_cancel(group);
                if (!group->joining) {
                        group->interrupted = true;
                        group->request = task_request(group->parent);
                }
        }
        if (group->n == 0 && group->joining)
                task_wake(group->parent);
}

/* Our request to leave the body has done its work. */
static void take_request_back(struct pen_group *group)
{
        if (group->interrupted)
                task_take_back(group->parent, group->request);
        group->interrupted = false;
}

static int wait_for_children(struct pen_group *group)
{
        int r = task_checkpoint(group->parent);

        group->joining = true;
        while (group->n > 0 && r == 0)
                r = task_suspend(group->parent, "its group");
        if (r < 0)
                pen_group_cancel(group);
        pen_uncancellable_begin();
        while (group->n > 0 && task_suspend(group->parent, "its cancelled group") == 0)
                ;
        pen_uncancellable_end();
        group->joining = false;
        group->stopping = true;
        return r;
}

int pen_group_join(struct pen_group *group)
{
        int r;

        if (pen_task_current() != group->parent)
                return -EPERM;
        take_request_back(group);
        r = wait_for_children(group);
        if (group->error == 0)
                return r;
        task_redeliver(group->parent, group->begun); /* who meets the error shall meet those too */
        return group->error;
}

void pen_group_free(struct pen_group *group)
{
        if (!group)
                return;
        if (group->n > 0) {
                pen_group_cancel(group);
                pen_uncancellable_begin();
                (void)wait_for_children(group);
                pen_uncancellable_end();
        }
        take_request_back(group);
        free(group);
}

void pen_group_freep(struct pen_group **group)
{
        pen_group_free(*group);
}

/* Intrusive doubly linked ring. A link that is in no list points to itself. */
#pragma once

#include <base/util.h>

struct list {
        struct list *next, *prev;
};

#define LIST_INIT(l)       \
        {                  \
                &(l), &(l) \
        }
#define list_entry(link, type, member) container_of(link, type, member)
#define list_first(l, type, member) list_entry((l)->next, type, member)
#define list_for_each(i, l) for (struct list *i = (l)->next; i != (l); i = i->next)
/* `i` may be removed (and freed) in the body; no other link may. */
#define list_for_each_safe(i, l) \
        for (struct list *i = (l)->next, *_n = i->next; i != (l); i = _n, _n = i->next)

static inline void list_init(struct list *l)
{
        l->next = l->prev = l;
}

/* Of a head: nothing in it. Of a link: it is in no list. */
static inline bool list_empty(const struct list *l)
{
        return l->next == l;
}

static inline void list_insert_before(struct list *at, struct list *link)
{
        link->next = at;
        link->prev = at->prev;
        at->prev->next = link;
        at->prev = link;
}

static inline void list_append(struct list *l, struct list *link)
{
        list_insert_before(l, link);
}

static inline void list_prepend(struct list *l, struct list *link)
{
        list_insert_before(l->next, link);
}

static inline void list_remove(struct list *link)
{
        link->prev->next = link->next;
        link->next->prev = link->prev;
        list_init(link);
}

/* Moves all of `from` to the end of `to`. */
static inline void list_splice(struct list *to, struct list *from)
{
        if (list_empty(from))
                return;
        from->next->prev = to->prev;
        to->prev->next = from->next;
        from->prev->next = to;
        to->prev = from->prev;
        list_init(from);
}

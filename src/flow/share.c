#include <flow/share.h>

#include <penstock/sync.h>

void share_init(struct share *share, size_t n)
{
        *share = (struct share){ .free = (ssize_t)n };
        list_init(&share->members);
}

int share_join(struct share *share, unsigned weight, int priority, struct share_member *member)
{
        *member = (struct share_member){
                .share = share,
                .weight = weight,
                .priority = priority,
                .pass = share->pass,
        };
        list_init(&member->link);
        list_append(&share->members, &member->link);
        return pen_semaphore_create(0, 0, &member->served);
}

void share_quit(struct share_member *member)
{
        if (!member->share)
                return;
        list_remove(&member->link);
        pen_semaphore_free(TAKE(member->served));
        member->share = NULL;
}

static bool goes_before(const struct share_member *a, const struct share_member *b)
{
        return a->priority != b->priority ? a->priority > b->priority : a->pass < b->pass;
}

static struct share_member *next_to_serve(const struct share *share)
{
        struct share_member *best = NULL;

        list_for_each(i, &share->members) {
                struct share_member *member = list_entry(i, struct share_member, link);

                if (member->waiting > member->granted && (!best || goes_before(member, best)))
                        best = member;
        }
        return best;
}

static void charge(struct share_member *member)
{
        member->share->pass = MAX(member->share->pass, member->pass);
        member->pass += 1.0 / member->weight;
}

/* Gives what is free to those who wait. */
static void serve(struct share *share)
{
        struct share_member *next;

        while (share->free > 0 && (next = next_to_serve(share))) {
                share->free--;
                next->granted++;
                charge(next);
                (void)pen_semaphore_release(next->served); /* has no bound */
        }
}

int share_enter(struct share_member *member)
{
        struct share *share = member->share;
        int r;

        /* Who did not wait lately gets no credit for that. */
        if (member->waiting == 0)
                member->pass = MAX(member->pass, share->pass);
        member->waiting++;
        serve(share);
        r = pen_semaphore_acquire(member->served);
        member->waiting--;
        if (r == 0) {
                member->granted--;
        } else if (member->granted > member->waiting) {
                /* Served and cancelled at once: what nobody of this queue waits for goes to the others. */
                (void)pen_semaphore_acquire_nowait(member->served);
                member->granted--;
                share_leave(member);
        }
        return r;
}

void share_leave(struct share_member *member)
{
        member->share->free++;
        serve(member->share);
}

void share_resize(struct share *share, size_t before, size_t after)
{
        share->free += (ssize_t)after - (ssize_t)before;
        serve(share);
}

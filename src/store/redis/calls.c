#include <store/redis/calls.h>

#include <errno.h>

#include <penstock/sync.h>

#define SPARE_MAX 1024

void call_line_init(struct call_line *line)
{
        *line = (struct call_line){ .n_spare = 0 };
        list_init(&line->waiting);
        list_init(&line->spare);
}

static void call_free(struct redis_call *call)
{
        list_remove(&call->link);
        pen_event_free(call->done);
        free(call);
}

void call_line_deinit(struct call_line *line)
{
        list_for_each_safe(i, &line->spare)
                call_free(list_entry(i, struct redis_call, link));
}

static struct redis_call *allocate(struct call_line *line)
{
        struct redis_call *call = calloc(1, sizeof(*call));

        if (!call)
                return NULL;
        if (pen_event_create(&call->done) < 0) {
                free(call);
                return NULL;
        }
        call->line = line;
        list_init(&call->link);
        return call;
}

struct redis_call *call_create(struct call_line *line, pen_usec patience)
{
        struct redis_call *call;

        if (list_empty(&line->spare)) {
                call = allocate(line);
        } else {
                call = list_first(&line->spare, struct redis_call, link);
                list_remove(&call->link);
                line->n_spare--;
        }
        if (call)
                call->patience = patience;
        return call;
}

static void recycle(struct redis_call *call)
{
        answer_free(TAKE(call->answer));
        if (call->line->n_spare >= SPARE_MAX) {
                call_free(call);
                return;
        }
        pen_event_clear(call->done);
        call->orphan = false;
        list_prepend(&call->line->spare, &call->link);
        call->line->n_spare++;
}

void call_join(struct redis_call *call)
{
        list_append(&call->line->waiting, &call->link);
}

struct redis_call *call_line_first(const struct call_line *line)
{
        return list_empty(&line->waiting) ? NULL
                                          : list_first(&line->waiting, struct redis_call, link);
}

void call_line_answer(struct call_line *line, int result, struct answer *answer)
{
        struct redis_call *call = call_line_first(line);

        list_remove(&call->link);
        call->result = result;
        call->answer = answer;
        if (call->orphan)
                recycle(call);
        else
                pen_event_set(call->done);
}

int call_wait(struct redis_call *call, struct answer **ret_answer)
{
        int r = pen_event_wait(call->done);

        if (r == 0) {
                r = call->result;
                if (ret_answer && call->answer)
                        *ret_answer = TAKE(call->answer);
        }
        call_leave(call);
        return r;
}

void call_leave(struct redis_call *call)
{
        if (list_empty(&call->link))
                recycle(call);
        else
                call->orphan = true;
}

/* Which handler runs a job: the queue's own, or the one that its `types` name for the job's type. */
#pragma once

#include <handler/handler.h>
#include <job/job.h>

struct typed_handler {
        const char *type;
        struct handler *handler;
};

struct route {
        struct handler
                *handler; /* of jobs without a type, and of all if there are no types; NULL: none */
        const struct typed_handler *types;
        size_t n_types;
};

/* NULL: the type is not listed, and *ret_error (of `room` bytes) says what is. */
struct handler *route_find(const struct route *route, const char *type, char *ret_error,
                           size_t room);

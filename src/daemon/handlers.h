/* The handlers of a configuration, made together and freed together: with the last queue that uses them. */
#pragma once

#include <config/config.h>
#include <flow/route.h>

struct pen_http_client;
struct handlers;

/* Keeps a reference to the configuration. *client is made when the first handler needs one, and outlives all handlers. Less than 0: `error` (of `room` bytes) says which one, and why. */
int handlers_create(struct config *config, struct pen_http_client **client,
                    struct handlers **ret_handlers, char *error, size_t room);

struct handlers *handlers_ref(struct handlers *handlers);
void handlers_unref(struct handlers *handlers);

/* The route of a queue's jobs; `types` has room for all of the queue's, and outlives the route. */
struct route handlers_route(const struct handlers *handlers, const struct config_queue *queue,
                            struct typed_handler *types);

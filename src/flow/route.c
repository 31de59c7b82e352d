#include <flow/route.h>

#include <stdio.h>
#include <string.h>

static void list_types(const struct route *route, const char *type, char *to, size_t room)
{
        size_t n = (size_t)snprintf(to, room,
                                    type ? "type `%s` is not one of this queue's:"
                                         : "no type is given; this queue's are:",
                                    type);

        for (size_t i = 0; i < route->n_types && n < room; i++)
                n += (size_t)snprintf(to + n, room - n, " %s", route->types[i].type);
}

struct handler *route_find(const struct route *route, const char *type, char *ret_error,
                           size_t room)
{
        if (route->n_types == 0 || (!type && route->handler))
                return route->handler;
        for (size_t i = 0; type && i < route->n_types; i++)
                if (!strcmp(type, route->types[i].type))
                        return route->types[i].handler;
        list_types(route, type, ret_error, room);
        return NULL;
}

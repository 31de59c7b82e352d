/* Inside the HTTP service: a connection's time, and the seam between libmicrohttpd's callbacks and tasks. */
#pragma once

#include <microhttpd.h>

#include <base/heap.h>
#include <daemon/http_service.h>
#include <penstock/group.h>
#include <penstock/stream.h>
#include <penstock/sync.h>

#define HEAD_MAX ((size_t)16 << 10) /* of a request's head: 431; and what is read at once */

struct http_service {
        struct http_service_options options;
        struct pen_listener **listeners;
        struct MHD_Daemon *mhd;
        int epoll_fd;
        struct pen_group *group;  /* while it runs: those who accept, and the requests */
        struct heap deadlines;    /* of connections: when each is to be looked at */
        struct pen_event *due;    /* libmicrohttpd has something to do */
        struct pen_event *turned; /* pulsed: it has done so, and connections may have gone */
};

struct connection {
        struct http_service *service;
        struct heap_node deadline;
        pen_usec left; /* of its step, while a task works */
        int fd;
        bool local;
        struct http_request *request; /* under way; NULL: idle */
};

/* Opens the socket at `address`. A Unix socket's file never lets in more than `mode` and `group` say. */
int http_listen(const char *address, unsigned mode, const char *group,
                struct pen_listener **ret_listener, char **ret_error);

/* --- http_connection.c -------------------------------------------------------------------------- */

/* libmicrohttpd's callbacks, on the root; the first argument is the service. */
void http_on_connection(void *arg, struct MHD_Connection *mhd, void **context,
                        enum MHD_ConnectionNotificationCode what);
enum MHD_Result http_on_request(void *arg, struct MHD_Connection *mhd, const char *path,
                                const char *method, const char *version, const char *data,
                                size_t *size, void **context);
void http_on_completed(void *arg, struct MHD_Connection *mhd, void **context,
                       enum MHD_RequestTerminationCode why);
size_t http_unescape(void *arg, struct MHD_Connection *mhd, char *text);

/* Looks at the connections that are due: closes those that took too long, and cancels the tasks of peers that
 * have gone. */
void http_look_at_deadlines(struct http_service *s);

/* Closes the connection that is idle longest, if there is one. */
void http_close_idle(struct http_service *s);

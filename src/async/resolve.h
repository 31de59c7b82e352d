/* For tests: what looks a name up in place of getaddrinfo(3), in a thread of the resolver. */
#pragma once

#include <netdb.h>

#include <penstock/resolve.h>

extern int (*resolver_getaddrinfo)(const char *host, const char *service,
                                   const struct addrinfo *hints, struct addrinfo **ret);

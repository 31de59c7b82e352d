/* The noop handler: pretends. Takes `run` and fails with probability `fail`. For trials and benchmarks. */
#pragma once

#include <handler/handler.h>

struct noop_options {
        pen_usec run;
        double fail;   /* 0..1 */
        uint64_t seed; /* 0: the system's */
};

int noop_handler_create(const struct noop_options *options,
                        struct handler **ret_handler); /* -ENOMEM */

/* What the programs of bench/ share. Each measures one thing and prints it as NAME=VALUE words,
 * which bench/run reads; its first comment says how it is run. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Seconds. */
static inline double bench_now(void)
{
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* A field of /proc/self/status, as "VmRSS:", in bytes. */
static inline long bench_status(const char *field)
{
        char line[256];
        long kib = 0;
        FILE *f = fopen("/proc/self/status", "r");

        while (f && fgets(line, sizeof(line), f))
                if (strncmp(line, field, strlen(field)) == 0)
                        kib = strtol(line + strlen(field), NULL, 10);
        if (f)
                fclose(f);
        return kib * 1024;
}

/* What this process occupies, the kernel's tables for it included. */
static inline long bench_resident(void)
{
        return bench_status("VmRSS:") + bench_status("VmPTE:");
}

/* The i-th argument as a number. */
static inline long bench_argument(int argc, char **argv, int i, long otherwise)
{
        return i < argc ? strtol(argv[i], NULL, 10) : otherwise;
}

/* A figure of a call that failed would be a lie. */
static inline void bench_check(int r, const char *what)
{
        if (r >= 0)
                return;
        fprintf(stderr, "%s: %s\n", what, strerror(-r));
        exit(1);
}

/* The same numbers for us and for the reference. */
static inline unsigned bench_random(unsigned *state)
{
        *state = *state * 1664525u + 1013904223u;
        return *state >> 8;
}

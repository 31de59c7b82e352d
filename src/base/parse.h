/* Strict reading of the values a user writes: the whole text or nothing, no locale, no octal, no
 * sign where none is meant, a unit always (save for 0).
 *
 * All answer 0, or -EINVAL (not of the form), -ERANGE (too large), and leave *ret alone then.
 */
#pragma once

#include <base/util.h>

int parse_u64(const char *text, uint64_t *ret);           /* 0, 17; not 017, +1, 0x10 */
int parse_duration(const char *text, pen_usec *ret);      /* 250ms 30s 5m 2h 7d, 0 */
int parse_size(const char *text, uint64_t *ret);          /* 512B 64KiB 1MiB 2GiB, 0 */
int parse_rate(const char *text, double *ret_per_second); /* 100/s 6000/m 3/h 1/d; more than 0 */

/* RFC 3339 (2026-11-21T09:30:00.5Z, an offset or Z required) or epoch milliseconds, to epoch ms. */
int parse_time(const char *text, uint64_t *ret_ms);

/* What the two accept, for messages: "like 250ms, 30s, 5m, 2h or 7d". */
extern const char parse_duration_form[], parse_size_form[], parse_rate_form[], parse_time_form[];

/* [A-Za-z0-9_.-]{1,64}: queues, handlers, types. */
bool parse_is_name(const char *text, size_t size);
/* [A-Za-z0-9_.:-]{1,128}: ids of jobs. */
bool parse_is_id(const char *text, size_t size);

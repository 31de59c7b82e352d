/* What `penstock push` was told to push. */
#pragma once

#include <cli/place.h>
#include <job/json.h>

struct push_options {
        struct place place;
        const char *queue;
        const char *payload; /* NULL: none; "-": standard input */
        const char *jsonl;   /* a file of jobs, "-": standard input; NULL: one job */
        bool json, no_wait;
        struct buffer fields; /* of the one job: members of a JSON object; "": none */
        struct buffer meta;
};

/* Fills *ret. -1: go on; else the exit code: help was printed, or an error. */
int push_options_parse(const struct place *place, int argc, char **argv, struct push_options *ret);
void push_options_deinit(struct push_options *options);

/* The fields, read as those of any JSON job are: what is allowed is said in one place. What *ret points to
 * lives in `text` and `scratch`. -EINVAL: *error says which.  -ENOMEM. */
int push_options_read_job(const struct push_options *options, struct buffer *text,
                          struct buffer *scratch, struct job_fields *ret, struct json_error *error);

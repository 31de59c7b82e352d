/* Between the entry of a stream and the fields of a job: the table of fields of the contract, strictly. */
#pragma once

#include <base/buffer.h>
#include <job/job.h>
#include <store/redis/arguments.h>

#define ENTRY_READ_MAX 1000 /* fields of an entry, whatever they are; as common.lua has it */
#define ENTRY_FIELDS_MAX (2 * (16 + JOB_META_MAX)) /* names and values of a job as arguments */
#define ENTRY_NUMBERS_MAX 200                      /* bytes of text that its numbers take */

struct entry {
        uint64_t ms, seq;
        struct job_fields fields; /* point into the answer and into `meta` */
        struct job_meta meta[JOB_META_MAX];
        uint64_t version;
        char error[256];
};

/* "MS-SEQ". -EINVAL: it is not. */
int entry_parse_id(const struct reply *reply, uint64_t *ret_ms, uint64_t *ret_seq);

/* Reads the id and the fields (a list of names and values).
 * 0.  -EINVAL: entry->error says which field, what was found, what is allowed.
 * -EPROTONOSUPPORT: its version is higher than ours; nothing else was looked at. */
int entry_parse(const struct reply *id, const struct reply *fields, size_t payload_max,
                struct entry *entry);

/* Appends the fields of a job as arguments of XADD or of push.lua. */
void entry_append(struct command *c, const struct job_fields *fields, char (*meta_names)[80]);

/* The keys of the configuration: one table, which the reader, the printer, the comparison, the
 * documentation and the example file all go by.
 *
 * A key stands in one of three records: struct config itself, a struct config_handler or a struct
 * config_queue. Offsets are from the begin of its record, however deep in the file it stands.
 */
#pragma once

#include <config/config.h>

struct value_type;

enum key_shape {
        KEY_VALUE = 1,
        KEY_GROUP,   /* a mapping of further keys of the same record */
        KEY_VARIANT, /* a group, one of several; which one is noted in the record */
        KEY_RECORDS, /* a mapping of names, each with a record of its own */
        KEY_NOT_YET, /* of the contract, and not carried out yet; at most its default is taken */
};

enum key_null {
        NULL_NEVER,
        NULL_IS_ZERO, /* `null` is accepted, and is all bits zero in the record */
        NULL_IS_ALL_ONES,
};

struct choice {
        const char *name; /* NULL: the end */
        int value;
        bool not_yet;
};

struct key {
        const char *name; /* NULL: the end of the table */
        enum key_shape shape;

        /* Of a value. */
        const struct value_type *type;
        const char *initial; /* the default as it would be written; NULL: it must be written */
        enum key_null null;
        uint64_t min, max;                 /* of the number, or of each in a list */
        size_t least;                      /* how many there are in the list, at least */
        const struct choice *choices;      /* of a word */
        bool (*accepts)(const char *text); /* of a text, or of each in a list; NULL: any */
        const char *form;                  /* what `accepts` accepts, for messages */
        bool secret;                       /* is printed as `***`, whole or in part */

        /* Where. Of a group: nowhere. */
        size_t offset, size;
        size_t beside; /* of a list: its count; of a secret file: what it holds */

        const struct key *keys; /* of a group, a variant, or each of the records */
        unsigned variant;       /* what is noted at `offset` */
        size_t record_size;
        const char *help; /* one line */
};

/* The whole file. */
extern const struct key config_keys[];

/* The key of that name; NULL: there is none. */
const struct key *key_find(const struct key *keys, const char *name);

/* The variant that the record is. */
const struct key *key_variant(const struct key *keys, const void *record);

#define key_for_each(k, keys) for (const struct key *k = (keys); k->name; k++)

static inline void *key_field(const struct key *key, const void *record)
{
        return (char *)record + key->offset;
}

static inline void *key_beside(const struct key *key, const void *record)
{
        return (char *)record + key->beside;
}

/* The records of a KEY_RECORDS are one array; the name is the first member of each. */
static inline const char *record_name(const void *record)
{
        return *(const char *const *)record;
}

static inline size_t records_count(const struct key *key, const void *record)
{
        return *(const size_t *)key_beside(key, record);
}

static inline const void *records_at(const struct key *key, const void *record, size_t i)
{
        return *(const char *const *)key_field(key, record) + i * key->record_size;
}

/* The types of values: how each is read, written, and told of in a message. */
#pragma once

#include <config/keys.h>
#include <config/tree.h>

struct reading {
        struct errors *errors;
        struct arena *arena; /* of the configuration that is being made */
};

struct value_type {
        enum node_kind kind;

        /* Reads the node, which is of that kind and not null, into the record. What is refused is
         * added to the errors, and the record is left alone. -ENOMEM. */
        int (*read)(const struct reading *in, const struct key *key, const struct node *node,
                    void *record);

        /* Appends the value as it would be written in one line; `reveal`: secrets, too. -ENOMEM. */
        int (*write)(const struct key *key, const void *record, bool reveal, struct buffer *to);

        /* Appends what is allowed: "a whole number from 1 to 100". -ENOMEM. */
        int (*describe)(const struct key *key, struct buffer *to);
};

extern const struct value_type type_whole, type_duration, type_size, type_rate, type_decimal,
        type_mode;
extern const struct value_type type_text, type_word, type_url, type_store_url, type_instance,
        type_secret_file;
extern const struct value_type type_texts, type_wholes, type_durations, type_env, type_headers,
        type_types;

/* Reads a value of any type, null included. -ENOMEM. */
int value_read(const struct reading *in, const struct key *key, const struct node *node,
               void *record);
int value_write(const struct key *key, const void *record, bool reveal, struct buffer *to);
int value_describe(const struct key *key, struct buffer *to);

/* --- for the types ------------------------------------------------------------------------------ */

/* "found X; allowed: Y". -ENOMEM. */
int value_refuse(const struct reading *in, const struct key *key, const struct node *node);

/* The node's text with ${NAME} put in; *ret_text is NULL when that was refused. It is the node's own
 * or in the arena of the configuration. -ENOMEM. */
int value_expand(const struct reading *in, const struct node *node, const char **ret_text);

/* The same for a text that the configuration keeps. */
int value_keep(const struct reading *in, const struct node *node, const char **ret_text);

/* Appends a text in quotes, such that reading it gives the same. -ENOMEM. */
int value_write_text(const char *text, struct buffer *to);
/* Appends a key, in quotes if it needs them. -ENOMEM. */
int value_write_key(const char *key, size_t size, struct buffer *to);
int value_write_duration(pen_usec usec, struct buffer *to);

/* Answers a copy in which the password of a URL is `***`; malloc'ed. NULL: no memory. */
char *value_mask_url(const char *url);

/* --- lists, and mappings that are lists of pairs ------------------------------------------------ */

#define VALUE_LIST_MAX 1000

/* What such an array is made of. */
struct element {
        size_t size;
        const char *brackets; /* "[]" or "{}" */
        int (*read)(const struct reading *in, const struct key *key, const struct node *node,
                    void *element);
        int (*write)(const void *array, size_t i, bool reveal, struct buffer *to);
};

/* The array in the record ends with zeros behind its last element; the count is beside it. */
int value_read_list(const struct reading *in, const struct key *key, const struct node *node,
                    const struct element *element, void *record);
int value_write_list(const struct key *key, const void *record, bool reveal,
                     const struct element *element, struct buffer *to);

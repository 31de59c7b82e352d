/* JSON in and out, as far as jobs need it.
 *
 * Reading is a scanner over the text that gives spans and never recurses: a task's stack is small,
 * and payloads are delivered as the exact source text. Strict RFC 8259: no trailing bytes, valid
 * UTF-8, no lone surrogates, nesting at most JSON_DEPTH_MAX; and no key twice in an object whose
 * members are read.
 */
#pragma once

#include <base/buffer.h>
#include <job/job.h>

#define JSON_DEPTH_MAX 1000
#define JSON_MEMBERS_MAX 32 /* of an object whose members are read */

enum json_type {
        JSON_NULL,
        JSON_TRUE,
        JSON_FALSE,
        JSON_NUMBER,
        JSON_STRING,
        JSON_ARRAY,
        JSON_OBJECT,
};

struct json_error {
        size_t offset;  /* in the text, from 0 */
        char text[200]; /* what was found and what is allowed, one line, printable */
};

/* Checks that `text` is one JSON value with white space around it, and answers its type and span.
 * -EINVAL: it is not, and *error says why. */
int json_scan(const char *text, size_t size, enum json_type *ret_type, struct bytes *ret_value,
              struct json_error *error);

/* Where the reading of an object stands; begin with { .object = its text }. */
struct json_members {
        struct bytes object;
        size_t position, n;
        size_t key_offset; /* of the last key in the object's text, for messages */
        struct {
                size_t offset, size;
        } keys[JSON_MEMBERS_MAX]; /* decoded, in the scratch */
};

/* Members of an object, one after the other. All is checked on the way, as by json_scan.
 * 1: *ret_key is the decoded key, *ret_value the source text of the value; 0: there are no more.
 * Keys are appended to `scratch`, each with a NUL behind it that `size` does not count. They are
 * valid until the scratch moves; it must not be cleared before the last member was read.
 * -EINVAL: no such object, a key that is there twice or contains NUL, or more than JSON_MEMBERS_MAX
 * members; error->offset counts from the start of the object's text.  -ENOMEM.
 */
int json_next_member(struct json_members *members, struct buffer *scratch, struct bytes *ret_key,
                     enum json_type *ret_type, struct bytes *ret_value, struct json_error *error);

/* Appends the bytes that the source text of a string stands for: never more than `source` has.
 * -ENOMEM. */
int json_decode_string(struct bytes source, struct buffer *to);

/* Reads a job: an object with the fields of the contract. `payload` as a string is its bytes, as
 * any other value its exact source text; `payload_base64` is binary. Durations are strings with a
 * unit or 0, times strings or numbers of epoch ms. `scratch` is overwritten: what *ret points to
 * lives there or in `text`. Whether `run_at` is too far away is for who has a clock.
 * -EINVAL: *error says which field, what was found, what is allowed, and for an unknown one the
 * nearest known.  -ENOMEM.
 */
int json_to_job(const char *text, size_t size, struct buffer *scratch, struct job_fields *ret,
                struct json_error *error);

/* Values of an array, one after the other. Begin with *rest = its text, as json_scan or
 * json_next_member gave it. 1: *ret_type and *ret_value are the next one's; 0: there are no more.
 * -EINVAL: it is no array. */
int json_next_item(struct bytes *rest, enum json_type *ret_type, struct bytes *ret_value);

/* Appends the job as an object that json_to_job reads as the same fields. -ENOMEM. */
int json_write_job(struct buffer *to, const struct job_fields *fields);

/* The same of the payload alone: the member `payload`, or `payload_base64` if it is not UTF-8. */
int json_write_payload(struct buffer *to, struct bytes payload);

/* Appends a string with quotes. What is not valid UTF-8 becomes U+FFFD, control characters are
 * escaped. -ENOMEM. */
int json_write_string(struct buffer *to, const char *data, size_t size);

bool json_is_utf8(const char *data, size_t size);

/* For messages: `data`, whatever it is, as printable ASCII with a NUL behind it. What `to` has no
 * room for (it has some for 4 at least) is cut with "...". */
void json_excerpt(char *to, size_t room, struct bytes data);

int base64_encode(struct buffer *to, const char *data, size_t size); /* -ENOMEM */

/* -EINVAL: not RFC 4648 with padding, and nothing appended.  -ENOMEM. */
int base64_decode(struct buffer *to, const char *text, size_t size);

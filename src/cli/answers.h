/* Reading what the daemon's HTTP interface answers. Members that are not known are passed by: a newer
 * daemon may tell more. All answer -EPROTO where the text is not of the shape. */
#pragma once

#include <cli/client.h>

/* {"name", "ready", "delayed", …} */
int answers_read_state(struct bytes object, struct queue_state *ret_state);

/* {"queues":[…]}: how many; *ret_states is malloc'ed. */
ssize_t answers_read_states(struct bytes body, struct queue_state **ret_states);

/* {"letters":[…]}: up to `max`. */
ssize_t answers_read_letters(struct bytes body, struct dead_letter *ret_letters, size_t max);

/* One line of the answer to a push: {"line", "status", "id", "error"}. */
struct push_answer {
        enum push_result result; /* PUSH_PENDING: neither stored nor told by the others, because */
        bool unavailable;        /* the store was away: it may be stored or not; or */
        char *refusal;           /* it is no job that can be taken; malloc'ed, else NULL */
        char id[129];
};
int answers_read_push(struct bytes line, struct push_answer *ret_answer);

/* {"retried", "kept"} */
int answers_read_retry(struct bytes body, uint64_t *ret_retried, uint64_t *ret_kept);

/* What application/problem+json says for people: its detail, or its title; "" if it has neither. */
void answers_read_problem(struct bytes body, char *to, size_t size);

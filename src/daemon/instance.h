/* Who this daemon is: its name among those of this machine, held by a lock as long as it lives.
 *
 * The file remembers under which name its last holder fetched jobs. Whoever gets the lock knows that
 * process to be gone, and may take over what it held at once.
 */
#pragma once

#include <base/util.h>

struct instance {
        int fd;
        char name[96];
        char former[160]; /* the consumer name of the last holder; "" if there was none */
};

/* Takes `wanted`, or if a living daemon holds that, `wanted`.2, .3, …
 * Less than 0: `error` says which file, and why. */
int instance_take(const char *wanted, struct instance *ret_instance, char *error, size_t room);

/* From now on this is what the next holder learns. */
int instance_remember(struct instance *instance, const char *consumer);

/* Clean: there is nothing for the next holder to take over. */
void instance_release(struct instance *instance, bool clean);

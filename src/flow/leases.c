#include <flow/leases.h>

#include <base/log.h>
int leases_run(void *arg)
{
        const struct leases *leases = arg;
        ssize_t taken;

        while ((taken = store_keep_lease(leases->store)) >= 0)
                if (taken > 0)
                        LOG(LOG_WARN, "queue.taken_over", F_STR("queue", leases->queue_name),
                            F_UINT("jobs", (uint64_t)taken));
        return (int)taken;
}

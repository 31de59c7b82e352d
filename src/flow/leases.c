#include <flow/leases.h>

int leases_run(void *arg)
{
        const struct leases *leases = arg;
        ssize_t taken;

        while ((taken = store_keep_lease(leases->store)) >= 0)
                ;
        return (int)taken;
}

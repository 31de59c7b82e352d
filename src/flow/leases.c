#include <flow/leases.h>

int leases_run(void *arg)
{
        ssize_t taken;

        do
                taken = store_keep_lease(arg);
        while (taken >= 0);
        return (int)taken;
}

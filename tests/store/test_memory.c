#include "contract.h"

#include <store/memory.h>

int main(void)
{
        return run_store_contract("memory store", memory_queue_open);
}

#include <penstock/pool.h>

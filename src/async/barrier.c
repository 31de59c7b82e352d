#include <penstock/sync.h>

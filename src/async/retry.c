#include <penstock/retry.h>

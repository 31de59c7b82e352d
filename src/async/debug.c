#include <penstock/debug.h>

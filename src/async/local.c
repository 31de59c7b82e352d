#include <penstock/local.h>

#include <penstock/gen.h>

#include <penstock/stream.h>

#include <penstock/thread.h>

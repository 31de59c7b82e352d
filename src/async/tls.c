#include <penstock/tls.h>

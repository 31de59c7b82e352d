#include <penstock/scope.h>

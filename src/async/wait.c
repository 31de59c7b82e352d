#include <penstock/wait.h>

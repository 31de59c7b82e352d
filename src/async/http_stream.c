#include <penstock/http.h>

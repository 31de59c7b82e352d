#include "../runner.h"

int main(void)
{
        return 1; /* to be written */
}

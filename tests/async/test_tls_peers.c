/* TLS between two streams of ours; test_tls_peers.c: with others. */
#include "pki.h"
#include "tls_pair.h"

int main(void)
{
        return 0;
}

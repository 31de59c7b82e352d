#include "pki.h"

#include <stdio.h>

static char directory[] = "/tmp/penstock-pki.XXXXXX";

static const char script[] =
        "exec >log 2>&1; set -e\n"
        "ask() { n=$1; shift; openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \\\n"
        "        -keyout $n.key -subj /CN=$n \"$@\"; }\n"
        "sign() { openssl x509 -req -in $1.csr -CA $2.pem -CAkey $2.key -CAcreateserial \\\n"
        "        -copy_extensions copy -days $3 -out $1.pem; }\n"
        "names=DNS:example.test,DNS:*.wild.test,IP:127.0.0.1,IP:::1\n"
        "ask ca -x509 -out ca.pem; ask other -x509 -out other.pem\n"
        "ask self -x509 -addext subjectAltName=DNS:example.test -out self.pem\n"
        "ask server -addext subjectAltName=$names -out server.csr; sign server ca 30\n"
        "ask expired -addext subjectAltName=$names -out expired.csr; sign expired ca -1\n"
        "ask inter -addext basicConstraints=critical,CA:true -out inter.csr; sign inter ca 30\n"
        "ask leaf -addext subjectAltName=$names -out leaf.csr; sign leaf inter 30\n"
        "ask client -out client.csr; sign client ca 30\n"
        "ask stranger -out stranger.csr; sign stranger other 30\n"
        "cat leaf.pem inter.pem >chain.pem; cat server.pem server.key >both.pem\n"
        "openssl ec -aes128 -passout pass:secret -in server.key -out locked.key\n"
        ": >empty.pem; echo 'no certificate' >text.pem; head -c 300 server.pem >cut.pem\n";

int pki_create(void)
{
        FILE *shell;

        if (!mkdtemp(directory) || chdir(directory) < 0)
                return -1;
        shell = popen("sh", "w");
        if (!shell || fputs(script, shell) < 0 || pclose(shell) != 0) {
                fprintf(stderr, "no certificates could be made: see %s/log\n", directory);
                return -1;
        }
        return 0;
}

int pki_remove(int result)
{
        char command[64];

        sprintf(command, "rm -rf -- %s", directory);
        if (chdir("/") < 0 || system(command) != 0)
                perror(directory);
        return result;
}

/* What to trust and who to be. */
#include <async/tls.h>

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void tls_say(char *error, const char *format, ...)
{
        va_list args;

        if (!error)
                return;
        va_start(args, format);
        vsnprintf(error, 256, format, args);
        va_end(args);
}

/* What OpenSSL has met with the file: that it cannot be read, or what is in it. */
static int refuse(const char *file, const char *wanted, char *error)
{
        unsigned long cause = ERR_peek_error(); /* what followed from it says less */
        const char *reason = ERR_reason_error_string(cause);

        if (ERR_SYSTEM_ERROR(cause)) {
                tls_say(error, "%s: %s", file, strerror(ERR_GET_REASON(cause)));
                return -ERR_GET_REASON(cause);
        }
        if (ERR_GET_REASON(cause) == ERR_R_MALLOC_FAILURE)
                return -ENOMEM;
        tls_say(error, "%s: no usable %s: %s", file, wanted, reason ? reason : "unknown");
        return -EINVAL;
}

static int load_authorities(SSL_CTX *context, const struct pen_tls_options *options, char *error)
{
        STACK_OF(X509_NAME) * names;

        if (!options->ca_file)
                return 0;
        if (SSL_CTX_load_verify_file(context, options->ca_file) != 1)
                return refuse(options->ca_file, "certificate", error);
        if (!options->verify_client)
                return 0;
        names = SSL_load_client_CA_file(options->ca_file);
        if (!names)
                return refuse(options->ca_file, "certificate", error);
        SSL_CTX_set_client_CA_list(context, names);
        return 0;
}

static int load_system(void *arg)
{
        struct pen_tls *tls = arg;

        tls->system = SSL_CTX_set_default_verify_paths(tls->context) != 1;
        return tls->system ? -ENOMEM : 0;
}

int tls_load_system(struct pen_tls *tls)
{
        return tls->system ? pen_on_thread_stack(load_system, tls) : 0;
}

static int load_identity(SSL_CTX *context, const struct pen_tls_options *options, char *error)
{
        const char *key_file = options->key_file ? options->key_file : options->cert_file;

        if (!options->cert_file)
                return 0;
        if (SSL_CTX_use_certificate_chain_file(context, options->cert_file) != 1)
                return refuse(options->cert_file, "certificate", error);
        if (SSL_CTX_use_PrivateKey_file(context, key_file, SSL_FILETYPE_PEM) != 1)
                return refuse(key_file, "private key", error);
        return 0;
}

/* OpenSSL would ask the terminal. */
static int know_no_passphrase(char *to, int size, int writing, void *arg)
{
        (void)to, (void)size, (void)writing, (void)arg;
        ERR_raise(ERR_LIB_PEM, PEM_R_PROBLEMS_GETTING_PASSWORD);
        return -1;
}

static void configure(SSL_CTX *context)
{
        SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
        SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET);
        SSL_CTX_set_num_tickets(context,
                                0); /* sent to one who has left, they cost him our last words */
        SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
        SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS); /* an idle stream is small */
        SSL_CTX_set_read_ahead(context, 1);
        SSL_CTX_set_default_passwd_cb(context, know_no_passphrase);
        X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context), X509_V_FLAG_PARTIAL_CHAIN);
        X509_VERIFY_PARAM_set_hostflags(SSL_CTX_get0_param(context),
                                        X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
}

struct creation {
        const struct pen_tls_options *options;
        struct pen_tls *tls;
        char *error;
};

static int load(void *arg)
{
        struct creation *c = arg;
        struct pen_tls *tls = c->tls;
        int r;

        ERR_clear_error();
        tls->context = SSL_CTX_new(TLS_method());
        tls->method = tls_create_method();
        if (!tls->context || !tls->method)
                return -ENOMEM;
        configure(tls->context);
        r = load_authorities(tls->context, c->options, c->error);
        return r < 0 ? r : load_identity(tls->context, c->options, c->error);
}

int pen_tls_create(const struct pen_tls_options *options, struct pen_tls **ret_tls, char error[256])
{
        struct creation c = { .options = options, .error = error };
        int r;

        if (options->verify_client && !options->ca_file) {
                tls_say(error, "verify_client needs a ca_file: whose clients are welcome");
                return -EINVAL;
        }
        c.tls = malloc(sizeof(*c.tls));
        if (!c.tls)
                return -ENOMEM;
        *c.tls = (struct pen_tls){ .refs = 1,
                                   .system = !options->ca_file && !options->insecure,
                                   .insecure = options->insecure,
                                   .verify_client = options->verify_client };
        r = pen_on_thread_stack(load, &c); /* parsing is deep */
        if (r < 0)
                pen_tls_free(c.tls);
        else
                *ret_tls = c.tls;
        return r;
}

void pen_tls_free(struct pen_tls *tls)
{
        if (!tls || --tls->refs > 0)
                return;
        SSL_CTX_free(tls->context);
        BIO_meth_free(tls->method);
        free(tls);
}

void pen_tls_freep(struct pen_tls **tls)
{
        pen_tls_free(*tls);
}

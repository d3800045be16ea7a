#include "tls.h"
#include "options.h"

#include <openssl/ssl.h>

static SSL_CTX *context;

/* A `struct tls` is OpenSSL's own object. */
static SSL *ssl_of(const struct tls *tls)
{
    return (SSL *)tls;
}

void tls_begin(void)
{
    context = SSL_CTX_new(TLS_client_method());
    if (!context)
        die("OpenSSL does not start");
    SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_mode(context,
        SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
}

struct tls *tls_new(int fd)
{
    SSL *ssl = SSL_new(context);
    if (!ssl || SSL_set_fd(ssl, fd) != 1)
        die("no memory for TLS");
    SSL_set_connect_state(ssl);
    SSL_set_tlsext_host_name(ssl, "localhost");
    return (struct tls *)ssl;
}

void tls_free(struct tls *tls)
{
    SSL_free(ssl_of(tls));
}

static enum tls_need need(SSL *ssl, int result)
{
    switch (SSL_get_error(ssl, result)) {
    case SSL_ERROR_NONE: return TLS_READY;
    case SSL_ERROR_WANT_READ: return TLS_WANTS_INPUT;
    case SSL_ERROR_WANT_WRITE: return TLS_WANTS_ROOM;
    default: return TLS_BROKEN;
    }
}

enum tls_need tls_shake_hands(struct tls *tls)
{
    return need(ssl_of(tls), SSL_connect(ssl_of(tls)));
}

ssize_t tls_recv(struct tls *tls, uint8_t *to, size_t len)
{
    int n = SSL_read(ssl_of(tls), to, (int)len);
    return n > 0 ? n : need(ssl_of(tls), n) == TLS_BROKEN ? -1 : 0;
}

ssize_t tls_send(struct tls *tls, const uint8_t *from, size_t len)
{
    int n = SSL_write(ssl_of(tls), from, (int)len);
    return n > 0 ? n : need(ssl_of(tls), n) == TLS_BROKEN ? -1 : 0;
}

const char *tls_version(const struct tls *tls)
{
    return SSL_get_version(ssl_of(tls));
}

const char *tls_cipher(const struct tls *tls)
{
    return SSL_get_cipher(ssl_of(tls));
}

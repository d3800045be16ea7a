/* In place of tls.c where OpenSSL's headers are missing. */
#include "options.h"
#include "tls.h"

#include <errno.h>

void tls_begin(void)
{
    errno = 0;
    die("--tls needs OpenSSL: apt-get install libssl-dev, then make -B target/bench/loadgen");
}

struct tls *tls_new(int fd)
{
    (void)fd;
    return NULL;
}

void tls_free(struct tls *tls)
{
    (void)tls;
}

enum tls_need tls_shake_hands(struct tls *tls)
{
    (void)tls;
    return TLS_BROKEN;
}

ssize_t tls_recv(struct tls *tls, uint8_t *to, size_t len)
{
    (void)tls, (void)to, (void)len;
    return -1;
}

ssize_t tls_send(struct tls *tls, const uint8_t *from, size_t len)
{
    (void)tls, (void)from, (void)len;
    return -1;
}

const char *tls_version(const struct tls *tls)
{
    (void)tls;
    return "";
}

const char *tls_cipher(const struct tls *tls)
{
    (void)tls;
    return "";
}

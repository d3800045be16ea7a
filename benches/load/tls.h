/* TLS of a client that trusts everybody, with OpenSSL where its headers are. */
#ifndef TLS_H
#define TLS_H
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct tls;

/* What a step needs before it can go on. */
enum tls_need { TLS_READY, TLS_WANTS_INPUT, TLS_WANTS_ROOM, TLS_BROKEN };

void tls_begin(void);
struct tls *tls_new(int fd);
void tls_free(struct tls *tls);
enum tls_need tls_shake_hands(struct tls *tls);

/* As recv and send that never wait: 0 when there is nothing to do now, -1 when it is over. */
ssize_t tls_recv(struct tls *tls, uint8_t *to, size_t len);
ssize_t tls_send(struct tls *tls, const uint8_t *from, size_t len);

/* Version and cipher of a connection. */
const char *tls_version(const struct tls *tls);
const char *tls_cipher(const struct tls *tls);
#endif

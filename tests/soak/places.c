#include "soak.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

const char *const manners[MANNERS] = { "echo", "close", "abort", "hub", "flood" };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char urls[KINDS][128];

static void set(enum kind kind, const char *url)
{
    pthread_mutex_lock(&lock);
    snprintf(urls[kind], sizeof urls[kind], "%s", url);
    pthread_mutex_unlock(&lock);
}

void place_open(enum kind kind, const char *url)
{
    ADD(servers, 1);
    set(kind, url);
}

void place_close(enum kind kind)
{
    set(kind, "");
}

int place_find(enum kind kind, enum manner manner, char *url, size_t size)
{
    pthread_mutex_lock(&lock);
    int found = *urls[kind] != '\0';
    snprintf(url, size, "%s%s", urls[kind], manners[manner]);
    pthread_mutex_unlock(&lock);
    return found;
}

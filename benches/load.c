#define _GNU_SOURCE
#include "load.h"
#include "dial.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* Handshakes and single messages on the way at a time. */
#define BATCH 64
#define WARM_UP 0.1

struct client {
    int fd;
    size_t owed;     /* bytes of the request stream still to be sent */
    size_t sent_at;  /* position within the current request */
    size_t reply_at; /* position within the current reply */
    size_t awaited;  /* bytes of replies still to come */
};

static unsigned char buffer[256 * 1024];

/* The head of a binary frame; returns its length. A client's is masked. */
static size_t frame_head(unsigned char *out, size_t size, const unsigned char *mask)
{
    size_t n = 2;
    out[0] = 0x82;
    if (size < 126) {
        out[1] = (unsigned char)size;
    } else if (size < 65536) {
        out[1] = 126;
        out[n++] = (unsigned char)(size >> 8);
        out[n++] = (unsigned char)size;
    } else {
        out[1] = 127;
        for (int shift = 56; shift >= 0; shift -= 8)
            out[n++] = (unsigned char)((unsigned long long)size >> shift);
    }
    if (mask) {
        out[1] |= 0x80;
        memcpy(out + n, mask, 4);
        n += 4;
    }
    return n;
}

/* Lays out the messages. Plain TCP carries as many bytes as a client's frame has. */
static void lay_out(struct load *load, int websocket, size_t size)
{
    static const unsigned char mask[4] = { 0x37, 0xfa, 0x21, 0x3d };
    unsigned char request_head[14], reply_head[14];
    size_t request_head_len = frame_head(request_head, size, mask);
    size_t reply_head_len = websocket ? frame_head(reply_head, size, NULL) : request_head_len;
    int copies = load->depth + 1;
    load->request_len = request_head_len + size;
    load->reply_len = reply_head_len + size;
    load->request = malloc(load->request_len * copies);
    load->reply = malloc(load->reply_len * copies);
    if (!load->request || !load->reply)
        die("out of memory");
    for (int i = 0; i < copies; i++) {
        unsigned char *request = load->request + i * load->request_len;
        unsigned char *reply = load->reply + i * load->reply_len;
        unsigned state = 1;
        memcpy(request, request_head, request_head_len);
        for (size_t k = 0; k < size; k++) {
            state = state * 1103515245 + 12345;
            unsigned char byte = (unsigned char)(state >> 16);
            request[request_head_len + k] = byte ^ mask[k & 3];
            reply[reply_head_len + k] = byte;
        }
        if (websocket)
            memcpy(reply, reply_head, reply_head_len);
        else
            memcpy(reply, request, load->request_len);
    }
}

static void flush(struct load *load, struct client *client)
{
    while (client->owed) {
        size_t most = load->request_len * (size_t)(load->depth + 1) - client->sent_at;
        size_t length = client->owed < most ? client->owed : most;
        ssize_t n = send(client->fd, load->request + client->sent_at, length, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN)
            return; /* epoll says when there is room */
        if (n < 0)
            die("sending failed");
        client->owed -= (size_t)n;
        client->sent_at = (client->sent_at + (size_t)n) % load->request_len;
    }
}

static void send_messages(struct load *load, struct client *client, size_t count)
{
    client->owed += count * load->request_len;
    client->awaited += count * load->reply_len;
    load->awaited += (long)count;
    flush(load, client);
}

static void receive(struct load *load, struct client *client)
{
    for (;;) {
        ssize_t n = recv(client->fd, buffer, sizeof buffer, 0);
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0)
            die("the server ended a connection");
        if ((size_t)n > client->awaited || memcmp(buffer, load->reply + client->reply_at, (size_t)n) != 0)
            die("an echo is not what was sent");
        client->awaited -= (size_t)n;
        size_t at = client->reply_at + (size_t)n, whole = at / load->reply_len;
        client->reply_at = at % load->reply_len;
        load->messages += whole;
        load->awaited -= (long)whole;
        if (load->refill && whole)
            send_messages(load, client, whole);
        if ((size_t)n < sizeof buffer)
            return; /* drained; what comes now is a new event */
    }
}

static void turn(struct load *load)
{
    struct epoll_event events[256];
    int n = epoll_wait(load->epoll, events, 256, PATIENCE * 1000);
    if (n == 0)
        die("no answer from the server");
    for (int i = 0; i < n; i++) {
        struct client *client = events[i].data.ptr;
        flush(load, client);
        if (events[i].events & (EPOLLIN | EPOLLERR | EPOLLHUP))
            receive(load, client);
    }
}

static void watch(struct load *load, struct client *client)
{
    struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = client };
    if (fcntl(client->fd, F_SETFL, O_NONBLOCK) != 0
        || epoll_ctl(load->epoll, EPOLL_CTL_ADD, client->fd, &event) != 0)
        die("cannot watch a connection");
}

struct load *load_open(int port, int websocket, int count, size_t size, int depth)
{
    struct load *load = calloc(1, sizeof *load);
    if (!load || !(load->clients = calloc((size_t)count, sizeof *load->clients)))
        die("out of memory");
    load->count = count;
    load->depth = depth;
    load->epoll = epoll_create1(EPOLL_CLOEXEC);
    lay_out(load, websocket, size);
    for (int from = 0; from < count; from += BATCH) {
        int to = from + BATCH < count ? from + BATCH : count;
        for (int i = from; i < to; i++)
            load->clients[i].fd = dial(port, websocket ? "" : NULL);
        for (int i = from; i < to; i++) {
            if (websocket)
                shake_hands(load->clients[i].fd, "");
            watch(load, &load->clients[i]);
        }
    }
    return load;
}

void load_echo_once(struct load *load)
{
    for (int from = 0; from < load->count; from += BATCH) {
        for (int i = from; i < from + BATCH && i < load->count; i++)
            send_messages(load, &load->clients[i], 1);
        while (load->awaited)
            turn(load);
    }
}

struct rate load_echo(struct load *load, pid_t server, double seconds)
{
    clockid_t clock = clock_of(server);
    load->refill = 1;
    for (int i = 0; i < load->count; i++)
        send_messages(load, &load->clients[i], (size_t)load->depth);
    for (double end = now() + WARM_UP; now() < end;)
        turn(load);
    unsigned long messages = load->messages;
    double cpu = seconds_of(clock), own = seconds_of(CLOCK_PROCESS_CPUTIME_ID), start = now();
    while (now() < start + seconds)
        turn(load);
    double count = (double)(load->messages - messages);
    struct rate rate = { count / (now() - start), (seconds_of(clock) - cpu) * 1e9 / count,
        (seconds_of(CLOCK_PROCESS_CPUTIME_ID) - own) * 1e9 / count };
    for (load->refill = 0; load->awaited;)
        turn(load);
    return rate;
}

void load_close(struct load *load)
{
    struct linger reset = { 1, 0 };
    for (int i = 0; i < load->count; i++) {
        setsockopt(load->clients[i].fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        close(load->clients[i].fd);
    }
    close(load->epoll);
    free(load->request);
    free(load->reply);
    free(load->clients);
    free(load);
}

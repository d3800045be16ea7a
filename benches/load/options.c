#define _GNU_SOURCE
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct options options = { .host = "127.0.0.1", .conns = 64, .depth = 1, .size = 125, .seconds = 3, .warmup = 0.5,
    .every = 1, .sample = 16, .touch = 1, .cpu = -1 };

static const char usage[] =
    "usage: loadgen --port NUMBER [options]: many WebSocket clients on one thread; prints one JSON object\n"
    "  --mode MODE       echo: messages there and back, --depth of them on the way on each connection (the default)\n"
    "                    handshake: connect, shake hands, reset, and again\n"
    "                    idle: what connections cost that do nothing, before and after an echo\n"
    "                    broadcast: one connection sends what the server sends to all of them\n"
    "                    steady: each connection sends a message --every second; how long the answers take\n"
    "                    storm: all connect in one moment, and then say one message\n"
    "  --host ADDRESS    an IPv4 address (127.0.0.1)\n"
    "  --conns NUMBER    connections (64)\n"
    "  --depth NUMBER    messages on the way (1)\n"
    "  --size BYTES      of a message (125)\n"
    "  --text            ASCII text, --mixed: text of characters of 1 to 4 bytes, --json: 32 different JSON texts;\n"
    "                    without any of them: binary\n"
    "  --deflate         permessage-deflate; replies of four connections are inflated and compared\n"
    "  --tls             wss, whatever the certificate\n"
    "  --raw             bytes without any WebSocket, for limit_tcp\n"
    "  --beside NUMBER   more connections, which do nothing\n"
    "  --time SECONDS    to measure (3), after --warmup SECONDS (0.5)\n"
    "  --sample NUMBER   compares one message in so many (16); 1: all\n"
    "  --every SECONDS   steady: from one message of a connection to its next (1)\n"
    "  --wait            steady: says when all are open, begins when its input is closed, and stays\n"
    "  --stop            storm: the server, --server-pid, is stopped while they connect\n"
    "  --touch NUMBER    idle: messages of --size echoed on each connection (1)\n"
    "  --cpu CORE        runs on this core\n"
    "  --server-pid PID  tells this process's CPU time and memory, too\n";

void die(const char *what)
{
    fprintf(stderr, "loadgen: %s%s%s\n", what, errno ? ": " : "", errno ? strerror(errno) : "");
    printf("{\"fatal\":\"%s\"}\n", what);
    exit(1);
}

static void wrong(const char *name)
{
    fprintf(stderr, "loadgen: --%s: what is that?\n%s", name, usage);
    exit(2);
}

static double number(const char *name, const char *text, double least, double most)
{
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end || !(value >= least && value <= most))
        wrong(name);
    return value;
}

static enum mode mode_of(const char *name)
{
    static const char *const names[MODES] = { "echo", "handshake", "idle", "broadcast", "steady", "storm" };
    int mode = 0;
    while (mode < MODES && strcmp(name, names[mode]) != 0)
        mode++;
    if (mode == MODES)
        wrong("mode");
    return (enum mode)mode;
}

void parse_options(int argc, char **argv)
{
    static const struct option switches[] = { { "mode", 1, NULL, 'm' }, { "host", 1, NULL, 'h' },
        { "port", 1, NULL, 'p' }, { "conns", 1, NULL, 'c' }, { "depth", 1, NULL, 'd' }, { "size", 1, NULL, 's' },
        { "text", 0, NULL, 'T' }, { "mixed", 0, NULL, 'M' }, { "json", 0, NULL, 'J' }, { "deflate", 0, NULL, 'D' },
        { "tls", 0, NULL, 'S' }, { "raw", 0, NULL, 'R' }, { "beside", 1, NULL, 'b' }, { "time", 1, NULL, 't' },
        { "warmup", 1, NULL, 'w' }, { "sample", 1, NULL, 'k' }, { "touch", 1, NULL, 'o' }, { "every", 1, NULL, 'e' },
        { "wait", 0, NULL, 'W' }, { "stop", 0, NULL, 'X' }, { "cpu", 1, NULL, 'C' },
        { "server-pid", 1, NULL, 'P' }, { 0 } };
    int found, index;
    while ((found = getopt_long(argc, argv, "", switches, &index)) != -1) {
        const char *name = found == '?' ? "" : switches[index].name;
        switch (found) {
        case 'm': options.mode = mode_of(optarg); break;
        case 'h': options.host = optarg; break;
        case 'p': options.port = (int)number(name, optarg, 1, 65535); break;
        case 'c': options.conns = (int)number(name, optarg, 1, 1e6); break;
        case 'd': options.depth = (int)number(name, optarg, 1, 1e4); break;
        case 's': options.size = (size_t)number(name, optarg, 1, 1 << 30); break;
        case 'T': options.content = TEXT; break;
        case 'M': options.content = MIXED; break;
        case 'J': options.content = JSON; break;
        case 'D': options.deflate = 1; break;
        case 'S': options.tls = 1; break;
        case 'R': options.raw = 1; break;
        case 'b': options.beside = (int)number(name, optarg, 0, 1e6); break;
        case 't': options.seconds = number(name, optarg, 0.01, 1e6); break;
        case 'w': options.warmup = number(name, optarg, 0, 1e6); break;
        case 'k': options.sample = (int)number(name, optarg, 1, 1e9); break;
        case 'o': options.touch = (int)number(name, optarg, 0, 1e6); break;
        case 'e': options.every = number(name, optarg, 0.01, 1e6); break;
        case 'W': options.wait = 1; break;
        case 'X': options.stop = 1; break;
        case 'C': options.cpu = (int)number(name, optarg, 0, 1023); break;
        case 'P': options.server = (int)number(name, optarg, 1, 1e9); break;
        default: fputs(usage, stderr); exit(2); /* getopt_long has named the switch */
        }
    }
    if (optind < argc || !options.port) {
        fprintf(stderr, "loadgen: %s\n%s", options.port ? "only switches are expected" : "--port is missing", usage);
        exit(2);
    }
    if (options.raw && (options.deflate || options.tls)) {
        fprintf(stderr, "loadgen: --raw goes with neither --tls nor --deflate\n");
        exit(2);
    }
}

// The options of every server in C++, the arguments of every client, and the line that clients print.
#pragma once

#include <time.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

struct Options {
    unsigned short port = 9001;
    std::string cert, key;
    bool deflate = false, broadcast = false;

    Options(int argc, char **argv) {
        for (int i = 1; i < argc; i++) {
            std::string_view option = argv[i];
            bool more = i + 1 < argc;
            if (option == "--deflate") deflate = true;
            else if (option == "--broadcast") broadcast = true;
            else if (option == "--port" && more) port = static_cast<unsigned short>(std::atoi(argv[++i]));
            else if (option == "--cert" && more) cert = argv[++i];
            else if (option == "--key" && more) key = argv[++i];
            else {
                std::fprintf(stderr, "usage: %s --port N [--cert F --key F] [--deflate] [--broadcast]\n", argv[0]);
                std::exit(2);
            }
        }
    }

    void listening() const {
        std::printf("listening on 127.0.0.1:%d\n", port);
        std::fflush(stdout);
    }
};

struct Load {
    int port;
    std::string mode;
    size_t size;
    double seconds;

    Load(int argc, char **argv) {
        if (argc != 5 || (std::string_view(argv[2]) != "firehose" && std::string_view(argv[2]) != "pingpong")) {
            std::fprintf(stderr, "usage: %s PORT firehose|pingpong SIZE SECONDS\n", argv[0]);
            std::exit(2);
        }
        port = std::atoi(argv[1]), mode = argv[2], size = std::strtoull(argv[3], nullptr, 0), seconds = std::atof(argv[4]);
    }

    bool pingpong() const { return mode == "pingpong"; }
};

// Counts messages from the end of the warm-up on.
class Meter {
  public:
    Meter(const char *client, const Load &load)
        : client(client), load(load), began(clock(CLOCK_MONOTONIC)), cpu(clock(CLOCK_PROCESS_CPUTIME_ID)) {}

    // One more message; prints the result and answers false when the time is over.
    bool count() {
        if (++messages % 32) return true; // the clock would cost more than some libraries' messages
        double now = clock(CLOCK_MONOTONIC);
        if (!warm && now - began > 0.5) {
            warm = true, began = now, cpu = clock(CLOCK_PROCESS_CPUTIME_ID), messages = 0;
        } else if (warm && now - began > load.seconds) {
            double used = clock(CLOCK_PROCESS_CPUTIME_ID) - cpu, count = static_cast<double>(messages);
            std::printf(
                "{\"client\":\"%s\",\"mode\":\"%s\",\"size\":%zu,\"msgs_per_s\":%.1f,\"cpu_ns_per_msg\":%.1f}\n",
                client, load.mode.c_str(), load.size, count / (now - began), used * 1e9 / count);
            return false;
        }
        return true;
    }

  private:
    static double clock(clockid_t id) {
        timespec time{};
        clock_gettime(id, &time);
        return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
    }

    const char *client;
    const Load &load;
    double began, cpu;
    bool warm = false;
    unsigned long long messages = 0;
};

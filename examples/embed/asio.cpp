// An echo server as a guest in Boost.Asio's io_context.   asio [PORT [TICK_MS]]
//
// The host has work of its own beside it: a timer, with which it tells how many connections there are.
// Ctrl-C says goodbye to all of them, waits for their answers, and ends. With Asio alone, leave out "boost".
#include <boost/asio.hpp>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <wsock.h>

namespace asio = boost::asio;
using asio::posix::stream_descriptor;
using std::chrono::milliseconds;

static wsock_loop *loop;
static wsock_server *server;
static bool ended, failed;

// ---- the guest: what the C programs beside this one have, too ----

// C calls them, so that nothing may be thrown out of them.
static wsock_handlers echo_handlers() noexcept
{
    wsock_handlers handlers = {};
    handlers.struct_size = sizeof handlers;
    handlers.on_message = [](wsock_conn *conn, int32_t type, const uint8_t *data, size_t len, void *) noexcept {
        if (wsock_conn_send(conn, type, data, len, 0) < 0)
            wsock_conn_close(conn, 1013, "too much is waiting to be read");
    };
    // The last that is heard of the server: all its connections have ended.
    handlers.release = [](void *) noexcept { ended = true; };
    return handlers;
}

static void start(int port)
{
    wsock_handlers handlers = echo_handlers();
    if (wsock_loop_new(&loop) != WSOCK_OK
        || wsock_listen(loop, "127.0.0.1", static_cast<uint16_t>(port), nullptr, &handlers, nullptr, &server) != WSOCK_OK
        || wsock_loop_fd(loop) < 0) {
        wsock_error_info error = {};
        error.struct_size = sizeof error;
        wsock_last_error(&error);
        std::fprintf(stderr, "cannot start: %s\n", error.message);
        std::exit(1);
    }
    std::printf("listening on ws://127.0.0.1:%u/\n", static_cast<unsigned>(wsock_server_port(server)));
    std::fflush(stdout);
}

static void report()
{
    wsock_server_stats stats = {};
    stats.struct_size = sizeof stats;
    if (wsock_server_get_stats(server, &stats) != WSOCK_OK)
        return; // it has ended
    std::printf("%llu here, %llu messages\n", static_cast<unsigned long long>(stats.connections),
        static_cast<unsigned long long>(stats.messages_received));
    std::fflush(stdout);
}

// ---- the host: Asio ----

// A wait is for one time, so each turn asks for the next. That is done at once when there is more to do.
static void watch(stream_descriptor &readable, asio::io_context &host)
{
    readable.async_wait(stream_descriptor::wait_read, [&](const boost::system::error_code &error) {
        failed = error || wsock_loop_poll(loop, 0) < 0;
        if (failed || ended)
            host.stop();
        else
            watch(readable, host);
    });
}

static void tick(asio::steady_timer &timer, milliseconds every)
{
    timer.expires_at(timer.expiry() + every);
    timer.async_wait([&timer, every](const boost::system::error_code &) {
        report();
        tick(timer, every);
    });
}

int main(int argc, char **argv)
{
    start(argc > 1 ? std::atoi(argv[1]) : 9001);
    asio::io_context host(1);
    asio::steady_timer timer(host, milliseconds(0));
    tick(timer, milliseconds(argc > 2 ? std::atoi(argv[2]) : 1000));
    asio::signal_set signals(host, SIGINT, SIGTERM);
    signals.async_wait([](const boost::system::error_code &, int) {
        wsock_server_close(server, 0, 1001, "the server is going down");
    });

    stream_descriptor readable(host, wsock_loop_fd(loop));
    watch(readable, host);
    host.run();
    readable.release(); // the descriptor is the library's, which closes it
    wsock_loop_free(loop);
    return failed;
}

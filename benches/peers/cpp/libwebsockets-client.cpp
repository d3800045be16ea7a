// libwebsockets as a client, with a buffer that takes many messages at a time.
#include "options.hpp"

#include <libwebsockets.h>

#include <vector>

namespace {

constexpr size_t CHUNK = 256 * 1024;

struct Run {
    Load load;
    Meter meter;
    std::vector<unsigned char> payload;
    bool over = false, failed = false;

    Run(int argc, char **argv)
        : load(argc, argv), meter("libwebsockets", load), payload(LWS_PRE + load.size) {}
};

int callback(lws *wsi, lws_callback_reasons reason, void *user, void *data, size_t size) {
    auto *run = static_cast<Run *>(lws_context_user(lws_get_context(wsi)));
    switch (reason) {
    case LWS_CALLBACK_CLIENT_ESTABLISHED:
        if (run->load.pingpong()) lws_callback_on_writable(wsi);
        return 0;
    case LWS_CALLBACK_CLIENT_WRITEABLE:
        std::fill(run->payload.begin() + LWS_PRE, run->payload.end(), 'a'); // lws_write masks it where it is
        return lws_write(wsi, run->payload.data() + LWS_PRE, run->load.size, LWS_WRITE_BINARY) < 0 ? -1 : 0;
    case LWS_CALLBACK_CLIENT_RECEIVE:
        if (lws_remaining_packet_payload(wsi) || !lws_is_final_fragment(wsi)) return 0;
        if (!run->meter.count()) run->over = true;
        else if (run->load.pingpong()) lws_callback_on_writable(wsi);
        return run->over ? -1 : 0;
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
    case LWS_CALLBACK_CLIENT_CLOSED:
        run->failed = !run->over;
        run->over = true;
        return 0;
    default:
        return lws_callback_http_dummy(wsi, reason, user, data, size);
    }
}

} // namespace

int main(int argc, char **argv) {
    Run run(argc, argv);
    lws_set_log_level(LLL_ERR, nullptr);
    const lws_protocols protocols[] = {{"peer", callback, 0, CHUNK, 0, nullptr, 0}, {}};
    lws_context_creation_info info{};
    info.port = CONTEXT_PORT_NO_LISTEN;
    info.protocols = protocols;
    info.pt_serv_buf_size = CHUNK;
    info.user = &run;
    lws_context *context = lws_create_context(&info);
    if (!context) return 1;
    lws_client_connect_info connect{};
    connect.context = context;
    connect.address = connect.host = "127.0.0.1";
    connect.port = run.load.port;
    connect.path = "/";
    connect.local_protocol_name = "peer";
    lws_client_connect_via_info(&connect);
    while (!run.over && lws_service(context, 0) >= 0) {}
    lws_context_destroy(context);
    return run.failed;
}

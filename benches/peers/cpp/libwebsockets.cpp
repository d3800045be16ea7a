// libwebsockets as a server, on libuv where Debian's plugin for it is there: its own loop polls every connection each
// time. A message is written in each "writable" callback, as its documentation asks for.
#include "options.hpp"

#include <libwebsockets.h>
#include <signal.h>

#include <deque>
#include <memory>
#include <unordered_set>
#include <vector>

namespace {

constexpr size_t CHUNK = 128 * 1024;

struct Message {
    std::vector<unsigned char> bytes; // LWS_PRE bytes of room, then the payload
    lws_write_protocol type;
};

struct Client {
    std::vector<unsigned char> incoming;
    std::deque<std::shared_ptr<Message>> queue;
};

bool broadcast;
std::unordered_set<lws *> all;

void send(lws *wsi, const std::shared_ptr<Message> &message) {
    static_cast<Client *>(lws_wsi_user(wsi))->queue.push_back(message);
    lws_callback_on_writable(wsi);
}

void receive(lws *wsi, Client *client, const unsigned char *data, size_t size) {
    std::vector<unsigned char> &incoming = client->incoming;
    if (incoming.empty()) {
        incoming.reserve(LWS_PRE + size + lws_remaining_packet_payload(wsi));
        incoming.resize(LWS_PRE);
    }
    incoming.insert(incoming.end(), data, data + size);
    if (lws_remaining_packet_payload(wsi) || !lws_is_final_fragment(wsi)) return;
    auto message = std::make_shared<Message>();
    message->bytes.swap(incoming);
    message->type = lws_frame_is_binary(wsi) ? LWS_WRITE_BINARY : LWS_WRITE_TEXT;
    if (!broadcast) send(wsi, message);
    else for (lws *other : all) send(other, message);
}

int write(lws *wsi, Client *client) {
    if (client->queue.empty()) return 0;
    std::shared_ptr<Message> message = client->queue.front();
    client->queue.pop_front();
    // lws_write builds the header in the room before the payload, and masks nothing that a server sends.
    size_t size = message->bytes.size() - LWS_PRE;
    if (lws_write(wsi, message->bytes.data() + LWS_PRE, size, message->type) < 0) return -1;
    if (!client->queue.empty()) lws_callback_on_writable(wsi);
    return 0;
}

int callback(lws *wsi, lws_callback_reasons reason, void *user, void *data, size_t size) {
    auto *client = static_cast<Client *>(user);
    switch (reason) {
    case LWS_CALLBACK_ESTABLISHED:
        new (client) Client;
        if (broadcast) all.insert(wsi);
        return 0;
    case LWS_CALLBACK_CLOSED:
        all.erase(wsi);
        client->~Client();
        return 0;
    case LWS_CALLBACK_RECEIVE:
        receive(wsi, client, static_cast<unsigned char *>(data), size);
        return 0;
    case LWS_CALLBACK_SERVER_WRITEABLE:
        return write(wsi, client);
    default:
        return lws_callback_http_dummy(wsi, reason, user, data, size);
    }
}

} // namespace

int main(int argc, char **argv) {
    Options options(argc, argv);
    broadcast = options.broadcast;
    lws_set_log_level(LLL_ERR, nullptr);
    const lws_protocols protocols[] = {{"peer", callback, sizeof(Client), CHUNK, 0, nullptr, 0}, {}};
    const lws_extension extensions[] = {
        {"permessage-deflate", lws_extension_callback_pm_deflate,
         "permessage-deflate; client_no_context_takeover; server_no_context_takeover; comp_level=1"},
        {},
    };
    lws_context_creation_info info{};
    info.port = options.port;
    info.iface = "lo";
    info.protocols = protocols;
    info.extensions = options.deflate ? extensions : nullptr;
    info.pt_serv_buf_size = CHUNK;
    info.options = LWS_SERVER_OPTION_VALIDATE_UTF8 | LWS_SERVER_OPTION_LIBUV;
    if (!options.cert.empty()) {
        info.options |= LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
        info.ssl_cert_filepath = options.cert.c_str();
        info.ssl_private_key_filepath = options.key.c_str();
    }
    lws_context *context = lws_create_context(&info);
    if (!context) return 1;
    // libuv took them over, and would only leave its loop.
    signal(SIGTERM, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    options.listening();
    while (lws_service(context, 0) >= 0) {}
    lws_context_destroy(context);
    return 0;
}

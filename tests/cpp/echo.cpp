// A C++ program on the C header: a server and a client of it on one loop, handlers from lambdas, state
// in classes, and a message there and back.
#include <cstdio>
#include <cstring>
#include <string>

#include "wsock.h"

namespace {

int failures = 0;

void expect(bool holds, const char *what) {
  if (holds) return;
  std::fprintf(stderr, "expected: %s\n", what);
  failures++;
}

// Frees the loop on every way out, with whatever is left in it.
class Loop {
 public:
  Loop() { expect(wsock_loop_new(&loop_) == WSOCK_OK, "a loop"); }
  Loop(const Loop &) = delete;
  Loop &operator=(const Loop &) = delete;
  ~Loop() { expect(wsock_loop_free(loop_) == WSOCK_OK, "the loop ends"); }
  wsock_loop *get() const { return loop_; }

 private:
  wsock_loop *loop_ = nullptr;
};

struct Client {
  std::string received;
  int closed_with = 0;
  bool released = false;
};

wsock_handlers no_handlers() {
  wsock_handlers handlers = {};
  handlers.struct_size = sizeof handlers;
  return handlers;
}

wsock_handlers echo_handlers() {
  wsock_handlers handlers = no_handlers();
  handlers.on_message = [](wsock_conn *conn, int32_t type, const uint8_t *data, size_t len, void *) {
    expect(wsock_conn_send(conn, type, data, len, 0) == WSOCK_OK, "the server sends");
  };
  // What the application throws it must catch: nothing may leave a callback.
  handlers.on_open = [](wsock_conn *, void *) {
    try {
      throw std::string("kept inside");
    } catch (const std::string &) {
    }
  };
  return handlers;
}

wsock_handlers client_handlers() {
  wsock_handlers handlers = no_handlers();
  handlers.on_open = [](wsock_conn *conn, void *) {
    const std::string text = "gr\xc3\xbc\xc3\x9f from C++";
    expect(wsock_conn_send_text(conn, text.data(), text.size()) == WSOCK_OK, "the client sends");
  };
  handlers.on_message = [](wsock_conn *conn, int32_t type, const uint8_t *data, size_t len, void *user) {
    expect(type == WSOCK_TEXT, "text");
    static_cast<Client *>(user)->received.assign(reinterpret_cast<const char *>(data), len);
    expect(wsock_conn_close(conn, 3001, "done") == WSOCK_OK, "the client closes");
  };
  handlers.on_error = [](wsock_conn *, const wsock_error_info *error, void *) { expect(false, error->message); };
  handlers.on_close = [](wsock_conn *conn, const wsock_close_info *info, void *user) {
    static_cast<Client *>(user)->closed_with = info->code;
    wsock_server *server = nullptr;
    expect(wsock_conn_server(conn) == server, "a client has no server");
  };
  handlers.release = [](void *user) { static_cast<Client *>(user)->released = true; };
  return handlers;
}

}  // namespace

int main() {
  Client client;
  {
    Loop loop;
    const wsock_handlers server_handlers = echo_handlers(), handlers = client_handlers();
    wsock_server *server = nullptr;
    wsock_conn *conn = nullptr;
    expect(wsock_listen(loop.get(), "127.0.0.1", 0, nullptr, &server_handlers, nullptr, &server) == WSOCK_OK, "a server");
    const std::string url = "ws://127.0.0.1:" + std::to_string(wsock_server_port(server)) + "/";
    expect(wsock_connect(loop.get(), url.c_str(), nullptr, &handlers, &client, &conn) == WSOCK_OK, "a client");
    while (!client.released && failures == 0) expect(wsock_loop_poll(loop.get(), 1000) >= 0, "a turn of the loop");
    expect(client.received == "gr\xc3\xbc\xc3\x9f from C++", "the message came back");
    expect(client.closed_with == 3001, "the close code came back");
    expect(wsock_conn_close(conn, 1000, nullptr) == WSOCK_ERR_INVALID_HANDLE, "the handle has ended");
    expect(std::strcmp(wsock_error_name(WSOCK_ERR_INVALID_HANDLE), "WSOCK_ERR_INVALID_HANDLE") == 0, "its name");
  }
  return failures != 0;
}

// Boost.Beast as a server. It reads into a buffer of 64 KiB, not by the 1.5 KiB that async_read would ask for at the
// beginning of each message, and it knows the type of its executor, which spares a virtual call for each operation.
#include "options.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/ssl.hpp>
#include <boost/beast/websocket.hpp>
#include <boost/beast/websocket/ssl.hpp>

#include <deque>
#include <memory>
#include <unordered_set>

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace websocket = beast::websocket;
using boost::system::error_code;
using Tcp = asio::ip::tcp;
using Executor = asio::io_context::executor_type;
using Socket = asio::basic_stream_socket<Tcp, Executor>;
using Tls = asio::ssl::stream<Socket>;

struct Message {
    std::string data;
    bool text;
};

template <class Stream>
class Session : public std::enable_shared_from_this<Session<Stream>> {
  public:
    using All = std::unordered_set<Session *>;

    template <class... Args>
    Session(const Options &options, All &all, Args &&...args)
        : ws(std::forward<Args>(args)...), broadcast(options.broadcast), all(all) {
        ws.read_message_max(64 << 20);
        ws.auto_fragment(false);
        if (options.deflate) {
            websocket::permessage_deflate deflate;
            deflate.server_enable = true;
            deflate.compLevel = 1;
            deflate.server_no_context_takeover = true;
            deflate.client_no_context_takeover = true;
            ws.set_option(deflate);
        }
    }

    ~Session() { all.erase(this); }

    void start() {
        auto self = this->shared_from_this();
        if constexpr (std::is_same_v<Stream, Tls>) {
            ws.next_layer().async_handshake(asio::ssl::stream_base::server, [self](error_code error) {
                if (!error) self->accept();
            });
        } else {
            accept();
        }
    }

  private:
    void accept() {
        ws.async_accept([self = this->shared_from_this()](error_code error) {
            if (error) return;
            if (self->broadcast) self->all.insert(self.get());
            self->read();
        });
    }

    void read() {
        size_t room = std::max<size_t>(64 * 1024, buffer.capacity() - buffer.size());
        ws.async_read_some(buffer.prepare(room), [self = this->shared_from_this()](error_code error, size_t size) {
            if (error) return;
            self->buffer.commit(size);
            if (!self->ws.is_message_done()) self->read();
            else if (self->broadcast) self->publish();
            else self->echo();
        });
    }

    void echo() {
        ws.text(ws.got_text());
        ws.async_write(buffer.cdata(), [self = this->shared_from_this()](error_code error, size_t) {
            if (error) return;
            self->buffer.clear();
            self->read();
        });
    }

    void publish() {
        auto message = std::make_shared<const Message>(Message{beast::buffers_to_string(buffer.cdata()), ws.got_text()});
        buffer.clear();
        for (Session *session : all) session->send(message);
        read();
    }

    void send(std::shared_ptr<const Message> message) {
        queue.push_back(std::move(message));
        if (queue.size() == 1) write();
    }

    void write() {
        ws.text(queue.front()->text);
        ws.async_write(asio::buffer(queue.front()->data), [self = this->shared_from_this()](error_code error, size_t) {
            self->queue.pop_front();
            if (!error && !self->queue.empty()) self->write();
        });
    }

    websocket::stream<Stream> ws;
    beast::flat_buffer buffer;
    bool broadcast;
    All &all;
    std::deque<std::shared_ptr<const Message>> queue;
};

template <class Stream>
class Server {
  public:
    Server(asio::io_context &io, const Options &options) : options(options), acceptor(io) {
        if constexpr (std::is_same_v<Stream, Tls>) {
            context.use_certificate_chain_file(options.cert);
            context.use_private_key_file(options.key, asio::ssl::context::pem);
        }
        Tcp::endpoint address(asio::ip::address_v4::loopback(), options.port);
        acceptor.open(address.protocol());
        acceptor.set_option(Tcp::acceptor::reuse_address(true));
        acceptor.bind(address);
        acceptor.listen(4096);
        options.listening();
        accept();
    }

  private:
    void accept() {
        acceptor.async_accept([this](error_code error, Socket socket) {
            if (!error) {
                socket.set_option(Tcp::no_delay(true));
                if constexpr (std::is_same_v<Stream, Tls>)
                    std::make_shared<Session<Stream>>(options, all, std::move(socket), context)->start();
                else
                    std::make_shared<Session<Stream>>(options, all, std::move(socket))->start();
            }
            accept();
        });
    }

    const Options &options;
    asio::ssl::context context{asio::ssl::context::tls_server};
    asio::basic_socket_acceptor<Tcp, Executor> acceptor;
    typename Session<Stream>::All all;
};

int main(int argc, char **argv) try {
    Options options(argc, argv);
    asio::io_context io(1);
    if (options.cert.empty()) {
        Server<Socket> server(io, options);
        io.run();
    } else {
        Server<Tls> server(io, options);
        io.run();
    }
} catch (const std::exception &error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
}

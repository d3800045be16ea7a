// WebSocket++ as a server, without its locks, since there is one thread.
#include "options.hpp"

#include <websocketpp/concurrency/none.hpp>
#include <websocketpp/config/asio.hpp>
#include <websocketpp/extensions/permessage_deflate/enabled.hpp>
#include <websocketpp/server.hpp>

#include <set>

// The library's configuration of one of its own ports, with and without TLS, changed where this program differs.
template <class Base>
struct Config : Base {
    using type = Config;
    using concurrency_type = websocketpp::concurrency::none;
    using elog_type = websocketpp::log::basic<concurrency_type, websocketpp::log::elevel>;
    using alog_type = websocketpp::log::basic<concurrency_type, websocketpp::log::alevel>;

    static const websocketpp::log::level elog_level = websocketpp::log::elevel::none;
    static const websocketpp::log::level alog_level = websocketpp::log::alevel::none;
    static const size_t max_message_size = 64 << 20;
    static const bool enable_multithreading = false;

    struct transport_config : Base::transport_config {
        using concurrency_type = Config::concurrency_type;
        using elog_type = Config::elog_type;
        using alog_type = Config::alog_type;
        static const bool enable_multithreading = false;
    };
    using transport_type = websocketpp::transport::asio::endpoint<transport_config>;
};

template <class Base>
struct Deflate : Base {
    struct permessage_deflate_config : Base::permessage_deflate_config {};
    using permessage_deflate_type = websocketpp::extensions::permessage_deflate::enabled<permessage_deflate_config>;
};

template <class Transport>
class Server : public websocketpp::server<Transport> {
    using Base = websocketpp::server<Transport>;

  public:
    explicit Server(const Options &options) {
        this->init_asio();
        this->set_reuse_addr(true);
        this->set_listen_backlog(4096);
        this->set_tcp_post_init_handler([this](websocketpp::connection_hdl handle) {
            this->get_con_from_hdl(handle)->get_raw_socket().set_option(boost::asio::ip::tcp::no_delay(true));
        });
        if (options.broadcast) {
            this->set_open_handler([this](websocketpp::connection_hdl handle) { all.insert(handle); });
            this->set_close_handler([this](websocketpp::connection_hdl handle) { all.erase(handle); });
        }
        this->set_message_handler([this, options](websocketpp::connection_hdl sender, typename Base::message_ptr message) {
            websocketpp::lib::error_code error; // of a connection that is closing: nothing to do about it
            message->set_compressed(options.deflate);
            if (!options.broadcast) {
                this->send(sender, message, error);
                return;
            }
            for (const auto &handle : all) this->send(handle, message->get_payload(), message->get_opcode(), error);
        });
    }

    void run_on(const Options &options) {
        this->listen("127.0.0.1", std::to_string(options.port));
        this->start_accept();
        options.listening();
        this->run();
    }

  private:
    std::set<websocketpp::connection_hdl, std::owner_less<websocketpp::connection_hdl>> all;
};

template <template <class> class Extension>
static void serve(const Options &options) {
    if (options.cert.empty()) {
        Server<Extension<Config<websocketpp::config::asio>>> server(options);
        server.run_on(options);
        return;
    }
    Server<Extension<Config<websocketpp::config::asio_tls>>> server(options);
    server.set_tls_init_handler([&options](websocketpp::connection_hdl) {
        static auto context = [&options] {
            namespace ssl = boost::asio::ssl;
            auto made = std::make_shared<ssl::context>(ssl::context::tls_server);
            made->use_certificate_chain_file(options.cert);
            made->use_private_key_file(options.key, ssl::context::pem);
            return made;
        }();
        return context;
    });
    server.run_on(options);
}

template <class Base>
using Plain = Base;

int main(int argc, char **argv) try {
    Options options(argc, argv);
    if (options.deflate) serve<Deflate>(options);
    else serve<Plain>(options);
} catch (const std::exception &error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
}

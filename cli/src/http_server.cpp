#include "http_server.h"

#include <charconv>
#include <chrono>
#include <optional>
#include <thread>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <fmt/format.h>

#include "configuration.h"

namespace xa_tm::cli {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;

/// How long one client may take to ask, and to take the answer.
constexpr std::chrono::seconds kClientTimeout{5};
/// How many are served at once. Others wait in the kernel's queue.
constexpr int kClientsMax = 32;
/// What keeps us from accepting is seldom over at once, such as that no descriptor is left.
constexpr std::chrono::milliseconds kPauseBeforeAccepting{100};

/// One request and its reply. Keeps itself alive until both are over, and is counted so long.
class Session final : public std::enable_shared_from_this<Session> {
public:
    Session(asio::ip::tcp::socket socket, const HttpServer::Answer& answer, int& count)
        : stream_{std::move(socket)}, answer_{answer}, count_{count} {
        ++count_;
    }
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;
    ~Session() { --count_; }

    void start() {
        stream_.expires_after(kClientTimeout);
        // The head alone: what a client sends behind it is not read.
        http::async_read_header(stream_, buffer_, request_,
                                [self = shared_from_this()](beast::error_code error, std::size_t) {
                                    if (!error) {
                                        self->reply();
                                    }
                                });
    }

private:
    void reply() {
        const auto method = request_.get().method();
        HttpReply reply{405, "text/plain; charset=utf-8", "GET and HEAD are answered here.\n"};
        if (method == http::verb::get || method == http::verb::head) {
            const auto target = request_.get().target();
            reply = answer_(std::string_view{target.data(), target.size()});
        }
        response_.result(reply.status);
        response_.version(11);
        response_.keep_alive(false);
        response_.set(http::field::content_type, reply.content_type);
        response_.set(http::field::cache_control, "no-store");
        response_.content_length(reply.body.size());
        if (method != http::verb::head) {
            response_.body() = std::move(reply.body);
        }
        http::async_write(
            stream_, response_, [self = shared_from_this()](beast::error_code error, std::size_t) {
                self->stream_.socket().shutdown(asio::ip::tcp::socket::shutdown_send, error);
            });
    }

    beast::tcp_stream stream_;
    const HttpServer::Answer& answer_;
    int& count_;
    beast::flat_buffer buffer_;
    http::request_parser<http::empty_body> request_;
    http::response<http::string_body> response_;
};

/// Nothing for what is no address, a name included.
std::optional<asio::ip::address> address_of(std::string_view host) {
    const bool has_brackets = host.starts_with('[') && host.ends_with(']');
    boost::system::error_code error;
    const auto address = asio::ip::make_address(
        std::string{has_brackets ? host.substr(1, host.size() - 2) : host}, error);
    const bool is_valid = !error && address.is_v6() == has_brackets;
    return is_valid ? std::optional{address} : std::nullopt;
}

bool is_loopback(std::string_view host) {
    const auto address = address_of(host);
    return address && address->is_loopback();
}

std::optional<std::uint16_t> port_of(std::string_view text) {
    std::uint16_t port = 0;
    const auto* const end = text.data() + text.size();
    const auto [last, error] = std::from_chars(text.data(), end, port);
    return error == std::errc{} && last == end ? std::optional{port} : std::nullopt;
}

}  // namespace

ListenAddress parse_listen_address(std::string_view text) {
    const auto colon = text.rfind(':');
    std::string host{text.substr(0, colon)};
    if (colon == std::string_view::npos || !port_of(text.substr(colon + 1))) {
        throw ConfigurationError{
            fmt::format("--listen wants ADDRESS:PORT, such as 127.0.0.1:9464, not \"{}\"", text)};
    }
    if (!is_loopback(host)) {
        throw ConfigurationError{
            fmt::format("--listen takes 127.0.0.1 or [::1] and not {}: the endpoints know no "
                        "passwords, so they are for this machine alone; put a proxy in front for "
                        "others",
                        host)};
    }
    return {std::move(host), *port_of(text.substr(colon + 1))};
}

class HttpServer::Acceptor {
public:
    Acceptor(const asio::ip::tcp::endpoint& endpoint, Answer answer)
        : answer_{std::move(answer)}, acceptor_{context_, endpoint} {
        accept();
        thread_ = std::thread{[this] { context_.run(); }};
    }
    Acceptor(const Acceptor&) = delete;
    Acceptor& operator=(const Acceptor&) = delete;
    ~Acceptor() {
        context_.stop();
        thread_.join();
    }

    [[nodiscard]] std::uint16_t port() const { return acceptor_.local_endpoint().port(); }

private:
    void accept() {
        if (clients_ >= kClientsMax) {
            accept_after_pause();
            return;
        }
        acceptor_.async_accept([this](beast::error_code error, asio::ip::tcp::socket socket) {
            if (error) {
                accept_after_pause();
                return;
            }
            std::make_shared<Session>(std::move(socket), answer_, clients_)->start();
            accept();
        });
    }

    void accept_after_pause() {
        pause_.expires_after(kPauseBeforeAccepting);
        pause_.async_wait([this](beast::error_code) { accept(); });
    }

    Answer answer_;
    /// Stays longer than the context, which ends those that are left.
    int clients_ = 0;
    asio::io_context context_{1};
    asio::ip::tcp::acceptor acceptor_;
    asio::steady_timer pause_{context_};
    std::thread thread_;
};

HttpServer::HttpServer(const ListenAddress& address, Answer answer) {
    try {
        acceptor_ = std::make_unique<Acceptor>(
            asio::ip::tcp::endpoint{address_of(address.host).value(), address.port},
            std::move(answer));
    } catch (const boost::system::system_error& error) {
        throw ConfigurationError{
            fmt::format("can't listen on {}:{}: {}; choose another port with "
                        "--listen",
                        address.host, address.port, error.code().message())};
    }
    url_ = fmt::format("http://{}:{}", address.host, acceptor_->port());
}

HttpServer::~HttpServer() = default;

}  // namespace xa_tm::cli

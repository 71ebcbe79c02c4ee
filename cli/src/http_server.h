#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace xa_tm::cli {

/// Where the endpoints are; always on loopback.
struct ListenAddress {
    /// As a URL has it: an IPv6 address stands in brackets.
    std::string host;
    /// 0: one that is free.
    std::uint16_t port;

    friend bool operator==(const ListenAddress&, const ListenAddress&) = default;
};

/// Reads 127.0.0.1:PORT or [::1]:PORT. Throws ConfigurationError for another address: the endpoints
/// know no passwords, so whoever can reach them may read them.
[[nodiscard]] ListenAddress parse_listen_address(std::string_view text);

struct HttpReply {
    unsigned status;
    std::string content_type;
    std::string body;
};

/// Answers GET and HEAD over HTTP, one request a connection.
///
/// Ownership: owns its one thread, which calls `answer` until the end.
/// Thread safety: one thread at a time.
class HttpServer {
public:
    using Answer = std::function<HttpReply(std::string_view path)>;

    /// Answers from now on. Throws ConfigurationError when it can't listen there.
    HttpServer(const ListenAddress& address, Answer answer);
    HttpServer(const HttpServer&) = delete;
    HttpServer& operator=(const HttpServer&) = delete;
    /// Ends at once, whatever the clients do.
    ~HttpServer();

    /// Of the server itself, with the port that it really has.
    [[nodiscard]] const std::string& url() const noexcept { return url_; }

private:
    class Acceptor;
    std::unique_ptr<Acceptor> acceptor_;
    std::string url_;
};

}  // namespace xa_tm::cli

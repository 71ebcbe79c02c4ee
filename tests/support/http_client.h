#pragma once

#include <string>

namespace xa_tm::test {

/// A connection to a server of ours on loopback.
///
/// Ownership: owns its socket.
/// Thread safety: one thread at a time.
class TcpClient {
public:
    /// A URL without a path. Throws std::system_error.
    explicit TcpClient(const std::string& url);
    TcpClient(const TcpClient&) = delete;
    TcpClient& operator=(const TcpClient&) = delete;
    ~TcpClient();

    void send(const std::string& bytes);
    /// Everything until the server closes.
    [[nodiscard]] std::string receive();

private:
    int socket_ = -1;
};

/// One request and the whole reply, head and body. Throws std::system_error when nobody listens.
[[nodiscard]] std::string http_request(const std::string& url, const std::string& method,
                                       const std::string& path);

}  // namespace xa_tm::test

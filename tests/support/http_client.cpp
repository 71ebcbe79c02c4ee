#include "http_client.h"

#include <array>
#include <cerrno>
#include <cstdint>
#include <string_view>
#include <system_error>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace xa_tm::test {
namespace {

template <class Result>
Result checked(Result result, const char* call) {
    if (result < 0) {
        throw std::system_error(errno, std::generic_category(), call);
    }
    return result;
}

std::string authority_of(const std::string& url) {
    const auto start = url.find("://") + 3;
    return url.substr(start, url.find('/', start) - start);
}

}  // namespace

TcpClient::TcpClient(const std::string& url) {
    const auto authority = authority_of(url);
    const auto port =
        htons(static_cast<std::uint16_t>(std::stoi(authority.substr(authority.rfind(':') + 1))));
    const bool is_ipv6 = authority.front() == '[';
    sockaddr_in6 v6{.sin6_family = AF_INET6,
                    .sin6_port = port,
                    .sin6_flowinfo = 0,
                    .sin6_addr = IN6ADDR_LOOPBACK_INIT,
                    .sin6_scope_id = 0};
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = port;
    v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socket_ =
        checked(::socket(is_ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
    const auto* const address =
        is_ipv6 ? reinterpret_cast<const sockaddr*>(&v6) : reinterpret_cast<const sockaddr*>(&v4);
    if (::connect(socket_, address, is_ipv6 ? sizeof(v6) : sizeof(v4)) != 0) {
        const int error = errno;
        ::close(socket_);
        throw std::system_error(error, std::generic_category(), "connect to " + authority);
    }
}

TcpClient::~TcpClient() {
    ::close(socket_);
}

void TcpClient::send(const std::string& bytes) {
    checked(::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL), "send");
}

std::string TcpClient::receive() {
    std::string received;
    std::array<char, 4096> buffer{};
    while (const auto count = checked(::recv(socket_, buffer.data(), buffer.size(), 0), "recv")) {
        received.append(buffer.data(), static_cast<std::size_t>(count));
    }
    return received;
}

std::string http_request(const std::string& url, const std::string& method,
                         const std::string& path) {
    TcpClient client{url};
    client.send(fmt::format("{} {} HTTP/1.1\r\nHost: {}\r\nContent-Length: 0\r\n\r\n", method, path,
                            authority_of(url)));
    return client.receive();
}

}  // namespace xa_tm::test

#include "notify_socket.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <random>
#include <system_error>

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace xa_tm::test {
namespace {

constexpr int kLimitMs = 30000;

}  // namespace

NotifySocket::NotifySocket()
    : name_{fmt::format("@xa_tm_test.{}.{:08x}", ::getpid(), std::random_device{}())},
      socket_{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)} {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::ranges::copy(name_, address.sun_path);
    address.sun_path[0] = '\0';
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name_.size());
    if (::bind(socket_, reinterpret_cast<const sockaddr*>(&address), size) != 0) {
        throw std::system_error(errno, std::generic_category(), "bind " + name_);
    }
}

NotifySocket::~NotifySocket() {
    ::close(socket_);
}

std::string NotifySocket::take() {
    pollfd waiting{socket_, POLLIN, 0};
    std::array<char, 4096> buffer{};
    if (::poll(&waiting, 1, kLimitMs) != 1) {
        return {};
    }
    const auto size = ::recv(socket_, buffer.data(), buffer.size(), 0);
    return {buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0))};
}

std::string NotifySocket::take_until(const std::string& words) {
    for (;;) {
        auto message = take();
        if (message.empty() || message.find(words) != std::string::npos) {
            return message;
        }
    }
}

}  // namespace xa_tm::test

#include "hostile_server.h"

#include <array>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <utility>

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/support/temporary_directory.h"
#include "xa_tm/recovery_log/check.h"

namespace xa_tm::test {
namespace {

/// How long a client may keep silent before it is taken to wait for what never comes. A busy
/// machine only makes a conversation shorter by it.
constexpr int kPatienceMs = 10;
constexpr int kForever = -1;

int listen_at(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    XA_TM_CHECK(path.size() < sizeof address.sun_path, "the path fits");
    std::memcpy(address.sun_path, path.c_str(), path.size());
    ::unlink(path.c_str());
    const int listener = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    XA_TM_CHECK(
        ::bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
            ::listen(listener, 8) == 0,
        "the server can listen");
    return listener;
}

}  // namespace

const std::string& socket_folder() {
    // Not deep in the build folder: the path of a socket has 107 bytes at most.
    static const TemporaryDirectory folder{std::filesystem::temp_directory_path()};
    return folder.path().native();
}

HostileServer::HostileServer(const std::string& socket_path, Script script,
                             RequestCounter count_requests, bool speaks_first)
    : script_{std::move(script)},
      count_requests_{std::move(count_requests)},
      speaks_first_{speaks_first},
      path_{socket_path},
      listener_{listen_at(socket_path)},
      stop_{::eventfd(0, EFD_CLOEXEC)},
      thread_{[this] { run(); }} {}

HostileServer::~HostileServer() {
    const std::uint64_t one = 1;
    XA_TM_CHECK(::write(stop_, &one, sizeof one) == sizeof one, "an event can be told");
    thread_.join();
    ::close(listener_);
    ::close(stop_);
    ::unlink(path_.c_str());
}

bool HostileServer::wait_for(int descriptor, int patience_ms) const {
    std::array<pollfd, 2> waiting{pollfd{descriptor, POLLIN, 0}, pollfd{stop_, POLLIN, 0}};
    return ::poll(waiting.data(), waiting.size(), patience_ms) > 0 && waiting[1].revents == 0;
}

void HostileServer::run() {
    bool is_first = true;
    while (wait_for(listener_, kForever)) {
        const int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
        if (client >= 0 && std::exchange(is_first, false)) {
            serve(client);
        }
        ::close(client);
    }
}

void HostileServer::serve(int client) {
    std::string received;
    std::size_t said = 0;
    std::size_t asked = speaks_first_ ? 1 : 0;
    const auto read_some = [&](int patience_ms) {
        std::array<char, 4096> buffer{};
        if (!wait_for(client, patience_ms)) {
            return false;
        }
        const auto count = ::read(client, buffer.data(), buffer.size());
        received.append(buffer.data(), count > 0 ? static_cast<std::size_t>(count) : 0);
        return count > 0;
    };
    while (true) {
        for (; asked > 0 && said < script_.size(); --asked, ++said) {
            // More than a socket holds is lost.
            static_cast<void>(::send(client, script_[said].data(), script_[said].size(),
                                     MSG_NOSIGNAL | MSG_DONTWAIT));
        }
        if (said == script_.size() || !read_some(kPatienceMs)) {
            break;
        }
        asked += count_requests_(received);
    }
    // A socket that is closed with something unread in it takes away what the other side has not
    // read yet.
    ::shutdown(client, SHUT_WR);
    while (read_some(kForever)) {
    }
}

}  // namespace xa_tm::test

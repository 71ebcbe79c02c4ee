#include "service_manager.h"

#include <algorithm>
#include <cstddef>
#include <cstdlib>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace xa_tm::cli {

void notify_service_manager(std::string_view what) noexcept {
    const char* const name = std::getenv("NOTIFY_SOCKET");
    sockaddr_un address{};
    const std::string_view path = name == nullptr ? "" : name;
    if (path.empty() || path.size() >= sizeof(address.sun_path)) {
        return;
    }
    address.sun_family = AF_UNIX;
    std::ranges::copy(path, address.sun_path);
    if (path.front() == '@') {
        address.sun_path[0] = '\0';  // unix(7): an abstract address
    }
    const int socket = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (socket >= 0) {
        static_cast<void>(
            ::sendto(socket, what.data(), what.size(), MSG_NOSIGNAL,
                     reinterpret_cast<const sockaddr*>(&address),
                     static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size())));
        ::close(socket);
    }
}

}  // namespace xa_tm::cli

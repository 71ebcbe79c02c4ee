#pragma once

#include <string>

namespace xa_tm::test {

/// A service manager's end of sd_notify(3): an abstract datagram socket.
///
/// Ownership: owns its socket.
/// Thread safety: one thread at a time.
class NotifySocket {
public:
    /// Throws std::system_error.
    NotifySocket();
    NotifySocket(const NotifySocket&) = delete;
    NotifySocket& operator=(const NotifySocket&) = delete;
    ~NotifySocket();

    /// What NOTIFY_SOCKET has to be.
    [[nodiscard]] const std::string& name() const noexcept { return name_; }
    /// The next message; empty when none has come within 30 s.
    [[nodiscard]] std::string take();
    /// The first message from now on that holds these words; empty when there is none within 30 s
    /// of the one before.
    [[nodiscard]] std::string take_until(const std::string& words);

private:
    std::string name_;
    int socket_ = -1;
};

}  // namespace xa_tm::test

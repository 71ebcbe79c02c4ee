#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace xa_tm::test {

/// What a server says: first of all, or for each request of its client, in their order.
using Script = std::vector<std::string>;

/// How many whole requests stand at the front of what a client has sent; takes them off. Asked
/// again with what has come in addition.
using RequestCounter = std::function<std::size_t(std::string& received)>;

/// Says what a script says to the first client that connects to a socket, whatever that client
/// says, and then nothing more: it ends the connection for the other direction. It does so as well
/// when the client waits for more than the script gives it. Later clients are turned away.
///
/// Ownership: owns its thread and its sockets; the folder is the caller's.
/// Thread safety: one thread at a time.
class HostileServer {
public:
    HostileServer(const std::string& socket_path, Script script, RequestCounter count_requests,
                  bool speaks_first);
    HostileServer(const HostileServer&) = delete;
    HostileServer& operator=(const HostileServer&) = delete;
    ~HostileServer();

private:
    void run();
    void serve(int client);
    /// Waits for input; false when the caller does not want to be served any more, or patience
    /// ends.
    [[nodiscard]] bool wait_for(int descriptor, int patience_ms) const;

    Script script_;
    RequestCounter count_requests_;
    bool speaks_first_;
    std::string path_;
    int listener_;
    int stop_;
    std::thread thread_;
};

/// A folder for sockets that lives as long as the process.
[[nodiscard]] const std::string& socket_folder();

}  // namespace xa_tm::test

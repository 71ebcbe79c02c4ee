#pragma once

#include <cstddef>
#include <cstdint>
#include <future>
#include <set>
#include <string>
#include <vector>

#include "audit.h"
#include "wire_proxy.h"

namespace xa_tm::test {

/// One server of the sandbox with the bank's tables, foreign branches, and a proxy in front of it.
///
/// Ownership: owns the proxy; the server is the sandbox's. One that was killed or paused is up
/// again when this is destroyed. Thread safety: one thread at a time.
class TortureServer {
public:
    enum class State { up, down, starting, paused };

    /// Makes the tables and plants branches of other transaction managers: one that has nothing in
    /// common with ours, and one whose names begin as ours do. What an earlier run has left of
    /// either is cleared away.
    explicit TortureServer(std::string name);
    TortureServer(const TortureServer&) = delete;
    TortureServer& operator=(const TortureServer&) = delete;
    ~TortureServer();

    [[nodiscard]] const std::string& name() const noexcept { return name_; }
    /// As resource of the application and of xa-recover: without what is no letter and no digit.
    [[nodiscard]] const std::string& resource() const noexcept { return resource_; }
    /// The same database as a last resource.
    [[nodiscard]] std::string last_resource() const { return resource_ + "-last"; }
    [[nodiscard]] bool is_postgresql() const noexcept { return is_postgresql_; }
    /// Through the proxy.
    [[nodiscard]] const std::string& uri() const noexcept { return uri_; }
    [[nodiscard]] WireProxy& proxy() noexcept { return proxy_; }

    [[nodiscard]] State state();
    /// SIGKILL to all its processes.
    void kill();
    /// Begins to start it again and returns at once; it is up when state() says so. Throws what the
    /// sandbox says when it does not come up.
    void restart();
    /// SIGSTOP to all its processes.
    void pause();
    void resume();
    /// Waits until it is up, whatever it was.
    void bring_up();

    /// Plants a decision row of another transaction manager, once there is the table.
    void plant_row();
    /// Branches that are prepared and not planted.
    [[nodiscard]] std::size_t count_prepared() const;
    /// Reads the books; the server is up and nothing goes on.
    [[nodiscard]] BankBooks books(std::int64_t first_id) const;
    /// Ends the foreign branches and drops the tables.
    void clear() const;

private:
    void signal_all(int signal) const;
    void plant() const;
    void drop() const;

    std::string name_;
    std::string resource_;
    std::string direct_uri_;
    bool is_postgresql_;
    WireProxy proxy_;
    std::string uri_;
    /// In the server's own syntax.
    std::vector<std::string> foreign_;
    std::set<std::string> planted_;
    std::set<std::string> planted_rows_;
    State state_ = State::up;
    std::future<void> start_;
};

[[nodiscard]] bool is_up(TortureServer& server);

}  // namespace xa_tm::test

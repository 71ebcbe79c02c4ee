#pragma once

#include <memory>
#include <string>
#include <vector>

#include "contender.h"
#include "raw_connection.h"

namespace xa_tm::bench {

/// What the contenders without a transaction manager have in common: a connection a branch by the
/// C client.
class RawSession : public Session {
public:
    void abandon() final { open(); }

protected:
    /// Opens the connections.
    explicit RawSession(const Workload& workload);

    [[nodiscard]] const std::vector<std::unique_ptr<RawConnection>>& connections() const noexcept {
        return connections_;
    }
    [[nodiscard]] std::size_t size() const noexcept { return connections_.size(); }

private:
    void open();

    std::vector<WorkloadBranch> branches_;
    std::vector<std::unique_ptr<RawConnection>> connections_;
};

/// Names of branches that no other session uses, in this process or another one.
class RawBranchNames {
public:
    RawBranchNames();

    void next() noexcept { ++sequence_; }
    /// Of a branch of the present transaction.
    [[nodiscard]] std::string of(std::size_t branch) const;

private:
    std::string prefix_;
    std::uint64_t sequence_ = 0;
};

/// The libraries that a session uses.
[[nodiscard]] std::string raw_clients();

}  // namespace xa_tm::bench

#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "in_doubt.h"
#include "temporary_directory.h"
#include "xa_tm/recovery_log/log_id.h"

namespace xa_tm::bench {

/// A recovery log of a transaction manager that has died, with everything it decided before.
///
/// Ownership: owns the folder.
/// Thread safety: one thread at a time.
class PassedLog {
public:
    PassedLog();

    [[nodiscard]] const std::filesystem::path& directory() const noexcept {
        return directory_.path();
    }

    /// Branches of an incarnation that has ended; every second one is to be decided.
    [[nodiscard]] std::vector<InDoubt> new_branches(std::size_t count);
    /// One more life of the owner: makes `passed` decisions, all of which are finished and
    /// forgotten, and spread between them the decision of each branch that has one. Throws
    /// std::runtime_error when the log refuses.
    void decide(std::span<const InDoubt> branches, std::size_t passed, const std::string& server);

private:
    [[nodiscard]] std::string next_gtrid();

    test::TemporaryDirectory directory_;
    recovery_log::LogId id_;
    std::uint32_t incarnation_;
    std::uint64_t sequence_ = 0;
};

}  // namespace xa_tm::bench

#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "log_report.h"
#include "xa_tm/recovery_log/recovery_log.h"

namespace xa_tm::recovery_log {

/// What a log owes after all that its writers have reported, kept outside of it.
///
/// Ownership: a value.
/// Thread safety: const members may be called from several threads at once.
class LogOracle {
public:
    using Entries = std::map<EntryId, Origin>;

    /// Takes what the writer of the next run has reported. A test fails when its opening has found
    /// other entries than the check() before.
    void take_run(std::span<const Report> reports);
    /// What a log holds after all runs: a test fails when an entry is lost, changed or invented.
    /// From here on, what is there is owed, and nothing else of these runs may turn up again.
    void check(const std::vector<Entry>& entries);
    /// As far as a reader beside a later run can tell: a test fails when an entry is no entry, or
    /// is one of a run that was checked and was not there then.
    void check_while_written(const std::vector<Entry>& entries) const;

    [[nodiscard]] std::uint32_t runs() const noexcept { return runs_; }
    [[nodiscard]] std::uint64_t acknowledged() const noexcept { return acknowledged_; }
    [[nodiscard]] std::uint64_t forgotten() const noexcept { return forgotten_; }

private:
    [[nodiscard]] static Entries decode(const std::vector<Entry>& entries);

    std::uint32_t runs_ = 0;
    std::uint64_t acknowledged_ = 0;
    std::uint64_t forgotten_ = 0;
    /// What the last check found, and the run it came after.
    Entries known_;
    std::uint32_t known_runs_ = 0;
    Entries owed_;   ///< acknowledged or known, and not forgotten
    Entries given_;  ///< acknowledged since the last check, forgotten or not
};

}  // namespace xa_tm::recovery_log

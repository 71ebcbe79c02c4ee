#pragma once

#include <cstdint>
#include <set>
#include <vector>

#include "recovery_rule.h"
#include "xa_tm/recovery_log/record_reader.h"

namespace xa_tm::recovery_log {

/// What is left of a damaged log: every intact record counts. Pure.
///
/// Ownership: copies what it needs.
/// Thread safety: one thread at a time.
class Salvage {
public:
    /// In any order; the same one may come more than once.
    void take(const LoggedRecord& record);

    /// Entries that are not known to be forgotten.
    [[nodiscard]] LiveSet live() const;
    [[nodiscard]] std::uint32_t quarantined_through() const noexcept {
        return quarantined_through_;
    }
    [[nodiscard]] const std::vector<OperatorNote>& notes() const noexcept { return notes_; }
    /// Above every sequence number that was seen.
    [[nodiscard]] EntryId next_seq() const noexcept { return next_seq_; }

private:
    LiveSet entries_;
    std::set<EntryId> forgotten_;
    std::uint32_t quarantined_through_ = 0;
    std::vector<OperatorNote> notes_;
    EntryId next_seq_ = 1;
};

}  // namespace xa_tm::recovery_log

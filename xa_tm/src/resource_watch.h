#pragma once

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "recovery.h"
#include "transaction_table.h"
#include "xa_tm/recovery_status.h"

namespace xa_tm {

/// How urgent it is: by what is in doubt, what waits for a person, and how long the oldest is
/// known.
[[nodiscard]] AlarmLevel alarm_of(std::size_t in_doubt, std::size_t for_a_person,
                                  std::chrono::seconds oldest) noexcept;

/// Keeps what the passes over one resource find, for status and metrics, and says once when it
/// changes.
///
/// Ownership: a value.
/// Thread safety: none; its owner guards it.
class ResourceWatch {
public:
    using Time = std::chrono::steady_clock::time_point;

    /// `waiting` are the branches there that decisions wait for: all that is known of a resource
    /// that could not be listed.
    void note(const ResourcePass& pass, const std::vector<TransactionTable::BranchKey>& waiting,
              Time now);

    [[nodiscard]] ResourceStatus status(Time now) const;
    /// True when the last pass has left nothing to do, and there was one.
    [[nodiscard]] bool is_idle() const noexcept { return is_idle_; }

private:
    void count(const ResourcePass& pass);
    void keep_ages(const ResourcePass& pass,
                   const std::vector<TransactionTable::BranchKey>& waiting, Time now);
    void say_what_changed(const ResourceStatus& before, const ResourceStatus& after) const;

    ResourceStatus status_;
    bool is_idle_ = false;
    /// Since when each branch in doubt is known.
    std::map<TransactionTable::BranchKey, Time> since_;
};

}  // namespace xa_tm

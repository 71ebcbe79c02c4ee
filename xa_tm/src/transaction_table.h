#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "decision_log.h"

namespace xa_tm {

/// Which transactions of this process are live, and which decisions are left to recovery: the two
/// facts that must be read together, or a transaction between them would be judged an orphan (trap
/// 2).
///
/// Ownership: a value inside the manager.
/// Thread safety: all members may be called from several threads at once.
class TransactionTable {
public:
    struct Snapshot {
        std::set<std::string, std::less<>> live;
        std::map<std::string, PendingDecision, std::less<>> decisions;
    };

    /// The transaction begins: until it leaves, recovery touches none of its branches.
    void enter(const std::string& gtrid);
    /// It has ended without a decision that is left to do: branches that still show up are aborted
    /// ones.
    void leave(const std::string& gtrid);
    /// It has ended with a decision that recovery has to carry through.
    void hand_over(PendingDecision pending);

    [[nodiscard]] Snapshot snapshot() const;

    /// Notes that a decided branch is finished; gives the decision when it was the last one, to be
    /// forgotten.
    [[nodiscard]] std::optional<PendingDecision> finish(std::string_view gtrid,
                                                        std::string_view bqual);
    /// Notes that a decided branch was finished by its resource manager; the decision stays.
    void mark_heuristic(std::string_view gtrid, std::string_view bqual);
    /// True when a decision waits for a branch at this resource.
    [[nodiscard]] bool is_waiting_for(std::string_view resource) const;

private:
    mutable std::mutex mutex_;
    Snapshot state_;
};

}  // namespace xa_tm

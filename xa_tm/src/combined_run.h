#pragma once

#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "combined_work.h"
#include "conflict_queue.h"
#include "enlistments.h"
#include "open_transaction.h"
#include "statement_shares.h"
#include "xa_tm/one_shot.h"

namespace xa_tm {

/// Several one-shot transactions in the branches of one (see CombinedWork), committed by one
/// decision.
///
/// Ownership: borrows the transaction and what is to be carried.
/// Thread safety: one thread at a time.
class CombinedRun {
public:
    /// All are for the same datasources. Throws Error as OpenTransaction::enlist().
    CombinedRun(OpenTransaction& transaction, ConflictQueue::Passenger& own,
                std::span<ConflictQueue::Passenger* const> others);

    /// Gives the report of its own and writes those of the others; nothing, and none, when nothing
    /// was committed and each has to run alone. `on_votes` as OpenTransaction::commit().
    [[nodiscard]] std::optional<RunReport> run(TimeLimit::Clock::time_point deadline,
                                               std::function<void()> on_votes);

private:
    struct Member {
        ConflictQueue::Passenger* passenger;
        std::vector<StatementShare> shares;  ///< by branch, as works_
        StatementTally tally;
    };

    void do_statements(TimeLimit::Clock::time_point deadline);
    void load(const CombinedWork::Trip& trip);
    void take(const CombinedWork::Trip& trip);
    void take(std::size_t branch, const CombinedWork::Trip& trip);
    [[nodiscard]] CombinedWork::Verdict verdict_of(std::size_t branch, Member& member,
                                                   std::span<Answer> answers);
    [[nodiscard]] Return until() const;
    void tell(const CommitReport& report) noexcept;
    [[nodiscard]] RunReport report_of(std::size_t member, const CommitReport& report);

    OpenTransaction& transaction_;
    std::vector<Member> members_;
    std::vector<Enlistments::Work> works_;  ///< one a branch
    CombinedWork combined_;
};

}  // namespace xa_tm

#pragma once

#include <future>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#if defined(XA_TM_ABORT_ON_UNREAD_REPORT)
#include <atomic>

#include "xa_tm/recovery_log/check.h"
#endif
#include "xa_tm/xa_code.h"

namespace xa_tm {

/// What became of a global transaction.
enum class Outcome {
    committed,    ///< decided to commit, for good; each branch has, or recovery will see to it
    rolled_back,  ///< no branch has committed or will
    unknown,      ///< an answer or a force was lost; the reason says who will find out, and how
    heuristic_rollback,  ///< decided to commit, but every branch was rolled back by its resource
                         ///< manager
    heuristic_mixed,     ///< some branches committed, others were rolled back: a person is needed
    heuristic_hazard,  ///< a resource manager may have finished a branch the other way: a person is
                       ///< needed
};

[[nodiscard]] std::string_view to_string(Outcome outcome) noexcept;

/// How far one branch has come.
enum class BranchState {
    active,      ///< its statements are running or may still run
    preparing,   ///< prepare was sent
    prepared,    ///< voted yes; in doubt until the decision is applied
    read_only,   ///< wrote nothing; finished during prepare
    committing,  ///< commit was sent
    committed,
    rolling_back,  ///< rollback was sent
    rolled_back,
    unknown,             ///< an answer was lost: prepared, finished or gone
    heuristic_commit,    ///< the resource manager committed by itself
    heuristic_rollback,  ///< the resource manager rolled back by itself
    heuristic_mixed,     ///< the resource manager did some of both
    heuristic_hazard,    ///< the resource manager may have finished it by itself
};

[[nodiscard]] std::string_view to_string(BranchState state) noexcept;

/// What commit() has to say of one branch.
struct BranchReport {
    std::string resource;
    BranchState state;
    /// The last answer of the resource manager.
    XaCode code;
    /// The server's own words: why it refused, or what it warns of although it did as it was told;
    /// empty on plain success.
    std::string message;
    /// What happens next, as a sentence; empty when nothing is left to do.
    std::string next;
};

#if defined(XA_TM_ABORT_ON_UNREAD_REPORT)
/// Aborts the process when it ends and nobody has looked at what it belongs to. A copy or a move
/// hands the duty to look on.
class ReadMark {
public:
    ReadMark() noexcept = default;
    ReadMark(const ReadMark& other) noexcept : is_read_{other.is_read_.exchange(true)} {}
    ReadMark& operator=(const ReadMark& other) noexcept {
        if (this != &other) {
            check();
            is_read_ = other.is_read_.exchange(true);
        }
        return *this;
    }
    ~ReadMark() { check(); }

    void set() const noexcept { is_read_ = true; }

private:
    void check() const noexcept {
        XA_TM_CHECK(is_read_,
                    "a CommitReport says what became of the transaction: its outcome() or "
                    "branches() are looked at before it goes");
    }

    mutable std::atomic<bool> is_read_ = false;
};
#else
class ReadMark {
public:
    void set() const noexcept {}
};
#endif

class Completion;

/// When commit() answers.
enum class Return {
    /// When every branch has been told the outcome, or is left to recovery.
    when_finished,
    /// Once the decision to commit is durable and has been sent to every branch; without such a
    /// decision, as when_finished.
    when_decided,
};

/// The answer to Transaction::commit(): a value that the caller has to look at. Where this library
/// was built with XA_TM_ABORT_ON_UNREAD_REPORT, one that goes without that aborts the process.
///
/// Ownership: a value; it outlives the transaction.
/// Thread safety: const members may be called from several threads at once.
class [[nodiscard]] CommitReport {
public:
    CommitReport(std::string gtrid, Outcome outcome, std::string reason,
                 std::vector<BranchReport> branches) noexcept
        : gtrid_{std::move(gtrid)},
          outcome_{outcome},
          reason_{std::move(reason)},
          branches_{std::move(branches)} {}

    /// The same report, whose completion() is told by that.
    [[nodiscard]] CommitReport with(std::shared_ptr<const Completion> completion) && noexcept {
        completion_ = std::move(completion);
        return std::move(*this);
    }

    [[nodiscard]] Outcome outcome() const noexcept {
        mark_.set();
        return outcome_;
    }
    /// True when every branch has reached outcome(), so nothing is left to recovery.
    [[nodiscard]] bool is_settled() const noexcept;
    /// Why the outcome is what it is, as one line; empty for a plain commit.
    [[nodiscard]] const std::string& reason() const noexcept { return reason_; }
    /// As it shows in XA RECOVER, pg_prepared_xacts and xa-recover.
    [[nodiscard]] const std::string& gtrid() const noexcept { return gtrid_; }
    /// One entry per branch, in the order of enlistment; valid while *this is.
    [[nodiscard]] std::span<const BranchReport> branches() const noexcept {
        mark_.set();
        return branches_;
    }

    /// The last report: that of an early answer (Return::when_decided) once its branches have
    /// answered or are left to recovery, of any other answer the same one at once. Always becomes
    /// ready: at the latest when the TransactionManager ends, then with branches that its next
    /// start finishes. Need not be looked at.
    [[nodiscard]] std::shared_future<CommitReport> completion() const;

private:
    std::string gtrid_;
    Outcome outcome_;
    std::string reason_;
    std::vector<BranchReport> branches_;
    std::shared_ptr<const Completion> completion_ = nullptr;
    [[no_unique_address]] ReadMark mark_;
};

/// The whole report as a few lines of text, for logs and terminals.
[[nodiscard]] std::string to_string(const CommitReport& report);

}  // namespace xa_tm

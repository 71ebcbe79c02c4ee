#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "connection_pool.h"
#include "time_limit.h"
#include "xa_tm/datasource.h"
#include "xa_tm/error.h"
#include "xa_tm/recovery_log/log_id.h"
#include "xa_tm/xid.h"

namespace xa_tm {

/// Makes a connection of a session that the application has lent. Throws Error.
using Adopt = std::function<std::unique_ptr<Connection>(const SessionMark&)>;

/// One datasource's share of a running transaction.
struct EnlistedBranch {
    Datasource* datasource;
    Xid xid;
    /// Of a connection that the application lends for this branch.
    Adopt adopt = {};
    /// From when the branch is opened until its connection is handed on, if it is.
    std::optional<ConnectionPool::Lease> lease = std::nullopt;
    /// True once the server has the branch.
    bool is_started = false;
    /// True once the application has seen the connection itself, which it may still use when the
    /// branch has ended: then the connection is nobody else's before the transaction's scope ends.
    bool is_lent = false;
    /// The vote of a branch that was prepared, or lost, before the outcome was asked for.
    std::optional<XaCode> vote = std::nullopt;
    Answer last_answer = {};
    /// Of the server that opens the branch.
    std::string server = {};
    /// What proves the branch's fate, from its vote.
    std::string evidence = {};
    /// What the server had to say although it did as it was told.
    std::string warnings = {};

    /// Nothing where there is none, or where it was closed.
    [[nodiscard]] Connection* connection() const noexcept {
        return lease ? lease->connection() : nullptr;
    }
    /// Ends the session at once; recovery makes sure that the server has ended it, too.
    void close() noexcept {
        if (lease) {
            lease->close();
        }
    }
    /// For those who wait in vain for a connection.
    void show(Activity activity) noexcept {
        if (lease) {
            lease->show(activity);
        }
    }
    /// The application is at work, and whether with a statement is not known.
    void show_application() noexcept { show(is_lent ? Activity::application : Activity::between); }
    /// Keeps what an answer tells beyond its code.
    void note(Answer&& answer);
};

/// The branches of one transaction while the application works on them, until the outcome is asked
/// for. A branch is opened at its first use: with its first statement in one trip where that goes
/// through execute(), else together with all others that are not open yet, in one wait.
///
/// Ownership: owns the branches' leases; borrows the datasources.
/// Thread safety: one thread at a time.
class Enlistments {
public:
    struct Environment {
        std::string gtrid;
        const SessionMark* mark;  ///< outlives the transaction
        std::chrono::milliseconds answer_timeout;
        recovery_log::LogId log;
        /// A session of this resource was closed in doubt: recovery ends it at the server.
        std::function<void(std::string_view resource)> wake_recovery;
        /// Outlives the transaction's branches; null: none.
        TimeLimit* limit = nullptr;
    };

    explicit Enlistments(Environment environment) : environment_{std::move(environment)} {
        branches_.reserve(kUsualBranches);
    }

    /// The index of the datasource's branch, a new one if it has none. Throws Error
    /// (invalid_state) when there are Transaction::kMaxBranches already; and for a last resource
    /// when there is another one, or a branch has been used, whose xid then does not say that
    /// recovery has to look for the decision there.
    [[nodiscard]] std::size_t add(Datasource& datasource);
    /// A new branch over a connection that the application lends. Throws Error (invalid_state),
    /// also when the datasource has a branch already.
    [[nodiscard]] std::size_t add_lent(Datasource& datasource, Adopt adopt);
    /// The open connection of a branch. Throws Error for the first branch that can't be opened; the
    /// others are open then, and that one may be tried again. No wait goes past the time limit:
    /// what it cuts off throws as if the server had not answered.
    [[nodiscard]] Connection& open(std::size_t index);
    /// What one branch is to do in one trip.
    struct Work {
        std::size_t branch;
        std::vector<Request> statements;  ///< of Verb::execute; the xid is filled in
        /// Prepares the branch behind its statements, unless one fails; a last resource never.
        bool is_last = false;
        /// One for each statement, or fewer when the branch could not be opened.
        std::vector<Answer> answers = {};
    };

    /// Carries out works of different branches at once: sends all, opening what is not open in the
    /// same trip, then waits for all. A statement that fails keeps its branch from being prepared;
    /// one without an answer loses the branch, so that the transaction can only be rolled back. No
    /// wait goes past the deadline, nor past the time limit. Throws Error: what open() throws; the
    /// other branches have done their work then.
    void carry_out(std::span<Work> works,
                   TimeLimit::Clock::time_point deadline = TimeLimit::Clock::time_point::max());
    /// Carries out the work of one statement and gives the rows that it wrote or gave. Throws
    /// Error: as carry_out(), and error_of().
    std::uint64_t execute(Work work);
    /// Why a statement of the branch was not carried out, from its answer: conflict,
    /// statement_failed or resource_unreachable.
    [[nodiscard]] Error error_of(std::size_t branch, const Answer& answer) const;

    /// For those who wait in vain for a connection of one of the branches.
    void show(Activity activity) noexcept;

    /// The time limit, which there is, is over: nothing more is sent to a branch, and none can
    /// commit.
    void give_up();
    /// What the report says then, as one line.
    [[nodiscard]] std::string time_out_reason() const;

    /// Before the first branch was opened; nothing when none was. No lock is older.
    [[nodiscard]] std::optional<TimeLimit::Clock::time_point> opened_at() const noexcept {
        return opened_at_;
    }
    [[nodiscard]] std::span<EnlistedBranch> branches() noexcept { return branches_; }
    [[nodiscard]] const std::string& gtrid() const noexcept { return environment_.gtrid; }

private:
    static constexpr std::size_t kUsualBranches = 2;

    void check_takes_statements(const EnlistedBranch& branch) const;
    void hold(EnlistedBranch& branch);
    [[nodiscard]] TimeLimit::Clock::time_point deadline() const noexcept;
    [[nodiscard]] TimeLimit::Clock::time_point deadline_of_answer();
    [[nodiscard]] ConnectionPool::Lease lease_for(const EnlistedBranch& branch,
                                                  std::vector<Request> batch = {});
    [[nodiscard]] std::unique_ptr<Connection> adopt(const EnlistedBranch& branch);
    void acquire_all_unstarted();
    void start_all_unstarted();
    void take_start(EnlistedBranch& branch, Answer answer);
    [[nodiscard]] bool is_stale(const EnlistedBranch& branch, const Answer& start) const;
    void replace(EnlistedBranch& branch);
    void abandon(EnlistedBranch& branch);
    void lose(EnlistedBranch& branch, XaCode vote);
    struct Trip;

    void acquire_and_hold(EnlistedBranch& branch, const std::vector<Request>& batch);
    [[nodiscard]] Trip trip_for(Work& work);
    void depart(Trip& trip);
    void gather(std::span<Trip> trips, TimeLimit::Clock::time_point deadline);
    void arrive(Trip& trip, TimeLimit::Clock::time_point deadline);
    void take_opening(Trip& trip, TimeLimit::Clock::time_point deadline);
    void take_answers(Trip& trip);
    [[nodiscard]] TimeLimit::Clock::time_point due(std::span<const Trip> trips);
    void take_vote(EnlistedBranch& branch, Answer answer);
    [[nodiscard]] std::string next_bqual(const Datasource& datasource);
    void check_may_have_last_resource(const Datasource& datasource) const;
    void make_last_resource(std::size_t index);

    Environment environment_;
    std::vector<EnlistedBranch> branches_;
    std::uint32_t ordinal_ = 0;
    std::optional<std::size_t> last_resource_ = std::nullopt;
    std::optional<TimeLimit::Clock::time_point> opened_at_ = std::nullopt;
};

}  // namespace xa_tm

#include "xa_tm/transaction.h"

#include <optional>
#include <tuple>

#include <fmt/format.h>

#include "commit_operation_state.h"
#include "enlistments.h"
#include "transaction_manager_state.h"
#include "xa_tm/recovery_log/check.h"

namespace xa_tm {

/// Ownership: shared by the scope and by whoever finishes an early commit, so that the branches
/// keep their connections until both have ended, unless a connection that the application has not
/// seen is handed on.
class OpenTransaction : public std::enable_shared_from_this<OpenTransaction> {
public:
    explicit OpenTransaction(TransactionManagerState& manager)
        : manager_{manager}, enlistments_{manager.enlistment_environment()} {
        manager_.table.enter(gtrid());
    }
    OpenTransaction(const OpenTransaction&) = delete;
    OpenTransaction& operator=(const OpenTransaction&) = delete;
    ~OpenTransaction() = default;

    void end_scope() {
        if (is_operation_started_) {
            return;  // it may have passed on to another thread, which ends the transaction
        }
        rollback();
        std::ignore = report_->outcome();  // of a rollback nobody waits for the report
    }

    [[nodiscard]] const std::string& gtrid() const noexcept { return enlistments_.gtrid(); }

    [[nodiscard]] std::vector<Branch> enlist_all(std::span<Datasource* const> datasources) {
        check_is_open();
        for (const auto* datasource : datasources) {
            manager_.check_is_added(*datasource);
        }
        std::vector<Branch> branches;
        for (auto* datasource : datasources) {
            branches.push_back({*this, enlistments_.add(*datasource)});
        }
        return branches;
    }

    [[nodiscard]] Connection& connection_of(std::size_t index) {
        check_is_open();
        return enlistments_.open(index);
    }

    std::uint64_t execute(std::size_t index, const std::string& statement, bool is_last) {
        check_is_open();
        return enlistments_.execute(index, statement, is_last);
    }

    CommitReport commit(Return until) {
        check_is_not_ending();
        if (!report_) {
            report_ = until == Return::when_finished
                          ? manager_.coordinator.commit(gtrid(), enlistments_.branches())
                          : commit_until_decided();
        }
        return *report_;
    }

    [[nodiscard]] CommitOperation start_commit(Return until, std::function<void()> on_log_answer) {
        check_is_not_ending();
        if (report_) {
            return CommitOperation{std::make_unique<CommitOperation::State>(*report_)};
        }
        is_operation_started_ = true;
        return CommitOperation{std::make_unique<CommitOperation::State>(
            make_run(), CommitOperation::State::Parts{
                            until, std::move(on_log_answer),
                            [self = shared_from_this()](std::unique_ptr<CommitRun> run) {
                                self->report_ = self->conclude(std::move(run));
                                return *self->report_;
                            }})};
    }

    void rollback() {
        check_is_not_ending();
        if (!report_) {
            report_ = manager_.coordinator.rollback(gtrid(), enlistments_.branches());
        }
    }

private:
    [[nodiscard]] std::unique_ptr<CommitRun> make_run() {
        return manager_.coordinator.make_run(gtrid(), enlistments_.branches(), {});
    }

    [[nodiscard]] CommitReport commit_until_decided() {
        auto run = make_run();
        run->start_commit();
        run->wait_until(Return::when_decided);
        return conclude(std::move(run));
    }

    /// A decided run is finished by the manager.
    [[nodiscard]] CommitReport conclude(std::unique_ptr<CommitRun> run) {
        return run->is_finished()
                   ? run->report()
                   : manager_.completion_service->finish(std::move(run), shared_from_this());
    }

    void check_is_not_ending() const {
        XA_TM_CHECK(!is_operation_started_ || report_,
                    "while its commit is under way a transaction is destroyed or moved only");
    }

    void check_is_open() const {
        if (is_operation_started_ || report_) {
            throw Error({.code = ErrorCode::invalid_state},
                        fmt::format("transaction {} has ended; begin a new one", gtrid()));
        }
    }

    TransactionManagerState& manager_;
    Enlistments enlistments_;
    std::optional<CommitReport> report_;
    bool is_operation_started_ = false;
};

Connection& Branch::connection() const {
    return transaction_->connection_of(index_);
}

std::uint64_t Branch::execute(const std::string& statement) const {
    return transaction_->execute(index_, statement, false);
}

std::uint64_t Branch::execute_last(const std::string& statement) const {
    return transaction_->execute(index_, statement, true);
}

Transaction::Transaction(TransactionManagerState& manager)
    : state_{std::make_shared<OpenTransaction>(manager)} {}

Transaction::Transaction(Transaction&&) noexcept = default;

Transaction& Transaction::operator=(Transaction&& other) noexcept {
    Transaction ending{std::move(*this)};
    state_ = std::move(other.state_);
    return *this;
}

Transaction::~Transaction() {
    if (state_ != nullptr) {
        state_->end_scope();
    }
}

std::vector<Branch> Transaction::enlist_all(std::span<Datasource* const> datasources) {
    XA_TM_CHECK(state_ != nullptr, "a transaction that was moved from is not used");
    return state_->enlist_all(datasources);
}

CommitReport Transaction::commit(Return until) noexcept {
    XA_TM_CHECK(state_ != nullptr, "a transaction that was moved from is not used");
    return state_->commit(until);
}

CommitOperation Transaction::start_commit(Return until, std::function<void()> on_log_answer) {
    XA_TM_CHECK(state_ != nullptr, "a transaction that was moved from is not used");
    return state_->start_commit(until, std::move(on_log_answer));
}

void Transaction::rollback() noexcept {
    XA_TM_CHECK(state_ != nullptr, "a transaction that was moved from is not used");
    state_->rollback();
}

const std::string& Transaction::gtrid() const noexcept {
    XA_TM_CHECK(state_ != nullptr, "a transaction that was moved from is not used");
    return state_->gtrid();
}

}  // namespace xa_tm

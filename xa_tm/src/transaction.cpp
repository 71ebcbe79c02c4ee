#include "xa_tm/transaction.h"

#include <optional>
#include <tuple>

#include <fmt/format.h>

#include "enlistments.h"
#include "transaction_manager_state.h"
#include "xa_tm/recovery_log/check.h"

namespace xa_tm {

/// Ownership: the branches keep their connections until the scope ends, unless a connection that
/// the application has not seen is handed on.
class OpenTransaction {
public:
    explicit OpenTransaction(TransactionManagerState& manager)
        : manager_{manager}, enlistments_{manager.enlistment_environment()} {
        manager_.table.enter(gtrid());
    }
    OpenTransaction(const OpenTransaction&) = delete;
    OpenTransaction& operator=(const OpenTransaction&) = delete;
    ~OpenTransaction() {
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

    [[nodiscard]] Branch enlist_lent(Datasource& datasource, Adopt adopt) {
        check_is_open();
        manager_.check_is_added(datasource);
        return {*this, enlistments_.add_lent(datasource, std::move(adopt))};
    }

    [[nodiscard]] Connection& connection_of(std::size_t index) {
        check_is_open();
        return enlistments_.open(index);
    }

    std::uint64_t execute(std::size_t index, const std::string& statement, bool is_last) {
        check_is_open();
        return enlistments_.execute(index, statement, is_last);
    }

    CommitReport commit() {
        if (!report_) {
            enlistments_.show(Activity::committing);
            report_ = manager_.coordinator.commit(gtrid(), enlistments_.branches());
        }
        return *report_;
    }

    void rollback() {
        if (!report_) {
            enlistments_.show(Activity::rolling_back);
            report_ = manager_.coordinator.rollback(gtrid(), enlistments_.branches());
        }
    }

private:
    void check_is_open() const {
        if (report_) {
            throw Error({.code = ErrorCode::invalid_state},
                        fmt::format("transaction {} has ended; begin a new one", gtrid()));
        }
    }

    TransactionManagerState& manager_;
    Enlistments enlistments_;
    std::optional<CommitReport> report_;
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
    : state_{std::make_unique<OpenTransaction>(manager)} {}

Transaction::Transaction(Transaction&&) noexcept = default;
Transaction& Transaction::operator=(Transaction&&) noexcept = default;
Transaction::~Transaction() = default;

std::vector<Branch> Transaction::enlist_all(std::span<Datasource* const> datasources) {
    XA_TM_CHECK(state_ != nullptr, "a transaction that was moved from is not used");
    return state_->enlist_all(datasources);
}

Branch Transaction::enlist_lent(
    Datasource& datasource, std::function<std::unique_ptr<Connection>(const SessionMark&)> adopt) {
    XA_TM_CHECK(state_ != nullptr, "a transaction that was moved from is not used");
    return state_->enlist_lent(datasource, std::move(adopt));
}

CommitReport Transaction::commit() noexcept {
    XA_TM_CHECK(state_ != nullptr, "a transaction that was moved from is not used");
    return state_->commit();
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

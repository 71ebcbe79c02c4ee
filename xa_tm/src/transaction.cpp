#include "xa_tm/transaction.h"

#include <utility>

#include "one_shot_run.h"
#include "open_transaction.h"
#include "xa_tm/recovery_log/check.h"

namespace xa_tm {

Connection& Branch::connection() const {
    return transaction_->connection_of(index_);
}

std::uint64_t Branch::execute(const std::string& statement) const {
    return transaction_->execute(index_, statement, false);
}

std::uint64_t Branch::execute_last(const std::string& statement) const {
    return transaction_->execute(index_, statement, true);
}

Transaction::Transaction(TransactionManagerState& manager, const TransactionOptions& options)
    : state_{std::make_shared<OpenTransaction>(manager, options)} {}

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

Branch Transaction::enlist_lent(
    Datasource& datasource, std::function<std::unique_ptr<Connection>(const SessionMark&)> adopt) {
    XA_TM_CHECK(state_ != nullptr, "a transaction that was moved from is not used");
    return state_->enlist_lent(datasource, std::move(adopt));
}

void Transaction::before_prepare(std::function<void()> callback) {
    XA_TM_CHECK(state_ != nullptr, "a transaction that was moved from is not used");
    state_->before_prepare(std::move(callback));
}

void Transaction::after_completion(std::function<void(const CommitReport&)> callback) {
    XA_TM_CHECK(state_ != nullptr, "a transaction that was moved from is not used");
    state_->after_completion(std::move(callback));
}

void Transaction::set_rollback_only(std::string reason) {
    XA_TM_CHECK(state_ != nullptr, "a transaction that was moved from is not used");
    state_->set_rollback_only(std::move(reason));
}

bool Transaction::is_rollback_only() const {
    XA_TM_CHECK(state_ != nullptr, "a transaction that was moved from is not used");
    return state_->is_rollback_only();
}

CommitReport Transaction::commit(Return until) noexcept {
    XA_TM_CHECK(state_ != nullptr, "a transaction that was moved from is not used");
    return state_->commit(until);
}

RunReport Transaction::finish_with(std::vector<Statement> statements, Return until) {
    XA_TM_CHECK(state_ != nullptr, "a transaction that was moved from is not used");
    return run_last(*state_, statements, {.until = until});
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

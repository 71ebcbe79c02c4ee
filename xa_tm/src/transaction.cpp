#include "xa_tm/transaction.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "global_id.h"
#include "transaction_manager_state.h"
#include "xa_tm/recovery_log/check.h"

namespace xa_tm {

/// Ownership: the branches keep their connections until the scope ends.
class OpenTransaction {
public:
    explicit OpenTransaction(TransactionManagerState& manager)
        : manager_{manager}, gtrid_{manager.next_gtrid()} {
        manager_.table.enter(gtrid_);
    }
    OpenTransaction(const OpenTransaction&) = delete;
    OpenTransaction& operator=(const OpenTransaction&) = delete;
    ~OpenTransaction() { rollback(); }

    [[nodiscard]] const std::string& gtrid() const noexcept { return gtrid_; }

    std::vector<Branch> enlist_all(std::span<Datasource* const> datasources);

    [[nodiscard]] Connection& connection_of(std::size_t index);

    CommitReport commit() {
        if (!report_) {
            report_ = manager_.coordinator.commit(gtrid_, branches_);
        }
        return *report_;
    }

    void rollback() {
        if (!report_) {
            report_ = manager_.coordinator.rollback(gtrid_, branches_);
        }
    }

private:
    [[nodiscard]] EnlistedBranch* find(const Datasource& datasource) noexcept;
    void add_unopened(std::span<Datasource* const> datasources);
    void open_from(std::size_t first);

    TransactionManagerState& manager_;
    std::string gtrid_;
    std::vector<EnlistedBranch> branches_;
    std::uint32_t ordinal_ = 0;
    std::optional<CommitReport> report_;
};

EnlistedBranch* OpenTransaction::find(const Datasource& datasource) noexcept {
    const auto found = std::ranges::find(branches_, &datasource, &EnlistedBranch::datasource);
    return found == branches_.end() ? nullptr : &*found;
}

/// Takes a connection for each datasource that does not take part yet.
void OpenTransaction::add_unopened(std::span<Datasource* const> datasources) {
    for (auto* datasource : datasources) {
        manager_.check_is_added(*datasource);
    }
    for (auto* datasource : datasources) {
        if (find(*datasource) == nullptr) {
            if (branches_.size() == Transaction::kMaxBranches) {
                throw Error({.code = ErrorCode::invalid_state, .resource = datasource->name()},
                            fmt::format("transaction {} has {} branches, which is the most that "
                                        "one can have; use several transactions",
                                        gtrid_, Transaction::kMaxBranches));
            }
            auto lease = datasource->pool().acquire(manager_.session_mark());
            auto bqual = to_bqual({datasource->name(), ++ordinal_});
            branches_.push_back(
                {datasource, std::move(lease), {kFormatId, gtrid_, std::move(bqual)}});
        }
    }
}

void OpenTransaction::open_from(std::size_t first) {
    manager_.coordinator.start(std::span{branches_}.subspan(first), manager_.session_mark());
}

std::vector<Branch> OpenTransaction::enlist_all(std::span<Datasource* const> datasources) {
    if (report_) {
        throw Error({.code = ErrorCode::invalid_state},
                    fmt::format("transaction {} has ended; begin a new one", gtrid_));
    }
    const auto first = branches_.size();
    // Whatever fails, only branches that are really open remain.
    const auto drop_unopened = [&] {
        const auto is_unopened = [](const EnlistedBranch& branch) {
            const auto* connection = branch.lease.connection();
            return connection == nullptr || !connection->is_open_to_application();
        };
        const auto added = branches_.begin() + static_cast<std::ptrdiff_t>(first);
        branches_.erase(std::remove_if(added, branches_.end(), is_unopened), branches_.end());
    };
    try {
        add_unopened(datasources);
        open_from(first);
    } catch (...) {
        drop_unopened();
        throw;
    }
    std::vector<Branch> branches;
    for (auto* datasource : datasources) {
        branches.push_back({*this, static_cast<std::size_t>(find(*datasource) - branches_.data())});
    }
    return branches;
}

Connection& OpenTransaction::connection_of(std::size_t index) {
    auto* connection = branches_.at(index).lease.connection();
    if (connection == nullptr) {
        throw Error({.code = ErrorCode::invalid_state},
                    fmt::format("transaction {} has ended; begin a new one", gtrid_));
    }
    return *connection;
}

Connection& Branch::connection() const {
    return transaction_->connection_of(index_);
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

#include "xa_tm/transaction.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "global_id.h"
#include "transaction_manager_state.h"
#include "xa_tm/recovery_log/check.h"

namespace xa_tm {

/// Ownership: the branches keep their connections until the scope ends.
class Transaction::State {
public:
    explicit State(TransactionManagerState& manager)
        : manager_{manager}, gtrid_{manager.next_gtrid()} {
        manager_.table.enter(gtrid_);
    }
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    ~State() { rollback(); }

    [[nodiscard]] const std::string& gtrid() const noexcept { return gtrid_; }

    std::vector<Connection*> enlist_all(std::span<Datasource* const> datasources);

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

EnlistedBranch* Transaction::State::find(const Datasource& datasource) noexcept {
    const auto found = std::ranges::find(branches_, &datasource, &EnlistedBranch::datasource);
    return found == branches_.end() ? nullptr : &*found;
}

/// Takes a connection for each datasource that does not take part yet.
void Transaction::State::add_unopened(std::span<Datasource* const> datasources) {
    for (auto* datasource : datasources) {
        manager_.check_is_added(*datasource);
    }
    for (auto* datasource : datasources) {
        if (find(*datasource) == nullptr) {
            if (branches_.size() == kMaxBranches) {
                throw Error({.code = ErrorCode::invalid_state, .resource = datasource->name()},
                            fmt::format("transaction {} has {} branches, which is the most that "
                                        "one can have; use several transactions",
                                        gtrid_, kMaxBranches));
            }
            auto lease = datasource->pool().acquire(manager_.session_mark());
            auto bqual = to_bqual({datasource->name(), ++ordinal_});
            branches_.push_back(
                {datasource, std::move(lease), {kFormatId, gtrid_, std::move(bqual)}});
        }
    }
}

void Transaction::State::open_from(std::size_t first) {
    manager_.coordinator.start(std::span{branches_}.subspan(first), manager_.session_mark());
}

std::vector<Connection*> Transaction::State::enlist_all(std::span<Datasource* const> datasources) {
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
    std::vector<Connection*> connections;
    for (auto* datasource : datasources) {
        connections.push_back(find(*datasource)->lease.connection());
    }
    return connections;
}

Transaction::Transaction(TransactionManagerState& manager)
    : state_{std::make_unique<State>(manager)} {}

Transaction::Transaction(Transaction&&) noexcept = default;
Transaction& Transaction::operator=(Transaction&&) noexcept = default;
Transaction::~Transaction() = default;

std::vector<Connection*> Transaction::enlist_all(std::span<Datasource* const> datasources) {
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

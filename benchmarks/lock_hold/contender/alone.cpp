#include "alone.h"

#include <optional>

#include <fmt/format.h>

#include "managed_session.h"
#include "no_log.h"
#include "transaction_manager_state.h"

namespace xa_tm::bench {
namespace {

std::unique_ptr<TransactionManagerState> open_manager(const Workload& workload) {
    const auto config = config_of(workload);
    return workload.is_log_durable ? std::make_unique<TransactionManagerState>(config)
                                   : std::make_unique<TransactionManagerState>(
                                         config, std::make_unique<NoLog>(config.node));
}

class AloneSession final : public ManagedSession {
public:
    explicit AloneSession(ManagerAlone& manager) : manager_{manager} {}

    void begin() override { transaction.emplace(manager_.begin()); }
    void run(std::size_t, const RowStatement&) override {}

private:
    ManagerAlone& manager_;
};

class Alone final : public Contender {
public:
    explicit Alone(const Workload& workload)
        : is_log_durable_{workload.is_log_durable}, manager_{workload, workload.threads} {}

    std::string settings() const override {
        return fmt::format(
            "xa_tm " XA_TM_VERSION ", {}",
            is_log_durable_ ? "its log with two copies of each page" : "a log that keeps nothing");
    }
    std::unique_ptr<Session> open_session() override {
        return std::make_unique<AloneSession>(manager_);
    }

private:
    bool is_log_durable_;
    ManagerAlone manager_;
};

}  // namespace

ManagerAlone::ManagerAlone(const Workload& workload, std::size_t transactions_max)
    : manager_{open_manager(workload)} {
    for (std::size_t i = 0; i < workload.null_resources; ++i) {
        resources_.push_back(&manager_.add<NullResource>(
            fmt::format("null{}", i + 1), DatasourceOptions{.pool_size_max = transactions_max}));
    }
    manager_.start();
}

Transaction ManagerAlone::begin() {
    auto transaction = manager_.begin();
    std::optional<NullResource::Branch> last;
    for (auto* resource : resources_) {
        last.emplace(transaction.enlist(*resource));
    }
    last->open();
    return transaction;
}

std::unique_ptr<Contender> make_alone(const Workload& workload) {
    return std::make_unique<Alone>(workload);
}

}  // namespace xa_tm::bench

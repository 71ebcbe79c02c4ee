#include "transfer_traffic.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <iterator>
#include <tuple>

#include <gtest/gtest.h>
#include <soci/soci.h>

namespace xa_tm::test {
namespace {

/// One in so many transfers is meant to be rolled back.
constexpr std::uint64_t kTransfersPerRollback = 10;
constexpr std::int64_t kAmountMax = 1000;
/// How long a thread stays away from a server that fails, so that the other one's work goes on.
constexpr std::chrono::milliseconds kBackOff{5};
/// Nothing takes as long, unless a lock is never released: then the test shall end all the same.
constexpr std::chrono::seconds kStatementTimeout{30};

std::int64_t number_to(std::int64_t last, std::mt19937_64& random) {
    return std::uniform_int_distribution<std::int64_t>{0, last}(random);
}

/// Counts a transfer for as long as it is under way.
class InFlight {
public:
    explicit InFlight(std::atomic<std::size_t>& count) : count_{count} { ++count_; }
    InFlight(const InFlight&) = delete;
    InFlight& operator=(const InFlight&) = delete;
    ~InFlight() { --count_; }

private:
    std::atomic<std::size_t>& count_;
};

void write_over_session(Resource& resource, const Ledger& ledger, const Transfer& transfer,
                        Transaction& transaction) {
    auto& sql = resource.enlist(transaction);
    sql << ledger.change_account(transfer);
    sql << ledger.write_down(transfer);
}

void write_by_statements(Resource& resource, const Ledger& ledger, const EndedTransfer& what,
                         Transaction& transaction) {
    const auto branch = resource.branch_of(transaction);
    branch.execute(ledger.change_account(what.transfer));
    if (what.style == Style::last_statement) {
        branch.execute_last(ledger.write_down(what.transfer));
    } else {
        branch.execute(ledger.write_down(what.transfer));
    }
}

}  // namespace

TransferTraffic::TransferTraffic(TransactionManager& manager, std::array<const Ledger*, 2> ledgers)
    : manager_{manager}, ledgers_{ledgers} {
    const DatasourceOptions options{.pool_size_max = kPoolSize,
                                    .statement_timeout = kStatementTimeout};
    for (std::size_t i = 0; i < ledgers_.size(); ++i) {
        resources_[i] = Resource::add(manager_, ledgers_[i]->server(), ledgers_[i]->uri(), options);
    }
    refuser_ = Resource::add(manager_, "refuser", ledgers_.front()->uri(), options);
}

TransferTraffic::~TransferTraffic() {
    std::ignore = stop();
}

void TransferTraffic::start(std::uint64_t seed) {
    is_stopping_ = false;
    failed_ = 0;
    for (auto& worker : workers_) {
        worker = std::make_unique<Worker>(std::mt19937_64{seed++});
        worker->thread = std::thread{[this, &worker = *worker] { work(worker); }};
    }
}

std::vector<EndedTransfer> TransferTraffic::stop() {
    is_stopping_ = true;
    std::vector<EndedTransfer> ended;
    for (auto& worker : workers_) {
        if (worker == nullptr) {
            continue;
        }
        worker->thread.join();
        std::ranges::move(worker->ended, std::back_inserter(ended));
        worker.reset();
    }
    return ended;
}

std::array<std::size_t, TransferTraffic::kThreads> TransferTraffic::committed() const {
    std::array<std::size_t, kThreads> counts{};
    std::ranges::transform(workers_, counts.begin(),
                           [](const auto& worker) { return worker->committed.load(); });
    return counts;
}

void TransferTraffic::work(Worker& worker) {
    try {
        while (!is_stopping_) {
            const InFlight in_flight{in_flight_};
            worker.ended.push_back(carry_out(draw(worker.random)));
            const auto& ended = worker.ended.back();
            worker.committed += ended.outcome == Outcome::committed ? 1U : 0U;
            if (ended.is_statement_failed) {
                ++failed_;
                std::this_thread::sleep_for(kBackOff);
            }
        }
    } catch (const std::exception& error) {
        ADD_FAILURE() << "no transaction could be begun: " << error.what();
    }
}

EndedTransfer TransferTraffic::draw(std::mt19937_64& random) {
    EndedTransfer drawn{
        .transfer = {.id = next_id_++,
                     .account = static_cast<int>(number_to(Ledger::kAccounts - 1, random)),
                     .amount = number_to(kAmountMax, random)}};
    drawn.style =
        std::array{Style::session, Style::statements, Style::last_statement}[random() % 3];
    if (random() % kTransfersPerRollback == 0) {
        drawn.intent = random() % 2 == 0 ? Intent::refuse : Intent::roll_back;
    }
    return drawn;
}

EndedTransfer TransferTraffic::carry_out(EndedTransfer drawn) {
    auto transaction = manager_.begin();
    try {
        write(drawn, transaction);
        if (drawn.intent == Intent::roll_back) {
            transaction.rollback();
        }
    } catch (const std::exception& error) {  // of SOCI, or of the transaction manager
        drawn.is_statement_failed = true;
        drawn.reason = error.what();
        transaction.rollback();
    }
    const auto report = transaction.commit();
    drawn.gtrid = report.gtrid();
    drawn.outcome = report.outcome();
    drawn.is_settled = report.is_settled();
    if (drawn.reason.empty()) {
        drawn.reason = report.reason();
    }
    return drawn;
}

/// All write to the servers in the same order, so that no two wait for each other's locks.
void TransferTraffic::write(const EndedTransfer& what, Transaction& transaction) {
    for (const auto& resource : resources_) {
        std::ignore = resource->branch_of(transaction);
    }
    for (std::size_t i = 0; i < resources_.size(); ++i) {
        if (what.style == Style::session) {
            write_over_session(*resources_[i], *ledgers_[i], what.transfer, transaction);
        } else {
            write_by_statements(*resources_[i], *ledgers_[i], what, transaction);
        }
    }
    if (what.intent == Intent::refuse) {
        write_refusal(transaction);
    }
}

/// PostgreSQL does not prepare what has touched a temporary table (PREPARE TRANSACTION, Notes). It
/// says so only when it is asked to prepare.
void TransferTraffic::write_refusal(Transaction& transaction) {
    refuser_->enlist(transaction) << "create temporary table refusal (id int) on commit drop";
}

}  // namespace xa_tm::test

// The application that the rig tortures: threads that move money between databases as fast as they
// can, come what may, and tell a file what they begin and what became of it.

#include <atomic>
#include <bit>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <memory>
#include <random>
#include <string>
#include <system_error>
#include <thread>
#include <tuple>
#include <vector>

#include <CLI/CLI.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/log/core.hpp>
#include <boost/log/expressions.hpp>
#include <boost/log/trivial.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <soci/soci.h>
#include <unistd.h>

#include "bank.h"
#include "resources.h"
#include "xa_tm/async_commit.h"
#include "xa_tm/transaction_manager.h"

namespace xa_tm::test {
namespace {

using std::chrono::milliseconds;

/// Less than there are threads, so that some wait.
constexpr std::size_t kPoolSize = 6;
constexpr std::size_t kPoolSizeMin = 2;
constexpr milliseconds kPoolTimeout{2000};
constexpr std::chrono::seconds kConnectTimeout{2};
constexpr milliseconds kStatementTimeout{3000};
constexpr milliseconds kAnswerTimeout{2000};
constexpr milliseconds kRecoveryInterval{200};
/// The smallest that a log takes, so that it asks the disk for space all the time.
constexpr std::size_t kSegmentBytes = std::size_t{64} << 10;
constexpr std::int64_t kAmountMax = 1000;
constexpr std::uint64_t kTransfersPerRollback = 10;
constexpr std::uint64_t kTransfersPerTimeout = 10;
/// About what a transfer takes, so that some are in time.
constexpr std::uint64_t kTimeoutMaxMs = 25;
/// Of a last resource, of an early answer and of an asynchronous commit, each by itself.
constexpr std::uint64_t kTransfersPerWay = 4;
constexpr std::size_t kLoopThreads = 2;
/// Of two, one runs by conflict keys, and the other one may be combined.
constexpr std::uint64_t kTransfersPerCall = 5;
/// One for each of them, so that they meet.
constexpr int kHotAccount = 0;
constexpr int kHotAccountOfCombined = 1;
constexpr milliseconds kLockWaitTimeout{500};
/// How long a thread stays away after a failure, so that the others' work goes on.
constexpr milliseconds kBackOff{10};

struct Arguments {
    std::string log_directory;
    std::string outcomes;
    std::string messages;
    std::uint64_t seed = 0;
    std::int64_t first_id = 0;
    std::size_t threads = 0;
    int patience_s = 60;
    std::vector<std::string> resources;
    std::vector<std::string> last_resources;
};

Arguments parse(int argc, char** argv) {
    Arguments arguments;
    CLI::App app{"The application that the torture rig torments"};
    app.add_option("--log", arguments.log_directory)->required();
    app.add_option("--outcomes", arguments.outcomes)->required();
    app.add_option("--messages", arguments.messages)->required();
    app.add_option("--seed", arguments.seed)->required();
    app.add_option("--first-id", arguments.first_id)->required();
    app.add_option("--threads", arguments.threads, "0: only recovers")->required();
    app.add_option("--patience", arguments.patience_s, "Seconds to wait for recovery at the end");
    app.add_option("resources", arguments.resources, "NAME=URI")
        ->required()
        ->expected(2, kBankDatabasesMax);
    app.add_option("--last-resources", arguments.last_resources,
                   "NAME=URI of the same databases, in the same order, with commas between")
        ->required()
        ->delimiter(',');
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        std::exit(app.exit(error));
    }
    return arguments;
}

int open_to_append(const std::string& file) {
    const int descriptor =
        ::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (descriptor < 0) {
        throw std::system_error{errno, std::generic_category(), file};
    }
    return descriptor;
}

/// Both of the same tables: a transfer takes the one or the other.
struct Account {
    std::unique_ptr<Resource> plain;
    std::unique_ptr<Resource> last;
};

class Bank {
public:
    Bank(TransactionManager& manager, const Arguments& arguments)
        : manager_{manager},
          outcomes_{open_to_append(arguments.outcomes)},
          next_id_{arguments.first_id} {
        for (std::size_t i = 0; i < arguments.resources.size(); ++i) {
            accounts_.push_back(
                {add(arguments.resources[i], false), add(arguments.last_resources.at(i), true)});
        }
    }
    Bank(const Bank&) = delete;
    Bank& operator=(const Bank&) = delete;
    ~Bank() {
        stop();
        ::close(outcomes_);
    }

    void start(std::size_t threads, std::uint64_t seed) {
        for (std::size_t i = 0; i < kLoopThreads; ++i) {
            loop_threads_.emplace_back([this] { loop_.run(); });
        }
        for (std::size_t i = 0; i < threads; ++i) {
            threads_.emplace_back([this, random = std::mt19937_64{seed + i}]() mutable {
                while (!is_stopping_) {
                    carry_out(draw(random), random());
                }
            });
        }
    }
    /// Lets every thread, and then the event loop, end the transfers that they are at.
    void stop() {
        is_stopping_ = true;
        join(threads_);
        loop_work_.reset();
        join(loop_threads_);
    }

private:
    static void join(std::vector<std::thread>& threads) {
        for (auto& thread : threads) {
            thread.join();
        }
        threads.clear();
    }

    [[nodiscard]] std::unique_ptr<Resource> add(const std::string& argument,
                                                bool is_last_resource) {
        const auto equals = argument.find('=');
        return Resource::add(manager_, argument.substr(0, equals), argument.substr(equals + 1),
                             {.pool_size_max = kPoolSize,
                              .pool_size_min = kPoolSizeMin,
                              .pool_timeout = kPoolTimeout,
                              .connect_timeout = kConnectTimeout,
                              .statement_timeout = kStatementTimeout,
                              .is_last_resource = is_last_resource});
    }

    [[nodiscard]] Resource& resource_of(const BankTransfer& transfer, std::size_t database) const {
        const auto& account = accounts_[database];
        return database == transfer.way.last_resource ? *account.last : *account.plain;
    }

    [[nodiscard]] BankTransfer draw(std::mt19937_64& random) {
        BankTransfer transfer{.id = next_id_++,
                              .account = static_cast<int>(random() % kBankAccounts),
                              .amount = static_cast<std::int64_t>(random() % kAmountMax)};
        const auto everyone = (1U << accounts_.size()) - 1;
        do {
            transfer.parties = static_cast<unsigned>(random()) & everyone;
        } while (std::popcount(transfer.parties) < 2);
        transfer.way = draw_way(random, transfer);
        if (transfer.way.call != BankCall::branches) {
            make_hot(transfer, random);
        } else if (random() % kTransfersPerRollback == 0) {
            transfer.intent = random() % 2 == 0 && can_refuse(transfer) ? BankIntent::refuse
                                                                        : BankIntent::roll_back;
        }
        return transfer;
    }

    /// Only those at the same databases are combined.
    void make_hot(BankTransfer& transfer, std::mt19937_64& random) const {
        transfer.account = kHotAccount;
        if (transfer.way.call == BankCall::combined) {
            transfer.account = kHotAccountOfCombined;
            transfer.parties = (1U << accounts_.size()) - 1;
            transfer.way.last_resource.reset();
        }
        transfer.way.is_async = false;
        if (random() % kTransfersPerRollback == 0) {
            transfer.intent = random() % 2 == 0 ? BankIntent::overdraw : BankIntent::repeat;
        }
    }

    [[nodiscard]] BankWay draw_way(std::mt19937_64& random, const BankTransfer& transfer) const {
        BankWay way{.is_early = random() % kTransfersPerWay == 0,
                    .is_async = random() % kTransfersPerWay == 0};
        if (random() % kTransfersPerWay == 0) {
            do {
                way.last_resource = random() % accounts_.size();
            } while (!takes_part(transfer, *way.last_resource));
        }
        if (random() % kTransfersPerTimeout == 0) {
            way.timeout_ms = 1 + static_cast<int>(random() % kTimeoutMaxMs);
        }
        switch (random() % kTransfersPerCall) {
            case 0: way.call = BankCall::by_keys; break;
            case 1: way.call = BankCall::combined; break;
            default: break;
        }
        return way;
    }

    /// A last resource is not asked for its vote.
    [[nodiscard]] bool can_refuse(const BankTransfer& transfer, std::size_t database) const {
        return takes_part(transfer, database) && database != transfer.way.last_resource &&
               accounts_[database].plain->is_postgresql();
    }

    [[nodiscard]] bool can_refuse(const BankTransfer& transfer) const {
        for (std::size_t i = 0; i < accounts_.size(); ++i) {
            if (can_refuse(transfer, i)) {
                return true;
            }
        }
        return false;
    }

    void carry_out(const BankTransfer& transfer, std::uint64_t style) {
        tell(to_line(transfer));
        const bool is_one_shot = transfer.way.call != BankCall::branches;
        if (!(is_one_shot ? run(transfer, style) : run_in_branches(transfer, style))) {
            std::this_thread::sleep_for(kBackOff);
        }
    }

    /// False when something has failed that was not meant to.
    [[nodiscard]] bool run_in_branches(const BankTransfer& transfer, std::uint64_t style) {
        bool has_failed = true;
        try {
            TransactionOptions options;
            if (transfer.way.timeout_ms > 0) {
                options.timeout = milliseconds{transfer.way.timeout_ms};
            }
            auto transaction = manager_.begin(options);
            has_failed = !write(transfer, transaction, style);
            if (has_failed || transfer.intent == BankIntent::roll_back) {
                transaction.rollback();
            }
            end(transfer, transaction, style);
        } catch (const Error& error) {  // of begin(): the log has no space, or is poisoned
            tell_not_begun(transfer);
        }
        return !has_failed;
    }

    [[nodiscard]] bool run(const BankTransfer& transfer, std::uint64_t style) {
        RunOptions options{
            .lock_wait_timeout = kLockWaitTimeout,
            .conflict_keys = {fmt::format("account:{}", transfer.account)},
            .until = transfer.way.is_early ? Return::when_decided : Return::when_finished};
        if (transfer.way.timeout_ms > 0) {
            options.timeout = milliseconds{transfer.way.timeout_ms};
        }
        if (transfer.way.call == BankCall::combined) {
            options.combine.emplace();
        }
        try {
            const auto report = manager_.run(statements_of(transfer), options);
            if (report.commit().gtrid().empty()) {
                tell_not_begun(transfer);
                return report.outcome() == Outcome::rolled_back;
            }
            tell_both(transfer, report.commit(), style);
            if (report.error() && transfer.intent == BankIntent::commit) {
                BOOST_LOG_TRIVIAL(info)
                    << "transfer " << transfer.id << ": " << report.error()->what();
                return false;
            }
            return true;
        } catch (const Error& error) {  // the log has no space, or is poisoned
            tell_not_begun(transfer);
            return false;
        }
    }

    /// One that is to fail does so at the last of its databases.
    [[nodiscard]] std::vector<Statement> statements_of(const BankTransfer& transfer) const {
        std::vector<Statement> statements;
        std::size_t last = 0;
        const auto add = [&](std::string text) {
            statements.push_back(
                resource_of(transfer, last).datasource().statement(std::move(text)).expect_rows(1));
        };
        for (std::size_t i = 0; i < accounts_.size(); ++i) {
            if (takes_part(transfer, i)) {
                last = i;
                add(change_account(transfer, i));
                add(write_down(transfer, i));
            }
        }
        if (transfer.intent == BankIntent::overdraw) {
            add(overdraw_account(transfer));
        } else if (transfer.intent == BankIntent::repeat) {
            add(write_down(transfer, last));
        }
        return statements;
    }

    void end(const BankTransfer& transfer, Transaction& transaction, std::uint64_t style) {
        const auto until = transfer.way.is_early ? Return::when_decided : Return::when_finished;
        if (transfer.way.is_async) {
            async_commit(transaction,
                         boost::asio::bind_executor(
                             loop_, [this, id = transfer.id](
                                        const CommitReport& report) { tell(id, report); }),
                         until);
            return;
        }
        tell_both(transfer, transaction.commit(until), style);
    }

    /// Of an early answer the end, too, if this thread waits for that.
    void tell_both(const BankTransfer& transfer, const CommitReport& report,
                   std::uint64_t style) const {
        tell(transfer.id, report);
        const bool is_waited_for = style % 2 == 0;
        if (transfer.way.is_early && is_waited_for) {
            tell(transfer.id, report.completion().get());
        }
    }

    /// False when a statement has failed. All write in the same order, so that no two wait for each
    /// other's locks at different servers.
    [[nodiscard]] bool write(const BankTransfer& transfer, Transaction& transaction,
                             std::uint64_t style) {
        try {
            bool is_to_refuse = transfer.intent == BankIntent::refuse;
            for (std::size_t i = 0; i < accounts_.size(); ++i) {
                if (takes_part(transfer, i)) {
                    std::ignore = resource_of(transfer, i).branch_of(transaction);
                }
            }
            for (std::size_t i = 0; i < accounts_.size(); ++i) {
                if (!takes_part(transfer, i)) {
                    continue;
                }
                auto& resource = resource_of(transfer, i);
                if (is_to_refuse && can_refuse(transfer, i)) {
                    // PostgreSQL: PREPARE TRANSACTION, Notes. It says so when it is asked to
                    // prepare.
                    resource.branch_of(transaction)
                        .execute("create temporary table refusal (id int) on commit drop");
                    is_to_refuse = false;
                }
                write_at(resource, i, transfer, transaction, style);
            }
            return true;
        } catch (const std::exception& error) {  // of SOCI, or of the transaction manager
            BOOST_LOG_TRIVIAL(info) << "transfer " << transfer.id << ": " << error.what();
            return false;
        }
    }

    static void write_at(Resource& resource, std::size_t index, const BankTransfer& transfer,
                         Transaction& transaction, std::uint64_t style) {
        if (style % 3 == 0) {
            auto& sql = resource.enlist(transaction);
            sql << change_account(transfer, index);
            sql << write_down(transfer, index);
            return;
        }
        const auto branch = resource.branch_of(transaction);
        branch.execute(change_account(transfer, index));
        if (style % 3 == 1) {
            branch.execute(write_down(transfer, index));
        } else {
            branch.execute_last(write_down(transfer, index));
        }
    }

    void tell_not_begun(const BankTransfer& transfer) const {
        tell(to_line(BankOutcome{
            .id = transfer.id, .outcome = Outcome::rolled_back, .gtrid = std::string{kNotBegun}}));
    }

    void tell(std::int64_t id, const CommitReport& report) const {
        tell(to_line(BankOutcome{
            .id = id,
            .outcome = report.outcome(),
            .is_settled = report.is_settled(),
            .is_timed_out = report.reason().find("transaction timed out") != std::string::npos,
            .gtrid = report.gtrid()}));
        if (report.outcome() != Outcome::committed && report.outcome() != Outcome::rolled_back) {
            std::cerr << to_string(report) << std::endl;
        }
    }

    void tell(const std::string& line) const {
        if (::write(outcomes_, line.data(), line.size()) != static_cast<ssize_t>(line.size())) {
            std::cerr << "the file of the outcomes takes no more" << std::endl;
            std::abort();
        }
    }

    TransactionManager& manager_;
    std::vector<Account> accounts_;
    int outcomes_;
    std::atomic<std::int64_t> next_id_;
    std::atomic<bool> is_stopping_ = false;
    boost::asio::io_context loop_{kLoopThreads};
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> loop_work_{
        loop_.get_executor()};
    std::vector<std::thread> threads_;
    std::vector<std::thread> loop_threads_;
};

bool is_poisoned(const TransactionManager& manager) {
    switch (manager.log_status().health) {
        case recovery_log::Health::healthy:
        case recovery_log::Health::full: return false;
        case recovery_log::Health::poisoned:
        case recovery_log::Health::fenced: return true;
    }
    return true;
}

/// Until SIGTERM, which every thread has blocked; false when the log is poisoned first.
bool wait_for_end(const TransactionManager& manager, const sigset_t& end) {
    const timespec look_every{.tv_sec = 0, .tv_nsec = 50'000'000};
    while (::sigtimedwait(&end, nullptr, &look_every) != SIGTERM) {
        if (is_poisoned(manager)) {
            return false;
        }
    }
    return true;
}

BankExit run(const Arguments& arguments, const sigset_t& end) {
    TransactionManager manager{{.node = std::string{kBankNode},
                                .log_directory = arguments.log_directory,
                                .answer_timeout = kAnswerTimeout,
                                .recovery_interval = kRecoveryInterval,
                                .log_segment_size_bytes = kSegmentBytes}};
    Bank bank{manager, arguments};
    manager.start();
    bank.start(arguments.threads, arguments.seed);
    if (arguments.threads > 0 && !wait_for_end(manager, end)) {
        std::cerr << "poisoned: " << manager.log_status().reason << std::endl;
        return kBankPoisoned;
    }
    bank.stop();
    const auto drained = manager.drain(std::chrono::seconds{arguments.patience_s});
    for (const auto& resource : drained.left.resources) {
        if (!drained.is_drained) {
            std::cerr << fmt::format("left at {}: {} in doubt, {} for a person; {} {}\n",
                                     resource.name, resource.in_doubt, resource.for_a_person,
                                     resource.error, resource.unended_session);
        }
    }
    if (!drained.is_drained) {
        std::cerr << fmt::format("left: {} decisions, {} live\n", drained.left.open_decisions,
                                 drained.left.live_transactions);
    }
    return drained.is_drained ? kBankDrained : kBankLeft;
}

BankExit exit_after(const Error& error) {
    std::cerr << "can't start: " << error.what() << std::endl;
    switch (error.code()) {
        case ErrorCode::log_in_use:
        case ErrorCode::log_unavailable:
        case ErrorCode::log_refuses_decisions: return kBankNoLog;
        case ErrorCode::invalid_configuration:
        case ErrorCode::log_not_found:
        case ErrorCode::log_foreign_node:
        case ErrorCode::log_damaged:
        case ErrorCode::log_lost:
        case ErrorCode::log_outdated:
        case ErrorCode::resource_unreachable:
        case ErrorCode::authentication_failed:
        case ErrorCode::two_phase_unavailable:
        case ErrorCode::resource_refused:
        case ErrorCode::statement_failed:
        case ErrorCode::unexpected_rows:
        case ErrorCode::conflict:
        case ErrorCode::timed_out:
        case ErrorCode::pool_exhausted:
        case ErrorCode::invalid_state: return kBankImpossible;
    }
    return kBankImpossible;
}

}  // namespace
}  // namespace xa_tm::test

int main(int argc, char** argv) {
    using namespace xa_tm::test;
    const auto arguments = parse(argc, argv);
    // The library logs to standard output.
    const int messages = open_to_append(arguments.messages);
    ::dup2(messages, STDOUT_FILENO);
    ::dup2(messages, STDERR_FILENO);
    boost::log::core::get()->set_filter(boost::log::trivial::severity >= boost::log::trivial::info);
    sigset_t end;
    ::sigemptyset(&end);
    ::sigaddset(&end, SIGTERM);
    ::pthread_sigmask(SIG_BLOCK, &end, nullptr);
    try {
        return run(arguments, end);
    } catch (const xa_tm::Error& error) {
        return exit_after(error);
    } catch (const std::exception& error) {
        std::cerr << "unexpected: " << error.what() << std::endl;
        return kBankImpossible;
    }
}

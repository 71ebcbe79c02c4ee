// Servers are killed with SIGKILL at drawn moments under an application that goes on all the while,
// in one process whose background recovery has to clear up. When each is killed, and what is
// written, is drawn from a seed; how far each transaction is then, is not.

#include <algorithm>
#include <array>
#include <cctype>
#include <chrono>
#include <cstdlib>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include <boost/log/core.hpp>
#include <boost/log/expressions.hpp>
#include <boost/log/trivial.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "eventually.h"
#include "ledger.h"
#include "sandbox.h"
#include "temporary_directory.h"
#include "transfer_traffic.h"
#include "undone.h"
#include "xa_tm/transaction_manager.h"

namespace xa_tm::test {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr std::string_view kNode = "rounds";
constexpr std::chrono::seconds kPatience{60};
/// Short, so that a rollback which its server has forgotten is found soon.
constexpr milliseconds kRecoveryInterval{500};

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
    const char* text = std::getenv(variable);
    return text == nullptr ? otherwise : std::stoull(text);
}

std::uint64_t draw_seed() {
    const auto seed = number_from("XA_TM_SERVER_ROUNDS_SEED", std::random_device{}());
    fmt::print("seed {}; XA_TM_SERVER_ROUNDS_SEED repeats what is drawn from it\n", seed);
    return seed;
}

/// What was seen in the rounds in which one server was killed.
struct Tally {
    std::size_t rounds = 0;
    std::size_t transactions = 0;
    std::map<Outcome, std::size_t> outcomes = {};
    std::size_t failed_statements = 0;
    std::size_t in_flight = 0;
    std::size_t in_doubt = 0;
    std::size_t returned_rollbacks = 0;
    milliseconds longest{0};
};

std::string to_string(const Tally& tally) {
    const auto of = [&](Outcome outcome) {
        const auto found = tally.outcomes.find(outcome);
        return found == tally.outcomes.end() ? 0 : found->second;
    };
    return fmt::format(
        "{} rounds, {} transactions: {} committed, {} rolled back ({} of them for a statement that "
        "failed), {} unknown; killed while {} were in flight; {} branches listed after "
        "restarts without traffic, {} of them rolled back for good before; longest from restart to "
        "settled {} ms",
        tally.rounds, tally.transactions, of(Outcome::committed), of(Outcome::rolled_back),
        tally.failed_statements, of(Outcome::unknown), tally.in_flight, tally.in_doubt,
        tally.returned_rollbacks, tally.longest.count());
}

class ServerRounds : public testing::Test {
protected:
    ServerRounds()
        : seed_{draw_seed()},
          random_{seed_},
          servers_{sandbox::postgres_server(), sandbox::mysql_server()},
          run_{fmt::format("{}_{}", seed_, ::getpid())},
          ledgers_{Ledger{servers_[0], Ledger::Side::loses, run_},
                   Ledger{servers_[1], Ledger::Side::gains, run_}},
          manager_{{.node = std::string{kNode},
                    .log_directory = log_.path(),
                    .recovery_interval = kRecoveryInterval,
                    .log_segment_size_bytes = std::size_t{1} << 20}},
          traffic_{manager_, {&ledgers_[0], &ledgers_[1]}} {
        // Every verb of every transaction would be too much to read.
        boost::log::core::get()->set_filter(boost::log::trivial::severity >=
                                            boost::log::trivial::info);
        manager_.start();
    }
    ~ServerRounds() override {
        boost::log::core::get()->reset_filter();
        std::ignore = traffic_.stop();
        if (killed_) {
            sandbox::restart(*killed_);
        }
    }

    /// Each server as often as the other one, in a drawn order.
    [[nodiscard]] std::vector<std::string> draw_victims(std::size_t rounds_per_server) {
        std::vector<std::string> victims;
        for (std::size_t i = 0; i < rounds_per_server; ++i) {
            victims.insert(victims.end(), servers_.begin(), servers_.end());
        }
        std::ranges::shuffle(victims, random_);
        return victims;
    }

    void run_round(const std::string& victim) {
        auto& tally = tallies_[victim];
        const auto first_id = traffic_.next_id();
        traffic_.start(random_());
        std::this_thread::sleep_for(draw(milliseconds{500}));  // the moment is what is drawn
        EXPECT_EQ(traffic_.failed(), 0U) << "both servers are up";
        tally.in_flight += traffic_.in_flight();
        kill(victim);
        ASSERT_TRUE(eventually([&] { return traffic_.failed() > 0; }, kPatience));
        std::this_thread::sleep_for(draw(milliseconds{200}));

        std::vector<EndedTransfer> ended;
        const bool is_traffic_kept = random_() % 2 == 0;
        if (!is_traffic_kept) {
            ended = traffic_.stop();
        }
        restart();
        const auto restarted = Clock::now();
        std::vector<std::string> listed;
        if (!is_traffic_kept) {
            listed = listed_at(victim);  // with traffic most would be young ones
        } else {
            ASSERT_TRUE(is_every_thread_committing_again()) << what_is_left();
            ended = traffic_.stop();
        }
        ASSERT_TRUE(eventually([&] { return is_settled(); }, kPatience)) << what_is_left();
        tally.longest = std::max(
            tally.longest, std::chrono::duration_cast<milliseconds>(Clock::now() - restarted));
        count(tally, ended, listed);
        expect_the_truth(ended, first_id);
    }

    /// Once more over everything that all rounds have left, now that nothing goes on.
    void expect_nothing_has_changed_since() {
        EXPECT_EQ(ledgers_[0].transfers_from(0), committed_);
        EXPECT_EQ(ledgers_[1].transfers_from(0), committed_);
        EXPECT_TRUE(is_settled()) << what_is_left();
    }

    void print_summary() {
        for (const auto& [server, tally] : tallies_) {
            fmt::print("{}: {}\n", server, to_string(tally));
        }
    }

    void clear() {
        for (const auto& ledger : ledgers_) {
            ledger.clear();
        }
    }

private:
    [[nodiscard]] milliseconds draw(milliseconds longest) {
        return milliseconds{
            std::uniform_int_distribution<milliseconds::rep>{0, longest.count()}(random_)};
    }

    void kill(const std::string& server) {
        killed_ = server;
        sandbox::kill(server);
    }
    void restart() {
        sandbox::restart(*killed_);
        killed_.reset();
    }

    /// The branches that recovery has not ended yet, when a server has just come back.
    [[nodiscard]] std::vector<std::string> listed_at(const std::string& server) {
        return ledger_of(server).prepared(own_names());
    }

    [[nodiscard]] bool is_every_thread_committing_again() {
        const auto before = traffic_.committed();
        return eventually(
            [&] {
                const auto now = traffic_.committed();
                return std::ranges::equal(now, before, std::ranges::greater{});
            },
            kPatience);
    }

    [[nodiscard]] bool is_settled() {
        return count_undone(manager_) == 0 &&
               std::ranges::all_of(ledgers_, [&](const Ledger& ledger) {
                   return ledger.prepared(own_names()).empty();
               });
    }
    [[nodiscard]] std::string what_is_left() {
        std::string left = fmt::format("{} decisions", count_undone(manager_));
        for (const auto& ledger : ledgers_) {
            left += fmt::format("; at {}: {}", ledger.server(),
                                fmt::join(ledger.prepared(own_names()), ", "));
        }
        return left;
    }

    void count(Tally& tally, const std::vector<EndedTransfer>& ended,
               const std::vector<std::string>& listed) {
        ++tally.rounds;
        tally.transactions += ended.size();
        tally.in_doubt += listed.size();
        for (const auto& transfer : ended) {
            ++tally.outcomes[transfer.outcome];
            tally.failed_statements += transfer.is_statement_failed ? 1U : 0U;
            tally.returned_rollbacks +=
                transfer.outcome == Outcome::rolled_back && transfer.is_settled &&
                        std::ranges::any_of(listed,
                                            [&](const std::string& name) {
                                                return is_branch_of(name, transfer.gtrid);
                                            })
                    ? 1U
                    : 0U;
        }
    }

    /// The servers against what the application was told.
    void expect_the_truth(const std::vector<EndedTransfer>& ended, std::int64_t first_id) {
        const auto rows = ledgers_[0].transfers_from(first_id);
        EXPECT_EQ(rows, ledgers_[1].transfers_from(first_id)) << "every transfer is whole";
        std::set<std::string> written;
        for (const auto& transfer : ended) {
            const auto row = to_string(transfer.transfer);
            if (rows.contains(row)) {
                written.insert(row);
            }
            expect_outcome(transfer, rows.contains(row));
        }
        EXPECT_EQ(rows, written) << "nobody else writes";
        for (const auto& ledger : ledgers_) {
            EXPECT_TRUE(ledger.is_balanced()) << ledger.server();
            EXPECT_TRUE(ledger.is_foreign_branch_prepared()) << ledger.server();
        }
        committed_.merge(written);
    }

    void expect_outcome(const EndedTransfer& ended, bool is_written) {
        const auto what = fmt::format("transfer {} of {}: {}: {}", ended.transfer.id, ended.gtrid,
                                      xa_tm::to_string(ended.outcome), ended.reason);
        switch (ended.outcome) {
            case Outcome::committed:
                EXPECT_TRUE(is_written) << what;
                EXPECT_EQ(ended.intent, Intent::commit) << what;
                break;
            case Outcome::rolled_back: EXPECT_FALSE(is_written) << what; break;
            case Outcome::unknown: break;  // whole, as every one is
            case Outcome::heuristic_rollback:
            case Outcome::heuristic_mixed:
            case Outcome::heuristic_hazard: ADD_FAILURE() << what; break;
        }
    }

    [[nodiscard]] const Ledger& ledger_of(const std::string& server) const {
        return *std::ranges::find(ledgers_, server, &Ledger::server);
    }
    /// What the names of this manager's branches contain, and nobody else's.
    [[nodiscard]] std::string own_names() const {
        return fmt::format("{}:{}:", kNode, manager_.log_summary().id.to_string());
    }
    /// A server's name of a branch has its gtrid in front of '/' or of the branch's own part.
    [[nodiscard]] bool is_branch_of(const std::string& name, const std::string& gtrid) const {
        const auto found = name.find(gtrid);
        return found != std::string::npos &&
               (found + gtrid.size() == name.size() ||
                std::isdigit(static_cast<unsigned char>(name[found + gtrid.size()])) == 0);
    }

    std::uint64_t seed_;
    std::mt19937_64 random_;
    std::array<std::string, 2> servers_;
    std::string run_;
    TemporaryDirectory log_;
    std::array<Ledger, 2> ledgers_;
    TransactionManager manager_;
    TransferTraffic traffic_;
    std::optional<std::string> killed_;
    std::map<std::string, Tally> tallies_;
    std::set<std::string> committed_;
};

TEST_F(ServerRounds, LoseNothingLeaveNothingAndKeepEveryPromise) {
    for (const auto& victim : draw_victims(number_from("XA_TM_SERVER_ROUNDS", 2))) {
        ASSERT_NO_FATAL_FAILURE(run_round(victim));
        if (HasFailure()) {
            break;  // what this round has left is what a person wants to see
        }
    }
    print_summary();
    expect_nothing_has_changed_since();
    if (!HasFailure()) {
        clear();
    }
}

}  // namespace
}  // namespace xa_tm::test

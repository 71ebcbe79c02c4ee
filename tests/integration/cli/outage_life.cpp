// A transaction manager in the middle of its work, step by step by hand, so that twenty
// transactions stand in every state when it is killed. It stops itself twice: when the first have
// come so far that an old copy of the second server can be made, and when all stand where they are
// to be found.

#include <csignal>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <boost/log/core.hpp>
#include <fmt/format.h>

#include "decision_log.h"
#include "gather.h"
#include "global_id.h"
#include "recovery.h"
#include "transaction_table.h"
#include "xa_tm/mysql/datasource.h"
#include "xa_tm/postgres/datasource.h"
#include "xa_tm/recovery_log/check.h"

namespace xa_tm::test {
namespace {

constexpr std::chrono::seconds kPatience{20};

/// One branch over a connection of its own.
struct WorkedBranch {
    std::unique_ptr<Connection> connection;
    DecidedBranch decided;
};

class Life {
public:
    Life(const std::string& log_directory, const std::string& users_uri,
         const std::string& points_uri)
        : log_{recovery_log::RecoveryLog::open({.directory = log_directory, .node = "shop-1"})},
          users_{"users", users_uri},
          points_{"points", points_uri},
          mark_{fmt::format("xa_tm:{}:{}:shop-1", log_.log().id().to_string(),
                            log_.log().incarnation()),
                {}} {}

    /// Runs its statements at both, or at points as far as it is wanted.
    void begin(int number) {
        table_.enter(gtrid(number));
        start(number, users_, "users:1",
              fmt::format("insert into users values ({}, 'user {}')", number, number));
        start(number, points_, "points:2",
              fmt::format("insert into points values ({}, 100)", number));
    }
    void prepare(int number, const std::string& resource) {
        auto& branch = branches_.at({number, resource});
        const auto answer = ask(branch, Verb::prepare, number);
        branch.decided.evidence = answer.evidence;
        branch.decided.server = branch.connection->server_identity();
        if (resource == "points") {
            branch.connection.reset();  // another session finishes it, as after an outage
        }
    }
    void prepare(int number) {
        prepare(number, "users");
        prepare(number, "points");
    }
    void decide(int number) {
        const Decision decision{
            gtrid(number),
            std::chrono::time_point_cast<LogTime::duration>(std::chrono::system_clock::now()),
            {branches_.at({number, "users"}).decided, branches_.at({number, "points"}).decided}};
        const auto forced = log_.force(log_.reserve(decision).value(), decision);
        XA_TM_CHECK(forced.result == recovery_log::ForceResult::durable, "the disk is sound");
        decisions_[number] = forced.id;
    }
    void commit(int number, const std::string& resource) {
        auto& branch = branches_.at({number, resource});
        if (branch.connection == nullptr || !branch.connection->is_reusable()) {
            branch.connection = datasource_of(resource).connect(mark_);
        }
        std::ignore = ask(branch, Verb::commit, number);
        branch.connection.reset();
    }
    void commit_everywhere(int number) {
        decide(number);
        commit(number, "users");
        commit(number, "points");
        log_.forget(decisions_.at(number));
        table_.leave(gtrid(number));
    }
    /// What recovery in the background does now and then.
    void look_around() {
        const auto known = [this] {
            return KnownTransactions{.view = LogView::owner,
                                     .log = {.path = {},
                                             .node = "shop-1",
                                             .id = log_.log().id(),
                                             .incarnation = log_.log().incarnation(),
                                             .owner = std::nullopt},
                                     .sequences_issued = 100,
                                     .transactions = table_.snapshot()};
        };
        for (auto* datasource :
             {static_cast<Datasource*>(&users_), static_cast<Datasource*>(&points_)}) {
            ResourceRecovery recovery{*datasource, {"users", "points"}, mark_, kPatience};
            const auto pass = recovery.survey(known, table_, log_);
            XA_TM_CHECK(pass.resource.is_reachable, "the servers are up");
        }
    }

private:
    [[nodiscard]] std::string gtrid(int number) const {
        return to_gtrid({"shop-1", log_.log().id(), log_.log().incarnation(),
                         static_cast<std::uint64_t>(number)});
    }
    [[nodiscard]] Datasource& datasource_of(const std::string& resource) {
        return resource == "users" ? static_cast<Datasource&>(users_) : points_;
    }
    void start(int number, Datasource& datasource, const std::string& bqual,
               const std::string& statement) {
        auto& branch = branches_[{number, datasource.name()}];
        branch = {datasource.connect(mark_), {datasource.name(), bqual, "", ""}};
        std::ignore = ask(branch, Verb::start, number);
        const auto answer = exchange(*branch.connection,
                                     {.verb = Verb::execute,
                                      .xid = {kFormatId, gtrid(number), bqual},
                                      .statement = statement},
                                     kPatience);
        XA_TM_CHECK(answer.code == XaCode::ok, "the tables are there");
    }
    Answer ask(WorkedBranch& branch, Verb verb, int number) {
        auto answer = exchange(
            *branch.connection,
            {.verb = verb, .xid = {kFormatId, gtrid(number), branch.decided.bqual}}, kPatience);
        if (answer.code != XaCode::ok) {
            fmt::print(stderr, "{} of {}: {}\n", to_string(verb), number, answer.message);
        }
        XA_TM_CHECK(answer.code == XaCode::ok, "nothing fails before the outage");
        return answer;
    }

    DecisionLog log_;
    TransactionTable table_;
    postgres::Datasource users_;
    mysql::Datasource points_;
    SessionMark mark_;
    std::map<std::pair<int, std::string>, WorkedBranch> branches_;
    std::map<int, recovery_log::EntryId> decisions_;
};

void live(Life& life) {
    life.look_around();
    for (int number = 1; number <= 3; ++number) {
        life.begin(number);
        life.prepare(number);
        life.commit_everywhere(number);
    }
    for (const int number : {4, 8, 9, 10, 11, 14, 15, 16, 17, 18, 19, 20}) {
        life.begin(number);
        life.prepare(number);
    }
    std::raise(SIGSTOP);  // now the old copy of points is made
    life.commit_everywhere(4);
    for (const int number : {5, 6, 7, 12, 13}) {
        life.begin(number);
    }
    for (const int number : {12, 13}) {
        life.prepare(number, "users");
    }
    for (int number = 14; number <= 20; ++number) {
        life.decide(number);
    }
    for (const int number : {17, 18, 19}) {
        life.commit(number, "users");
    }
    life.commit(19, "points");
    life.look_around();
    std::raise(SIGSTOP);  // now it is killed
}

}  // namespace
}  // namespace xa_tm::test

int main(int argc, char** argv) {
    boost::log::core::get()->set_logging_enabled(false);
    CLI::App app;
    std::string log;
    std::string users;
    std::string points;
    app.add_option("--log", log)->required();
    app.add_option("--users", users)->required();
    app.add_option("--points", points)->required();
    CLI11_PARSE(app, argc, argv);
    xa_tm::test::Life life{log, users, points};
    xa_tm::test::live(life);
}

#pragma once

#include <memory>
#include <string>
#include <vector>

#include <boost/log/core.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "decision_record.h"
#include "eventually.h"
#include "fake_link.h"
#include "fake_resource_manager.h"
#include "global_id.h"
#include "temporary_directory.h"
#include "xa_tm/transaction_manager.h"

namespace xa_tm::test {

/// Three fake servers and a log directory, over which transaction managers live one after another.
class ManagerFixture : public testing::Test {
protected:
    ManagerFixture() { boost::log::core::get()->set_logging_enabled(false); }

    /// One life of a transaction manager.
    struct Life {
        explicit Life(const Config& config, ManagerFixture& fixture)
            : tm{config},
              users{tm.add<FakeLink>("users", fixture.users_, fixture.options_)},
              points{tm.add<FakeLink>("points", fixture.points_, fixture.options_)},
              audit{tm.add<FakeLink>("audit", fixture.audit_, fixture.options_)} {}

        TransactionManager tm;
        FakeLink& users;
        FakeLink& points;
        FakeLink& audit;
    };

    [[nodiscard]] Config config() const {
        return {.node = "shop-1",
                .log_directory = directory_.path(),
                .answer_timeout = answer_timeout_,
                .recovery_interval = recovery_interval_,
                .log_segment_size_bytes = std::size_t{64} << 10,
                .allow_volatile_log = true};
    }
    [[nodiscard]] std::unique_ptr<Life> open() { return std::make_unique<Life>(config(), *this); }
    [[nodiscard]] std::unique_ptr<Life> start() {
        auto life = open();
        life->tm.start();
        return life;
    }

    /// What the log's files hold now; what was forgotten may still be among it while the log is
    /// open.
    [[nodiscard]] std::vector<LogRecord> records() const {
        std::vector<LogRecord> records;
        for (const auto& entry : recovery_log::read_log(directory_.path()).entries) {
            records.push_back(decode(entry.body).value());
        }
        return records;
    }
    [[nodiscard]] std::size_t live_entries(const Life& life) const {
        return life.tm.log_status().live_entries;
    }

    /// Everything that is left after the manager has ended, and its successor has recovered.
    void expect_nothing_left(std::unique_ptr<Life>& life) {
        life.reset();
        life = start();
        EXPECT_TRUE(eventually([&] { return live_entries(*life) == 0; }));
        life.reset();
        EXPECT_THAT(records(), testing::IsEmpty());
        for (const auto* server : {&users_, &points_, &audit_}) {
            EXPECT_THAT(server->prepared(), testing::IsEmpty()) << server->name();
        }
    }

    /// A decided transaction that points has not heard of, left by a manager that is gone; points
    /// is out of reach.
    std::string leave_decided() {
        auto life = start();
        auto tx = life->tm.begin();
        auto [users, points] = tx.enlist(life->users, life->points);
        users.write("ada");
        points.write("ada:100");
        life->points.watch([this](FakeLink::Event event, Verb verb) {
            if (event == FakeLink::Event::sending && verb == Verb::commit) {
                points_.set_reachable(false);
            }
        });
        const auto report = tx.commit();
        EXPECT_EQ(report.outcome(), Outcome::committed);
        return report.gtrid();
    }
    /// A branch as an earlier incarnation of this log would have left it prepared.
    [[nodiscard]] Xid orphan_of(const Life& life, const std::string& bqual,
                                std::uint32_t incarnations_ago = 1) const {
        const auto log = life.tm.log_summary();
        return {kFormatId, to_gtrid({log.node, log.id, log.incarnation - incarnations_ago, 41}),
                bqual};
    }

    TemporaryDirectory directory_;
    FakeResourceManager users_{"users"};
    FakeResourceManager points_{"points"};
    FakeResourceManager audit_{"audit"};
    DatasourceOptions options_;
    std::chrono::milliseconds answer_timeout_{std::chrono::minutes{1}};
    std::chrono::milliseconds recovery_interval_{20};
};

/// The verbs that a server got for a transaction, as words.
inline std::string verbs(const FakeResourceManager& server, const std::string& gtrid) {
    std::string text;
    for (const auto verb : server.verbs_of(gtrid)) {
        text += (text.empty() ? "" : " ") + std::string{to_string(verb)};
    }
    return text;
}

inline std::vector<BranchState> states(const CommitReport& report) {
    std::vector<BranchState> states;
    for (const auto& branch : report.branches()) {
        states.push_back(branch.state);
    }
    return states;
}

/// The resources that a decision in the log names.
MATCHER_P2(IsDecision, gtrid, resources, "") {
    const auto* decision = std::get_if<Decision>(&arg);
    if (decision == nullptr || decision->gtrid != gtrid) {
        return false;
    }
    std::vector<std::string> named;
    for (const auto& branch : decision->branches) {
        named.push_back(branch.resource);
    }
    return testing::ExplainMatchResult(testing::ElementsAreArray(resources), named,
                                       result_listener);
}

MATCHER_P3(IsHeuristicRecord, gtrid, bqual, code, "") {
    const auto* heuristic = std::get_if<Heuristic>(&arg);
    return heuristic != nullptr && heuristic->gtrid == gtrid && heuristic->bqual == bqual &&
           heuristic->code == code;
}

/// An Error with this code.
MATCHER_P(HasCode, code, "") {
    *result_listener << "what() is \"" << arg.what() << '"';
    return arg.code() == code && std::string{arg.what()}.find('\n') == std::string::npos;
}

/// The Error that the action throws.
template <class Action>
[[nodiscard]] Error error_of(Action&& action) {
    try {
        action();
    } catch (const Error& error) {
        return error;
    }
    ADD_FAILURE() << "nothing was thrown";
    return {{.code = ErrorCode::invalid_state}, "nothing was thrown"};
}

}  // namespace xa_tm::test

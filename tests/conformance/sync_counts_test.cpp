// How often each server syncs for each kind of branch: what the protocol costs there, and what a
// read-only vote saves.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "subjects.h"
#include "sync_counter.h"

namespace xa_tm::test {
namespace {

constexpr int kBranches = 25;

class SyncCounts : public Conformance {
protected:
    void SetUp() override {
        Conformance::SetUp();
        const auto xid = unique_xid();
        const auto connection = start(xid);
        for (int id = 1; id <= kBranches; ++id) {
            subject_->insert(*connection, id);
        }
        ASSERT_EQ(run(*connection, Verb::commit_one_phase, xid).code, XaCode::ok);
    }

    [[nodiscard]] static bool is_postgres() {
        return std::string_view{GetParam().name}.starts_with("postgres");
    }
    [[nodiscard]] static bool is_mysql() {
        return std::string_view{GetParam().name}.starts_with("mysql");
    }

    /// The syncs per branch that runs `statement`, with {} for its number, and is then given the
    /// verbs; none that its vote has made needless.
    double syncs_of(const std::string& statement, const std::vector<Verb>& verbs) {
        const auto connection = subject_->connect();
        const SyncCounter syncs{GetParam().name};
        for (int id = 1; id <= kBranches; ++id) {
            const auto xid = unique_xid();
            EXPECT_EQ(run(*connection, Verb::start, xid).code, XaCode::ok);
            const auto executed =
                run(*connection, {{.verb = Verb::execute,
                                   .xid = xid,
                                   .statement = fmt::format(fmt::runtime(statement), id)}})
                    .front();
            EXPECT_EQ(executed.code, XaCode::ok) << executed.message;
            for (const auto verb : verbs) {
                const auto code = run(*connection, verb, xid).code;
                EXPECT_THAT(code, testing::AnyOf(XaCode::ok, XaCode::rdonly));
                if (code == XaCode::rdonly) {
                    break;
                }
            }
        }
        const auto count = static_cast<double>(syncs.count()) / kBranches;
        RecordProperty("syncs_per_branch", std::to_string(count));
        return count;
    }

    const std::vector<Verb> two_phases_{Verb::prepare, Verb::commit};
};

/// The servers sync in the background, too.
constexpr double kBackground = 0.4;

/// About so many, and never fewer.
auto are(double syncs) {
    return testing::AllOf(testing::Ge(syncs), testing::Lt(syncs + kBackground));
}
auto are_none() {
    return testing::Lt(kBackground);
}

TEST_P(SyncCounts, OfAWriteInTwoPhases) {
    const auto syncs =
        syncs_of("update conformance set hits = hits + 1 where id = {}", two_phases_);
    if (is_mysql()) {
        // The binary log has both halves, and shares some of its syncs with the engine.
        EXPECT_THAT(syncs, testing::AllOf(testing::Ge(4.0), testing::Le(6.0)));
    } else {
        EXPECT_THAT(syncs, are(2));
    }
}

TEST_P(SyncCounts, OfAWriteThatIsRolledBackWhenPrepared) {
    const auto syncs = syncs_of("update conformance set hits = hits + 1 where id = {}",
                                {Verb::prepare, Verb::rollback});
    if (is_mysql()) {
        EXPECT_THAT(syncs, testing::AllOf(testing::Ge(4.0), testing::Le(6.0)));
    } else if (is_postgres()) {
        EXPECT_THAT(syncs, are(2));
    } else {
        // Such a branch may be prepared again after a crash: recovery rolls it back again.
        EXPECT_THAT(syncs, are(1));
    }
}

TEST_P(SyncCounts, OfAWriteInOnePhase) {
    const auto syncs =
        syncs_of("update conformance set hits = hits + 1 where id = {}", {Verb::commit_one_phase});
    EXPECT_THAT(syncs, are(is_mysql() ? 2 : 1));
}

TEST_P(SyncCounts, OfARead) {
    EXPECT_THAT(syncs_of("select * from conformance where id = {}", two_phases_), are_none());
}

TEST_P(SyncCounts, OfAnUpdateThatFindsNothing) {
    EXPECT_THAT(syncs_of("update conformance set hits = 1 where id = -{}", two_phases_),
                are_none());
}

TEST_P(SyncCounts, OfARowLockWithoutAWrite) {
    const auto syncs = syncs_of("select * from conformance where id = {} for update", two_phases_);
    if (is_postgres()) {
        EXPECT_THAT(syncs, are(2)) << "a lock on a row is a write there";
    } else {
        EXPECT_THAT(syncs, are_none());
    }
}

INSTANTIATE_TEST_SUITE_P(Of, SyncCounts, testing::ValuesIn(servers()), name_of);

}  // namespace
}  // namespace xa_tm::test

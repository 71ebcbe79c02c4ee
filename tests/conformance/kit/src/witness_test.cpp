// Witness rows on every kind that keeps them: each is there if and only if its branch has
// committed, until it is removed, and then its absence proves nothing.

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "xa_tm/conformance/suite.h"

namespace xa_tm::conformance {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr auto kLog = "0123456789abcdef";
constexpr auto kOtherLog = "fedcba9876543210";

class Witness : public Conformance {
protected:
    struct Prepared {
        std::unique_ptr<Connection> connection;
        Xid xid;
        std::string evidence;
    };

    void SetUp() override {
        Conformance::SetUp();
        if (!subject_->traits().keeps_witnesses) {
            GTEST_SKIP() << kNoWitnesses;
        }
        for (const auto* log : {kLog, kOtherLog}) {
            const auto rows = list(log);
            if (!rows.empty()) {
                forget(evidence_of(rows));
            }
        }
    }

    static Answer run_one(Connection& connection, Request request) {
        return run(connection, std::vector{std::move(request)}).front();
    }
    static std::vector<std::string> evidence_of(const std::vector<WitnessRow>& rows) {
        std::vector<std::string> evidence;
        for (const auto& row : rows) {
            evidence.push_back(row.evidence);
        }
        return evidence;
    }

    std::unique_ptr<Connection> start_witnessed(const Xid& xid) {
        auto connection = subject_->connect_with_witness();
        EXPECT_EQ(run(*connection, Verb::start, xid).code, XaCode::ok);
        return connection;
    }
    Prepared prepare(int id, std::string log = kLog) {
        const auto xid = unique_xid();
        auto connection = start_witnessed(xid);
        subject_->insert(*connection, id);
        auto vote =
            run_one(*connection, {.verb = Verb::prepare, .xid = xid, .log = std::move(log)});
        EXPECT_EQ(vote.code, XaCode::ok) << vote.message;
        EXPECT_NE(vote.evidence, "");
        return {std::move(connection), xid, std::move(vote.evidence)};
    }
    Prepared commit(int id, std::string log = kLog) {
        auto branch = prepare(id, std::move(log));
        EXPECT_EQ(run(*branch.connection, Verb::commit, branch.xid).code, XaCode::ok);
        return branch;
    }
    Answer ask(Verb verb, const Prepared& branch) {
        return run_one(*subject_->connect_with_witness(),
                       {.verb = verb, .xid = branch.xid, .evidence = branch.evidence});
    }
    std::vector<WitnessRow> list(std::string log = kLog) {
        auto answer = run_one(*subject_->connect_with_witness(),
                              {.verb = Verb::list_witnesses, .log = std::move(log)});
        EXPECT_EQ(answer.code, XaCode::ok) << answer.message;
        return answer.witnesses;
    }
    void forget(std::vector<std::string> rows) {
        const auto answer = run_one(*subject_->connect_with_witness(),
                                    {.verb = Verb::forget_witnesses, .witnesses = std::move(rows)});
        EXPECT_EQ(answer.code, XaCode::ok) << answer.message;
    }
};

TEST_P(Witness, IsThereOnceItsBranchHasCommitted) {
    const auto branch = prepare(1);
    EXPECT_THAT(list(), IsEmpty());
    EXPECT_EQ(run(*branch.connection, Verb::commit, branch.xid).code, XaCode::ok);
    EXPECT_THAT(list(), ElementsAre(WitnessRow{branch.xid.gtrid, branch.evidence}));
    EXPECT_TRUE(subject_->has_row(1));
    EXPECT_TRUE(serves_again(*branch.connection));
}

TEST_P(Witness, IsLeftByABranchThatWroteNothing) {
    const auto xid = unique_xid();
    const auto connection = start_witnessed(xid);
    const auto vote = run_one(*connection, {.verb = Verb::prepare, .xid = xid, .log = kLog});
    EXPECT_EQ(vote.code, XaCode::ok) << vote.message;
    EXPECT_EQ(run(*connection, Verb::commit, xid).code, XaCode::ok);
    EXPECT_THAT(list(), ElementsAre(WitnessRow{xid.gtrid, vote.evidence}));
}

TEST_P(Witness, GoesWithABranchThatIsRolledBack) {
    const auto branch = prepare(1);
    EXPECT_EQ(run(*branch.connection, Verb::rollback, branch.xid).code, XaCode::ok);
    EXPECT_THAT(list(), IsEmpty());
    EXPECT_TRUE(serves_again(*branch.connection));
}

TEST_P(Witness, IsPreparedInTheTripOfTheLastStatement) {
    if (!subject_->traits().takes_statements) {
        GTEST_SKIP() << "the resource carries out no statements";
    }
    const auto xid = unique_xid();
    const auto connection = subject_->connect_with_witness();
    const auto answers =
        run(*connection,
            {{.verb = Verb::start, .xid = xid},
             {.verb = Verb::execute, .xid = xid, .statement = subject_->insert_statement(1)},
             {.verb = Verb::prepare, .xid = xid, .log = kLog}});
    ASSERT_EQ(answers.back().code, XaCode::ok) << answers.back().message;
    EXPECT_EQ(answers[1].rows, 1U);
    EXPECT_EQ(run(*connection, Verb::commit, xid).code, XaCode::ok);
    EXPECT_THAT(list(), ElementsAre(WitnessRow{xid.gtrid, answers.back().evidence}));
    EXPECT_TRUE(subject_->has_row(1));
}

// Trap 28: the second commit finds nothing to commit.
TEST_P(Witness, ProvesACommitWhoseReplyWasLost) {
    auto branch = commit(1);
    branch.connection.reset();
    const auto again = ask(Verb::commit, branch);
    EXPECT_EQ(again.code, XaCode::ok) << again.message;
    const auto located = ask(Verb::locate, branch);
    EXPECT_EQ(located.code, XaCode::nota) << located.message;
    EXPECT_TRUE(located.is_proven);
    branch.evidence.clear();
    EXPECT_EQ(ask(Verb::commit, branch).code, XaCode::nota) << "nothing is proven";
    EXPECT_FALSE(ask(Verb::locate, branch).is_proven);
}

// Trap 29: somebody has rolled it back by hand.
TEST_P(Witness, ProvesARollbackByHandByItsAbsence) {
    const auto branch = prepare(1);
    ASSERT_EQ(run(*branch.connection, Verb::rollback, branch.xid).code, XaCode::ok);
    for (const auto verb : {Verb::commit, Verb::locate}) {
        const auto answer = ask(verb, branch);
        EXPECT_EQ(answer.code, XaCode::heurrb) << to_string(verb) << ": " << answer.message;
        EXPECT_NE(answer.message, "");
    }
}

TEST_P(Witness, ProvesNothingByItsAbsenceOnceItWasRemoved) {
    const auto branch = commit(1);
    forget({branch.evidence});
    EXPECT_THAT(list(), IsEmpty());
    for (const auto verb : {Verb::commit, Verb::locate}) {
        const auto answer = ask(verb, branch);
        EXPECT_EQ(answer.code, XaCode::nota) << to_string(verb) << ": " << answer.message;
        EXPECT_FALSE(answer.is_proven);
    }
}

TEST_P(Witness, ProvesNothingByItsAbsenceOnceALaterOneWasRemoved) {
    const auto rolled_back = prepare(1);
    const auto later = commit(2);
    ASSERT_EQ(run(*rolled_back.connection, Verb::rollback, rolled_back.xid).code, XaCode::ok);
    forget({later.evidence});
    EXPECT_EQ(ask(Verb::locate, rolled_back).code, XaCode::nota);
}

TEST_P(Witness, ProvesARollbackAlsoWhenEarlierOnesAndThoseOfOthersWereRemoved) {
    const auto earlier = commit(1);
    const auto rolled_back = prepare(2);
    const auto others = commit(3, kOtherLog);
    forget({earlier.evidence});
    forget({others.evidence});
    ASSERT_EQ(run(*rolled_back.connection, Verb::rollback, rolled_back.xid).code, XaCode::ok);
    EXPECT_EQ(ask(Verb::locate, rolled_back).code, XaCode::heurrb);
}

TEST_P(Witness, SaysNothingYetWhileItsBranchIsPrepared) {
    const auto branch = prepare(1);
    EXPECT_EQ(ask(Verb::locate, branch).code, XaCode::retry);
    EXPECT_EQ(run(*branch.connection, Verb::commit, branch.xid).code, XaCode::ok);
}

TEST_P(Witness, IsListedForItsOwnLogAlone) {
    const auto ours = commit(1);
    const auto theirs = commit(2, kOtherLog);
    EXPECT_THAT(list(), ElementsAre(WitnessRow{ours.xid.gtrid, ours.evidence}));
    EXPECT_THAT(list(kOtherLog), ElementsAre(WitnessRow{theirs.xid.gtrid, theirs.evidence}));
    EXPECT_THAT(list("nobody"), IsEmpty());
}

TEST_P(Witness, IsRemovedOnlyByNameAsOftenAsThatIsAsked) {
    const auto first = commit(1);
    const auto kept = commit(2);
    for (int time = 0; time < 2; ++time) {
        forget({first.evidence});
        EXPECT_THAT(list(), ElementsAre(WitnessRow{kept.xid.gtrid, kept.evidence}));
    }
    const auto located = ask(Verb::locate, kept);
    EXPECT_TRUE(located.is_proven);
}

TEST_P(Witness, IsListedAndRemovedOnlyWhileNoBranchIsOpen) {
    const auto xid = unique_xid();
    const auto connection = start_witnessed(xid);
    EXPECT_EQ(run_one(*connection, {.verb = Verb::list_witnesses, .log = kLog}).code,
              XaCode::proto);
    EXPECT_EQ(run_one(*connection, {.verb = Verb::forget_witnesses, .witnesses = {"x"}}).code,
              XaCode::proto);
    EXPECT_EQ(run(*connection, Verb::rollback, xid).code, XaCode::ok);
    EXPECT_EQ(run_one(*connection, {.verb = Verb::forget_witnesses, .witnesses = {"x"}}).code,
              XaCode::inval);
    EXPECT_EQ(run_one(*connection, {.verb = Verb::forget_witnesses}).code, XaCode::inval);
}

INSTANTIATE_TEST_SUITE_P(Of, Witness, testing::ValuesIn(kinds()), name_of);

}  // namespace
}  // namespace xa_tm::conformance

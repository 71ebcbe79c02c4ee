// What statements are given and give: arguments, results, counts and savepoints, on every kind that
// takes statements.

#include <charconv>
#include <cstdlib>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "xa_tm/conformance/suite.h"

namespace xa_tm::conformance {
namespace {

using testing::AllOf;
using testing::Each;
using testing::ElementsAre;
using testing::ElementsAreArray;
using testing::Field;
using testing::IsEmpty;
using testing::SizeIs;

auto answered(XaCode code) {
    return Field(&Answer::code, code);
}

auto wrote(std::uint64_t rows) {
    return AllOf(answered(XaCode::ok), Field(&Answer::rows, rows));
}

auto was_not_carried_out() {
    return AllOf(Field(&Answer::code, not_carried_out().code),
                 Field(&Answer::message, not_carried_out().message));
}

class Statements : public Conformance {
protected:
    void SetUp() override {
        Conformance::SetUp();
        if (!subject_->traits().takes_statements) {
            GTEST_SKIP() << "the resource takes no statements";
        }
    }

    [[nodiscard]] Request verb(Verb verb) const { return {.verb = verb, .xid = xid_}; }
    [[nodiscard]] Request execute(std::string statement, std::vector<Value> arguments = {}) const {
        return {.verb = Verb::execute,
                .xid = xid_,
                .statement = std::move(statement),
                .arguments = std::move(arguments)};
    }
    [[nodiscard]] Request insert(int id) const { return execute(subject_->insert_statement(id)); }
    [[nodiscard]] Request failure() const { return execute(subject_->failing_statement()); }
    [[nodiscard]] Request keep(std::int64_t number, const Value& value, const Value& like) const {
        return execute(subject_->keep_statement(like), {number, value});
    }
    [[nodiscard]] Request recall(std::int64_t number, const Value& like) const {
        auto request = execute(subject_->recall_statement(like), {number});
        request.wants_result = true;
        return request;
    }

    /// What a result shows, as a value of the type of `like`.
    [[nodiscard]] Value value_from(const std::optional<std::string>& shown,
                                   const Value& like) const {
        if (!shown) {
            return nullptr;
        }
        if (std::holds_alternative<bool>(like)) {
            return *shown == "t" || *shown == "1" || *shown == "true";
        }
        if (std::holds_alternative<std::int64_t>(like)) {
            return number_from<std::int64_t>(*shown);
        }
        if (std::holds_alternative<std::uint64_t>(like)) {
            return number_from<std::uint64_t>(*shown);
        }
        if (std::holds_alternative<double>(like)) {
            return std::strtod(shown->c_str(), nullptr);
        }
        if (std::holds_alternative<Bytes>(like)) {
            return Bytes{subject_->bytes_from(*shown)};
        }
        return *shown;
    }

    /// Keeps values in one trip, and expects them to come back in a second one.
    void expect_to_come_back(const std::vector<Value>& values, const Value& like) {
        const auto connection = start(xid_);
        std::vector<Request> keeping;
        std::vector<Request> recalling;
        for (std::size_t i = 0; i < values.size(); ++i) {
            keeping.push_back(keep(static_cast<std::int64_t>(i), values[i], like));
            recalling.push_back(recall(static_cast<std::int64_t>(i), like));
        }
        EXPECT_THAT(run(*connection, std::move(keeping)), Each(wrote(1)));
        std::vector<Value> found;
        for (const auto& answer : run(*connection, std::move(recalling))) {
            EXPECT_EQ(answer.code, XaCode::ok) << answer.message;
            ASSERT_THAT(answer.result.rows, ElementsAre(SizeIs(1)));
            found.push_back(value_from(answer.result.rows.front().front(), like));
        }
        EXPECT_THAT(found, ElementsAreArray(values));
        EXPECT_EQ(run(*connection, Verb::rollback, xid_).code, XaCode::ok);
        EXPECT_TRUE(serves_again(*connection));
    }

    const Xid xid_ = unique_xid();

private:
    template <class Number>
    static Number number_from(const std::string& shown) {
        Number number = 0;
        const auto* end = shown.data() + shown.size();
        EXPECT_EQ(std::from_chars(shown.data(), end, number).ptr, end) << shown;
        return number;
    }
};

/// Those whose statements take arguments.
class Arguments : public Statements {
protected:
    void SetUp() override {
        Statements::SetUp();
        if (!IsSkipped() && !subject_->traits().takes_arguments) {
            GTEST_SKIP() << "its statements take no arguments";
        }
    }
};

/// Those that know savepoints.
class Savepoints : public Statements {
protected:
    void SetUp() override {
        Statements::SetUp();
        if (!IsSkipped() && !subject_->traits().has_savepoints) {
            GTEST_SKIP() << "the resource has no savepoints";
        }
    }
};

TEST_P(Arguments, ComeBackAsTheyWereGivenWhenTruthValues) {
    expect_to_come_back({true, false, nullptr}, true);
}

TEST_P(Arguments, ComeBackAsTheyWereGivenWhenSignedNumbers) {
    using Limits = std::numeric_limits<std::int64_t>;
    expect_to_come_back({std::int64_t{0}, std::int64_t{-1}, Limits::max(), Limits::min(), nullptr},
                        std::int64_t{0});
}

TEST_P(Arguments, ComeBackAsTheyWereGivenWhenUnsignedNumbers) {
    expect_to_come_back({std::uint64_t{0}, std::numeric_limits<std::uint64_t>::max(), nullptr},
                        std::uint64_t{0});
}

TEST_P(Arguments, ComeBackAsTheyWereGivenWhenFractions) {
    expect_to_come_back({0.0, 0.1 + 0.2, -1.5, 1e-300, std::numeric_limits<double>::max(),
                         std::numeric_limits<double>::min(), 1e22, nullptr},
                        0.0);
}

TEST_P(Arguments, ComeBackAsTheyWereGivenWhenText) {
    expect_to_come_back(
        {std::string{}, std::string{"O'Hara's \"\"quotes\"\" and `ticks`"},
         std::string{R"(back\slashes \' \\ \n \0 and \)"},
         std::string{"100%, %s, %d, ?, $1, :name, {}, {0}"},
         std::string{"lines\nand\r\nmore\tand\x1a"},
         std::string{"gr\u00fc\u00df \u6771\u4eac \U0001F680"}, std::string(100000, 'x'), nullptr},
        std::string{});
}

TEST_P(Arguments, ComeBackAsTheyWereGivenWhenBytes) {
    std::string every_byte;
    for (int byte = 0; byte <= 255; ++byte) {
        every_byte += static_cast<char>(byte);
    }
    expect_to_come_back({Bytes{every_byte}, Bytes{}, Bytes{every_byte + every_byte}, nullptr},
                        Bytes{});
}

TEST_P(Arguments, AreNeverTakenForStatements) {
    const std::vector<Value> attacks{std::string{"'; drop table conformance; --"},
                                     std::string{"\\'; drop table conformance; -- "},
                                     std::string{"'); delete from conformance; commit; --"},
                                     std::string{"x' or '1'='1"},
                                     std::string{"*/ drop table conformance /*"},
                                     std::string{"rollback"}};
    const auto before = unique_xid();
    EXPECT_EQ(run(*prepare(before, 1), Verb::commit, before).code, XaCode::ok);
    expect_to_come_back(attacks, std::string{});
    EXPECT_TRUE(subject_->has_row(1));
}

TEST_P(Arguments, AreForTheirOwnStatementOfABatch) {
    const auto connection = subject_->connect();
    const std::string text;
    const auto answers = run(*connection, {verb(Verb::start), keep(1, std::string{"one"}, text),
                                           insert(1), keep(2, std::string{"two"}, text),
                                           recall(1, text), recall(2, text), verb(Verb::prepare)});
    ASSERT_THAT(answers, AllOf(SizeIs(7), Each(answered(XaCode::ok))));
    EXPECT_THAT(answers.at(4).result.rows, ElementsAre(ElementsAre("one")));
    EXPECT_THAT(answers.at(5).result.rows, ElementsAre(ElementsAre("two")));
    EXPECT_EQ(run(*connection, Verb::commit, xid_).code, XaCode::ok);
    EXPECT_TRUE(subject_->has_row(1));
    EXPECT_TRUE(serves_again(*connection));
}

TEST_P(Arguments, MustBeAsManyAsThereArePlaceholders) {
    const auto statement = subject_->keep_statement(std::string{});
    for (const auto& arguments :
         {std::vector<Value>{std::int64_t{1}},
          std::vector<Value>{std::int64_t{1}, std::string{"one"}, std::string{"more"}}}) {
        const auto connection = subject_->connect();
        const auto answers = run(*connection, {verb(Verb::start), insert(1),
                                               execute(statement, arguments), verb(Verb::prepare)});
        EXPECT_THAT(answers, ElementsAre(wrote(0), wrote(1), answered(XaCode::rmerr),
                                         was_not_carried_out()));
        EXPECT_FALSE(answers.at(2).message.empty());
        EXPECT_EQ(listed(), std::vector<Xid>{});
        EXPECT_EQ(run(*connection, Verb::rollback, xid_).code, XaCode::ok);
        EXPECT_TRUE(serves_again(*connection));
    }
    EXPECT_FALSE(subject_->has_row(1));
}

TEST_P(Arguments, GiveResultsOnlyWhenTheseAreWanted) {
    const std::string text;
    auto unwanted = recall(1, text);
    unwanted.wants_result = false;
    const auto connection = start(xid_);
    const auto answers = run(*connection, {keep(1, std::string{"one"}, text), unwanted,
                                           recall(1, text), recall(2, text)});
    EXPECT_THAT(answers, ElementsAre(wrote(1), wrote(1), wrote(1), wrote(0)));
    EXPECT_EQ(answers.at(0).result, ResultSet{});
    EXPECT_EQ(answers.at(1).result, ResultSet{});
    EXPECT_THAT(answers.at(2).result.columns, SizeIs(1));
    EXPECT_THAT(answers.at(2).result.rows, ElementsAre(ElementsAre("one")));
    EXPECT_EQ(answers.at(3).result.columns, answers.at(2).result.columns);
    EXPECT_THAT(answers.at(3).result.rows, IsEmpty());
    EXPECT_EQ(run(*connection, Verb::rollback, xid_).code, XaCode::ok);
    EXPECT_TRUE(serves_again(*connection));
}

TEST_P(Statements, RefusesArgumentsThatItCanNotTake) {
    if (subject_->traits().takes_arguments) {
        GTEST_SKIP() << "its statements take arguments";
    }
    const auto connection = subject_->connect();
    const auto answers = run(
        *connection, {verb(Verb::start), execute(subject_->insert_statement(1), {std::int64_t{1}}),
                      verb(Verb::prepare)});
    EXPECT_THAT(answers, ElementsAre(wrote(0), answered(XaCode::rmerr), was_not_carried_out()));
    EXPECT_FALSE(answers.at(1).message.empty());
    EXPECT_EQ(run(*connection, Verb::rollback, xid_).code, XaCode::ok);
}

TEST_P(Statements, TellsTheRowsOfEachOneInABatch) {
    const auto connection = subject_->connect();
    EXPECT_THAT(run(*connection, {verb(Verb::start), insert(1), insert(2), insert(3),
                                  execute(subject_->update_statement(2)), insert(4),
                                  execute(subject_->update_statement(3)), verb(Verb::prepare)}),
                ElementsAre(answered(XaCode::ok), wrote(1), wrote(1), wrote(1), wrote(2), wrote(1),
                            wrote(3), answered(XaCode::ok)));
    EXPECT_EQ(listed(), std::vector{xid_});
    EXPECT_EQ(run(*connection, Verb::commit, xid_).code, XaCode::ok);
    for (int id = 1; id <= 4; ++id) {
        EXPECT_TRUE(subject_->has_row(id));
    }
    EXPECT_TRUE(serves_again(*connection));
}

TEST_P(Statements, PreparesNothingBehindOneThatFailedInTheMiddle) {
    const auto connection = subject_->connect();
    EXPECT_THAT(run(*connection, {verb(Verb::start), insert(1), failure(), insert(2), insert(3),
                                  verb(Verb::prepare)}),
                ElementsAre(answered(XaCode::ok), wrote(1), answered(XaCode::rmerr),
                            was_not_carried_out(), was_not_carried_out(), was_not_carried_out()));
    EXPECT_EQ(listed(), std::vector<Xid>{});
    EXPECT_EQ(run(*connection, Verb::rollback, xid_).code, XaCode::ok);
    for (int id = 1; id <= 3; ++id) {
        EXPECT_FALSE(subject_->has_row(id));
    }
    EXPECT_TRUE(serves_again(*connection));
}

TEST_P(Statements, LeavesTheBranchOpenForMoreAndForItsVote) {
    const auto connection = subject_->connect();
    EXPECT_THAT(run(*connection, {verb(Verb::start), insert(1), insert(2)}),
                ElementsAre(answered(XaCode::ok), wrote(1), wrote(1)));
    EXPECT_THAT(run(*connection, {insert(3), insert(4)}), ElementsAre(wrote(1), wrote(1)));
    EXPECT_TRUE(connection->is_open_to_application());
    EXPECT_THAT(run(*connection, {verb(Verb::prepare)}), ElementsAre(answered(XaCode::ok)));
    EXPECT_EQ(listed(), std::vector{xid_});
    EXPECT_EQ(run(*connection, Verb::commit, xid_).code, XaCode::ok);
    for (int id = 1; id <= 4; ++id) {
        EXPECT_TRUE(subject_->has_row(id));
    }
    EXPECT_TRUE(serves_again(*connection));
}

TEST_P(Savepoints, UndoWhatCameAfterThem) {
    const auto connection = subject_->connect();
    EXPECT_THAT(
        run(*connection,
            {verb(Verb::start), execute("savepoint a"), insert(1), execute("savepoint b"),
             insert(2), execute("rollback to savepoint b"), insert(3), verb(Verb::prepare)}),
        AllOf(SizeIs(8), Each(answered(XaCode::ok))));
    EXPECT_EQ(run(*connection, Verb::commit, xid_).code, XaCode::ok);
    EXPECT_TRUE(subject_->has_row(1));
    EXPECT_FALSE(subject_->has_row(2));
    EXPECT_TRUE(subject_->has_row(3));
    EXPECT_TRUE(serves_again(*connection));
}

TEST_P(Savepoints, KeepWhatCameBeforeAFailure) {
    const auto connection = subject_->connect();
    EXPECT_THAT(run(*connection,
                    {verb(Verb::start), execute("savepoint a"), insert(1), execute("savepoint b"),
                     insert(2), failure(), execute("savepoint c"), insert(3)}),
                ElementsAre(answered(XaCode::ok), answered(XaCode::ok), wrote(1),
                            answered(XaCode::ok), wrote(1), answered(XaCode::rmerr),
                            was_not_carried_out(), was_not_carried_out()));
    EXPECT_TRUE(connection->is_open_to_application());
    EXPECT_THAT(run(*connection, {execute("rollback to savepoint b")}),
                ElementsAre(answered(XaCode::ok)));
    EXPECT_EQ(run(*connection, Verb::prepare, xid_).code, XaCode::ok);
    EXPECT_EQ(listed(), std::vector{xid_});
    EXPECT_EQ(run(*connection, Verb::commit, xid_).code, XaCode::ok);
    EXPECT_TRUE(subject_->has_row(1));
    EXPECT_FALSE(subject_->has_row(2));
    EXPECT_FALSE(subject_->has_row(3));
    EXPECT_TRUE(serves_again(*connection));
}

TEST_P(Savepoints, LetTheRestGoOnAfterAFailureInTheSameTripAsTheVote) {
    const auto connection = subject_->connect();
    EXPECT_THAT(
        run(*connection, {verb(Verb::start), execute("savepoint a"), insert(1), failure()}),
        ElementsAre(answered(XaCode::ok), answered(XaCode::ok), wrote(1), answered(XaCode::rmerr)));
    EXPECT_THAT(
        run(*connection, {execute("rollback to savepoint a"), execute("savepoint b"), insert(2),
                          verb(Verb::prepare)}),
        ElementsAre(answered(XaCode::ok), answered(XaCode::ok), wrote(1), answered(XaCode::ok)));
    EXPECT_EQ(listed(), std::vector{xid_});
    EXPECT_EQ(run(*connection, Verb::commit, xid_).code, XaCode::ok);
    EXPECT_FALSE(subject_->has_row(1));
    EXPECT_TRUE(subject_->has_row(2));
    EXPECT_TRUE(serves_again(*connection));
}

TEST_P(Savepoints, LetABranchCommitByItselfAfterAFailure) {
    const auto connection = subject_->connect();
    EXPECT_EQ(run(*connection, {verb(Verb::start), insert(1), execute("savepoint a"), failure()})
                  .back()
                  .code,
              XaCode::rmerr);
    EXPECT_EQ(run(*connection, {execute("rollback to savepoint a"), insert(2)}).back().code,
              XaCode::ok);
    EXPECT_EQ(run(*connection, Verb::commit_one_phase, xid_).code, XaCode::ok);
    EXPECT_TRUE(subject_->has_row(1));
    EXPECT_TRUE(subject_->has_row(2));
    EXPECT_TRUE(serves_again(*connection));
}

TEST_P(Savepoints, LetABranchCommitWithItsDecisionAfterAFailure) {
    if (!subject_->traits().keeps_decisions) {
        GTEST_SKIP() << kNoDecisions;
    }
    subject_->drop_decision_table();
    subject_->set_up_decision_table();
    const auto connection = subject_->connect_last_resource();
    EXPECT_EQ(run(*connection, {verb(Verb::start), insert(1), execute("savepoint a"), failure()})
                  .back()
                  .code,
              XaCode::rmerr);
    EXPECT_EQ(run(*connection, {execute("rollback to savepoint a")}).back().code, XaCode::ok);
    auto commit = verb(Verb::commit_with_decision);
    commit.log = "0123456789abcdef";
    commit.decision = "committed";
    EXPECT_THAT(run(*connection, {commit}), ElementsAre(answered(XaCode::ok)));
    EXPECT_TRUE(subject_->has_row(1));
    EXPECT_THAT(
        run(*connection, {{.verb = Verb::list_decisions, .log = commit.log}}).front().decisions,
        ElementsAre(DecisionRow{xid_.gtrid, "committed"}));
    EXPECT_TRUE(serves_again(*connection));
}

TEST_P(Savepoints, AreForgottenBehindTheOneThatWasGoneBackTo) {
    const auto connection = start(xid_);
    EXPECT_THAT(
        run(*connection, {execute("savepoint a"), execute("savepoint b"),
                          execute("rollback to savepoint a"), execute("rollback to savepoint a"),
                          execute("rollback to savepoint b"), verb(Verb::prepare)}),
        ElementsAre(answered(XaCode::ok), answered(XaCode::ok), answered(XaCode::ok),
                    answered(XaCode::ok), answered(XaCode::rmerr), was_not_carried_out()));
    EXPECT_EQ(run(*connection, Verb::rollback, xid_).code, XaCode::ok);
    EXPECT_TRUE(serves_again(*connection));
}

INSTANTIATE_TEST_SUITE_P(Of, Statements, testing::ValuesIn(kinds()), name_of);
INSTANTIATE_TEST_SUITE_P(Of, Arguments, testing::ValuesIn(kinds()), name_of);
INSTANTIATE_TEST_SUITE_P(Of, Savepoints, testing::ValuesIn(kinds()), name_of);

}  // namespace
}  // namespace xa_tm::conformance

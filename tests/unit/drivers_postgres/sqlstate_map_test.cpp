#include "sqlstate_map.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace xa_tm::postgres {
namespace {

using testing::HasSubstr;

constexpr Verb kEveryVerb[] = {Verb::start,  Verb::prepare,  Verb::commit_one_phase,
                               Verb::commit, Verb::rollback, Verb::recover,
                               Verb::locate};

TEST(SqlstateMap, Trap31TakesEveryEndOfASessionForALostConnection) {
    for (const auto verb : kEveryVerb) {
        for (const auto* sqlstate :
             {"", "08000", "08003", "08006", "57P01", "57P02", "57P03", "57P05", "25P03"}) {
            EXPECT_EQ(meaning_of(verb, sqlstate).code, XaCode::rmfail) << sqlstate;
        }
    }
}

TEST(SqlstateMap, TakesEveryOtherErrorOfPrepareAndOnePhaseCommitForARollback) {
    for (const auto verb : {Verb::prepare, Verb::commit_one_phase}) {
        EXPECT_EQ(meaning_of(verb, "40001").code, XaCode::rbdeadlock);
        EXPECT_EQ(meaning_of(verb, "40P01").code, XaCode::rbdeadlock);
        EXPECT_EQ(meaning_of(verb, "23505").code, XaCode::rbintegrity);
        EXPECT_EQ(meaning_of(verb, "23503").code, XaCode::rbintegrity);
        EXPECT_EQ(meaning_of(verb, "55P03").code, XaCode::rbtimeout);
        EXPECT_EQ(meaning_of(verb, "57014").code, XaCode::rbtimeout);
        for (const auto* sqlstate :
             {"0A000", "55000", "53200", "53100", "XX000", "P0001", "42501"}) {
            EXPECT_EQ(meaning_of(verb, sqlstate).code, XaCode::rbrollback) << sqlstate;
        }
    }
}

TEST(SqlstateMap, DoesNotCallATakenNameADuplicateXidBecauseThisBranchIsGone) {
    EXPECT_EQ(meaning_of(Verb::prepare, "42710").code, XaCode::rbother);
}

TEST(SqlstateMap, Trap41SaysWhatToSetWhenNothingCanBePrepared) {
    EXPECT_THAT(meaning_of(Verb::prepare, "55000").advice,
                HasSubstr("set max_prepared_transactions"));
    EXPECT_THAT(meaning_of(Verb::prepare, "53200").advice,
                HasSubstr("raise max_prepared_transactions"));
}

TEST(SqlstateMap, Trap30TakesNoErrorOfPhaseTwoForAnEndOfTheBranch) {
    for (const auto verb : {Verb::commit, Verb::rollback}) {
        EXPECT_EQ(meaning_of(verb, "42704").code, XaCode::nota);
        EXPECT_EQ(meaning_of(verb, "55000").code, XaCode::retry);
        EXPECT_EQ(meaning_of(verb, "57014").code, XaCode::retry);
        for (const auto* sqlstate :
             {"42501", "0A000", "25006", "53100", "XX000", "40001", "23505"}) {
            EXPECT_EQ(meaning_of(verb, sqlstate).code, XaCode::rmerr) << sqlstate;
        }
    }
}

TEST(SqlstateMap, TakesOtherErrorsForARefusalThatChangedNothing) {
    for (const auto verb : {Verb::start, Verb::recover, Verb::locate}) {
        for (const auto* sqlstate : {"42501", "53200", "25001", "0A000", "4", "unknown"}) {
            EXPECT_EQ(meaning_of(verb, sqlstate).code, XaCode::rmerr) << sqlstate;
        }
    }
}

TEST(SqlstateMap, TakesAnErrorOfAStatementForARefusalUnlessTheSessionEnded) {
    for (const auto* sqlstate : {"23505", "40P01", "42601", "08001", "08P01", "57014", "0A000"}) {
        EXPECT_EQ(meaning_of(Verb::execute, sqlstate).code, XaCode::rmerr) << sqlstate;
    }
    for (const auto* sqlstate : {"", "57P01", "25P03"}) {
        EXPECT_EQ(meaning_of(Verb::execute, sqlstate).code, XaCode::rmfail) << sqlstate;
    }
}

TEST(SqlstateMap, TellsAConflictWithAnotherTransactionFromOtherRefusals) {
    for (const auto* sqlstate : {"40001", "40P01", "55P03"}) {
        EXPECT_TRUE(is_conflict(sqlstate)) << sqlstate;
    }
    for (const auto* sqlstate : {"23505", "42601", "57014", "57P01", ""}) {
        EXPECT_FALSE(is_conflict(sqlstate)) << sqlstate;
    }
}

TEST(PostgresConnectFailure, IsRecognisedByTheServersWords) {
    const auto code_of = [](std::string_view message) {
        return classify_connect_failure(message).code;
    };
    EXPECT_EQ(code_of("could not translate host name \"db\" to address: Name or service not known"),
              ErrorCode::resource_unreachable);
    EXPECT_EQ(code_of("connection to server at \"::1\", port 5432 failed: Connection refused"),
              ErrorCode::resource_unreachable);
    EXPECT_EQ(code_of("FATAL: the database system is starting up"),
              ErrorCode::resource_unreachable);
    EXPECT_EQ(code_of("FATAL: sorry, too many clients already"), ErrorCode::resource_unreachable);
    EXPECT_EQ(code_of("FATAL: password authentication failed for user \"app\""),
              ErrorCode::authentication_failed);
    EXPECT_EQ(code_of("FATAL: role \"app\" does not exist"), ErrorCode::authentication_failed);
    EXPECT_EQ(code_of("FATAL: no pg_hba.conf entry for host \"::1\", user \"app\", database \"d\""),
              ErrorCode::authentication_failed);
    EXPECT_EQ(code_of("FATAL: database \"d\" does not exist"), ErrorCode::resource_refused);
    EXPECT_EQ(code_of("invalid integer value \"x\" for connection option \"port\""),
              ErrorCode::invalid_configuration);
}

TEST(PostgresConnectFailure, IsSaidToBeUnknownInAnotherLanguage) {
    const auto failure =
        classify_connect_failure("FATAL: Passwort-Authentifizierung fehlgeschlagen");
    EXPECT_FALSE(failure.is_recognised);
    EXPECT_EQ(failure.code, ErrorCode::resource_refused);
}

}  // namespace
}  // namespace xa_tm::postgres

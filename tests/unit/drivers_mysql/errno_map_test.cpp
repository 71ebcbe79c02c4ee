#include "errno_map.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace xa_tm::mysql {
namespace {

using testing::HasSubstr;

constexpr Verb kEveryVerb[] = {Verb::start,  Verb::prepare,  Verb::commit_one_phase,
                               Verb::commit, Verb::rollback, Verb::recover,
                               Verb::locate};

XaCode code_of(Verb verb, int error) {
    return meaning_of(verb, error, "").code;
}

TEST(ErrnoMap, Trap31TakesEveryEndOfASessionForALostConnection) {
    for (const auto verb : kEveryVerb) {
        for (const int error : {2000, 2002, 2003, 2006, 2013, 2014, 2027, 2055, 2999, 1053, 1077,
                                1080, 1152, 1158, 1161, 1927, 3169, 4031}) {
            EXPECT_EQ(code_of(verb, error), XaCode::rmfail) << error;
        }
    }
}

TEST(ErrnoMap, TellsAConflictWithAnotherTransactionFromOtherRefusals) {
    for (const int error : {1213, 1205, 1614, 3572}) {
        EXPECT_TRUE(is_conflict(code_of(Verb::execute, error), error)) << error;
    }
    for (const int error : {1062, 1064, 1317, 1969, 2013}) {
        EXPECT_FALSE(is_conflict(code_of(Verb::execute, error), error)) << error;
    }
}

TEST(ErrnoMap, TakesNoErrorOfTheServerAroundTheClientsRangeForALostConnection) {
    for (const int error : {1999, 3000}) {
        EXPECT_EQ(code_of(Verb::commit, error), XaCode::rmerr) << error;
    }
}

TEST(ErrnoMap, Trap34TakesDeadlocksAndTimeoutsAtTheEndOfABranchForARollback) {
    for (const auto verb : {Verb::prepare, Verb::commit_one_phase}) {
        EXPECT_EQ(code_of(verb, 1213), XaCode::rbdeadlock);
        EXPECT_EQ(code_of(verb, 1614), XaCode::rbdeadlock);
        EXPECT_EQ(code_of(verb, 1205), XaCode::rbtimeout);
        EXPECT_EQ(code_of(verb, 1613), XaCode::rbtimeout);
        EXPECT_EQ(code_of(verb, 1317), XaCode::rbrollback);
        EXPECT_EQ(code_of(verb, 1402), XaCode::rbrollback);
        EXPECT_EQ(code_of(verb, 1180), XaCode::rmfail) << "nobody knows how far it came";
    }
}

TEST(ErrnoMap, TakesTimeoutsInPhaseTwoForSomethingToRetry) {
    for (const auto verb : {Verb::commit, Verb::rollback}) {
        EXPECT_EQ(code_of(verb, 1205), XaCode::retry);
        EXPECT_EQ(code_of(verb, 1317), XaCode::retry);
        EXPECT_EQ(code_of(verb, 1397), XaCode::nota);
        EXPECT_EQ(code_of(verb, 1402), XaCode::rdonly) << "a vanished branch that wrote nothing";
    }
}

TEST(ErrnoMap, NamesTheXaErrorsByTheirMeaning) {
    EXPECT_EQ(code_of(Verb::start, 1440), XaCode::dupid);
    EXPECT_EQ(code_of(Verb::start, 1400), XaCode::outside);
    EXPECT_EQ(code_of(Verb::start, 1398), XaCode::inval);
    EXPECT_EQ(code_of(Verb::commit, 1064), XaCode::inval);
}

TEST(ErrnoMap, TakesTheWrongStateForAProtocolErrorAndNotForALostConnection) {
    for (const auto* state : {"NON-EXISTING", "ACTIVE", "IDLE", "PREPARED"}) {
        const auto message =
            std::string{"XAER_RMFAIL: ... when global transaction is in the  "} + state + " state";
        EXPECT_EQ(meaning_of(Verb::prepare, 1399, message).code, XaCode::proto);
    }
    EXPECT_EQ(meaning_of(Verb::prepare, 1399, "... is in the  ROLLBACK ONLY state").code,
              XaCode::rbdeadlock);
}

TEST(ErrnoMap, SaysWhatToDo) {
    EXPECT_EQ(code_of(Verb::recover, 1401), XaCode::rmerr);
    EXPECT_THAT(meaning_of(Verb::recover, 1401, "").advice, HasSubstr("grant XA_RECOVER_ADMIN"));
    EXPECT_EQ(code_of(Verb::start, 1235), XaCode::rmerr);
    EXPECT_THAT(meaning_of(Verb::start, 1235, "").advice, HasSubstr("Galera"));
}

TEST(ErrnoMap, TakesOtherErrorsForARefusalThatChangedNothing) {
    for (const auto verb : kEveryVerb) {
        for (const int error : {0, 1, 1290, 1665, 4091}) {
            EXPECT_EQ(code_of(verb, error), XaCode::rmerr) << error;
        }
    }
}

TEST(MysqlConnectFailure, IsToldByErrno) {
    const auto code = [](int error) { return classify_connect_failure(error).code; };
    for (const int error : {2002, 2003, 2005, 2013, 1040, 1053}) {
        EXPECT_EQ(code(error), ErrorCode::resource_unreachable) << error;
    }
    for (const int error : {1044, 1045, 1130, 1698}) {
        EXPECT_EQ(code(error), ErrorCode::authentication_failed) << error;
    }
    EXPECT_EQ(code(1049), ErrorCode::resource_refused);
    EXPECT_EQ(code(2019), ErrorCode::invalid_configuration);
    EXPECT_EQ(code(0), ErrorCode::resource_refused);
}

}  // namespace
}  // namespace xa_tm::mysql

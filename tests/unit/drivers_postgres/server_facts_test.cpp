#include "server_facts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace xa_tm::postgres {
namespace {

using testing::HasSubstr;

ServerFacts facts_of(std::vector<std::optional<std::string>> row, int backend_pid = 77) {
    return facts_from({.is_ok = true, .rows = {std::move(row)}}, backend_pid);
}

std::vector<std::optional<std::string>> sound_row() {
    return {"150020", "100", "f", "app", "42/5", "00000001", "77", "1700000000000000"};
}

TEST(ServerFacts, HoldWhatTheServerSaid) {
    const auto facts = facts_of(sound_row());
    EXPECT_EQ(facts.identity, "42/5");
    EXPECT_EQ(facts.session, (SessionId{77, "1700000000000000"}));
    EXPECT_FALSE(facts.is_pooled);
    EXPECT_EQ(obstacle_to_two_phase(facts), std::nullopt);
}

TEST(ServerFacts, Trap41NameTheSettingWhenNothingCanBePrepared) {
    auto row = sound_row();
    row[1] = "0";
    EXPECT_THAT(obstacle_to_two_phase(facts_of(row)).value_or(""),
                HasSubstr("max_prepared_transactions"));
}

TEST(ServerFacts, KnowAStandbyAndAnOldServer) {
    auto row = sound_row();
    row[2] = "t";
    row[5] = std::nullopt;
    EXPECT_THAT(obstacle_to_two_phase(facts_of(row)).value_or(""),
                HasSubstr("connect to the primary"));
    row = sound_row();
    row[0] = "120022";
    EXPECT_THAT(obstacle_to_two_phase(facts_of(row)).value_or(""), HasSubstr("upgrade"));
}

TEST(ServerFacts, KnowAPoolerByTheProcessThatIsNotItsOwn) {
    EXPECT_TRUE(facts_of(sound_row(), 4711).is_pooled);
}

}  // namespace
}  // namespace xa_tm::postgres

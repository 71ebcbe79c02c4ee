#include "session_search.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace xa_tm::mysql {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Statements = std::vector<std::string>;

class SessionSearchTest : public testing::Test {
protected:
    /// The replies to look(): how many sessions of this process there are, and which of others.
    static std::vector<Reply> found(std::string held, std::vector<Row> of_ended_processes) {
        return {{.is_ok = true, .rows = {{std::move(held)}}},
                {.is_ok = true, .rows = std::move(of_ended_processes)}};
    }
    void close_session(const std::string& lock_name) {
        ending_->add(lock_name, ending_->begin(lock_name));
    }

    const std::shared_ptr<EndingSessions> ending_ = std::make_shared<EndingSessions>();
};

TEST_F(SessionSearchTest, IsNeededOnlyWhereASessionMayStillBeEnding) {
    SessionSearch search{ending_, {}};
    EXPECT_FALSE(search.is_needed());
    close_session("mark/7");
    EXPECT_TRUE(search.is_needed());
    EXPECT_TRUE((SessionSearch{std::make_shared<EndingSessions>(), {"old"}}.is_needed()));
}

TEST_F(SessionSearchTest, AsksForTheLocksOfBothKindsOfSessions) {
    close_session("mark/7");
    SessionSearch search{ending_, {"old"}};
    EXPECT_THAT(search.look(), ElementsAre(HasSubstr("is_used_lock(_utf8mb4 x'6d61726b2f37')"),
                                           HasSubstr("concat(_utf8mb4 x'6f6c642f', id)")));
}

TEST_F(SessionSearchTest, ForgetsTheSessionsThatHaveEnded) {
    close_session("mark/7");
    SessionSearch search{ending_, {"old"}};
    static_cast<void>(search.look());
    close_session("mark/8");
    EXPECT_TRUE(std::holds_alternative<std::monostate>(search.take(Verb::commit, found("0", {}))));
    EXPECT_THAT(ending_->lock_names(), ElementsAre("mark/8")) << "it was not asked for";
    ending_->remove({"mark/8"});
    EXPECT_FALSE(search.is_needed());
}

TEST_F(SessionSearchTest, EndsTheSessionsOfEndedProcessesAndHasTheVerbTriedAgain) {
    SessionSearch search{ending_, {"old"}};
    static_cast<void>(search.look());
    const auto step = search.take(Verb::commit, found("0", {{"11"}, {"12"}}));
    EXPECT_THAT(std::get<Statements>(step),
                ElementsAre("do 0", "kill connection 11", "kill connection 12"));
    EXPECT_EQ(std::get<Answer>(search.take(Verb::commit, {})).code, XaCode::retry);
    EXPECT_TRUE(search.is_needed());
}

TEST_F(SessionSearchTest, EndsNoSessionOfThisProcess) {
    close_session("mark/7");
    SessionSearch search{ending_, {}};
    static_cast<void>(search.look());
    EXPECT_THAT(std::get<Statements>(search.take(Verb::rollback, found("1", {}))),
                ElementsAre("do 0"));
}

TEST_F(SessionSearchTest, AnswersWithTheServersRefusal) {
    SessionSearch search{ending_, {"old"}};
    static_cast<void>(search.look());
    const std::vector<Reply> lost(2, Reply{.error = 2013, .message = "Lost connection"});
    EXPECT_EQ(std::get<Answer>(search.take(Verb::commit, lost)).code, XaCode::rmfail);
}

}  // namespace
}  // namespace xa_tm::mysql

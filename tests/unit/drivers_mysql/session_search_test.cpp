#include "session_search.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace xa_tm::mysql {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using Aim = SessionSearch::Aim;
using Statements = std::vector<std::string>;

class SessionSearchTest : public testing::Test {
protected:
    /// The replies to look(): how many sessions of this process there are, and which of others.
    static std::vector<Reply> found(std::string held, std::vector<Row> of_ended_processes) {
        return {{.is_ok = true, .rows = {{std::move(held)}}},
                {.is_ok = true, .rows = std::move(of_ended_processes)}};
    }
    static std::vector<Reply> done() { return {{.is_ok = true}}; }
    /// On a MariaDB.
    SessionSearch search_for(std::vector<std::string> ended_marks) const {
        std::vector<Reply> facts(ServerFacts::questions().size());
        facts.front() = {.is_ok = true, .rows = {{"version", "11.8.6-MariaDB"}}};
        return {ending_, std::move(ended_marks), ServerFacts{facts}};
    }
    void close_session(const std::string& lock_name) { ending_->add(lock_name); }

    const std::shared_ptr<EndingSessions> ending_ = std::make_shared<EndingSessions>();
};

TEST_F(SessionSearchTest, IsNeededOnlyWhereASessionMayStillBeEnding) {
    const auto search = search_for({});
    EXPECT_FALSE(search.is_needed_to_free_branch());
    close_session("mark/7");
    EXPECT_TRUE(search.is_needed_to_free_branch());
    ending_->remove({"mark/7"});
    EXPECT_TRUE(search_for({"old"}).is_needed_to_free_branch());
}

TEST_F(SessionSearchTest, AsksForTheLocksOfBothKindsOfSessionsBeforeABranchIsFinished) {
    close_session("mark/7");
    auto search = search_for({"old"});
    EXPECT_THAT(search.begin(Aim::free_branch),
                ElementsAre(HasSubstr("is_used_lock(_utf8mb4 x'6d61726b2f37')"),
                            HasSubstr("concat(_utf8mb4 x'6f6c642f', id)")));
    EXPECT_THAT(search.begin(Aim::end_ended_sessions),
                ElementsAre("select 0", HasSubstr("concat(_utf8mb4 x'6f6c642f', id)")));
}

TEST_F(SessionSearchTest, ForgetsTheSessionsThatHaveEndedOnlyBehindThePause) {
    close_session("mark/7");
    auto search = search_for({"old"});
    static_cast<void>(search.begin(Aim::free_branch));
    close_session("mark/8");
    EXPECT_THAT(std::get<Statements>(search.take(found("0", {}))), ElementsAre(HasSubstr("sleep")));
    EXPECT_THAT(ending_->lock_names(), ElementsAre("mark/7", "mark/8"))
        << "others have to wait too";
    EXPECT_EQ(std::get<Answer>(search.take(done())).code, XaCode::ok);
    EXPECT_THAT(ending_->lock_names(), ElementsAre("mark/8")) << "it was not asked for";
    ending_->remove({"mark/8"});
    EXPECT_FALSE(search.is_needed_to_free_branch());
    EXPECT_FALSE(search_for({"old"}).is_needed_to_free_branch()) << "the connections share it";
}

TEST_F(SessionSearchTest, LeavesThePauseToWhoFinishesABranchWhenThereIsNoSession) {
    auto search = search_for({"old"});
    static_cast<void>(search.begin(Aim::end_ended_sessions));
    EXPECT_EQ(std::get<Answer>(search.take(found("0", {}))).code, XaCode::ok);
    EXPECT_TRUE(search.is_needed_to_free_branch()) << "one may have ended just before";
}

TEST_F(SessionSearchTest, PausesOnceWhenThereIsNoNews) {
    auto search = search_for({"old"});
    static_cast<void>(search.begin(Aim::free_branch));
    EXPECT_TRUE(std::holds_alternative<Statements>(search.take(found("0", {}))));
    EXPECT_EQ(std::get<Answer>(search.take(done())).code, XaCode::ok);
    EXPECT_FALSE(search.is_needed_to_free_branch());
    static_cast<void>(search.begin(Aim::free_branch));
    EXPECT_EQ(std::get<Answer>(search.take(found("0", {}))).code, XaCode::ok);
}

TEST_F(SessionSearchTest, ConcludesNothingFromAPauseThatWasCutShort) {
    auto search = search_for({"old"});
    static_cast<void>(search.begin(Aim::free_branch));
    static_cast<void>(search.take(found("0", {})));
    const std::vector cut{Reply{.error = 1969, .message = "max_statement_time exceeded"}};
    EXPECT_EQ(std::get<Answer>(search.take(cut)).code, XaCode::rmerr);
    EXPECT_TRUE(search.is_needed_to_free_branch());
}

TEST_F(SessionSearchTest, EndsTheSessionsOfEndedProcessesAndLooksUntilTheyAreGone) {
    auto search = search_for({"old"});
    static_cast<void>(search.begin(Aim::end_ended_sessions));
    EXPECT_THAT(std::get<Statements>(search.take(found("0", {{"11"}, {"12"}}))),
                ElementsAre("kill connection 11", "kill connection 12"));
    auto step = search.take(std::vector<Reply>(2, Reply{.is_ok = true}));
    EXPECT_THAT(std::get<Statements>(step),
                ElementsAre(HasSubstr("sleep"), "select 0", HasSubstr("id in (11,12)")));
    int looks = 0;
    while (std::holds_alternative<Statements>(step)) {
        auto replies = found("0", {{"12"}});
        replies.insert(replies.begin(), Reply{.is_ok = true});
        step = search.take(replies);
        ++looks;
    }
    EXPECT_GT(looks, 1);
    EXPECT_EQ(std::get<Answer>(step).code, XaCode::retry);
    EXPECT_TRUE(search.is_needed_to_free_branch());
}

TEST_F(SessionSearchTest, NamesTheGrantThatIsMissing) {
    auto search = search_for({"old"});
    static_cast<void>(search.begin(Aim::end_ended_sessions));
    static_cast<void>(search.take(found("0", {{"11"}})));
    const std::vector refused{Reply{.error = 1095, .message = "You are not owner of thread 11"}};
    const auto answer = std::get<Answer>(search.take(refused));
    EXPECT_EQ(answer.code, XaCode::rmerr);
    EXPECT_THAT(answer.message, HasSubstr("grant CONNECTION ADMIN"));
}

TEST_F(SessionSearchTest, EndsNoSessionOfThisProcess) {
    close_session("mark/7");
    auto search = search_for({});
    static_cast<void>(search.begin(Aim::free_branch));
    EXPECT_THAT(std::get<Statements>(search.take(found("1", {}))),
                Not(Contains(HasSubstr("kill"))));
}

TEST_F(SessionSearchTest, AnswersWithTheServersRefusal) {
    auto search = search_for({"old"});
    static_cast<void>(search.begin(Aim::free_branch));
    const std::vector<Reply> lost(2, Reply{.error = 2013, .message = "Lost connection"});
    EXPECT_EQ(std::get<Answer>(search.take(lost)).code, XaCode::rmfail);
}

}  // namespace
}  // namespace xa_tm::mysql

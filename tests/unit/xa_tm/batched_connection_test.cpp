#include "xa_tm/batched_connection.h"

#include <deque>
#include <stdexcept>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>

#include "xa_tm/error.h"

namespace xa_tm {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const Xid kOne{.gtrid = "one", .bqual = "1"};
const Xid kOther{.gtrid = "other", .bqual = "1"};

/// A driver whose server does what the test says.
class ScriptedConnection final : public BatchedConnection {
public:
    ScriptedConnection() : BatchedConnection{"script"} {}

    /// The reply to the next request that is at the server.
    void reply(XaCode code) { replies_.push_back({.code = code}); }
    /// One that lacks what was asked for.
    void reply_badly() {
        reply(XaCode::ok);
        is_bad_ = true;
    }
    void refuse_next(XaCode code) { refusal_ = Answer{.code = code}; }
    void forbid_to_share(Verb verb) { alone_ = verb; }
    void leave_unusable() { is_usable_ = false; }
    void break_session() { is_broken_ = true; }

    /// The verbs of each trip.
    [[nodiscard]] const std::vector<std::vector<Verb>>& trips() const { return trips_; }
    [[nodiscard]] bool is_disconnected() const { return is_disconnected_; }
    [[nodiscard]] bool is_reusable() const noexcept override { return is_at_rest(); }
    void use() const { check_is_open(); }
    void set_up(std::chrono::steady_clock::time_point deadline) const { wait_for_server(deadline); }
    [[nodiscard]] int first_of(const std::vector<int>& reply) const {
        return understood([&] { return reply.at(0); });
    }

private:
    [[nodiscard]] bool take_back() noexcept override { return is_usable_; }
    [[nodiscard]] std::optional<Answer> answer_at_once() override {
        return std::exchange(refusal_, std::nullopt);
    }
    [[nodiscard]] bool may_share_trip(const Request& request) const override {
        return request.verb != alone_;
    }
    [[nodiscard]] std::size_t carry() override {
        const auto trip = one_trip();
        auto& verbs = trips_.emplace_back();
        for (const auto& request : trip) {
            verbs.push_back(request.verb);
        }
        return trip.size();
    }
    [[nodiscard]] bool take_replies() override {
        if (replies_.empty()) {
            return false;
        }
        auto answer = std::move(replies_.front());
        replies_.pop_front();
        if (std::exchange(is_bad_, false)) {
            throw std::out_of_range{"no such column"};
        }
        const auto verb = front().verb;
        if (answer.code == XaCode::ok && verb == Verb::start) {
            begin_branch(front().xid);
        } else if (answer.code == XaCode::ok && verb == Verb::prepare) {
            end_branch();
        }
        settle(std::move(answer));
        return true;
    }
    [[nodiscard]] std::optional<Readiness> session_readiness() const noexcept override {
        return is_broken_ ? std::nullopt : std::optional{Readiness{-1, true, false}};
    }
    void disconnect() noexcept override { is_disconnected_ = true; }

    std::deque<Answer> replies_;
    std::optional<Answer> refusal_;
    std::optional<Verb> alone_;
    std::vector<std::vector<Verb>> trips_;
    bool is_bad_ = false;
    bool is_usable_ = true;
    bool is_broken_ = false;
    bool is_disconnected_ = false;
};

class BatchedConnectionTest : public testing::Test {
protected:
    static std::vector<Request> batch(const Xid& xid, const std::vector<Verb>& verbs) {
        std::vector<Request> requests;
        for (const auto verb : verbs) {
            requests.push_back({.verb = verb, .xid = xid});
        }
        return requests;
    }
    std::vector<XaCode> received() {
        std::vector<XaCode> codes;
        for (; unanswered_ > 0; --unanswered_) {
            const auto answer = connection_.receive();
            if (!answer) {
                break;
            }
            codes.push_back(answer->code);
        }
        return codes;
    }
    void send(std::vector<Request> requests) {
        unanswered_ = requests.size();
        connection_.send(std::move(requests));
    }
    void open_branch() {
        send(batch(kOne, {Verb::start}));
        connection_.reply(XaCode::ok);
        ASSERT_THAT(received(), ElementsAre(XaCode::ok));
    }

    ScriptedConnection connection_;
    std::size_t unanswered_ = 0;
};

TEST(OneLine, JoinsTheLinesOfAServersWords) {
    EXPECT_EQ(one_line("near 'select\n\t1' at line 2\n"), "near 'select; 1' at line 2");
    EXPECT_EQ(one_line("  no   host\r\n"), "no host");
    EXPECT_EQ(one_line(""), "");
}

TEST_F(BatchedConnectionTest, SendsAWholeBatchInOneTrip) {
    send(batch(kOne, {Verb::start, Verb::execute, Verb::prepare}));
    EXPECT_THAT(connection_.trips(),
                ElementsAre(ElementsAre(Verb::start, Verb::execute, Verb::prepare)));
    EXPECT_THAT(received(), ElementsAre());
    connection_.reply(XaCode::ok);
    EXPECT_THAT(received(), ElementsAre(XaCode::ok));
    connection_.reply(XaCode::ok);
    connection_.reply(XaCode::ok);
    EXPECT_THAT(received(), ElementsAre(XaCode::ok, XaCode::ok));
    EXPECT_TRUE(connection_.is_reusable());
}

TEST_F(BatchedConnectionTest, SendsWhatMayNotShareATripOnceTheRestIsAnswered) {
    connection_.forbid_to_share(Verb::execute);
    send(batch(kOne, {Verb::start, Verb::execute, Verb::prepare}));
    EXPECT_THAT(connection_.trips(), ElementsAre(ElementsAre(Verb::start)));
    connection_.reply(XaCode::ok);
    connection_.reply(XaCode::ok);
    connection_.reply(XaCode::ok);
    EXPECT_THAT(received(), ElementsAre(XaCode::ok, XaCode::ok, XaCode::ok));
    EXPECT_THAT(connection_.trips(),
                ElementsAre(ElementsAre(Verb::start), ElementsAre(Verb::execute),
                            ElementsAre(Verb::prepare)));
}

TEST_F(BatchedConnectionTest, CarriesOutNothingBehindARefusalOfTheServer) {
    send(batch(kOne, {Verb::start, Verb::execute, Verb::prepare}));
    connection_.reply(XaCode::ok);
    connection_.reply(XaCode::rmerr);
    EXPECT_THAT(received(), ElementsAre(XaCode::ok, XaCode::rmerr, not_carried_out().code));
    EXPECT_TRUE(connection_.is_open_to_application()) << "it was not prepared";
}

TEST_F(BatchedConnectionTest, SendsNothingBehindARefusalOfItsOwn) {
    connection_.refuse_next(XaCode::inval);
    send(batch(kOne, {Verb::start, Verb::execute}));
    EXPECT_THAT(received(), ElementsAre(XaCode::inval, not_carried_out().code));
    EXPECT_THAT(connection_.trips(), ElementsAre());
    EXPECT_TRUE(connection_.is_reusable());
}

TEST_F(BatchedConnectionTest, KnowsNothingOfWhatWasAtTheServerWhenTheSessionWasLost) {
    connection_.forbid_to_share(Verb::prepare);
    send(batch(kOne, {Verb::start, Verb::execute, Verb::prepare}));
    connection_.reply(XaCode::rmfail);
    EXPECT_THAT(received(), ElementsAre(XaCode::rmfail, XaCode::rmfail, not_carried_out().code));
    EXPECT_FALSE(connection_.is_reusable());
    send({{.verb = Verb::recover}});
    EXPECT_THAT(received(), ElementsAre(XaCode::rmfail));
}

TEST_F(BatchedConnectionTest, KnowsNothingOfWhatWasAtAServerWhoseReplyLacksWhatItWasAskedFor) {
    send(batch(kOne, {Verb::start, Verb::execute, Verb::prepare}));
    connection_.reply(XaCode::ok);
    EXPECT_EQ(connection_.receive().value().code, XaCode::ok);
    connection_.reply_badly();
    const auto answer = connection_.receive().value();
    EXPECT_EQ(answer.code, XaCode::rmfail);
    EXPECT_THAT(answer.message, HasSubstr("lacks what it was asked for"));
    EXPECT_EQ(connection_.receive().value().code, XaCode::rmfail);
    EXPECT_FALSE(connection_.is_reusable());
}

TEST_F(BatchedConnectionTest, RefusesAServerWhoseReplyLacksWhatItWasAskedForAtFirst) {
    EXPECT_EQ(connection_.first_of({7}), 7);
    try {
        static_cast<void>(connection_.first_of({}));
        FAIL() << "accepted";
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::resource_refused);
        EXPECT_THAT(error.what(), HasSubstr("resource script: the server's reply lacks"));
    }
}

TEST_F(BatchedConnectionTest, RefusesWhatDoesNotFitTheOpenBranch) {
    open_branch();
    for (const auto verb : {Verb::start, Verb::commit, Verb::locate}) {
        send(batch(kOther, {verb}));
        EXPECT_THAT(received(), ElementsAre(XaCode::proto));
    }
    for (const auto verb : {Verb::execute, Verb::prepare, Verb::commit_one_phase, Verb::rollback}) {
        send(batch(kOther, {verb}));
        EXPECT_THAT(received(), ElementsAre(XaCode::proto));
    }
    EXPECT_THAT(connection_.trips(), testing::SizeIs(1));
    EXPECT_TRUE(connection_.is_open_to_application());
}

TEST_F(BatchedConnectionTest, RefusesWhatNeedsAnOpenBranchWhereNoneIs) {
    for (const auto verb : {Verb::execute, Verb::prepare, Verb::commit_one_phase}) {
        send(batch(kOne, {verb}));
        EXPECT_THAT(received(), ElementsAre(XaCode::proto));
    }
    EXPECT_THAT(connection_.trips(), ElementsAre());
}

TEST_F(BatchedConnectionTest, RefusesAnXidThatXaDoesNotAllow) {
    for (const auto& xid :
         {Xid{.gtrid = "", .bqual = "1"}, Xid{.gtrid = std::string(65, 'g'), .bqual = "1"},
          Xid{.gtrid = "g", .bqual = std::string(65, 'b')}}) {
        send(batch(xid, {Verb::start}));
        EXPECT_THAT(received(), ElementsAre(XaCode::inval));
    }
}

TEST_F(BatchedConnectionTest, GivesUpASessionThatTheApplicationLeftUnusable) {
    open_branch();
    connection_.leave_unusable();
    send(batch(kOne, {Verb::execute, Verb::prepare}));
    EXPECT_THAT(received(), ElementsAre(XaCode::rbproto, not_carried_out().code));
    EXPECT_FALSE(connection_.is_open_to_application());
    EXPECT_FALSE(connection_.is_reusable());
}

TEST_F(BatchedConnectionTest, IsOpenToTheApplicationOnlyBetweenStartAndTheVote) {
    EXPECT_THROW(connection_.use(), Error);
    open_branch();
    EXPECT_NO_THROW(connection_.use());
    send(batch(kOne, {Verb::prepare}));
    EXPECT_THROW(connection_.use(), Error);
    EXPECT_FALSE(connection_.is_open_to_application());
    connection_.reply(XaCode::rmerr);
    EXPECT_THAT(received(), ElementsAre(XaCode::rmerr));
    EXPECT_THROW(connection_.use(), Error);
}

TEST_F(BatchedConnectionTest, IsClosedForGood) {
    open_branch();
    connection_.close();
    EXPECT_TRUE(connection_.is_disconnected());
    EXPECT_FALSE(connection_.is_open_to_application());
    EXPECT_THROW(connection_.use(), Error);
}

TEST_F(BatchedConnectionTest, IsReadyAtOnceWhereNothingWillArrive) {
    const auto is_ready = [this] {
        const auto readiness = connection_.readiness();
        pollfd descriptor{readiness.descriptor, POLLIN, 0};
        return readiness.for_reading && ::poll(&descriptor, 1, 0) == 1;
    };
    send(batch(kOne, {Verb::start}));
    EXPECT_FALSE(is_ready());
    connection_.break_session();
    EXPECT_TRUE(is_ready());
    connection_.reply(XaCode::rmfail);
    EXPECT_THAT(received(), ElementsAre(XaCode::rmfail));
}

TEST_F(BatchedConnectionTest, WaitsForAServerNoLongerThanTheDeadline) {
    try {
        connection_.set_up(std::chrono::steady_clock::now());
        ADD_FAILURE() << "it went on waiting";
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::resource_unreachable);
        EXPECT_THAT(error.what(), HasSubstr("connect_timeout"));
    }
}

}  // namespace
}  // namespace xa_tm

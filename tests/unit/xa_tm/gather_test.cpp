#include "gather.h"

#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "fake_resource_manager.h"

namespace xa_tm::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

const Xid kXid{kFormatId, "gtrid", "users:1"};

Deadline in(milliseconds time) {
    return steady_clock::now() + time;
}

/// Its descriptor is always ready, and its answer never complete.
class TricklingConnection final : public Connection {
public:
    TricklingConnection() : descriptor_{::eventfd(1, EFD_CLOEXEC)} {}
    ~TricklingConnection() override { ::close(descriptor_); }
    using Connection::send;
    void send(std::vector<Request>) noexcept override {}
    std::optional<Answer> receive() noexcept override { return std::nullopt; }
    Readiness readiness() const noexcept override { return {descriptor_, true, false}; }
    bool is_reusable() const noexcept override { return false; }
    bool is_open_to_application() const noexcept override { return false; }

private:
    const int descriptor_;
};

class Gather : public testing::Test {
protected:
    FakeResourceManager fake_{"users"};
    std::unique_ptr<Connection> first_ = fake_.connect({});
    std::unique_ptr<Connection> second_ = fake_.connect({});
};

TEST_F(Gather, GivesAnswersUnderTheirKeysInTheOrderOfTheirArrival) {
    fake_.fail_next(Verb::start, Fault::stall_request);
    first_->send(Verb::start, kXid);
    second_->send(Verb::recover, {});
    xa_tm::Gather gather;
    gather.expect(7, *first_);
    gather.expect(8, *second_);
    const auto arrival = gather.next(in(milliseconds{20}));
    EXPECT_EQ(arrival.key, 8U);
    EXPECT_EQ(arrival.answer.code, XaCode::ok);
    EXPECT_TRUE(arrival.is_answered);
    EXPECT_FALSE(gather.is_empty());
}

TEST_F(Gather, CallsAnAnswerLostThatDoesNotComeInTime) {
    fake_.fail_next(Verb::start, Fault::stall_request);
    first_->send(Verb::start, kXid);
    xa_tm::Gather gather;
    gather.expect(7, *first_);
    const auto begin = steady_clock::now();
    const auto arrival = gather.next(in(milliseconds{20}));
    EXPECT_GE(steady_clock::now() - begin, milliseconds{20});
    EXPECT_EQ(arrival.key, 7U);
    EXPECT_EQ(arrival.answer.code, XaCode::rmfail);
    EXPECT_FALSE(arrival.is_answered);
    EXPECT_TRUE(gather.is_empty());
}

TEST_F(Gather, TakesAnAnswerThatIsThereEvenAfterTheDeadline) {
    first_->send(Verb::start, kXid);
    xa_tm::Gather gather;
    gather.expect(7, *first_);
    const auto arrival = gather.next(in(milliseconds{-1000}));
    EXPECT_TRUE(arrival.is_answered);
    EXPECT_EQ(arrival.answer.code, XaCode::ok);
}

TEST_F(Gather, KeepsTheDeadlineWhileAServerSendsWithoutEverEnding) {
    TricklingConnection trickling;
    xa_tm::Gather gather;
    gather.expect(7, trickling);
    EXPECT_FALSE(gather.next(in(milliseconds{20})).is_answered);
}

TEST_F(Gather, GivesUpAtOnceWhenInterrupted) {
    fake_.fail_next(Verb::start, Fault::stall_request);
    fake_.fail_next(Verb::start, Fault::stall_request);
    Interrupt interrupt;
    std::thread other{[&] { interrupt.raise(); }};
    const auto answer =
        exchange(*first_, {.verb = Verb::start, .xid = kXid}, std::chrono::hours{1}, &interrupt);
    EXPECT_EQ(answer.code, XaCode::rmfail);
    other.join();
    // Also when it came before the wait.
    EXPECT_EQ(
        exchange(*second_, {.verb = Verb::start, .xid = kXid}, std::chrono::hours{1}, &interrupt)
            .code,
        XaCode::rmfail);
}

TEST_F(Gather, ExchangesOneVerbForItsAnswer) {
    fake_.answer_next(Verb::commit, Answer{.code = XaCode::heurmix, .message = "half of it"});
    const auto answer = exchange(*first_, {.verb = Verb::commit, .xid = kXid}, milliseconds{1000});
    EXPECT_EQ(answer.code, XaCode::heurmix);
    EXPECT_EQ(answer.message, "half of it");
}

}  // namespace
}  // namespace xa_tm::test

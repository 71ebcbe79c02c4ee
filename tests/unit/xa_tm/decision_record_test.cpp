#include "decision_record.h"

#include <random>

#include <gtest/gtest.h>

#include "decision_log.h"
#include "transaction_table.h"
#include "xa_tm/error.h"
#include "xa_tm/xid.h"

namespace xa_tm {
namespace {

Decision some_decision() {
    return {"shop-1:9f2c4e0d11a0b3c7:3:41",
            std::chrono::sys_time<std::chrono::microseconds>{
                std::chrono::microseconds{1795417200123456}},
            {{"users", "users:1", "7711245803433096650/16385", "pg_xid=751"},
             {"points", "points:2", "", "", true}}};
}

std::string random_bytes(std::mt19937& random, std::size_t length_max) {
    std::uniform_int_distribution<std::size_t> length{0, length_max};
    std::uniform_int_distribution<int> byte{0, 255};
    std::string bytes(length(random), '\0');
    for (auto& c : bytes) {
        c = static_cast<char>(byte(random));
    }
    return bytes;
}

TEST(DecisionRecord, RoundTrips) {
    const LogRecord decision{some_decision()};
    EXPECT_EQ(decode(encode(decision)), decision);
    const LogTime time{std::chrono::microseconds{1795417200123457}};
    const std::vector<LogRecord> others{
        Heuristic{"shop-1:9f2c4e0d11a0b3c7:3:41", "users:1", XaCode::heurrb, "users", time,
                  "rolled back by hand", "7711245803433096650/16385"},
        OperatorAct{time, "ann@db1", OrderVerb::rollback, -1, std::string{"g\0x", 3}, "users",
                    "ticket 7", "law 4"},
        ServerSighting{"users", "7711245803433096650/16385", {"00000002", 123456789012345}},
        ServerDoubt{"users", "server", 7, 123456789012345, "put back"}, LogDoubt{"an old copy"}};
    for (const auto& record : others) {
        EXPECT_EQ(decode(encode(record)), record);
    }
}

TEST(DecisionRecord, RoundTripsArbitraryBytes) {
    std::mt19937 random{20261123};
    std::uniform_int_distribution<int> branches{0, 6};
    for (int i = 0; i < 2000; ++i) {
        auto decision = some_decision();
        decision.gtrid = random_bytes(random, kMaxGtridBytes);
        decision.branches.clear();
        for (int n = branches(random); n > 0; --n) {
            decision.branches.push_back(
                {random_bytes(random, 48), random_bytes(random, kMaxBqualBytes),
                 random_bytes(random, kMaxServerBytes), random_bytes(random, kMaxEvidenceBytes)});
        }
        EXPECT_EQ(decode(encode(decision)), LogRecord{decision});
        EXPECT_LE(encode(decision).size(), encoded_size_max(decision));
    }
}

TEST(DecisionRecord, IsNotReadFromACutOrExtendedOne) {
    auto bytes = encode(some_decision());
    for (std::size_t length = 0; length < bytes.size(); ++length) {
        EXPECT_EQ(decode(std::span{bytes}.first(length)), std::nullopt) << length;
    }
    bytes.push_back(std::byte{0});
    EXPECT_EQ(decode(bytes), std::nullopt);
}

TEST(DecisionRecord, IsNotReadFromAnotherVersionOrKind) {
    auto bytes = encode(some_decision());
    bytes[0] = std::byte{2};
    EXPECT_EQ(decode(bytes), std::nullopt);
    bytes = encode(some_decision());
    bytes[1] = std::byte{9};
    EXPECT_EQ(decode(bytes), std::nullopt);
}

TEST(DecisionRecord, IsNoOrderOfAnUnknownVerb) {
    const OperatorAct act{{}, "", OrderVerb::commit, 0, "", "", "", ""};
    auto bytes = encode(act);
    constexpr std::size_t kVerbAt = 2 + 8 + 2;
    ASSERT_EQ(bytes.at(kVerbAt), std::byte{1});
    for (const auto verb : {std::byte{0}, std::byte{4}}) {
        bytes[kVerbAt] = verb;
        EXPECT_EQ(decode(bytes), std::nullopt);
    }
}

TEST(StateOf, MarksTheBranchThatAHeuristicNames) {
    const auto decision = some_decision();
    const auto pending =
        state_of({{7, encode(decision)},
                  {8, encode(Heuristic{decision.gtrid, "points:2", XaCode::heurrb})}})
            .decisions;
    ASSERT_EQ(pending.size(), 1U);
    EXPECT_EQ(pending[0].entry, 7U);
    EXPECT_EQ(pending[0].progress[0], PendingDecision::Progress::open);
    EXPECT_EQ(pending[0].progress[1], PendingDecision::Progress::heuristic);
    EXPECT_FALSE(pending[0].is_finished());
}

TEST(StateOf, MarksTheLaterOfTwoRecordsOfOneDecision) {
    auto decision = some_decision();
    const auto heuristic = encode(Heuristic{decision.gtrid, "users:1", XaCode::heurrb});
    const auto first = encode(decision);
    TransactionTable table;
    EXPECT_EQ(table.load(state_of({{7, first}, {8, heuristic}, {9, encode(decision)}})),
              std::vector<recovery_log::EntryId>{7});
    EXPECT_EQ(table.counts().open_decisions, 0U) << "users is heuristic, points is finished";
}

TEST(StateOf, RefusesAnEntryThatItCanNotRead) {
    try {
        std::ignore = state_of({{7, {std::byte{250}}}});
        FAIL() << "an unreadable entry may hold a decision";
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::log_damaged);
    }
}

}  // namespace
}  // namespace xa_tm

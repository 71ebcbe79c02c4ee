#include "chain.h"

#include <gtest/gtest.h>

namespace xa_tm::mysql {
namespace {

const Xid kOld{7, "o", ""};
const Xid kNew{7, "n", "b"};
constexpr std::string_view kMarker = "6d61726b";

std::vector<Request> whole_batch(std::string statement = "insert") {
    return {{.verb = Verb::commit, .xid = kOld},
            {.verb = Verb::start, .xid = kNew},
            {.verb = Verb::execute, .xid = kNew, .statement = std::move(statement)},
            {.verb = Verb::prepare, .xid = kNew}};
}

Reply ok() {
    return {.is_ok = true};
}

Reply row(std::string value) {
    return {.is_ok = true, .rows = {{std::move(value)}}};
}

std::vector<std::size_t> counts_of(const std::vector<Request>& requests,
                                   const std::vector<Reply>& replies) {
    std::vector<std::size_t> counts;
    std::span<const Reply> results{replies};
    for (std::span<const Request> rest{requests}; !rest.empty(); rest = rest.subspan(1)) {
        counts.push_back(take_results(rest, results, kMarker).size());
    }
    return counts;
}

TEST(Chain, PutsTheMarkerBetweenTheStatementAndTheEndOfItsBranch) {
    EXPECT_EQ(chain_of(whole_batch(), kMarker),
              "xa commit x'6f',x'',7;xa start x'6e',x'62',7;insert\n;select 0x6d61726b;"
              "xa end x'6e',x'62',7;xa prepare x'6e',x'62',7");
}

TEST(Chain, NeedsNoMarkerWhenNothingIsVotedOn) {
    auto batch = whole_batch("insert -- ;");
    batch.pop_back();
    EXPECT_EQ(chain_of(batch, kMarker), "xa commit x'6f',x'',7;xa start x'6e',x'62',7;insert --\n");
    EXPECT_EQ(counts_of(batch, {ok(), ok(), row("1"), ok()}), (std::vector<std::size_t>{1, 1, 2}));
}

TEST(Chain, GivesEachRequestItsResults) {
    EXPECT_EQ(counts_of(whole_batch(), {ok(), ok(), ok(), row("mark"), ok(), ok()}),
              (std::vector<std::size_t>{1, 1, 2, 2}));
    EXPECT_EQ(counts_of(whole_batch(), {ok(), ok(), row("1"), row("2"), ok(), row("mark"), ok()}),
              (std::vector<std::size_t>{1, 1, 4, 1}));
    EXPECT_EQ(counts_of(whole_batch(), {ok(), {.error = 1}}),
              (std::vector<std::size_t>{1, 1, 0, 0}));
}

TEST(Chain, LeavesNothingToThePrepareWhenTheMarkerIsSwallowed) {
    EXPECT_EQ(counts_of(whole_batch(), {ok(), ok(), ok(), ok(), ok()}),
              (std::vector<std::size_t>{1, 1, 3, 0}));
    EXPECT_EQ(counts_of(whole_batch(), {ok(), ok(), row("not the marker"), ok(), ok()}),
              (std::vector<std::size_t>{1, 1, 3, 0}));
}

}  // namespace
}  // namespace xa_tm::mysql

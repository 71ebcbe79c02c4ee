#include "chain.h"

#include <gtest/gtest.h>

namespace xa_tm::mysql {
namespace {

const Xid kOld{7, "o", ""};
const Xid kNew{7, "n", "b"};
constexpr std::string_view kMarker = "6d61726b";
const TextRules kRules{
    .write_text = [](std::string_view text) { return '\'' + std::string{text} + '\''; }};

Request execute_of(std::string statement, std::vector<Value> arguments = {}) {
    return {.verb = Verb::execute,
            .xid = kNew,
            .statement = std::move(statement),
            .arguments = std::move(arguments)};
}

std::vector<Request> whole_batch(std::string statement = "insert 'a'") {
    return {{.verb = Verb::commit, .xid = kOld},
            {.verb = Verb::start, .xid = kNew},
            execute_of(std::move(statement)),
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

/// Of the request with as many behind it, itself included.
Reply marker_of(char requests) {
    return row(std::string{"mark"} + std::string{'\0', '\0', '\0', requests});
}

TEST(Chain, PutsTheMarkerBetweenTheStatementAndTheEndOfItsBranch) {
    EXPECT_EQ(chain_of(whole_batch(), kMarker, kRules),
              "xa commit x'6f',x'',7;xa start x'6e',x'62',7;insert 'a'\n;"
              "select 0x6d61726b00000002;xa end x'6e',x'62',7;xa prepare x'6e',x'62',7");
}

TEST(Chain, NeedsNoMarkerBehindAPlainStatementWithOneResult) {
    EXPECT_EQ(chain_of({{execute_of("savepoint a"),
                         execute_of("insert ?", {"b"}),
                         execute_of("insert ?", {"\xc3\xa9"}),
                         execute_of("call p(1)"),
                         {.verb = Verb::prepare, .xid = kNew}}},
                       kMarker, kRules),
              "savepoint a\n;insert  'b'\n;insert  '\xc3\xa9'\n;select 0x6d61726b00000003;"
              "call p(1)\n;select 0x6d61726b00000002;"
              "xa end x'6e',x'62',7;xa prepare x'6e',x'62',7");
}

TEST(Chain, NeedsNoMarkerWhenNothingIsVotedOn) {
    auto batch = whole_batch("insert -- ;");
    batch.pop_back();
    EXPECT_EQ(chain_of(batch, kMarker, kRules),
              "xa commit x'6f',x'',7;xa start x'6e',x'62',7;insert --\n");
    EXPECT_EQ(counts_of(batch, {ok(), ok(), row("1"), ok()}), (std::vector<std::size_t>{1, 1, 2}));
}

TEST(Chain, GivesEachRequestItsResults) {
    EXPECT_EQ(counts_of(whole_batch(), {ok(), ok(), ok(), marker_of(2), ok(), ok()}),
              (std::vector<std::size_t>{1, 1, 2, 2}));
    EXPECT_EQ(counts_of(whole_batch(), {ok(), ok(), row("1"), row("2"), ok(), marker_of(2), ok()}),
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

TEST(Chain, GivesEachOfSeveralStatementsItsResults) {
    const std::vector<Request> batch{execute_of("savepoint a"),
                                     execute_of("call p(1)"),
                                     execute_of("insert 'a'"),
                                     execute_of("update t"),
                                     {.verb = Verb::prepare, .xid = kNew}};
    EXPECT_EQ(counts_of(batch,
                        {ok(), row("1"), ok(), marker_of(4), ok(), marker_of(3), ok(), ok(), ok()}),
              (std::vector<std::size_t>{1, 3, 2, 1, 2}));
    EXPECT_EQ(counts_of(batch, {ok(), row("1"), {.error = 1}}),
              (std::vector<std::size_t>{1, 2, 0, 0, 0}));
}

TEST(Chain, TakesNoOtherStatementsMarkerForTheOneThatIsSwallowed) {
    const std::vector<Request> batch{execute_of("insert 'a'"),
                                     execute_of("insert 'b'"),
                                     execute_of("update t"),
                                     {.verb = Verb::prepare, .xid = kNew}};
    EXPECT_EQ(counts_of(batch, {ok(), ok(), marker_of(3), ok(), ok(), ok()}),
              (std::vector<std::size_t>{6, 0, 0, 0}));
}

}  // namespace
}  // namespace xa_tm::mysql

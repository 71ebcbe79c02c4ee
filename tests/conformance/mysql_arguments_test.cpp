// Arguments of statements as literals, which must be values and nothing else whatever they hold and
// however the session is set.

#include <algorithm>
#include <array>
#include <cctype>
#include <random>

#include <fmt/format.h>

#include "mysql_fixture.h"

namespace xa_tm::test {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::SizeIs;

auto answered(XaCode code) {
    return Field(&Answer::code, code);
}

/// As the server's hex() writes it.
std::string hex(std::string_view bytes) {
    auto digits = to_hex(bytes);
    std::ranges::transform(digits, digits.begin(),
                           [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    return digits;
}

auto gave(std::string value) {
    return Field(&Answer::result, Field(&ResultSet::rows, ElementsAre(ElementsAre(value))));
}

class MysqlArguments : public OnMysql {
protected:
    [[nodiscard]] Request start_request() const { return {.verb = Verb::start, .xid = xid_}; }
    [[nodiscard]] Request prepare_request() const { return {.verb = Verb::prepare, .xid = xid_}; }
    [[nodiscard]] Request execute(std::string statement, std::vector<Value> arguments = {}) const {
        return {.verb = Verb::execute,
                .xid = xid_,
                .statement = std::move(statement),
                .arguments = std::move(arguments),
                .wants_result = true};
    }
    /// The value that the server shows of what one argument is in an expression.
    std::string shown(Connection& connection, const std::string& expression, Value argument) {
        const auto answers = run_batch(
            connection, {execute(fmt::format("select {}", expression), {std::move(argument)})});
        EXPECT_EQ(answers.front().code, XaCode::ok) << answers.front().message;
        return answers.front().code == XaCode::ok
                   ? answers.front().result.rows.at(0).at(0).value_or("NULL")
                   : answers.front().message;
    }

    const Xid xid_ = unique_xid();
};

TEST_P(MysqlArguments, AreOfTheTypesThatTheyWereGivenAs) {
    const auto connection = start(xid_);
    EXPECT_EQ(shown(*connection, "? / 3", 1.0).substr(0, 14), "0.333333333333")
        << "a double, where a decimal number would have four digits more";
    EXPECT_EQ(shown(*connection, "? + 0", Bytes{"12"}), "12") << "no number in hexadecimal";
    EXPECT_EQ(shown(*connection, "charset(?)", Bytes{"12"}), "binary");
    EXPECT_EQ(shown(*connection, "charset(?)", "12"), "utf8mb4");
    EXPECT_EQ(shown(*connection, "? is null", nullptr), "1");
    EXPECT_EQ(run(*connection, Verb::rollback, xid_).code, XaCode::ok);
}

TEST_P(MysqlArguments, StandWhereTheyMayTouchWhatIsBesideThem) {
    const auto connection = start(xid_);
    EXPECT_EQ(shown(*connection, "1-?and 1", -1), "1");
    EXPECT_EQ(shown(*connection, "(7)%?or 0", 7), "0");
    EXPECT_EQ(shown(*connection, "1 limit ?", 1), "1");
    EXPECT_EQ(run(*connection, Verb::rollback, xid_).code, XaCode::ok);
}

TEST_P(MysqlArguments, AreRefusedInATextThatIsNotCertain) {
    const auto connection = datasource_.connect({});
    const auto answers =
        run_batch(*connection, {start_request(), execute("insert into points values (1)"),
                                execute(R"(insert into points select length('a\'?') + ?)", {2}),
                                prepare_request()});
    EXPECT_THAT(answers, ElementsAre(answered(XaCode::ok), answered(XaCode::ok),
                                     answered(XaCode::rmerr), answered(not_carried_out().code)));
    EXPECT_THAT(answers[2].message, HasSubstr("write its values as arguments"));
    EXPECT_EQ(admin_.prepared(), std::vector<std::string>{});
    EXPECT_EQ(run(*connection, Verb::rollback, xid_).code, XaCode::ok);
    EXPECT_EQ(rows(), 0);
}

TEST_P(MysqlArguments, AreWrittenAsTheSessionReadsThemAfterAChangeInTheSameBatch) {
    const auto connection = datasource_.connect({});
    const std::string attack = "\\' , (select count(*) from points) -- ";
    const std::string half = "\xbf' , 1 -- \xbf\\";
    const auto ask = [&](const std::string& text) { return execute("select hex(?)", {text}); };
    const auto answers = run_batch(
        *connection, {start_request(), ask(attack), execute("set sql_mode='NO_BACKSLASH_ESCAPES'"),
                      ask(attack), execute("set names gbk"), ask(half), ask(attack),
                      execute("set sql_mode=''"), ask(half), ask(attack), prepare_request()});
    EXPECT_THAT(answers, Each(answered(XaCode::ok)));
    for (const auto at : {1U, 3U, 6U, 9U}) {
        EXPECT_THAT(answers.at(at), gave(hex(attack)));
    }
    for (const auto at : {5U, 8U}) {
        EXPECT_THAT(answers.at(at), gave(hex(half)));
    }
    EXPECT_EQ(run(*connection, Verb::commit, xid_).code, XaCode::ok);
}

TEST_P(MysqlArguments, GiveTheFirstResultOfAProcedure) {
    outside_.execute("drop procedure if exists twice");
    outside_.execute(
        "create procedure twice(in id int) begin select id as first; select id + 1; end");
    const auto connection = datasource_.connect({});
    const auto answers =
        run_batch(*connection, {start_request(), execute("call twice(?)", {1}),
                                execute("select ?", {"behind"}), prepare_request()});
    ASSERT_THAT(answers, testing::AllOf(SizeIs(4), Each(answered(XaCode::ok))));
    EXPECT_EQ(answers[1].result, (ResultSet{.columns = {"first"}, .rows = {{"1"}}}));
    EXPECT_EQ(answers[1].rows, 2U);
    EXPECT_THAT(answers[2], gave("behind"));
    EXPECT_EQ(run(*connection, Verb::commit, xid_).code, XaCode::ok);
    outside_.execute("drop procedure twice");
}

TEST_P(MysqlArguments, AStatementThatWaitedInVainForALockMayBeUndoneAndTheRestPrepared) {
    outside_.execute("insert into points values (1)");
    outside_.execute("begin");
    outside_.execute("delete from points where id = 1");
    const auto connection = datasource_.connect({});
    const auto answers = run_batch(
        *connection, {start_request(), execute("set innodb_lock_wait_timeout = 1"),
                      execute("savepoint a"), execute("insert into points values (?)", {2}),
                      execute("update points set id = ? where id = ?", {3, 1}), prepare_request()});
    ASSERT_THAT(answers, SizeIs(6));
    EXPECT_EQ(answers[4].code, XaCode::rmerr);
    EXPECT_TRUE(answers[4].is_conflict);
    EXPECT_EQ(answers[5].code, not_carried_out().code);
    EXPECT_THAT(run_batch(*connection, {execute("rollback to savepoint a"),
                                        execute("insert into points values (4)")}),
                Each(answered(XaCode::ok)));
    EXPECT_EQ(run(*connection, Verb::prepare, xid_).code, XaCode::ok);
    EXPECT_EQ(run(*connection, Verb::commit, xid_).code, XaCode::ok);
    outside_.execute("rollback");
    EXPECT_EQ(outside_.column("select id from points order by id"),
              (std::vector<std::string>{"1", "4"}));
}

struct Setting {
    const char* server;
    const char* charset;
    const char* sql_mode;
};

/// Every byte string arrives as it was given, with other statements of its packet behind it.
class MysqlAnyArgument : public testing::TestWithParam<Setting> {
protected:
    static constexpr int kBatches = 8;
    static constexpr int kValuesPerBatch = 60;

    MysqlAnyArgument()
        : datasource_{"points", fmt::format("{}&charset={}", sandbox::uri(GetParam().server),
                                            GetParam().charset)},
          outside_{sandbox::uri(GetParam().server)} {}

    void SetUp() override {
        outside_.execute("drop table if exists points");
        outside_.execute("create table points (id int primary key) engine = innodb");
    }

    /// Of what scanners and character sets stumble over, and of any bytes.
    std::string any_bytes() {
        using namespace std::string_view_literals;
        constexpr std::array kPieces{
            "'"sv,          "\""sv,       "`"sv,
            "\\"sv,         "\\'"sv,      "''"sv,
            "\0"sv,         "\n"sv,       "\r"sv,
            "\x1a"sv,       ";"sv,        "?"sv,
            "-- "sv,        "#"sv,        "/*"sv,
            "*/"sv,         "/*!"sv,      "\x81"sv,
            "\xbf"sv,       "\xbf\\"sv,   "\x81\x60"sv,
            "\x95\x5c"sv,   "\xe3\x81"sv, "\xf0\x9f\x9a\x80"sv,
            "\xc3"sv,       "\xa5\x5c"sv, "); insert into points values (-1"sv,
            ";rollback;"sv, "$$"sv,       "abc"sv};
        std::string bytes;
        for (auto left = draw(12); left > 0; --left) {
            bytes += draw(3) == 0 ? std::string(1, static_cast<char>(draw(256)))
                                  : std::string{kPieces.at(draw(kPieces.size()))};
        }
        return bytes;
    }

    std::size_t draw(std::size_t below) { return random_() % below; }

    /// Statements with one value, and what the one that shows it has to give.
    void add(std::vector<Request>& batch, std::vector<std::string>& expected, int id) {
        const auto value = any_bytes();
        const auto execute = [&](std::string statement, std::vector<Value> arguments) {
            batch.push_back({.verb = Verb::execute,
                             .xid = xid_,
                             .statement = std::move(statement),
                             .arguments = std::move(arguments),
                             .wants_result = true});
        };
        execute("select concat(hex(?), '/', hex(?), '/', ?)", {value, Bytes{value}, id});
        execute("insert into points select ? where ? is not null", {id, value});
        expected.push_back(fmt::format("{}/{}/{}", hex(value), hex(value), id));
    }

    mysql::Datasource datasource_;
    Database outside_;
    const Xid xid_ = unique_xid();
    std::mt19937 random_{9};  // NOLINT(bugprone-random-generator-seed): the same each time
};

TEST_P(MysqlAnyArgument, ArrivesAndNothingElseIsDone) {
    const auto connection = datasource_.connect({});
    EXPECT_EQ(run(*connection, Verb::start, xid_).code, XaCode::ok);
    EXPECT_EQ(
        run_statement(*connection, xid_, fmt::format("set sql_mode='{}'", GetParam().sql_mode))
            .code,
        XaCode::ok);
    int id = 0;
    for (int batches = 0; batches < kBatches; ++batches) {
        std::vector<Request> batch;
        std::vector<std::string> expected;
        for (int values = 0; values < kValuesPerBatch; ++values) {
            add(batch, expected, ++id);
        }
        const auto answers = run_batch(*connection, batch);
        for (std::size_t i = 0; i < expected.size(); ++i) {
            const auto value = to_hex(std::get<std::string>(batch.at(2 * i).arguments.front()));
            ASSERT_EQ(answers.at(2 * i).code, XaCode::ok) << value << answers.at(2 * i).message;
            ASSERT_THAT(answers.at(2 * i), gave(expected.at(i))) << value;
            ASSERT_EQ(answers.at(2 * i + 1).rows, 1U) << value;
        }
    }
    EXPECT_EQ(run(*connection, Verb::prepare, xid_).code, XaCode::ok);
    EXPECT_EQ(run(*connection, Verb::commit, xid_).code, XaCode::ok);
    EXPECT_EQ(outside_.number("select count(*) from points"), id);
    EXPECT_EQ(outside_.number("select min(id) from points"), 1);
}

std::vector<Setting> settings() {
    std::vector<Setting> all;
    for (const auto* server : kMysqlServers) {
        for (const auto* charset : {"utf8mb4", "latin1", "gbk", "sjis", "big5", "cp932"}) {
            for (const auto* sql_mode :
                 {"", "NO_BACKSLASH_ESCAPES", "ANSI_QUOTES", "NO_BACKSLASH_ESCAPES,ANSI_QUOTES"}) {
                all.push_back({server, charset, sql_mode});
            }
        }
    }
    return all;
}

std::string name_of_setting(const testing::TestParamInfo<Setting>& info) {
    auto name = fmt::format("{}_{}_{}", info.param.server, info.param.charset,
                            *info.param.sql_mode == '\0' ? "plain" : info.param.sql_mode);
    std::ranges::replace_if(
        name, [](char c) { return c == '-' || c == '.' || c == ','; }, '_');
    return name;
}

INSTANTIATE_TEST_SUITE_P(Of, MysqlArguments, testing::ValuesIn(kMysqlServers), name_of_server);
INSTANTIATE_TEST_SUITE_P(Of, MysqlAnyArgument, testing::ValuesIn(settings()), name_of_setting);

}  // namespace
}  // namespace xa_tm::test

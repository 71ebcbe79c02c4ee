#include "arguments.h"

#include <cstdlib>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace xa_tm::mysql {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

std::string written(std::string_view text) {
    return '<' + std::string{text} + '>';
}

Request execute_of(std::string statement, std::vector<Value> arguments) {
    return {.verb = Verb::execute,
            .statement = std::move(statement),
            .arguments = std::move(arguments)};
}

std::string fault_of(std::string statement, std::vector<Value> arguments) {
    return fault_of_arguments(execute_of(std::move(statement), std::move(arguments)),
                              Bytewise::yes);
}

TEST(Arguments, AreLiteralsOfTheirTypes) {
    EXPECT_EQ(literal_of(nullptr, written), "NULL");
    EXPECT_EQ(literal_of(true, written), "TRUE");
    EXPECT_EQ(literal_of(false, written), "FALSE");
    EXPECT_EQ(literal_of(std::int64_t{-7}, written), "-7");
    EXPECT_EQ(literal_of(std::numeric_limits<std::int64_t>::min(), written),
              "-9223372036854775808");
    EXPECT_EQ(literal_of(std::numeric_limits<std::uint64_t>::max(), written),
              "18446744073709551615");
    EXPECT_EQ(literal_of("it's", written), "<it's>");
    EXPECT_EQ(literal_of(Bytes{{"\0'", 2}}, written), "_binary x'0027'");
    EXPECT_EQ(literal_of(Bytes{}, written), "_binary x''");
}

TEST(Arguments, ADoubleIsTheSameNumberAgainAndNoDecimal) {
    EXPECT_EQ(literal_of(0.1, written), "1e-01");
    EXPECT_EQ(literal_of(5.0, written), "5e+00");
    EXPECT_EQ(literal_of(-0.0, written), "-0e+00");
    for (const double number : {1e-300, 0.1 + 0.2, 5e-324, 1.7976931348623157e308}) {
        EXPECT_EQ(std::strtod(literal_of(number, written).c_str(), nullptr), number);
    }
}

TEST(Arguments, StandInThePlacesOfTheQuestionMarks) {
    const TextRules rules{.write_text = written};
    EXPECT_EQ(
        with_arguments(
            execute_of("insert into t values (?,'?',?) -- ?", {to_value(1), to_value("?")}), rules),
        "insert into t values ( 1 ,'?', <?> ) -- ?");
    EXPECT_EQ(with_arguments(execute_of("select 1;", {}), rules), "select 1;");
    EXPECT_EQ(with_arguments(execute_of("select a-?and b=?;", {-1, 2}), rules),
              "select a- -1 and b= 2 ");
}

TEST(Arguments, MustBeAsManyAsThereAreQuestionMarks) {
    EXPECT_THAT(fault_of("select ?", {}), HasSubstr("1 question marks and 0 arguments"));
    EXPECT_THAT(fault_of("select ?", {1, 2}), HasSubstr("1 question marks and 2 arguments"));
    EXPECT_THAT(fault_of("select '?'", {1}), HasSubstr("0 question marks and 1 arguments"));
    EXPECT_THAT(fault_of("select ?, ?", {1, 2}), IsEmpty());
}

TEST(Arguments, NeedATextThatIsCertain) {
    for (const auto* text : {R"(select 'a\\b', ?)", "select /*! 1, */ ?", "select ?, 'a",
                             "select ?; select 2", "select a?"}) {
        EXPECT_THAT(fault_of(text, {1}), HasSubstr("write its values as arguments")) << text;
    }
    EXPECT_THAT(fault_of(R"(select 'a\\b?')", {}), IsEmpty()) << "the server takes it apart";
}

TEST(Arguments, AreFinite) {
    EXPECT_THAT(fault_of("select ?", {std::numeric_limits<double>::infinity()}),
                HasSubstr("infinite"));
    EXPECT_THAT(fault_of("select ?", {std::numeric_limits<double>::quiet_NaN()}), HasSubstr("NaN"));
}

TEST(Arguments, ArePlainWhereNoEscapingIsNeeded) {
    EXPECT_TRUE(is_plain_with_arguments(
        execute_of("select ?, ?, ?, ?", {1, "a; /* # -- \" ` ?", Bytes{"'"}, 1e-5})));
    for (const auto* text : {"it's", "\\", "\xc3\xa9", "\n", "\x7f"}) {
        EXPECT_FALSE(is_plain_with_arguments(execute_of("select ?", {text}))) << text;
    }
    EXPECT_FALSE(is_plain_with_arguments(execute_of("select '', ?", {1})));
}

}  // namespace
}  // namespace xa_tm::mysql

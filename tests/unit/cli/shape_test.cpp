#include "shape.h"

#include <algorithm>
#include <regex>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "commands.h"
#include "completion.h"
#include "man.h"

namespace xa_tm::cli {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

const CommandShape& shape_of(const std::vector<CommandShape>& shapes, std::string_view name) {
    return *std::ranges::find(shapes, name, &CommandShape::name);
}

const OptionShape& option_of(const CommandShape& shape, const std::string& name) {
    return *std::ranges::find_if(shape.options, [&](const OptionShape& option) {
        return std::ranges::find(option.names, name) != option.names.end();
    });
}

TEST(Shape, HoldsTheProgramAndEveryCommand) {
    const auto shapes = program_shape();

    ASSERT_EQ(shapes.size(), all_commands().size() + 1);
    EXPECT_EQ(shapes.front().command, nullptr);
    EXPECT_THAT(shapes.front().commands, AllOf(Contains("list"), Contains("log")));
    EXPECT_EQ(shape_of(shapes, "log tail").command, &kLogTailCommand);
    EXPECT_THAT(shape_of(shapes, "log").commands, Contains("tail"));
}

TEST(Shape, TellsWhatAnOptionIsFollowedBy) {
    const auto shapes = program_shape();
    const auto& tail = shape_of(shapes, "log tail");

    EXPECT_THAT(option_of(tail, "--lines").names, ElementsAre("-n", "--lines"));
    EXPECT_EQ(option_of(tail, "--lines").value, "N");
    EXPECT_EQ(option_of(tail, "--follow").value, "");
    EXPECT_EQ(option_of(shape_of(shapes, "list"), "--resource").value, "NAME=URI");
    EXPECT_THAT(option_of(shape_of(shapes, "list"), "--resource").about, Not(HasSubstr("\n")));
    EXPECT_TRUE(option_of(shape_of(shapes, "list"), "--watch").is_value_optional);
    EXPECT_FALSE(option_of(shape_of(shapes, "list"), "--timeout").is_value_optional);
}

TEST(Shape, TellsTheArgumentsAndTheirChoices) {
    const auto shapes = program_shape();
    const auto& show = shape_of(shapes, "log show").arguments;

    ASSERT_EQ(show.size(), 2U);
    EXPECT_THAT(show[0].names, ElementsAre("ENTRY|GTRID"));
    EXPECT_TRUE(show[0].is_required);
    EXPECT_THAT(show[1].names, ElementsAre("DIR"));
    EXPECT_FALSE(show[1].is_required);
    EXPECT_THAT(show[1].choices, IsEmpty());
    EXPECT_THAT(shape_of(shapes, "completion").arguments.front().choices,
                testing::UnorderedElementsAre("bash", "zsh", "fish"));
}

TEST(Shape, IsAllInTheManualPageAndInEveryCompletion) {
    const auto shapes = program_shape();
    const auto page = manual_page(shapes);
    for (const auto& shape : shapes) {
        if (shape.command == nullptr) {
            continue;
        }
        // A plain hyphen would be typeset as one that a shell does not know.
        const auto title = std::regex_replace(shape.name, std::regex{"-"}, "\\-");
        EXPECT_THAT(page, HasSubstr("\n.SS \"\\fB" + title + "\\fR\"\n"));
        for (const auto* shell : {"bash", "zsh", "fish"}) {
            const auto script = completion_of(shell, shapes);
            EXPECT_THAT(script, HasSubstr(shape.name.substr(shape.name.find(' ') + 1)));
            for (const auto& option : shape.options) {
                EXPECT_THAT(script, HasSubstr(option.names.back().substr(2))) << shell;
            }
        }
    }
    for (const auto* title : {"NAME", "SYNOPSIS", "DESCRIPTION", "COMMANDS", "COMMON OPTIONS",
                              "EXIT STATUS", "ENVIRONMENT", "FILES", "EXAMPLES"}) {
        EXPECT_THAT(page, HasSubstr("\n.SH \"" + std::string{title} + "\"\n"));
    }
}

TEST(Shape, GivesNoLineOfTheManualPageToTheFormatter) {
    const auto page = manual_page(program_shape());

    EXPECT_THAT(page, AllOf(Not(HasSubstr("\n'")), Not(HasSubstr("\n...")),
                            HasSubstr("\\fB\\-\\-dry\\-run\\fR")));
}

}  // namespace
}  // namespace xa_tm::cli

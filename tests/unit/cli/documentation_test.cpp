#include <filesystem>
#include <fstream>
#include <sstream>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "json_document.h"
#include "shape.h"

// What the pages promise of the commands: a new command makes these fail until it stands there.
namespace xa_tm::cli {
namespace {

using testing::HasSubstr;

std::string text_of(const std::string& page) {
    std::ifstream file{std::filesystem::path{XA_TM_SOURCE_DIR} / "docs" / page};
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

bool has_option(const CommandShape& shape, const std::string& name) {
    return std::ranges::any_of(
        shape.options, [&](const OptionShape& option) { return option.names.back() == name; });
}

/// A row of the program's table, or of a command's own under its name or its group's.
bool has_row(const std::string& page, const CommandShape& shape, const ExitCode& code) {
    const auto row = fmt::format("| {} | {} |\n", code.code, code.meaning);
    const auto group = shape.name.substr(0, shape.name.find(' '));
    const bool is_general = shape.command->exit_codes.data() == std::data(kExitCodes);
    return is_general
               ? page.find("\n" + row) != std::string::npos
               : page.find(fmt::format("\n| `{}` {}", shape.name, row)) != std::string::npos ||
                     page.find(fmt::format("\n| `{}` {}", group, row)) != std::string::npos;
}

TEST(Documentation, TellsEveryExitCodeOfEveryCommand) {
    const auto page = text_of("operating.md");
    for (const auto& shape : program_shape()) {
        if (shape.command == nullptr) {
            continue;
        }
        for (const auto& code : shape.command->exit_codes) {
            EXPECT_TRUE(has_row(page, shape, code))
                << "docs/operating.md, section Exit codes, lacks: | `" << shape.name << "` | "
                << code.code << " | " << code.meaning << " |";
        }
    }
}

TEST(Documentation, HasASectionOnTheJsonOfEveryCommand) {
    const auto page = text_of("json.md");
    EXPECT_THAT(page, HasSubstr(fmt::format("`\"{}\"`", kJsonSchema)));
    for (const auto& shape : program_shape()) {
        if (!has_option(shape, "--json")) {
            continue;
        }
        bool is_there = false;
        std::istringstream lines{page};
        for (std::string line; std::getline(lines, line);) {
            const auto titles = ", " + (line.starts_with("## ") ? line.substr(3) : "") + ",";
            is_there = is_there || titles.find(", " + shape.name + ",") != std::string::npos;
        }
        EXPECT_TRUE(is_there) << "docs/json.md has no section on " << shape.name;
    }
}

}  // namespace
}  // namespace xa_tm::cli

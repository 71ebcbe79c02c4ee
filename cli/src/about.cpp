#include "about.h"

#include <fmt/format.h>

#include "text.h"

namespace xa_tm::cli {
namespace {

/// Every line two columns further right.
std::string indented(std::string_view text) {
    std::string lines;
    while (!text.empty()) {
        const auto line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(text.size(), line.size() + 1));
        lines += fmt::format("  {}\n", line);
    }
    return lines;
}

}  // namespace

std::string exit_codes_text(std::span<const ExitCode> codes) {
    std::string text = "Exit codes:\n";
    for (const auto& [code, meaning] : codes) {
        auto lines = wrapped(meaning, 5);
        lines.replace(0, 4, fmt::format("{:>3} ", code));
        text += lines;
    }
    return text;
}

std::string examples_text(std::string_view examples) {
    auto text = "Examples:\n" + indented(examples);
    text.pop_back();
    return text;
}

std::string program_footer() {
    return fmt::format("Configuration file (TOML):\n{}\nPasswords: {}\n\n{}\n{}",
                       indented(kConfigurationFile), kPasswords, exit_codes_text(kExitCodes),
                       examples_text(kProgramExamples));
}

}  // namespace xa_tm::cli

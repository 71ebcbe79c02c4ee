#include "man.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "about.h"
#include "commands.h"
#include "text.h"

namespace xa_tm::cli {
namespace {

/// Characters that roff would take for its own, or print as others. With `has_marks` the words
/// between ` and ` are set in bold.
std::string escaped(std::string_view text, bool has_marks) {
    std::string roff;
    bool is_bold = false;
    for (const char c : text) {
        switch (c) {
            case '\\': roff += "\\(rs"; break;
            case '-': roff += "\\-"; break;
            case '~': roff += "\\(ti"; break;
            case '^': roff += "\\(ha"; break;
            case '\'': roff += "\\(aq"; break;
            case '"': roff += "\\(dq"; break;
            case '`':
                if (has_marks) {
                    is_bold = !is_bold;
                    roff += is_bold ? "\\fB" : "\\fR";
                } else {
                    roff += "\\(ga";
                }
                break;
            case '\n': roff += "\n"; break;
            case '.': roff += roff.empty() || roff.back() == '\n' ? "\\&." : "."; break;
            default: roff += c; break;
        }
    }
    return roff;
}

std::string bold(std::string_view text) {
    return "\\fB" + escaped(text, false) + "\\fR";
}

std::string italic(std::string_view text) {
    return "\\fI" + escaped(text, false) + "\\fR";
}

std::string section(std::string_view title) {
    return fmt::format(".SH \"{}\"\n", escaped(title, false));
}

/// Filled; an empty line begins a new paragraph.
std::string prose(std::string_view text) {
    std::string roff;
    while (!text.empty()) {
        const auto line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(text.size(), line.size() + 1));
        roff += line.empty() ? ".PP\n" : escaped(line, true) + "\n";
    }
    return roff;
}

/// As it is, line by line.
std::string verbatim(std::string_view text) {
    return ".PP\n.nf\n.RS 4\n" + escaped(text, false) + "\n.RE\n.fi\n";
}

std::string tagged(std::string_view tag, std::string_view text) {
    return fmt::format(".TP\n{}\n{}\n", tag, text);
}

std::string exit_codes(std::span<const ExitCode> codes) {
    std::string roff;
    for (const auto& [code, meaning] : codes) {
        roff += tagged(bold(std::to_string(code)), escaped(meaning, true));
    }
    return roff;
}

std::string choices_text(const OptionShape& option) {
    return option.choices.empty() ? "" : fmt::format(": {}", fmt::join(option.choices, ", "));
}

std::string option_tag(const OptionShape& option) {
    std::vector<std::string> names;
    for (const auto& name : option.names) {
        names.push_back(bold(name));
    }
    auto tag = fmt::format("{}", fmt::join(names, ", "));
    if (!option.value.empty()) {
        tag += option.is_value_optional ? " [" + italic(option.value) + "]"
                                        : " " + italic(option.value);
    }
    return tag;
}

std::string usage(const CommandShape& shape) {
    auto roff = bold(fmt::format("{} {}", kProgram, shape.name));
    for (const auto& argument : shape.arguments) {
        const auto name = italic(argument.names.front());
        roff += argument.is_required ? " " + name : " [" + name + "]";
    }
    return roff + " [" + italic("OPTION") + "]...";
}

bool is_same(std::span<const ExitCode> one, std::span<const ExitCode> other) {
    return one.data() == other.data();
}

/// Those that several commands have.
std::vector<OptionShape> common_options(const std::vector<CommandShape>& shapes) {
    std::vector<OptionShape> seen;
    std::vector<OptionShape> common;
    const auto has = [](const auto& options, const OptionShape& option) {
        return std::ranges::find(options, option) != options.end();
    };
    for (const auto& shape : shapes) {
        for (const auto& option : shape.options) {
            if (has(seen, option) && !has(common, option)) {
                common.push_back(option);
            }
            seen.push_back(option);
        }
    }
    return common;
}

std::string option_text(const OptionShape& option) {
    return tagged(option_tag(option), escaped(option.about + choices_text(option), true));
}

std::string options_text(const CommandShape& shape, const std::vector<OptionShape>& common) {
    std::string own;
    std::vector<std::string> others;
    for (const auto& option : shape.options) {
        if (std::ranges::find(common, option) == common.end()) {
            own += option_text(option);
        } else {
            others.push_back(bold(option.names.back()));
        }
    }
    return own + fmt::format(".PP\nCommon options: {}\n", fmt::join(others, ", "));
}

/// The codes of the group that it stands in, or of the program.
std::span<const ExitCode> inherited_codes(const CommandShape& shape) {
    const auto group = shape.name.substr(0, shape.name.rfind(' '));
    for (const auto* command : all_commands()) {
        if (command->name == group && group != shape.name) {
            return command->exit_codes;
        }
    }
    return kExitCodes;
}

std::string command_text(const CommandShape& shape, const std::vector<OptionShape>& common) {
    const bool is_group = !shape.commands.empty();
    auto roff = fmt::format(".SS \"{}\"\n", bold(shape.name));
    roff += escaped(shape.about, true) + ".\n";
    if (!is_group) {
        roff += ".PP\n" + usage(shape) + "\n";
    }
    if (!shape.command->notes.empty()) {
        roff += ".PP\n" + prose(shape.command->notes);
    }
    for (const auto& argument : shape.arguments) {
        roff += tagged(italic(argument.names.front()),
                       escaped(argument.about + choices_text(argument), true));
    }
    if (!is_group) {
        roff += options_text(shape, common);
    }
    if (!is_same(shape.command->exit_codes, inherited_codes(shape))) {
        roff += ".PP\nExit codes:\n" + exit_codes(shape.command->exit_codes);
    }
    return roff + ".PP\nExamples:\n" + verbatim(shape.command->examples);
}

std::string named_things(std::span<const NamedThing> things) {
    std::string roff;
    for (const auto& [name, meaning] : things) {
        roff += tagged(bold(name), escaped(meaning, true));
    }
    return roff;
}

Run add_options(CLI::App& /*app*/) {
    return [] {
        write_out(manual_page(program_shape()));
        return kNothingInDoubt;
    };
}

}  // namespace

std::string manual_page(const std::vector<CommandShape>& shapes) {
    auto roff = fmt::format(".TH XA\\-RECOVER 1 \"\" \"{} {}\" \"User Commands\"\n",
                            escaped(kProgram, false), XA_RECOVER_VERSION);
    const auto common = common_options(shapes);
    roff += section("NAME") +
            fmt::format("{} \\- {}\n", escaped(kProgram, false), escaped(kOneLine, true));
    roff += section("SYNOPSIS") +
            fmt::format("{} {} [{}]...\n", bold(kProgram), italic("COMMAND"), italic("OPTION"));
    roff += section("DESCRIPTION") + prose(kAbout);
    roff += section("COMMANDS");
    for (const auto& shape : shapes) {
        if (shape.command != nullptr) {
            roff += command_text(shape, common);
        }
    }
    roff += section("COMMON OPTIONS");
    for (const auto& option : common) {
        roff += option_text(option);
    }
    roff += section("CONFIGURATION FILE") + "TOML:\n" + verbatim(kConfigurationFile);
    roff += section("PASSWORDS") + prose(kPasswords);
    roff += section("EXIT STATUS") +
            "Where a command, or the group that it stands in, does not tell its own:\n" +
            exit_codes(kExitCodes);
    roff += section("ENVIRONMENT") + named_things(kEnvironment);
    roff += section("FILES") + named_things(kFiles);
    roff += section("EXAMPLES") + verbatim(kProgramExamples);
    return roff;
}

constinit const Command kManCommand{
    .name = "man",
    .about = "Print the manual page",
    .notes = "Prints xa-recover(1), which tells of every command, as roff text.",
    .examples = R"(xa-recover man | man -l -)",
    .exit_codes = kTextExitCodes,
    .add_options = add_options,
};

}  // namespace xa_tm::cli

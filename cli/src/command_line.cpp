#include "command_line.h"

#include <algorithm>
#include <utility>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "about.h"
#include "commands.h"

namespace xa_tm::cli {
namespace {

std::string footer_of(const Command& command) {
    std::string footer{command.notes};
    footer += footer.empty() ? "" : "\n\n";
    return footer + exit_codes_text(command.exit_codes) + "\n" + examples_text(command.examples);
}

/// The words behind the program's name that chose the command, such as "log verify".
std::string chosen_name(const CLI::App& app) {
    std::string name;
    for (auto chosen = app.get_subcommands(); !chosen.empty();
         chosen = chosen.front()->get_subcommands()) {
        name += (name.empty() ? "" : " ") + chosen.front()->get_name();
    }
    return name;
}

/// "list, show or verify".
std::string names_below(const CLI::App& app) {
    std::string names;
    const auto below = app.get_subcommands([](const CLI::App*) { return true; });
    for (const auto* command : below) {
        names += command == below.front() ? "" : command == below.back() ? " or " : ", ";
        names += command->get_name();
    }
    return names;
}

/// Quotes nothing but the name of an option: what else was not expected may be a URI.
ConfigurationError unexpected(const CLI::App& app) {
    for (const auto& argument : app.remaining(true)) {
        if (argument.starts_with('-')) {
            // Behind one letter there may be a value, such as a password.
            const auto name = argument.starts_with("--") ? argument.substr(0, argument.find('='))
                                                         : argument.substr(0, 2);
            return ConfigurationError{
                fmt::format("unknown option {} (options stand after the command); see "
                            "`xa-recover --help`",
                            name)};
        }
    }
    return ConfigurationError{
        "an argument belongs to no option; a resource is given as --resource NAME=URI, see "
        "`xa-recover --help`"};
}

}  // namespace

struct CommandLine::Node {
    const Command* command;
    CLI::App* app;
    /// Empty for a group.
    Run run;
};

CommandLine::CommandLine()
    : app_{std::make_unique<CLI::App>(std::string{kAbout}, std::string{kProgram})} {
    app_->footer(program_footer());
    app_->set_version_flag("--version", "xa-recover " XA_RECOVER_VERSION);
    app_->require_subcommand(1);
    app_->get_formatter()->column_width(24);
    app_->get_formatter()->label("SUBCOMMAND", "COMMAND");
    for (const auto* command : all_commands()) {
        const auto space = command->name.find(' ');
        const bool is_nested = space != std::string_view::npos;
        auto& parent =
            is_nested ? *app_->get_subcommand(std::string{command->name.substr(0, space)}) : *app_;
        auto& app = *parent.add_subcommand(
            std::string{is_nested ? command->name.substr(space + 1) : command->name},
            std::string{command->about});
        app.group("Commands");
        app.footer(footer_of(*command));
        const bool is_group = command->add_options == nullptr;
        if (is_group) {
            app.require_subcommand(1);
        }
        nodes_.push_back({command, &app, is_group ? Run{} : command->add_options(app)});
    }
}

CommandLine::~CommandLine() = default;

std::variant<Invocation, Information> CommandLine::parse(const std::vector<std::string>& words) {
    const auto chosen = [this] {
        return std::ranges::find(nodes_, chosen_name(*app_),
                                 [](const Node& node) { return node.command->name; });
    };
    try {
        // The parser takes its words from the back.
        app_->parse(std::vector<std::string>{words.rbegin(), words.rend() - 1});
    } catch (const CLI::CallForHelp&) {
        return Information{app_->help()};
    } catch (const CLI::CallForVersion&) {
        return Information{app_->version() + "\n"};
    } catch (const CLI::ExtrasError&) {
        throw unexpected(*app_);
    } catch (const CLI::ParseError& error) {
        const auto node = chosen();
        if (node == nodes_.end()) {
            throw ConfigurationError{
                fmt::format("give a command: {}; see `xa-recover --help`", names_below(*app_))};
        }
        const auto name = node->command->name;
        if (!node->run) {
            throw ConfigurationError{
                fmt::format("give a command of {}: {}; see `xa-recover {} --help`", name,
                            names_below(*node->app), name)};
        }
        throw ConfigurationError{fmt::format("{}; see `xa-recover {} --help`", error.what(), name)};
    }
    const auto node = chosen();
    return Invocation{node->command, node->run};
}

}  // namespace xa_tm::cli

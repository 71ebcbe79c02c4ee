#include "shape.h"

#include <algorithm>

#include <CLI/CLI.hpp>

#include "command_line.h"
#include "commands.h"

namespace xa_tm::cli {
namespace {

std::string in_one_line(std::string text) {
    std::ranges::replace(text, '\n', ' ');
    return text;
}

/// The parser tells them as part of the type: "TEXT:{bash,zsh}".
std::vector<std::string> choices_of(const std::string& type) {
    std::vector<std::string> choices;
    const auto begin = type.find(":{");
    const auto end = type.find('}', begin);
    if (begin == std::string::npos || end == std::string::npos) {
        return choices;
    }
    return CLI::detail::split(type.substr(begin + 2, end - begin - 2), ',');
}

OptionShape shape_of(const CLI::Option& option) {
    OptionShape shape;
    const auto type = option.get_type_name();
    shape.about = in_one_line(option.get_description());
    shape.choices = choices_of(type);
    shape.is_required = option.get_required();
    if (option.get_positional()) {
        shape.names.push_back(option.get_name(true, false));
        return shape;
    }
    for (const auto& name : option.get_snames()) {
        shape.names.push_back("-" + name);
    }
    for (const auto& name : option.get_lnames()) {
        shape.names.push_back("--" + name);
    }
    if (option.get_items_expected_max() > 0) {
        shape.value = type.substr(0, type.find(':'));
        shape.is_value_optional = option.get_items_expected_min() == 0;
    }
    return shape;
}

CommandShape shape_of(const CLI::App& app) {
    CommandShape shape;
    shape.about = app.get_description();
    for (const auto* option : app.get_options()) {
        auto& shapes = option->get_positional() ? shape.arguments : shape.options;
        shapes.push_back(shape_of(*option));
    }
    for (const auto* below : app.get_subcommands([](const CLI::App*) { return true; })) {
        shape.commands.push_back(below->get_name());
    }
    return shape;
}

}  // namespace

std::vector<CommandShape> program_shape() {
    const CommandLine line;
    std::vector<CommandShape> shapes{shape_of(line.app())};
    for (const auto* command : all_commands()) {
        const auto* app = &line.app();
        for (const auto& word : CLI::detail::split(std::string{command->name}, ' ')) {
            app = app->get_subcommand(word);
        }
        auto& shape = shapes.emplace_back(shape_of(*app));
        shape.command = command;
        shape.name = command->name;
    }
    return shapes;
}

}  // namespace xa_tm::cli

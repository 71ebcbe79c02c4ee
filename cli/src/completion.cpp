#include "completion.h"

#include <algorithm>
#include <map>
#include <memory>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "commands.h"
#include "text.h"

namespace xa_tm::cli {
namespace {

/// What a shell offers for a value or an argument.
enum class Offer { nothing, files, folders, choices };

Offer offer_of(const OptionShape& option, std::string_view value) {
    if (!option.choices.empty()) {
        return Offer::choices;
    }
    return value.starts_with("FILE")  ? Offer::files
           : value.starts_with("DIR") ? Offer::folders
                                      : Offer::nothing;
}

Offer offer_of_value(const OptionShape& option) {
    return offer_of(option, option.value);
}

Offer offer_of_argument(const OptionShape& argument) {
    return offer_of(argument, argument.names.front());
}

/// As one word of a shell, with these replacements inside.
std::string quoted(std::string_view text, const std::map<char, std::string_view>& replaced) {
    std::string word = "'";
    for (const char c : text) {
        const auto found = replaced.find(c);
        word += found == replaced.end() ? std::string{c} : std::string{found->second};
    }
    return word + "'";
}

std::string last_word(std::string_view name) {
    const auto space = name.rfind(' ');
    return std::string{space == std::string_view::npos ? name : name.substr(space + 1)};
}

/// The shapes of the commands right below `name`.
std::vector<const CommandShape*> below(const std::vector<CommandShape>& shapes,
                                       const std::string& name) {
    std::vector<const CommandShape*> found;
    for (const auto& shape : shapes) {
        const auto space = shape.name.rfind(' ');
        const auto parent = space == std::string::npos ? "" : shape.name.substr(0, space);
        if (shape.command != nullptr && parent == name) {
            found.push_back(&shape);
        }
    }
    return found;
}

// ---- bash

/// "'list --config' | 'show --config'": the option behind its command.
std::string bash_places(const std::vector<CommandShape>& shapes, Offer offer) {
    std::vector<std::string> places;
    for (const auto& shape : shapes) {
        for (const auto& option : shape.options) {
            if (!option.value.empty() && !option.is_value_optional &&
                offer_of_value(option) == offer) {
                for (const auto& name : option.names) {
                    places.push_back(fmt::format("'{} {}'", shape.name, name));
                }
            }
        }
    }
    return fmt::format("{}", fmt::join(places, " | "));
}

std::string bash_values(const std::vector<CommandShape>& shapes) {
    std::string cases;
    const auto add = [&](Offer offer, std::string_view does) {
        const auto places = bash_places(shapes, offer);
        if (!places.empty()) {
            cases += fmt::format("    {})\n        {}return ;;\n", places, does);
        }
    };
    add(Offer::files, "_xa_recover_paths -f; ");
    add(Offer::folders, "_xa_recover_paths -d; ");
    add(Offer::nothing, "");
    for (const auto& shape : shapes) {
        for (const auto& option : shape.options) {
            if (!option.value.empty() && !option.choices.empty()) {
                for (const auto& name : option.names) {
                    cases += fmt::format(
                        "    '{} {}')\n        mapfile -t COMPREPLY < <(compgen -W '{}' -- "
                        "\"$current\"); return ;;\n",
                        shape.name, name, fmt::join(option.choices, " "));
                }
            }
        }
    }
    return cases;
}

std::string bash_words(const CommandShape& shape) {
    auto words = shape.commands;
    std::vector<std::string> options;
    std::string paths;
    for (const auto& argument : shape.arguments) {
        words.insert(words.end(), argument.choices.begin(), argument.choices.end());
        switch (offer_of_argument(argument)) {
            case Offer::files: paths = "-f"; break;
            case Offer::folders: paths = "-d"; break;
            case Offer::nothing:
            case Offer::choices: break;
        }
    }
    for (const auto& option : shape.options) {
        options.insert(options.end(), option.names.begin(), option.names.end());
    }
    return fmt::format("    '{}')\n        words='{}' options='{}' paths={} ;;\n", shape.name,
                       fmt::join(words, " "), fmt::join(options, " "), paths);
}

std::string bash_completion(const std::vector<CommandShape>& shapes) {
    std::vector<std::string> names;
    std::string words;
    for (const auto& shape : shapes) {
        if (shape.command != nullptr) {
            names.push_back(fmt::format("'{}'", shape.name));
        }
        words += bash_words(shape);
    }
    return fmt::format(R"(# bash completion of xa-recover, made by `xa-recover completion bash`

_xa_recover_paths() {{
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen "$1" -- "$current")
}}

_xa_recover() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD - 1]}}
    local command='' words='' options='' paths='' longer i
    COMPREPLY=()
    # Bash takes --option=value for three words.
    if [[ $current == = ]]; then
        current=
    elif [[ $previous == = ]]; then
        previous=${{COMP_WORDS[COMP_CWORD - 2]}}
    fi
    for ((i = 1; i < COMP_CWORD; ++i)); do
        longer="${{command:+$command }}${{COMP_WORDS[i]}}"
        case $longer in
        {})
            command=$longer ;;
        esac
    done
    case "$command $previous" in
{}    esac
    case $command in
{}    esac
    if [[ $current == -* || -z $words$paths ]]; then
        words=$options
    elif [[ -n $paths ]]; then
        _xa_recover_paths "$paths"
        return
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}}

complete -F _xa_recover xa-recover
)",
                       fmt::join(names, " | "), bash_values(shapes), words);
}

// ---- zsh

/// Inside single quotes, where _arguments and _describe give : [ ] \ a meaning.
std::string zsh_quoted(std::string_view text) {
    return quoted(text,
                  {{'\'', R"('\'')"}, {':', "\\:"}, {'[', "\\["}, {']', "\\]"}, {'\\', "\\\\"}});
}

std::string zsh_function(std::string_view name) {
    std::string function = "_xa_recover";
    if (!name.empty()) {
        function += "_" + std::string{name};
        std::ranges::replace(function, ' ', '_');
        std::ranges::replace(function, '-', '_');
    }
    return function;
}

std::string zsh_action(Offer offer, const OptionShape& option) {
    switch (offer) {
        case Offer::nothing: return " ";
        case Offer::files: return "_files";
        case Offer::folders: return "_files -/";
        case Offer::choices: return fmt::format("({})", fmt::join(option.choices, " "));
    }
    return " ";
}

std::string without_quotes(const std::string& word) {
    return word.substr(1, word.size() - 2);
}

/// One word for _arguments.
std::string zsh_option(const OptionShape& option) {
    const auto about = without_quotes(zsh_quoted(option.about));
    auto tail = fmt::format("[{}]", about);
    if (!option.value.empty()) {
        tail += fmt::format("{}{}:{}", option.is_value_optional ? "::" : ":",
                            without_quotes(zsh_quoted(option.value)),
                            zsh_action(offer_of_value(option), option));
    }
    if (option.names.size() == 1) {
        return fmt::format("'{}{}'", option.names.front(), tail);
    }
    return fmt::format("'({})'{{{}}}'{}'", fmt::join(option.names, " "),
                       fmt::join(option.names, ","), tail);
}

std::string zsh_argument(const OptionShape& argument) {
    return fmt::format("'{}{}:{}'", argument.is_required ? ":" : "::",
                       without_quotes(zsh_quoted(argument.names.front())),
                       zsh_action(offer_of_argument(argument), argument));
}

std::string zsh_completion_of(const std::vector<CommandShape>& shapes, const CommandShape& shape) {
    auto text = fmt::format("{}() {{\n", zsh_function(shape.name));
    const auto commands = below(shapes, shape.name);
    if (!commands.empty()) {
        text += "    local state\n    local -a commands\n    commands=(\n";
        for (const auto* command : commands) {
            text +=
                fmt::format("        {}\n", "'" + last_word(command->name) + ":" +
                                                without_quotes(zsh_quoted(command->about)) + "'");
        }
        text += "    )\n";
    }
    text += commands.empty() ? "    _arguments -s" : "    _arguments -C";
    for (const auto& option : shape.options) {
        text += " \\\n        " + zsh_option(option);
    }
    for (const auto& argument : shape.arguments) {
        text += " \\\n        " + zsh_argument(argument);
    }
    if (!commands.empty()) {
        text +=
            " \\\n        '1:command:->command' '*::argument:->argument'\n    case $state in\n"
            "    command) _describe command commands ;;\n"
            "    argument)\n        case $words[1] in\n";
        for (const auto* command : commands) {
            text += fmt::format("        {}) {} ;;\n", last_word(command->name),
                                zsh_function(command->name));
        }
        text += "        esac ;;\n    esac";
    }
    return text + "\n}\n\n";
}

std::string zsh_completion(const std::vector<CommandShape>& shapes) {
    std::string text = "#compdef xa-recover\n# made by `xa-recover completion zsh`\n\n";
    for (const auto& shape : shapes) {
        text += zsh_completion_of(shapes, shape);
    }
    // Autoloaded from fpath this file is the function itself; sourced it registers it.
    return text +
           "if [[ $funcstack[1] == _xa_recover ]]; then\n    _xa_recover \"$@\"\n"
           "else\n    compdef _xa_recover xa-recover\nfi\n";
}

// ---- fish

std::string fish_quoted(std::string_view text) {
    return quoted(text, {{'\'', "\\'"}, {'\\', "\\\\"}});
}

std::string fish_values(Offer offer, const OptionShape& option) {
    switch (offer) {
        case Offer::nothing: return "";
        case Offer::files: return " -F";
        case Offer::folders: return " -a '(__fish_complete_directories)'";
        case Offer::choices: return fmt::format(" -a '{}'", fmt::join(option.choices, " "));
    }
    return "";
}

std::string fish_option(const OptionShape& option) {
    std::string text;
    for (const auto& name : option.names) {
        text += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
    }
    text += " -d " + fish_quoted(option.about);
    if (!option.value.empty() && !option.is_value_optional) {
        const auto offer = offer_of_value(option);
        text += (offer == Offer::files ? " -r" : " -x") + fish_values(offer, option);
    }
    return text;
}

std::string fish_completion(const std::vector<CommandShape>& shapes) {
    std::vector<std::string> names;
    std::string lines;
    for (const auto& shape : shapes) {
        const auto start =
            fmt::format("complete -c xa-recover -n \"__xa_recover_at '{}'\"", shape.name);
        if (shape.command != nullptr) {
            names.push_back(fmt::format("'{}'", shape.name));
        }
        for (const auto* command : below(shapes, shape.name)) {
            lines += fmt::format("{} -a {} -d {}\n", start, last_word(command->name),
                                 fish_quoted(command->about));
        }
        for (const auto& option : shape.options) {
            lines += start + fish_option(option) + "\n";
        }
        for (const auto& argument : shape.arguments) {
            const auto offer = offer_of_argument(argument);
            if (offer != Offer::nothing) {
                lines += start + fish_values(offer, argument) + "\n";
            }
        }
    }
    return fmt::format(R"(# fish completion of xa-recover, made by `xa-recover completion fish`

function __xa_recover_at
    set -l command ''
    for word in (commandline -opc)[2..]
        set -l longer (string trim -- "$command $word")
        if contains -- "$longer" {}
            set command "$longer"
        end
    end
    test "$command" = "$argv[1]"
end

complete -c xa-recover -f
{})",
                       fmt::join(names, " "), lines);
}

struct CompletionOptions {
    explicit CompletionOptions(CLI::App& app) {
        app.add_option("SHELL", shell, "The shell")
            ->required()
            ->check(CLI::IsMember({"bash", "zsh", "fish"}));
    }

    std::string shell;
};

Run add_options(CLI::App& app) {
    const auto options = std::make_shared<CompletionOptions>(app);
    return [options] {
        write_out(completion_of(options->shell, program_shape()));
        return kNothingInDoubt;
    };
}

}  // namespace

std::string completion_of(std::string_view shell, const std::vector<CommandShape>& shapes) {
    return shell == "bash"  ? bash_completion(shapes)
           : shell == "zsh" ? zsh_completion(shapes)
                            : fish_completion(shapes);
}

constinit const Command kCompletionCommand{
    .name = "completion",
    .about = "Print what completes this program's words in a shell",
    .notes = R"(Prints a script for the shell that is named. An installed xa-recover brings these
scripts to where the shells look for them.)",
    .examples = R"(xa-recover completion bash > /etc/bash_completion.d/xa-recover
xa-recover completion zsh > "${fpath[1]}/_xa-recover"
xa-recover completion fish > ~/.config/fish/completions/xa-recover.fish)",
    .exit_codes = kTextExitCodes,
    .add_options = add_options,
};

}  // namespace xa_tm::cli

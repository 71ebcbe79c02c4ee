#include <memory>
#include <variant>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "commands.h"
#include "datasources.h"
#include "json_document.h"
#include "options.h"
#include "text.h"
#include "xa_tm/error.h"

namespace xa_tm::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr ExitCode kDescribeExitCodes[] = {
    {kNothingInDoubt, "every resource was asked"},
    {kUsage, "wrong usage or configuration"},
    {kUnreadable, "a resource could not be asked"},
};

/// What one resource's server says of itself, or why it says nothing.
struct Described {
    const Datasource* datasource;
    std::variant<ServerDescription, std::string> answer;
};

Described ask(Datasource& datasource) {
    try {
        return {&datasource, datasource.connect({})->describe()};
    } catch (const Error& error) {
        return {&datasource, std::string{error.what()}};
    }
}

std::string as_text(const Described& described) {
    const auto& name = described.datasource->name();
    if (const auto* error = std::get_if<std::string>(&described.answer)) {
        return fmt::format("{}: not described: {}\n", name, printable(*error));
    }
    const auto& description = std::get<ServerDescription>(described.answer);
    auto text = fmt::format("{}: {}\n", name, printable(description.product));
    for (const auto& fact : description.facts) {
        text += fmt::format("  {}: {}\n", printable(fact.name), printable(fact.value));
        if (!fact.meaning.empty()) {
            text += wrapped(as_sentence(fact.meaning), 6);
        }
    }
    return text;
}

Json as_json(const Described& described) {
    Json json{{"name", described.datasource->name()}, {"kind", described.datasource->kind()}};
    if (const auto* error = std::get_if<std::string>(&described.answer)) {
        json["error"] = *error;
        return json;
    }
    const auto& description = std::get<ServerDescription>(described.answer);
    json["error"] = nullptr;
    json["product"] = description.product;
    json["facts"] = Json::array();
    for (const auto& fact : description.facts) {
        json["facts"].push_back(
            {{"name", fact.name}, {"value", fact.value}, {"meaning", fact.meaning}});
    }
    return json;
}

int describe(const Request& request) {
    const auto datasources = make_datasources(request.configuration.resources, request.timeout);
    auto json = Json{{"resources", Json::array()}};
    std::string text;
    bool is_complete = true;
    for (const auto& datasource : datasources) {
        const auto described = ask(*datasource);
        is_complete = is_complete && std::holds_alternative<ServerDescription>(described.answer);
        json["resources"].push_back(as_json(described));
        text += as_text(described);
    }
    write_out(request.is_json ? document(json) : text);
    return is_complete ? kNothingInDoubt : kUnreadable;
}

Run add_options(CLI::App& app) {
    const auto options = std::make_shared<ServerOptions>(app);
    return [options] { return describe(options->request_without_log()); };
}

}  // namespace

constinit const Command kDescribeCommand{
    .name = "describe",
    .about = "Show what each server says of itself",
    .notes = R"(Connects to each resource, asks what it is and how it is set, and says what that
means for global transactions. Needs no log, and changes nothing.)",
    .examples = R"(xa-recover describe --config /etc/shop/xa.toml
xa-recover describe --resource users=postgresql:///users --json)",
    .exit_codes = kDescribeExitCodes,
    .add_options = add_options,
};

}  // namespace xa_tm::cli

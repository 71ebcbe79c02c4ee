#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "commands.h"
#include "datasources.h"
#include "json_document.h"
#include "log_view.h"
#include "look.h"
#include "render_json.h"
#include "render_script.h"
#include "report_view.h"
#include "server_place.h"
#include "text.h"
#include "xa_tm/error.h"

namespace xa_tm::cli {
namespace {

using Json = nlohmann::ordered_json;

struct Wanted {
    /// Only this transaction, unless empty.
    std::string gtrid;
    /// Only the server of this resource, unless empty.
    std::string resource;
    /// Standard output when empty.
    std::string file;
};

/// What a server is decides how its list is asked for, and how careful one has to be; one that is
/// down is asked in a way that all understand.
ServerDescription description_of(Datasource& datasource) {
    try {
        return datasource.describe();
    } catch (const Error&) {
        return {};
    }
}

bool keeps_branches(const ServerDescription& description) {
    return std::ranges::none_of(description.facts, [](const ServerFact& fact) {
        return fact.name == "xa_detach_on_prepare" && fact.value == "ON";
    });
}

std::vector<ScriptServer> servers_of(const Request& request, const std::string& only_resource) {
    std::vector<ScriptServer> servers;
    const auto& resources = request.configuration.resources;
    const auto datasources = make_datasources(resources, request.timeout);
    for (std::size_t i = 0; i < resources.size(); ++i) {
        if (only_resource.empty() || resources[i].name == only_resource) {
            auto description = description_of(*datasources[i]);
            servers.push_back({.resource = resources[i].name,
                               .kind = std::string{datasources[i]->kind()},
                               .client = client_command(resources[i], description.product),
                               .product = std::move(description.product),
                               .keeps_branches = keeps_branches(description)});
        }
    }
    if (servers.empty()) {
        throw ConfigurationError{
            fmt::format("--at {}: there is no resource of that name", only_resource)};
    }
    return servers;
}

/// Before the look: a decision that comes in between counts as one that is not known to be durable.
std::set<std::string, std::less<>> durable_decisions(const std::filesystem::path& log) {
    std::set<std::string, std::less<>> gtrids;
    for (const auto& entry : entries_of(recovery_log::read_log(log))) {
        if (const auto* decision = entry.decision(); decision && entry.is_known_durable) {
            gtrids.insert(decision->gtrid);
        }
    }
    return gtrids;
}

Json script_json(const ScriptFacts& facts) {
    Json json{{"log", report_json(facts.report)["log"]},
              {"session_queries", Json::array()},
              {"statements", Json::array()},
              {"left_out", Json::array()}};
    for (const auto& query : script_session_queries(facts)) {
        json["session_queries"].push_back({{"resource", query.resource}, {"sql", query.sql}});
    }
    for (const auto& omission : script_omissions(facts)) {
        json["left_out"].push_back({{"gtrid", omission.gtrid}, {"reason", omission.reason}});
    }
    for (const auto& statement : script_statements(facts)) {
        json["statements"].push_back({{"resource", statement.resource},
                                      {"gtrid", statement.gtrid},
                                      {"action", to_string(statement.action)},
                                      {"sql", statement.sql}});
    }
    return json;
}

void write(const std::string& text, const std::string& file) {
    if (file.empty()) {
        write_out(text);
        return;
    }
    std::ofstream stream{file};
    stream << text;
    stream.close();
    if (!stream) {
        throw std::system_error{errno, std::generic_category(), "can't write " + file};
    }
}

int script(const Request& request, const Wanted& wanted) {
    auto durable = durable_decisions(request.configuration.log);
    auto report = wanted.gtrid.empty() ? look(request) : look_for(request, wanted.gtrid);
    if (!report) {
        return kUnreadable;
    }
    const ScriptFacts facts{.report = *std::move(report),
                            .servers = servers_of(request, wanted.resource),
                            .durable_decisions = std::move(durable)};
    write(request.is_json ? document(script_json(facts)) : render_script(facts), wanted.file);
    return exit_code_of(facts.report);
}

struct ScriptOptions {
    explicit ScriptOptions(CLI::App& app) : server{app} {
        app.add_option("--only", wanted.gtrid, "Only this transaction")->type_name("GTRID");
        app.add_option("--at", wanted.resource, "Only the server of this resource")
            ->type_name("NAME");
        app.add_option("-o,--output", wanted.file, "Where to write it; default: standard output")
            ->type_name("FILE");
    }

    ServerOptions server;
    Wanted wanted;
};

Run add_options(CLI::App& app) {
    const auto options = std::make_shared<ScriptOptions>(app);
    return [options] { return script(options->server.request(), options->wanted); };
}

}  // namespace

constinit const Command kScriptCommand{
    .name = "script",
    .about = "Write what resolve would do as SQL, for a person at the servers",
    .notes = R"(For a database administrator who has the servers' own clients and not this
program. One block a server: how to connect and as whom, the list to look at first
and afterwards, and the statement for each branch. What waits for a person stands
there in comments, with the reason. Executes nothing, and beside a live owner of the
log the script has no statement. A commit by a decision that may be in memory alone
stands in comments: `xa-recover resolve` and the application force it to the disk.
The log keeps its decisions until `xa-recover resolve` or the application has run.)",
    .examples = R"(xa-recover script --config /etc/shop/xa.toml -o finish.sql
xa-recover script --config /etc/shop/xa.toml --at users | psql users
xa-recover script --config /etc/shop/xa.toml --only shop-1:91b52e0c7a14d3f8:7:42)",
    .exit_codes = kExitCodes,
    .add_options = add_options,
};

}  // namespace xa_tm::cli

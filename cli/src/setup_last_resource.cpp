#include <algorithm>
#include <memory>
#include <string>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "commands.h"
#include "datasources.h"
#include "options.h"
#include "render_doctor.h"
#include "text.h"
#include "xa_tm/error.h"

namespace xa_tm::cli {
namespace {

constexpr ExitCode kSetupExitCodes[] = {
    {kNothingInDoubt, "every table is there and can be used"},
    {kUsage, "wrong usage or configuration; nothing was changed"},
    {kUnreadable, "a table could not be created or asked for, or can't be used as it is"},
};

/// The one of this name, or all of the configuration that keep rows.
std::vector<Resource> wanted_of(std::vector<Resource> resources, const std::string& name,
                                bool has_witness) {
    std::erase_if(resources, [&name](const Resource& resource) {
        return name.empty() ? !resource.is_last_resource && !resource.has_witness
                            : resource.name != name;
    });
    if (resources.empty() && name.empty()) {
        throw ConfigurationError{
            "no last resource is configured; give its NAME, or set last_resource = true or "
            "witness = true in the configuration file"};
    }
    if (resources.empty()) {
        throw ConfigurationError{
            fmt::format("there is no resource {}; add --resource {}=URI, or --config FILE with it",
                        name, name)};
    }
    for (auto& resource : resources) {
        resource.is_last_resource = true;
        resource.has_witness = resource.has_witness || has_witness;
    }
    return resources;
}

Checked set_up(Datasource& datasource, bool only_checks) {
    Checked checked{.name = datasource.name(), .kind = std::string{datasource.kind()}};
    try {
        if (!only_checks) {
            datasource.set_up_decision_table();
        }
        auto description = datasource.describe();
        checked.product = std::move(description.product);
        checked.facts = std::move(description.last_resource);
    } catch (const Error& error) {
        checked.facts.push_back({"decision table",
                                 only_checks ? "could not be asked for" : "could not be set up",
                                 error.what(), Severity::bad});
    }
    return checked;
}

int set_up_last_resources(const Request& request, const std::string& name, bool only_checks,
                          bool has_witness) {
    const auto resources = wanted_of(request.configuration.resources, name, has_witness);
    LastResources found;
    for (const auto& datasource : make_datasources(resources, request.timeout)) {
        found.resources.push_back(set_up(*datasource, only_checks));
    }
    write_out(request.is_json ? render_last_resources_json(found)
                              : render_last_resources(found, wants_colour()));
    return found.are_ready() ? kNothingInDoubt : kUnreadable;
}

struct SetupOptions {
    explicit SetupOptions(CLI::App& app) : server{app} {
        app.add_flag("--check", only_checks, "Only look; change nothing");
        app.add_flag("--witness", has_witness, "Also the tables of witness rows");
        app.add_option("NAME", name,
                       "Only this resource, also where the file does not\n"
                       "call it a last resource");
    }

    ServerOptions server;
    bool only_checks = false;
    bool has_witness = false;
    std::string name;
};

Run add_options(CLI::App& app) {
    const auto options = std::make_shared<SetupOptions>(app);
    return [options] {
        return set_up_last_resources(options->server.request_with_or_without_log(), options->name,
                                     options->only_checks, options->has_witness);
    };
}

}  // namespace

constinit const Command kSetupLastResourceCommand{
    .name = "setup-last-resource",
    .about = "Create the decision table of a last resource",
    .notes = R"(A last resource commits in one phase, with the decision as a row of its table
xa_tm_decision. The command creates that table where it is missing, in the database of
the URI, and shows whether the user can work with it. A table that is there is left as
it is, so the command may be repeated. To create it, the user needs that right only
once: run the command as another user then, and grant insert, select and delete.

On MySQL and MariaDB a resource with witness = true also gets the tables of its witness
rows, xa_tm_witness and xa_tm_witness_removed. The user needs insert, select and delete
on the first one, and insert, select and update on the second one.)",
    .examples = R"(xa-recover setup-last-resource --config /etc/shop/xa.toml
xa-recover setup-last-resource users --resource users=postgresql:///users --check)",
    .exit_codes = kSetupExitCodes,
    .add_options = add_options,
};

}  // namespace xa_tm::cli

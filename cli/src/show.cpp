#include <cstdio>
#include <memory>
#include <string>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "commands.h"
#include "look.h"
#include "report_view.h"

namespace xa_tm::cli {
namespace {

constexpr ExitCode kShowExitCodes[] = {
    {kNothingInDoubt, "the transaction is live or foreign"},
    {kInDoubt, "the transaction is in doubt"},
    {kUsage,
     "wrong usage or configuration; or everything could be read and nothing knows the "
     "transaction: it has finished, or it was never here"},
    {kUnreadable, "the log or a resource could not be read, so it may be in doubt there"},
};

int show(const Request& request, std::string_view gtrid) {
    const auto report = only(look(request), gtrid);
    if (!report.transactions.empty()) {
        print(report, request, {.has_details = true});
        return exit_code_of(report);
    }
    for (const auto& resource : report.resources) {
        if (!resource.is_reachable) {
            fmt::print(stderr, "xa-recover: {} could hide the transaction: {}\n", resource.name,
                       resource.error);
        }
    }
    if (!report.is_complete()) {
        return kUnreadable;
    }
    throw ConfigurationError{
        fmt::format("no transaction {} is in doubt: it has finished, or its gtrid is another; "
                    "`xa-recover list` "
                    "shows all",
                    gtrid)};
}

struct ShowOptions {
    explicit ShowOptions(CLI::App& app) : server{app} {
        app.add_option("GTRID", gtrid, "The transaction, as `list` names it")->required();
    }

    ServerOptions server;
    std::string gtrid;
};

Run add_options(CLI::App& app) {
    const auto options = std::make_shared<ShowOptions>(app);
    return [options] { return show(options->server.request(), options->gtrid); };
}

}  // namespace

constinit const Command kShowCommand{
    .name = "show",
    .about = "Show one transaction in detail",
    .notes = "",
    .examples = R"(xa-recover show shop-1:91b52e0c7a14d3f8:7:42 --config /etc/shop/xa.toml)",
    .exit_codes = kShowExitCodes,
    .add_options = add_options,
};

}  // namespace xa_tm::cli

#include <memory>
#include <string>

#include <CLI/CLI.hpp>

#include "commands.h"
#include "look.h"
#include "report_view.h"

namespace xa_tm::cli {
namespace {

int show(const Request& request, std::string_view gtrid) {
    const auto report = look_for(request, gtrid);
    if (!report) {
        return kUnreadable;
    }
    print(*report, request, {.has_details = true});
    return exit_code_of(*report);
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
    .exit_codes = kTransactionExitCodes,
    .add_options = add_options,
};

}  // namespace xa_tm::cli

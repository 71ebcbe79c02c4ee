#include <algorithm>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "commands.h"
#include "datasources.h"
#include "json_document.h"
#include "look.h"
#include "render_explanation.h"
#include "report_view.h"
#include "text.h"
#include "xa_tm/branch_examination.h"
#include "xa_tm/error.h"
#include "xa_tm/recovery_log/recovery_log.h"

namespace xa_tm::cli {
namespace {

ExaminedBranch examine(const RecoveryBranch& branch, Datasource& datasource,
                       std::chrono::milliseconds timeout) {
    try {
        if (branch.state == RecoveredState::prepared && branch.xid) {
            auto examination = examine_branch(datasource, *branch.xid, timeout);
            return {.server = std::move(examination.server),
                    .holdings = std::move(examination.holdings)};
        }
        return {.server = datasource.connect({})->server_identity()};
    } catch (const Error& error) {
        return {.error = error.what()};
    }
}

std::vector<ExaminedBranch> examine(const RecoveryTransaction& transaction,
                                    std::span<const std::unique_ptr<Datasource>> datasources,
                                    std::chrono::milliseconds timeout) {
    std::vector<ExaminedBranch> examined;
    for (const auto& branch : transaction.branches) {
        const auto found =
            std::ranges::find_if(datasources, [&](const std::unique_ptr<Datasource>& datasource) {
                return datasource->name() == branch.resource;
            });
        // Why a resource is not reachable stands in the branch's reason already.
        const bool is_asked =
            found != datasources.end() && branch.state != RecoveredState::unreachable;
        examined.push_back(is_asked ? examine(branch, **found, timeout) : ExaminedBranch{});
    }
    return examined;
}

/// A gtrid that is not ours is shown in hexadecimal, and its orders have the bytes.
std::vector<LogEntry> entries_about(std::string_view gtrid, const std::filesystem::path& log) {
    auto entries = entries_of(recovery_log::read_log(log));
    std::erase_if(entries, [&](const LogEntry& entry) {
        return !entry.record || entry.gtrid().empty() ||
               (entry.gtrid() != gtrid && to_hex(entry.gtrid()) != gtrid);
    });
    return entries;
}

int explain(const Request& request, const std::string& gtrid) {
    auto report = look_for(request, gtrid);
    if (!report) {
        return kUnreadable;
    }
    Explanation explanation{.report = *std::move(report),
                            .entries = entries_about(gtrid, request.configuration.log),
                            .examined = {}};
    const auto datasources = make_datasources(request.configuration.resources, request.timeout);
    for (const auto& transaction : explanation.report.transactions) {
        explanation.examined.push_back(examine(transaction, datasources, request.timeout));
    }
    write_out(request.is_json ? document(explanation_json(explanation))
                              : render_explanation(explanation, wants_colour()));
    return exit_code_of(explanation.report);
}

struct ExplainOptions {
    explicit ExplainOptions(CLI::App& app) : server{app} {
        app.add_option("GTRID", gtrid, "The transaction, as `list` names it")->required();
    }

    ServerOptions server;
    std::string gtrid;
};

Run add_options(CLI::App& app) {
    const auto options = std::make_shared<ExplainOptions>(app);
    return [options] { return explain(options->server.request(), options->gtrid); };
}

}  // namespace

constinit const Command kExplainCommand{
    .name = "explain",
    .about = "Say what is known of one transaction, whom it blocks, and what to do",
    .notes = R"(Shows the evidence: what the log holds, what each branch's server says now and
whether it is the one that prepared the branch, which locks it holds and which
sessions wait for them. Then the one command to type next; where only a person can
decide, what to compare, and the command for each outcome. Changes nothing.)",
    .examples = R"(xa-recover explain shop-1:91b52e0c7a14d3f8:7:42 --config /etc/shop/xa.toml
xa-recover explain shop-1:91b52e0c7a14d3f8:7:42 --config /etc/shop/xa.toml --json)",
    .exit_codes = kTransactionExitCodes,
    .add_options = add_options,
};

}  // namespace xa_tm::cli

// What persons have done: orders, and repairs of the log.

#include <memory>

#include <CLI/CLI.hpp>

#include "commands.h"
#include "configuration.h"
#include "log_view.h"
#include "options.h"
#include "render_audit.h"
#include "text.h"
#include "xa_tm/operator_desk.h"

namespace xa_tm::cli {
namespace {

int audit(const LogRequest& request) {
    const auto log = recovery_log::inspect_log(request.directory);
    if (log.id) {
        check_node(request.directory, request.node, log.node);
    }
    if (log.error) {
        throw recovery_log::LogError{*log.error};
    }
    const Audit audit{
        .log = header_of(log), .acts = operator_acts(request.directory), .notes = log.notes};
    write_out(request.is_json ? render_audit_json(audit) : render_audit(audit, wants_colour()));
    return kNothingInDoubt;
}

struct AuditOptions {
    explicit AuditOptions(CLI::App& app) : log{app} { log.add_directory(app); }

    LogOptions log;
};

Run add_options(CLI::App& app) {
    const auto options = std::make_shared<AuditOptions>(app);
    return [options] { return audit(options->log.request()); };
}

}  // namespace

constinit const Command kAuditCommand{
    .name = "audit",
    .about = "Show what persons have ordered",
    .notes = R"(Every `commit`, `rollback` and `forget` that was given, with who, when, why, and the
rule that was overridden; and every repair of the log. Asks no server, takes no lock,
and may run beside the application.)",
    .examples = R"(xa-recover audit --config /etc/shop/xa.toml
xa-recover audit /var/lib/shop/xa --json)",
    .exit_codes = kLogExitCodes,
    .add_options = add_options,
};

}  // namespace xa_tm::cli

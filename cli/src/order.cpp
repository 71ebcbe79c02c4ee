// commit, rollback and forget: one order each, told apart by its verb alone. Invariants:
// - the log is not taken before the rules, judged by a look without it, permit the order; the desk
//   judges it once more as the owner;
// - a refusal is told in full: which rule, what would follow, and what to type to go on.

#include <memory>

#include <CLI/CLI.hpp>

#include "commands.h"
#include "configuration.h"
#include "look.h"
#include "operator_name.h"
#include "render_order.h"
#include "take_over.h"
#include "text.h"

namespace xa_tm::cli {
namespace {

constexpr ExitCode kOrderExitCodes[] = {
    {kNothingInDoubt, "it is done; with --dry-run: it would be permitted"},
    {kInDoubt, "it is not permitted and nothing was done, or not every branch has ended so"},
    {kUsage, "wrong usage or configuration; nothing was done"},
    {kUnreadable,
     "the log could not be read or written, or a resource could not be reached; "
     "nothing was done"},
};

struct OrderOptions {
    explicit OrderOptions(CLI::App& app) : server{app} {
        app.add_option("GTRID", order.gtrid, "The transaction, as `list` names it")->required();
        app.add_option("--reason", order.reason, "Why, for the log; a must to do it")
            ->type_name("TEXT");
        app.add_option("--only", order.resource, "Only its branch at this resource")
            ->type_name("NAME");
        app.add_flag("--dry-run", is_dry_run, "Only show what the rules say");
    }

    void add_force(CLI::App& app) {
        app.add_flag("--force", order.is_forced, "Do it against the rule that was shown");
    }
    void add_confirmation(CLI::App& app) {
        app.add_option("--confirm", order.confirmation,
                       "The code under the consequences that\nwere shown")
            ->type_name("CODE");
    }

    ServerOptions server;
    Order order{.verb = OrderVerb::commit, .gtrid = {}, .reason = {}, .who = {}};
    bool is_dry_run = false;
};

int print(const Request& request, const OrderView& view) {
    write_out(request.is_json ? render_order_json(view) : render_order(view, wants_colour()));
    const bool is_as_wanted =
        view.is_dry_run ? is_permitted(view.order, view.result.verdict) : is_carried_out(view);
    return is_as_wanted ? kNothingInDoubt : kInDoubt;
}

void check_reason(const OrderOptions& options) {
    if (options.order.reason.empty() && !options.is_dry_run) {
        throw ConfigurationError{
            "say why with --reason TEXT, which the log keeps; --dry-run shows "
            "what the rules say without one"};
    }
}

int carry_out(const OrderOptions& options) {
    check_reason(options);
    const auto request = options.server.request();
    auto order = options.order;
    order.who = operator_name();
    return look_and_act([&] {
        const auto report = look(request);
        OrderResult result{.verdict = judge(order, report)};
        if (!options.is_dry_run && is_permitted(order, result.verdict)) {
            const auto manager = take_over(request, report.log.node);
            result = OperatorDesk{*manager}.carry_out(order);
        }
        return print(request, {.order = order,
                               .result = result,
                               .is_dry_run = options.is_dry_run,
                               .options = options.server.as_typed()});
    });
}

Run run_of(std::shared_ptr<OrderOptions> options) {
    return [options = std::move(options)] { return carry_out(*options); };
}

Run add_commit_options(CLI::App& app) {
    const auto options = std::make_shared<OrderOptions>(app);
    options->order.verb = OrderVerb::commit;
    options->add_force(app);
    options->add_confirmation(app);
    return run_of(options);
}

Run add_rollback_options(CLI::App& app) {
    const auto options = std::make_shared<OrderOptions>(app);
    options->order.verb = OrderVerb::rollback;
    options->add_force(app);
    options->add_confirmation(app);
    return run_of(options);
}

Run add_forget_options(CLI::App& app) {
    const auto options = std::make_shared<OrderOptions>(app);
    options->order.verb = OrderVerb::forget;
    options->add_force(app);
    return run_of(options);
}

}  // namespace

constinit const Command kCommitCommand{
    .name = "commit",
    .about = "Commit one transaction, or one branch of it",
    .notes = R"(For what `resolve` leaves to a person: orphans of a lost log, other transaction
managers' branches, branches at a server that was put back. Where a rule speaks
against it, it says which one and what may follow, and does nothing without --force
or, where data would be torn, --confirm CODE. The order is written to the log before
it is done.)",
    .examples =
        R"(xa-recover commit shop-1:91b52e0c7a14d3f8:7:42 --dry-run --config /etc/shop/xa.toml
xa-recover commit shop-1:91b52e0c7a14d3f8:7:42 --force --reason 'paid, see ticket 7' \
                  --config /etc/shop/xa.toml)",
    .exit_codes = kOrderExitCodes,
    .add_options = add_commit_options,
};

constinit const Command kRollbackCommand{
    .name = "rollback",
    .about = "Roll back one transaction, or one branch of it",
    .notes = R"(As `commit`. A rollback against a logged decision to commit tears the transaction:
every consequence is spelled out, and it is done only with the code that stands
under them. The log keeps such a branch as a heuristic outcome until `forget`.)",
    .examples =
        R"(xa-recover rollback shop-1:91b52e0c7a14d3f8:7:42 --dry-run --config /etc/shop/xa.toml
xa-recover rollback 6f7264657273 --only points --force --reason 'its owner is gone' \
                    --config /etc/shop/xa.toml)",
    .exit_codes = kOrderExitCodes,
    .add_options = add_rollback_options,
};

constinit const Command kForgetCommand{
    .name = "forget",
    .about = "Acknowledge a heuristic outcome",
    .notes = R"(Takes a transaction out of the log of which a branch did not end as it was to, or of
which nobody knows how a branch ended: when a person has compared the data. Refused
while a branch of it is not finished.)",
    .examples =
        R"(xa-recover forget shop-1:91b52e0c7a14d3f8:7:42 --reason 'data mended, ticket 7' \
                  --config /etc/shop/xa.toml)",
    .exit_codes = kOrderExitCodes,
    .add_options = add_forget_options,
};

}  // namespace xa_tm::cli

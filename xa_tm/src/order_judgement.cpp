// What the rules say to a person's order. Invariants:
// - nothing but the order and the report decides;
// - what the report can't tell, because a resource could not be read, is a consequence and never
//   left out (law 7);
// - an order that may tear a transaction by what recovery will do by itself afterwards has to be
//   confirmed, not just forced: whoever confirms has seen every consequence.

#include <algorithm>
#include <cstdint>
#include <set>

#include <fmt/format.h>

#include "global_id.h"
#include "xa_tm/operator_desk.h"

namespace xa_tm {
namespace {

/// One branch with what recovery makes of its transaction.
struct Known {
    TransactionState state;
    const RecoveryBranch* branch;
};

/// What an order is about.
struct Scope {
    std::vector<Known> chosen;
    /// The other branches of the transaction that are known.
    std::vector<Known> others;
};

Scope scope_of(const Order& order, const RecoveryReport& report) {
    Scope scope;
    for (const auto& transaction : report.transactions) {
        if (transaction.gtrid != order.gtrid) {
            continue;
        }
        for (const auto& branch : transaction.branches) {
            const bool is_chosen = order.resource.empty() || branch.resource == order.resource;
            (is_chosen ? scope.chosen : scope.others).push_back({transaction.state, &branch});
        }
    }
    return scope;
}

/// Nothing for a branch that is not ours.
std::optional<BranchId> branch_id(const RecoveryBranch& branch) {
    const bool is_ours = branch.xid && branch.xid->format_id == kFormatId &&
                         parse_gtrid(branch.xid->gtrid).has_value();
    return is_ours ? parse_bqual(branch.xid->bqual) : std::nullopt;
}

/// "the branch users:1 at users".
std::string name_of(const RecoveryBranch& branch) {
    return branch_id(branch)
               ? fmt::format("the branch {} at {}", branch.xid->bqual, branch.resource)
               : fmt::format("the branch at {}", branch.resource);
}

/// Prepared at its server, also when the log says that it ended otherwise.
bool is_listed(const RecoveryBranch& branch) {
    return branch.state == RecoveredState::prepared ||
           (branch.state == RecoveredState::heuristic && !branch.name.empty());
}

std::vector<Known> prepared_of(const std::vector<Known>& all) {
    std::vector<Known> prepared;
    std::ranges::copy_if(all, std::back_inserter(prepared),
                         [](const Known& known) { return is_listed(*known.branch); });
    return prepared;
}

Verdict refused(std::string why) {
    return {.permission = Permission::refused, .why = std::move(why)};
}

std::string hidden_by(const RecoveryReport& report) {
    std::string text;
    for (const auto& resource : report.resources) {
        if (!resource.is_reachable) {
            text += fmt::format("; resource {} could not be read and may hide it", resource.name);
        }
    }
    return text;
}

std::string places_of(const std::vector<Known>& all) {
    std::vector<std::string> names;
    for (const auto& known : all) {
        names.push_back(known.branch->resource);
    }
    return fmt::format("{}", fmt::join(names, ", "));
}

bool is_configured(const RecoveryReport& report, const std::string& resource) {
    return std::ranges::find(report.resources, resource, &RecoveryResource::name) !=
           report.resources.end();
}

/// Names of other programs' transactions, or another format of xids, may show the same.
bool is_one_transaction(const std::vector<Known>& all) {
    const auto is_other = [&](const Known& known) {
        const auto& first = all.front().branch->xid;
        const auto& xid = known.branch->xid;
        return first.has_value() != xid.has_value() ||
               (xid && (xid->format_id != first->format_id || xid->gtrid != first->gtrid));
    };
    return std::ranges::none_of(all, is_other);
}

/// What stands against any order; nothing when nothing does.
std::optional<Verdict> judge_scope(const Order& order, const Scope& scope,
                                   const RecoveryReport& report) {
    if (scope.chosen.empty() && scope.others.empty()) {
        return refused(
            fmt::format("no transaction {} is known: it has finished, or its gtrid is another{}",
                        order.gtrid, hidden_by(report)));
    }
    if (scope.chosen.empty()) {
        return refused(fmt::format("it has no branch at {} that is known; its branches are at {}{}",
                                   order.resource, places_of(scope.others), hidden_by(report)));
    }
    if (!is_one_transaction(scope.chosen)) {
        return refused(fmt::format(
            "different transactions show as {}, so the order would be about all of them: name the "
            "resource of one, or finish it at its server",
            order.gtrid));
    }
    const auto live = std::ranges::find(scope.chosen, TransactionState::live, &Known::state);
    if (live != scope.chosen.end()) {
        return refused(
            fmt::format("law 5, only the dead: {}; only that process can know whether "
                        "it commits, so stop it first, and then look again",
                        live->branch->reason));
    }
    if (report.log.owner) {
        return refused(
            fmt::format("pid {} on {} owns the log, and only its owner acts: leave it "
                        "to that process, or stop it first",
                        report.log.owner->pid, report.log.owner->host));
    }
    for (const auto& known : scope.chosen) {
        if (!known.branch->xid) {
            return refused(
                "what the server holds is no xid, so that no XA verb can finish it: "
                "finish it in the server's own words");
        }
        const auto id = branch_id(*known.branch);
        const bool is_of_another_log =
            known.state == TransactionState::lost_log || known.state == TransactionState::foreign;
        if (id && !is_of_another_log && !is_configured(report, id->resource)) {
            return refused(
                fmt::format("{} belongs to resource {}, which is not configured here: add it",
                            name_of(*known.branch), id->resource));
        }
    }
    return std::nullopt;
}

/// What becomes, or may have become, of a branch that the order does not touch.
std::string fate_of(const Known& known, OrderVerb verb) {
    const auto& branch = *known.branch;
    const auto name = name_of(branch);
    switch (branch.state) {
        case RecoveredState::prepared:
            switch (known.state) {
                case TransactionState::commit_decided:
                    return fmt::format("{} stays prepared, and recovery will commit it", name);
                case TransactionState::presumed_abort:
                    return fmt::format("{} stays prepared, and recovery will roll it back", name);
                case TransactionState::live:
                case TransactionState::lost_log:
                case TransactionState::quarantined:
                case TransactionState::at_last_resource:
                case TransactionState::restored:
                case TransactionState::heuristic:
                case TransactionState::foreign: break;
            }
            return fmt::format("{} stays prepared and holds its locks", name);
        case RecoveredState::absent:
            return fmt::format("{} is not prepared any more: most likely it has committed", name);
        case RecoveredState::unreachable:
            return fmt::format(
                "{} could not be asked: it may have committed, or be prepared still and {} when "
                "its server answers again",
                name,
                known.state == TransactionState::commit_decided ? "be committed"
                : verb == OrderVerb::commit                     ? "be rolled back"
                                                                : "wait");
        case RecoveredState::committed:
        case RecoveredState::finished: return fmt::format("{} has committed", name);
        case RecoveredState::rolled_back: return fmt::format("{} was rolled back", name);
        case RecoveredState::heuristic:
            return fmt::format("{} ended with {}", name,
                               to_string(branch.heuristic.value_or(XaCode::heurhaz)));
    }
    return name;
}

std::vector<Known> untouched(const Scope& scope) {
    auto all = scope.others;
    std::ranges::copy_if(scope.chosen, std::back_inserter(all),
                         [](const Known& known) { return !is_listed(*known.branch); });
    return all;
}

void add_untouched(const Scope& scope, const RecoveryReport& report, OrderVerb verb,
                   std::vector<std::string>& consequences) {
    std::set<std::string> told;
    for (const auto& known : untouched(scope)) {
        consequences.push_back(fate_of(known, verb));
        told.insert(known.branch->resource);
    }
    for (const auto& resource : report.resources) {
        if (!resource.is_reachable && !told.contains(resource.name)) {
            consequences.push_back(fmt::format(
                "resource {} could not be read: it may hold another branch", resource.name));
        }
    }
}

/// Our branches are numbered from 1, so a number that is missing was a branch once.
void add_missing(const Scope& scope, std::vector<std::string>& consequences) {
    std::set<std::uint32_t> ordinals;
    for (const auto* all : {&scope.chosen, &scope.others}) {
        for (const auto& known : *all) {
            if (const auto id = branch_id(*known.branch)) {
                ordinals.insert(id->ordinal);
            }
        }
    }
    for (std::uint32_t i = 1; !ordinals.empty() && i < *ordinals.rbegin(); ++i) {
        if (!ordinals.contains(i)) {
            consequences.push_back(
                fmt::format("branch number {} of it is prepared nowhere that could be read: it has "
                            "been committed or rolled back, or it had written nothing",
                            i));
        }
    }
}

/// Which rule keeps recovery from doing it by itself.
std::string rule_of(const Known& known, const RecoveryReport& report) {
    const auto resource =
        std::ranges::find(report.resources, known.branch->resource, &RecoveryResource::name);
    switch (known.state) {
        case TransactionState::presumed_abort:
            return "law 3, presumed abort: the log holds no decision, so that other branches of it "
                   "may have been rolled back already";
        case TransactionState::restored:
            return fmt::format("law 7, silence is not an answer: {}",
                               resource != report.resources.end() && !resource->doubt.empty()
                                   ? resource->doubt
                                   : known.branch->reason);
        case TransactionState::quarantined:
            return fmt::format("law 3 does not hold here: {}", known.branch->reason);
        case TransactionState::at_last_resource:
            return fmt::format("law 7, silence is not an answer: {}", known.branch->reason);
        case TransactionState::lost_log:
        case TransactionState::foreign:
            return fmt::format("law 4, only ours: {}", known.branch->reason);
        case TransactionState::commit_decided:
        case TransactionState::heuristic:
        case TransactionState::live: break;
    }
    return known.branch->reason;
}

/// Over exactly what has been shown, so that it can't be given without that; FNV-1a.
std::string code_of(const Order& order, const Verdict& verdict) {
    std::uint64_t hash = 0xcbf29ce484222325;
    const auto add = [&hash](std::string_view text) {
        for (const char c : fmt::format("{}:{}", text.size(), text)) {
            hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
        }
    };
    add(to_string(order.verb));
    add(order.gtrid);
    add(order.resource);
    for (const auto& branch : verdict.branches) {
        add(branch.resource);
        add(std::to_string(branch.xid->format_id));
        add(branch.xid->gtrid);
        add(branch.xid->bqual);
        add(to_string(branch.state));
    }
    for (const auto& consequence : verdict.consequences) {
        add(consequence);
    }
    const auto folded = static_cast<std::uint32_t>(hash ^ (hash >> 32));
    return fmt::format("{:04x}-{:04x}", folded >> 16, folded & 0xFFFFU);
}

Verdict with_code(const Order& order, Verdict verdict) {
    if (verdict.permission == Permission::needs_confirmation) {
        verdict.confirmation = code_of(order, verdict);
    }
    return verdict;
}

/// The stricter one, with its reason.
void tighten(Verdict& verdict, Permission permission, std::string why) {
    if (permission > verdict.permission || verdict.why.empty()) {
        verdict.permission = permission;
        verdict.why = std::move(why);
    }
}

Verdict nothing_prepared(const Scope& scope, const RecoveryReport& report) {
    std::string facts;
    for (const auto& known : scope.chosen) {
        facts += fmt::format("; {} is {}", name_of(*known.branch), to_string(known.branch->state));
    }
    const bool is_heuristic = std::ranges::any_of(scope.chosen, [](const Known& known) {
        return known.branch->state == RecoveredState::heuristic;
    });
    return refused(
        fmt::format("none of its branches is prepared, so there is nothing to finish{}{}{}", facts,
                    hidden_by(report), is_heuristic ? "; `forget` acknowledges it" : ""));
}

void judge_commit(const Known& known, const Scope& scope, const RecoveryReport& report,
                  Verdict& verdict) {
    switch (known.state) {
        case TransactionState::commit_decided:
            if (known.branch->action == RecoveryAction::commit) {
                tighten(verdict, Permission::granted, known.branch->reason);
            } else {
                tighten(verdict, Permission::needs_force, known.branch->reason);
            }
            return;
        case TransactionState::at_last_resource:
        case TransactionState::restored:
        case TransactionState::quarantined:
        case TransactionState::presumed_abort: {
            // What is left out now is rolled back by recovery later, and nobody is asked again.
            const bool leaves_some = !report.is_complete() ||
                                     std::ranges::any_of(untouched(scope), [](const Known& other) {
                                         return other.branch->state == RecoveredState::prepared ||
                                                other.branch->state == RecoveredState::unreachable;
                                     });
            tighten(verdict, leaves_some ? Permission::needs_confirmation : Permission::needs_force,
                    rule_of(known, report));
            return;
        }
        case TransactionState::lost_log:
        case TransactionState::foreign:
        case TransactionState::heuristic:
            tighten(verdict, Permission::needs_force, rule_of(known, report));
            return;
        case TransactionState::live:
            tighten(verdict, Permission::refused, rule_of(known, report));
            return;
    }
}

void judge_rollback(const Known& known, const RecoveryReport& report, Verdict& verdict) {
    switch (known.state) {
        case TransactionState::commit_decided:
            tighten(verdict, Permission::needs_confirmation,
                    "law 1, atomicity: the log holds the decision to commit");
            return;
        case TransactionState::presumed_abort:
            if (known.branch->action == RecoveryAction::rollback) {
                tighten(verdict, Permission::granted, known.branch->reason);
            } else {
                tighten(verdict, Permission::needs_force, known.branch->reason);
            }
            return;
        case TransactionState::at_last_resource:
        case TransactionState::restored:
        case TransactionState::quarantined:
        case TransactionState::lost_log:
        case TransactionState::foreign:
        case TransactionState::heuristic:
            tighten(verdict, Permission::needs_force, rule_of(known, report));
            return;
        case TransactionState::live:
            tighten(verdict, Permission::refused, rule_of(known, report));
            return;
    }
}

Verdict judge_finish(const Order& order, const Scope& scope, const RecoveryReport& report) {
    const auto prepared = prepared_of(scope.chosen);
    if (prepared.empty()) {
        return nothing_prepared(scope, report);
    }
    const bool is_commit = order.verb == OrderVerb::commit;
    Verdict verdict{.permission = Permission::granted, .why = ""};
    for (const auto& known : prepared) {
        if (is_commit) {
            judge_commit(known, scope, report, verdict);
        } else {
            judge_rollback(known, report, verdict);
        }
        verdict.branches.push_back(*known.branch);
    }
    const bool is_against_decision =
        !is_commit && verdict.permission == Permission::needs_confirmation;
    if (is_against_decision) {
        verdict.consequences.emplace_back(
            "the application may have been told that the transaction is committed");
    }
    for (const auto& known : prepared) {
        verdict.consequences.push_back(
            fmt::format("{} is {}", name_of(*known.branch),
                        is_commit ? "committed, and what it wrote is there for good"
                                  : "rolled back, and what it wrote is lost for good"));
    }
    add_untouched(scope, report, order.verb, verdict.consequences);
    if (prepared.front().state != TransactionState::commit_decided) {
        add_missing(scope, verdict.consequences);
    }
    if (is_against_decision) {
        verdict.consequences.emplace_back(
            "where another branch has committed, or will be, the transaction is torn: law 1 is "
            "broken, and a person has to mend the data");
        verdict.consequences.emplace_back(
            "the log keeps what was rolled back as a heuristic outcome (XA_HEURRB) until `forget`");
    }
    return with_code(order, std::move(verdict));
}

/// Whether it has ended, or recovery can make sure that it has.
bool has_ended(const RecoveryBranch& branch) {
    switch (branch.state) {
        case RecoveredState::heuristic: return !is_listed(branch);
        case RecoveredState::absent: return branch.action == RecoveryAction::confirm;
        case RecoveredState::committed:
        case RecoveredState::rolled_back:
        case RecoveredState::finished: return true;
        case RecoveredState::prepared:
        case RecoveredState::unreachable: return false;
    }
    return false;
}

Verdict judge_forget(const Scope& scope) {
    Verdict verdict{.permission = Permission::granted, .why = ""};
    for (const auto& known : scope.chosen) {
        const auto& branch = *known.branch;
        if (branch.state != RecoveredState::heuristic) {
            continue;
        }
        const auto code = branch.heuristic.value_or(XaCode::heurhaz);
        if (code == XaCode::heurhaz) {
            tighten(verdict, Permission::needs_force,
                    fmt::format("nobody knows how {} ended ({}): forgetting says that you have "
                                "compared the data",
                                name_of(branch), to_string(code)));
        } else {
            tighten(verdict, Permission::granted,
                    fmt::format("{} has ended with {}, and only a person can forget that",
                                name_of(branch), to_string(code)));
        }
        verdict.branches.push_back(branch);
        verdict.consequences.push_back(
            fmt::format("the log forgets that {} ended with {}", name_of(branch), to_string(code)));
    }
    if (verdict.branches.empty()) {
        return refused(
            "none of its branches has ended against, or without, its decision, so there "
            "is nothing that waits for a person; recovery forgets by itself (law 6)");
    }
    for (const auto* all : {&scope.chosen, &scope.others}) {
        for (const auto& known : *all) {
            if (!has_ended(*known.branch)) {
                return refused(fmt::format(
                    "law 6, forget last: {} is {}, and has to be finished before anything of its "
                    "transaction is forgotten",
                    name_of(*known.branch),
                    to_string(is_listed(*known.branch) ? RecoveredState::prepared
                                                       : known.branch->state)));
            }
            if (known.branch->state == RecoveredState::absent) {
                verdict.consequences.push_back(fmt::format(
                    "it is made sure first that nothing is left of {}; if that fails, nothing is "
                    "forgotten",
                    name_of(*known.branch)));
            }
            if (all == &scope.others && known.branch->state == RecoveredState::heuristic) {
                return refused(fmt::format(
                    "a transaction is forgotten as a whole, and {} has ended with {}, too: compare "
                    "its data as well, and leave the resource away",
                    name_of(*known.branch),
                    to_string(known.branch->heuristic.value_or(XaCode::heurhaz))));
            }
        }
    }
    return verdict;
}

}  // namespace

std::string_view to_string(OrderVerb verb) noexcept {
    switch (verb) {
        case OrderVerb::commit: return "commit";
        case OrderVerb::rollback: return "rollback";
        case OrderVerb::forget: return "forget";
    }
    return "not an order";
}

std::string_view to_string(Permission permission) noexcept {
    switch (permission) {
        case Permission::granted: return "granted";
        case Permission::needs_force: return "needs_force";
        case Permission::needs_confirmation: return "needs_confirmation";
        case Permission::refused: return "refused";
    }
    return "not a permission";
}

Verdict judge(const Order& order, const RecoveryReport& report) {
    const auto scope = scope_of(order, report);
    if (auto against = judge_scope(order, scope, report)) {
        return std::move(*against);
    }
    switch (order.verb) {
        case OrderVerb::commit:
        case OrderVerb::rollback: return judge_finish(order, scope, report);
        case OrderVerb::forget: return judge_forget(scope);
    }
    return refused("not an order");
}

bool is_permitted(const Order& order, const Verdict& verdict) noexcept {
    switch (verdict.permission) {
        case Permission::granted: return true;
        case Permission::needs_force: return order.is_forced;
        case Permission::needs_confirmation: return order.confirmation == verdict.confirmation;
        case Permission::refused: return false;
    }
    return false;
}

}  // namespace xa_tm

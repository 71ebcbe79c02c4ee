#include "xa_tm/recovery_report.h"

#include <algorithm>
#include <future>
#include <limits>
#include <map>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "global_id.h"
#include "log_errors.h"
#include "recovery.h"
#include "xa_tm/error.h"

namespace xa_tm {
namespace {

using Progress = PendingDecision::Progress;

/// How the session of who merely looks shows at the server.
constexpr const char* kLookerMark = "xa-recover";

std::string display_gtrid(const ListedBranch& listed) {
    if (!listed.xid) {
        return listed.name;
    }
    const bool is_ours = listed.xid->format_id == kFormatId && parse_gtrid(listed.xid->gtrid);
    return is_ours ? listed.xid->gtrid : to_hex(listed.xid->gtrid);
}

std::optional<std::chrono::seconds> age_since(
    std::optional<std::chrono::system_clock::time_point> then) {
    if (!then) {
        return std::nullopt;
    }
    const auto age = std::chrono::system_clock::now() - *then;
    return std::max(std::chrono::duration_cast<std::chrono::seconds>(age), std::chrono::seconds{0});
}

class ReportBuilder {
public:
    explicit ReportBuilder(const KnownTransactions& known) : known_{known} {
        report_.log = known.log;
    }

    void add(const ResourcePass& pass) {
        report_.resources.push_back(pass.resource);
        for (std::size_t i = 0; i < pass.planned.size(); ++i) {
            add(pass, pass.planned[i], pass.states[i]);
        }
    }

    /// Decided branches at resources that could not be asked: only the log speaks of them.
    void add_unheard() {
        for (const auto& [gtrid, pending] : known_.transactions.decisions) {
            for (std::size_t i = 0; i < pending.decision.branches.size(); ++i) {
                const auto& branch = pending.decision.branches[i];
                const Xid xid{kFormatId, gtrid, branch.bqual};
                if (pending.progress[i] == Progress::finished || is_reachable(branch.resource)) {
                    continue;
                }
                auto& told = transaction(gtrid, TransactionState::commit_decided).branches;
                if (std::ranges::find(told, xid, &RecoveryBranch::xid) != told.end()) {
                    continue;  // seen before the resource was lost in the middle of its pass
                }
                const bool is_heuristic = pending.progress[i] == Progress::heuristic;
                told.push_back(
                    {.resource = branch.resource,
                     .xid = xid,
                     .name = {},
                     .state =
                         is_heuristic ? RecoveredState::heuristic : RecoveredState::unreachable,
                     .action = is_heuristic ? RecoveryAction::none : RecoveryAction::commit,
                     .reason = why_unheard(branch.resource),
                     .heuristic = code_of(gtrid, branch.bqual),
                     .server = branch.server,
                     .evidence = branch.evidence});
            }
        }
    }

    /// Branches that did not end as they were to, and whose transaction has no decision left.
    void add_heuristics() {
        for (const auto& [key, kept] : known_.transactions.heuristics) {
            const auto& [gtrid, bqual] = key;
            if (known_.transactions.decisions.contains(gtrid)) {
                continue;
            }
            const auto& heuristic = kept.record;
            auto& into = transaction(gtrid, TransactionState::heuristic);
            into.age = age_since(heuristic.noticed_at);
            into.branches.push_back({.resource = heuristic.resource,
                                     .xid = Xid{kFormatId, gtrid, bqual},
                                     .name = {},
                                     .state = RecoveredState::heuristic,
                                     .action = RecoveryAction::none,
                                     .reason = words_of(heuristic),
                                     .heuristic = heuristic.code,
                                     .server = heuristic.server});
        }
    }

    RecoveryReport take() {
        for (auto& transaction : report_.transactions) {
            set_age(transaction);
        }
        if (known_.log.owner) {
            std::erase_if(report_.transactions, is_merely_unforgotten);
            leave_to_owner();
        }
        return std::move(report_);
    }

private:
    void add(const ResourcePass& pass, const PlannedBranch& planned, RecoveredState state) {
        const auto gtrid = display_gtrid(planned.listed);
        auto& into = transaction(gtrid, planned.state);
        into.branches.push_back({.resource = pass.resource.name,
                                 .xid = planned.listed.xid,
                                 .name = planned.listed.name,
                                 .state = state,
                                 .action = planned.action,
                                 .reason = planned.reason,
                                 .heuristic = planned.heuristic,
                                 .server = planned.server,
                                 .evidence = planned.evidence});
        if (planned.listed.prepared_at && !into.age) {
            into.age = age_since(planned.listed.prepared_at);
        }
    }

    RecoveryTransaction& transaction(const std::string& gtrid, TransactionState state) {
        const auto [found, is_new] =
            indices_.try_emplace({gtrid, state}, report_.transactions.size());
        if (is_new) {
            report_.transactions.push_back(
                RecoveryTransaction{.gtrid = gtrid, .state = state, .age = {}, .branches = {}});
        }
        return report_.transactions[found->second];
    }

    [[nodiscard]] std::optional<XaCode> code_of(const std::string& gtrid,
                                                const std::string& bqual) const {
        const auto found = known_.transactions.heuristics.find({gtrid, bqual});
        return found == known_.transactions.heuristics.end()
                   ? std::nullopt
                   : std::optional{found->second.record.code};
    }

    [[nodiscard]] bool is_reachable(const std::string& resource) const {
        return std::ranges::any_of(report_.resources, [&](const RecoveryResource& other) {
            return other.name == resource && other.is_reachable;
        });
    }

    [[nodiscard]] std::string why_unheard(const std::string& resource) const {
        const auto found = std::ranges::find(report_.resources, resource, &RecoveryResource::name);
        if (found == report_.resources.end()) {
            return fmt::format("belongs to resource {}, which is not configured here: add it",
                               resource);
        }
        return fmt::format("waits until the resource can be reached: {}", found->error);
    }

    void set_age(RecoveryTransaction& transaction) const {
        const auto pending = known_.transactions.decisions.find(transaction.gtrid);
        if (pending != known_.transactions.decisions.end()) {
            transaction.age = age_since(pending->second.decision.decided_at);
        }
    }

    /// A decision whose branches are all gone and whose forgetting is merely on its way to the
    /// disk.
    static bool is_merely_unforgotten(const RecoveryTransaction& transaction) {
        return transaction.state == TransactionState::commit_decided &&
               std::ranges::all_of(transaction.branches, [](const RecoveryBranch& branch) {
                   return branch.state == RecoveredState::absent;
               });
    }

    void leave_to_owner() {
        for (auto& transaction : report_.transactions) {
            for (auto& branch : transaction.branches) {
                if (branch.action != RecoveryAction::none) {
                    branch.reason += fmt::format("; left to pid {} on {}, which owns the log",
                                                 known_.log.owner->pid, known_.log.owner->host);
                }
            }
        }
    }

    const KnownTransactions& known_;
    RecoveryReport report_{};
    /// Where in the report a transaction is.
    std::map<std::pair<std::string, TransactionState>, std::size_t> indices_;
};

/// What the last resources hold, by resource.
using Rows = std::map<std::string, std::vector<Decision>>;

/// One that can't be asked is left out: its silence decides nothing.
Rows read_rows(const std::filesystem::path& directory, std::span<Datasource* const> resources,
               std::chrono::milliseconds answer_timeout) {
    // Only where it is needed, because it takes a look at the whole log.
    std::optional<recovery_log::LogId> log;
    Rows rows;
    for (auto* resource : resources) {
        if (!resource->options().keeps_decisions()) {
            continue;
        }
        if (!log) {
            log = recovery_log::read_log(directory).id;
        }
        ResourceRecovery recovery{*resource, {}, {kLookerMark}, answer_timeout};
        try {
            rows[resource->name()] = recovery.read_rows(*log);
        } catch (const Error&) {
            continue;  // the look at it, which follows, tells why
        }
    }
    return rows;
}

/// What a process that does not own the log can know.
KnownTransactions read_known(const std::filesystem::path& directory, const Rows& rows) {
    const auto image = recovery_log::read_log(directory);
    KnownTransactions known{.view = image.owner ? LogView::beside_the_owner : LogView::ownerless,
                            .log = {.path = directory,
                                    .node = image.node,
                                    .id = image.id,
                                    .incarnation = image.incarnation,
                                    .quarantined_through = image.quarantined_through,
                                    .owner = image.owner},
                            .transactions = {}};
    TransactionTable table;
    std::ignore = table.load(state_of(image.entries));
    for (const auto& [resource, decisions] : rows) {
        table.settle_by_rows(resource, decisions, {}, std::numeric_limits<std::uint32_t>::max());
    }
    known.transactions = table.snapshot();
    known.log.doubt = known.transactions.log_doubt;
    return known;
}

}  // namespace

std::string_view to_string(TransactionState state) noexcept {
    switch (state) {
        case TransactionState::commit_decided: return "commit_decided";
        case TransactionState::presumed_abort: return "presumed_abort";
        case TransactionState::live: return "live";
        case TransactionState::lost_log: return "lost_log";
        case TransactionState::quarantined: return "quarantined";
        case TransactionState::at_last_resource: return "at_last_resource";
        case TransactionState::restored: return "restored";
        case TransactionState::heuristic: return "heuristic";
        case TransactionState::foreign: return "foreign";
    }
    return "not a state";
}

std::string_view to_string(RecoveryAction action) noexcept {
    switch (action) {
        case RecoveryAction::none: return "none";
        case RecoveryAction::commit: return "commit";
        case RecoveryAction::rollback: return "rollback";
        case RecoveryAction::confirm: return "confirm";
    }
    return "not an action";
}

std::string_view to_string(RecoveredState state) noexcept {
    switch (state) {
        case RecoveredState::prepared: return "prepared";
        case RecoveredState::absent: return "absent";
        case RecoveredState::unreachable: return "unreachable";
        case RecoveredState::committed: return "committed";
        case RecoveredState::rolled_back: return "rolled_back";
        case RecoveredState::finished: return "finished";
        case RecoveredState::heuristic: return "heuristic";
    }
    return "not a state";
}

RecoveryAction RecoveryTransaction::action() const noexcept {
    for (const auto& branch : branches) {
        if (branch.action != RecoveryAction::none && branch.action != RecoveryAction::confirm) {
            return branch.action;
        }
    }
    const bool is_to_confirm = std::ranges::any_of(branches, [](const RecoveryBranch& branch) {
        return branch.action == RecoveryAction::confirm;
    });
    return is_to_confirm ? RecoveryAction::confirm : RecoveryAction::none;
}

const std::string& RecoveryTransaction::reason() const noexcept {
    const auto wanted = action();
    const auto found = std::ranges::find(branches, wanted, &RecoveryBranch::action);
    return found != branches.end() ? found->reason : branches.front().reason;
}

bool RecoveryTransaction::is_in_doubt() const noexcept {
    if (state == TransactionState::live || state == TransactionState::foreign) {
        return false;
    }
    return std::ranges::any_of(branches, [](const RecoveryBranch& branch) {
        return branch.state == RecoveredState::prepared ||
               branch.state == RecoveredState::unreachable ||
               branch.state == RecoveredState::heuristic;
    });
}

bool RecoveryReport::is_complete() const noexcept {
    return std::ranges::all_of(resources, [](const RecoveryResource& resource) {
        return resource.is_reachable && resource.unended_session.empty();
    });
}

bool RecoveryReport::is_anything_in_doubt() const noexcept {
    return std::ranges::any_of(transactions, &RecoveryTransaction::is_in_doubt);
}

RecoveryReport make_report(const KnownTransactions& known, std::span<const ResourcePass> passes) {
    ReportBuilder builder{known};
    for (const auto& pass : passes) {
        builder.add(pass);
    }
    builder.add_unheard();
    builder.add_heuristics();
    return builder.take();
}

RecoveryReport inspect(const std::filesystem::path& log_directory,
                       std::span<Datasource* const> resources,
                       std::chrono::milliseconds answer_timeout) {
    // The log first, so that an unreadable one is told before any server is asked.
    const auto rows =
        translate_log_errors([&] { return read_rows(log_directory, resources, answer_timeout); });
    const auto known = [&] {
        return translate_log_errors([&] { return read_known(log_directory, rows); });
    };
    auto final_known = known();
    std::vector<std::future<ResourcePass>> looks;
    for (auto* resource : resources) {
        looks.push_back(std::async(std::launch::async, [&, resource] {
            ResourceRecovery recovery{
                *resource, names_of(resources), {kLookerMark}, answer_timeout};
            return recovery.look(known);
        }));
    }
    std::vector<ResourcePass> passes;
    passes.reserve(looks.size());
    for (auto& look : looks) {
        passes.push_back(look.get());
    }
    if (auto doubt = agree(passes); final_known.log.doubt.empty()) {
        final_known.log.doubt = std::move(doubt);
    }
    return make_report(final_known, passes);
}

}  // namespace xa_tm

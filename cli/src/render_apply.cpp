#include "render_apply.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "exit_code.h"
#include "json_document.h"
#include "text.h"

namespace xa_tm::cli {
namespace {

using Json = nlohmann::ordered_json;

std::string_view words_for(EntryResult result) {
    switch (result) {
        case EntryResult::done: return "done";
        case EntryResult::would_be: return "not done";
        case EntryResult::done_before: return "done before";
        case EntryResult::changed: return "refused";
        case EntryResult::unproven: return "not known";
        case EntryResult::not_finished: return "not finished";
        case EntryResult::heuristic: return "ended otherwise";
    }
    return "";
}

Colour colour_of(EntryResult result) {
    switch (result) {
        case EntryResult::done: return Colour::green;
        case EntryResult::changed:
        case EntryResult::unproven:
        case EntryResult::not_finished:
        case EntryResult::heuristic: return Colour::yellow;
        case EntryResult::would_be:
        case EntryResult::done_before: break;
    }
    return Colour::plain;
}

AppliedEntry result_of(const CheckedEntry& checked) {
    switch (checked.verdict) {
        case EntryVerdict::holds: return {EntryResult::would_be, ""};
        case EntryVerdict::done_before: return {EntryResult::done_before, checked.why};
        case EntryVerdict::changed: return {EntryResult::changed, checked.why};
        case EntryVerdict::unproven: return {EntryResult::unproven, checked.why};
    }
    return {EntryResult::changed, checked.why};
}

AppliedEntry result_of(const RecoveryBranch* branch, const RecoveryReport& report,
                       const std::string& resource) {
    if (branch == nullptr) {
        const auto found = std::ranges::find(report.resources, resource, &RecoveryResource::name);
        return found != report.resources.end() && !found->is_reachable
                   ? AppliedEntry{EntryResult::unproven, found->error}
                   : AppliedEntry{EntryResult::changed, "it was gone when its turn had come"};
    }
    switch (branch->state) {
        case RecoveredState::committed:
        case RecoveredState::rolled_back: return {EntryResult::done, ""};
        case RecoveredState::finished: return {EntryResult::done, "nothing was left of it"};
        case RecoveredState::prepared:
        case RecoveredState::absent: return {EntryResult::not_finished, branch->reason};
        case RecoveredState::heuristic: return {EntryResult::heuristic, branch->reason};
        case RecoveredState::unreachable: return {EntryResult::unproven, branch->reason};
    }
    return {EntryResult::not_finished, branch->reason};
}

std::size_t count(const AppliedPlan& applied, EntryResult result) {
    return static_cast<std::size_t>(
        std::ranges::count(applied.results, result, &AppliedEntry::result));
}

std::string summary_of(const AppliedPlan& applied) {
    std::vector<std::string> parts;
    for (const auto result :
         {EntryResult::done, EntryResult::done_before, EntryResult::would_be, EntryResult::changed,
          EntryResult::unproven, EntryResult::not_finished, EntryResult::heuristic}) {
        if (const auto number = count(applied, result); number > 0) {
            parts.push_back(fmt::format("{} {}", number, words_for(result)));
        }
    }
    auto text = fmt::format("{}{}{}.", count_of(applied.results.size(), "entry", "entries"),
                            parts.empty() ? "" : ": ", fmt::join(parts, ", "));
    if (applied.owner) {
        text += fmt::format(
            " Nothing was done: pid {} on {} owns the log, and finishes by itself what it may.",
            applied.owner->pid, printable(applied.owner->host));
    } else if (applied.is_dry_run) {
        text += " Nothing was done: leave --dry-run away to do it.";
    } else if (count(applied, EntryResult::changed) > 0) {
        text += " What was refused needs a new plan.";
    }
    if (!applied.owner &&
        count(applied, EntryResult::unproven) + count(applied, EntryResult::not_finished) > 0) {
        text += " Run the same command again when the reason is gone.";
    }
    if (count(applied, EntryResult::heuristic) > 0) {
        text +=
            " What ended otherwise waits for a person: `xa-recover explain GTRID` says what to "
            "compare.";
    }
    return text;
}

}  // namespace

std::string_view to_string(EntryResult result) noexcept {
    switch (result) {
        case EntryResult::done: return "done";
        case EntryResult::would_be: return "would_be";
        case EntryResult::done_before: return "done_before";
        case EntryResult::changed: return "changed";
        case EntryResult::unproven: return "unproven";
        case EntryResult::not_finished: return "not_finished";
        case EntryResult::heuristic: return "heuristic";
    }
    return "not a result";
}

std::vector<AppliedEntry> results_of(const std::vector<CheckedEntry>& checked) {
    std::vector<AppliedEntry> results;
    for (const auto& entry : checked) {
        results.push_back(result_of(entry));
    }
    return results;
}

std::vector<AppliedEntry> results_of(const Plan& plan, const std::vector<CheckedEntry>& checked,
                                     const RecoveryReport& report) {
    std::map<std::pair<std::string, Xid>, const RecoveryBranch*> branches;
    for (const auto& transaction : report.transactions) {
        for (const auto& branch : transaction.branches) {
            if (branch.xid) {
                branches.try_emplace({branch.resource, *branch.xid}, &branch);
            }
        }
    }
    auto results = results_of(checked);
    for (std::size_t i = 0; i < checked.size(); ++i) {
        if (checked[i].verdict == EntryVerdict::holds) {
            const auto& entry = plan.entries[i];
            const auto found = branches.find({entry.resource, entry.xid});
            results[i] = result_of(found == branches.end() ? nullptr : found->second, report,
                                   entry.resource);
        }
    }
    return results;
}

std::string render_apply(const AppliedPlan& applied, bool has_colour) {
    const auto& plan = applied.plan;
    std::size_t width = std::string_view{"RESOURCE"}.size();
    std::size_t gtrid_width = std::string_view{"TRANSACTION"}.size();
    for (const auto& entry : plan.entries) {
        width = std::max(width, printable(entry.resource).size());
        gtrid_width = std::max(gtrid_width, printable(entry.xid.gtrid).size());
    }
    auto text = painted(fmt::format("plan {}", printable(applied.file)), Colour::bold, has_colour) +
                fmt::format("\n  made {} by {}, for log {} of node {}\n\n", printable(plan.made_at),
                            printable(plan.made_by), plan.log.to_string(), printable(plan.node));
    if (!plan.entries.empty()) {
        text += painted(fmt::format("{:<{}}  {:<{}}  {:<8}  RESULT", "RESOURCE", width,
                                    "TRANSACTION", gtrid_width, "ACTION"),
                        Colour::bold, has_colour) +
                "\n";
    }
    for (std::size_t i = 0; i < plan.entries.size(); ++i) {
        const auto& entry = plan.entries[i];
        const auto& [result, why] = applied.results[i];
        text += fmt::format("{:<{}}  {:<{}}  {:<8}  {}\n", printable(entry.resource), width,
                            printable(entry.xid.gtrid), gtrid_width, to_string(entry.action),
                            painted(std::string{words_for(result)}, colour_of(result), has_colour));
        if (!why.empty()) {
            text += wrapped(as_sentence(why), 2);
        }
    }
    return text + (plan.entries.empty() ? "" : "\n") + wrapped(summary_of(applied), 0);
}

std::string render_apply_json(const AppliedPlan& applied) {
    Json json{{"file", applied.file},
              {"dry_run", applied.is_dry_run},
              {"owner", nullptr},
              {"entries", Json::array()}};
    if (applied.owner) {
        json["owner"] = Json{{"pid", applied.owner->pid}, {"host", applied.owner->host}};
    }
    for (std::size_t i = 0; i < applied.results.size(); ++i) {
        const auto& entry = applied.plan.entries[i];
        json["entries"].push_back({{"resource", entry.resource},
                                   {"gtrid", entry.xid.gtrid},
                                   {"bqual", entry.xid.bqual},
                                   {"action", to_string(entry.action)},
                                   {"result", to_string(applied.results[i].result)},
                                   {"why", applied.results[i].why}});
    }
    return document(json);
}

int exit_code_of(const AppliedPlan& applied) noexcept {
    if (count(applied, EntryResult::unproven) > 0) {
        return kUnreadable;
    }
    const bool is_all_done =
        count(applied, EntryResult::done) + count(applied, EntryResult::done_before) ==
        applied.results.size();
    return is_all_done ? kNothingInDoubt : kInDoubt;
}

}  // namespace xa_tm::cli

#include "plan_file.h"

#include <algorithm>
#include <array>
#include <set>
#include <span>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "configuration.h"
#include "text.h"

namespace xa_tm::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr auto kFormat = "xa-recover plan";

constexpr std::array kTransactionStates{TransactionState::commit_decided,
                                        TransactionState::presumed_abort};
constexpr std::array kBranchStates{RecoveredState::prepared, RecoveredState::absent};
constexpr std::array kActions{RecoveryAction::commit, RecoveryAction::rollback,
                              RecoveryAction::confirm};

Json json_of(const PlanEntry& entry) {
    return {{"resource", entry.resource},
            {"xid",
             {{"format_id", entry.xid.format_id},
              {"gtrid", entry.xid.gtrid},
              {"bqual", entry.xid.bqual}}},
            {"action", to_string(entry.action)},
            {"reason", entry.reason},
            {"judged_by",
             {{"transaction", to_string(entry.transaction)},
              {"branch", to_string(entry.state)},
              {"decision", entry.decision ? Json(*entry.decision) : Json{}},
              {"server", entry.server}}}};
}

/// Reads one object strictly: what is missing, more than expected, or of another kind is an error
/// that names its place.
class ObjectReader {
public:
    ObjectReader(const Json& json, std::string place, std::string_view file)
        : json_{json}, place_{std::move(place)}, file_{file} {
        if (!json.is_object()) {
            throw wrong("is not an object");
        }
    }

    [[nodiscard]] std::string text(const std::string& key) {
        const auto& value = at(key);
        if (!value.is_string()) {
            throw wrong(key + " is not a text");
        }
        return value.get<std::string>();
    }
    template <class Number>
    [[nodiscard]] Number number(const std::string& key) {
        const auto& value = at(key);
        const bool fits =
            std::is_signed_v<Number> ? value.is_number_integer() : value.is_number_unsigned();
        if (!fits || value.get<Number>() != value) {
            throw wrong(key + " is not such a number");
        }
        return value.get<Number>();
    }
    template <class Enumerator>
    [[nodiscard]] Enumerator one_of(const std::string& key,
                                    std::span<const Enumerator> enumerators) {
        const auto word = text(key);
        for (const auto enumerator : enumerators) {
            if (to_string(enumerator) == word) {
                return enumerator;
            }
        }
        throw wrong(fmt::format("{} \"{}\" is none that a plan can hold", key, printable(word)));
    }
    [[nodiscard]] const Json& at(const std::string& key) {
        known_.insert(key);
        const auto found = json_.find(key);
        if (found == json_.end()) {
            throw wrong(key + " is missing");
        }
        return *found;
    }
    void expect_nothing_else() const {
        for (const auto& [key, value] : json_.items()) {
            if (!known_.contains(key)) {
                throw wrong(fmt::format("{} is not expected", printable(key)));
            }
        }
    }
    [[nodiscard]] ConfigurationError wrong(std::string_view what) const {
        return ConfigurationError{fmt::format("{}: {}: {}; nothing was done", file_, place_, what)};
    }

private:
    const Json& json_;
    std::string place_;
    std::string_view file_;
    std::set<std::string, std::less<>> known_;
};

Xid read_xid(const Json& json, const std::string& place, std::string_view file) {
    ObjectReader reader{json, place + ".xid", file};
    Xid xid{reader.number<std::int64_t>("format_id"), reader.text("gtrid"), reader.text("bqual")};
    reader.expect_nothing_else();
    return xid;
}

PlanEntry read_entry(const Json& json, const std::string& place, std::string_view file) {
    ObjectReader reader{json, place, file};
    PlanEntry entry{};
    entry.resource = reader.text("resource");
    entry.xid = read_xid(reader.at("xid"), place, file);
    entry.action = reader.one_of<RecoveryAction>("action", kActions);
    entry.reason = reader.text("reason");
    ObjectReader judged{reader.at("judged_by"), place + ".judged_by", file};
    reader.expect_nothing_else();
    entry.transaction = judged.one_of<TransactionState>("transaction", kTransactionStates);
    entry.state = judged.one_of<RecoveredState>("branch", kBranchStates);
    if (!judged.at("decision").is_null()) {
        entry.decision = judged.number<recovery_log::EntryId>("decision");
    }
    entry.server = judged.text("server");
    judged.expect_nothing_else();
    return entry;
}

std::optional<recovery_log::EntryId> decision_of(const PlanFacts& facts, const Xid& xid) {
    const auto found = facts.decisions.find(xid.gtrid);
    return found == facts.decisions.end() ? std::nullopt : std::optional{found->second};
}

std::string server_of(const PlanFacts& facts, std::string_view name) {
    const auto& resources = facts.report.resources;
    const auto found = std::ranges::find(resources, name, &RecoveryResource::name);
    return found == resources.end() ? std::string{} : found->server;
}

PlanEntry entry_of(const PlanFacts& facts, const RecoveryTransaction& transaction,
                   const RecoveryBranch& branch) {
    return {.resource = branch.resource,
            .xid = *branch.xid,
            .transaction = transaction.state,
            .state = branch.state,
            .action = branch.action,
            .reason = branch.reason,
            .decision = decision_of(facts, *branch.xid),
            .server = server_of(facts, branch.resource)};
}

/// Every branch as it is now, by its resource and xid.
class PresentEntries {
public:
    explicit PresentEntries(const PlanFacts& facts) : facts_{facts} {
        for (const auto& transaction : facts.report.transactions) {
            for (const auto& branch : transaction.branches) {
                if (branch.xid) {
                    known_.try_emplace({branch.resource, *branch.xid}, &transaction, &branch);
                }
            }
        }
    }

    /// Nothing when neither a list nor the log knows the branch.
    [[nodiscard]] std::optional<PlanEntry> find(const PlanEntry& entry) const {
        const auto found = known_.find({entry.resource, entry.xid});
        if (found == known_.end()) {
            return std::nullopt;
        }
        return entry_of(facts_, *found->second.first, *found->second.second);
    }

private:
    const PlanFacts& facts_;
    std::map<std::pair<std::string, Xid>,
             std::pair<const RecoveryTransaction*, const RecoveryBranch*>>
        known_;
};

std::string decision_text(const std::optional<recovery_log::EntryId>& decision) {
    return decision ? fmt::format("entry {}", *decision) : "none";
}

/// What is not as it was judged, in words; empty when all is.
std::string difference(const PlanEntry& before, const PlanEntry& now) {
    std::vector<std::string> parts;
    const auto compare = [&](std::string_view what, std::string_view was, std::string_view is) {
        if (was != is) {
            parts.push_back(fmt::format("{} was {} and is {}", what, was, is));
        }
    };
    compare("the transaction", to_string(before.transaction), to_string(now.transaction));
    compare("the branch", to_string(before.state), to_string(now.state));
    compare("the decision", decision_text(before.decision), decision_text(now.decision));
    compare("the action", to_string(before.action), to_string(now.action));
    if (parts.empty()) {
        return "";
    }
    return fmt::format("{} ({})", fmt::join(parts, ", "), now.reason);
}

/// The plan commits a branch of a decision that the log still holds, and the branch is not prepared
/// any more: an earlier apply, or the application, has come this far.
bool is_further_on(const PlanEntry& before, const PlanEntry& now) {
    return before.action == RecoveryAction::commit && now.action == RecoveryAction::confirm &&
           before.decision.has_value() && before.decision == now.decision;
}

CheckedEntry check_gone(const PlanEntry& entry, const PlanFacts& facts) {
    const auto decision = decision_of(facts, entry.xid);
    if (decision != entry.decision && decision) {
        return {EntryVerdict::changed, RecoveryAction::none,
                fmt::format("the decision was {} and is {}", decision_text(entry.decision),
                            decision_text(decision))};
    }
    if (entry.decision && !decision) {
        return {EntryVerdict::done_before, RecoveryAction::none,
                "the log has forgotten the decision, which it does only after every branch is "
                "finished"};
    }
    if (!decision) {
        return {EntryVerdict::done_before, RecoveryAction::none,
                "its server does not list it any more"};
    }
    return {EntryVerdict::changed, RecoveryAction::none,
            "it came or went while it was looked at: look again"};
}

CheckedEntry check(const PlanEntry& entry, const PlanFacts& facts, const PresentEntries& present) {
    const auto& resources = facts.report.resources;
    const auto resource = std::ranges::find(resources, entry.resource, &RecoveryResource::name);
    if (resource == resources.end()) {
        return {EntryVerdict::unproven, RecoveryAction::none,
                fmt::format("resource {} is not given", entry.resource)};
    }
    if (!resource->is_reachable) {
        return {EntryVerdict::unproven, RecoveryAction::none, resource->error};
    }
    if (resource->server != entry.server) {
        return {EntryVerdict::changed, RecoveryAction::none,
                fmt::format("another server answers as {}: it was {} and is {}", entry.resource,
                            entry.server, resource->server)};
    }
    const auto now = present.find(entry);
    if (!now) {
        return check_gone(entry, facts);
    }
    if (is_further_on(entry, *now)) {
        return {EntryVerdict::holds, RecoveryAction::confirm, ""};
    }
    auto changed = difference(entry, *now);
    return changed.empty()
               ? CheckedEntry{EntryVerdict::holds, entry.action, ""}
               : CheckedEntry{EntryVerdict::changed, RecoveryAction::none, std::move(changed)};
}

/// One branch told twice would be two orders about it.
void expect_each_once(const std::vector<PlanEntry>& entries, std::string_view file) {
    std::set<std::pair<std::string, Xid>> seen;
    for (const auto& entry : entries) {
        if (!seen.emplace(entry.resource, entry.xid).second) {
            throw ConfigurationError{fmt::format(
                "{}: branch {} of {} at {} stands there twice; nothing was done", file,
                printable(entry.xid.bqual), printable(entry.xid.gtrid), printable(entry.resource))};
        }
    }
}

}  // namespace

Plan make_plan(const PlanFacts& facts) {
    const auto& log = facts.report.log;
    Plan plan{.made_at = {},
              .made_by = {},
              .log = log.id,
              .node = log.node,
              .incarnation = log.incarnation,
              .entries = {}};
    for (const auto& transaction : facts.report.transactions) {
        for (const auto& branch : transaction.branches) {
            const bool is_proven =
                branch.state == RecoveredState::prepared || branch.state == RecoveredState::absent;
            if (is_proven && branch.action != RecoveryAction::none) {
                plan.entries.push_back(entry_of(facts, transaction, branch));
            }
        }
    }
    return plan;
}

std::string render_plan(const Plan& plan) {
    Json json{
        {"format", kFormat},
        {"version", kPlanVersion},
        {"made_at", plan.made_at},
        {"made_by", plan.made_by},
        {"log",
         {{"id", plan.log.to_string()}, {"node", plan.node}, {"incarnation", plan.incarnation}}},
        {"entries", Json::array()}};
    for (const auto& entry : plan.entries) {
        json["entries"].push_back(json_of(entry));
    }
    // What a server says may be any bytes.
    return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

Plan parse_plan(std::string_view text, std::string_view file) {
    const auto json = Json::parse(text, nullptr, false);
    if (json.is_discarded()) {
        throw ConfigurationError{fmt::format("{}: it is no JSON; nothing was done", file)};
    }
    ObjectReader reader{json, "the plan", file};
    if (reader.text("format") != kFormat) {
        throw reader.wrong(fmt::format("format is not \"{}\"", kFormat));
    }
    if (const auto version = reader.number<std::int64_t>("version"); version != kPlanVersion) {
        throw reader.wrong(fmt::format("version {} is not {}, the one that this program reads",
                                       version, kPlanVersion));
    }
    Plan plan{};
    plan.made_at = reader.text("made_at");
    plan.made_by = reader.text("made_by");
    ObjectReader log{reader.at("log"), "log", file};
    const auto id = recovery_log::LogId::parse(log.text("id"));
    if (!id) {
        throw log.wrong("id is no log's id");
    }
    plan.log = *id;
    plan.node = log.text("node");
    plan.incarnation = log.number<std::uint32_t>("incarnation");
    log.expect_nothing_else();
    const auto& entries = reader.at("entries");
    reader.expect_nothing_else();
    if (!entries.is_array()) {
        throw reader.wrong("entries is not an array");
    }
    for (std::size_t i = 0; i < entries.size(); ++i) {
        plan.entries.push_back(read_entry(entries[i], fmt::format("entries[{}]", i), file));
    }
    expect_each_once(plan.entries, file);
    return plan;
}

std::vector<CheckedEntry> check(const Plan& plan, const PlanFacts& facts) {
    const PresentEntries present{facts};
    std::vector<CheckedEntry> checked;
    checked.reserve(plan.entries.size());
    for (const auto& entry : plan.entries) {
        checked.push_back(check(entry, facts, present));
    }
    return checked;
}

}  // namespace xa_tm::cli

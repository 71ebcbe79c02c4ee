#include "xa_tm/decision_table.h"

#include <algorithm>
#include <charconv>
#include <stdexcept>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "xa_tm/error.h"

namespace xa_tm {
namespace {

/// A row that is this old was not removed by the recovery that should have.
constexpr std::int64_t kOldSeconds = 86400;

bool is_plain(std::string_view text, std::size_t max_bytes) {
    constexpr std::string_view kPlain =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-";
    return !text.empty() && text.size() <= max_bytes &&
           text.find_first_not_of(kPlain) == std::string_view::npos;
}

unsigned char digit_from(char digit) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    const auto value = kDigits.find(digit);
    if (value == std::string_view::npos) {
        throw std::out_of_range("not a decision's digit");
    }
    return static_cast<unsigned char>(value);
}

ServerFact privilege_fact(std::string_view what, const std::string& refusal) {
    ServerFact fact{.name = fmt::format("{} on the decision table", what), .value = "yes"};
    if (!refusal.empty()) {
        fact.value = fmt::format("no: {}", refusal);
        fact.severity = Severity::bad;
        fact.meaning = "no transaction with this last resource can be committed and recovered";
        fact.remedy = advice_to_grant();
    }
    return fact;
}

ServerFact rows_fact(const DecisionTableState& state) {
    ServerFact fact{.name = "rows in the decision table", .value = state.rows};
    std::int64_t age = 0;
    const auto& text = state.oldest_age_seconds;
    std::from_chars(text.data(), text.data() + text.size(), age);
    if (!text.empty()) {
        fact.value += fmt::format(", the oldest of {} s ago", text);
    }
    if (age >= kOldSeconds) {
        fact.severity = Severity::notice;
        fact.meaning =
            "rows are removed when their transaction is complete; an old one belongs to a "
            "transaction that is not, or to a log that nobody uses any more";
        fact.remedy = "run the manager that owns the log, so that it recovers";
    }
    return fact;
}

}  // namespace

bool uses_decision_table(Verb verb) noexcept {
    return verb == Verb::commit_with_decision || verb == Verb::list_decisions ||
           verb == Verb::forget_decisions;
}

std::optional<Answer> fault_of_decision_request(const Request& request) {
    const auto refused = [](std::string_view why) {
        return Answer{.code = XaCode::inval, .message = std::string{why}};
    };
    const bool has_log = request.verb == Verb::commit_with_decision ||
                         request.verb == Verb::list_decisions ||
                         request.verb == Verb::list_witnesses;
    if (has_log && !is_plain(request.log, kMaxLogNameBytes)) {
        return refused("a log's name is 1 to 64 characters of A-Z a-z 0-9 . _ : -");
    }
    constexpr std::string_view kGtrid =
        "a gtrid in the decision table is 1 to 64 characters of A-Z a-z 0-9 . _ : -";
    if (request.verb == Verb::commit_with_decision &&
        !is_plain(request.xid.gtrid, kMaxGtridBytes)) {
        return refused(kGtrid);
    }
    if (request.verb == Verb::forget_decisions) {
        if (request.gtrids.empty()) {
            return refused("forget_decisions takes at least one gtrid");
        }
        if (!std::ranges::all_of(request.gtrids, [](const std::string& gtrid) {
                return is_plain(gtrid, kMaxGtridBytes);
            })) {
            return refused(kGtrid);
        }
    }
    return std::nullopt;
}

std::string DecisionTable::insertion(const Request& request) const {
    return fmt::format("insert into {} (gtrid, log_id, decision) values ('{}', '{}', '{}')", name_,
                       request.xid.gtrid, request.log, to_hex(request.decision));
}

std::string DecisionTable::selection(const Request& request) const {
    return fmt::format("select gtrid, decision from {} where log_id = '{}'", name_, request.log);
}

std::string DecisionTable::deletion(const Request& request) const {
    return fmt::format("delete from {} where gtrid in ('{}')", name_,
                       fmt::join(request.gtrids, "', '"));
}

std::string DecisionTable::insertion_probe() const {
    return fmt::format(
        "insert into {0} (gtrid, log_id, decision) "
        "select gtrid, log_id, decision from {0} where 1 = 0",
        name_);
}

std::string DecisionTable::deletion_probe() const {
    return fmt::format("delete from {} where gtrid = ''", name_);
}

DecisionRow decision_from(std::string gtrid, std::string_view decision) {
    DecisionRow row{.gtrid = std::move(gtrid), .decision = {}};
    if (decision.size() % 2 != 0) {
        throw std::out_of_range("half a byte of a decision");
    }
    for (; !decision.empty(); decision.remove_prefix(2)) {
        row.decision += static_cast<char>(digit_from(decision[0]) << 4U | digit_from(decision[1]));
    }
    return row;
}

std::string advice_to_set_up(std::string_view resource) {
    return fmt::format("create the decision table: xa-recover setup-last-resource {}", resource);
}

std::string_view advice_to_grant() noexcept {
    return "grant this user insert, select and delete on the table xa_tm_decision";
}

void check_is_trustworthy(const DecisionTableState& state, std::string_view resource) {
    if (!state.fault.empty()) {
        throw Error({.code = ErrorCode::resource_refused, .resource = std::string{resource}},
                    fmt::format("resource {}: {}: {}; {}", resource, state.name, state.fault,
                                state.remedy));
    }
}

std::vector<ServerFact> facts_of(const DecisionTableState& state, std::string_view resource) {
    ServerFact table{.name = "decision table", .value = state.name};
    if (!state.exists) {
        table.value = fmt::format("{} is not there", state.name);
        table.severity = Severity::bad;
        table.meaning = "no transaction with this last resource can be committed";
        table.remedy = advice_to_set_up(resource);
        return {table};
    }
    if (!state.fault.empty()) {
        table.severity = Severity::bad;
        table.meaning = state.fault;
        table.remedy = state.remedy;
    }
    std::vector<ServerFact> facts{table, privilege_fact("insert", state.insert_refusal),
                                  privilege_fact("select", state.select_refusal),
                                  privilege_fact("delete", state.delete_refusal)};
    if (state.select_refusal.empty()) {
        facts.push_back(rows_fact(state));
    }
    return facts;
}

}  // namespace xa_tm

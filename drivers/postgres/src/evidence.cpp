#include "evidence.h"

#include <algorithm>

#include <fmt/format.h>

namespace xa_tm::postgres {
namespace {

constexpr std::string_view kTransactionId = "pg_xid=";
constexpr std::string_view kTimeline = ";timeline=";
constexpr std::size_t kMaxTransactionIdDigits = 20;  // xid8 has 64 bits

bool is_made_of(std::string_view text, std::string_view characters) {
    return !text.empty() && text.find_first_not_of(characters) == std::string_view::npos;
}

}  // namespace

std::string to_string(const Evidence& evidence) {
    auto text = fmt::format("{}{}", kTransactionId, evidence.transaction_id);
    if (!evidence.timeline.empty()) {
        text += fmt::format("{}{}", kTimeline, evidence.timeline);
    }
    return text;
}

std::optional<Evidence> evidence_from(std::string_view text) {
    if (!text.starts_with(kTransactionId)) {
        return std::nullopt;
    }
    const auto split = std::min(text.find(kTimeline), text.size());
    Evidence evidence{
        std::string{text.substr(kTransactionId.size(), split - kTransactionId.size())}, ""};
    if (split < text.size()) {
        evidence.timeline = text.substr(split + kTimeline.size());
    }
    // It goes into a statement, so it is digits and nothing else.
    const bool is_id = is_made_of(evidence.transaction_id, "0123456789") &&
                       evidence.transaction_id.size() <= kMaxTransactionIdDigits;
    const bool is_ours = is_id && to_string(evidence) == text;
    return is_ours ? std::optional{std::move(evidence)} : std::nullopt;
}

std::string fate_statement(const Evidence& evidence) {
    return fmt::format("select pg_catalog.pg_xact_status('{}'::xid8)", evidence.transaction_id);
}

Fate fate_from(const Evidence& evidence, std::string_view timeline_now, const Reply& reply) {
    // "transaction ID is in the future": it was given by a server that lived on longer than what
    // this one was made from.
    if (reply.sqlstate == "22023") {
        return Fate::other_history;
    }
    if (!reply.is_ok) {
        return Fate::unknown;
    }
    if (!evidence.timeline.empty() && !timeline_now.empty() && evidence.timeline != timeline_now) {
        return Fate::other_history;
    }
    const auto status = reply.rows.empty() ? std::nullopt : reply.rows.front().at(0);
    if (status == "committed") {
        return Fate::committed;
    }
    if (status == "aborted") {
        return Fate::rolled_back;
    }
    return status == "in progress" ? Fate::in_progress : Fate::unknown;
}

std::optional<Answer> answer_from(Fate fate, Verb verb) {
    switch (fate) {
        case Fate::unknown: return std::nullopt;
        case Fate::in_progress:
            return Answer{.code = XaCode::retry, .message = "the transaction has not ended yet"};
        case Fate::committed:
            return Answer{.code = verb == Verb::commit ? XaCode::ok : XaCode::nota,
                          .is_proven = true};
        case Fate::rolled_back:
            return Answer{.code = XaCode::heurrb,
                          .message =
                              "PostgreSQL has rolled the branch back, though it was prepared "
                              "and was to be committed: somebody did that by hand"};
        case Fate::other_history:
            return Answer{
                .code = XaCode::heurhaz,
                .message =
                    "this server is not the one that prepared the branch, or was restored "
                    "from a backup: after a failover or a restore the branch's work may "
                    "be lost; compare the data"};
    }
    return std::nullopt;
}

}  // namespace xa_tm::postgres

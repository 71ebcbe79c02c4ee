#include "evidence.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

namespace xa_tm::mysql {
namespace {

constexpr std::string_view kRow = "witness=";
constexpr std::string_view kLog = ";log=";
constexpr int kNoSuchTable = 1146;

// Of the replies to WitnessTable::fate_statements().
constexpr std::size_t kRowReply = 2;
constexpr std::size_t kRemovedReply = 3;

std::optional<std::uint64_t> number_from(std::string_view text) {
    std::uint64_t number = 0;
    const auto* end = text.data() + text.size();
    const auto read = std::from_chars(text.data(), end, number);
    return read.ec == std::errc{} && read.ptr == end ? std::optional{number} : std::nullopt;
}

/// A transaction has the row: innodb_lock_wait_timeout, which MariaDB says for NOWAIT, and MySQL's
/// words for it.
bool is_held(const Reply& reply) {
    return reply.error == 1205 || reply.error == 3572;
}

}  // namespace

std::string to_string(const Evidence& evidence) {
    auto text = fmt::format("{}{}", kRow, evidence.row);
    if (!evidence.log.empty()) {
        text += fmt::format("{}{}", kLog, evidence.log);
    }
    return text;
}

std::optional<Evidence> evidence_from(std::string_view text) {
    if (!text.starts_with(kRow)) {
        return std::nullopt;
    }
    const auto split = std::min(text.find(kLog), text.size());
    const auto row = number_from(text.substr(kRow.size(), split - kRow.size()));
    if (!row) {
        return std::nullopt;
    }
    Evidence evidence{.row = *row};
    if (split < text.size()) {
        evidence.log = text.substr(split + kLog.size());
    }
    // It goes into a statement, so it is a name and nothing else.
    const bool is_ours =
        evidence.log.size() <= kMaxWitnessLogNameBytes &&
        evidence.log.find_first_not_of(
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-") ==
            std::string::npos &&
        to_string(evidence) == text;
    return is_ours ? std::optional{std::move(evidence)} : std::nullopt;
}

Fate fate_from(const Evidence& evidence, std::span<const Reply> replies) {
    const auto& row = replies[kRowReply];
    const auto& removed = replies[kRemovedReply];
    if (!row.is_ok && is_held(row)) {
        return Fate::in_progress;
    }
    if (row.error == kNoSuchTable || removed.error == kNoSuchTable) {
        return Fate::unknown;
    }
    if (!row.is_ok || !removed.is_ok) {
        return Fate::untold;
    }
    if (!row.rows.empty()) {
        return Fate::committed;
    }
    const auto through = removed.rows.empty()
                             ? std::optional<std::uint64_t>{0}
                             : number_from(removed.rows.front().at(0).value_or(""));
    return through && *through < evidence.row ? Fate::rolled_back : Fate::unknown;
}

const Reply& refusal_among(std::span<const Reply> replies) {
    return replies[kRowReply].is_ok ? replies[kRemovedReply] : replies[kRowReply];
}

std::optional<Answer> answer_from(Fate fate, Verb verb) {
    switch (fate) {
        case Fate::unknown:
        case Fate::untold: return std::nullopt;
        case Fate::in_progress:
            return Answer{.code = XaCode::retry,
                          .message = "a transaction holds the witness row: it has not ended yet"};
        case Fate::committed:
            return Answer{.code = verb == Verb::commit ? XaCode::ok : XaCode::nota,
                          .is_proven = true};
        case Fate::rolled_back:
            return Answer{.code = XaCode::heurrb,
                          .message =
                              "the server has rolled the branch back, though it was prepared "
                              "and was to be committed: its witness row is not there, and "
                              "was not removed; somebody did that by hand"};
    }
    return std::nullopt;
}

}  // namespace xa_tm::mysql

#include "bank.h"

#include <algorithm>
#include <array>
#include <bit>
#include <initializer_list>
#include <sstream>

#include <fmt/format.h>

namespace xa_tm::test {
namespace {

constexpr std::string_view kBegun = "begun";
constexpr std::string_view kEnded = "ended";
/// In place of a last resource.
constexpr int kNone = -1;

constexpr std::array kOutcomes{Outcome::committed,       Outcome::rolled_back,
                               Outcome::unknown,         Outcome::heuristic_rollback,
                               Outcome::heuristic_mixed, Outcome::heuristic_hazard};

std::string_view word_of(BankIntent intent) {
    switch (intent) {
        case BankIntent::commit: return "commit";
        case BankIntent::refuse: return "refuse";
        case BankIntent::roll_back: return "roll_back";
        case BankIntent::overdraw: return "overdraw";
        case BankIntent::repeat: return "repeat";
    }
    return {};
}

std::string_view word_of(BankCall call) {
    switch (call) {
        case BankCall::branches: return "branches";
        case BankCall::by_keys: return "by_keys";
        case BankCall::combined: return "combined";
    }
    return {};
}

template <class Enum>
std::optional<Enum> find(std::string_view word, std::initializer_list<Enum> all) {
    const auto* const found =
        std::ranges::find_if(all, [word](Enum one) { return word_of(one) == word; });
    return found == all.end() ? std::nullopt : std::optional{*found};
}

std::optional<BankTransfer> parse_transfer(std::istream& words) {
    BankTransfer transfer;
    std::string intent_word;
    std::string call_word;
    int last_resource = kNone;
    auto& way = transfer.way;
    words >> transfer.id >> transfer.account >> transfer.amount >> transfer.parties >>
        intent_word >> last_resource >> way.is_early >> way.is_async >> way.timeout_ms >> call_word;
    if (last_resource != kNone) {
        way.last_resource = static_cast<std::size_t>(last_resource);
    }
    const auto intent =
        find(intent_word, {BankIntent::commit, BankIntent::refuse, BankIntent::roll_back,
                           BankIntent::overdraw, BankIntent::repeat});
    const auto call = find(call_word, {BankCall::branches, BankCall::by_keys, BankCall::combined});
    if (!words || !intent || !call) {
        return std::nullopt;
    }
    transfer.intent = *intent;
    way.call = *call;
    return transfer;
}

std::optional<BankOutcome> parse_outcome(std::istream& words) {
    BankOutcome ended;
    std::string outcome;
    words >> ended.id >> ended.is_settled >> ended.is_timed_out >> ended.gtrid >> std::ws;
    std::getline(words, outcome);
    const auto* const known = std::ranges::find_if(
        kOutcomes, [&](Outcome candidate) { return to_string(candidate) == outcome; });
    if (known == kOutcomes.end()) {
        return std::nullopt;
    }
    ended.outcome = *known;
    return ended;
}

}  // namespace

bool takes_part(const BankTransfer& transfer, std::size_t database) noexcept {
    return (transfer.parties >> database & 1U) != 0;
}

std::int64_t share_of(const BankTransfer& transfer, std::size_t database) noexcept {
    const auto first = static_cast<std::size_t>(std::countr_zero(transfer.parties));
    return database == first ? -transfer.amount * (std::popcount(transfer.parties) - 1)
                             : transfer.amount;
}

std::string to_line(const BankTransfer& transfer) {
    const auto& way = transfer.way;
    return fmt::format("{} {} {} {} {} {} {} {:d} {:d} {} {}\n", kBegun, transfer.id,
                       transfer.account, transfer.amount, transfer.parties,
                       word_of(transfer.intent),
                       way.last_resource ? static_cast<int>(*way.last_resource) : kNone,
                       way.is_early, way.is_async, way.timeout_ms, word_of(way.call));
}

std::string to_line(const BankOutcome& outcome) {
    return fmt::format("{} {} {:d} {:d} {} {}\n", kEnded, outcome.id, outcome.is_settled,
                       outcome.is_timed_out, outcome.gtrid, to_string(outcome.outcome));
}

std::optional<std::variant<BankTransfer, BankOutcome>> parse_line(std::string_view line) {
    std::istringstream words{std::string{line}};
    std::string kind;
    words >> kind;
    if (kind == kBegun) {
        return parse_transfer(words);
    }
    if (kind == kEnded) {
        return parse_outcome(words);
    }
    return std::nullopt;
}

std::string change_account(const BankTransfer& transfer, std::size_t database) {
    return fmt::format("update bank_accounts set balance = balance + ({}) where id = {}",
                       share_of(transfer, database), transfer.account);
}

std::string write_down(const BankTransfer& transfer, std::size_t database) {
    return fmt::format("insert into bank_ledger values ({}, {}, {})", transfer.id, transfer.account,
                       share_of(transfer, database));
}

std::string overdraw_account(const BankTransfer& transfer) {
    return fmt::format(
        "update bank_accounts set balance = 0 where id = {} and balance > 1000000000000000",
        transfer.account);
}

}  // namespace xa_tm::test

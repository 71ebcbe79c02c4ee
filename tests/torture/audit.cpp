#include "audit.h"

#include <algorithm>
#include <iterator>
#include <stdexcept>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace xa_tm::test {
namespace {

using Violations = std::vector<std::string>;

/// Whether the transfer is there; nothing when that is different from database to database.
std::optional<bool> is_written(const BankTransfer& transfer, const std::vector<BankBooks>& books,
                               Violations& violations) {
    std::vector<std::string> with;
    std::vector<std::string> without;
    for (std::size_t i = 0; i < books.size(); ++i) {
        const auto entry = books[i].entries.find(transfer.id);
        const bool is_there = entry != books[i].entries.end();
        if (!takes_part(transfer, i)) {
            if (is_there) {
                violations.push_back(fmt::format("transfer {} was not to touch {}, and has",
                                                 transfer.id, books[i].database));
            }
            continue;
        }
        (is_there ? with : without).push_back(books[i].database);
        const BankBooks::Entry wanted{transfer.account, share_of(transfer, i)};
        if (is_there && entry->second != wanted) {
            violations.push_back(fmt::format("transfer {} stands wrongly in the ledger of {}",
                                             transfer.id, books[i].database));
        }
    }
    if (!with.empty() && !without.empty()) {
        violations.push_back(fmt::format("transfer {} is torn: in the ledger of {}, not of {}",
                                         transfer.id, fmt::join(with, ", "),
                                         fmt::join(without, ", ")));
        return std::nullopt;
    }
    return without.empty();
}

void judge_told(const BankTransfer& transfer, const BankOutcome& told, bool is_written,
                Violations& violations) {
    const auto what =
        fmt::format("transfer {} ({}), told \"{}\",", told.id, told.gtrid, to_string(told.outcome));
    switch (told.outcome) {
        case Outcome::committed:
            if (!is_written) {
                violations.push_back(what + " is in no ledger");
            }
            if (transfer.intent != BankIntent::commit) {
                violations.push_back(what + " was not to be committed");
            }
            break;
        case Outcome::rolled_back:
            if (is_written) {
                violations.push_back(what + " is in the ledgers");
            }
            break;
        case Outcome::unknown: break;  // whole, as every one is
        case Outcome::heuristic_rollback:
        case Outcome::heuristic_mixed:
        case Outcome::heuristic_hazard:
            violations.push_back(what + " although nobody but us finishes branches");
            break;
    }
}

/// Both ways: what is ours has gone, what is not is still there.
void judge_left(const std::set<std::string>& left, const std::set<std::string>& planted,
                std::string_view held_as, std::string_view database, Violations& violations) {
    Violations ours;
    std::ranges::set_difference(left, planted, std::back_inserter(ours));
    for (const auto& one : ours) {
        violations.push_back(fmt::format("{} still holds {} {}", database, one, held_as));
    }
    Violations touched;
    std::ranges::set_difference(planted, left, std::back_inserter(touched));
    for (const auto& one : touched) {
        violations.push_back(
            fmt::format("{} holds the foreign {} {} no more", database, one, held_as));
    }
}

void judge_server(const BankBooks& books, Violations& violations) {
    for (const auto account : books.wrong_accounts) {
        violations.push_back(fmt::format("account {} of {} does not hold what its ledger says",
                                         account, books.database));
    }
    judge_left(books.prepared, books.planted, "prepared", books.database, violations);
    judge_left(books.rows, books.planted_rows, "as a decision row", books.database, violations);
}

}  // namespace

void Audit::read(std::string_view line) {
    const auto parsed = parse_line(line);
    if (!parsed) {
        throw std::runtime_error{fmt::format("the application wrote: {}", line)};
    }
    if (const auto* begun = std::get_if<BankTransfer>(&*parsed)) {
        transfers_.emplace(begun->id, Known{.transfer = *begun});
        return;
    }
    const auto& told = std::get<BankOutcome>(*parsed);
    auto& known = transfers_.at(told.id);
    if (known.told) {
        known.told_in_the_end = told;
        return;
    }
    known.told = told;
    committed_ += told.outcome == Outcome::committed ? 1U : 0U;
}

std::vector<std::string> Audit::judge(const std::vector<BankBooks>& books, std::int64_t first_id) {
    Violations violations;
    for (auto known = transfers_.lower_bound(first_id); known != transfers_.end(); ++known) {
        auto& [transfer, told, told_in_the_end, was_written] = known->second;
        const auto written = is_written(transfer, books, violations);
        if (!written) {
            continue;
        }
        if (told) {
            judge_told(transfer, *told, *written, violations);
            if (told_in_the_end) {
                judge_told(transfer, *told_in_the_end, *written, violations);
            }
        } else if (*written && transfer.intent != BankIntent::commit) {
            violations.push_back(
                fmt::format("transfer {} was not to be committed, and was", transfer.id));
        }
        if (was_written && *was_written != *written) {
            violations.push_back(
                *written ? fmt::format("transfer {} was not in the ledgers before, and is in them "
                                       "now",
                                       transfer.id)
                         : fmt::format("transfer {} was in the ledgers before, and is gone",
                                       transfer.id));
        }
        was_written = written;
    }
    std::int64_t sum = 0;
    for (const auto& one : books) {
        for (const auto& [id, entry] : one.entries) {
            if (!transfers_.contains(id)) {
                violations.push_back(
                    fmt::format("nobody has begun transfer {} of {}", id, one.database));
            }
        }
        judge_server(one, violations);
        sum += one.balance;
    }
    if (sum != 0) {
        violations.push_back(fmt::format("all accounts of all databases add up to {}", sum));
    }
    return violations;
}

BankTally Audit::tally() const {
    BankTally tally;
    std::map<std::string, std::size_t> by_gtrid;
    for (const auto& [id, known] : transfers_) {
        const auto& way = known.transfer.way;
        tally.with_last_resource += way.last_resource ? 1U : 0U;
        tally.early += way.is_early ? 1U : 0U;
        tally.async += way.is_async ? 1U : 0U;
        tally.with_timeout += way.timeout_ms > 0 ? 1U : 0U;
        tally.by_keys += way.call == BankCall::by_keys ? 1U : 0U;
        tally.combinable += way.call == BankCall::combined ? 1U : 0U;
        if (known.told && known.told->outcome == Outcome::committed) {
            ++by_gtrid[known.told->gtrid];
        }
        if (known.told) {
            tally.timed_out += known.told->is_timed_out ? 1U : 0U;
            ++tally.told[known.told->outcome];
            tally.not_begun += known.told->gtrid == kNotBegun ? 1U : 0U;
        } else if (known.was_written.value_or(false)) {
            ++tally.untold_written;
        } else {
            ++tally.untold_absent;
        }
    }
    for (const auto& [gtrid, transfers] : by_gtrid) {
        tally.combined += transfers > 1 ? transfers : 0;
    }
    return tally;
}

}  // namespace xa_tm::test

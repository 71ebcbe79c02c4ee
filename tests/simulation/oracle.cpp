#include "oracle.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <utility>

#include <fmt/format.h>

namespace xa_tm::simulation {

std::string server_name(ServerKind kind, std::size_t index) {
    return fmt::format("{}-{}", to_string(kind), index);
}

Oracle::ServerSet Oracle::bit_of(std::string_view server) {
    return ServerSet{1} << static_cast<unsigned>(server.back() - '0');
}

TransactionNumber Oracle::begin(const std::string& gtrid) {
    ++counts_.transactions;
    const auto number = ++last_;
    transactions_[number].gtrid = gtrid;
    attempts_[gtrid].transactions.push_back(number);
    return number;
}

TransactionNumber Oracle::begin_one_shot(const std::vector<std::string>& servers) {
    ++counts_.transactions;
    ++counts_.one_shots;
    auto& transaction = transactions_[++last_];
    for (const auto& server : servers) {
        transaction.wrote |= bit_of(server);
    }
    return last_;
}

void Oracle::sends(const std::string& gtrid, TransactionNumber number) {
    auto& transactions = attempts_[gtrid].transactions;
    if (std::ranges::count(transactions, number) == 0) {
        transactions.push_back(number);
    }
}

void Oracle::wrote(TransactionNumber transaction, std::string_view server) {
    transactions_.at(transaction).wrote |= bit_of(server);
}

void Oracle::told(TransactionNumber number, Outcome outcome, bool is_early) {
    counts_.told_early += is_early ? 1 : 0;
    auto& transaction = transactions_.at(number);
    transaction.told = outcome;
    note_outcome(outcome, number);
    check_now(number, transaction);
}

void Oracle::told_one_shot(TransactionNumber number, const std::string& gtrid, Outcome outcome) {
    auto& transaction = transactions_.at(number);
    transaction.told = outcome;
    note_outcome(outcome, number);
    const auto attempt = attempts_.find(gtrid);
    if (outcome == Outcome::committed) {
        transaction.gtrid = gtrid;
        const auto members = attempt == attempts_.end() ? 0 : ++attempt->second.told_committed;
        counts_.combined += members == 1 ? 0 : members == 2 ? 2 : 1;
    } else if (attempt != attempts_.end() && attempt->second.committed != 0) {
        ++counts_.failed_members;
    }
    check_now(number, transaction);
}

void Oracle::note_outcome(Outcome outcome, TransactionNumber number) {
    switch (outcome) {
        case Outcome::committed: ++counts_.committed; break;
        case Outcome::rolled_back: ++counts_.rolled_back; break;
        case Outcome::unknown: ++counts_.unknown; break;
        case Outcome::heuristic_rollback:
        case Outcome::heuristic_mixed:
        case Outcome::heuristic_hazard:
            report({"outcomes are true",
                    fmt::format("the application was told {}, but nobody has intervened",
                                to_string(outcome)),
                    number});
    }
}

void Oracle::completed(TransactionNumber number, Outcome outcome) {
    ++counts_.completed;
    if (outcome != Outcome::committed) {
        report({"outcomes are true",
                fmt::format("told committed early, and {} when it was carried through",
                            to_string(outcome)),
                number});
    }
}

Oracle::Transaction* Oracle::find(const std::string& row, TransactionNumber& number) {
    std::from_chars(row.data(), row.data() + row.size(), number);
    const auto found = transactions_.find(number);
    return found == transactions_.end() ? nullptr : &found->second;
}

Oracle::Attempt* Oracle::find_attempt(const std::string& gtrid,
                                      const std::vector<std::string>& rows) {
    TransactionNumber number = 0;
    const auto found = attempts_.find(gtrid);
    return rows.empty() || find(rows.front(), number) == nullptr || found == attempts_.end()
               ? nullptr
               : &found->second;
}

void Oracle::committed(std::string_view server, const Xid& xid,
                       const std::vector<std::string>& rows) {
    auto* attempt = find_attempt(xid.gtrid, rows);
    if (attempt == nullptr) {
        if (!rows.empty()) {
            report(
                {"only ours",
                 fmt::format("{} was made to commit {}, which nobody asked for", server, xid.gtrid),
                 number_of(xid.gtrid)});
        }
        return;
    }
    attempt->committed |= bit_of(server);
    check_now(*attempt);
    for (const auto& row : rows) {
        TransactionNumber number = 0;
        auto* transaction = find(row, number);
        if (transaction == nullptr) {
            continue;
        }
        commit_row(server, xid.gtrid, number, *transaction);
        if (!attempt->is_decided && std::popcount(transaction->wrote) > 1) {
            report({"decision first",
                    fmt::format("{} was made to commit, and the decision stands nowhere", server),
                    number});
        }
        check_now(number, *transaction);
    }
}

void Oracle::commit_row(std::string_view server, const std::string& gtrid, TransactionNumber number,
                        Transaction& transaction) {
    if ((transaction.committed & bit_of(server)) != 0) {
        report(
            {"exactly once", fmt::format("{} was made to commit its work twice", server), number});
    } else if (transaction.committed != 0 && transaction.gtrid != gtrid) {
        report({"exactly once",
                fmt::format("{} was made to commit its work by {}, another server by {}", server,
                            gtrid, transaction.gtrid),
                number});
    }
    transaction.committed |= bit_of(server);
    transaction.gtrid = gtrid;
}

void Oracle::rolled_back(std::string_view server, const Xid& xid,
                         const std::vector<std::string>& rows, bool was_prepared) {
    if (auto* attempt = find_attempt(xid.gtrid, rows)) {
        // What is undone before its vote is judged by the outcome: another branch may have taken
        // its place.
        attempt->undone |= was_prepared ? bit_of(server) : 0U;
        check_now(*attempt);
    } else if (!rows.empty() && rows.front() == kForeignRow) {
        report({"only ours",
                fmt::format("{} was made to roll back the foreign branch {}", server, xid.gtrid),
                std::nullopt});
    }
}

void Oracle::came_back(std::string_view server, const Xid& xid,
                       const std::vector<std::string>& rows) {
    if (auto* attempt = find_attempt(xid.gtrid, rows)) {
        attempt->undone &= ~bit_of(server);
    }
}

void Oracle::wrote_decision(std::string_view, const std::string& gtrid) {
    ++counts_.decided_by_row;
    note_decision(gtrid);
}

void Oracle::keeps(const Decision& decision) {
    note_decision(decision.gtrid);
}

void Oracle::note_decision(const std::string& gtrid) {
    const auto found = attempts_.find(gtrid);
    if (found != attempts_.end()) {
        found->second.is_decided = true;
        check_now(found->second);
    }
}

void Oracle::removed_decision(std::string_view server, const std::string& gtrid) {
    check_forgotten(gtrid, fmt::format("{} was made to remove the row of", server));
}

void Oracle::forgot(const Decision& decision) {
    check_forgotten(decision.gtrid, "the log forgot");
}

void Oracle::check_forgotten(const std::string& gtrid, std::string_view who) {
    const auto found = attempts_.find(gtrid);
    if (found == attempts_.end()) {
        return;  // it had come back with a crash, and was judged before
    }
    const auto& numbers = found->second.transactions;
    const auto is_finished = [this](TransactionNumber number) {
        const auto& transaction = transactions_.at(number);
        return transaction.committed == transaction.wrote;
    };
    const bool is_one_finished = std::ranges::any_of(numbers, is_finished);
    for (const auto number : numbers) {
        const bool may_have_failed = is_one_finished && transactions_.at(number).committed == 0;
        if (!is_finished(number) && !may_have_failed) {
            report(
                {"forget last",
                 fmt::format("{} the decision although a branch has not been committed yet", who),
                 number});
        }
    }
}

void Oracle::check_now(const Attempt& attempt) {
    if (attempt.committed != 0 && attempt.undone != 0) {
        report({"atomicity", "one branch was committed and another one rolled back",
                attempt.transactions.front()});
    } else if (attempt.is_decided && attempt.undone != 0) {
        report({"atomicity", "a branch was rolled back against the decision to commit",
                attempt.transactions.front()});
    }
    for (const auto number : attempt.transactions) {
        check_now(number, transactions_.at(number));
    }
}

void Oracle::check_now(TransactionNumber number, const Transaction& transaction) {
    const auto attempt = attempts_.find(transaction.gtrid);
    const bool is_undone = attempt != attempts_.end() && attempt->second.undone != 0;
    const bool is_decided = attempt != attempts_.end() && attempt->second.is_decided;
    if (transaction.told == Outcome::committed && is_undone) {
        report({"outcomes are true", "told committed, but a branch was rolled back", number});
    } else if (transaction.told == Outcome::rolled_back && transaction.committed != 0) {
        report({"outcomes are true", "told rolled back, but a branch was committed", number});
    } else if (transaction.told == Outcome::committed && !is_decided &&
               std::popcount(transaction.wrote) > 1) {
        report({"outcomes are true", "told committed, and the decision stands nowhere", number});
    }
}

void Oracle::check_outcome(TransactionNumber number, const Transaction& transaction) {
    const auto attempt = attempts_.find(transaction.gtrid);
    const bool has_to_be_committed =
        transaction.committed != 0 || (attempt != attempts_.end() && attempt->second.is_decided);
    if (has_to_be_committed && transaction.committed != transaction.wrote) {
        report({"atomicity", "some of its branches are committed, and others are not", number});
    } else if (transaction.told == Outcome::committed &&
               transaction.committed != transaction.wrote) {
        report({"outcomes are true", "told committed, but nothing is", number});
    } else if (transaction.told == Outcome::rolled_back && transaction.committed != 0) {
        report({"outcomes are true", "told rolled back, but it is committed", number});
    }
}

void Oracle::check_settled(const std::vector<std::unique_ptr<SimulatedServer>>& servers,
                           std::size_t open_decisions, const std::string& log) {
    for (const auto& server : servers) {
        check_left_at(*server, log);
    }
    // In the order of their beginning, so that the same seed reports the same one.
    std::vector<TransactionNumber> numbers;
    for (const auto& [number, transaction] : transactions_) {
        numbers.push_back(number);
        counts_.never_told += transaction.told ? 0 : 1;
    }
    std::ranges::sort(numbers);
    for (const auto number : numbers) {
        check_outcome(number, transactions_.at(number));
    }
    if (open_decisions > 0) {
        report({"every decision is carried through",
                fmt::format("{} decisions are still open", open_decisions), std::nullopt});
    }
    transactions_.clear();
    attempts_.clear();
}

void Oracle::check_left_at(const SimulatedServer& server, const std::string& log) {
    for (const auto& [xid, branch] : server.prepared()) {
        if (branch.rows.empty() || branch.rows.front() != kForeignRow) {
            report({"nothing is left prepared",
                    fmt::format("{} still holds {}{}", server.name(), xid.gtrid,
                                branch.holder == nullptr
                                    ? ""
                                    : fmt::format(", in session {}", branch.holder->number)),
                    number_of(xid.gtrid)});
        }
    }
    if (server.open_branches() > 0) {
        report({"nothing is left prepared",
                fmt::format("a branch is still open at {}", server.name()), std::nullopt});
    }
    for (const auto& row : server.decisions_of(log)) {
        report({"every decision is carried through",
                fmt::format("the decision row of {} is still at {}", row.gtrid, server.name()),
                number_of(row.gtrid)});
    }
}

/// The first one counts: what comes after it may follow from it.
void Oracle::report(Violation violation) {
    if (!violation_) {
        violation_ = std::move(violation);
    }
}

std::optional<TransactionNumber> Oracle::number_of(const std::string& gtrid) const {
    const auto found = attempts_.find(gtrid);
    return found == attempts_.end() ? std::nullopt
                                    : std::optional{found->second.transactions.front()};
}

bool Oracle::is_part(TransactionNumber transaction, const std::string& gtrid) const {
    const auto found = attempts_.find(gtrid);
    return found != attempts_.end() &&
           std::ranges::count(found->second.transactions, transaction) > 0;
}

}  // namespace xa_tm::simulation

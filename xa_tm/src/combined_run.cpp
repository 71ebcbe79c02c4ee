#include "combined_run.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "logging.h"
#include "transaction_manager_state.h"

namespace xa_tm {
namespace {

using Verdict = CombinedWork::Verdict;

Request savepoint(std::size_t member) {
    return {.verb = Verb::execute, .statement = fmt::format("savepoint xa_tm_{}", member)};
}

Request back_to_savepoint(std::size_t member) {
    return {.verb = Verb::execute,
            .statement = fmt::format("rollback to savepoint xa_tm_{}", member)};
}

/// Whether the branch can go back to a savepoint after that.
bool can_be_undone(const Answer& answer) noexcept {
    return answer.code == XaCode::rmerr && !answer.is_conflict;
}

}  // namespace

CombinedRun::CombinedRun(OpenTransaction& transaction, ConflictQueue::Passenger& own,
                         std::span<ConflictQueue::Passenger* const> others)
    : transaction_{transaction}, combined_{others.size() + 1} {
    const auto add = [this](ConflictQueue::Passenger& passenger) {
        members_.push_back({&passenger, shares_of(transaction_.manager(), passenger.statements),
                            StatementTally{passenger.statements}});
    };
    members_.reserve(others.size() + 1);
    add(own);
    for (auto* other : others) {
        add(*other);
    }
    for (const auto& share : members_.front().shares) {
        works_.push_back({.branch = transaction_.enlist(*share.datasource), .statements = {}});
    }
}

std::optional<RunReport> CombinedRun::run(TimeLimit::Clock::time_point deadline,
                                          std::function<void()> on_votes) {
    do_statements(deadline);
    if (combined_.state() == CombinedWork::State::dissolved) {
        return std::nullopt;
    }
    if (combined_.state() == CombinedWork::State::empty) {
        transaction_.roll_back_because("every transaction of the batch has failed");
    }
    const auto report = transaction_.commit(until(), std::move(on_votes));
    if (combined_.is_in_vain(report.outcome())) {
        return std::nullopt;
    }
    tell(report);
    return report_of(0, report);
}

void CombinedRun::do_statements(TimeLimit::Clock::time_point deadline) {
    while (combined_.state() == CombinedWork::State::working) {
        const auto trip = combined_.next();
        load(trip);
        try {
            transaction_.carry_out(works_, deadline);
            take(trip);
        } catch (const Error&) {
            combined_.take_broken();  // whoever runs alone then meets the same error, or does not
        }
        combined_.end_trip();
    }
}

void CombinedRun::load(const CombinedWork::Trip& trip) {
    for (auto& work : works_) {
        work.statements.clear();
        if (trip.undo) {
            work.statements.push_back(back_to_savepoint(*trip.undo));
        }
    }
    for (auto index = trip.begin; index < trip.end; ++index) {
        auto& member = members_[index];
        member.tally = StatementTally{member.passenger->statements};
        for (std::size_t branch = 0; branch < works_.size(); ++branch) {
            auto& requests = works_[branch].statements;
            requests.push_back(savepoint(index));
            for (const auto statement : member.shares[branch].statements) {
                requests.push_back(request_of(member.passenger->statements[statement]));
            }
        }
    }
}

void CombinedRun::take(const CombinedWork::Trip& trip) {
    for (std::size_t branch = 0; branch < works_.size(); ++branch) {
        take(branch, trip);
    }
}

void CombinedRun::take(std::size_t branch, const CombinedWork::Trip& trip) {
    std::span answers{works_[branch].answers};
    bool is_reached = true;
    if (trip.undo) {
        is_reached = answers.front().code == XaCode::ok;
        answers = answers.subspan(1);
    }
    if (!is_reached) {
        combined_.take_broken();
    }
    for (auto index = trip.begin; index < trip.end; ++index) {
        auto& member = members_[index];
        const auto count = member.shares[branch].statements.size() + 1;
        const auto own = answers.first(count);
        answers = answers.subspan(count);
        const bool is_cut_off = std::ranges::any_of(
            own, [](const Answer& answer) { return answer.code != XaCode::ok; });
        combined_.take(index, is_reached ? verdict_of(branch, member, own) : Verdict::not_reached);
        is_reached = is_reached && !is_cut_off;
    }
}

/// From the answers to its savepoint and its statements.
Verdict CombinedRun::verdict_of(std::size_t branch, Member& member, std::span<Answer> answers) {
    if (answers.front().code != XaCode::ok) {
        return Verdict::broken;
    }
    auto verdict = Verdict::done;
    for (std::size_t i = 1; i < answers.size(); ++i) {
        auto& answer = answers[i];
        const auto statement = member.shares[branch].statements[i - 1];
        if (answer.code != XaCode::ok) {
            member.tally.take_failed(statement,
                                     transaction_.error_of(works_[branch].branch, answer));
            return can_be_undone(answer) ? Verdict::failed : Verdict::broken;
        }
        if (!member.tally.take_done(statement, std::move(answer))) {
            verdict = Verdict::failed;
        }
    }
    return verdict;
}

/// An early answer is for those who all want one.
Return CombinedRun::until() const {
    const bool may_be_early = std::ranges::all_of(members_, [](const Member& member) {
        return member.passenger->until == Return::when_decided;
    });
    return may_be_early ? Return::when_decided : Return::when_finished;
}

/// From the commit on nobody may run again who is part of it, whatever happens here.
void CombinedRun::tell(const CommitReport& report) noexcept {
    for (std::size_t i = 1; i < members_.size(); ++i) {
        members_[i].passenger->report.emplace(report_of(i, report));
    }
}

RunReport CombinedRun::report_of(std::size_t member, const CommitReport& report) {
    auto& tally = members_[member].tally;
    if (!combined_.has_failed(member)) {
        return {report, tally.take_results()};
    }
    const auto fault = tally.fault();
    return {CommitReport{report.gtrid(), Outcome::rolled_back, fault->what(), {}},
            tally.take_results(), fault};
}

}  // namespace xa_tm

// Invariants:
// - a branch that is_started has a lease, until the coordinator hands that on;
// - one that is not started has none between two calls;
// - an xid is sent with start once: what a lost connection left of it is never met again.

#include "enlistments.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "gather.h"
#include "global_id.h"
#include "xa_tm/error.h"
#include "xa_tm/transaction.h"

namespace xa_tm {
namespace {

/// A statement may run for as long as the server lets it; "for ever" would overflow the clock.
constexpr std::chrono::hours kNoTimeout{24};

std::string words_of(const Answer& answer) {
    return answer.message.empty() ? std::string{to_string(answer.code)} : answer.message;
}

Error failed(const EnlistedBranch& branch, ErrorCode refused, std::string_view what,
             const Answer& answer) {
    const auto& resource = branch.datasource->name();
    return {{answer.code == XaCode::rmfail ? ErrorCode::resource_unreachable : refused, resource,
             answer.sqlstate, answer.native_error},
            fmt::format("resource {}: {}: {}", resource, what, words_of(answer))};
}

Error statement_failed(const EnlistedBranch& branch, const Answer& answer) {
    return answer.is_conflict
               ? failed(branch, ErrorCode::conflict,
                        "another transaction stood in the statement's way; roll back and run the "
                        "transaction again",
                        answer)
               : failed(branch, ErrorCode::statement_failed, "the statement failed", answer);
}

}  // namespace

void EnlistedBranch::note(Answer&& answer) {
    const bool is_good = answer.code == XaCode::ok || answer.code == XaCode::rdonly;
    if (is_good && !answer.message.empty()) {
        warnings += warnings.empty() ? answer.message : "; " + answer.message;
    }
    if (!answer.evidence.empty()) {
        evidence = answer.evidence;
    }
    last_answer = std::move(answer);
}

std::size_t Enlistments::add(Datasource& datasource) {
    const auto found = std::ranges::find(branches_, &datasource, &EnlistedBranch::datasource);
    if (found != branches_.end()) {
        return static_cast<std::size_t>(found - branches_.begin());
    }
    if (branches_.size() == Transaction::kMaxBranches) {
        throw Error({.code = ErrorCode::invalid_state, .resource = datasource.name()},
                    fmt::format("transaction {} has {} branches, which is the most that one can "
                                "have; use several transactions",
                                gtrid(), Transaction::kMaxBranches));
    }
    if (datasource.options().is_last_resource) {
        check_may_have_last_resource(datasource);
    }
    branches_.push_back({&datasource, {kFormatId, gtrid(), next_bqual(datasource)}});
    if (datasource.options().is_last_resource) {
        make_last_resource(branches_.size() - 1);
    }
    return branches_.size() - 1;
}

std::size_t Enlistments::add_lent(Datasource& datasource, Adopt adopt) {
    if (std::ranges::find(branches_, &datasource, &EnlistedBranch::datasource) != branches_.end()) {
        throw Error({.code = ErrorCode::invalid_state, .resource = datasource.name()},
                    fmt::format("resource {}: it takes part in transaction {} already, so no "
                                "connection can be lent to that; lend it first",
                                datasource.name(), gtrid()));
    }
    const auto index = add(datasource);
    branches_[index].adopt = std::move(adopt);
    branches_[index].is_lent = true;
    return index;
}

void Enlistments::show(Activity activity) noexcept {
    for (auto& branch : branches_) {
        branch.show(activity);
    }
}

std::string Enlistments::next_bqual(const Datasource& datasource) {
    return to_bqual({datasource.name(), ++ordinal_, last_resource_.has_value()});
}

void Enlistments::check_may_have_last_resource(const Datasource& datasource) const {
    const auto refuse = [&datasource](const std::string& why) -> Error {
        return {{.code = ErrorCode::invalid_state, .resource = datasource.name()},
                fmt::format("resource {} can't be the last resource of this transaction: {}",
                            datasource.name(), why)};
    };
    if (last_resource_) {
        throw refuse(fmt::format("{} is it already, and there is one at most",
                                 branches_[*last_resource_].datasource->name()));
    }
    const auto used = std::ranges::find_if(
        branches_, [](const EnlistedBranch& branch) { return branch.is_started; });
    if (used != branches_.end()) {
        throw refuse(
            fmt::format("{} has been used already; enlist the last resource before any "
                        "branch is used",
                        used->datasource->name()));
    }
}

/// No branch has been used: from now on their xids say where the decision will lie.
void Enlistments::make_last_resource(std::size_t index) {
    last_resource_ = index;
    for (auto& branch : branches_) {
        branch.xid.bqual = next_bqual(*branch.datasource);
    }
}

Connection& Enlistments::open(std::size_t index) {
    auto& branch = branches_.at(index);
    check_takes_statements(branch);
    if (!branch.is_started) {
        acquire_all_unstarted();
        start_all_unstarted();
    }
    branch.is_lent = true;
    branch.show_application();
    return *branch.connection();
}

void Enlistments::check_takes_statements(const EnlistedBranch& branch) const {
    if (branch.vote) {
        throw Error({.code = ErrorCode::invalid_state, .resource = branch.datasource->name()},
                    fmt::format("resource {}: the branch takes no more statements, because its "
                                "last one has been run or its connection was lost; end the "
                                "transaction",
                                branch.datasource->name()));
    }
}

/// Before anything is sent over a branch's connection.
void Enlistments::hold(EnlistedBranch& branch) {
    branch.server = branch.connection()->server_identity();
    if (environment_.limit != nullptr &&
        !environment_.limit->hold(*branch.datasource, *branch.connection())) {
        throw Error({.code = ErrorCode::timed_out, .resource = branch.datasource->name()},
                    time_out_reason());
    }
}

TimeLimit::Clock::time_point Enlistments::deadline() const noexcept {
    return environment_.limit != nullptr ? environment_.limit->deadline()
                                         : TimeLimit::Clock::time_point::max();
}

/// Of an answer that is waited for from now on.
TimeLimit::Clock::time_point Enlistments::deadline_of_answer() {
    const auto now = TimeLimit::Clock::now();
    opened_at_ = opened_at_.value_or(now);
    return std::min(deadline(), now + environment_.answer_timeout);
}

ConnectionPool::Lease Enlistments::lease_for(const EnlistedBranch& branch,
                                             std::vector<Request> batch) {
    auto& pool = branch.datasource->pool();
    return branch.adopt ? pool.lease_of_lent(adopt(branch))
                        : pool.acquire(*environment_.mark, gtrid(), std::move(batch), deadline());
}

/// Recovery looks for the branch where the datasource leads to, as the datasource's user.
std::unique_ptr<Connection> Enlistments::adopt(const EnlistedBranch& branch) {
    auto connection = branch.adopt(*environment_.mark);
    const auto& resource = branch.datasource->name();
    const auto target = branch.datasource->pool().target();
    if (!target.server.empty() && connection->server_identity() != target.server) {
        throw Error({.code = ErrorCode::invalid_configuration, .resource = resource},
                    fmt::format("resource {}: the lent connection leads to another server or "
                                "database ({}) than the datasource ({}), where recovery would look "
                                "for the branch; lend one to the same database",
                                resource, connection->server_identity(), target.server));
    }
    if (connection->owner_of_branches() != target.owner_of_branches && !target.server.empty()) {
        throw Error(
            {.code = ErrorCode::invalid_configuration, .resource = resource},
            fmt::format("resource {}: the lent connection is of the user {}, and recovery "
                        "comes as {}, who could not finish the branch; lend one of the same "
                        "user",
                        resource, connection->owner_of_branches(), target.owner_of_branches));
    }
    return connection;
}

void Enlistments::acquire_all_unstarted() {
    try {
        for (auto& branch : branches_) {
            if (!branch.is_started) {
                branch.lease = lease_for(branch);
            }
        }
        for (auto& branch : branches_) {
            if (!branch.is_started) {
                hold(branch);
            }
        }
    } catch (...) {
        for (auto& branch : branches_) {
            if (!branch.is_started) {
                branch.lease.reset();
            }
        }
        throw;
    }
}

void Enlistments::start_all_unstarted() {
    Gather gather;
    const auto send_start = [&](std::size_t i) {
        auto& branch = branches_[i];
        branch.connection()->send(Verb::start, branch.xid);
        gather.expect(i, *branch.connection());
    };
    for (std::size_t i = 0; i < branches_.size(); ++i) {
        if (!branches_[i].is_started) {
            send_start(i);
        }
    }
    auto answer_due = deadline_of_answer();
    std::optional<Error> failure;
    while (!gather.is_empty()) {
        auto arrival = gather.next(answer_due);
        auto& branch = branches_[arrival.key];
        try {
            if (is_stale(branch, arrival.answer)) {
                replace(branch);
                send_start(arrival.key);
                answer_due = deadline_of_answer();
            } else {
                take_start(branch, std::move(arrival.answer));
            }
        } catch (const Error& error) {
            abandon(branch);
            failure = failure.value_or(error);
        }
    }
    if (failure) {
        throw *failure;
    }
}

void Enlistments::take_start(EnlistedBranch& branch, Answer answer) {
    branch.note(std::move(answer));
    if (branch.last_answer.code != XaCode::ok) {
        throw failed(branch, ErrorCode::resource_refused, "the branch could not be started",
                     branch.last_answer);
    }
    branch.is_started = true;
    branch.show_application();
}

/// The connection died in the pool: nothing of this transaction is on it.
bool Enlistments::is_stale(const EnlistedBranch& branch, const Answer& start) const {
    const bool has_time = environment_.limit == nullptr || !environment_.limit->is_over();
    return start.code == XaCode::rmfail && !branch.lease->is_fresh() && has_time;
}

/// Gives the branch another connection, and another xid: the old one may have reached the server.
void Enlistments::replace(EnlistedBranch& branch) {
    branch.lease->reconnect(*environment_.mark);
    hold(branch);
    branch.xid.bqual = next_bqual(*branch.datasource);
}

/// The branch did not start; it may be tried again, under another xid.
void Enlistments::abandon(EnlistedBranch& branch) {
    branch.close();
    branch.lease.reset();
    branch.xid.bqual = next_bqual(*branch.datasource);
    environment_.wake_recovery(branch.datasource->name());
}

/// The branch's session is gone, and with it the transaction's chance to commit.
void Enlistments::lose(EnlistedBranch& branch, XaCode vote) {
    branch.close();
    branch.is_started = true;
    branch.vote = vote;
    environment_.wake_recovery(branch.datasource->name());
}

/// One branch's way through carry_out().
struct Enlistments::Trip {
    Work* work;
    EnlistedBranch* branch;
    bool opens;
    bool prepares;
    std::vector<Request> batch;
    /// To the whole batch; those that did not come are XAER_RMFAIL, once it has been gathered.
    std::vector<Answer> answers = {};
};

std::uint64_t Enlistments::execute(Work work) {
    carry_out({&work, 1});
    const auto& answer = work.answers.front();
    if (answer.code != XaCode::ok) {
        throw error_of(work.branch, answer);
    }
    return answer.rows;
}

Error Enlistments::error_of(std::size_t branch, const Answer& answer) const {
    return statement_failed(branches_.at(branch), answer);
}

void Enlistments::carry_out(std::span<Work> works, TimeLimit::Clock::time_point deadline) {
    for (const auto& work : works) {
        check_takes_statements(branches_.at(work.branch));
    }
    std::optional<Error> failure;
    std::vector<Trip> trips;
    trips.reserve(works.size());
    for (auto& work : works) {
        trips.push_back(trip_for(work));
        if (trips.back().batch.empty()) {
            trips.pop_back();  // a last resource without statements
            continue;
        }
        try {
            depart(trips.back());
        } catch (const Error& error) {
            trips.pop_back();
            failure = error;
            break;
        }
    }
    gather(trips, deadline);
    for (auto& trip : trips) {
        try {
            arrive(trip, deadline);
        } catch (const Error& error) {
            failure = failure.value_or(error);
        }
    }
    if (failure) {
        throw *failure;
    }
}

Enlistments::Trip Enlistments::trip_for(Work& work) {
    auto& branch = branches_.at(work.branch);
    Trip trip{.work = &work,
              .branch = &branch,
              .opens = !branch.is_started,
              .prepares = work.is_last && work.branch != last_resource_,
              .batch = {}};
    trip.batch.reserve(work.statements.size() + 2);
    if (trip.opens) {
        trip.batch.push_back({.verb = Verb::start});
    }
    std::ranges::move(work.statements, std::back_inserter(trip.batch));
    if (trip.prepares) {
        trip.batch.push_back({.verb = Verb::prepare});
        if (branch.datasource->options().has_witness) {
            trip.batch.back().log = environment_.log.to_string();
        }
    }
    for (auto& request : trip.batch) {
        request.xid = branch.xid;
    }
    return trip;
}

/// Sends the batch, unless whoever had the connection before has sent it already.
void Enlistments::depart(Trip& trip) {
    auto& branch = *trip.branch;
    if (trip.opens && !branch.lease) {
        acquire_and_hold(branch, trip.batch);
    }
    opened_at_ = opened_at_.value_or(TimeLimit::Clock::now());
    branch.show(Activity::statement);
    if (branch.connection() != nullptr && !branch.lease->take_sent_batch()) {
        branch.connection()->send(trip.batch);
    }
}

/// By when the answers to these have to be there.
TimeLimit::Clock::time_point Enlistments::due(std::span<const Trip> trips) {
    std::chrono::milliseconds longest{0};
    for (const auto& trip : trips) {
        const auto statement_timeout = trip.branch->datasource->options().statement_timeout;
        const auto statements = static_cast<int>(trip.work->statements.size());
        longest = std::max<std::chrono::milliseconds>(
            longest, statement_timeout.count() > 0
                         ? statement_timeout * statements + environment_.answer_timeout
                         : kNoTimeout);
    }
    return std::min(deadline(), TimeLimit::Clock::now() + longest);
}

void Enlistments::gather(std::span<Trip> trips, TimeLimit::Clock::time_point deadline) {
    const auto answers_due = std::min(deadline, due(trips));
    Gather gather;
    for (std::size_t i = 0; i < trips.size(); ++i) {
        if (auto* connection = trips[i].branch->connection()) {
            gather.expect(i, *connection);
        }
    }
    while (!gather.is_empty()) {
        auto arrival = gather.next(answers_due);
        auto& trip = trips[arrival.key];
        const bool is_lost = arrival.answer.code == XaCode::rmfail;
        trip.answers.push_back(std::move(arrival.answer));
        if (!is_lost && trip.answers.size() < trip.batch.size()) {
            gather.expect(arrival.key, *trip.branch->connection());
        }
    }
    for (auto& trip : trips) {
        const Answer lost{.code = XaCode::rmfail,
                          .message = trip.answers.empty() || trip.answers.back().message.empty()
                                         ? "the connection is lost"
                                         : trip.answers.back().message};
        trip.answers.resize(trip.batch.size(), lost);
        trip.branch->show_application();
    }
}

void Enlistments::arrive(Trip& trip, TimeLimit::Clock::time_point deadline) {
    if (trip.opens) {
        take_opening(trip, deadline);
    }
    take_answers(trip);
}

/// The answer to start.
void Enlistments::take_opening(Trip& trip, TimeLimit::Clock::time_point deadline) {
    auto& branch = *trip.branch;
    try {
        const bool has_time = TimeLimit::Clock::now() < deadline;
        if (is_stale(branch, trip.answers.front()) && !trip.prepares && has_time) {
            replace(branch);
            for (auto& request : trip.batch) {
                request.xid = branch.xid;
            }
            trip.answers.clear();
            depart(trip);
            gather({&trip, 1}, deadline);
        }
        const bool may_be_prepared = trip.prepares && trip.answers.front().code == XaCode::rmfail;
        if (!may_be_prepared) {
            take_start(branch, std::move(trip.answers.front()));
        }
    } catch (...) {
        abandon(branch);
        throw;
    }
}

/// The answers to what follows the start.
void Enlistments::take_answers(Trip& trip) {
    auto& branch = *trip.branch;
    const auto first = trip.answers.begin() + (trip.opens ? 1 : 0);
    const auto last = trip.answers.end() - (trip.prepares ? 1 : 0);
    const auto failed =
        std::find_if(first, last, [](const Answer& answer) { return answer.code != XaCode::ok; });
    if (failed == last && trip.prepares) {
        take_vote(branch, std::move(trip.answers.back()));
    } else if (failed != last) {
        if (failed->code == XaCode::rmfail) {
            // Without a prepare the server rolls the branch back with its session.
            lose(branch, trip.prepares ? XaCode::rmfail : XaCode::rbcommfail);
        } else if (is_rolled_back(failed->code)) {
            branch.vote = failed->code;  // the server has given the whole branch up
        }
        branch.note(Answer{*failed});
    }
    trip.work->answers.assign(std::make_move_iterator(first), std::make_move_iterator(last));
}

/// The batch may have been sent by whoever had the connection before.
void Enlistments::acquire_and_hold(EnlistedBranch& branch, const std::vector<Request>& batch) {
    branch.lease = lease_for(branch, batch);
    if (branch.connection() == nullptr) {
        return;  // lost by whoever was to hand it on
    }
    try {
        hold(branch);
    } catch (...) {
        if (branch.lease->take_sent_batch()) {
            abandon(branch);
        } else {
            branch.lease.reset();
        }
        throw;
    }
}

void Enlistments::give_up() {
    for (auto& branch : branches_) {
        if (!branch.is_started) {
            continue;
        }
        const bool may_be_prepared = branch.vote == XaCode::ok || branch.vote == XaCode::rmfail;
        if (!branch.vote || may_be_prepared) {
            // What is not prepared is rolled back by the server with its session.
            branch.vote = may_be_prepared ? XaCode::rmfail : XaCode::rbtimeout;
            branch.last_answer = {.code = *branch.vote, .message = time_out_reason()};
        }
        branch.close();
        environment_.wake_recovery(branch.datasource->name());
    }
}

std::string Enlistments::time_out_reason() const {
    auto reason =
        fmt::format("the transaction timed out after {} ms", environment_.limit->timeout().count());
    for (auto one = branches_.begin(); one != branches_.end(); ++one) {
        const auto other = std::find_if(one + 1, branches_.end(), [one](const auto& branch) {
            return !one->server.empty() && branch.server == one->server;
        });
        if (other != branches_.end()) {
            // No server sees that the one waits for the other: they are two transactions to it.
            reason += fmt::format(
                "; its branches {} and {} are at the same server and may have "
                "waited for each other's locks: use one datasource for both",
                one->datasource->name(), other->datasource->name());
        }
    }
    return reason;
}

void Enlistments::take_vote(EnlistedBranch& branch, Answer answer) {
    if (answer.code == XaCode::rmfail) {
        lose(branch, XaCode::rmfail);
    }
    branch.vote = answer.code;
    branch.note(std::move(answer));
}

}  // namespace xa_tm

// Invariants:
// - a verb leaves only for a branch that this very look has listed, only when judge() permits the
//   order, and only after the order is durable;
// - no branch of a transaction that recovery could still roll back by itself is committed before a
//   decision that names all of them is durable, so that a crash in between completes it (law 2);
// - a branch that is rolled back against its decision is durably a heuristic outcome before the
// verb
//   leaves, so that no recovery commits it, or forgets it, behind the person's back (law 9);
// - a reply that did not come is told as not known (law 7).

#include "xa_tm/operator_desk.h"

#include <algorithm>
#include <future>
#include <map>
#include <set>

#include <fmt/format.h>

#include "decision_record.h"
#include "gather.h"
#include "log_errors.h"
#include "recovery.h"
#include "transaction_manager_state.h"
#include "xa_tm/error.h"
#include "xa_tm/recovery_log/check.h"
#include "xa_tm/recovery_log/crash_point.h"
#include "xa_tm/transaction_manager.h"

namespace xa_tm {
namespace {

/// How a branch is finished.
enum class Way {
    recovery,  ///< as recovery would do it by itself
    decision,  ///< by recovery, behind a decision that is made for it
    direct,    ///< by the verb alone: nothing in the log speaks of it
    against_decision,
};

LogTime now() {
    return std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
}

Way way_of(OrderVerb verb, TransactionState state, RecoveryAction action) {
    const bool is_commit = verb == OrderVerb::commit;
    switch (state) {
        case TransactionState::commit_decided:
            if (!is_commit) {
                return Way::against_decision;
            }
            return action == RecoveryAction::commit ? Way::recovery : Way::direct;
        case TransactionState::presumed_abort:
            if (is_commit) {
                return Way::decision;
            }
            return action == RecoveryAction::rollback ? Way::recovery : Way::direct;
        case TransactionState::at_last_resource:
        case TransactionState::restored:
        case TransactionState::quarantined:
            // A decision keeps recovery from rolling back a branch that shows up later.
            return is_commit ? Way::decision : Way::direct;
        case TransactionState::lost_log:
        case TransactionState::foreign:
        case TransactionState::heuristic:
        case TransactionState::live: break;
    }
    return Way::direct;
}

const RecoveryBranch* find_branch(const RecoveryReport& report, const std::string& resource,
                                  const Xid& xid) {
    for (const auto& transaction : report.transactions) {
        for (const auto& branch : transaction.branches) {
            if (branch.resource == resource && branch.xid == xid) {
                return &branch;
            }
        }
    }
    return nullptr;
}

std::string in_words(std::string_view sentence, const Answer& answer) {
    return fmt::format("{} ({}{}{})", sentence, to_string(answer.code),
                       answer.message.empty() ? "" : ": ", answer.message);
}

/// What the answer to a verb, sent for a branch that was listed, says of it.
void take_answer(RecoveryBranch& branch, OrderVerb verb, const Answer& answer) {
    branch.action = RecoveryAction::none;
    if (answer.code == XaCode::ok || answer.code == XaCode::rdonly) {
        branch.state =
            verb == OrderVerb::commit ? RecoveredState::committed : RecoveredState::rolled_back;
        branch.reason = "as ordered";
    } else if (is_rolled_back(answer.code)) {
        branch.state = RecoveredState::rolled_back;
        branch.reason = in_words("its resource manager rolled it back", answer);
    } else if (is_heuristic(answer.code)) {
        branch.state = RecoveredState::heuristic;
        branch.heuristic = answer.code;
        branch.reason = in_words("its resource manager had finished it by itself", answer);
    } else if (answer.code == XaCode::rmfail) {
        branch.state = RecoveredState::unreachable;
        branch.reason =
            in_words("the reply was lost, so it may be done or not: look again", answer);
    } else {
        branch.reason = in_words("not done", answer);
    }
}

Error log_refuses(const TransactionManagerState& state, std::string_view what) {
    const auto& reason = state.log.log().status().reason;
    return {{.code = ErrorCode::log_refuses_decisions},
            fmt::format("{} can't be written to the log{}{}; no branch was touched", what,
                        reason.empty() ? "" : ": ", reason)};
}

void check(const Order& order) {
    const auto check_text = [](std::string_view name, const std::string& text) {
        if (text.empty() || text.size() > kMaxWordsBytes) {
            throw Error({.code = ErrorCode::invalid_configuration},
                        fmt::format("the {} of an order has {} bytes; the log keeps 1 to {}", name,
                                    text.size(), kMaxWordsBytes));
        }
    };
    check_text("reason", order.reason);
    check_text("giver", order.who);
}

/// One order, from the look to the last answer.
class CarriedOrder {
public:
    CarriedOrder(TransactionManager& manager, TransactionManagerState& state, const Order& order)
        : manager_{manager}, state_{state}, order_{order} {}

    OrderResult run() {
        report_ = look();
        OrderResult result{.verdict = judge(order_, report_)};
        if (!is_permitted(order_, result.verdict)) {
            return result;
        }
        result.branches = result.verdict.branches;
        if (order_.verb != OrderVerb::forget) {
            sort(result.branches);
            connect(result.branches);
        }
        keep_act(result.verdict);
        XA_TM_CRASH_POINT("operator.act_kept");
        result.is_carried_out = true;
        if (order_.verb == OrderVerb::forget) {
            forget(result.branches);
        } else {
            finish(result.branches);
        }
        return result;
    }

private:
    /// Branches by resource and xid.
    using Wanted = std::set<std::pair<std::string, Xid>>;

    /// As recovery looks: what a first look at all resources tells counts in the second.
    RecoveryReport look() {
        const auto known = [this] { return state_.known(); };
        auto recoveries = state_.resource_recoveries();
        const auto at_all = [&](auto look) {
            std::vector<std::future<ResourcePass>> looks;
            for (auto& recovery : recoveries) {
                looks.push_back(
                    std::async(std::launch::async, [&look, &recovery] { return look(recovery); }));
            }
            std::vector<ResourcePass> passes;
            for (auto& one : looks) {
                passes.push_back(one.get());
            }
            return passes;
        };
        std::ignore = at_all([&](ResourceRecovery& recovery) {
            return recovery.survey(known, state_.table, state_.log);
        });
        const auto passes =
            at_all([&](ResourceRecovery& recovery) { return recovery.look(known); });
        return make_report(state_.known(), passes);
    }

    void sort(const std::vector<RecoveryBranch>& branches) {
        for (const auto& branch : branches) {
            ways_.push_back(way_of(order_.verb, transaction_of(branch), branch.action));
        }
        // One decision names all branches of the order that are ours, also those that recovery
        // would not touch by itself: a part of it would be another torn transaction.
        if (std::ranges::count(ways_, Way::decision) > 0) {
            std::ranges::fill(ways_, Way::decision);
        }
    }

    [[nodiscard]] TransactionState transaction_of(const RecoveryBranch& wanted) const {
        const auto has_it = [&](const RecoveryTransaction& transaction) {
            return std::ranges::any_of(transaction.branches, [&](const RecoveryBranch& branch) {
                return branch.resource == wanted.resource && branch.xid == wanted.xid;
            });
        };
        const auto found = std::ranges::find_if(report_.transactions, has_it);
        XA_TM_CHECK(found != report_.transactions.end(),
                    "a verdict names branches of the report that it was judged by");
        return found->state;
    }

    /// Before anything is written: a resource that is gone again leaves everything as it is.
    void connect(const std::vector<RecoveryBranch>& branches) {
        for (std::size_t i = 0; i < branches.size(); ++i) {
            const auto& name = branches[i].resource;
            if (ways_[i] == Way::recovery || connections_.contains(name)) {
                continue;
            }
            const auto found = std::ranges::find(state_.datasources, name,
                                                 [](const auto& added) { return added->name(); });
            connections_.emplace(name, (*found)->connect(state_.session_mark()));
        }
    }

    void keep_act(const Verdict& verdict) {
        const auto& xid = *verdict.branches.front().xid;
        const bool is_against_a_rule = verdict.permission != Permission::granted;
        const OperatorAct act{.ordered_at = now(),
                              .who = order_.who,
                              .verb = order_.verb,
                              .format_id = xid.format_id,
                              .gtrid = xid.gtrid,
                              .resource = order_.resource,
                              .reason = order_.reason,
                              .overridden = is_against_a_rule
                                                ? verdict.why.substr(0, kMaxWordsBytes)
                                                : std::string{}};
        if (!state_.log.record(act)) {
            throw log_refuses(state_, "the order");
        }
    }

    void forget(std::vector<RecoveryBranch>& branches) {
        const auto why_not = confirm_others();
        if (why_not.empty()) {
            const auto needless = state_.table.forget(branches.front().xid->gtrid);
            if (!needless) {
                throw Error({.code = ErrorCode::invalid_state},
                            "not forgotten: a branch has changed while it was looked at; give the "
                            "order again");
            }
            for (const auto entry : *needless) {
                state_.log.forget(entry);
            }
        }
        for (auto& branch : branches) {
            branch.state = why_not.empty() ? RecoveredState::finished : branch.state;
            branch.reason = why_not.empty() ? "forgotten as ordered" : why_not;
        }
    }

    /// Makes sure that nothing is left of the branches that are not listed (law 6). Gives why one
    /// is not finished; empty when all are. One that turns out to be another heuristic outcome has
    /// not been seen by the person.
    std::string confirm_others() {
        Wanted unlisted;
        for (const auto& transaction : report_.transactions) {
            for (const auto& branch : transaction.branches) {
                if (transaction.gtrid == order_.gtrid && branch.action == RecoveryAction::confirm) {
                    unlisted.emplace(branch.resource, *branch.xid);
                }
            }
        }
        if (unlisted.empty()) {
            return {};
        }
        const auto report = recover(unlisted, RecoveryAction::confirm);
        for (const auto& [resource, xid] : unlisted) {
            const auto* found = find_branch(report, resource, xid);
            if (found == nullptr || found->state != RecoveredState::finished) {
                return fmt::format("not forgotten, because the branch {} at {} is not finished: {}",
                                   xid.bqual, resource,
                                   found == nullptr ? "look again" : found->reason);
            }
        }
        return {};
    }

    /// Recovery of these branches alone, by this action.
    [[nodiscard]] RecoveryReport recover(const Wanted& wanted, RecoveryAction wanted_action) {
        return manager_.recover(
            {.timeout = state_.config.answer_timeout,
             .approve = [&](std::string_view resource, const Xid& xid, RecoveryAction action) {
                 return wanted.contains({std::string{resource}, xid}) &&
                        (action == wanted_action || action == RecoveryAction::confirm);
             }});
    }

    void finish(std::vector<RecoveryBranch>& branches) {
        if (std::ranges::count(ways_, Way::decision) > 0) {
            decide(branches);
        }
        recover_branches(branches);
        // All before the first verb: a crash in between leaves none of them to be committed.
        for (std::size_t i = 0; i < branches.size(); ++i) {
            if (ways_[i] == Way::against_decision) {
                keep_heuristic(branches[i]);
            }
        }
        for (std::size_t i = 0; i < branches.size(); ++i) {
            if (ways_[i] == Way::direct || ways_[i] == Way::against_decision) {
                send(branches[i]);
            }
        }
    }

    /// The decision of a person, in the place of the one that the application never made.
    void decide(const std::vector<RecoveryBranch>& branches) {
        Decision decision{branches.front().xid->gtrid, now(), {}};
        for (const auto& branch : branches) {
            decision.branches.push_back({branch.resource, branch.xid->bqual,
                                         connections_.at(branch.resource)->server_identity(), ""});
        }
        auto reservation = state_.log.reserve(decision);
        if (!reservation) {
            throw log_refuses(state_, "a decision");
        }
        const auto forced = state_.log.force(*std::move(reservation), decision);
        if (forced.result != recovery_log::ForceResult::durable) {
            throw Error({.code = ErrorCode::log_refuses_decisions},
                        fmt::format("whether the decision is in the log is not known ({}); no "
                                    "branch was touched, and the next command finds out",
                                    forced.reason));
        }
        // Durable from here: the transaction is committed even if this process never runs again.
        XA_TM_CRASH_POINT("operator.decision_kept");
        state_.table.hand_over(PendingDecision::fresh(std::move(decision), forced.id));
    }

    void recover_branches(std::vector<RecoveryBranch>& branches) {
        Wanted wanted;
        for (std::size_t i = 0; i < branches.size(); ++i) {
            if (ways_[i] == Way::recovery || ways_[i] == Way::decision) {
                wanted.emplace(branches[i].resource, *branches[i].xid);
            }
        }
        if (wanted.empty()) {
            return;
        }
        const auto report =
            recover(wanted, order_.verb == OrderVerb::commit ? RecoveryAction::commit
                                                             : RecoveryAction::rollback);
        for (auto& branch : branches) {
            if (!wanted.contains({branch.resource, *branch.xid})) {
                continue;
            }
            if (const auto* found = find_branch(report, branch.resource, *branch.xid)) {
                branch = *found;
            } else {
                branch.state = RecoveredState::unreachable;
                branch.reason = "it was not listed when its turn had come: look again";
            }
        }
    }

    void keep_heuristic(const RecoveryBranch& branch) {
        const auto known = state_.table.snapshot().heuristics;
        const auto before = known.find({branch.xid->gtrid, branch.xid->bqual});
        if (before != known.end() && before->second.record.code == XaCode::heurrb) {
            return;  // by this very order, which was not finished
        }
        const Heuristic heuristic{
            .gtrid = branch.xid->gtrid,
            .bqual = branch.xid->bqual,
            .code = XaCode::heurrb,
            .resource = branch.resource,
            .noticed_at = now(),
            .words = fmt::format("rolled back against the decision, ordered by {}", order_.who),
            .server = connections_.at(branch.resource)->server_identity()};
        const auto entry = state_.log.record(heuristic);
        if (!entry) {
            throw log_refuses(state_, "what will have been rolled back");
        }
        if (const auto replaced = state_.table.add({heuristic, entry})) {
            state_.log.forget(*replaced);
        }
    }

    void send(RecoveryBranch& branch) {
        auto& connection = *connections_.at(branch.resource);
        const bool is_commit = order_.verb == OrderVerb::commit;
        Answer answer{.code = XaCode::rmfail, .message = "the connection was lost before"};
        if (connection.is_reusable()) {
            XA_TM_CRASH_POINT("operator.verb_sent");
            answer = exchange(connection,
                              {.verb = is_commit ? Verb::commit : Verb::rollback,
                               .xid = *branch.xid,
                               .evidence = is_commit ? branch.evidence : std::string{}},
                              state_.config.answer_timeout);
            XA_TM_CRASH_POINT("operator.verb_answered");
        }
        take_answer(branch, order_.verb, answer);
        if (branch.state == RecoveredState::committed) {
            settle(*branch.xid);
        }
    }

    /// Committed at last, it is finished for the decision that names it.
    void settle(const Xid& xid) {
        const auto known = state_.table.snapshot();
        const auto pending = known.decisions.find(xid.gtrid);
        const bool is_named =
            pending != known.decisions.end() && xid.format_id == kFormatId &&
            std::ranges::find(pending->second.decision.branches, xid.bqual,
                              &DecidedBranch::bqual) != pending->second.decision.branches.end();
        if (is_named) {
            for (const auto entry : state_.table.finish(xid.gtrid, xid.bqual)) {
                state_.log.forget(entry);
            }
        }
    }

    TransactionManager& manager_;
    TransactionManagerState& state_;
    const Order& order_;
    RecoveryReport report_{};
    /// One per branch of the verdict.
    std::vector<Way> ways_;
    std::map<std::string, std::unique_ptr<Connection>> connections_;
};

}  // namespace

OrderResult OperatorDesk::carry_out(const Order& order) {
    check(order);
    return CarriedOrder{manager_, *manager_.state_, order}.run();
}

std::vector<OperatorAct> operator_acts(const std::filesystem::path& log_directory) {
    const auto image = translate_log_errors([&] { return recovery_log::read_log(log_directory); });
    std::vector<OperatorAct> acts;
    for (auto& kept : state_of(image.entries).acts) {
        acts.push_back(std::move(kept.record));
    }
    return acts;
}

}  // namespace xa_tm

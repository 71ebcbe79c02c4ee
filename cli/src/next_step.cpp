#include "next_step.h"

#include <algorithm>
#include <string_view>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "foreign_xid.h"
#include "report_view.h"
#include "text.h"

namespace xa_tm::cli {
namespace {

constexpr auto kResolve = "xa-recover resolve";

std::string order(std::string_view verb, const RecoveryTransaction& transaction,
                  std::string_view rest) {
    return fmt::format("xa-recover {} {}{} --reason '…'", verb, shell_word(transaction.gtrid),
                       rest);
}

std::vector<NextStep::Choice> finish_by_hand(const RecoveryTransaction& transaction) {
    return {{"the data shows that another branch of it has committed",
             order("commit", transaction, " --force")},
            {"it shows that none has, and none can any more",
             order("rollback", transaction, " --force")}};
}

std::string owner_of(const RecoveryReport& report) {
    return fmt::format("pid {} on {}", report.log.owner->pid, printable(report.log.owner->host));
}

/// Only the owner of the log acts, and the one that lives now is not this program.
std::string needs_the_log(const RecoveryReport& report) {
    return report.log.owner
               ? fmt::format(" These commands need the log: stop {} first.", owner_of(report))
               : "";
}

const RecoveryResource* find_resource(const RecoveryReport& report, std::string_view name) {
    const auto found = std::ranges::find(report.resources, name, &RecoveryResource::name);
    return found == report.resources.end() ? nullptr : &*found;
}

/// Why recovery can't finish some of the branches yet, as sentences with a space before each.
std::string hindrances(const RecoveryReport& report, const RecoveryTransaction& transaction) {
    std::vector<std::string> told;
    for (const auto& branch : transaction.branches) {
        const auto* resource = find_resource(report, branch.resource);
        std::string sentence;
        if (resource == nullptr) {
            sentence = fmt::format(" Give resource {} as well: --resource {}=URI.",
                                   printable(branch.resource), printable(branch.resource));
        } else if (!resource->is_reachable) {
            sentence = fmt::format(" The branch at {} waits for its server: {}",
                                   printable(resource->name), as_sentence(without_name(*resource)));
        } else if (!resource->unended_session.empty()) {
            sentence =
                fmt::format(" The branch at {} waits until an old session has ended: {}",
                            printable(resource->name), as_sentence(resource->unended_session));
        }
        if (std::ranges::find(told, sentence) == told.end()) {
            told.push_back(std::move(sentence));
        }
    }
    return fmt::format("{}", fmt::join(told, ""));
}

NextStep of_heuristic(const RecoveryReport& report, const RecoveryTransaction& transaction) {
    return {.why =
                "A branch did not end as it was to. Compare the data of all its branches, and "
                "mend by hand what differs; forgetting changes no data." +
                needs_the_log(report),
            .choices = {{"the data is right again", order("forget", transaction, "")}}};
}

bool has_heuristic(const RecoveryTransaction& transaction) {
    return std::ranges::any_of(transaction.branches, [](const RecoveryBranch& branch) {
        return branch.state == RecoveredState::heuristic;
    });
}

/// Of a transaction whose outcome is known: committed by the log, or aborted because no decision is
/// there.
NextStep of_known_outcome(const RecoveryReport& report, const RecoveryTransaction& transaction,
                          std::string_view what) {
    const auto waits = hindrances(report, transaction);
    if (!report.log.doubt.empty()) {
        return {.why = fmt::format("Nothing yet: the log is an old copy of itself. {} Put its "
                                   "newest copy back.",
                                   as_sentence(report.log.doubt))};
    }
    if (report.log.owner) {
        return {.why = fmt::format("Nothing: {} owns the log and {} by itself.{}", owner_of(report),
                                   what, waits)};
    }
    const auto has_work = [&](const RecoveryBranch& branch) {
        const auto* resource = find_resource(report, branch.resource);
        return branch.action != RecoveryAction::none && resource != nullptr &&
               resource->is_reachable;
    };
    if (std::ranges::any_of(transaction.branches, has_work)) {
        return {
            .command = kResolve,
            .why = fmt::format("It {}; starting the application does the same.{}{}", what, waits,
                               has_heuristic(transaction)
                                   ? " Explain it again then: a branch did not end as it was to."
                                   : "")};
    }
    if (!waits.empty()) {
        return {.why = fmt::format("Nothing yet: then `{}` {}.{}", kResolve, what, waits)};
    }
    if (has_heuristic(transaction)) {
        return of_heuristic(report, transaction);
    }
    if (is_finished(transaction)) {
        return {.why = "Nothing: it is finished."};
    }
    return {.why = as_sentence(transaction.reason()) + needs_the_log(report),
            .choices = finish_by_hand(transaction)};
}

NextStep of_lost_log(const RecoveryReport& report, const RecoveryTransaction& transaction) {
    // Our gtrid is NODE:LOG:INCARNATION:SEQUENCE.
    const auto& gtrid = transaction.gtrid;
    const auto begin = gtrid.find(':');
    const auto log = begin == std::string::npos
                         ? std::string{}
                         : gtrid.substr(begin + 1, gtrid.find(':', begin + 1) - begin - 1);
    if (log == report.log.id.to_string()) {
        return {.why =
                    "This log is an old copy of itself: it has not seen the incarnation that "
                    "made the transaction. Put its newest copy back, and look again. If there "
                    "is none, compare the data of all its branches." +
                    needs_the_log(report),
                .choices = finish_by_hand(transaction)};
    }
    return {.why = fmt::format("Only the log that made it knows whether it was committed: look for "
                               "the folder with id {} (`xa-recover log verify DIR` shows the id), "
                               "and resolve with that. If it is gone for ever, compare the data of "
                               "all its branches.{}",
                               printable(log), needs_the_log(report)),
            .choices = finish_by_hand(transaction)};
}

NextStep of_foreign(const RecoveryReport& report, const RecoveryTransaction& transaction) {
    std::string maker = "the transaction manager that made it";
    for (const auto& branch : transaction.branches) {
        if (const auto foreign = decode_foreign(branch.xid, branch.name);
            foreign && foreign->is_product_known) {
            maker = foreign->product;
        }
    }
    return {.why = fmt::format("Nothing here: leave it to {}, whose log knows the outcome. Only if "
                               "that is gone for ever, compare the data of all its branches.{}",
                               maker, needs_the_log(report)),
            .choices = finish_by_hand(transaction)};
}

}  // namespace

NextStep next_step(const RecoveryReport& report, const RecoveryTransaction& transaction) {
    switch (transaction.state) {
        case TransactionState::commit_decided:
            return of_known_outcome(report, transaction, "commits what is prepared");
        case TransactionState::presumed_abort:
            return of_known_outcome(report, transaction, "rolls back what is prepared");
        case TransactionState::live:
            return {.why = fmt::format(
                        "Nothing: it may still be running in {}, which finishes it.",
                        report.log.owner ? owner_of(report) : "the process that owns the log")};
        case TransactionState::lost_log: return of_lost_log(report, transaction);
        case TransactionState::quarantined:
            return {.why =
                        "The log lost pages that may have held its decision. Compare the data "
                        "of all its branches, also those that are no longer listed." +
                        needs_the_log(report),
                    .choices = finish_by_hand(transaction)};
        case TransactionState::at_last_resource:
            return {.why =
                        "Its decision may be a row at a last resource. Let that one be reached, "
                        "and recovery reads it; else compare the data of all its branches." +
                        needs_the_log(report),
                    .choices = finish_by_hand(transaction)};
        case TransactionState::restored:
            return {.why =
                        "Its server was put back to an old copy, or replaced: the transaction "
                        "may have been committed and forgotten long ago. Compare the data of "
                        "its other branches." +
                        needs_the_log(report),
                    .choices = finish_by_hand(transaction)};
        case TransactionState::heuristic: return of_heuristic(report, transaction);
        case TransactionState::foreign: return of_foreign(report, transaction);
    }
    return {.why = "Nothing."};
}

}  // namespace xa_tm::cli

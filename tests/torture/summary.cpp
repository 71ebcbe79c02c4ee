#include "summary.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace xa_tm::test {

std::string_view to_string(Clearing clearing) noexcept {
    switch (clearing) {
        case Clearing::living_application: return "the living application";
        case Clearing::xa_recover: return "xa-recover resolve";
        case Clearing::next_application: return "the next application";
    }
    return {};
}

std::string to_string(const Summary& summary) {
    std::string text =
        fmt::format("seed {}: {} rounds in {} s over {}\n", summary.seed, summary.rounds,
                    summary.time.count(), fmt::join(summary.servers, ", "));
    const auto add = [&text](std::string_view what, std::size_t count) {
        text += fmt::format("  {:<48}{:>9}\n", what, count);
    };
    std::size_t injected = 0;
    for (const auto& [fault, count] : summary.faults) {
        injected += count;
    }
    text += fmt::format("faults: {}\n", injected);
    for (const auto fault : kFaults) {
        const auto found = summary.faults.find(fault);
        add(to_string(fault), found == summary.faults.end() ? 0 : found->second);
        if (fault == Fault::kill_server) {
            for (const auto& [server, count] : summary.servers_killed) {
                add("  " + server, count);
            }
        }
    }
    if (!summary.skipped.empty()) {
        text += fmt::format("  skipped: {}\n", summary.skipped);
    }
    add("starts refused, as the log was taken or had no space", summary.starts_refused);
    add("logs poisoned", summary.poisoned);
    const auto& transactions = summary.transactions;
    std::size_t all = transactions.untold_written + transactions.untold_absent;
    for (const auto& [outcome, count] : transactions.told) {
        all += count;
    }
    text += fmt::format("transactions: {}\n", all);
    for (const auto& [outcome, count] : transactions.told) {
        add(fmt::format("told \"{}\"", to_string(outcome)), count);
    }
    add("  of them not begun: the log refused, or no turn", transactions.not_begun);
    add("  of them because their time was over", transactions.timed_out);
    add("untold, as the application died; found everywhere", transactions.untold_written);
    add("untold; found nowhere", transactions.untold_absent);
    add("with a last resource", transactions.with_last_resource);
    add("answered early", transactions.early);
    add("asynchronous", transactions.async);
    add("with a short timeout", transactions.with_timeout);
    add("one-shot, by conflict keys", transactions.by_keys);
    add("one-shot, to be combined", transactions.combinable);
    add("  of them committed together with others", transactions.combined);
    text += fmt::format("cleared up: longest {} ms\n", summary.longest_clearing.count());
    for (const auto& [clearing, count] : summary.clearings) {
        add(fmt::format("by {}", to_string(clearing)), count);
    }
    add("branches in doubt, as the application was killed", summary.in_doubt);
    text += fmt::format("violations: {}\n", summary.violations.size());
    for (const auto& violation : summary.violations) {
        text += fmt::format("  {}\n", violation);
    }
    text += fmt::format("stuck: {}\n", summary.stuck.size());
    for (const auto& stuck : summary.stuck) {
        text += fmt::format("  {}\n", stuck);
    }
    return text;
}

}  // namespace xa_tm::test

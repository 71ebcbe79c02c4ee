#include "render_table.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "foreign_xid.h"
#include "report_view.h"
#include "text.h"

namespace xa_tm::cli {
namespace {

/// Longer ones, other transaction managers' as a rule, stand on a line of their own.
constexpr std::size_t kGtridColumnMax = kMaxGtridBytes;

/// What this recovery did with a branch, as a sentence; else why it is as it is.
std::string sentence_of(const RecoveryBranch& branch) {
    switch (branch.state) {
        case RecoveredState::committed:
            return "Committed now: the log held the decision to commit.";
        case RecoveredState::rolled_back:
            return "Rolled back now: no decision to commit was logged, and none can be any more.";
        case RecoveredState::finished:
            return "Finished before: the log held the decision, and nothing was left to commit.";
        case RecoveredState::prepared:
        case RecoveredState::absent:
        case RecoveredState::unreachable:
        case RecoveredState::heuristic: break;
    }
    return as_sentence(branch.reason);
}

/// How the transactions of a report divide; each is counted once.
struct Tally {
    std::size_t in_doubt = 0;
    std::size_t to_commit = 0;
    std::size_t to_roll_back = 0;
    std::size_t for_a_person = 0;
    std::size_t committed = 0;
    std::size_t rolled_back = 0;
    std::size_t unforgotten = 0;
    std::size_t live = 0;
    std::size_t foreign = 0;
};

void count_in_doubt(const RecoveryTransaction& transaction, Tally& tally) {
    ++tally.in_doubt;
    switch (transaction.action()) {
        case RecoveryAction::commit:
        case RecoveryAction::confirm: ++tally.to_commit; break;
        case RecoveryAction::rollback: ++tally.to_roll_back; break;
        case RecoveryAction::none: ++tally.for_a_person; break;
    }
}

Tally tally_of(const RecoveryReport& report) {
    Tally tally;
    for (const auto& transaction : report.transactions) {
        if (transaction.is_in_doubt()) {
            count_in_doubt(transaction, tally);
        } else if (is_finished(transaction)) {
            ++(done_or_to_do(transaction) == RecoveryAction::rollback ? tally.rolled_back
                                                                      : tally.committed);
        } else if (is_merely_unforgotten(transaction)) {
            ++tally.unforgotten;
        }
        tally.live += transaction.state == TransactionState::live ? 1 : 0;
        tally.foreign += transaction.state == TransactionState::foreign ? 1 : 0;
    }
    return tally;
}

class Table {
public:
    Table(const RecoveryReport& report, TableOptions options)
        : report_{report}, options_{options}, tally_{tally_of(report)} {}

    std::string render() {
        add_log();
        add_resources();
        if (!report_.transactions.empty()) {
            add_transactions();
        }
        add_summary();
        return std::move(text_);
    }

private:
    [[nodiscard]] std::string painted(std::string text, Colour colour) const {
        return cli::painted(std::move(text), colour, options_.has_colour);
    }

    void add(std::string_view line, Colour colour = Colour::plain) {
        text_ += painted(std::string{line}, colour) + "\n";
    }

    void add_log() {
        const auto& log = report_.log;
        add(fmt::format("log {}", printable(log.path.string())), Colour::bold);
        add(fmt::format("  node {}, id {}, incarnation {}, {}", printable(log.node),
                        log.id.to_string(), log.incarnation, owner_text()));
        if (!log.doubt.empty()) {
            add_doubt("The log is an old copy of itself.", log.doubt);
        }
    }

    /// What was seen of it stands behind, because it may be long.
    void add_doubt(std::string_view title, std::string_view seen) {
        text_ += painted(wrapped(fmt::format("{} {}", title, as_sentence(seen)), 2), Colour::red);
    }

    [[nodiscard]] std::string owner_text() const {
        if (options_.is_resolved && !report_.log.owner) {
            return "recovered by this command";
        }
        return report_.log.owner ? fmt::format("owned by {}", owner_name()) : "owned by no process";
    }

    [[nodiscard]] std::string owner_name() const {
        return fmt::format("pid {} on {}", report_.log.owner->pid,
                           printable(report_.log.owner->host));
    }

    void add_resources() {
        std::size_t name_width = std::string_view{"RESOURCE"}.size();
        for (const auto& resource : report_.resources) {
            name_width = std::max(name_width, resource.name.size());
        }
        add("");
        add(fmt::format("{:<{}}  {:<10}  STATE", "RESOURCE", name_width, "KIND"), Colour::bold);
        for (const auto& resource : report_.resources) {
            add(fmt::format("{:<{}}  {:<10}  {}", resource.name, name_width, resource.kind,
                            resource.is_reachable ? painted("reachable", Colour::green)
                                                  : painted("unreachable", Colour::red)));
            if (!resource.is_reachable) {
                text_ += wrapped(as_sentence(without_name(resource)), 2);
            }
            if (!resource.unended_session.empty()) {
                add_doubt("An old session may still be at work.", resource.unended_session);
            }
            if (!resource.doubt.empty()) {
                add_doubt("Not the server that knew all branches.", resource.doubt);
            }
        }
    }

    void add_transactions() {
        std::size_t width = std::string_view{"TRANSACTION"}.size();
        for (const auto& transaction : report_.transactions) {
            const auto size = printable(transaction.gtrid).size();
            width = size <= kGtridColumnMax ? std::max(width, size) : width;
        }
        add("");
        add(fmt::format("{:<{}}  {:<14}  {:<7}  {}", "TRANSACTION", width, "STATE", "AGE",
                        options_.is_resolved ? "RESULT" : "ACTION"),
            Colour::bold);
        for (const auto& transaction : report_.transactions) {
            auto gtrid = printable(transaction.gtrid);
            if (gtrid.size() > width) {
                add(gtrid);
                gtrid.clear();
            }
            add(fmt::format("{:<{}}  {:<14}  {:<7}  {}", gtrid, width, to_string(transaction.state),
                            age_text(transaction.age), result_of(transaction)));
            add_branches(transaction);
        }
    }

    [[nodiscard]] std::string result_of(const RecoveryTransaction& transaction) const {
        if (!options_.is_resolved || report_.log.owner) {
            return painted(std::string{to_string(transaction.action())},
                           transaction.is_in_doubt() ? Colour::yellow : Colour::plain);
        }
        if (waits_for_a_person(transaction)) {
            return painted("for a person", Colour::red);
        }
        if (transaction.is_in_doubt()) {
            return painted("in doubt", Colour::yellow);
        }
        if (!is_finished(transaction)) {
            return "left alone";
        }
        const bool is_rolled_back = done_or_to_do(transaction) == RecoveryAction::rollback;
        return painted(is_rolled_back ? "rolled back" : "committed", Colour::green);
    }

    void add_branches(const RecoveryTransaction& transaction) {
        std::size_t width = 0;
        std::vector<std::string> sentences;
        for (const auto& branch : transaction.branches) {
            width = std::max(width, branch.resource.size());
            sentences.push_back(sentence_of(branch));
        }
        // One sentence for all branches, unless they differ.
        const bool is_one = std::ranges::all_of(
            sentences, [&](const std::string& other) { return other == sentences.front(); });
        for (std::size_t i = 0; i < transaction.branches.size(); ++i) {
            const auto& branch = transaction.branches[i];
            add(fmt::format("  {:<{}}  {}", branch.resource, width, state_of(branch)));
            if (options_.has_details) {
                add_details(branch);
            }
            if (transaction.state == TransactionState::foreign) {
                add_maker(branch);
            }
            if (!is_one) {
                text_ += wrapped(sentences[i], 4);
            }
        }
        if (is_one && !sentences.empty()) {
            text_ += wrapped(sentences.front(), 2);
        }
    }

    static std::string state_of(const RecoveryBranch& branch) {
        return branch.heuristic
                   ? fmt::format("{} ({})", to_string(branch.state), to_string(*branch.heuristic))
                   : std::string{to_string(branch.state)};
    }

    void add_maker(const RecoveryBranch& branch) {
        if (const auto foreign = decode_foreign(branch.xid, branch.name)) {
            text_ += wrapped(fmt::format("made by {}", to_string(*foreign)), 4);
        }
    }

    void add_details(const RecoveryBranch& branch) {
        if (!branch.name.empty()) {
            add(fmt::format("    name at the server  {}", printable(branch.name)));
        }
        if (branch.xid) {
            add(fmt::format("    format id           {}", branch.xid->format_id));
            add(fmt::format("    gtrid               {}", to_hex(branch.xid->gtrid)));
            add(fmt::format("    bqual               {}", to_hex(branch.xid->bqual)));
        }
        if (!branch.server.empty()) {
            add(fmt::format("    prepared by server  {}", printable(branch.server)));
        }
        if (!branch.evidence.empty()) {
            add(fmt::format("    evidence            {}", printable(branch.evidence)));
        }
    }

    void add_summary() {
        add("");
        if (options_.is_resolved && tally_.committed + tally_.rolled_back > 0) {
            text_ += wrapped(finished(), 0);
        }
        auto summary = tally_.in_doubt == 0 ? calm() : in_doubt();
        for (const auto& resource : report_.resources) {
            if (!resource.is_reachable) {
                summary += fmt::format(
                    " Resource {} could not be read: more may be in doubt there.", resource.name);
            }
        }
        text_ += wrapped(summary, 0);
    }

    [[nodiscard]] std::string finished() const {
        std::vector<std::string> parts;
        if (tally_.committed > 0) {
            parts.push_back(fmt::format("{} committed", tally_.committed));
        }
        if (tally_.rolled_back > 0) {
            parts.push_back(fmt::format("{} rolled back", tally_.rolled_back));
        }
        return fmt::format("{} finished: {}.",
                           count_of(tally_.committed + tally_.rolled_back, "transaction"),
                           fmt::join(parts, ", "));
    }

    [[nodiscard]] std::string calm() const {
        std::string text = report_.is_complete() ? "Nothing is in doubt."
                                                 : "Nothing that could be read is in doubt.";
        if (tally_.live > 0) {
            text += fmt::format(" {} still running.", verb(tally_.live, "transaction"));
        }
        if (tally_.foreign > 0) {
            text += fmt::format(" {} not ours to finish.", verb(tally_.foreign, "transaction"));
        }
        if (tally_.unforgotten > 0) {
            text += fmt::format(
                " The log still holds {} that {} finished; recovery will forget {}.",
                count_of(tally_.unforgotten, "transaction"), tally_.unforgotten == 1 ? "is" : "are",
                tally_.unforgotten == 1 ? "it" : "them");
        }
        return text;
    }

    static std::string verb(std::size_t count, std::string_view noun) {
        return fmt::format("{} {}", count_of(count, noun), count == 1 ? "is" : "are");
    }

    [[nodiscard]] std::string in_doubt() const {
        std::vector<std::string> parts;
        if (tally_.to_commit > 0) {
            parts.push_back(fmt::format("{} will be committed", tally_.to_commit));
        }
        if (tally_.to_roll_back > 0) {
            parts.push_back(fmt::format("{} {}", tally_.to_roll_back,
                                        parts.empty() ? "will be rolled back" : "rolled back"));
        }
        if (tally_.for_a_person > 0) {
            parts.push_back(fmt::format("{} {} for a person", tally_.for_a_person,
                                        tally_.for_a_person == 1 ? "waits" : "wait"));
        }
        return fmt::format("{} in doubt: {}.{}{}", count_of(tally_.in_doubt, "transaction"),
                           fmt::join(parts, ", "), next_step(),
                           tally_.for_a_person == 0 ? ""
                                                    : " `xa-recover explain GTRID` says what to "
                                                      "compare, and what to type then.");
    }

    [[nodiscard]] std::string next_step() const {
        if (tally_.to_commit + tally_.to_roll_back == 0) {
            return "";
        }
        if (report_.log.owner) {
            return fmt::format(
                "{} {} owns the log and will finish {}; nothing is left to do here while it runs.",
                options_.is_resolved ? " Nothing was done:" : "", owner_name(),
                tally_.in_doubt == 1 ? "it" : "them");
        }
        if (options_.is_dry_run) {
            return " Nothing was done: leave --dry-run away to do it.";
        }
        return options_.is_resolved ? " Run the same command again when the reason is gone."
                                    : " Run `xa-recover resolve` with the same options.";
    }

    const RecoveryReport& report_;
    TableOptions options_;
    Tally tally_;
    std::string text_;
};

}  // namespace

std::string render_table(const RecoveryReport& report, TableOptions options) {
    return Table{report, options}.render();
}

}  // namespace xa_tm::cli

#include "render_table.h"

#include <algorithm>
#include <cctype>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "report_view.h"

namespace xa_tm::cli {
namespace {

constexpr std::size_t kWidth = 100;
/// Longer ones, other transaction managers' as a rule, stand on a line of their own.
constexpr std::size_t kGtridColumnMax = kMaxGtridBytes;

enum class Colour { plain, bold, green, yellow, red };

std::string_view escape_of(Colour colour) {
    switch (colour) {
        case Colour::plain: return "";
        case Colour::bold: return "\x1b[1m";
        case Colour::green: return "\x1b[32m";
        case Colour::yellow: return "\x1b[33m";
        case Colour::red: return "\x1b[31m";
    }
    return "";
}

/// Bytes outside printable ASCII as \xNN.
std::string printable(std::string_view text) {
    std::string shown;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte >= 0x20 && byte < 0x7f) {
            shown += c;
        } else {
            shown += fmt::format("\\x{:02x}", byte);
        }
    }
    return shown;
}

/// A reason as a sentence of its own.
std::string as_sentence(std::string_view reason) {
    auto sentence = printable(reason);
    if (!sentence.empty()) {
        sentence.front() =
            static_cast<char>(std::toupper(static_cast<unsigned char>(sentence.front())));
        if (sentence.back() != '.') {
            sentence += '.';
        }
    }
    return sentence;
}

/// Breaks at spaces; a word that is too long stays whole.
std::string wrapped(std::string_view text, std::size_t indent) {
    std::string lines;
    std::size_t column = 0;
    while (!text.empty()) {
        const auto word = text.substr(0, text.find(' '));
        text.remove_prefix(std::min(text.size(), word.size() + 1));
        if (column > indent && column + 1 + word.size() > kWidth) {
            lines += '\n';
            column = 0;
        }
        if (column == 0) {
            lines.append(indent, ' ');
            column = indent;
        } else {
            lines += ' ';
            ++column;
        }
        lines += word;
        column += word.size();
    }
    return lines + "\n";
}

std::string age_text(std::optional<std::chrono::seconds> age) {
    if (!age) {
        return "-";
    }
    using namespace std::chrono_literals;
    if (*age < 2min) {
        return fmt::format("{} s", age->count());
    }
    if (*age < 2h) {
        return fmt::format("{} min", *age / 1min);
    }
    return *age < 48h ? fmt::format("{} h", *age / 1h) : fmt::format("{} d", *age / 24h);
}

std::string count_of(std::size_t count, std::string_view noun) {
    return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

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
        if (!options_.has_colour || colour == Colour::plain) {
            return text;
        }
        return fmt::format("{}{}\x1b[0m", escape_of(colour), text);
    }

    void add(std::string_view line, Colour colour = Colour::plain) {
        text_ += painted(std::string{line}, colour) + "\n";
    }

    void add_log() {
        const auto& log = report_.log;
        add(fmt::format("log {}", printable(log.path.string())), Colour::bold);
        add(fmt::format("  node {}, id {}, incarnation {}, {}", printable(log.node),
                        log.id.to_string(), log.incarnation, owner_text()));
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
        }
    }

    /// The library begins its messages with the resource, which stands on the line above here.
    static std::string_view without_name(const RecoveryResource& resource) {
        const auto prefix = fmt::format("resource {}: ", resource.name);
        const std::string_view error = resource.error;
        return error.starts_with(prefix) ? error.substr(prefix.size()) : error;
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
            add(fmt::format("  {:<{}}  {}", branch.resource, width, to_string(branch.state)));
            if (options_.has_details) {
                add_details(branch);
            }
            if (!is_one) {
                text_ += wrapped(sentences[i], 4);
            }
        }
        if (is_one && !sentences.empty()) {
            text_ += wrapped(sentences.front(), 2);
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
            parts.push_back(fmt::format("{} {} a person, see the reason", tally_.for_a_person,
                                        tally_.for_a_person == 1 ? "needs" : "need"));
        }
        return fmt::format("{} in doubt: {}.{}", count_of(tally_.in_doubt, "transaction"),
                           fmt::join(parts, ", "), next_step());
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

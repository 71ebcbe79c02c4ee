#include "render_explanation.h"

#include <algorithm>
#include <string_view>
#include <utility>
#include <variant>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "foreign_xid.h"
#include "next_step.h"
#include "render_json.h"
#include "report_view.h"
#include "text.h"

namespace xa_tm::cli {
namespace {

using Json = nlohmann::ordered_json;

std::string time_text(LogTime time) {
    return fmt::format("{:%Y-%m-%d %H:%M:%S} UTC", std::chrono::floor<std::chrono::seconds>(time));
}

std::string lock_text(const HeldLock& lock) {
    auto text = lock.count == 1 ? printable(lock.mode)
                                : fmt::format("{} × {}", lock.count, printable(lock.mode));
    return lock.object.empty() ? text : fmt::format("{} on {}", text, printable(lock.object));
}

std::string session_text(const BlockedSession& session) {
    return fmt::format("session {}{}{}, for {}: {}", session.number,
                       session.user.empty() ? "" : " of ", printable(session.user),
                       age_text(session.waiting), printable(session.statement));
}

class Text {
public:
    Text(const Explanation& explanation, bool has_colour)
        : explanation_{explanation}, has_colour_{has_colour} {}

    std::string render() {
        const auto& transactions = explanation_.report.transactions;
        for (std::size_t i = 0; i < transactions.size(); ++i) {
            text_ += i == 0 ? "" : "\n";
            add_transaction(transactions[i], explanation_.examined[i]);
        }
        return std::move(text_);
    }

private:
    void title(std::string_view line) {
        text_ += painted(std::string{line}, Colour::bold, has_colour_) + "\n";
    }

    /// A name and what belongs to it, broken at spaces and never in the middle of a word.
    void fact(std::string_view name, std::string_view value) {
        constexpr std::size_t kColumn = 14;
        auto lines = wrapped(value, kColumn);
        text_ += fmt::format("    {:<{}}{}", name, kColumn - 4, lines.substr(kColumn));
    }

    void add_transaction(const RecoveryTransaction& transaction,
                         const std::vector<ExaminedBranch>& examined) {
        title(fmt::format("transaction {}", printable(transaction.gtrid)));
        text_ +=
            fmt::format("  {}{}, log {} of node {}, {}\n", to_string(transaction.state),
                        transaction.age ? fmt::format(" for {}", age_text(transaction.age)) : "",
                        explanation_.report.log.id.to_string(),
                        printable(explanation_.report.log.node), owner_text());
        text_ += "\n";
        add_entries();
        for (std::size_t i = 0; i < transaction.branches.size(); ++i) {
            text_ += "\n";
            add_branch(transaction, transaction.branches[i], examined[i]);
        }
        text_ += "\n";
        add_next(next_step(explanation_.report, transaction));
    }

    [[nodiscard]] std::string owner_text() const {
        const auto& owner = explanation_.report.log.owner;
        return owner ? fmt::format("owned by pid {} on {}", owner->pid, printable(owner->host))
                     : "owned by no process";
    }

    void add_entries() {
        title("The log");
        if (explanation_.entries.empty()) {
            text_ += "  holds nothing about it.\n";
        }
        for (const auto& entry : explanation_.entries) {
            add_entry(entry);
        }
        if (!explanation_.report.log.doubt.empty()) {
            text_ += wrapped(fmt::format("is an old copy of itself: {}",
                                         as_sentence(explanation_.report.log.doubt)),
                             2);
        }
    }

    void add_entry(const LogEntry& entry) {
        if (const auto* decision = std::get_if<Decision>(&*entry.record)) {
            text_ += fmt::format("  entry {}: decided to commit at {}{}\n", entry.id,
                                 time_text(decision->decided_at),
                                 entry.is_known_durable ? "" : ", not yet known to be durable");
            for (const auto& branch : decision->branches) {
                text_ += fmt::format("    {} at {}\n", printable(branch.bqual),
                                     printable(branch.resource));
            }
        } else if (const auto* heuristic = std::get_if<Heuristic>(&*entry.record)) {
            text_ += wrapped(
                fmt::format("entry {}: {} at {}, noticed at {}: {}", entry.id,
                            to_string(heuristic->code), printable(heuristic->bqual),
                            time_text(heuristic->noticed_at), as_sentence(heuristic->words)),
                2);
        } else if (const auto* act = std::get_if<OperatorAct>(&*entry.record)) {
            text_ +=
                wrapped(fmt::format("entry {}: {} ordered {}{} at {}: {}", entry.id,
                                    printable(act->who), to_string(act->verb),
                                    act->resource.empty() ? "" : " at " + printable(act->resource),
                                    time_text(act->ordered_at), as_sentence(act->reason)),
                        2);
        }
    }

    void add_branch(const RecoveryTransaction& transaction, const RecoveryBranch& branch,
                    const ExaminedBranch& examined) {
        title(fmt::format(
            "At {}: {}{}", printable(branch.resource), to_string(branch.state),
            branch.heuristic ? fmt::format(" ({})", to_string(*branch.heuristic)) : ""));
        text_ += wrapped(as_sentence(branch.reason), 4);
        if (!branch.name.empty()) {
            fact("name", printable(branch.name));
        }
        if (transaction.state == TransactionState::foreign) {
            if (const auto foreign = decode_foreign(branch.xid, branch.name)) {
                fact("made by", to_string(*foreign));
            }
        }
        add_server(branch, examined);
        if (!branch.evidence.empty()) {
            fact("evidence", printable(branch.evidence));
        }
        if (!examined.error.empty()) {
            fact("not told", as_sentence(examined.error));
        }
        if (examined.holdings) {
            add_holdings(*examined.holdings);
        }
        add_doubts(branch);
    }

    void add_server(const RecoveryBranch& branch, const ExaminedBranch& examined) {
        if (!branch.server.empty() && !examined.server.empty()) {
            fact("server",
                 branch.server == examined.server
                     ? fmt::format("{}, the one that prepared it", printable(examined.server))
                     : fmt::format("{} answers, and {} prepared it: another server, or "
                                   "another database",
                                   printable(examined.server), printable(branch.server)));
        } else if (!branch.server.empty()) {
            fact("server", fmt::format("{} prepared it", printable(branch.server)));
        } else if (!examined.server.empty()) {
            fact("server", printable(examined.server));
        }
    }

    void add_holdings(const Holdings& holdings) {
        for (const auto& lock : holdings.locks) {
            fact("holds", lock_text(lock));
        }
        for (const auto& session : holdings.blocked) {
            fact("blocks", session_text(session));
        }
        if (holdings.blocked.empty() && holdings.caveat.empty()) {
            fact("blocks", "nobody at this moment");
        }
        if (!holdings.caveat.empty()) {
            fact("not told", as_sentence(holdings.caveat));
        }
    }

    void add_doubts(const RecoveryBranch& branch) {
        for (const auto& resource : explanation_.report.resources) {
            if (resource.name != branch.resource) {
                continue;
            }
            if (!resource.unended_session.empty()) {
                fact("session", as_sentence(resource.unended_session));
            }
            if (!resource.doubt.empty()) {
                fact("doubt", as_sentence(resource.doubt));
            }
        }
    }

    void add_next(const NextStep& step) {
        title(step.command.empty() ? "What next"
                                   : fmt::format("Next, with the same options:  {}", step.command));
        text_ += wrapped(step.why, 2);
        for (const auto& choice : step.choices) {
            text_ += wrapped(fmt::format("When {}:", choice.when), 2);
            text_ += fmt::format("    {}\n", choice.command);
        }
    }

    const Explanation& explanation_;
    bool has_colour_;
    std::string text_;
};

Json examined_json(const ExaminedBranch& examined) {
    Json json{{"server", examined.server.empty() ? Json{} : Json(examined.server)},
              {"error", examined.error.empty() ? Json{} : Json(examined.error)},
              {"locks", nullptr},
              {"blocked", nullptr},
              {"caveat", nullptr}};
    if (!examined.holdings) {
        return json;
    }
    json["locks"] = Json::array();
    for (const auto& lock : examined.holdings->locks) {
        json["locks"].push_back(
            {{"object", lock.object}, {"mode", lock.mode}, {"count", lock.count}});
    }
    json["blocked"] = Json::array();
    for (const auto& session : examined.holdings->blocked) {
        json["blocked"].push_back({{"session", session.number},
                                   {"user", session.user},
                                   {"waiting_s", session.waiting.count()},
                                   {"statement", session.statement}});
    }
    if (!examined.holdings->caveat.empty()) {
        json["caveat"] = examined.holdings->caveat;
    }
    return json;
}

Json next_json(const NextStep& step) {
    Json json{{"command", step.command.empty() ? Json{} : Json(step.command)},
              {"why", step.why},
              {"choices", Json::array()}};
    for (const auto& choice : step.choices) {
        json["choices"].push_back({{"when", choice.when}, {"command", choice.command}});
    }
    return json;
}

}  // namespace

std::string render_explanation(const Explanation& explanation, bool has_colour) {
    return Text{explanation, has_colour}.render();
}

Json explanation_json(const Explanation& explanation) {
    auto json = report_json(explanation.report);
    auto entries = Json::array();
    for (const auto& entry : explanation.entries) {
        Json shown{{"entry", entry.id}};
        shown.update(record_json(entry.record));
        entries.push_back(std::move(shown));
    }
    const auto& transactions = explanation.report.transactions;
    for (std::size_t i = 0; i < transactions.size(); ++i) {
        auto& shown = json["transactions"][i];
        shown["log_entries"] = entries;
        shown["next"] = next_json(next_step(explanation.report, transactions[i]));
        for (std::size_t j = 0; j < transactions[i].branches.size(); ++j) {
            shown["branches"][j]["examined"] = examined_json(explanation.examined[i][j]);
        }
    }
    return json;
}

}  // namespace xa_tm::cli

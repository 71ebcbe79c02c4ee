// Invariants:
// - a line is a comment, or one whole statement, so that no name can end a comment or a literal;
// - a statement stands outside of a comment only when script_statements() gives it.

#include "render_script.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "foreign_xid.h"
#include "next_step.h"
#include "report_view.h"
#include "text.h"
#include "xa_tm/mysql/branch_name.h"
#include "xa_tm/mysql/session_condition.h"
#include "xa_tm/postgres/branch_name.h"
#include "xa_tm/session_mark.h"

namespace xa_tm::cli {
namespace {

bool is_postgres(const ScriptServer& server) {
    return server.kind == "postgresql";
}

/// Good under any sql setting, and on one line.
std::string postgres_literal(std::string_view text) {
    std::string literal;
    bool is_escaped = false;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '\'') {
            literal += "''";
        } else if (byte < 0x20 || byte >= 0x7f || c == '\\') {
            literal += fmt::format("\\x{:02x}", byte);
            is_escaped = true;
        } else {
            literal += c;
        }
    }
    return fmt::format("{}'{}'", is_escaped ? "E" : "", literal);
}

std::string name_at(const ScriptServer& server, const RecoveryBranch& branch) {
    if (!branch.name.empty() || !branch.xid) {
        return branch.name;
    }
    return is_postgres(server) ? postgres::branch_name(*branch.xid)
                               : mysql::branch_name(*branch.xid);
}

/// `verb` is COMMIT or ROLLBACK.
std::string statement(const ScriptServer& server, std::string_view verb,
                      const RecoveryBranch& branch) {
    const auto name = name_at(server, branch);
    return is_postgres(server) ? fmt::format("{} PREPARED {};", verb, postgres_literal(name))
                               : fmt::format("XA {} {};", verb, printable(name));
}

/// What is still to be done with a branch, if a statement does it.
std::optional<std::string_view> verb_of(const RecoveryBranch& branch) {
    const bool is_open =
        branch.state == RecoveredState::prepared || branch.state == RecoveredState::unreachable;
    if (!is_open) {
        return std::nullopt;
    }
    switch (branch.action) {
        case RecoveryAction::commit: return "COMMIT";
        case RecoveryAction::rollback: return "ROLLBACK";
        case RecoveryAction::none:
        case RecoveryAction::confirm: break;
    }
    return std::nullopt;
}

bool is_refused(const RecoveryReport& report) {
    return report.log.owner || !report.log.doubt.empty();
}

constexpr std::string_view kNotDurable =
    "not known to be durable: run `xa-recover resolve` or start the application first";

/// A commit by a decision that may get lost yet.
bool is_held_back(const ScriptFacts& facts, const RecoveryTransaction& transaction,
                  const RecoveryBranch& branch) {
    return verb_of(branch) && branch.action == RecoveryAction::commit &&
           !facts.durable_decisions.contains(transaction.gtrid);
}

/// Of the statement that stands in the script outside of comments.
std::optional<std::string_view> scripted_verb(const ScriptFacts& facts,
                                              const RecoveryTransaction& transaction,
                                              const RecoveryBranch& branch) {
    return is_refused(facts.report) || is_held_back(facts, transaction, branch) ? std::nullopt
                                                                                : verb_of(branch);
}

bool has_statements(const ScriptFacts& facts, const ScriptServer& server) {
    return std::ranges::any_of(facts.report.transactions, [&](const auto& transaction) {
        return std::ranges::any_of(transaction.branches, [&](const RecoveryBranch& branch) {
            return branch.resource == server.resource && scripted_verb(facts, transaction, branch);
        });
    });
}

bool keeps_branches(const ScriptServer& server) {
    return !is_postgres(server) && server.keeps_branches;
}

/// Nobody owns the log, so that its last incarnation has ended as well.
std::string session_query(const RecoveryLogSummary& log) {
    std::vector<std::string> conditions;
    for (const auto& mark : session_mark_of(log.id, log.incarnation + 1, log.node).ended) {
        conditions.push_back(mysql::session_condition(mark));
    }
    return fmt::format("SELECT id, user, host FROM information_schema.processlist WHERE {};",
                       fmt::join(conditions, " OR "));
}

std::string comment(std::string_view text) {
    auto lines = wrapped(text, 3);
    for (std::size_t at = 0; at < lines.size(); at = lines.find('\n', at) + 1) {
        lines.replace(at, 3, "-- ");
    }
    return lines;
}

std::string look_statement(const ScriptServer& server) {
    if (is_postgres(server)) {
        return "SELECT gid, prepared, owner, database FROM pg_prepared_xacts "
               "WHERE database = current_database() ORDER BY prepared;\n";
    }
    if (server.product.starts_with("MariaDB")) {
        return "XA RECOVER FORMAT='SQL';\n";
    }
    return server.product.empty() ? "XA RECOVER;\n" : "XA RECOVER CONVERT XID;\n";
}

class Script {
public:
    explicit Script(const ScriptFacts& facts) : facts_{facts}, report_{facts.report} {}

    std::string render() {
        add_head();
        for (const auto& server : facts_.servers) {
            add_block(server);
        }
        add_unknown_resources();
        return std::move(text_);
    }

private:
    void say(std::string_view text) { text_ += comment(text); }

    void add_head() {
        const auto& log = report_.log;
        say(
            fmt::format("What `xa-recover resolve` would do for node {}, as statements. Log {}, id "
                        "{}, incarnation {}.",
                        printable(log.node), printable(log.path.string()), log.id.to_string(),
                        log.incarnation));
        if (log.owner) {
            say(
                fmt::format("NOTHING TO EXECUTE: pid {} on {} owns the log and finishes everything "
                            "by itself. Statements of a person would only get in its way. If it "
                            "hangs, stop it, and make this script anew.",
                            log.owner->pid, printable(log.owner->host)));
            return;
        }
        if (!log.doubt.empty()) {
            say(
                fmt::format("NOTHING TO EXECUTE: the log is an old copy of itself, and decisions "
                            "are missing. {} Put its newest copy back, and make this script anew.",
                            as_sentence(log.doubt)));
            return;
        }
        say("Run each block in the client of its own server. Make sure first that the application "
            "is not running; when it has run since, make this script anew.");
        say("A statement that says that the transaction is unknown, or does not exist, does no "
            "harm: it is finished already, and the script may be run again. In batch mode the "
            "client of MySQL and MariaDB stops at the first error, unless it is given --force.");
        say("The log still holds the decisions. Run `xa-recover resolve`, or start the "
            "application, when it can reach the servers again: it finds the branches finished, "
            "does what is missing, and forgets the decisions.");
    }

    void add_block(const ScriptServer& server) {
        text_ += "\n";
        say(fmt::format("==== {} ({}) ====", server.resource,
                        server.product.empty() ? server.kind : printable(server.product)));
        const auto* resource = find_resource(server.resource);
        if (resource != nullptr && !resource->is_reachable) {
            say(fmt::format("Not reached from here, so that only the log speaks: {}",
                            as_sentence(without_name(*resource))));
        }
        if (has_statements(facts_, server)) {
            add_way_in(server, resource);
            if (keeps_branches(server)) {
                add_wait_for_sessions();
            }
            text_ += "\n";
            say("Look first. What is not in this list has been finished already:");
            text_ += look_statement(server);
        }
        bool is_empty = true;
        for (const auto& transaction : report_.transactions) {
            for (const auto& branch : transaction.branches) {
                if (branch.resource == server.resource) {
                    add_branch(server, transaction, branch);
                    is_empty = false;
                }
            }
        }
        if (is_empty) {
            say("Nothing is in doubt there.");
        }
        if (has_statements(facts_, server)) {
            text_ += "\n";
            say("Look again. What was finished above is no longer in the list:");
            text_ += look_statement(server);
            if (keeps_branches(server)) {
                say("If one was unknown (1397) and is still listed, the session that prepared it "
                    "has not ended: begin this block anew.");
            }
        }
    }

    void add_wait_for_sessions() {
        text_ += "\n";
        say("First the sessions of the application's processes that have ended, found by the locks "
            "that they hold. A prepared branch stays attached to its session, and while that is "
            "ending, this server may answer OK to the XA COMMIT of another session and not do it. "
            "So KILL CONNECTION every id that this lists, and no other one, and repeat it until "
            "it lists nothing. It needs the privilege PROCESS, unless you are the application's "
            "user:");
        text_ += session_query(report_.log) + "\n";
        say("Go on only when it lists nothing, and a second later:");
        text_ += "DO SLEEP(1);\n";
    }

    void add_way_in(const ScriptServer& server, const RecoveryResource* resource) {
        if (!server.client.empty()) {
            text_ += fmt::format("-- Connect with: {}\n", server.client);
        }
        if (is_postgres(server)) {
            say("In this very database, as the role that the list names as owner or as a "
                "superuser, and not within a transaction block (psql without "
                "--single-transaction).");
        } else {
            say("As any user; on MySQL, the list needs the privilege XA_RECOVER_ADMIN.");
        }
        if (resource != nullptr && !resource->unended_session.empty()) {
            say(
                fmt::format("An old session may still be at work: {} Look once more after it has "
                            "ended.",
                            as_sentence(resource->unended_session)));
        }
        if (resource != nullptr && !resource->doubt.empty()) {
            say(fmt::format("Not the server that knew all branches: {}",
                            as_sentence(resource->doubt)));
        }
    }

    void add_branch(const ScriptServer& server, const RecoveryTransaction& transaction,
                    const RecoveryBranch& branch) {
        text_ += "\n";
        say(fmt::format("{}: {}{}", printable(transaction.gtrid), to_string(transaction.state),
                        transaction.age ? fmt::format(", {} old", age_text(transaction.age)) : ""));
        if (transaction.state == TransactionState::foreign) {
            add_foreign(server, branch);
            return;
        }
        if (is_held_back(facts_, transaction, branch) && !is_refused(report_)) {
            say(
                fmt::format("The decision to commit is {}. Then make this script anew, if anything "
                            "is left.",
                            kNotDurable));
            text_ += fmt::format("-- {}\n", statement(server, "COMMIT", branch));
            return;
        }
        if (const auto verb = scripted_verb(facts_, transaction, branch)) {
            say(branch.state == RecoveredState::unreachable
                    ? "The log holds the decision to commit."
                    : as_sentence(branch.reason));
            text_ += statement(server, *verb, branch) + "\n";
            return;
        }
        say(as_sentence(branch.reason));
        if (branch.action == RecoveryAction::none && branch.state == RecoveredState::prepared &&
            waits_for_a_person(transaction)) {
            say(fmt::format("WAITS FOR A PERSON. {}", next_step(report_, transaction).why));
            for (const auto* verb : {"COMMIT", "ROLLBACK"}) {
                text_ += fmt::format("-- {}\n", statement(server, verb, branch));
            }
        }
    }

    void add_foreign(const ScriptServer& server, const RecoveryBranch& branch) {
        const auto foreign = decode_foreign(branch.xid, branch.name);
        say(fmt::format(
            "Not ours: {} is left to {}.",
            is_postgres(server) ? postgres_literal(branch.name) : printable(branch.name),
            foreign ? to_string(*foreign) : "the transaction manager that made it"));
    }

    void add_unknown_resources() {
        for (const auto& transaction : report_.transactions) {
            for (const auto& branch : transaction.branches) {
                if (find_resource(branch.resource) == nullptr) {
                    text_ += "\n";
                    say(fmt::format("MISSING: {} has a branch at resource {}, which was not given.",
                                    printable(transaction.gtrid), printable(branch.resource)));
                }
            }
        }
    }

    [[nodiscard]] const RecoveryResource* find_resource(std::string_view name) const {
        const auto found = std::ranges::find(report_.resources, name, &RecoveryResource::name);
        return found == report_.resources.end() ? nullptr : &*found;
    }

    const ScriptFacts& facts_;
    const RecoveryReport& report_;
    std::string text_;
};

}  // namespace

std::vector<ScriptStatement> script_statements(const ScriptFacts& facts) {
    std::vector<ScriptStatement> statements;
    for (const auto& server : facts.servers) {
        for (const auto& transaction : facts.report.transactions) {
            for (const auto& branch : transaction.branches) {
                const auto verb = scripted_verb(facts, transaction, branch);
                if (branch.resource == server.resource && verb) {
                    statements.push_back({server.resource, transaction.gtrid, branch.action,
                                          statement(server, *verb, branch)});
                }
            }
        }
    }
    return statements;
}

std::vector<SessionQuery> script_session_queries(const ScriptFacts& facts) {
    std::vector<SessionQuery> queries;
    for (const auto& server : facts.servers) {
        if (keeps_branches(server) && has_statements(facts, server)) {
            queries.push_back({server.resource, session_query(facts.report.log)});
        }
    }
    return queries;
}

std::vector<ScriptOmission> script_omissions(const ScriptFacts& facts) {
    std::vector<ScriptOmission> omissions;
    for (const auto& transaction : facts.report.transactions) {
        const bool is_left_out = std::ranges::any_of(
            transaction.branches,
            [&](const RecoveryBranch& branch) { return is_held_back(facts, transaction, branch); });
        if (is_left_out && !is_refused(facts.report)) {
            omissions.push_back({transaction.gtrid, std::string{kNotDurable}});
        }
    }
    return omissions;
}

std::string render_script(const ScriptFacts& facts) {
    return Script{facts}.render();
}

}  // namespace xa_tm::cli

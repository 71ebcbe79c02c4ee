// Invariants:
// - a line is a comment, or one whole statement, so that no name can end a comment or a literal;
// - a statement stands outside of a comment only when script_statements() gives it.

#include "render_script.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "foreign_xid.h"
#include "next_step.h"
#include "report_view.h"
#include "text.h"
#include "xa_tm/mysql/branch_name.h"
#include "xa_tm/postgres/branch_name.h"

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
    Script(const RecoveryReport& report, std::span<const ScriptServer> servers)
        : report_{report}, servers_{servers} {}

    std::string render() {
        add_head();
        for (const auto& server : servers_) {
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
        if (has_statements(server) && !is_refused(report_)) {
            add_way_in(server, resource);
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
        if (has_statements(server) && !is_refused(report_)) {
            text_ += "\n";
            say("Look again. What was finished above is no longer in the list:");
            text_ += look_statement(server);
            if (!is_postgres(server)) {
                say("If one was unknown (1397) and is still listed, the session that prepared it "
                    "has not ended: look for it in SHOW PROCESSLIST, KILL it, and run this block "
                    "again.");
            }
        }
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
        if (const auto verb = verb_of(branch); verb && !is_refused(report_)) {
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

    [[nodiscard]] bool has_statements(const ScriptServer& server) const {
        return std::ranges::any_of(report_.transactions, [&](const auto& transaction) {
            return std::ranges::any_of(transaction.branches, [&](const RecoveryBranch& branch) {
                return branch.resource == server.resource && verb_of(branch);
            });
        });
    }

    const RecoveryReport& report_;
    std::span<const ScriptServer> servers_;
    std::string text_;
};

}  // namespace

std::vector<ScriptStatement> script_statements(const RecoveryReport& report,
                                               std::span<const ScriptServer> servers) {
    std::vector<ScriptStatement> statements;
    if (is_refused(report)) {
        return statements;
    }
    for (const auto& server : servers) {
        for (const auto& transaction : report.transactions) {
            for (const auto& branch : transaction.branches) {
                const auto verb = verb_of(branch);
                if (branch.resource == server.resource && verb) {
                    statements.push_back({server.resource, transaction.gtrid, branch.action,
                                          statement(server, *verb, branch)});
                }
            }
        }
    }
    return statements;
}

std::string render_script(const RecoveryReport& report, std::span<const ScriptServer> servers) {
    return Script{report, servers}.render();
}

}  // namespace xa_tm::cli

#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "xa_tm/recovery_report.h"

namespace xa_tm::cli {

/// What a script says of the server of one resource.
struct ScriptServer {
    std::string resource;
    /// "postgresql" or "mysql".
    std::string kind;
    /// See client_command(); may be empty.
    std::string client;
    /// ServerDescription::product; empty when the server could not be asked.
    std::string product = {};
    /// Of MySQL and MariaDB: a prepared branch stays attached to the session that prepared it, or
    /// nobody knows.
    bool keeps_branches = true;
};

/// What a script is made of.
struct ScriptFacts {
    RecoveryReport report;
    std::vector<ScriptServer> servers;
    /// The transactions whose decisions are known to be on the disk. Another decision may be in
    /// memory alone, be it that of the kernel: after a commit by it, a crash of the machine would
    /// leave branches that are rolled back.
    std::set<std::string, std::less<>> durable_decisions;
};

/// One statement that finishes one branch.
struct ScriptStatement {
    std::string resource;
    std::string gtrid;
    RecoveryAction action;
    std::string sql;
};

/// What `resolve` would do by itself, in the order of the report: nothing beside a live owner of
/// the log, nothing with a log that is an old copy, and no commit by a decision that is not known
/// to be durable.
[[nodiscard]] std::vector<ScriptStatement> script_statements(const ScriptFacts& facts);

/// A query that a person asks before the statements at the server of a resource.
struct SessionQuery {
    std::string resource;
    std::string sql;
};

/// For each server with a statement where prepared branches stay attached to their sessions: it
/// lists the sessions of the log's ended incarnations, and has to list none for a second. While
/// such a session is ending, the server may answer OK to another one's XA COMMIT and not do it.
[[nodiscard]] std::vector<SessionQuery> script_session_queries(const ScriptFacts& facts);

/// What the statements lack although `resolve` would do it.
struct ScriptOmission {
    std::string gtrid;
    std::string reason;
};
[[nodiscard]] std::vector<ScriptOmission> script_omissions(const ScriptFacts& facts);

/// The same as a text for a person who has nothing but the servers' own clients: a block a server,
/// which runs as it stands there. Everything that is not a statement stands in comments; so do the
/// statements for what waits for a person, and for what is not known to be durable. Bytes outside
/// printable ASCII are escaped.
[[nodiscard]] std::string render_script(const ScriptFacts& facts);

}  // namespace xa_tm::cli

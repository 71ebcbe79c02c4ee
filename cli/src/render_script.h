#pragma once

#include <optional>
#include <span>
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
};

/// One statement that finishes one branch.
struct ScriptStatement {
    std::string resource;
    std::string gtrid;
    RecoveryAction action;
    std::string sql;
};

/// What `resolve` would do by itself, in the order of the report: nothing beside a live owner of
/// the log, and nothing with a log that is an old copy.
[[nodiscard]] std::vector<ScriptStatement> script_statements(const RecoveryReport& report,
                                                             std::span<const ScriptServer> servers);

/// The same as a text for a person who has nothing but the servers' own clients: a block a server,
/// which runs as it stands there. Everything that is not a statement stands in comments; so do the
/// statements for what waits for a person. Bytes outside printable ASCII are escaped.
[[nodiscard]] std::string render_script(const RecoveryReport& report,
                                        std::span<const ScriptServer> servers);

}  // namespace xa_tm::cli

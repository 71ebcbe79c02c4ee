#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <mysql.h>

#include "uri.h"

// What MariaDB's client library and MySQL's do each in a way of its own. Of the two files that
// implement this the build takes the one for the library that it has found.
namespace xa_tm::mysql::client_library {

/// What an exchange with the server is made of.
enum class Step { switch_packing, send, read_first, read_next, store };

/// A step with what it needs, and once it is done with what it gives.
struct StepCall {
    Step step = Step::send;
    /// For switch_packing.
    enum_mysql_set_option packing = MYSQL_OPTION_MULTI_STATEMENTS_OFF;
    /// For send; valid until that is done.
    std::string_view packet = {};
    /// For all but store, which gives no result then.
    bool has_failed = false;
    /// The caller's to free; for store.
    MYSQL_RES* stored = nullptr;
};

/// Lets a connected handle take steps.
void allow_steps(MYSQL& mysql);
/// Begins a step. 0 when it is done; else what it waits for at the socket, as events of poll(2):
/// then resume_step() is to be called, and nothing else on this handle but closing it.
[[nodiscard]] short start_step(MYSQL& mysql, StepCall& call);
/// Carries a step on that has begun, after the socket had `ready`; answers as start_step() does.
[[nodiscard]] short resume_step(MYSQL& mysql, StepCall& call, short ready);
[[nodiscard]] int socket_of(MYSQL& mysql);
/// The text as a literal, in the handle's character set and the sql_mode that the server told last.
/// Between exchanges.
[[nodiscard]] std::string literal_of_text(MYSQL& mysql, std::string_view text);
/// What the library takes in place of the host and tells all of the address, where SOCI's
/// parameters can't; null where they can. Throws std::invalid_argument when neither can.
[[nodiscard]] std::optional<std::string> connect_string(const ServerAddress& address);

}  // namespace xa_tm::mysql::client_library

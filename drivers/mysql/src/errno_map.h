#pragma once

#include <string_view>

#include "xa_tm/connection.h"
#include "xa_tm/error.h"
#include "xa_tm/xa_code.h"

namespace xa_tm::mysql {

/// What an error of MySQL or MariaDB means to the transaction manager.
struct Meaning {
    XaCode code;
    /// What to do about it, to follow the server's words; empty where there is nothing to add.
    std::string_view advice;
};

/// The meaning of an error that answered `verb`. The server's words are needed only for errno 1399.
[[nodiscard]] Meaning meaning_of(Verb verb, int error, std::string_view message) noexcept;

/// Whether an error with this meaning says that another transaction's locks or changes stood in the
/// way, so that the same may succeed later.
[[nodiscard]] bool is_conflict(XaCode meaning, int error) noexcept;

/// Why a connection could not be made.
struct ConnectFailure {
    ErrorCode code;
    std::string_view advice;
};
[[nodiscard]] ConnectFailure classify_connect_failure(int error) noexcept;

}  // namespace xa_tm::mysql

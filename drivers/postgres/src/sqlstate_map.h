#pragma once

#include <string_view>

#include "xa_tm/connection.h"
#include "xa_tm/error.h"
#include "xa_tm/xa_code.h"

namespace xa_tm::postgres {

/// What an error of PostgreSQL means to the transaction manager.
struct Meaning {
    XaCode code;
    /// What to do about it, to follow the server's words; empty where there is nothing to add.
    std::string_view advice;
};

/// The meaning of an error that answered `verb`; an empty SQLSTATE is a connection that broke.
[[nodiscard]] Meaning meaning_of(Verb verb, std::string_view sqlstate) noexcept;

/// Whether another transaction's locks or changes stood in the way, so that the same may succeed
/// later.
[[nodiscard]] bool is_conflict(std::string_view sqlstate) noexcept;

/// Why a connection could not be made. libpq gives text only, so this looks for the server's
/// English words.
struct ConnectFailure {
    ErrorCode code;
    std::string_view advice;
    bool is_recognised;
};
[[nodiscard]] ConnectFailure classify_connect_failure(std::string_view message) noexcept;

}  // namespace xa_tm::postgres

#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "statement_text.h"
#include "xa_tm/connection.h"
#include "xa_tm/value.h"

namespace xa_tm::mysql {

// An execute's arguments, as literals in the places of its question marks.

/// How the server reads the text that it is sent next.
struct TextRules {
    /// A text as a literal, as the client library writes it in the connection's character set and
    /// sql_mode.
    std::function<std::string(std::string_view)> write_text;
    Bytewise is_bytewise = Bytewise::yes;
};

/// `write_text` as in TextRules. Not for a double that is infinite or not a number.
[[nodiscard]] std::string literal_of(
    const Value& value, const std::function<std::string(std::string_view)>& write_text);

/// Why the arguments can't take their places, in one line; empty when they can, and for a statement
/// without arguments whose text is not certain.
[[nodiscard]] std::string fault_of_arguments(const Request& execute, Bytewise is_bytewise);

/// The statement with its arguments in it, without the end of its text if it has some. Only where
/// fault_of_arguments() is empty.
[[nodiscard]] std::string with_arguments(const Request& execute, const TextRules& rules);

/// is_plain() of the statement with its arguments, or as good as that: what stands between quotes
/// is of characters of ASCII that end no string.
[[nodiscard]] bool is_plain_with_arguments(const Request& execute) noexcept;

}  // namespace xa_tm::mysql

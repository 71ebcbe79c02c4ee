#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

/// Words and lines for a person at a terminal.
namespace xa_tm::cli {

enum class Colour { plain, bold, green, yellow, red };

/// Plain unless `has_colour`.
[[nodiscard]] std::string painted(std::string text, Colour colour, bool has_colour);

/// Bytes outside printable ASCII as \xNN, so that they can't drive the terminal.
[[nodiscard]] std::string printable(std::string_view text);

/// A reason as a sentence of its own, printable.
[[nodiscard]] std::string as_sentence(std::string_view reason);

/// As a person types it to a shell, in quotes where it needs them. Printable: a word with other
/// bytes is shown, and can't be pasted.
[[nodiscard]] std::string shell_word(std::string_view word);

/// Lines of up to 100 columns, broken at spaces; a word that is too long stays whole.
[[nodiscard]] std::string wrapped(std::string_view text, std::size_t indent);

/// In the largest unit that leaves at least two of it; "-" when it is not known.
[[nodiscard]] std::string age_text(std::optional<std::chrono::seconds> age);

/// "1 branch", "2 branches"; the plural is the noun with an s unless it is given.
[[nodiscard]] std::string count_of(std::size_t count, std::string_view noun,
                                   std::string_view plural = {});

/// Standard output is a terminal that shows colours.
[[nodiscard]] bool wants_colour();

/// Writes to standard output; throws std::system_error when that fails.
void write_out(std::string_view text);

}  // namespace xa_tm::cli

#pragma once

#include <cstddef>
#include <string>
#include <string_view>

/// URIs as a person writes them, with what must not be seen in them.
namespace xa_tm::cli {

/// With every ${NAME} replaced by the environment variable, and $$ by one dollar. A value that
/// stands as the user, the password or the value of a parameter is percent-encoded, so it may hold
/// any characters; elsewhere, and when it is the whole URI, it is taken as it is. Throws
/// ConfigurationError, whose text begins with no capital and names only the variable.
[[nodiscard]] std::string with_variables(std::string_view uri);

/// Where the address stands in the first URI of the text, behind the scheme; npos when there is no
/// URI, as in libpq's keyword=value pairs.
[[nodiscard]] std::size_t address_begin(std::string_view text) noexcept;

/// With *** for every password that stands in the text, or as many stars as a shorter one has
/// characters; rather too much than too little. Never longer than the text.
[[nodiscard]] std::string without_passwords(std::string_view text);

/// The same in place for the arguments of the program, which other users see in the list of
/// processes.
void mask_passwords(int argc, char** argv) noexcept;

}  // namespace xa_tm::cli

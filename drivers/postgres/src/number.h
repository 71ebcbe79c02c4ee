#pragma once

#include <charconv>
#include <string_view>

namespace xa_tm::postgres {

/// The number that the text begins with, else 0.
template <typename Number>
[[nodiscard]] Number number_from(std::string_view text) {
    Number number{};
    std::from_chars(text.data(), text.data() + text.size(), number);
    return number;
}

}  // namespace xa_tm::postgres

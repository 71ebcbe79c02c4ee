#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include "xa_tm/recovery_log/check.h"

namespace xa_tm::test {

/// Takes an input apart from its front. Behind its end everything is zero or empty.
class Input {
public:
    Input(const std::uint8_t* data, std::size_t size) noexcept
        : rest_{reinterpret_cast<const char*>(data), size} {}

    /// Little-endian.
    template <class Number>
    [[nodiscard]] Number number() {
        std::uint64_t number = 0;
        std::size_t shift = 0;
        for (const char c : take(sizeof(Number))) {
            number |= std::uint64_t{static_cast<unsigned char>(c)} << shift;
            shift += 8;
        }
        return static_cast<Number>(number);
    }
    [[nodiscard]] std::string bytes(std::size_t count) { return std::string{take(count)}; }
    /// Its length stands before it, in a byte.
    [[nodiscard]] std::string text(std::size_t length_max = 255) {
        return bytes(number<std::uint8_t>() % (length_max + 1));
    }
    [[nodiscard]] std::string rest() { return bytes(rest_.size()); }
    [[nodiscard]] bool is_at_end() const noexcept { return rest_.empty(); }

private:
    std::string_view take(std::size_t count) {
        const auto taken = rest_.substr(0, count);
        rest_.remove_prefix(taken.size());
        return taken;
    }

    std::string_view rest_;
};

/// A piece of every password that a target makes. No name may hold such a text.
inline constexpr std::string_view kSecret = "Zq7!";

/// The text without what might be taken for a piece of a password.
[[nodiscard]] inline std::string without_secret(std::string text) {
    std::ranges::replace(text, 'Z', 'z');
    return text;
}

/// Error texts are one line and never hold a password.
inline void check_message(std::string_view message) {
    XA_TM_CHECK(!message.empty() && message.find_first_of("\n\r") == std::string_view::npos,
                "an error is told in one line");
    XA_TM_CHECK(message.find(kSecret) == std::string_view::npos, "no error holds a password");
}

/// What the call gives; nothing when it has thrown the kind of error that it may throw.
template <class Expected, class Call>
[[nodiscard]] auto unless_refused(Call&& call) -> std::optional<decltype(call())> {
    try {
        return call();
    } catch (const Expected& error) {
        check_message(error.what());
        return std::nullopt;
    }
}

}  // namespace xa_tm::test

#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace xa_tm::recovery_log {

[[nodiscard]] inline std::span<const std::byte> bytes_of(std::string_view text) {
    return std::as_bytes(std::span{text});
}

[[nodiscard]] inline std::string text_of(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// A text of this length, without zeros and different for each seed.
[[nodiscard]] inline std::string text_of_length(std::size_t length, std::size_t seed) {
    std::string text = std::to_string(seed) + ':';
    while (text.size() < length) {
        text += static_cast<char>('!' + (text.size() * 31 + seed * 17) % 90);
    }
    text.resize(length);
    return text;
}

}  // namespace xa_tm::recovery_log

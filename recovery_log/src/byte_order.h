#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>

namespace xa_tm::recovery_log {

/// Everything on disk is little-endian, whatever the machine; these two are the only way in and
/// out.
template <std::unsigned_integral T>
constexpr void store_le(std::span<std::byte> out, std::size_t offset, T value) noexcept {
    const auto field = out.subspan(offset, sizeof(T));
    for (std::size_t i = 0; i < sizeof(T); ++i) {
        field[i] = static_cast<std::byte>(value >> (8 * i));
    }
}

template <std::unsigned_integral T>
[[nodiscard]] constexpr T load_le(std::span<const std::byte> in, std::size_t offset) noexcept {
    const auto field = in.subspan(offset, sizeof(T));
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < sizeof(T); ++i) {
        value |= std::to_integer<std::uint64_t>(field[i]) << (8 * i);
    }
    return static_cast<T>(value);
}

}  // namespace xa_tm::recovery_log

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace xa_tm::recovery_log {

/// CRC-32C (Castagnoli, as in RFC 3720 §12.1). `seed` is the CRC of what went before, so that
/// crc32c(b, crc32c(a)) is the CRC of a followed by b; any other seed makes a check of its own.
[[nodiscard]] std::uint32_t crc32c(std::span<const std::byte> bytes,
                                   std::uint32_t seed = 0) noexcept;

/// The same by table alone, for machines without the instruction; apart so that a test can compare
/// them.
[[nodiscard]] std::uint32_t crc32c_by_table(std::span<const std::byte> bytes,
                                            std::uint32_t seed = 0) noexcept;

}  // namespace xa_tm::recovery_log

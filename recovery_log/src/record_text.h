#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace xa_tm::recovery_log {

/// What a whole record says, for a person; empty for an ENTRY and for types that are not known.
[[nodiscard]] std::string describe_record(std::uint8_t type, std::span<const std::byte> body);

}  // namespace xa_tm::recovery_log

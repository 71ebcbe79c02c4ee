#pragma once

#include <cstddef>
#include <vector>

#include "xa_tm/logged_decision.h"

namespace xa_tm {

/// The longest server identity and evidence that a record keeps; drivers give less.
inline constexpr std::size_t kMaxServerBytes = 64;
inline constexpr std::size_t kMaxEvidenceBytes = 64;
/// The longest sentence that a record keeps; servers may say more.
inline constexpr std::size_t kMaxWordsBytes = 1000;

[[nodiscard]] std::vector<std::byte> encode(const LogRecord& record);
/// The same without a copy of the decision, for the way of every commit.
[[nodiscard]] std::vector<std::byte> encode(const Decision& decision);
/// The most bytes that a decision over these branches can take, whatever their servers and
/// evidence.
[[nodiscard]] std::size_t encoded_size_max(const Decision& decision);

}  // namespace xa_tm

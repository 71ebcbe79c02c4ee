#pragma once

#include <nlohmann/json.hpp>

namespace xa_tm::bench {

/// The sketch "a row is held for H0 plus k round trips": H0 is one over the throughput on one hot
/// row without delay, k was counted; they predict the throughput at every other delay. The section
/// "law" of a result, from its other sections.
[[nodiscard]] nlohmann::json law_of(const nlohmann::json& result);

}  // namespace xa_tm::bench

#pragma once

#include <nlohmann/json.hpp>

#include "cell.h"

namespace xa_tm::bench {

/// The section "criteria" of a result, from its other sections; `base` says which servers they are
/// judged on. What was not measured has null for measured and met.
[[nodiscard]] nlohmann::json criteria_of(const nlohmann::json& result,
                                         const std::vector<std::string>& base);

}  // namespace xa_tm::bench

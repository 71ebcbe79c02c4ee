#pragma once

#include <vector>

namespace xa_tm::bench {

/// The value below which this share of them lies; 0 of none.
[[nodiscard]] double quantile_of(std::vector<double> values, double share);
/// Of an even number of values the middle between the two in the middle.
[[nodiscard]] double median_of(std::vector<double> values);

}  // namespace xa_tm::bench

#pragma once

#include <algorithm>
#include <vector>

#include <nlohmann/json.hpp>

namespace xa_tm::bench {

/// The value below which this share of them lies; 0 of none.
[[nodiscard]] inline double quantile_of(std::vector<double> values, double share) {
    if (values.empty()) {
        return 0;
    }
    const auto last = static_cast<double>(values.size() - 1);
    const auto nth = values.begin() + static_cast<std::ptrdiff_t>(share * last + 0.5);
    std::nth_element(values.begin(), nth, values.end());
    return *nth;
}

[[nodiscard]] inline double median_of(std::vector<double> values) {
    return quantile_of(std::move(values), 0.5);
}

}  // namespace xa_tm::bench

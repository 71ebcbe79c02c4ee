#include "quantiles.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace xa_tm::bench {

double quantile_of(std::vector<double> values, double share) {
    if (values.empty()) {
        return 0;
    }
    const auto last = static_cast<double>(values.size() - 1);
    const auto nth = values.begin() + static_cast<std::ptrdiff_t>(std::round(share * last));
    std::nth_element(values.begin(), nth, values.end());
    return *nth;
}

double median_of(std::vector<double> values) {
    if (values.empty()) {
        return 0;
    }
    std::ranges::sort(values);
    return (values[(values.size() - 1) / 2] + values[values.size() / 2]) / 2;
}

}  // namespace xa_tm::bench

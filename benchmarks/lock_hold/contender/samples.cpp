#include "samples.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace xa_tm::bench {
namespace {

constexpr std::size_t kErrorsMax = 5;

float quantile(std::vector<float>& samples, double share) {
    const auto rank =
        static_cast<std::ptrdiff_t>(std::ceil(share * static_cast<double>(samples.size()))) - 1;
    std::ranges::nth_element(samples, samples.begin() + rank);
    return samples[static_cast<std::size_t>(rank)];
}

}  // namespace

Quantiles quantiles_of(std::vector<float> samples_us) {
    if (samples_us.empty()) {
        return {};
    }
    return {quantile(samples_us, 0.5), quantile(samples_us, 0.99), quantile(samples_us, 1)};
}

void FirstErrors::note(const std::string& error) {
    const std::scoped_lock lock{mutex_};
    if (errors_.size() < kErrorsMax && std::ranges::find(errors_, error) == errors_.end()) {
        errors_.push_back(error);
    }
}

std::vector<std::string> FirstErrors::all() const {
    const std::scoped_lock lock{mutex_};
    return errors_;
}

}  // namespace xa_tm::bench

#pragma once

#include <string>
#include <vector>

#include <prometheus/metric_family.h>

#include "watch_state.h"

namespace xa_tm::cli {

/// What there is to tell, after Prometheus' conventions: names of the library begin with xa_tm_,
/// those of the watch itself with xa_recover_watch_. Pure. Of recovery there is nothing before the
/// log has been taken over.
[[nodiscard]] std::vector<prometheus::MetricFamily> metrics_of(const WatchView& view);

/// The same in Prometheus' text format, version 0.0.4.
[[nodiscard]] std::string metrics_text(const WatchView& view);

}  // namespace xa_tm::cli

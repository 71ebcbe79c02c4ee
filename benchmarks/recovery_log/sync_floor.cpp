#include "sync_floor.h"

#include <algorithm>
#include <cmath>

#include "page_codec.h"
#include "record_format.h"

namespace xa_tm::bench {

RawFlush flush_of(double decisions, unsigned copies) {
    using namespace recovery_log;
    constexpr auto kBytes = record_bytes(kDecisionBytes) + record_bytes(sizeof(EntryId));
    const double pages = std::ceil(decisions * kBytes / kPageRoomBytes);
    return {.bytes = static_cast<std::size_t>(pages) * kPageBytes, .copies = copies};
}

Sample measure_sync_floor(const Bench& bench, RawLoop& raw, const Sample& sample, unsigned copies) {
    const auto flush = flush_of(std::max(1.0, sample.forces_per_sync), copies);
    const Load load{1, bench.scale.warm_up / 4, bench.scale.duration / 4};
    return run_in_quiet(bench.scale.patience, [&] { return raw.run(load, flush); });
}

}  // namespace xa_tm::bench

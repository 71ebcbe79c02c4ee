#pragma once

#include <cstddef>
#include <cstdint>

#include "workload.h"

namespace xa_tm::bench {

/// What the process holds in memory now.
[[nodiscard]] std::int64_t rss_bytes();

struct MemoryUse {
    /// By how much the process has grown between 100,000 transactions and a million.
    std::int64_t growth_bytes_over_million;
    /// The connections, which the pool has already, apart.
    std::int64_t bytes_per_open_transaction;
};

/// Of the transaction manager over the workload's null resources.
[[nodiscard]] MemoryUse measure_memory(const Workload& workload);

}  // namespace xa_tm::bench

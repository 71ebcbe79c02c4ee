#pragma once

#include <cmath>
#include <cstddef>

#include "contender.h"
#include "page_codec.h"
#include "raw_loop.h"
#include "record_format.h"

namespace xa_tm::bench {

/// The least that the log's format can write for so many decisions and as many forgets.
[[nodiscard]] inline RawFlush flush_of(double decisions, unsigned copies) {
    using namespace recovery_log;
    constexpr auto kBytes = record_bytes(kDecisionBytes) + record_bytes(sizeof(EntryId));
    const double pages = std::ceil(decisions * kBytes / kPageRoomBytes);
    return {.bytes = static_cast<std::size_t>(pages) * kPageBytes, .copies = copies};
}

}  // namespace xa_tm::bench

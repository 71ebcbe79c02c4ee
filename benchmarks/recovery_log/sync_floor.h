#pragma once

#include "questions.h"
#include "raw_loop.h"

namespace xa_tm::bench {

/// The least that the log's format can write for so many decisions and as many forgets.
[[nodiscard]] RawFlush flush_of(double decisions, unsigned copies);

/// S(N): what a raw sync takes of as many bytes as the syncs of `sample` had. To be called straight
/// after that sample was taken, to find the disk in the same mood.
[[nodiscard]] Sample measure_sync_floor(const Bench& bench, RawLoop& raw, const Sample& sample,
                                        unsigned copies);

}  // namespace xa_tm::bench

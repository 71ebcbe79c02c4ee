#pragma once

#include "progress.h"
#include "result.h"
#include "running_contender.h"

namespace xa_tm::bench {

/// Runs all contenders in one cell: started together, warmed up, then interleaved in rounds whose
/// order rotates, each turn's outcome checked. Gives the entry of "cells"; who could not be
/// measured is noted in `result`. Throws std::runtime_error when a server can't take it.
[[nodiscard]] nlohmann::json run_cell(const Bench& bench, const Cell& cell,
                                      const Progress& progress, Result& result);

/// The same over null resources: the entry of "tm_alone".
[[nodiscard]] nlohmann::json run_alone(const Bench& bench, unsigned threads, const std::string& log,
                                       const Progress& progress, Result& result);

/// How long that will take, in seconds.
[[nodiscard]] double planned_seconds(const Bench& bench, std::size_t contenders);

}  // namespace xa_tm::bench

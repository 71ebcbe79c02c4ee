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

/// One place among those with many transactions open at once: cold rows, two branches.
struct ManyOpen {
    std::vector<std::string> servers;
    double rtt_ms = 0;
    unsigned open = 1000;
};
[[nodiscard]] nlohmann::json to_json(const ManyOpen& place);
/// One line for a person.
[[nodiscard]] std::string to_text(const ManyOpen& place);

/// Our manager with so many transactions open at once on two threads, beside itself with one
/// transaction a thread on two and on 64: the entry of "many_open".
[[nodiscard]] nlohmann::json run_many_open(const Bench& bench, const ManyOpen& place,
                                           const Progress& progress, Result& result);

/// How long that will take, in seconds.
[[nodiscard]] double planned_seconds(const Bench& bench, std::size_t contenders);

}  // namespace xa_tm::bench

#pragma once

#include <string>
#include <vector>

#include "cell.h"
#include "resource.h"
#include "rounds.h"

namespace xa_tm::bench {

struct Alone {
    std::string log;
    unsigned threads;
};

/// What a run measures, in this order.
struct Plan {
    std::vector<Cell> counted;
    std::vector<Cell> hold;
    std::vector<Cell> cells;
    std::vector<ManyOpen> many_open;
    std::vector<Alone> alone;
    bool has_memory = false;
};

/// Everything: a star around the base cell, the first two resources with 2 branches and 8 threads
/// on a hot row, and the cells that the criteria need; with so many open where many are.
[[nodiscard]] Plan full_plan(const std::vector<Resource>& resources, unsigned open);
/// What can be said in two minutes.
[[nodiscard]] Plan quick_plan(const std::vector<Resource>& resources, unsigned open);

}  // namespace xa_tm::bench

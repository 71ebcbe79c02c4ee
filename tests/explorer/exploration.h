#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "world.h"

namespace xa_tm::explorer {

struct Exploration {
    std::size_t states = 0;
    std::size_t transitions = 0;
    std::size_t settled = 0;
    /// The law that is broken, or empty when none is in any state.
    std::string violation;
    /// The shortest way there, a line an event.
    std::vector<std::string> trace;
};

/// Called now and then with the number of states so far.
using Progress = std::function<void(std::size_t states)>;

/// Visits every state that can be reached, breadth first, and stops at the first one that breaks a
/// law. When none does, it is checked that from every state there is a way to a settled one.
[[nodiscard]] Exploration explore(const Setup& setup, const Progress& progress = {});

}  // namespace xa_tm::explorer

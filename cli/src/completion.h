#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "shape.h"

namespace xa_tm::cli {

/// A script for bash, zsh or fish that completes commands, options, and the values that are known.
[[nodiscard]] std::string completion_of(std::string_view shell,
                                        const std::vector<CommandShape>& shapes);

}  // namespace xa_tm::cli

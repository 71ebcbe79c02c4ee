#pragma once

#include <string>
#include <vector>

#include "shape.h"

namespace xa_tm::cli {

/// The page xa-recover(1), for `man` macros.
[[nodiscard]] std::string manual_page(const std::vector<CommandShape>& shapes);

}  // namespace xa_tm::cli

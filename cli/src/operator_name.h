#pragma once

#include <string>

namespace xa_tm::cli {

/// Who is at the keyboard, as USER@HOST.
[[nodiscard]] std::string operator_name();

}  // namespace xa_tm::cli

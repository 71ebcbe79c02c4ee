#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

#include "xa_tm/recovery_report.h"

namespace xa_tm::cli {

/// The whole report as one JSON document that ends with a line break. Actions are those that were
/// done, else those to do. Bytes that are not UTF-8 are replaced; the hexadecimal keys are exact.
[[nodiscard]] std::string render_json(const RecoveryReport& report);

/// The same as part of another, or to be written in one line.
[[nodiscard]] nlohmann::ordered_json report_json(const RecoveryReport& report);

}  // namespace xa_tm::cli

#pragma once

#include <string>
#include <vector>

#include "log_view.h"
#include "xa_tm/logged_decision.h"

namespace xa_tm::cli {

/// What a log keeps of what persons have done; both oldest first.
struct Audit {
    LogHeader log;
    std::vector<OperatorAct> acts;
    std::vector<recovery_log::InspectedNote> notes;
};

[[nodiscard]] std::string render_audit(const Audit& audit, bool has_colour);
[[nodiscard]] std::string render_audit_json(const Audit& audit);

}  // namespace xa_tm::cli

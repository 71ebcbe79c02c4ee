#include "xa_tm/recovery_status.h"

namespace xa_tm {

std::string_view to_string(AlarmLevel level) noexcept {
    switch (level) {
        case AlarmLevel::none: return "none";
        case AlarmLevel::notice: return "notice";
        case AlarmLevel::warning: return "warning";
        case AlarmLevel::critical: return "critical";
    }
    return "not a level";
}

}  // namespace xa_tm

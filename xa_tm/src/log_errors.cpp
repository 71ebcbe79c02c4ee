#include "log_errors.h"

namespace xa_tm {

ErrorCode to_error_code(recovery_log::LogErrorCode code) noexcept {
    using recovery_log::LogErrorCode;
    switch (code) {
        case LogErrorCode::not_found: return ErrorCode::log_not_found;
        case LogErrorCode::in_use: return ErrorCode::log_in_use;
        case LogErrorCode::foreign_node: return ErrorCode::log_foreign_node;
        case LogErrorCode::damaged:
        case LogErrorCode::newer_format: return ErrorCode::log_damaged;
        case LogErrorCode::unsupported:
        case LogErrorCode::io: return ErrorCode::log_unavailable;
    }
    return ErrorCode::log_unavailable;
}

}  // namespace xa_tm

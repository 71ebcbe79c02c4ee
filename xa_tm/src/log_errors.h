#pragma once

#include <utility>

#include "xa_tm/error.h"
#include "xa_tm/recovery_log/recovery_log.h"

namespace xa_tm {

[[nodiscard]] ErrorCode to_error_code(recovery_log::LogErrorCode code) noexcept;

/// Calls `action` and lets a LogError out as the Error that this library promises; the text stays.
template <class Action>
auto translate_log_errors(Action&& action) {
    try {
        return std::forward<Action>(action)();
    } catch (const recovery_log::LogError& error) {
        throw Error({.code = to_error_code(error.code())}, error.what());
    }
}

}  // namespace xa_tm

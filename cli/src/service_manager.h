#pragma once

#include <string_view>

namespace xa_tm::cli {

/// Tells the service manager something, by the protocol of sd_notify(3), such as "READY=1". Does
/// nothing when none has started us with NOTIFY_SOCKET; what can't be told is dropped.
void notify_service_manager(std::string_view what) noexcept;

}  // namespace xa_tm::cli

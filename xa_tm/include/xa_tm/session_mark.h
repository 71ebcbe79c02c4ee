#pragma once

#include <cstdint>
#include <string_view>

#include "xa_tm/connection.h"
#include "xa_tm/recovery_log/recovery_log.h"

namespace xa_tm {

/// The mark of the sessions of this incarnation of a log, with those of the incarnations that have
/// ended before it, up to 16 and newest first.
[[nodiscard]] SessionMark session_mark_of(recovery_log::LogId log, std::uint32_t incarnation,
                                          std::string_view node);

}  // namespace xa_tm

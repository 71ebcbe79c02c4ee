#pragma once

#include <optional>
#include <string_view>

#include "xa_tm/xa_code.h"

namespace xa_tm {

/// Which part speaks: the Boost.Log channel is "xa_tm." and its name.
enum class LogChannel { coordinator, recovery, log };

/// What each level promises: debug tells every verb, info opening and recovery, warning that the
/// system copes by itself, error that a person is needed, fatal that the manager has stopped.
enum class LogLevel { debug, info, warning, error, fatal };

/// What varies in a message, as Boost.Log attributes Gtrid, Resource, XaCode and Detail; what is
/// empty is left out.
struct LogAttributes {
    std::string_view gtrid = {};
    std::string_view resource = {};
    std::optional<XaCode> code = std::nullopt;
    std::string_view detail = {};
};

/// Logs a constant sentence that says what happens next. Sinks and filters belong to the host
/// application; what they throw is dropped.
void log_message(LogChannel channel, LogLevel level, std::string_view sentence,
                 const LogAttributes& attributes = {}) noexcept;

}  // namespace xa_tm

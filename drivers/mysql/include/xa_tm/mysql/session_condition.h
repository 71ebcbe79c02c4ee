#pragma once

#include <string>
#include <string_view>

namespace xa_tm::mysql {

/// The condition in SQL that is true of those rows of information_schema.processlist whose session
/// carries exactly this mark (SessionMark). Connects to nothing.
[[nodiscard]] std::string session_condition(std::string_view mark);

}  // namespace xa_tm::mysql

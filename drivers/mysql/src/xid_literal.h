#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "xa_tm/connection.h"
#include "xa_tm/xid.h"

namespace xa_tm::mysql {

/// An xid as the XA statements take it: x'GTRID',x'BQUAL',FORMATID. Hexadecimal, because that is
/// the same in every character set and sql_mode.
[[nodiscard]] std::string xid_literal(const Xid& xid);

/// Any text as a literal that no character set or sql_mode changes.
[[nodiscard]] std::string text_literal(std::string_view text);

/// One row of XA RECOVER. The columns formatID, gtrid_length and bqual_length are decimal; data is
/// gtrid and bqual, one after the other. A row that no Xid can hold is listed by name only.
[[nodiscard]] ListedBranch listed_branch(std::string_view format_id, std::string_view gtrid_length,
                                         std::string_view bqual_length, std::string_view data);

}  // namespace xa_tm::mysql

#pragma once

#include <string>

#include "xa_tm/xid.h"

namespace xa_tm::mysql {

/// What ListedBranch::name is of the branch with this xid: as the XA statements take it,
/// x'GTRID',x'BQUAL',FORMATID. Connects to nothing.
[[nodiscard]] std::string branch_name(const Xid& xid);

}  // namespace xa_tm::mysql

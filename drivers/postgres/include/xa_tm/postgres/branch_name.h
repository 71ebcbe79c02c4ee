#pragma once

#include <string>

#include "xa_tm/xid.h"

namespace xa_tm::postgres {

/// What ListedBranch::name is of the branch with this xid, when xa_tm or the PostgreSQL JDBC driver
/// has prepared it; COMMIT PREPARED takes it within quotes. The parts must be no longer than XA
/// allows. Connects to nothing.
[[nodiscard]] std::string branch_name(const Xid& xid);

}  // namespace xa_tm::postgres

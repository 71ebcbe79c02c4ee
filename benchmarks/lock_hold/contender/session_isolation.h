#pragma once

#include <string>

#include "workload.h"

namespace xa_tm::bench {

/// The statement after which every later transaction of a session runs at READ COMMITTED.
[[nodiscard]] inline std::string read_committed_for(const WorkloadBranch& branch) {
    return branch.is_postgresql()
               ? "set session characteristics as transaction isolation level read committed"
               : "set session transaction isolation level read committed";
}

}  // namespace xa_tm::bench

#pragma once

#include <chrono>
#include <string>

#include "xa_tm/datasource.h"
#include "xa_tm/xid.h"

namespace xa_tm {

/// What a server says of one prepared branch beyond that it is there.
struct BranchExamination {
    /// Connection::server_identity() of the server that answered.
    std::string server;
    /// Of a branch that the server does not know: nothing, and the caveat says so.
    Holdings holdings;
};

/// Asks what a prepared branch holds and whom it blocks, over a connection of its own; touches
/// nothing, and may be asked beside the log's live owner and of branches that are not ours. Throws
/// Error when the server can't be reached, or gives no answer within `timeout`. May be called from
/// several threads at once.
[[nodiscard]] BranchExamination examine_branch(Datasource& datasource, const Xid& xid,
                                               std::chrono::milliseconds timeout);

}  // namespace xa_tm

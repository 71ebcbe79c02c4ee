#include "xa_tm/branch_examination.h"

#include <fmt/format.h>

#include "gather.h"
#include "xa_tm/error.h"

namespace xa_tm {

BranchExamination examine_branch(Datasource& datasource, const Xid& xid,
                                 std::chrono::milliseconds timeout) {
    const auto connection = datasource.connect({});
    auto answer = exchange(*connection, {.verb = Verb::examine, .xid = xid}, timeout);
    if (answer.code == XaCode::rmfail) {
        throw Error({.code = ErrorCode::resource_unreachable,
                     .resource = datasource.name(),
                     .sqlstate = answer.sqlstate,
                     .native_error = answer.native_error},
                    fmt::format("resource {}: what the branch holds was not told: {}",
                                datasource.name(), answer.message));
    }
    BranchExamination examination{.server = connection->server_identity(),
                                  .holdings = std::move(answer.holdings)};
    if (answer.code != XaCode::ok) {
        examination.holdings.caveat =
            fmt::format("the server answered {}{}{}", to_string(answer.code),
                        answer.message.empty() ? "" : ": ", answer.message);
    }
    return examination;
}

}  // namespace xa_tm

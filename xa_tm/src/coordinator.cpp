#include "coordinator.h"

#include <utility>

namespace xa_tm {

CommitReport Coordinator::commit(const std::string& gtrid, std::span<EnlistedBranch> branches,
                                 CommitOptions options) {
    CommitRun run{environment_, gtrid, branches, std::move(options)};
    run.start_commit();
    run.wait_until(Return::when_finished);
    run.await_row();
    return run.report();
}

CommitReport Coordinator::rollback(const std::string& gtrid, std::span<EnlistedBranch> branches) {
    CommitRun run{environment_, gtrid, branches};
    run.start_rollback();
    run.wait_until(Return::when_finished);
    return run.report();
}

std::unique_ptr<CommitRun> Coordinator::make_run(const std::string& gtrid,
                                                 std::span<EnlistedBranch> branches,
                                                 CommitOptions options) {
    return std::make_unique<CommitRun>(environment_, gtrid, branches, std::move(options));
}

}  // namespace xa_tm

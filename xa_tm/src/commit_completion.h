#pragma once

#include <future>

#include "xa_tm/outcome.h"

namespace xa_tm {

/// What a report that was given early promises: the last report.
class Completion {
public:
    void complete(const CommitReport& report) {
        std::ignore = report.outcome();  // nobody has to look at the one that is kept
        promise_.set_value(report);
    }
    [[nodiscard]] const std::shared_future<CommitReport>& future() const noexcept {
        return future_;
    }

private:
    std::promise<CommitReport> promise_;
    std::shared_future<CommitReport> future_{promise_.get_future()};
};

}  // namespace xa_tm

// Invariants:
// - state_ leaves `running` once, and never for `running` again: either the transaction's thread
//   ends it or the time does;
// - while it is `running`, sessions_ has every session over which something of the transaction was
//   sent, and none that works for another one.

#include "time_limit.h"

#include <utility>

#include "deadline_keeper.h"

namespace xa_tm {

TimeLimit::TimeLimit(DeadlineKeeper& keeper, std::string gtrid, std::chrono::milliseconds timeout)
    : keeper_{keeper},
      gtrid_{std::move(gtrid)},
      timeout_{timeout},
      deadline_{timeout.count() > 0 ? Clock::now() + timeout : Clock::time_point::max()} {
    if (timeout_.count() > 0) {
        keeper_.add(*this);
    }
}

TimeLimit::~TimeLimit() {
    if (timeout_.count() > 0) {
        keeper_.remove(*this);
    }
}

bool TimeLimit::hold(Datasource& datasource, const Connection& connection) {
    if (timeout_.count() == 0) {
        return true;
    }
    const std::scoped_lock lock{mutex_};
    if (expire_if_due()) {
        return false;
    }
    sessions_.push_back({&datasource, connection.session_id()});
    return true;
}

bool TimeLimit::is_over() {
    const std::scoped_lock lock{mutex_};
    return expire_if_due();
}

bool TimeLimit::try_end() {
    const std::scoped_lock lock{mutex_};
    if (expire_if_due()) {
        return false;
    }
    state_ = State::ending;
    return true;
}

bool TimeLimit::expire_if_due() {
    if (state_ == State::running && deadline_ != Clock::time_point::max() &&
        Clock::now() >= deadline_) {
        state_ = State::expired;
        keeper_.end_at_servers(gtrid_, sessions_);
    }
    return state_ == State::expired;
}

}  // namespace xa_tm

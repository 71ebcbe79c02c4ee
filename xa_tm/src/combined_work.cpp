#include "combined_work.h"

#include <algorithm>
#include <utility>

#include "xa_tm/recovery_log/check.h"

namespace xa_tm {

CombinedWork::Trip CombinedWork::next() const {
    XA_TM_CHECK(state_ == State::working, "what has come to an end does nothing more");
    return {.undo = undo_, .begin = begin_, .end = members_.size()};
}

void CombinedWork::take(std::size_t member, Verdict verdict) {
    if (verdict == Verdict::broken) {
        is_broken_ = true;
    } else if (verdict == Verdict::failed) {
        first_failed_ = std::min(first_failed_.value_or(member), member);
    }
}

void CombinedWork::end_trip() {
    XA_TM_CHECK(state_ == State::working, "what has come to an end makes no trip");
    if (is_broken_) {
        state_ = State::dissolved;
        return;
    }
    const auto end = first_failed_.value_or(members_.size());
    std::fill(members_.begin() + static_cast<std::ptrdiff_t>(begin_),
              members_.begin() + static_cast<std::ptrdiff_t>(end), Member::done);
    undo_ = std::exchange(first_failed_, std::nullopt);
    if (!undo_) {
        state_ = State::complete;
        return;
    }
    members_[*undo_] = Member::failed;
    begin_ = *undo_ + 1;
    const bool is_any_left =
        std::ranges::any_of(members_, [](Member member) { return member != Member::failed; });
    state_ = is_any_left ? State::working : State::empty;
}

}  // namespace xa_tm

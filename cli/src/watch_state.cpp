#include "watch_state.h"

namespace xa_tm::cli {

std::string_view to_string(WatchPhase phase) noexcept {
    switch (phase) {
        case WatchPhase::waiting: return "waiting";
        case WatchPhase::starting: return "starting";
        case WatchPhase::recovering: return "recovering";
    }
    return "not a phase";
}

std::string_view to_text(recovery_log::Health health) noexcept {
    switch (health) {
        case recovery_log::Health::healthy: return "healthy";
        case recovery_log::Health::full: return "full";
        case recovery_log::Health::poisoned: return "poisoned";
        case recovery_log::Health::fenced: return "fenced";
    }
    return "not a health";
}

void WatchState::wait_for(const recovery_log::LogOwner& owner) {
    const std::scoped_lock lock{mutex_};
    phase_ = WatchPhase::waiting;
    owner_ = owner;
}

void WatchState::start() {
    const std::scoped_lock lock{mutex_};
    phase_ = WatchPhase::starting;
    owner_.reset();
}

void WatchState::recover_with(const TransactionManager& manager) {
    const std::scoped_lock lock{mutex_};
    phase_ = WatchPhase::recovering;
    manager_ = &manager;
}

WatchView WatchState::view() const {
    const std::scoped_lock lock{mutex_};
    WatchView view{.phase = phase_, .owner = owner_};
    if (manager_ != nullptr) {
        view.status = manager_->recovery_status();
    }
    return view;
}

}  // namespace xa_tm::cli

#pragma once

#include <mutex>
#include <optional>
#include <string_view>

#include "xa_tm/recovery_log/recovery_log.h"
#include "xa_tm/recovery_status.h"
#include "xa_tm/transaction_manager.h"

namespace xa_tm::cli {

enum class WatchPhase {
    waiting,     ///< another process owns the log, and does the work
    starting,    ///< nobody owns it: it is being taken over, and every resource looked at
    recovering,  ///< the log is ours
};

[[nodiscard]] std::string_view to_string(WatchPhase phase) noexcept;

[[nodiscard]] std::string_view to_text(recovery_log::Health health) noexcept;

/// What the watch does, as its endpoints tell it.
struct WatchView {
    WatchPhase phase = WatchPhase::starting;
    /// While waiting.
    std::optional<recovery_log::LogOwner> owner = std::nullopt;
    /// While recovering.
    std::optional<RecoveryStatus> status = std::nullopt;
};

/// What the watch's own thread does, for the threads of the endpoints.
///
/// Ownership: borrows the manager from recover_with() until the end of its own life.
/// Thread safety: all members may be called from several threads at once.
class WatchState {
public:
    void wait_for(const recovery_log::LogOwner& owner);
    void start();
    void recover_with(const TransactionManager& manager);

    [[nodiscard]] WatchView view() const;

private:
    mutable std::mutex mutex_;
    WatchPhase phase_ = WatchPhase::starting;
    std::optional<recovery_log::LogOwner> owner_;
    const TransactionManager* manager_ = nullptr;
};

}  // namespace xa_tm::cli

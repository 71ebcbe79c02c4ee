#pragma once

#include <atomic>

#include "xa_tm/recovery_log/recovery_log.h"

namespace xa_tm::bench {

/// Takes every decision and keeps none: what is left of a commit's time is the transaction
/// manager's own.
///
/// Ownership: a value.
/// Thread safety: all members may be called from several threads at once.
class NoLog final : public recovery_log::RecoveryLog {
public:
    explicit NoLog(std::string node) : node_{std::move(node)} {}

    [[nodiscard]] recovery_log::LogId id() const noexcept override { return id_; }
    [[nodiscard]] const std::string& node() const noexcept override { return node_; }
    [[nodiscard]] std::uint32_t incarnation() const noexcept override { return 1; }
    [[nodiscard]] std::uint32_t quarantined_through() const noexcept override { return 0; }
    [[nodiscard]] std::vector<recovery_log::Entry> live_entries() const override { return {}; }
    [[nodiscard]] std::optional<recovery_log::Reservation> reserve(std::size_t bytes) override {
        return recovery_log::Reservation{*this, bytes};
    }
    [[nodiscard]] recovery_log::Forced force(recovery_log::Reservation reservation,
                                             std::span<const std::byte> body) noexcept override;
    [[nodiscard]] std::vector<recovery_log::Forced> force_many(
        std::vector<recovery_log::ForceRequest> requests) override;
    void force_async(recovery_log::Reservation reservation, std::vector<std::byte> body,
                     recovery_log::Completion completion) override;
    void forget(recovery_log::EntryId) noexcept override {}
    void maintain() noexcept override {}
    [[nodiscard]] recovery_log::LogStatus status() const override;

private:
    void release(std::size_t) noexcept override {}

    std::string node_;
    recovery_log::LogId id_ = recovery_log::LogId::generate();
    std::atomic<recovery_log::EntryId> entries_{0};
};

}  // namespace xa_tm::bench

#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "random.h"
#include "simulated_network.h"
#include "virtual_machine.h"
#include "xa_tm/recovery_log/recovery_log.h"

namespace xa_tm::simulation {

/// What a log's disk holds, from one incarnation to the next.
struct SimulatedDisk {
    recovery_log::LogId id;
    std::string node;
    std::uint32_t incarnation = 0;
    recovery_log::EntryId last_id = 0;
    std::map<recovery_log::EntryId, std::vector<std::byte>> entries = {};
};

struct LogFaults {
    /// In parts of 100000 calls: the sync fails, and the log is poisoned; there is no space.
    std::uint32_t failed_syncs = 0;
    std::uint32_t refusals = 0;
};

/// A recovery log at the level of its entries: a force takes time, and when the process dies
/// meanwhile the entry is on the disk or is not; what was forgotten may be back after a death.
///
/// Ownership: borrows the disk, the machine and the random numbers; keeps the process's life.
/// Thread safety: one thread.
class SimulatedLog final : public recovery_log::RecoveryLog {
public:
    struct Environment {
        VirtualMachine& machine;
        Random& random;
        const LogFaults& faults;
        std::shared_ptr<const ProcessLife> life;
        /// Told of each entry when it is durable, and of each that is forgotten.
        std::function<void(std::span<const std::byte>)> on_durable;
        std::function<void(std::span<const std::byte>)> on_forget;
        /// Runs a flow of the process beside the caller's: another thread that writes for it.
        std::function<void(std::function<void()>)> run;
        /// A deliberate fault: says that an entry is durable before it is.
        bool acknowledges_too_early = false;
        /// Another one: nobody reads what it holds.
        bool hides_entries = false;
    };
    SimulatedLog(SimulatedDisk& disk, Environment environment);

    /// The process dies at this moment.
    void crash();

    [[nodiscard]] recovery_log::LogId id() const noexcept override { return disk_.id; }
    [[nodiscard]] const std::string& node() const noexcept override { return disk_.node; }
    [[nodiscard]] std::uint32_t incarnation() const noexcept override { return disk_.incarnation; }
    [[nodiscard]] std::uint32_t quarantined_through() const noexcept override { return 0; }
    [[nodiscard]] std::vector<recovery_log::Entry> live_entries() const override;
    [[nodiscard]] std::optional<recovery_log::Reservation> reserve(std::size_t bytes) override;
    [[nodiscard]] recovery_log::Forced force(recovery_log::Reservation reservation,
                                             std::span<const std::byte> body) noexcept override;
    [[nodiscard]] std::vector<recovery_log::Forced> force_many(
        std::vector<recovery_log::ForceRequest> requests) override;
    void force_async(recovery_log::Reservation reservation, std::vector<std::byte> body,
                     recovery_log::Completion completion) override;
    void forget(recovery_log::EntryId id) noexcept override;
    void maintain() noexcept override {}
    [[nodiscard]] recovery_log::LogStatus status() const override;

private:
    void release(std::size_t) noexcept override {}
    void settle(recovery_log::EntryId id);

    SimulatedDisk& disk_;
    Environment environment_;
    bool is_poisoned_ = false;
    std::uint64_t forces_ = 0;
    std::map<recovery_log::EntryId, std::vector<std::byte>> live_;
    std::map<recovery_log::EntryId, std::vector<std::byte>> on_the_way_;
    std::vector<recovery_log::EntryId> forgotten_;
};

}  // namespace xa_tm::simulation

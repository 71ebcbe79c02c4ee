#pragma once

#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <span>
#include <string_view>
#include <thread>
#include <vector>

#include "contender.h"
#include "xa_tm/recovery_log/recovery_log.h"

namespace xa_tm::bench {

inline constexpr std::string_view kNode = "benchmark";

/// The share of the decisions that stay live, so that there is something to be found again.
inline constexpr double kKeptShare = 0.001;

/// Where the logs are made, each in a folder of its own, and how.
struct LogPlace {
    std::filesystem::path directory;
    std::size_t segment_size_bytes = std::size_t{64} << 20;
    unsigned copies = 2;
};

/// A decision that was acknowledged and not forgotten.
struct Kept {
    recovery_log::EntryId id;
    std::uint64_t stamp;
};

/// True for the body of the decision with that stamp, and for no other.
[[nodiscard]] bool is_body_of(std::span<const std::byte> body, std::uint64_t stamp) noexcept;
/// True for a body that some decision has had.
[[nodiscard]] bool is_body_of_a_decision(std::span<const std::byte> body) noexcept;

/// The decisions of one thread: what is in them, and which of them stay live.
///
/// Ownership: the log outlives it.
/// Thread safety: one thread at a time.
class Decider {
public:
    Decider(recovery_log::RecoveryLog& log, unsigned thread, double kept_share = kKeptShare);

    /// Throws std::runtime_error when the log refuses.
    [[nodiscard]] recovery_log::Reservation reserve();
    /// The body of the next decision, which it takes the stamp of.
    [[nodiscard]] std::vector<std::byte> next_body();
    [[nodiscard]] std::uint64_t last_stamp() const noexcept { return next_stamp_ - 1; }
    /// Forgets the decision, or keeps it. Throws std::runtime_error when it is not durable.
    void settle(const recovery_log::Forced& forced, std::uint64_t stamp);

    [[nodiscard]] const std::vector<Kept>& kept() const noexcept { return kept_; }

private:
    recovery_log::RecoveryLog& log_;
    double kept_share_;
    std::uint64_t next_stamp_;
    std::uint64_t settled_ = 0;
    std::vector<Kept> kept_;
};

/// Throws VerificationFailed unless the closed log in `directory` holds all that was kept.
void verify_log(const std::filesystem::path& directory, const std::vector<Kept>& kept);

/// A log with the housekeeping thread that a transaction manager gives it.
///
/// Ownership: owns the log, not its directory.
/// Thread safety: as the log's; the destructor excepted.
class OwnedLog {
public:
    /// Opens or makes the log in `directory`, with the sizes of `place`.
    OwnedLog(const std::filesystem::path& directory, const LogPlace& place);
    ~OwnedLog();

    [[nodiscard]] recovery_log::RecoveryLog& operator*() const noexcept { return *log_; }
    [[nodiscard]] Counters counters() const;

private:
    std::unique_ptr<recovery_log::RecoveryLog> log_;
    std::mutex mutex_;
    std::condition_variable_any wake_;
    std::jthread housekeeper_;
};

/// A contender that forces decisions to a new log in each run; what differs is how.
///
/// Ownership: owns its logs.
/// Thread safety: one run at a time.
class LogContender : public Contender {
public:
    LogContender(std::string_view how, LogPlace place);

    [[nodiscard]] std::string name() const override { return name_; }
    [[nodiscard]] Sample run(const Load& load) override;
    /// As run(), in an existing directory, which may hold a log of ours.
    [[nodiscard]] Sample run_in(const std::filesystem::path& directory, const Load& load) const;

protected:
    /// What one thread does until the window is over.
    virtual Tally force_decisions(recovery_log::RecoveryLog& log, Decider& decider,
                                  const Window& window) const = 0;

private:
    std::string name_;
    LogPlace place_;
};

/// reserve, force, forget; each thread waits for its decision.
[[nodiscard]] std::unique_ptr<LogContender> make_blocking_force(const LogPlace& place);

inline constexpr unsigned kDecisionsInFlight = 32;

/// reserve, force_async, forget; each thread has kDecisionsInFlight decisions under way.
[[nodiscard]] std::unique_ptr<LogContender> make_force_async(const LogPlace& place);

/// reserve, force_many, forget; each thread forces kDecisionsInFlight decisions by one call.
[[nodiscard]] std::unique_ptr<LogContender> make_force_many(const LogPlace& place);

}  // namespace xa_tm::bench

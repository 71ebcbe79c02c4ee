#pragma once

#include <optional>
#include <random>
#include <string>
#include <vector>

#include "promises.h"
#include "xa_tm/recovery_log/recovery_log.h"

namespace xa_tm::recovery_log {
class FileSystem;
}

namespace xa_tm::test {

/// How long the lives of a log are.
struct Script {
    std::size_t steps_of_the_first = 22;
    std::size_t steps_of_the_second = 8;
};

/// The life of a log, drawn from a seed: it is born, takes entries of one to four pages one by one,
/// many at once and without waiting, forgets, is maintained, fills several segments, is closed,
/// opened again and used again. It goes on as far as the file system lets it.
///
/// Ownership: the promises outlive it.
/// Thread safety: one thread at a time.
class ScriptedLife {
public:
    ScriptedLife(recovery_log::Options options, unsigned seed, Promises& promises,
                 Script script = {});

    void live(recovery_log::FileSystem& file_system);

    /// What no log may do, whatever the file system does.
    [[nodiscard]] const std::optional<std::string>& broken() const noexcept { return broken_; }
    /// What no log may do on a sound file system with space: refuse, fail, stop.
    [[nodiscard]] const std::optional<std::string>& trouble() const noexcept { return trouble_; }
    /// Entries that had a reservation and did not become durable.
    [[nodiscard]] std::size_t failed_forces() const noexcept { return failed_forces_; }

private:
    void use(recovery_log::RecoveryLog& log, std::size_t steps);
    void take_step(recovery_log::RecoveryLog& log);
    void force(recovery_log::RecoveryLog& log);
    void force_many(recovery_log::RecoveryLog& log);
    void force_async(recovery_log::RecoveryLog& log);
    void forget_some(recovery_log::RecoveryLog& log);
    void judge(const recovery_log::RecoveryLog& log, const recovery_log::Forced& answer);
    [[nodiscard]] std::optional<recovery_log::Reservation> reserve(recovery_log::RecoveryLog& log,
                                                                   std::size_t entry);
    [[nodiscard]] std::size_t draw(std::size_t low, std::size_t high);
    [[nodiscard]] std::size_t draw_size();

    recovery_log::Options options_;
    std::mt19937 random_;
    Promises& promises_;
    Script script_;
    std::optional<std::string> broken_;
    std::optional<std::string> trouble_;
    std::size_t failed_forces_ = 0;
};

}  // namespace xa_tm::test

#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "in_doubt.h"
#include "passed_log.h"
#include "subject.h"

namespace xa_tm::bench {

/// What one contender took to end every branch.
struct Sample {
    std::chrono::duration<double> time;
    /// Of this process.
    std::chrono::duration<double> cpu_time;
    /// Of opening the log, which `time` does not include.
    std::optional<std::chrono::duration<double>> opening = std::nullopt;
    /// By how much this process grew at most, log and all.
    std::optional<std::size_t> growth_bytes = std::nullopt;
};

/// One way to end branches that are in doubt.
///
/// Ownership: borrows the subject and the log.
/// Thread safety: one thread at a time.
class Contender {
public:
    virtual ~Contender() = default;
    [[nodiscard]] virtual std::string name() const = 0;
    /// What happened before the branches were left: prepares nothing.
    virtual void write_history(std::span<const InDoubt> branches) = 0;
    /// Throws std::runtime_error when it could not end all of them.
    [[nodiscard]] virtual Sample end(std::span<const InDoubt> branches) = 0;
};

/// COMMIT PREPARED or XA COMMIT of every branch that is decided and the rollback of every other, by
/// the C client, one after the other on each of so many connections. It is told what to do and
/// looks at nothing.
[[nodiscard]] std::unique_ptr<Contender> make_bare_loop(Subject& subject, std::size_t connections);

/// A transaction manager that takes the log over after `passed` finished decisions.
[[nodiscard]] std::unique_ptr<Contender> make_engine(Subject& subject, PassedLog& log,
                                                     std::size_t passed);

}  // namespace xa_tm::bench

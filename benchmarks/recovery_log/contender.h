#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>

#include "measure.h"

namespace xa_tm::bench {

/// The body of every decision: what a transaction of three branches takes.
inline constexpr std::size_t kDecisionBytes = 200;

/// One way to make decisions durable.
///
/// Ownership: owns its files; every run starts on fresh ones unless it says otherwise.
/// Thread safety: one run at a time.
class Contender {
public:
    Contender() = default;
    Contender(const Contender&) = delete;
    Contender& operator=(const Contender&) = delete;
    virtual ~Contender() = default;

    [[nodiscard]] virtual std::string name() const = 0;
    /// Each thread forces one decision after the other. Verifies what it has acknowledged before it
    /// returns; throws VerificationFailed.
    [[nodiscard]] virtual Sample run(const Load& load) = 0;
};

/// One write and one sync for each decision, under a mutex, on a zeroed file: what everyone writes
/// first.
[[nodiscard]] std::unique_ptr<Contender> make_naive_log(const std::filesystem::path& directory);

}  // namespace xa_tm::bench

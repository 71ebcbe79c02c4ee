#pragma once

#include <chrono>
#include <cstdint>

namespace xa_tm::simulation {

/// Numbers that follow from a seed alone, on every machine and with every standard library.
///
/// Ownership: a value.
/// Thread safety: one thread at a time.
class Random {
public:
    explicit Random(std::uint64_t seed) noexcept : state_{seed} {}

    /// SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators).
    [[nodiscard]] std::uint64_t next() noexcept {
        state_ += 0x9E3779B97F4A7C15U;
        auto z = state_;
        z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9U;
        z = (z ^ (z >> 27U)) * 0x94D049BB133111EBU;
        return z ^ (z >> 31U);
    }
    /// 0 to `count` - 1.
    [[nodiscard]] std::uint64_t below(std::uint64_t count) noexcept { return next() % count; }
    /// True in `parts` of `whole` draws.
    [[nodiscard]] bool chance(std::uint64_t parts, std::uint64_t whole) noexcept {
        return below(whole) < parts;
    }
    [[nodiscard]] std::chrono::nanoseconds between(std::chrono::nanoseconds from,
                                                   std::chrono::nanoseconds to) noexcept {
        return from +
               std::chrono::nanoseconds{below(static_cast<std::uint64_t>((to - from).count()) + 1)};
    }

private:
    std::uint64_t state_;
};

}  // namespace xa_tm::simulation

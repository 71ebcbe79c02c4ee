#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace xa_tm::recovery_log {

/// The identity of one log: 64 random bits, made with the log and never changed. Every transaction
/// id decided by this log carries it, so that two logs never take each other's branches for their
/// own.
///
/// Ownership: a value.
/// Thread safety: const members may be called from several threads at once.
class LogId {
public:
    static constexpr std::size_t kTextLength = 16;

    /// The all-zero identity, which generate() never returns.
    LogId() = default;
    explicit constexpr LogId(std::uint64_t value) noexcept : value_{value} {}

    /// A new identity from the system's random source; throws std::system_error when that fails.
    [[nodiscard]] static LogId generate();
    /// Reads what to_string() wrote: exactly 16 lower-case hexadecimal digits, else nothing.
    [[nodiscard]] static std::optional<LogId> parse(std::string_view text) noexcept;

    [[nodiscard]] std::uint64_t value() const noexcept { return value_; }
    [[nodiscard]] std::string to_string() const;

    friend auto operator<=>(const LogId&, const LogId&) = default;

private:
    std::uint64_t value_ = 0;
};

}  // namespace xa_tm::recovery_log

#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "xa_tm/recovery_log/log_id.h"
#include "xa_tm/xid.h"

namespace xa_tm {

inline constexpr std::size_t kMaxNodeLength = 20;

/// True for 1 to `length_max` characters of [A-Za-z0-9._-]: names that every server shows unquoted.
[[nodiscard]] bool is_valid_name(std::string_view name, std::size_t length_max) noexcept;

/// What our gtrid says, written as `NODE:LOG:INCARNATION:SEQUENCE` in printable ASCII, so that an
/// operator can read it in XA RECOVER and pg_prepared_xacts. Sequence is below 10^15, so it fits 64
/// bytes.
struct GlobalId {
    std::string node;
    recovery_log::LogId log;
    std::uint32_t incarnation = 0;
    std::uint64_t sequence = 0;

    friend auto operator<=>(const GlobalId&, const GlobalId&) = default;
};

[[nodiscard]] std::string to_gtrid(const GlobalId& id);
/// Nothing unless `gtrid` is exactly what to_gtrid() writes.
[[nodiscard]] std::optional<GlobalId> parse_gtrid(std::string_view gtrid);

/// What our bqual says, written as `RESOURCE:ORDINAL`, the ordinal counted from 1 in order of
/// enlistment; with `:last` behind it where the transaction has a last resource, so that its
/// decision is to be looked for there.
struct BranchId {
    std::string resource;
    std::uint32_t ordinal = 0;
    bool has_last_resource = false;

    friend auto operator<=>(const BranchId&, const BranchId&) = default;
};

[[nodiscard]] std::string to_bqual(const BranchId& id);
/// Nothing unless `bqual` is exactly what to_bqual() writes.
[[nodiscard]] std::optional<BranchId> parse_bqual(std::string_view bqual);

}  // namespace xa_tm

#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace xa_tm {

/// Our formatID, "XATM" in ASCII. Within 31 bits, because some servers lose branches with larger
/// ones.
inline constexpr std::int64_t kFormatId = 0x5841544D;

inline constexpr std::size_t kMaxGtridBytes = 64;
inline constexpr std::size_t kMaxBqualBytes = 64;

/// The identifier of one transaction branch (XA §4.2): a formatID, the gtrid that names the global
/// transaction, and the bqual that names the branch. Both parts are arbitrary bytes.
///
/// Ownership: a value.
/// Thread safety: const members may be called from several threads at once.
struct Xid {
    /// Wider than the specification's, since a server may list one that is not valid.
    std::int64_t format_id = kFormatId;
    std::string gtrid;
    std::string bqual;

    friend auto operator<=>(const Xid&, const Xid&) = default;
};

/// Lower-case hexadecimal digits of arbitrary bytes, two a byte.
[[nodiscard]] std::string to_hex(std::string_view bytes);

}  // namespace xa_tm

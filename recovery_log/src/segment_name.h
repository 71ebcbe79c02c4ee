#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace xa_tm::recovery_log {

/// Which segment: the incarnation that made it, and its number in that incarnation, from 1. A later
/// segment compares greater.
struct SegmentName {
    std::uint32_t epoch = 0;
    std::uint32_t segment_no = 0;

    friend bool operator==(const SegmentName&, const SegmentName&) = default;
    friend constexpr auto operator<=>(const SegmentName& a, const SegmentName& b) noexcept {
        return a.age() <=> b.age();
    }

private:
    [[nodiscard]] constexpr std::uint64_t age() const noexcept {
        return std::uint64_t{epoch} << 32 | segment_no;
    }
};

/// A segment as a file; its pages count those of every copy.
struct SegmentFile {
    SegmentName name{};
    std::size_t file_pages = 0;
};

/// decision-EPOCH-SEGNO.xlog, ten digits each, so that a listing by name is in order of age.
[[nodiscard]] std::string file_name(SegmentName name);

/// Reads what file_name() wrote; nothing for the name of any other file.
[[nodiscard]] std::optional<SegmentName> parse_segment_name(std::string_view file) noexcept;

}  // namespace xa_tm::recovery_log

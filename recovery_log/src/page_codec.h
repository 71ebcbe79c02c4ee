#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "xa_tm/recovery_log/log_id.h"

/// Pages: the unit that is written, checked and judged. Bytes in, values out; no I/O
/// (docs/recovery_log_format.md).
namespace xa_tm::recovery_log {

inline constexpr std::size_t kPageBytes = 4096;
inline constexpr std::size_t kSectorBytes = 512;  ///< what a disk writes whole or not at all
inline constexpr std::size_t kSectorsPerPage = kPageBytes / kSectorBytes;
inline constexpr std::size_t kPageHeaderBytes = 96;
inline constexpr std::size_t kPageRoomBytes = kPageBytes - kPageHeaderBytes;

inline constexpr std::uint8_t kFormatMajor = 1;  ///< another one must be refused
inline constexpr std::uint8_t kFormatMinor = 0;

/// Bits of PageHeader::flags.
namespace page_flags {
inline constexpr std::uint16_t kSegmentHead = 1;
inline constexpr std::uint16_t kSeal = 2;  ///< written when idle, to stand behind the last entries
inline constexpr std::uint16_t kCleanShutdown = 4;  ///< last flush of an owner that closed the log
inline constexpr std::uint16_t kTwoCopies = 8;      ///< each page stands in both halves of the file
}  // namespace page_flags

struct PageHeader {
    std::uint8_t format_major = kFormatMajor;
    std::uint8_t format_minor = kFormatMinor;
    std::uint16_t flags = 0;
    LogId log_id{};
    std::uint32_t epoch = 0;
    std::uint32_t segment_no = 0;
    std::uint64_t page_no = 0;
    /// The flush that this page belongs to: number of its first page, and how many pages it has.
    std::uint64_t flush_first = 0;
    std::uint16_t flush_pages = 0;
    std::uint16_t record_count = 0;
    std::uint32_t used_bytes = 0;
    std::uint32_t prev_crc = 0;  ///< page_crc() of the page written before

    friend bool operator==(const PageHeader&, const PageHeader&) = default;
};

using PageBytes = std::span<std::byte, kPageBytes>;
using ConstPageBytes = std::span<const std::byte, kPageBytes>;

/// Completes a page whose records stand at kPageHeaderBytes: header, and the CRC of each sector.
void seal_page(PageBytes page, const PageHeader& header) noexcept;

/// The CRC that the next page carries as prev_crc.
[[nodiscard]] std::uint32_t page_crc(ConstPageBytes page) noexcept;

enum class PageState {
    zero,   ///< as it was made: never written
    valid,  ///< every sector as it was written
    torn,  ///< some sectors as they were written, the others as they were made: a crash can do this
    damaged,  ///< anything else: no crash can do this to a zeroed page
    newer,    ///< intact, of a format major that this version does not know
};

/// A sector that is not as it was written.
struct BadSector {
    unsigned sector;
    std::uint32_t expected_crc;
    std::uint32_t found_crc;
};

struct PageVerdict {
    PageState state;
    /// Present when the first sector is intact.
    std::optional<PageHeader> header;
    /// The first sector that made the page torn or damaged.
    std::optional<BadSector> bad_sector;
};

/// As it was made: never written.
[[nodiscard]] bool is_zero_page(ConstPageBytes page) noexcept;

/// The bytes of one sector are what the table of the page's first sector says.
[[nodiscard]] bool has_intact_sector(ConstPageBytes page, unsigned sector) noexcept;

/// Judges a page by itself; whether it is the page that belongs there is for the caller to compare.
[[nodiscard]] PageVerdict classify_page(ConstPageBytes page) noexcept;

}  // namespace xa_tm::recovery_log

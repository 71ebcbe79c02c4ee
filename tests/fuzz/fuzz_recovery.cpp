#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "byte_order.h"
#include "crc32c.h"
#include "fuzz_target.h"
#include "ident_file.h"
#include "io.h"
#include "log_inspection.h"
#include "open_log.h"
#include "page_codec.h"
#include "record_format.h"
#include "segment_file.h"
#include "segment_name.h"
#include "simulated_file_system.h"
#include "xa_tm/recovery_log/check.h"

// Any bytes as the segments of a log. An input starts with a byte of options; then come pages, each
// as segment (1), page in it (1), length (2) and so many bytes, the rest of the page being zero.
namespace xa_tm::recovery_log {
namespace {

using test::SimulatedFileSystem;

constexpr unsigned kMendsChecksums = 1;
constexpr std::size_t kChunkHeaderBytes = 4;
constexpr std::size_t kSegmentPages = 16;
constexpr std::array<SegmentName, 4> kSegments{SegmentName{1, 1}, SegmentName{1, 2},
                                               SegmentName{2, 1}, SegmentName{2, 2}};
constexpr std::size_t kPageNoOffset = 32;
constexpr std::size_t kSectorCrcsOffset = 64;
constexpr LogId kLogId{0x0123456789abcdef};
const Options kOptions{.directory = "/log", .node = "shop-1", .segment_size_bytes = 64 * 1024};

using Segment = std::vector<std::byte>;
using Segments = std::array<std::optional<Segment>, kSegments.size()>;

void put(SimulatedFileSystem& disk, const std::string& name, std::span<const std::byte> bytes) {
    const auto file = open_file(disk, disk.directory() / name, OpenMode::create_new);
    write_all(*file, bytes, 0);
    sync(*file);
}

/// Makes the checksums of a page and of its records right, so that what they guard is read.
void mend_checksums(PageBytes page) {
    const auto page_no = load_le<std::uint64_t>(ConstPageBytes{page}, kPageNoOffset);
    for (std::size_t at = kPageHeaderBytes; at + kRecordHeaderBytes <= kPageBytes;) {
        const auto body_bytes = load_le<std::uint16_t>(ConstPageBytes{page}, at + 4);
        const auto end = at + kRecordHeaderBytes + body_bytes;
        if (page[at + 6] == std::byte{0} || end > kPageBytes) {
            break;
        }
        std::array<std::byte, 8> number{};
        store_le(std::span{number}, 0, page_no);
        const auto covered = std::span<const std::byte>{page}.subspan(at + 4, end - at - 4);
        store_le(page, at, crc32c(number, crc32c(covered)));
        at += record_bytes(body_bytes);
    }
    // The first sector last: its checksum covers those of the others.
    for (std::size_t sector = kSectorsPerPage; sector-- > 0;) {
        const auto field = kSectorCrcsOffset + sector * sizeof(std::uint32_t);
        const auto bytes = page.subspan(sector * kSectorBytes, kSectorBytes);
        store_le(page, field, std::uint32_t{0});
        store_le(page, field, crc32c(bytes, static_cast<std::uint32_t>(sector)));
    }
}

Segments segments_of(std::span<const std::byte> input) {
    Segments segments;
    const bool mends = !input.empty() && (std::to_integer<unsigned>(input[0]) & kMendsChecksums);
    auto rest = input.subspan(std::min<std::size_t>(1, input.size()));
    while (rest.size() >= kChunkHeaderBytes) {
        auto& segment = segments[std::to_integer<std::size_t>(rest[0]) % segments.size()];
        const auto page = std::to_integer<std::size_t>(rest[1]) % kSegmentPages;
        const auto length = std::min<std::size_t>(load_le<std::uint16_t>(rest, 2), kPageBytes);
        rest = rest.subspan(kChunkHeaderBytes);
        const auto bytes = rest.first(std::min(length, rest.size()));
        rest = rest.subspan(bytes.size());
        if (!segment) {
            segment.emplace(kSegmentPages * kPageBytes);
        }
        const auto target =
            std::span{*segment}.subspan(page * kPageBytes).template first<kPageBytes>();
        std::ranges::copy(bytes, target.begin());
        if (mends) {
            mend_checksums(target);
        }
    }
    return segments;
}

std::unique_ptr<SimulatedFileSystem> disk_of(std::span<const std::byte> input) {
    auto disk = std::make_unique<SimulatedFileSystem>(kOptions.directory);
    write_ident(*disk, disk->directory(), {.id = kLogId, .node = kOptions.node});
    const auto segments = segments_of(input);
    for (std::size_t i = 0; i < segments.size(); ++i) {
        if (segments[i]) {
            put(*disk, file_name(kSegments[i]), *segments[i]);
        }
    }
    sync_directory(*disk, disk->directory());
    return disk;
}

using Bodies = std::map<EntryId, std::vector<std::byte>>;

Bodies bodies_of(std::vector<Entry> entries) {
    Bodies bodies;
    for (auto& entry : entries) {
        XA_TM_CHECK(bodies.emplace(entry.id, std::move(entry.body)).second, "an id is used once");
    }
    return bodies;
}

/// An inspection describes damage; it does not end with it.
void inspect(SimulatedFileSystem& disk) {
    try {
        static_cast<void>(inspect_log(disk, disk.directory()));
    } catch (const LogError&) {
        XA_TM_CHECK(list_segments(disk, disk.directory()).empty(), "segments can be inspected");
    }
}

/// What a reader finds; nothing when it must not use the log.
std::optional<Bodies> read(SimulatedFileSystem& disk) {
    try {
        return bodies_of(read_log(disk, disk.directory()).entries);
    } catch (const LogError&) {
        return std::nullopt;
    }
}

/// What an owner finds, having used the log.
std::optional<Bodies> use(SimulatedFileSystem& disk) {
    try {
        const auto log = open_log(disk, kOptions);
        auto found = bodies_of(log->live_entries());
        if (auto reservation = log->reserve(1)) {
            const auto forced = log->force(std::move(*reservation), {});
            XA_TM_CHECK(forced.result == ForceResult::durable, "the disk is sound");
            XA_TM_CHECK(!found.contains(forced.id), "a new entry has a new id");
            log->forget(forced.id);
        }
        return found;
    } catch (const LogError&) {
        return std::nullopt;
    }
}

}  // namespace
}  // namespace xa_tm::recovery_log

namespace xa_tm::test {

std::vector<FuzzInput> seeds_of(const std::filesystem::path& log) {
    using namespace recovery_log;
    FuzzInput seed{std::byte{0}};
    for (std::size_t i = 0; i < kSegments.size(); ++i) {
        std::ifstream stream{log / file_name(kSegments[i]), std::ios::binary};
        const std::string text{std::istreambuf_iterator<char>{stream}, {}};
        const auto pages = std::min(text.size() / kPageBytes, kSegmentPages);
        for (std::size_t page = 0; page < pages; ++page) {
            auto bytes = std::as_bytes(std::span{text}).subspan(page * kPageBytes, kPageBytes);
            while (!bytes.empty() && bytes.back() == std::byte{0}) {
                bytes = bytes.first(bytes.size() - 1);
            }
            if (bytes.empty()) {
                continue;
            }
            seed.push_back(static_cast<std::byte>(i));
            seed.push_back(static_cast<std::byte>(page));
            seed.push_back(static_cast<std::byte>(bytes.size() & 0xFFU));
            seed.push_back(static_cast<std::byte>(bytes.size() >> 8U));
            seed.insert(seed.end(), bytes.begin(), bytes.end());
        }
    }
    auto mended = seed;
    mended[0] = std::byte{kMendsChecksums};
    return {seed, mended};
}

}  // namespace xa_tm::test

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace xa_tm::recovery_log;
    const auto disk = disk_of(std::as_bytes(std::span{data, size}));
    inspect(*disk);
    const auto before = disk->fingerprint("LOCK");
    const auto seen = read(*disk);
    XA_TM_CHECK(disk->fingerprint("LOCK") == before, "reading changes nothing");
    const auto found = use(*disk);
    XA_TM_CHECK(seen == found, "a reader and an owner come to the same conclusion");
    if (!found) {
        XA_TM_CHECK(disk->fingerprint("LOCK") == before, "a stop changes nothing");
        return 0;
    }
    XA_TM_CHECK(use(*disk) == found, "the next opening finds the same");
    return 0;
}

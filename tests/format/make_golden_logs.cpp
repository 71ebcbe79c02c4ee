// Writes the logs of tests/testdata/recovery_log, one folder each, as this version writes them.
// To be run once for each version of the format: what it has written then is kept for ever.

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>

#include <fmt/format.h>

#include "directory_lock.h"
#include "local_log.h"
#include "open_log.h"
#include "page_codec.h"
#include "simulated_file_system.h"
#include "test_bytes.h"

namespace xa_tm::recovery_log {
namespace {

using test::SimulatedFileSystem;
using Disk = std::unique_ptr<SimulatedFileSystem>;

constexpr const char* kDirectory = "/log";
constexpr std::size_t kSegmentBytes = 64 * 1024;
constexpr const char* kFirstSegment = "decision-0000000001-0000000001.xlog";

Options options(unsigned copies) {
    return {.directory = kDirectory,
            .node = "shop-1",
            .segment_size_bytes = kSegmentBytes,
            .copies = copies};
}

/// A disk with a log on it, born with a fixed identity.
struct Born {
    Disk disk;
    std::unique_ptr<RecoveryLog> log;

    ~Born() { log.reset(); }

    /// The disk when the process is killed now.
    [[nodiscard]] Disk killed() const { return disk->after_kill(); }
    [[nodiscard]] Disk closed() {
        log.reset();
        return std::move(disk);
    }
};

Born born(unsigned copies, LogStart start = {}) {
    auto disk = std::make_unique<SimulatedFileSystem>(kDirectory);
    start.is_birth = true;
    start.ident = {.id = LogId{0x0123456789abcdef}, .node = "shop-1"};
    auto log =
        std::make_unique<LocalLog>(*disk, kDirectory,
                                   LogLayout{.segment_pages = kSegmentBytes / kPageBytes / copies,
                                             .copies = copies,
                                             .idle_before_seal = std::chrono::nanoseconds{0}},
                                   DirectoryLock::acquire(*disk, kDirectory), std::move(start));
    log->start();
    return {std::move(disk), std::move(log)};
}

EntryId force(RecoveryLog& log, std::string_view body) {
    auto reservation = log.reserve(body.size());
    const auto forced = log.force(std::move(reservation.value()), bytes_of(body));
    if (forced.result != ForceResult::durable) {
        throw std::runtime_error{forced.reason};
    }
    return forced.id;
}

/// Small entries, one over several pages, an empty one, and a forgotten one.
void force_some(RecoveryLog& log) {
    force(log, "commit order-1");
    const auto forgotten = force(log, "commit order-2");
    force(log, text_of_length(10'000, 3));
    log.forget(forgotten);
    force(log, "");
}

void zero(std::vector<std::byte>& bytes, std::size_t page, unsigned sector, unsigned sectors) {
    std::fill_n(
        bytes.begin() + static_cast<std::ptrdiff_t>(page * kPageBytes + sector * kSectorBytes),
        sectors * kSectorBytes, std::byte{0});
}

std::size_t pages_written(std::span<const std::byte> bytes) {
    const auto last = std::find_if(bytes.rbegin(), bytes.rend(),
                                   [](std::byte byte) { return byte != std::byte{0}; });
    return (static_cast<std::size_t>(bytes.rend() - last) + kPageBytes - 1) / kPageBytes;
}

Disk closed_with(unsigned copies) {
    auto made = born(copies);
    force_some(*made.log);
    return made.closed();
}

Disk sealed_and_killed() {
    const auto made = born(2);
    force_some(*made.log);
    made.log->maintain();
    return made.killed();
}

Disk rotated() {
    const auto made = born(1);
    force(*made.log, "commit the oldest order");
    for (std::size_t i = 0; i < 40; ++i) {
        const auto id = force(*made.log, text_of_length(i % 10 == 9 ? 5'000 : 300, i));
        if (i % 8 != 0) {
            made.log->forget(id);
        }
        made.log->maintain();
    }
    return made.killed();
}

/// A flush of four pages, of which the last one is gone and the one before it is torn.
Disk torn_tail() {
    const auto made = born(1);
    force_some(*made.log);
    std::vector<ForceRequest> requests;
    const std::vector<std::string> bodies{"survives the torn tail", text_of_length(5'000, 7),
                                          text_of_length(6'000, 8)};
    for (const auto& body : bodies) {
        requests.push_back({made.log->reserve(body.size()).value(), bytes_of(body)});
    }
    static_cast<void>(made.log->force_many(std::move(requests)));
    auto disk = made.killed();
    disk->edit(kFirstSegment, [](auto& bytes) {
        const auto pages = pages_written(bytes);
        zero(bytes, pages - 1, 0, kSectorsPerPage);
        zero(bytes, pages - 2, 5, 1);
    });
    return disk;
}

/// Each copy of the last page has lost other sectors.
Disk torn_in_both_copies() {
    const auto made = born(2);
    force_some(*made.log);
    force(*made.log, text_of_length(3'900, 9));
    auto disk = made.killed();
    disk->edit(kFirstSegment, [](auto& bytes) {
        const auto last = pages_written(bytes) - 1;
        zero(bytes, last - kSegmentBytes / kPageBytes / 2, 1, 3);
        zero(bytes, last, 4, 4);
    });
    return disk;
}

/// The second opening was cut off while it wrote its list of entries.
Disk half_taken_over() {
    auto disk = closed_with(2);
    const auto before = disk->after_kill();
    const auto old_segment = before->read(kFirstSegment);
    const auto log = open_log(*disk, options(2));
    auto cut = disk->after_kill();
    constexpr const char* kSecond = "decision-0000000002-0000000001.xlog";
    cut->edit(kSecond, [](auto& bytes) {
        zero(bytes, 2, 0, kSectorsPerPage);
        zero(bytes, 2 + kSegmentBytes / kPageBytes / 2, 0, kSectorsPerPage);
    });
    cut->edit(kFirstSegment, [&](auto& bytes) { bytes = old_segment; });
    return cut;
}

Disk quarantined() {
    using namespace std::chrono;
    LogStart start;
    start.epoch = 4;
    start.quarantined_through = 3;
    start.notes = {{.at = sys_days{2024y / June / 7}, .text = "loss of page 7 accepted"}};
    auto made = born(2, std::move(start));
    force_some(*made.log);
    return made.closed();
}

Disk damaged() {
    auto disk = closed_with(1);
    disk->edit(kFirstSegment, [](auto& bytes) { bytes[kPageBytes + 700] ^= std::byte{1}; });
    return disk;
}

Disk with_a_page_gone() {
    auto disk = closed_with(1);
    disk->edit(kFirstSegment, [](auto& bytes) { zero(bytes, 2, 0, kSectorsPerPage); });
    return disk;
}

Disk of_a_newer_format() {
    auto disk = closed_with(1);
    disk->edit(kFirstSegment, [](auto& bytes) {
        const auto page = std::span{bytes}.subspan(kPageBytes).template first<kPageBytes>();
        auto header = *classify_page(page).header;
        header.format_major = 2;
        seal_page(page, header);
    });
    return disk;
}

void save(const SimulatedFileSystem& disk, const std::filesystem::path& folder) {
    std::filesystem::create_directories(folder);
    for (const auto& name : disk.files()) {
        if (name == "LOCK") {
            continue;  // says who owned it
        }
        const auto bytes = disk.read(name);
        std::ofstream stream{folder / name, std::ios::binary};
        stream.write(reinterpret_cast<const char*>(bytes.data()),
                     static_cast<std::streamsize>(bytes.size()));
    }
}

}  // namespace
}  // namespace xa_tm::recovery_log

int main(int argc, char** argv) {
    using namespace xa_tm::recovery_log;
    if (argc != 2) {
        fmt::print(stderr, "usage: {} FOLDER\n", argv[0]);
        return 2;
    }
    const std::filesystem::path folder{argv[1]};
    save(*closed_with(2), folder / "closed");
    save(*sealed_and_killed(), folder / "sealed");
    save(*rotated(), folder / "rotated");
    save(*torn_tail(), folder / "torn_tail");
    save(*torn_in_both_copies(), folder / "torn_in_both_copies");
    save(*half_taken_over(), folder / "half_taken_over");
    save(*quarantined(), folder / "quarantined");
    save(*damaged(), folder / "damaged");
    save(*with_a_page_gone(), folder / "page_gone");
    save(*of_a_newer_format(), folder / "newer_format");
    return 0;
}

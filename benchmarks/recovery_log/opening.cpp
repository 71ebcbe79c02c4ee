#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
#include <system_error>

#include <fcntl.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "child_process.h"
#include "owned_log.h"
#include "page_codec.h"
#include "questions.h"
#include "record_format.h"
#include "temporary_directory.h"
#include "zeroed_file.h"

namespace xa_tm::bench {
namespace {

using namespace recovery_log;

struct Filling {
    std::size_t live;
    std::size_t finished;
};

/// Forces decisions, and forgets all but `live` of them, which are spread evenly. Returns those.
std::vector<Kept> fill(const std::filesystem::path& directory, const LogPlace& place,
                       const Filling& filling) {
    constexpr std::size_t kBatch = 256;
    const std::size_t total = filling.live + filling.finished;
    OwnedLog log{directory, place};
    Decider decider{*log, 0, static_cast<double>(filling.live) / static_cast<double>(total)};
    for (std::size_t done = 0; done < total;) {
        const auto count = std::min(kBatch, total - done);
        std::vector<std::vector<std::byte>> bodies;
        std::vector<ForceRequest> requests;
        for (std::size_t i = 0; i < count; ++i) {
            bodies.push_back(decider.next_body());
            requests.push_back({decider.reserve(), bodies.back()});
        }
        const auto forced = (*log).force_many(std::move(requests));
        for (std::size_t i = 0; i < count; ++i) {
            decider.settle(forced.at(i), decider.last_stamp() + 1 - count + i);
        }
        done += count;
    }
    return decider.kept();
}

/// What fills four fifths of a segment.
Filling filling_of(std::size_t segment_size_bytes, unsigned copies, std::size_t live) {
    const auto pages = segment_size_bytes / copies / kPageBytes;
    const auto room_bytes = pages * kPageRoomBytes / 5 * 4;
    const auto live_bytes = live * record_bytes(kDecisionBytes);
    const auto finished_bytes = record_bytes(kDecisionBytes) + record_bytes(sizeof(EntryId));
    return {.live = live,
            .finished = room_bytes > live_bytes ? (room_bytes - live_bytes) / finished_bytes : 0};
}

/// Lets the page cache forget the files, as a restart of the machine would.
void drop_from_page_cache(const std::filesystem::path& directory) {
    for (const auto& file : std::filesystem::directory_iterator{directory}) {
        const int descriptor = ::open(file.path().c_str(), O_RDONLY | O_CLOEXEC);
        if (descriptor < 0) {
            throw std::system_error(errno, std::generic_category(), file.path().string());
        }
        ::fsync(descriptor);
        ::posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED);
        ::close(descriptor);
    }
}

/// A line such as "VmRSS:  1234 kB" of /proc/self/status (proc(5)).
std::size_t memory_bytes(const std::string& label) {
    std::ifstream status{"/proc/self/status"};
    for (std::string word; status >> word;) {
        if (word == label + ":") {
            std::size_t kib = 0;
            status >> kib;
            return kib * 1024;
        }
    }
    return 0;
}

struct Opening {
    double seconds;
    double memory_bytes_per_live;
    double peak_bytes_per_live;
};

/// Opens a copy of the log in a new process, with nothing of it in the page cache.
Opening open_copy(const Patience& patience, const std::filesystem::path& log, const LogPlace& place,
                  std::size_t live) {
    const test::TemporaryDirectory copy{place.directory};
    std::filesystem::copy(log, copy.path());
    drop_from_page_cache(copy.path());
    wait_for_quiet(patience);
    ChildProcess child{{"open-log", copy.path().string(), std::to_string(place.segment_size_bytes),
                        std::to_string(place.copies)}};
    const auto answer = child.answer();
    // More when the last forgets were not written any more.
    const auto entries = answer["live_entries"].get<double>();
    if (entries < static_cast<double>(live)) {
        throw VerificationFailed{
            fmt::format("{} decisions are live, and opening the log found only {}", live, entries)};
    }
    const auto before = answer["memory_before_bytes"].get<double>();
    return {
        .seconds = answer["open_s"].get<double>(),
        .memory_bytes_per_live = (answer["memory_after_bytes"].get<double>() - before) / entries,
        .peak_bytes_per_live = (answer["memory_peak_bytes"].get<double>() - before) / entries};
}

template <typename Member>
Spread spread_of_openings(const std::vector<Opening>& openings, Member member) {
    std::vector<double> values;
    for (const auto& opening : openings) {
        values.push_back(opening.*member);
    }
    return spread_of(std::move(values));
}

std::vector<Opening> open_copies(unsigned rounds, const Patience& patience,
                                 const std::filesystem::path& log, const LogPlace& place,
                                 const std::vector<Kept>& kept) {
    verify_log(log, kept);
    std::vector<Opening> openings;
    for (unsigned round = 0; round < rounds; ++round) {
        openings.push_back(open_copy(patience, log, place, kept.size()));
    }
    return openings;
}

std::string title_of(const LogPlace& place, std::string_view what) {
    return fmt::format("{} MiB, {} cop{}: {}", place.segment_size_bytes >> 20, place.copies,
                       place.copies == 1 ? "y" : "ies", what);
}

/// Past the page cache, a MiB at a time.
void read_all(const std::filesystem::path& path) {
    constexpr std::size_t kStepBytes = std::size_t{1} << 20;
    const std::unique_ptr<std::byte[], decltype(&std::free)> buffer{
        static_cast<std::byte*>(std::aligned_alloc(4096, kStepBytes)), &std::free};
    const int file = ::open(path.c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC);
    for (off_t offset = 0; ::pread(file, buffer.get(), kStepBytes, offset) > 0;) {
        offset += kStepBytes;
    }
    ::close(file);
}

/// What opening can't do without: to write a segment of zeros, and to read one.
void measure_floors(const Bench& bench, std::vector<Figure>& figures) {
    std::vector<double> zeroing_s;
    std::vector<double> reading_s;
    const auto seconds_since = [](Clock::time_point begin) {
        return std::chrono::duration<double>(Clock::now() - begin).count();
    };
    for (unsigned round = 0; round < bench.scale.rounds; ++round) {
        const test::TemporaryDirectory directory{bench.directory};
        const auto file = directory.path() / "zeros";
        wait_for_quiet(bench.scale.patience);
        auto begin = Clock::now();
        ::close(create_zeroed_file(file, bench.scale.segment_size_bytes));
        zeroing_s.push_back(seconds_since(begin));
        begin = Clock::now();
        read_all(file);
        reading_s.push_back(seconds_since(begin));
    }
    const auto mib = bench.scale.segment_size_bytes >> 20;
    figures.push_back({"P8", fmt::format("raw: {} MiB of zeros written and synced", mib), "s",
                       spread_of(std::move(zeroing_s))});
    figures.push_back({"P8", fmt::format("raw: {} MiB read past the page cache", mib), "s",
                       spread_of(std::move(reading_s))});
}

void measure_full_segment(const Bench& bench, const LogPlace& place, std::size_t live,
                          unsigned rounds, double seconds_max, bool is_memory_judged,
                          std::vector<Figure>& figures) {
    const test::TemporaryDirectory log{bench.directory};
    const auto filling = filling_of(place.segment_size_bytes, place.copies, live);
    const auto kept = fill(log.path(), place, filling);
    const auto openings = open_copies(rounds, bench.scale.patience, log.path(), place, kept);
    figures.push_back(
        {"P8",
         title_of(place, fmt::format("open, {} live of {}", live, filling.live + filling.finished)),
         "s", spread_of_openings(openings, &Opening::seconds), at_most(seconds_max)});
    if (is_memory_judged) {
        figures.push_back({"P8", title_of(place, "memory per live decision"), "B",
                           spread_of_openings(openings, &Opening::memory_bytes_per_live),
                           at_most(400)});
        figures.push_back({"P8", title_of(place, "the same at its peak"), "B",
                           spread_of_openings(openings, &Opening::peak_bytes_per_live)});
    }
}

/// The log is as large as what is live, whatever has been finished.
void measure_bounds(const Bench& bench, std::vector<Figure>& figures) {
    const test::TemporaryDirectory log{bench.directory};
    const LogPlace place{bench.directory, bench.scale.segment_size_bytes};
    const Filling filling{.live = bench.scale.few_live, .finished = bench.scale.many_finished};
    const auto kept = fill(log.path(), place, filling);
    double files = 0;
    double mib = 0;
    for (const auto& file : std::filesystem::directory_iterator{log.path()}) {
        ++files;
        mib += static_cast<double>(file.file_size()) / (1 << 20);
    }
    const auto openings =
        open_copies(bench.scale.rounds, bench.scale.patience, log.path(), place, kept);
    const auto segments_mib = 3.0 * static_cast<double>(place.segment_size_bytes) / (1 << 20);
    const auto title =
        fmt::format("bounded, {} live and {} finished: ", filling.live, filling.finished);
    figures.push_back({"P8", title + "files", "", {files, files, files}, at_most(5)});
    figures.push_back({"P8", title + "size", "MiB", {mib, mib, mib}, at_most(segments_mib + 1)});
    figures.push_back({"P8", title + "open", "s", spread_of_openings(openings, &Opening::seconds),
                       at_most(0.15)});
}

}  // namespace

nlohmann::json open_log_once(const std::filesystem::path& directory, std::size_t segment_size_bytes,
                             unsigned copies) {
    const auto memory_before_bytes = memory_bytes("VmRSS");
    const auto begin = Clock::now();
    const auto log = RecoveryLog::open({.directory = directory,
                                        .node = std::string{kNode},
                                        .create = false,
                                        .segment_size_bytes = segment_size_bytes,
                                        .copies = copies});
    const double open_s = std::chrono::duration<double>(Clock::now() - begin).count();
    return {{"open_s", open_s},
            {"memory_before_bytes", memory_before_bytes},
            {"memory_after_bytes", memory_bytes("VmRSS")},
            {"memory_peak_bytes", memory_bytes("VmHWM")},
            {"live_entries", log->status().live_entries}};
}

Answer ask_opening(const Bench& bench) {
    Answer answer{"How long does opening take, and what does it need?", {}, {}};
    auto& figures = answer.figures;
    measure_floors(bench, figures);
    for (const unsigned copies : {1U, 2U}) {
        const LogPlace place{bench.directory, bench.scale.segment_size_bytes, copies};
        measure_full_segment(bench, place, bench.scale.few_live, bench.scale.rounds, 0.15, false,
                             figures);
    }
    if (bench.scale.large_segment_size_bytes > 0) {
        for (const unsigned copies : {1U, 2U}) {
            const LogPlace place{bench.directory, bench.scale.large_segment_size_bytes, copies};
            measure_full_segment(bench, place, bench.scale.many_live,
                                 std::min(bench.scale.rounds, 3U), 3, true, figures);
        }
    }
    measure_bounds(bench, figures);
    return answer;
}

}  // namespace xa_tm::bench

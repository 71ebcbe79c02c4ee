#include "open_log.h"

#include <algorithm>
#include <cerrno>

#include <fmt/format.h>

#include "file_system_type.h"
#include "io.h"
#include "local_log.h"
#include "log_content.h"
#include "segment_file.h"

// The order of an opening, and why a crash in it does no harm:
// 1. lock; 2. sync what a killed owner left in memory; 3. read and judge, changing nothing;
// 4. a new segment under the next epoch, with all live entries: until it is whole, the old segments
// count;
// 5. at a birth, the identity: until it is there, the log does not exist;
// 6. remove the old segments: they say nothing that the new one does not say.
namespace xa_tm::recovery_log {
namespace {

constexpr std::size_t kNodeBytesMax = 255;
constexpr std::size_t kSegmentBytesMin = std::size_t{64} * 1024;

void check_node(const std::string& node) {
    if (node.empty() || node.size() > kNodeBytesMax) {
        throw LogError{LogErrorCode::unsupported,
                       fmt::format("the node name has {} bytes: choose one of 1 to {}", node.size(),
                                   kNodeBytesMax)};
    }
}

void check_copies(unsigned copies) {
    if (copies != 1 && copies != 2) {
        throw LogError{LogErrorCode::unsupported,
                       fmt::format("{} copies of each page are asked for: choose 1 or 2", copies)};
    }
}

LogError no_log(const std::filesystem::path& directory) {
    return {LogErrorCode::not_found,
            fmt::format(
                "{} holds no log (there is no file ident in it): correct the path, or allow a new "
                "log to be created there",
                directory.native())};
}

void check_same_node(const Ident& ident, const Options& options) {
    if (ident.node != options.node) {
        throw LogError{
            LogErrorCode::foreign_node,
            fmt::format(
                "{} is the log of node '{}', and this is node '{}': correct the node name, or "
                "choose a directory of its own for this node",
                options.directory.native(), ident.node, options.node)};
    }
}

LogStart start_anew(FileSystem& file_system, const std::filesystem::path& directory,
                    const std::string& node, std::span<const SegmentName> leftovers) {
    check_unborn(file_system, directory, leftovers);
    for (const SegmentName name : leftovers) {
        remove_replaced_segment(file_system, directory, name);
    }
    return {.is_birth = true, .ident = {.id = LogId::generate(), .node = node}, .live = {}};
}

LogStart go_on(FileSystem& file_system, const std::filesystem::path& directory, Ident ident,
               std::span<const SegmentName> segments) {
    for (const SegmentName name : segments) {
        sync_segment(file_system, directory, name);
    }
    sync_directory(file_system, directory);
    auto log = load_content(file_system, directory, ident.id, segments);
    return {.ident = std::move(ident),
            .epoch = segments.back().epoch + 1,
            .predecessor = log.base,
            .unused = log.spare,
            .next_page_no = log.next_page_no,
            .next_seq = log.content.next_seq,
            .last_crc = log.content.last_crc,
            .torn_pages = log.content.torn_pages,
            .degraded_pages = log.content.degraded_pages,
            .live = std::move(log.content.live),
            .quarantined_through = log.content.quarantined_through,
            .notes = std::move(log.content.notes)};
}

std::unique_ptr<RecoveryLog> open_locked(FileSystem& file_system, const Options& options,
                                         std::chrono::nanoseconds idle_before_seal,
                                         std::unique_ptr<DirectoryLock> lock) {
    const auto& directory = options.directory;
    auto ident = read_ident(file_system, directory);
    if (ident) {
        check_same_node(*ident, options);
    } else if (!options.create) {
        throw no_log(directory);
    }
    lock->publish(0);
    const auto segments = list_segments(file_system, directory);
    auto start = ident ? go_on(file_system, directory, std::move(*ident), segments)
                       : start_anew(file_system, directory, options.node, segments);
    const auto predecessor = start.predecessor.name;
    const auto size_bytes = std::max(options.segment_size_bytes, kSegmentBytesMin);
    const auto copy_bytes = size_bytes / options.copies;
    auto log = std::make_unique<LocalLog>(
        file_system, directory,
        LogLayout{.segment_pages = (copy_bytes + kPageBytes - 1) / kPageBytes,
                  .copies = options.copies,
                  .idle_before_seal = idle_before_seal},
        std::move(lock), std::move(start));
    log->start();
    for (const SegmentName name : segments) {
        // The predecessor becomes the next spare. A birth may use the name of a leftover again.
        if (name != predecessor && name.epoch != log->incarnation()) {
            remove_replaced_segment(file_system, directory, name);
        }
    }
    return log;
}

}  // namespace

std::unique_ptr<RecoveryLog> open_log(FileSystem& file_system, const Options& requested,
                                      std::chrono::nanoseconds idle_before_seal) {
    check_node(requested.node);
    check_copies(requested.copies);
    auto options = requested;
    // The process may change its directory later on.
    options.directory = std::filesystem::absolute(requested.directory);
    try {
        check_file_system(options, require_directory(file_system, options.directory));
        if (!options.create && !read_ident(file_system, options.directory)) {
            throw no_log(options.directory);  // before the lock's file is made
        }
        return open_locked(file_system, options, idle_before_seal,
                           DirectoryLock::acquire(file_system, options.directory));
    } catch (const IoError& error) {
        throw to_log_error(error);
    } catch (const Fenced& fenced) {
        throw LogError{LogErrorCode::in_use, fenced.what()};
    }
}

std::unique_ptr<RecoveryLog> RecoveryLog::open(const Options& options) {
    return open_log(posix_file_system(), options);
}

}  // namespace xa_tm::recovery_log

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
            .next_page_no = log.next_page_no,
            .next_seq = log.content.next_seq,
            .last_crc = log.content.last_crc,
            .torn_pages = log.content.torn_pages,
            .live = std::move(log.content.live)};
}

std::unique_ptr<RecoveryLog> open_locked(FileSystem& file_system, const Options& options,
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
    const auto size_bytes = std::max(options.segment_size_bytes, kSegmentBytesMin);
    const bool is_birth = start.is_birth;
    auto log = std::make_unique<LocalLog>(file_system, directory,
                                          (size_bytes + kPageBytes - 1) / kPageBytes,
                                          std::move(lock), std::move(start));
    log->start();
    if (!is_birth) {
        for (const SegmentName name : segments) {
            remove_replaced_segment(file_system, directory, name);
        }
    }
    return log;
}

}  // namespace

std::unique_ptr<RecoveryLog> open_log(FileSystem& file_system, const Options& requested) {
    check_node(requested.node);
    auto options = requested;
    // The process may change its directory later on.
    options.directory = std::filesystem::absolute(requested.directory);
    try {
        check_file_system(options.directory, require_directory(file_system, options.directory),
                          options.allow_volatile_file_system);
        if (!options.create && !read_ident(file_system, options.directory)) {
            throw no_log(options.directory);  // before the lock's file is made
        }
        return open_locked(file_system, options,
                           DirectoryLock::acquire(file_system, options.directory));
    } catch (const IoError& error) {
        throw to_log_error(error);
    }
}

std::unique_ptr<RecoveryLog> RecoveryLog::open(const Options& options) {
    return open_log(posix_file_system(), options);
}

}  // namespace xa_tm::recovery_log

#include "log_content.h"

#include <algorithm>

#include <fmt/format.h>

#include "segment_file.h"

namespace xa_tm::recovery_log {
namespace {

LogError to_log_error(const Damage& damage) {
    if (damage.code == LogErrorCode::newer_format) {
        return {
            damage.code,
            fmt::format("{}; nothing was changed: use the version that wrote it, or a later one",
                        damage.text)};
    }
    return {
        damage.code,
        fmt::format("{}; nothing was changed: keep a copy of the directory, check the disk, and "
                    "restore this file from a mirror or from a backup taken since the log was last "
                    "opened",
                    damage.text)};
}

SegmentContent scan_or_throw(FileSystem& file_system, const std::filesystem::path& directory,
                             SegmentName name, std::optional<LogId> log_id) {
    auto verdict = scan_segment(file_system, directory, name, log_id);
    if (const auto* damage = std::get_if<Damage>(&verdict)) {
        throw to_log_error(*damage);
    }
    return std::get<SegmentContent>(std::move(verdict));
}

LogError segment_missing(const std::filesystem::path& directory, std::string_view what) {
    return to_log_error(Damage{
        LogErrorCode::damaged,
        fmt::format(
            "{}: {}. This is not a torn tail: a segment is removed only when the list of entries "
            "in the next one is on disk. All entries of the log may be missing",
            directory.native(), what)});
}

}  // namespace

LogContent load_content(FileSystem& file_system, const std::filesystem::path& directory,
                        LogId log_id, std::span<const SegmentName> segments) {
    LogContent result;
    // What the segments that do not count yet were taking over from. It may not count either, when
    // a sync of it failed and only the memory of the machine had it; but it is removed only when
    // its successor counts.
    SegmentName needed;
    for (auto next = segments.rbegin(); next != segments.rend(); ++next) {
        const SegmentName name = *next;
        auto content = scan_or_throw(file_system, directory, name, log_id);
        result.next_page_no = std::max(result.next_page_no, content.next_page_no);
        if (content.is_complete &&
            (name >= needed || std::ranges::binary_search(segments, needed))) {
            result.base = name;
            result.content = std::move(content);
            return result;
        }
        needed = std::max(needed, content.head.predecessor);
    }
    if (needed.epoch != 0) {
        throw segment_missing(directory, fmt::format("segment {} is gone", file_name(needed)));
    }
    throw segment_missing(
        directory, segments.empty()
                       ? "the log has an identity and no segments"
                       : fmt::format("segment {} does not start with a whole list of entries, and "
                                     "there is no older one",
                                     file_name(segments.front())));
}

void check_unborn(FileSystem& file_system, const std::filesystem::path& directory,
                  std::span<const SegmentName> segments) {
    // A birth makes one segment, then the identity; nobody uses the log before both are on disk.
    constexpr SegmentName kFirst{.epoch = 1, .segment_no = 1};
    for (const SegmentName name : segments) {
        const auto content = scan_or_throw(file_system, directory, name, std::nullopt);
        if (name != kFirst || content.is_used || !content.live.empty()) {
            throw LogError{
                LogErrorCode::damaged,
                fmt::format(
                    "{}: the log's identity (file ident) is missing, and {} is in use; nothing was "
                    "changed: restore the file ident from a backup (it never changes during the "
                    "life of a log)",
                    directory.native(), file_name(name))};
        }
    }
}

}  // namespace xa_tm::recovery_log

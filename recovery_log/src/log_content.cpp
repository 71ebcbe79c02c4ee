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
        fmt::format("{}; nothing was changed: keep a copy of the directory, check the disk, see "
                    "`xa-recover log verify` for all that is damaged, and `xa-recover log repair` "
                    "for what can be done about it, with a copy of the directory or without",
                    damage.text)};
}

/// The content of a segment that may be used.
SegmentContent content_of(ScannedSegment scanned) {
    if (const auto* damage = std::get_if<Damage>(&scanned.verdict)) {
        throw to_log_error(*damage);
    }
    return std::get<SegmentContent>(std::move(scanned.verdict));
}

LogError segment_missing(const std::filesystem::path& directory, std::string_view what) {
    return to_log_error(Damage{
        LogErrorCode::damaged,
        fmt::format(
            "{}: {}. This is not a torn tail: a segment is removed only when the list of entries "
            "in the next one is on disk. All entries of the log may be missing",
            directory.native(), what)});
}

/// Later segments without any intact page. Had one been in use with two copies of each page, rot
/// would have left one of them; so what is there was never acknowledged. With one copy that can't
/// be told, and damage is damage.
void check_unusable(const ScanSegment& scan, std::span<const SegmentName> names, unsigned copies) {
    for (const SegmentName name : names) {
        static_cast<void>(content_of(scan(name, std::nullopt, copies)));
    }
}

}  // namespace

LogContent load_content(FileSystem& file_system, const std::filesystem::path& directory,
                        LogId log_id, std::span<const SegmentName> segments) {
    const auto scan = [&](SegmentName name, std::optional<LogId> id, unsigned copies_if_unknown) {
        return scan_segment(file_system, directory, name, id, copies_if_unknown);
    };
    return load_content(scan, directory, log_id, segments);
}

LogContent load_content(const ScanSegment& scan, const std::filesystem::path& directory,
                        LogId log_id, std::span<const SegmentName> segments) {
    LogContent result;
    // What the segments that do not count yet were taking over from. It may not count either, when
    // a sync of it failed and only the memory of the machine had it; but it is removed only when
    // its successor counts.
    SegmentName needed;
    std::vector<SegmentName> without_intact_page;
    for (auto next = segments.rbegin(); next != segments.rend(); ++next) {
        const SegmentName name = *next;
        auto scanned = scan(name, log_id, 1);
        if (scanned.is_unused) {
            result.spare = SegmentFile{name, scanned.file_pages};
            continue;
        }
        if (!scanned.knows_copies) {
            without_intact_page.push_back(name);
            continue;
        }
        const auto file_pages = scanned.file_pages;
        auto content = content_of(std::move(scanned));
        result.next_page_no = std::max(result.next_page_no, content.next_page_no);
        if (content.is_complete &&
            (name >= needed || std::ranges::binary_search(segments, needed))) {
            check_unusable(scan, without_intact_page, content.copies);
            result.base = {name, file_pages};
            result.content = std::move(content);
            return result;
        }
        needed = std::max(needed, content.head.predecessor);
    }
    check_unusable(scan, without_intact_page, 1);
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
        const auto content = content_of(scan_segment(file_system, directory, name, std::nullopt));
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

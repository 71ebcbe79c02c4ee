#include "segment_supply.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "io.h"
#include "segment_file.h"
#include "xa_tm/recovery_log/crash_point.h"

// Invariants:
// - A name is used once: a failed attempt may have left a file behind.
// - A segment is zero, durably, before it has a name that is later than that of the segment in use.
namespace xa_tm::recovery_log {

SegmentSupply::SegmentSupply(FileSystem& file_system, std::filesystem::path directory,
                             std::uint32_t epoch, unsigned copies)
    : file_system_{file_system}, directory_{std::move(directory)}, epoch_{epoch}, copies_{copies} {}

SegmentName SegmentSupply::next_name() noexcept {
    return {.epoch = epoch_, .segment_no = ++last_segment_no_};
}

BlankSegment SegmentSupply::adopt(SegmentFile unused) {
    const auto name = next_name();
    return {adopt_segment(file_system_, directory_, unused.name, name), name,
            unused.file_pages / copies_};
}

BlankSegment SegmentSupply::make(std::size_t pages) {
    check_fence();
    const auto retired = take_retired(pages * copies_);
    tidy();  // a full disk needs that room
    const auto name = next_name();
    if (retired) {
        try {
            return {recycle_segment(file_system_, directory_, *retired, name), name,
                    retired->file_pages / copies_};
        } catch (const IoError&) {
            remove_replaced_segment(file_system_, directory_, retired->name);
            throw;
        }
    }
    auto file = create_segment(file_system_, directory_, name, pages * copies_);
    XA_TM_CRASH_POINT("log.segment_created");
    return {std::move(file), name, pages};
}

void SegmentSupply::retire(SegmentFile segment) {
    const std::lock_guard guard{mutex_};
    retired_.push_back(segment);
}

std::optional<SegmentFile> SegmentSupply::take_retired(std::size_t file_pages) {
    const std::lock_guard guard{mutex_};
    const auto fits = [file_pages](const SegmentFile& segment) {
        // Not one that was made for a much larger live set: it would never get smaller again.
        return segment.file_pages >= file_pages && segment.file_pages <= 2 * file_pages;
    };
    const auto found = std::ranges::find_if(retired_, fits);
    if (found == retired_.end()) {
        return std::nullopt;
    }
    const auto segment = *found;
    retired_.erase(found);
    return segment;
}

void SegmentSupply::tidy() noexcept {
    std::vector<SegmentFile> retired;
    {
        const std::lock_guard guard{mutex_};
        retired.swap(retired_);
    }
    for (const auto& one : retired) {
        remove_replaced_segment(file_system_, directory_, one.name);
    }
}

/// The lock keeps others out; where it does not (shared storage, a file system that pretends to
/// lock), a later incarnation shows by its segments.
void SegmentSupply::check_fence() const {
    const auto segments = list_segments(file_system_, directory_);
    if (!segments.empty() && segments.back().epoch > epoch_) {
        throw Fenced{fmt::format(
            "{}: incarnation {} has taken over the log of incarnation {}, although it is locked; "
            "stop this process, and see who else uses the directory",
            directory_.native(), segments.back().epoch, epoch_)};
    }
}

}  // namespace xa_tm::recovery_log

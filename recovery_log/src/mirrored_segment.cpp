#include "mirrored_segment.h"

#include <algorithm>
#include <cerrno>

#include "io.h"
#include "page_copies.h"

namespace xa_tm::recovery_log {
namespace {

std::optional<SegmentReader> open_if_there(FileSystem& file_system,
                                           const std::filesystem::path& file,
                                           unsigned copies_if_unknown) {
    try {
        return std::optional<SegmentReader>{std::in_place, file_system, file, copies_if_unknown};
    } catch (const IoError& error) {
        if (error.error_number() == ENOENT) {
            return std::nullopt;
        }
        throw;
    }
}

/// The bytes of a page that describe_page() found intact.
std::array<std::byte, kPageBytes> intact_bytes(const InspectedPage& page,
                                               std::span<const PageCopy> copies) {
    std::array<std::byte, kPageBytes> bytes{};
    if (page.first_copy == PageCondition::intact) {
        std::ranges::copy(copies.front().bytes, bytes.begin());
    } else if (page.second_copy == PageCondition::intact) {
        std::ranges::copy(copies.back().bytes, bytes.begin());
    } else {
        bytes = merge_copies(copies.front().bytes, copies.back().bytes).bytes;
    }
    return bytes;
}

}  // namespace

MirroredSegment::MirroredSegment(FileSystem& file_system, const std::filesystem::path& file,
                                 const std::optional<std::filesystem::path>& copy, SegmentName name,
                                 std::optional<LogId> log_id, unsigned copies_if_unknown)
    : name_{name}, log_id_{log_id} {
    auto mirror = copy ? open_if_there(file_system, *copy, copies_if_unknown) : std::nullopt;
    if (mirror) {
        take_layout(*mirror);
        copies_if_unknown = copies_;
    }
    reader_ = open_if_there(file_system, file, copies_if_unknown);
    if (reader_) {
        take_layout(*reader_);
    }
    if (mirror) {
        load_copy(*mirror);
    }
}

void MirroredSegment::take_layout(const SegmentReader& reader) {
    file_pages_ = std::max(file_pages_, reader.file_pages());
    pages_ = std::max(pages_, reader.pages());
    copies_ = reader.copies();
    if (reader.first_header()) {
        first_header_ = reader.first_header();
    }
    if (!log_id_ && first_header_) {
        log_id_ = first_header_->log_id;
    }
}

PagePlace MirroredSegment::place_of(std::uint64_t index) const {
    PagePlace place{.segment = name_, .index = index, .log_id = log_id_, .page_no = {}};
    if (first_header_) {
        place.page_no = first_header_->page_no + index;
    }
    return place;
}

void MirroredSegment::load_copy(SegmentReader& copy) {
    std::uint64_t index = 0;
    copy.read([&](std::span<const PageCopy> copies) {
        const auto page = describe_page(place_of(index), copies);
        if (page.condition == PageCondition::intact) {
            mirrored_.emplace(index, intact_bytes(page, copies));
        }
        ++index;
    });
}

std::uint64_t MirroredSegment::read(const SegmentReader::Visit& visit) {
    std::uint64_t index = 0;
    std::uint64_t taken = 0;
    constexpr std::array<std::byte, kPageBytes> kZeros{};
    const auto show = [&](std::span<const PageCopy> copies) {
        const auto better = mirrored_.find(index);
        const bool is_intact =
            better == mirrored_.end() ||
            describe_page(place_of(index), copies).condition == PageCondition::intact;
        if (is_intact) {
            visit(copies);
        } else {
            const PageCopy copy{better->second};
            visit(std::span{&copy, 1});
            ++taken;
        }
        ++index;
    };
    if (reader_) {
        reader_->read(show);
    }
    const PageCopy missing{kZeros};
    while (index < pages_) {
        show(std::span{&missing, 1});
    }
    return taken;
}

}  // namespace xa_tm::recovery_log

#include "segment_pages.h"

#include <algorithm>

#include "page_view.h"

namespace xa_tm::recovery_log {
namespace {

bool is_zero(const InspectedPage& page) noexcept {
    return page.first_copy == PageCondition::zero &&
           page.second_copy.value_or(PageCondition::zero) == PageCondition::zero;
}

}  // namespace

SegmentPages::SegmentPages(FileSystem& file_system, const std::filesystem::path& directory,
                           SegmentName name, std::optional<LogId> log_id,
                           unsigned copies_if_unknown)
    : reader_{file_system, directory / file_name(name), copies_if_unknown},
      name_{name},
      log_id_{log_id} {
    if (!log_id_ && reader_.first_header()) {
        log_id_ = reader_.first_header()->log_id;
    }
}

void SegmentPages::visit(std::uint64_t first, std::uint64_t end,
                         const std::function<bool(InspectedPage&&)>& visit) {
    auto index = first;
    reader_.read_range(first, std::min(end, count()), [&](std::span<const PageCopy> copies) {
        PagePlace place{.segment = name_, .index = index, .log_id = log_id_, .page_no = {}};
        if (reader_.first_header()) {
            place.page_no = reader_.first_header()->page_no + index;
        }
        ++index;
        auto page = describe_page(place, copies);
        return is_zero(page) || visit(std::move(page));
    });
}

}  // namespace xa_tm::recovery_log

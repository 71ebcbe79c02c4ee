#include "page_copies.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace xa_tm::recovery_log {
namespace {

constexpr std::size_t sector_begin(unsigned sector) noexcept {
    return sector * kSectorBytes;
}

bool is_zero(std::span<const std::byte> bytes) noexcept {
    return std::ranges::all_of(bytes, [](std::byte b) { return b == std::byte{0}; });
}

/// Replaces what is not intact in `page`, whose first sector is, by what `other` has there.
void mend_sectors(PageBytes page, ConstPageBytes other) noexcept {
    for (unsigned sector = 1; sector < kSectorsPerPage; ++sector) {
        if (has_intact_sector(page, sector)) {
            continue;
        }
        const auto own = page.subspan(sector_begin(sector), kSectorBytes);
        const auto spare = other.subspan(sector_begin(sector), kSectorBytes);
        std::array<std::byte, kSectorBytes> before{};
        std::ranges::copy(own, before.begin());
        std::ranges::copy(spare, own.begin());
        if (!has_intact_sector(page, sector) && !is_zero(spare)) {
            std::ranges::copy(before, own.begin());
        }
    }
}

}  // namespace

MergedPage merge_copies(ConstPageBytes first, ConstPageBytes second) noexcept {
    const auto as_is = [&](ConstPageBytes page, const PageVerdict& verdict) {
        MergedPage merged{
            .bytes = {},
            .verdict = verdict,
            .copies_differ = std::memcmp(first.data(), second.data(), kPageBytes) != 0};
        std::ranges::copy(page, merged.bytes.begin());
        return merged;
    };
    const auto is_whole = [](const PageVerdict& verdict) {
        return verdict.state == PageState::valid || verdict.state == PageState::newer;
    };
    const auto first_verdict = classify_page(first);
    if (is_whole(first_verdict)) {
        return as_is(first, first_verdict);
    }
    const auto second_verdict = classify_page(second);
    if (is_whole(second_verdict)) {
        return as_is(second, second_verdict);
    }
    if (first_verdict.header || second_verdict.header) {
        const auto [base, other] =
            first_verdict.header ? std::pair{first, second} : std::pair{second, first};
        auto merged = as_is(base, {});
        mend_sectors(merged.bytes, other);
        merged.verdict = classify_page(merged.bytes);
        return merged;
    }
    // Neither says what it should hold; what was acknowledged would. So what a crash can have left
    // is believed, and rather the copy that has something left of the page.
    for (const auto state : {PageState::torn, PageState::zero}) {
        if (first_verdict.state == state) {
            return as_is(first, first_verdict);
        }
        if (second_verdict.state == state) {
            return as_is(second, second_verdict);
        }
    }
    return as_is(first, first_verdict);
}

}  // namespace xa_tm::recovery_log

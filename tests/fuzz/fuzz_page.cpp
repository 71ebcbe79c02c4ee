#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <span>
#include <string>

#include "fuzz_target.h"
#include "page_codec.h"
#include "page_copies.h"
#include "record_format.h"
#include "xa_tm/recovery_log/check.h"

// Any bytes as a page, as two copies of one, and as records.
namespace xa_tm::recovery_log {
namespace {

using Page = std::array<std::byte, kPageBytes>;

/// What the bytes have at this page; zeros behind their end.
Page page_of(std::span<const std::byte> input, std::size_t index) {
    Page page{};
    const auto begin = std::min(index * kPageBytes, input.size());
    std::ranges::copy(input.subspan(begin, std::min(kPageBytes, input.size() - begin)),
                      page.begin());
    return page;
}

void check_verdict(ConstPageBytes page, const PageVerdict& verdict) {
    bool is_intact = true;
    for (unsigned sector = 0; sector < kSectorsPerPage; ++sector) {
        is_intact = is_intact && has_intact_sector(page, sector);
    }
    XA_TM_CHECK(verdict.state != PageState::valid || (is_intact && verdict.header),
                "a valid page is intact and has a header");
    XA_TM_CHECK(verdict.state != PageState::zero || !verdict.header, "zeros are no header");
}

template <class Decoded, class Encode>
void check_round_trip(const Decoded& decoded, std::span<const std::byte> body, Encode&& encode) {
    if (decoded) {
        const auto again = encode(*decoded);
        XA_TM_CHECK(
            again.size() <= body.size() && std::ranges::equal(again, body.first(again.size())),
            "what is read is what was written");
    }
}

void check_record(std::span<const std::byte> body) {
    const auto encode = [](const auto& value) { return encode_body(value); };
    check_round_trip(decode_segment_head(body), body, encode);
    check_round_trip(decode_checkpoint_end(body), body, encode);
    check_round_trip(decode_operator_note(body), body, encode);
    check_round_trip(decode_quarantine(body), body, encode_quarantine);
    check_round_trip(decode_forgotten(body), body, encode_forgotten);
}

}  // namespace
}  // namespace xa_tm::recovery_log

namespace xa_tm::test {

std::vector<FuzzInput> seeds_of(const std::filesystem::path& log) {
    using namespace recovery_log;
    std::vector<FuzzInput> seeds;
    for (const auto& file : std::filesystem::directory_iterator{log}) {
        if (file.path().extension() != ".xlog") {
            continue;
        }
        std::ifstream stream{file.path(), std::ios::binary};
        const std::string text{std::istreambuf_iterator<char>{stream}, {}};
        const auto bytes = std::as_bytes(std::span{text});
        for (std::size_t page = 0; page < bytes.size() / kPageBytes; ++page) {
            const auto content = page_of(bytes, page);
            if (classify_page(content).state != PageState::zero) {
                seeds.emplace_back(content.begin(), content.end());
            }
        }
    }
    return seeds;
}

}  // namespace xa_tm::test

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace xa_tm::recovery_log;
    const auto input = std::as_bytes(std::span{data, size});
    auto first = page_of(input, 0);
    const auto second = page_of(input, 1);
    const auto verdict = classify_page(first);
    check_verdict(first, verdict);
    const auto merged = merge_copies(first, second);
    check_verdict(merged.bytes, merged.verdict);
    XA_TM_CHECK(verdict.state != PageState::valid || merged.verdict.state == PageState::valid,
                "a second copy takes nothing away from the first");
    for (std::size_t at = kPageHeaderBytes; at + kRecordHeaderBytes <= kPageBytes;
         at += kRecordAlignment) {
        const auto room = std::span<const std::byte>{first}.subspan(at);
        if (const auto record = decode_record(room, verdict.header ? verdict.header->page_no : 0)) {
            XA_TM_CHECK(record_bytes(record->body.size()) <= room.size(), "it is in its page");
            check_record(record->body);
        }
    }
    check_record(input.first(std::min<std::size_t>(input.size(), kSectorBytes)));
    // Behind its checksums too: as a writer with other ideas would have made it.
    if (verdict.header) {
        seal_page(first, *verdict.header);
        check_verdict(first, classify_page(first));
    }
    return 0;
}

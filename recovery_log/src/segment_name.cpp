#include "segment_name.h"

#include <charconv>

#include <fmt/format.h>

namespace xa_tm::recovery_log {
namespace {

constexpr std::string_view kPrefix = "decision-";
constexpr std::string_view kSuffix = ".xlog";
constexpr std::size_t kDigits = 10;
constexpr std::size_t kNameLength = kPrefix.size() + kDigits + 1 + kDigits + kSuffix.size();

std::optional<std::uint32_t> parse_number(std::string_view digits) noexcept {
    std::uint32_t value = 0;
    const char* end = digits.data() + digits.size();
    const auto parsed = std::from_chars(digits.data(), end, value);
    if (parsed.ec != std::errc{} || parsed.ptr != end) {
        return std::nullopt;
    }
    return value;
}

}  // namespace

std::string file_name(SegmentName name) {
    return fmt::format("{}{:010}-{:010}{}", kPrefix, name.epoch, name.segment_no, kSuffix);
}

std::optional<SegmentName> parse_segment_name(std::string_view file) noexcept {
    if (file.size() != kNameLength || !file.starts_with(kPrefix) || !file.ends_with(kSuffix) ||
        file[kPrefix.size() + kDigits] != '-') {
        return std::nullopt;
    }
    const auto epoch = parse_number(file.substr(kPrefix.size(), kDigits));
    const auto segment_no = parse_number(file.substr(kPrefix.size() + kDigits + 1, kDigits));
    if (!epoch || !segment_no) {
        return std::nullopt;
    }
    return SegmentName{.epoch = *epoch, .segment_no = *segment_no};
}

}  // namespace xa_tm::recovery_log

#include "global_id.h"

#include <algorithm>
#include <charconv>

#include <fmt/compile.h>

#include "xa_tm/recovery_log/check.h"

namespace xa_tm {
namespace {

constexpr std::uint64_t kSequenceEnd = 1'000'000'000'000'000;
constexpr std::string_view kLastResource = "last";

bool is_name_character(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
}

/// Cuts the text after its last colon off and returns it; the colon goes too.
std::optional<std::string_view> take_last_field(std::string_view& text) noexcept {
    const auto colon = text.rfind(':');
    if (colon == std::string_view::npos) {
        return std::nullopt;
    }
    const auto field = text.substr(colon + 1);
    text = text.substr(0, colon);
    return field;
}

template <class Number>
std::optional<Number> parse_number(std::string_view text) noexcept {
    Number number{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size()) {
        return std::nullopt;
    }
    return number;
}

}  // namespace

bool is_valid_name(std::string_view name, std::size_t length_max) noexcept {
    return !name.empty() && name.size() <= length_max &&
           std::ranges::all_of(name, is_name_character);
}

std::string to_gtrid(const GlobalId& id) {
    XA_TM_CHECK(id.sequence < kSequenceEnd, "a million transactions a second take 31 years");
    return fmt::format(FMT_COMPILE("{}:{}:{}:{}"), id.node, id.log.to_string(), id.incarnation,
                       id.sequence);
}

std::optional<GlobalId> parse_gtrid(std::string_view gtrid) {
    auto rest = gtrid;
    const auto sequence_text = take_last_field(rest);
    const auto incarnation_text = take_last_field(rest);
    const auto log_text = take_last_field(rest);
    if (!sequence_text || !incarnation_text || !log_text || !is_valid_name(rest, kMaxNodeLength)) {
        return std::nullopt;
    }
    const auto sequence = parse_number<std::uint64_t>(*sequence_text);
    const auto incarnation = parse_number<std::uint32_t>(*incarnation_text);
    const auto log = recovery_log::LogId::parse(*log_text);
    if (!sequence || *sequence >= kSequenceEnd || !incarnation || !log) {
        return std::nullopt;
    }
    GlobalId id{std::string{rest}, *log, *incarnation, *sequence};
    if (to_gtrid(id) != gtrid) {
        return std::nullopt;  // leading zeros: not ours, whatever it looks like
    }
    return id;
}

std::string to_bqual(const BranchId& id) {
    return fmt::format(FMT_COMPILE("{}:{}{}{}"), id.resource, id.ordinal,
                       id.has_last_resource ? ":" : "",
                       id.has_last_resource ? kLastResource : std::string_view{});
}

std::optional<BranchId> parse_bqual(std::string_view bqual) {
    auto rest = bqual;
    auto ordinal_text = take_last_field(rest);
    const bool has_last_resource = ordinal_text == kLastResource;
    if (has_last_resource) {
        ordinal_text = take_last_field(rest);
    }
    if (!ordinal_text) {
        return std::nullopt;
    }
    const auto ordinal = parse_number<std::uint32_t>(*ordinal_text);
    if (!ordinal) {
        return std::nullopt;
    }
    BranchId id{std::string{rest}, *ordinal, has_last_resource};
    if (to_bqual(id) != bqual) {
        return std::nullopt;
    }
    return id;
}

}  // namespace xa_tm

#include "xid_literal.h"

#include <charconv>
#include <cstdint>

#include <fmt/format.h>

namespace xa_tm::mysql {
namespace {

template <typename Number>
std::optional<Number> number_from(std::string_view text) {
    Number number{};
    const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
    if (read.ec != std::errc{} || read.ptr != text.data() + text.size()) {
        return std::nullopt;
    }
    return number;
}

}  // namespace

std::string xid_literal(const Xid& xid) {
    return fmt::format("x'{}',x'{}',{}", to_hex(xid.gtrid), to_hex(xid.bqual), xid.format_id);
}

std::string text_literal(std::string_view text) {
    return fmt::format("_utf8mb4 x'{}'", to_hex(text));
}

ListedBranch listed_branch(std::string_view format_id, std::string_view gtrid_length,
                           std::string_view bqual_length, std::string_view data) {
    const auto format = number_from<std::int64_t>(format_id);
    const auto gtrid_size = number_from<std::size_t>(gtrid_length);
    const auto bqual_size = number_from<std::size_t>(bqual_length);
    if (!format || !gtrid_size || !bqual_size || *gtrid_size > kMaxGtridBytes ||
        *bqual_size > kMaxBqualBytes || *gtrid_size + *bqual_size != data.size()) {
        return {.xid = std::nullopt, .name = fmt::format("x'{}',{}", to_hex(data), format_id)};
    }
    Xid xid{*format, std::string{data.substr(0, *gtrid_size)},
            std::string{data.substr(*gtrid_size)}};
    auto name = xid_literal(xid);
    return {.xid = std::move(xid), .name = std::move(name)};
}

}  // namespace xa_tm::mysql

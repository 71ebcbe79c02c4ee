#include "prepared_gid.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>

#include <fmt/format.h>

namespace xa_tm::postgres {
namespace {

constexpr std::string_view kBase64Digits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

bool is_readable(std::string_view part) {
    return std::ranges::all_of(part, [](char c) {
        return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
               c == '.' || c == '_' || c == ':' || c == '-';
    });
}

bool is_readable(const Xid& xid) {
    return xid.format_id == kFormatId && !xid.gtrid.empty() && is_readable(xid.gtrid) &&
           is_readable(xid.bqual);
}

std::string to_base64(std::string_view bytes) {
    std::string text;
    for (std::size_t at = 0; at < bytes.size(); at += 3) {
        std::uint32_t group = 0;
        for (std::size_t i = 0; i < 3; ++i) {
            group <<= 8U;
            group |= at + i < bytes.size() ? static_cast<unsigned char>(bytes[at + i]) : 0U;
        }
        const auto digits = std::min<std::size_t>(bytes.size() - at, 3) + 1;
        for (std::size_t i = 0; i < 4; ++i) {
            text += i < digits ? kBase64Digits[(group >> (18U - 6U * i)) & 0x3FU] : '=';
        }
    }
    return text;
}

/// Lenient about padding and unused bits; decode_gid() compares with what it would have written.
std::optional<std::string> from_base64(std::string_view text) {
    std::string bytes;
    std::uint32_t bits = 0;
    unsigned bit_count = 0;
    for (const char c : text.substr(0, text.find('='))) {
        const auto digit = kBase64Digits.find(c);
        if (digit == std::string_view::npos) {
            return std::nullopt;
        }
        bits = (bits << 6U | static_cast<std::uint32_t>(digit)) & 0xFFFFU;
        bit_count += 6;
        if (bit_count >= 8) {
            bit_count -= 8;
            bytes += static_cast<char>(bits >> bit_count & 0xFFU);
        }
    }
    return bytes;
}

std::optional<Xid> decode_own(std::string_view gid) {
    const auto parts = gid.substr(kOwnPrefix.size());
    const auto slash = parts.find('/');
    if (slash == std::string_view::npos) {
        return std::nullopt;
    }
    return Xid{kFormatId, std::string{parts.substr(0, slash)},
               std::string{parts.substr(slash + 1)}};
}

std::optional<Xid> decode_jdbc(std::string_view gid) {
    const auto first = gid.find('_');
    const auto second = first == std::string_view::npos ? first : gid.find('_', first + 1);
    if (second == std::string_view::npos) {
        return std::nullopt;
    }
    Xid xid;
    const auto number = std::from_chars(gid.data(), gid.data() + first, xid.format_id);
    auto gtrid = from_base64(gid.substr(first + 1, second - first - 1));
    auto bqual = from_base64(gid.substr(second + 1));
    if (number.ec != std::errc{} || number.ptr != gid.data() + first || !gtrid || !bqual) {
        return std::nullopt;
    }
    xid.gtrid = *std::move(gtrid);
    xid.bqual = *std::move(bqual);
    return xid;
}

}  // namespace

std::string encode_gid(const Xid& xid) {
    if (is_readable(xid)) {
        return fmt::format("{}{}/{}", kOwnPrefix, xid.gtrid, xid.bqual);
    }
    return fmt::format("{}_{}_{}", xid.format_id, to_base64(xid.gtrid), to_base64(xid.bqual));
}

std::optional<Xid> decode_gid(std::string_view gid) {
    auto xid = gid.starts_with(kOwnPrefix) ? decode_own(gid) : decode_jdbc(gid);
    // One xid has one name: what would be written differently was not written by us or by JDBC.
    if (!xid || xid->gtrid.size() > kMaxGtridBytes || xid->bqual.size() > kMaxBqualBytes ||
        encode_gid(*xid) != gid) {
        return std::nullopt;
    }
    return xid;
}

}  // namespace xa_tm::postgres

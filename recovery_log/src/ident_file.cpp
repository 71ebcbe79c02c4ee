#include "ident_file.h"

#include <cerrno>
#include <charconv>

#include <fmt/format.h>

#include "crc32c.h"
#include "io.h"
#include "page_codec.h"
#include "xa_tm/recovery_log/recovery_log.h"

namespace xa_tm::recovery_log {
namespace {

// A text that a person can read. The node comes last before the CRC and is everything between the
// two, so it may hold any bytes. Later formats keep the first two lines and the last.
constexpr std::string_view kTitle = "xa_tm recovery log\n";
constexpr std::string_view kFormat = "format ";
constexpr std::string_view kId = "id ";
constexpr std::string_view kNode = "node ";
constexpr std::string_view kCrc = "\ncrc ";
constexpr std::size_t kCrcDigits = 8;

std::string crc_of(std::string_view text) {
    return fmt::format("{:08x}", crc32c(std::as_bytes(std::span{text})));
}

/// Takes `expected` off the front of `text`; false when it is not there.
bool take(std::string_view& text, std::string_view expected) {
    if (!text.starts_with(expected)) {
        return false;
    }
    text.remove_prefix(expected.size());
    return true;
}

std::string_view take_line(std::string_view& text) {
    const auto end = std::min(text.find('\n'), text.size());
    const auto line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    return line;
}

/// The text before the CRC line, when that line is right.
std::optional<std::string_view> checked_text(std::string_view text) {
    const std::size_t crc_line_bytes = kCrc.size() + kCrcDigits + 1;
    if (text.size() < crc_line_bytes) {
        return std::nullopt;
    }
    const auto body = text.substr(0, text.size() - crc_line_bytes);
    if (text.substr(body.size()) != fmt::format("{}{}\n", kCrc, crc_of(body))) {
        return std::nullopt;
    }
    return body;
}

LogError damaged_ident(const std::filesystem::path& path) {
    return {LogErrorCode::damaged,
            fmt::format(
                "{}: the identity of the log is not as it was written, so its branches can't be "
                "told from those of other logs; nothing was changed: restore this file from a "
                "backup (it never changes during the life of a log)",
                path.native())};
}

}  // namespace

std::string encode_ident(const Ident& ident) {
    const auto body = fmt::format("{}{}{}\n{}{}\n{}{}", kTitle, kFormat, kFormatMajor, kId,
                                  ident.id.to_string(), kNode, ident.node);
    return fmt::format("{}{}{}\n", body, kCrc, crc_of(body));
}

Ident decode_ident(std::string_view text, const std::filesystem::path& path) {
    auto body = checked_text(text);
    if (!body || !take(*body, kTitle) || !take(*body, kFormat)) {
        throw damaged_ident(path);
    }
    const auto format = take_line(*body);
    if (format != fmt::format("{}", kFormatMajor)) {
        throw LogError{
            LogErrorCode::newer_format,
            fmt::format("{}: the log is in format {}, and this version knows format {} only; "
                        "nothing was changed: use the version that wrote it, or a later one",
                        path.native(), format, kFormatMajor)};
    }
    if (!take(*body, kId)) {
        throw damaged_ident(path);
    }
    const auto id = LogId::parse(take_line(*body));
    if (!id || !take(*body, kNode)) {
        throw damaged_ident(path);
    }
    return {.id = *id, .node = std::string{*body}};
}

std::optional<Ident> read_ident(FileSystem& file_system, const std::filesystem::path& directory) {
    const auto path = directory / kIdentFile;
    try {
        const auto bytes = read_whole(*open_file(file_system, path, OpenMode::read));
        return decode_ident({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, path);
    } catch (const IoError& error) {
        if (error.error_number() == ENOENT) {
            return std::nullopt;
        }
        throw;
    }
}

void write_ident(FileSystem& file_system, const std::filesystem::path& directory,
                 const Ident& ident) {
    const auto path = directory / kIdentFile;
    auto temporary = path;
    temporary += ".tmp";
    const auto text = encode_ident(ident);
    {
        const auto file = open_file(file_system, temporary, OpenMode::create_or_truncate);
        write_all(*file, std::as_bytes(std::span{text}), 0);
        sync(*file);
    }
    rename(file_system, temporary, path);
    sync_directory(file_system, directory);
}

}  // namespace xa_tm::recovery_log

#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "file_system.h"
#include "xa_tm/recovery_log/log_id.h"

/// DIR/ident: whose log this is. Written once, at the end of the log's birth; never changed.
namespace xa_tm::recovery_log {

struct Ident {
    LogId id;
    std::string node;
};

inline constexpr std::string_view kIdentFile = "ident";

[[nodiscard]] std::string encode_ident(const Ident& ident);
/// Throws LogError (damaged, newer_format) with `path` in the message.
[[nodiscard]] Ident decode_ident(std::string_view text, const std::filesystem::path& path);

/// Nothing when there is no such file. Throws LogError and IoError.
[[nodiscard]] std::optional<Ident> read_ident(FileSystem& file_system,
                                              const std::filesystem::path& directory);
/// Whole and durable, or not there at all. Throws IoError.
void write_ident(FileSystem& file_system, const std::filesystem::path& directory,
                 const Ident& ident);

}  // namespace xa_tm::recovery_log

#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>

#include "file_system.h"
#include "segment_name.h"
#include "segment_reader.h"
#include "xa_tm/recovery_log/log_inspection.h"

namespace xa_tm::recovery_log {

/// The pages of one segment file, each put together from its copies and described.
///
/// Ownership: holds the file open; the file system outlives it.
/// Thread safety: one thread at a time.
class SegmentPages {
public:
    /// Without a log id, that of the first intact page is taken; `copies_if_unknown` holds when
    /// there is none. Throws IoError.
    SegmentPages(FileSystem& file_system, const std::filesystem::path& directory, SegmentName name,
                 std::optional<LogId> log_id, unsigned copies_if_unknown = 1);

    [[nodiscard]] std::uint64_t size_bytes() const noexcept { return reader_.file_bytes(); }
    [[nodiscard]] unsigned copies() const noexcept { return reader_.copies(); }
    /// How many pages it has room for.
    [[nodiscard]] std::uint64_t count() const noexcept { return reader_.pages(); }

    /// Shows the pages from index `first` to before `end` that are not zero, until `visit` answers
    /// false. A page that can't be read is shown as such. Throws IoError.
    void visit(std::uint64_t first, std::uint64_t end,
               const std::function<bool(InspectedPage&&)>& visit);

private:
    SegmentReader reader_;
    SegmentName name_;
    std::optional<LogId> log_id_;
};

}  // namespace xa_tm::recovery_log

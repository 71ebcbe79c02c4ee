#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "xa_tm/logged_decision.h"
#include "xa_tm/recovery_log/log_inspection.h"

/// What the `log` commands show of a log, as text and as JSON.
namespace xa_tm::cli {

/// Which log it is.
struct LogHeader {
    std::filesystem::path directory;
    std::string node;
    std::optional<recovery_log::LogId> id;
    std::optional<std::uint32_t> incarnation;
    std::optional<recovery_log::LogOwner> owner;
};

[[nodiscard]] LogHeader header_of(const std::filesystem::path& directory,
                                  const recovery_log::LogImage& image);
[[nodiscard]] LogHeader header_of(const recovery_log::LogInspection& log);

/// Two lines.
[[nodiscard]] std::string header_text(const LogHeader& header, bool has_colour);
[[nodiscard]] nlohmann::ordered_json header_json(const LogHeader& header);

/// The segment has a damage that the error of the log as a whole does not tell.
[[nodiscard]] bool is_untold(const recovery_log::InspectedSegment& segment,
                             const recovery_log::LogInspection& log);

/// An entry of a log, and what it means.
struct LogEntry {
    recovery_log::EntryId id;
    std::size_t bytes;
    /// Nothing when it was written by a version that this one does not know.
    std::optional<LogRecord> record;
    /// False when it stands in the last flush, whose sync may not have returned before the owner
    /// died. The next opening forces it.
    bool is_known_durable;

    [[nodiscard]] const Decision* decision() const noexcept;
    [[nodiscard]] const Heuristic* heuristic() const noexcept;
    /// Empty when the record is not known.
    [[nodiscard]] std::string_view gtrid() const noexcept;
    /// Of a decision, by the clock of this machine.
    [[nodiscard]] std::optional<std::chrono::seconds> age() const;
};

/// Those that are live, oldest first.
[[nodiscard]] std::vector<LogEntry> entries_of(const recovery_log::LogImage& image);

/// "decision to commit GTRID at RESOURCES", printable.
[[nodiscard]] std::string record_text(const LogRecord& record);
/// The same of the body of an entry; for a body that is not known, its length.
[[nodiscard]] std::string entry_text(std::span<const std::byte> body);
/// Its keys are `decision`, `heuristic`, `order` and `note`, of which one is not null; all are when
/// the record is not known.
[[nodiscard]] nlohmann::ordered_json record_json(const std::optional<LogRecord>& record);

}  // namespace xa_tm::cli

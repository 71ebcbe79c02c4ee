#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "log_view.h"
#include "xa_tm/recovery_log/log_inspection.h"
#include "xa_tm/recovery_log/log_repair.h"
#include "xa_tm/recovery_log/record_reader.h"

/// What the commands on the log itself print. Pure, but for the age of a decision. No server is
/// asked. All but a repair take no lock and change nothing.
namespace xa_tm::cli {

struct RenderOptions {
    bool is_json = false;
    bool has_colour = false;
};

[[nodiscard]] std::string render_log_list(const std::filesystem::path& directory,
                                          const recovery_log::LogImage& image,
                                          RenderOptions options);

/// An entry with everything that the log knows of it.
struct LogHistory {
    LogEntry entry;
    /// Nothing when the log is damaged and nobody can tell.
    std::optional<bool> is_live;
    /// Every place where it stands, oldest first.
    std::vector<recovery_log::LoggedRecord> places;
    /// The record that took it out, if one did.
    std::optional<recovery_log::LoggedRecord> forgotten_by;
};
[[nodiscard]] std::string render_log_show(const LogHeader& header,
                                          const std::vector<LogHistory>& entries,
                                          RenderOptions options);

[[nodiscard]] std::string render_log_verify(const recovery_log::LogInspection& log,
                                            RenderOptions options);
/// Why an opening would be refused, and which entries can't be understood.
[[nodiscard]] std::vector<std::string> errors_of(const recovery_log::LogInspection& log);
/// What of its pages is not as it was written, and does no harm.
[[nodiscard]] std::vector<std::string> page_warnings_of(const recovery_log::LogInspection& log);
/// What its quarantine means; only when it has one.
[[nodiscard]] std::string quarantine_warning(const recovery_log::LogInspection& log);
/// False when an opening would be refused, or an entry can't be understood.
[[nodiscard]] bool is_sound(const recovery_log::LogInspection& log);

/// One line.
[[nodiscard]] std::string render_log_record(const recovery_log::LoggedRecord& record,
                                            RenderOptions options);

/// How a plan came about.
struct RepairView {
    bool is_done;
    bool has_mirror;
};
[[nodiscard]] std::string render_log_repair(const recovery_log::RepairPlan& plan,
                                            const RepairView& view, RenderOptions options);

/// A segment and, if they are wanted, its pages.
struct SegmentDump {
    recovery_log::InspectedSegment segment;
    std::optional<std::vector<recovery_log::InspectedPage>> pages;
};
[[nodiscard]] std::string render_log_inspect(const recovery_log::LogInspection& log,
                                             const std::vector<SegmentDump>& segments,
                                             RenderOptions options);

}  // namespace xa_tm::cli

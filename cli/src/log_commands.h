#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "log_view.h"
#include "xa_tm/recovery_log/log_inspection.h"
#include "xa_tm/recovery_log/log_repair.h"
#include "xa_tm/recovery_log/record_reader.h"

/// The commands on the log itself: no server is asked. All but a repair take no lock and change
/// nothing.
namespace xa_tm::cli {

/// What every `log` command is given.
struct LogRequest {
    std::filesystem::path directory;
    /// When given, the log must have been made for this node.
    std::optional<std::string> node;
    bool is_json;
};

struct RenderOptions {
    bool is_json = false;
    bool has_colour = false;
};

/// Each prints to standard output and gives the exit code. Throws ConfigurationError or
/// recovery_log::LogError.
[[nodiscard]] int log_list(const LogRequest& request);
/// `wanted` is the id of an entry or a gtrid.
[[nodiscard]] int log_show(const LogRequest& request, std::string_view wanted);
[[nodiscard]] int log_verify(const LogRequest& request);
/// The last `count` records; with `follows` also those that come, until a signal ends the process.
[[nodiscard]] int log_tail(const LogRequest& request, std::size_t count, bool follows);
/// `segment` is a file name, empty for all segments.
[[nodiscard]] int log_inspect(const LogRequest& request, std::string_view segment, bool has_pages);

/// Without a mirror and without an accepted loss this only shows what a repair would do.
[[nodiscard]] int log_repair(const LogRequest& request,
                             const std::optional<std::filesystem::path>& mirror, bool accepts_loss);

// What they print. Pure, but for the age of a decision.

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

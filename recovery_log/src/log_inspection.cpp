#include "log_inspection.h"

#include <algorithm>
#include <cerrno>

#include <fmt/format.h>

#include "directory_lock.h"
#include "file_system_type.h"
#include "ident_file.h"
#include "io.h"
#include "open_log.h"
#include "segment_file.h"
#include "segment_summary.h"
#include "settled_pages.h"

namespace xa_tm::recovery_log {
namespace {

constexpr int kAttempts = 50;

/// One segment before it is known what the others say.
struct Part {
    SegmentName name;
    InspectedSegment segment;
    bool is_complete;
    std::uint32_t quarantined_through;
    std::vector<InspectedNote> notes;
};

Part read_segment(FileSystem& file_system, const LogInspection& log, SegmentName name,
                  unsigned copies_if_unknown, Patience& patience) {
    SegmentPages pages{file_system, log.directory, name, log.id, copies_if_unknown};
    SegmentSummary summary{name};
    static_cast<void>(visit_settled(pages, 0, pages.count(), patience,
                                    [&](InspectedPage&& page) { summary.add(std::move(page)); }));
    auto segment = summary.finish();
    segment.size_bytes = pages.size_bytes();
    segment.copies = pages.copies();
    segment.pages = pages.count();
    return {name, std::move(segment), summary.is_complete(), summary.quarantined_through(),
            summary.notes()};
}

/// From the newest to the first one that is complete the segments count, as in an opening.
void assign_roles(std::vector<Part>& parts) {
    bool is_replaced = false;
    for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
        auto& segment = part->segment;
        if (segment.pages_used == 0 && segment.damaged_pages == 0) {
            segment.role = SegmentRole::spare;
        } else if (is_replaced) {
            segment.role = SegmentRole::replaced;
        } else if (part->is_complete || segment.damaged_pages > 0) {
            segment.role = SegmentRole::in_use;
            is_replaced = part->is_complete;
        } else {
            segment.role = SegmentRole::incomplete;
        }
    }
}

/// Nothing, with the error that an opening would meet, unless the identity can be read.
void read_identity(FileSystem& file_system, LogInspection& log) {
    try {
        if (const auto ident = read_ident(file_system, log.directory)) {
            log.id = ident->id;
            log.node = ident->node;
        }
    } catch (const LogError& error) {
        log.error = error;
    }
}

void read_image(FileSystem& file_system, LogInspection& log) {
    try {
        log.image = read_log(file_system, log.directory);
    } catch (const LogError& error) {
        if (error.code() == LogErrorCode::not_found) {
            throw;
        }
        log.error = error;
    }
}

/// Why an opening refuses the segment; empty when it is not this one.
std::string damage_of(FileSystem& file_system, const LogInspection& log, const Part& part) {
    try {
        const auto scanned =
            scan_segment(file_system, log.directory, part.name, log.id, part.segment.copies);
        const auto* damage = std::get_if<Damage>(&scanned.verdict);
        return damage == nullptr ? "" : damage->text;
    } catch (const IoError& error) {
        return error.what();
    }
}

void add_segment(FileSystem& file_system, LogInspection& log, Part&& part) {
    const bool counts =
        part.segment.role == SegmentRole::in_use || part.segment.role == SegmentRole::incomplete;
    if (log.error && counts) {
        part.segment.damage = damage_of(file_system, log, part);
    }
    if (part.segment.role == SegmentRole::in_use) {
        log.quarantined_through = std::max(log.quarantined_through, part.quarantined_through);
        log.notes = std::move(part.notes);
    }
    if (log.node.empty()) {
        log.node = part.segment.node;
    }
    log.segments.push_back(std::move(part.segment));
}

LogInspection inspect_once(FileSystem& file_system, const std::filesystem::path& directory) {
    LogInspection log{};
    log.directory = directory;
    read_identity(file_system, log);
    log.owner = find_owner(file_system, directory);
    Patience patience{log.owner.has_value()};
    std::vector<Part> parts;
    unsigned copies = 1;
    for (const auto name : list_segments(file_system, directory)) {
        parts.push_back(read_segment(file_system, log, name, copies, patience));
        // A later segment without an intact page was made like the ones before it.
        copies = std::max(copies, parts.back().segment.copies);
    }
    assign_roles(parts);
    if (!log.error) {
        read_image(file_system, log);
    }
    for (auto& part : parts) {
        add_segment(file_system, log, std::move(part));
    }
    return log;
}

}  // namespace

LogInspection inspect_log(FileSystem& file_system, const std::filesystem::path& directory) {
    try {
        static_cast<void>(require_directory(file_system, directory));
        for (int attempt = 1;; ++attempt) {
            try {
                return inspect_once(file_system, directory);
            } catch (const IoError& error) {
                // A live owner replaced a segment after it was listed.
                if (error.error_number() != ENOENT || attempt == kAttempts) {
                    throw;
                }
            }
        }
    } catch (const IoError& error) {
        throw to_log_error(error);
    }
}

void inspect_pages(FileSystem& file_system, const std::filesystem::path& directory,
                   std::string_view file, const std::function<void(const InspectedPage&)>& visit) {
    const auto name = parse_segment_name(file);
    if (!name) {
        throw LogError{LogErrorCode::not_found,
                       fmt::format("{} is no name of a segment: these are called {}", file,
                                   file_name({.epoch = 1, .segment_no = 1}))};
    }
    try {
        LogInspection log{};
        log.directory = directory;
        read_identity(file_system, log);
        SegmentPages pages{file_system, directory, *name, log.id};
        Patience patience{find_owner(file_system, directory).has_value()};
        static_cast<void>(visit_settled(pages, 0, pages.count(), patience,
                                        [&](const InspectedPage& page) { visit(page); }));
    } catch (const IoError& error) {
        throw error.error_number() == ENOENT
            ? LogError{LogErrorCode::not_found,
                       fmt::format("there is no segment {} in {}", file, directory.native())}
            : to_log_error(error);
    }
}

LogInspection inspect_log(const std::filesystem::path& directory) {
    return inspect_log(posix_file_system(), directory);
}

void inspect_pages(const std::filesystem::path& directory, std::string_view file,
                   const std::function<void(const InspectedPage&)>& visit) {
    inspect_pages(posix_file_system(), directory, file, visit);
}

const InspectedSegment* LogInspection::in_use() const noexcept {
    const auto found = std::ranges::find(segments, SegmentRole::in_use, &InspectedSegment::role);
    return found == segments.end() ? nullptr : &*found;
}

std::string_view to_string(SegmentRole role) noexcept {
    switch (role) {
        case SegmentRole::in_use: return "in_use";
        case SegmentRole::spare: return "spare";
        case SegmentRole::replaced: return "replaced";
        case SegmentRole::incomplete: return "incomplete";
    }
    return "not a role";
}

}  // namespace xa_tm::recovery_log

#include <cerrno>
#include <chrono>
#include <thread>

#include <fmt/format.h>

#include "directory_lock.h"
#include "file_system_type.h"
#include "ident_file.h"
#include "io.h"
#include "log_content.h"
#include "open_log.h"
#include "segment_file.h"

// Beside a live owner a reader sees pages while they are written, and segments vanish between being
// listed and being read. All of that passes: what looks like damage is believed only when nobody
// owns the log, or when it stays.
namespace xa_tm::recovery_log {
namespace {

constexpr int kAttempts = 50;
constexpr std::chrono::milliseconds kPause{2};

LogImage read_once(FileSystem& file_system, const std::filesystem::path& directory, bool is_owned) {
    const auto ident = read_ident(file_system, directory);
    const auto segments = list_segments(file_system, directory);
    if (!ident) {
        check_unborn(file_system, directory, segments);
        throw LogError{
            LogErrorCode::not_found,
            fmt::format("{} holds no log (there is no file ident in it): correct the path",
                        directory.native())};
    }
    // What a live owner writes is in memory; the disk is left to it.
    const auto mode = is_owned ? OpenMode::read : OpenMode::read_direct;
    const auto scan = [&](SegmentName name, std::optional<LogId> log_id, unsigned copies) {
        return scan_segment(file_system, directory, name, log_id, copies, mode);
    };
    auto log = load_content(scan, directory, ident->id, segments);
    LogImage image{.id = ident->id,
                   .node = ident->node,
                   .incarnation = log.base.name.epoch,
                   .entries = {},
                   .first_unconfirmed = log.content.first_unconfirmed,
                   .quarantined_through = log.content.quarantined_through,
                   .owner = find_owner(file_system, directory)};
    for (auto& [id, body] : log.content.live) {
        image.entries.push_back({id, std::move(body)});
    }
    return image;
}

LogImage read_patiently(FileSystem& file_system, const std::filesystem::path& directory) {
    for (int attempt = 1;; ++attempt) {
        // Also asked before: an owner may die in the middle of a write that is then caught half
        // done.
        const bool was_owned = find_owner(file_system, directory).has_value();
        try {
            return read_once(file_system, directory, was_owned);
        } catch (const IoError& error) {
            // A segment was replaced after it was listed.
            if (error.error_number() != ENOENT || attempt == kAttempts) {
                throw;
            }
        } catch (const LogError& error) {
            const bool may_pass = error.code() == LogErrorCode::damaged &&
                                  (was_owned || find_owner(file_system, directory).has_value());
            if (attempt == kAttempts || !may_pass) {
                throw;
            }
            std::this_thread::sleep_for(kPause);
        }
    }
}

}  // namespace

LogImage read_log(FileSystem& file_system, const std::filesystem::path& directory) {
    try {
        static_cast<void>(
            require_directory(file_system, directory));  // of any type: reading promises nothing
        return read_patiently(file_system, directory);
    } catch (const IoError& error) {
        throw to_log_error(error);
    }
}

LogImage read_log(const std::filesystem::path& directory) {
    return read_log(posix_file_system(), directory);
}

std::optional<LogOwner> find_log_owner(const std::filesystem::path& directory) {
    try {
        return find_owner(posix_file_system(), directory);
    } catch (const IoError& error) {
        throw to_log_error(error);
    }
}

}  // namespace xa_tm::recovery_log

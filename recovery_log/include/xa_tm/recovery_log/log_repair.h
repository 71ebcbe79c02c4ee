#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "xa_tm/recovery_log/recovery_log.h"

/// Making a log usable again that does not open because its bytes were damaged: without loss from a
/// copy of it, or with a loss that a person accepts.
namespace xa_tm::recovery_log {

struct RepairOptions {
    std::filesystem::path directory;
    /// A copy of the directory, made at any time; its intact pages stand in for bad ones.
    std::optional<std::filesystem::path> mirror;
    /// True: go on with what is left when pages are lost for good.
    bool accept_loss = false;
    /// Who does it, for the note that stays in the log.
    std::string operator_name;
};

/// A page that is whole nowhere.
struct LostPage {
    std::string file;  ///< name of its segment in the directory
    std::uint64_t index;
    std::uint64_t offset;  ///< of its first copy in the file, in bytes
    std::string problem;
};

/// What a repair would do, or has done.
///
/// Ownership: a value.
/// Thread safety: const members may be called from several threads at once.
struct RepairPlan {
    /// The error that an opening meets. Nothing: the log is sound, there is nothing to do, and the
    /// rest is empty.
    std::optional<LogError> error;
    LogId id;
    std::string node;
    /// The file ident is written anew, from the copy or from what the pages say.
    bool restores_identity = false;
    std::uint64_t pages_from_mirror = 0;
    /// What entries may be lost by, in words; empty when nothing is lost.
    std::string loss;
    std::vector<LostPage> lost_pages;
    /// With a loss: entries of the incarnations up to this one will count as possibly missing.
    std::uint32_t quarantined_through = 0;
    /// The entries that the repaired log holds. Those that were forgotten may be among them.
    std::vector<Entry> entries;
    /// Files that are kept, under their name with .broken behind it.
    std::vector<std::string> set_aside;
};

/// Tells what repair_log() would do. Takes no lock and changes nothing; the answer may not hold
/// beside a live owner. Throws LogError: there is no log (not_found), the mirror is one of another
/// log (foreign_node), a newer version wrote it (newer_format), nothing is left to start from
/// (damaged), or the system refuses a call (io).
[[nodiscard]] RepairPlan plan_repair(const RepairOptions& options);

/// Writes what is intact into a new segment under a new incarnation, with a note of what was done
/// and, with a loss, a quarantine (RecoveryLog::quarantined_through()); keeps the old files. A
/// crash at any moment leaves the damaged log or the repaired one; it may be repeated, and does
/// nothing with a sound log. Throws as plan_repair() does, and LogError when another process owns
/// the log (in_use), or when there is a loss that is not accepted (damaged).
RepairPlan repair_log(const RepairOptions& options);

}  // namespace xa_tm::recovery_log

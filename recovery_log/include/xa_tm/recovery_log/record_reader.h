#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "xa_tm/recovery_log/recovery_log.h"

namespace xa_tm::recovery_log {

/// A whole record of a log, and where it stands.
struct LoggedRecord {
    std::uint8_t type;
    EntryId id;  ///< its sequence number; that of an ENTRY is the entry's id
    std::vector<std::byte> body;
    std::string file;       ///< name of its segment in the directory
    std::uint64_t page;     ///< index in the segment of the page where it begins
    std::uint64_t page_no;  ///< number of that page
    std::uint64_t offset;   ///< of its header in the file, in the first copy
    /// It belongs to the list that a segment starts with, so it may have been written before.
    bool is_repeated;
    /// Of an ENTRY its id, of a FORGOTTEN that of the entry which is forgotten.
    std::optional<EntryId> entry;
    /// What it says, for a person; empty for an ENTRY, which only its writer understands.
    std::string text;
};

/// Reads the records of a log in the order in which they were written, and goes on with those that
/// come. It takes no lock and changes nothing. What is damaged is left out: inspect_log() tells.
///
/// Ownership: independent of any owner of the log.
/// Thread safety: one thread at a time.
class RecordReader {
public:
    /// Starts before the oldest record. Throws LogError when there is no log (not_found).
    explicit RecordReader(std::filesystem::path directory);
    ~RecordReader();
    RecordReader(const RecordReader&) = delete;
    RecordReader& operator=(const RecordReader&) = delete;

    /// Gives each record that was written since the call before. A page that a live owner has just
    /// begun to write is left to the next call. What the owner has overwritten meanwhile, because
    /// several segments have passed since, is left out. Throws LogError (io).
    void read_new(const std::function<void(const LoggedRecord&)>& take);

private:
    class State;
    std::unique_ptr<State> state_;
};

}  // namespace xa_tm::recovery_log

#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "xa_tm/recovery_log/recovery_log.h"

namespace xa_tm::test {

/// What a log has promised so far, kept outside of it, and what it may hold at most.
///
/// Ownership: a value.
/// Thread safety: one thread at a time.
class Promises {
public:
    /// Number of an entry that the log is going to be given, of this many bytes (at least 8).
    [[nodiscard]] std::size_t make_entry(std::size_t size_bytes);
    [[nodiscard]] const std::string& body(std::size_t entry) const { return entries_[entry].body; }

    void offered(std::size_t entry) { entries_[entry].may_be_there = true; }
    /// Takes the answer to an offered entry.
    void answered(std::size_t entry, const recovery_log::Forced& answer);
    void forgotten(recovery_log::EntryId id) { owed_.erase(id); }
    /// Takes what an opening says about the log; what is wrong with that, if anything is.
    [[nodiscard]] std::optional<std::string> opened(const recovery_log::RecoveryLog& log);

    /// What is wrong with a log that was opened after a crash, if anything is: an entry that is
    /// owed is lost or changed, an entry is invented or doubled, or the log is not the same one.
    [[nodiscard]] std::optional<std::string> broken_by(const recovery_log::RecoveryLog& log) const;
    [[nodiscard]] std::optional<std::string> broken_by(
        const std::vector<recovery_log::Entry>& found) const;

    /// An opening has succeeded, so that there is a log for ever.
    [[nodiscard]] bool is_born() const noexcept { return id_.has_value(); }
    /// Acknowledged and not forgotten, by id.
    [[nodiscard]] const std::map<recovery_log::EntryId, std::size_t>& owed() const noexcept {
        return owed_;
    }
    /// Rises whenever the log owes more, or may hold less.
    [[nodiscard]] std::uint64_t version() const noexcept { return version_; }

private:
    struct Candidate {
        std::string body;
        bool may_be_there = false;
    };

    [[nodiscard]] std::optional<std::size_t> find(const std::vector<std::byte>& body) const;

    std::vector<Candidate> entries_;
    std::map<recovery_log::EntryId, std::size_t> owed_;
    std::optional<recovery_log::LogId> id_;
    std::uint32_t last_incarnation_ = 0;
    std::uint64_t version_ = 0;
};

/// What is different, if anything is.
[[nodiscard]] std::optional<std::string> difference(const std::vector<recovery_log::Entry>& before,
                                                    const std::vector<recovery_log::Entry>& after);

}  // namespace xa_tm::test

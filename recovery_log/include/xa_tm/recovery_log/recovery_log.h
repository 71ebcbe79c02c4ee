#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <sys/types.h>

#include "xa_tm/recovery_log/log_id.h"

/// A durable set of opaque entries: put in by a forced append, taken out by a lazy forget. It
/// survives the death of the process, of the machine, torn writes and full disks; it knows nothing
/// of XA.
namespace xa_tm::recovery_log {

enum class LogErrorCode {
    not_found,     ///< no such directory, or no log in it
    in_use,        ///< another process, or another owner in this process, holds the log
    foreign_node,  ///< the log was made for another node name
    damaged,       ///< bytes are gone that may have held an entry: opening would lose it silently
    newer_format,  ///< written by a version that this one does not understand
    unsupported,   ///< a file system that keeps no promises (tmpfs, network)
    io,            ///< the system refused a call: permission, full disk, read-only, I/O error
};

/// A log that can't be opened or read. what() is one line that says what to change; the files are
/// as they were.
class LogError : public std::runtime_error {
public:
    LogError(LogErrorCode code, const std::string& message)
        : std::runtime_error(message), code_{code} {}
    [[nodiscard]] LogErrorCode code() const noexcept { return code_; }

private:
    LogErrorCode code_;
};

struct Options {
    /// Must exist: a mistyped path would otherwise start an empty log and presume aborts.
    std::filesystem::path directory;
    /// The name of the transaction manager, 1 to 255 bytes; an existing log must have been made for
    /// it.
    std::string node;
    /// False: a directory without a log is an error (not_found) instead of the birth of one.
    bool create = true;
    /// Rounded up to whole pages; at least 64 KiB. The log takes up to three segments on disk.
    std::size_t segment_size_bytes = std::size_t{64} << 20;
    /// How often each page is written, 1 or 2. With 2 the log also survives sectors that rot or
    /// can't be read; it costs space, and about a sixth of a force's time.
    unsigned copies = 2;
    /// True: accept a file system that loses its content with the machine, such as tmpfs.
    bool allow_volatile_file_system = false;
    /// True: accept a network file system or FUSE, trusting that its server keeps what was synced
    /// and lets one owner at a time have the lock.
    bool allow_network_file_system = false;
};

using EntryId = std::uint64_t;

/// The longest entry that a log takes.
inline constexpr std::size_t kEntryBytesMax = std::size_t{64} * 1024;

struct Entry {
    EntryId id;
    std::vector<std::byte> body;
};

enum class ForceResult {
    durable,  ///< on disk: it will be among the entries of every later open until it is forgotten
    refused,  ///< certainly not on disk: nothing was written, or the log was poisoned before
    unknown,  ///< a write or sync failed: only the next open can tell whether it is there
};

struct Forced {
    ForceResult result;
    EntryId id;          ///< of the entry; 0 unless durable
    std::string reason;  ///< what the system said; empty when durable
};

/// Told what became of an entry, by the thread that made it durable.
using Completion = std::function<void(const Forced&)>;

/// Space promised for one entry. Gives it back when destroyed unused.
///
/// Ownership: movable; must not outlive the log that gave it.
/// Thread safety: one thread at a time.
class Reservation;

enum class Health {
    healthy,
    full,      ///< reserve() is refused; service resumes when space returns
    poisoned,  ///< a write or sync failed; nothing more is accepted until the log is opened anew
    fenced,    ///< another owner has opened the log meanwhile; nothing more is accepted
};

struct LogStatus {
    Health health;
    std::string reason;    ///< empty when healthy
    std::uint64_t forces;  ///< entries made durable
    std::uint64_t syncs;   ///< of segments in use
    std::size_t live_entries;
    /// What opening met: pages that a crash had cut off in the last flush, and pages of which one
    /// copy was bad and the other one good. Every copy is whole again since.
    std::uint32_t torn_pages_at_open;
    std::uint32_t degraded_pages_at_open;
};

struct ForceRequest;

/// One log, owned by this process until destroyed.
///
/// Entries that several threads force at the same time share one write and one sync: the first
/// thread does it for all, and there is no other thread. Whatever happens to one caller (an
/// exception, a cancellation of its thread) harms neither the log nor the others.
///
/// Ownership: exclusive, across processes and within one: a second open of the directory is refused
/// with the owner's pid and host. A forked child does not own it and must not use it.
/// Thread safety: all members may be called from several threads at once.
class RecoveryLog {
public:
    /// Takes ownership, raises the incarnation durably, and re-forces the live set before returning
    /// it. Throws LogError.
    [[nodiscard]] static std::unique_ptr<RecoveryLog> open(const Options& options);

    virtual ~RecoveryLog() = default;
    RecoveryLog(const RecoveryLog&) = delete;
    RecoveryLog& operator=(const RecoveryLog&) = delete;

    [[nodiscard]] virtual LogId id() const noexcept = 0;
    [[nodiscard]] virtual const std::string& node() const noexcept = 0;
    /// Number of this opening, from 1; greater than that of every opening before it.
    [[nodiscard]] virtual std::uint32_t incarnation() const noexcept = 0;
    /// Entries of the incarnations up to this one may be missing, because a person accepted the
    /// loss of damaged pages; 0 when nothing was ever lost. No entry means nothing for those.
    [[nodiscard]] virtual std::uint32_t quarantined_through() const noexcept = 0;
    /// What is live now, oldest first. Straight after open(): what was live before, and is durable
    /// again.
    [[nodiscard]] virtual std::vector<Entry> live_entries() const = 0;

    /// Promises space for one entry of up to `bytes`; nothing when the log is full or poisoned
    /// (status() says why). While the reservation lives, its force() never meets a full disk. May
    /// prepare a segment, when maintain() was not called for long.
    /// Throws std::length_error above kEntryBytesMax.
    [[nodiscard]] virtual std::optional<Reservation> reserve(std::size_t bytes) = 0;

    /// Makes one entry durable before it returns. Not repeatable on `unknown`: the next open
    /// decides.
    [[nodiscard]] virtual Forced force(Reservation reservation,
                                       std::span<const std::byte> body) noexcept = 0;

    /// As force(), for several entries by one sync wherever they fit; one answer each, in order.
    [[nodiscard]] virtual std::vector<Forced> force_many(std::vector<ForceRequest> requests) = 0;

    /// As force(), but the answer goes to `completion`, possibly before this returns. This blocks
    /// only when nobody else is there to write; then it writes. A completion must not throw.
    virtual void force_async(Reservation reservation, std::vector<std::byte> body,
                             Completion completion) = 0;

    /// Takes an entry out, lazily: after a crash it may be live again.
    virtual void forget(EntryId id) noexcept = 0;

    /// Does what need not delay a force: prepares the next segment, writes forgets, and seals the
    /// last entries, when nothing was forced for 50 ms. To be called every 50 ms or so by some
    /// thread that has nothing urgent to do; without that, reserve() does what can't wait.
    virtual void maintain() noexcept = 0;

    [[nodiscard]] virtual LogStatus status() const = 0;

protected:
    RecoveryLog() = default;
    friend class Reservation;
    virtual void release(std::size_t bytes) noexcept = 0;
};

class Reservation {
public:
    Reservation(RecoveryLog& log, std::size_t bytes) noexcept : log_{&log}, bytes_{bytes} {}
    Reservation(Reservation&& other) noexcept
        : log_{std::exchange(other.log_, nullptr)}, bytes_{other.bytes_} {}
    Reservation& operator=(Reservation&& other) noexcept {
        std::swap(log_, other.log_);
        std::swap(bytes_, other.bytes_);
        return *this;
    }
    ~Reservation() {
        if (log_ != nullptr) {
            log_->release(bytes_);
        }
    }
    [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }
    /// For the log alone: it accounts for the space from here on.
    void take_over() noexcept { log_ = nullptr; }

private:
    RecoveryLog* log_;
    std::size_t bytes_;
};

struct ForceRequest {
    Reservation reservation;
    std::span<const std::byte> body;  ///< must stay until the answer
};

struct LogOwner {
    pid_t pid;
    std::string host;
};

/// What a log holds, as seen by a process that does not own it.
struct LogImage {
    LogId id;
    std::string node;
    /// The incarnation of the latest opening.
    std::uint32_t incarnation;
    std::vector<Entry> entries;
    /// Entries from this id on stand in the last flush, whose sync may not have returned, also when
    /// the owner has died since: not known to be durable before the next opening forces them.
    EntryId first_unconfirmed = 0;
    /// See RecoveryLog::quarantined_through().
    std::uint32_t quarantined_through = 0;
    /// Who owns the log now; nothing when its owner is dead or it was closed.
    std::optional<LogOwner> owner;
};

/// Reads a log without owning, locking or changing it, also beside its live owner. Throws LogError.
[[nodiscard]] LogImage read_log(const std::filesystem::path& directory);

/// Only who owns it, which costs one look at its lock. Nothing also when there is no log. Throws
/// LogError.
[[nodiscard]] std::optional<LogOwner> find_log_owner(const std::filesystem::path& directory);

}  // namespace xa_tm::recovery_log

#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "directory_lock.h"
#include "file_system.h"
#include "flush_encoder.h"
#include "ident_file.h"
#include "io.h"
#include "recovery_rule.h"
#include "xa_tm/recovery_log/recovery_log.h"

namespace xa_tm::recovery_log {

/// Where an owner goes on: what the one before it left.
struct LogStart {
    bool is_birth = false;
    Ident ident;
    std::uint32_t epoch = 1;
    SegmentName predecessor{};
    std::uint64_t next_page_no = 1;
    EntryId next_seq = 1;
    std::uint32_t last_crc = 0;
    std::uint32_t torn_pages = 0;
    LiveSet live;
};

/// The log in a local directory.
///
/// Ownership: owns the lock and the active segment; the file system outlives it.
/// Thread safety: all members may be called from several threads at once, start() and the
/// destructor excepted.
class LocalLog final : public RecoveryLog {
public:
    LocalLog(FileSystem& file_system, std::filesystem::path directory, std::size_t segment_pages,
             std::unique_ptr<DirectoryLock> lock, LogStart start);
    ~LocalLog() override;

    /// Makes the log durable under its new epoch. To be called once, first. Throws IoError.
    void start();

    [[nodiscard]] LogId id() const noexcept override { return ident_.id; }
    [[nodiscard]] const std::string& node() const noexcept override { return ident_.node; }
    [[nodiscard]] std::uint32_t incarnation() const noexcept override { return epoch_; }
    [[nodiscard]] std::uint32_t quarantined_through() const noexcept override { return 0; }
    [[nodiscard]] std::vector<Entry> live_entries() const override;
    [[nodiscard]] std::vector<Forced> force_many(std::vector<ForceRequest> requests) override;
    void force_async(Reservation reservation, std::vector<std::byte> body,
                     Completion completion) override;
    void maintain() noexcept override {}
    [[nodiscard]] std::optional<Reservation> reserve(std::size_t bytes) override;
    [[nodiscard]] Forced force(Reservation reservation,
                               std::span<const std::byte> body) noexcept override;
    void forget(EntryId id) noexcept override;
    [[nodiscard]] LogStatus status() const override;

private:
    struct Segment {
        std::unique_ptr<File> file;
        SegmentName name;
        std::size_t pages;
        std::size_t used_pages;
    };
    /// A flush being put together.
    struct Flush {
        FlushEncoder encoder;
        EntryId next_seq;
        std::size_t forgets = 0;
    };

    void release(std::size_t bytes) noexcept override;

    [[nodiscard]] bool is_forked_child() const noexcept;
    [[nodiscard]] std::size_t free_pages() const noexcept;
    [[nodiscard]] std::size_t checkpoint_pages_max() const noexcept;

    [[nodiscard]] bool make_room(std::size_t pages);
    [[nodiscard]] Segment create_next_segment(std::size_t pages_needed);
    void take_over(Segment next);
    [[nodiscard]] Flush encode_checkpoint(const Segment& next) const;

    [[nodiscard]] Flush begin_flush() const;
    void add_forgets(Flush& flush, std::size_t pages_max) const;
    void write_flush(Flush& flush, std::uint16_t flags);
    void sync_flush(const Flush& flush);
    [[nodiscard]] Forced append_entry(std::span<const std::byte> body);
    void append_forgets(std::uint16_t flags);

    void poison(std::string_view reason);

    FileSystem& file_system_;
    const std::filesystem::path directory_;
    const std::size_t segment_pages_;
    const pid_t pid_;
    std::unique_ptr<DirectoryLock> lock_;  // let go of last
    const Ident ident_;
    const std::uint32_t epoch_;
    const bool is_birth_;
    const std::uint32_t torn_pages_;

    mutable std::mutex mutex_;  // guards everything below
    bool is_started_ = false;
    std::optional<Segment> active_;
    SegmentName predecessor_;
    std::uint32_t last_segment_no_ = 0;
    std::uint64_t next_page_no_;
    std::uint32_t last_crc_;
    EntryId next_seq_;
    LiveSet live_;
    std::size_t live_bytes_ = 0;
    std::size_t reserved_pages_ = 0;
    std::vector<EntryId> pending_forgets_;
    Health health_ = Health::healthy;
    std::string reason_;
    std::uint64_t forces_ = 0;
    std::uint64_t syncs_ = 0;
};

}  // namespace xa_tm::recovery_log

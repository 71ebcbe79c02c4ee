#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "directory_lock.h"
#include "file_system.h"
#include "flush_encoder.h"
#include "group_commit.h"
#include "ident_file.h"
#include "io.h"
#include "process_generation.h"
#include "recovery_rule.h"
#include "segment_supply.h"
#include "segment_writer.h"
#include "space.h"
#include "xa_tm/recovery_log/recovery_log.h"

namespace xa_tm::recovery_log {

/// Where an owner goes on: what the one before it left.
struct LogStart {
    bool is_birth = false;
    Ident ident;
    std::uint32_t epoch = 1;
    SegmentFile predecessor{};
    /// A segment of zeros that is ready for use.
    std::optional<SegmentFile> unused{};
    std::uint64_t next_page_no = 1;
    EntryId next_seq = 1;
    std::uint32_t last_crc = 0;
    std::uint32_t torn_pages = 0;
    std::uint32_t degraded_pages = 0;
    LiveSet live;
    std::uint32_t quarantined_through = 0;
    std::vector<OperatorNote> notes{};
};

/// How the log in a directory is written.
struct LogLayout {
    std::size_t segment_pages;  ///< usual size of a segment, copies not counted
    unsigned copies;
    std::chrono::nanoseconds idle_before_seal;
};

/// The log in a local directory.
///
/// Ownership: owns the lock and its segments; the file system outlives it.
/// Thread safety: all members may be called from several threads at once, start() and the
/// destructor excepted.
class LocalLog final : public RecoveryLog, private BatchSink {
public:
    LocalLog(FileSystem& file_system, std::filesystem::path directory, LogLayout layout,
             std::unique_ptr<DirectoryLock> lock, LogStart start);
    ~LocalLog() override;

    /// Makes the log durable under its new epoch. To be called once, first. Throws IoError.
    void start();

    [[nodiscard]] LogId id() const noexcept override { return ident_.id; }
    [[nodiscard]] const std::string& node() const noexcept override { return ident_.node; }
    [[nodiscard]] std::uint32_t incarnation() const noexcept override { return epoch_; }
    [[nodiscard]] std::uint32_t quarantined_through() const noexcept override {
        return quarantined_through_;
    }
    [[nodiscard]] std::vector<Entry> live_entries() const override;
    [[nodiscard]] std::optional<Reservation> reserve(std::size_t bytes) override;
    [[nodiscard]] Forced force(Reservation reservation,
                               std::span<const std::byte> body) noexcept override;
    [[nodiscard]] std::vector<Forced> force_many(std::vector<ForceRequest> requests) override;
    void force_async(Reservation reservation, std::vector<std::byte> body,
                     Completion completion) override;
    void forget(EntryId id) noexcept override;
    void maintain() noexcept override;
    [[nodiscard]] LogStatus status() const override;

private:
    using Clock = std::chrono::steady_clock;

    /// One entry on its way to the disk.
    struct Append : CommitRequest {
        LiveSet::node_type entry;  ///< complete but for its id, so that nothing fails behind a sync
        std::size_t reserved_bytes = 0;
        Forced forced{ForceResult::refused, 0, {}};
        Completion completion;
    };
    void release(std::size_t bytes) noexcept override;
    void flush(CommitQueue batch) noexcept override;
    void complete(CommitQueue detached) noexcept override;

    [[nodiscard]] bool is_forked_child() const noexcept {
        return generation_ != process_generation();
    }
    [[nodiscard]] bool is_dead() const noexcept {
        return health_ == Health::poisoned || health_ == Health::fenced;
    }

    [[nodiscard]] bool prepare(Append& append, Reservation reservation,
                               std::span<const std::byte> body);

    [[nodiscard]] bool refuse_if_dead(Append* first);
    [[nodiscard]] Append* encode(Append* first);
    void claim_pages_for_forgets(bool is_idle);
    void drop_claim() noexcept;
    void begin_encoding(Packing packing);
    void add_forgets(std::size_t pages_max);
    void write_and_sync(SegmentWriter& writer, std::uint16_t flags);
    void acknowledge(Append* first, const Append* end);
    void answer(Append* first, const Append* end, ForceResult result);
    void give_back(std::size_t reserved_bytes) noexcept;
    [[nodiscard]] bool is_seal_due() const noexcept;
    [[nodiscard]] bool wants_a_spare_to_close() const;
    [[nodiscard]] bool closes_better_in_the_spare() const;
    [[nodiscard]] bool fits_forgets(std::size_t count) const noexcept;
    void rotate();
    void encode_checkpoint();

    [[nodiscard]] bool promise(std::size_t bytes);
    [[nodiscard]] bool make_room(std::size_t bytes);
    [[nodiscard]] std::optional<std::string> supply_spare(std::size_t pages);
    void poison(std::string_view reason);

    FileSystem& file_system_;
    const std::filesystem::path directory_;
    const LogLayout layout_;
    const unsigned generation_;
    std::unique_ptr<DirectoryLock> lock_;  // let go of last
    const Ident ident_;
    const std::uint32_t epoch_;
    const bool is_birth_;
    const std::uint32_t torn_pages_;
    const std::uint32_t degraded_pages_;
    const std::uint32_t quarantined_through_;
    const std::vector<OperatorNote> notes_;
    const std::optional<SegmentFile> unused_;

    // The leader's, handed on by GroupCommit:
    std::optional<SegmentWriter> writer_;
    SegmentFile predecessor_;
    std::uint64_t next_page_no_;
    std::uint32_t last_crc_;
    EntryId next_seq_;
    FlushEncoder encoder_;
    std::uint16_t flags_ = 0;       ///< of the flush in the encoder
    std::vector<EntryId> forgets_;  ///< those that go with the next flush, if there is room
    std::size_t forgets_encoded_ = 0;
    std::size_t claimed_pages_ = 0;  ///< for forgets; part of promised_.pages

    std::mutex supply_mutex_;  // held while a spare is made; taken before mutex_
    SegmentSupply supply_;

    mutable std::mutex mutex_;  // guards everything below
    bool is_started_ = false;
    bool is_closing_ = false;
    LiveSet live_;
    Promised promised_;
    std::size_t free_pages_ = 0;  ///< of the segment in use, as the next flush will find it
    std::optional<BlankSegment> spare_;
    std::vector<EntryId> pending_forgets_;
    bool is_sealed_ = true;  ///< something stands behind the last entry
    Clock::time_point last_flush_{};
    Clock::time_point next_supply_{};
    Health health_ = Health::healthy;
    std::string reason_;
    std::uint64_t forces_ = 0;
    std::uint64_t syncs_ = 0;

    GroupCommit group_;  // last: it calls the sink
};

}  // namespace xa_tm::recovery_log

#include "local_log.h"

#include <algorithm>
#include <new>
#include <utility>

#include <fmt/format.h>
#include <unistd.h>

#include "segment_file.h"
#include "xa_tm/recovery_log/check.h"
#include "xa_tm/recovery_log/crash_point.h"

// Invariants:
// - live_ is what the next open will find, without the entries whose FORGOTTEN is still pending;
// every entry of
//   it is durable in the active segment.
// - A page is written once. A flush starts on a fresh page, and only after the flush before it was
// synced.
// - reserved_pages_ <= free_pages(), a force in progress excepted, whose pages count twice until
// its reservation
//   is released. So a force with a reservation writes over zeros that are on disk, and needs no new
//   space.
// - A checkpoint is one flush, which has at most 65535 pages; reserve() keeps the live set below
// that.
// - Once health_ is poisoned, no file is written or synced again.
namespace xa_tm::recovery_log {
namespace {

/// As many as one page holds; when so many are pending they are written without waiting for a
/// force.
constexpr std::size_t kPendingForgetsMax = 160;
constexpr std::size_t kForgottenRecordBytes = record_bytes(sizeof(EntryId));
static_assert(kPendingForgetsMax * kForgottenRecordBytes <= kPageRoomBytes);

/// Below the 65535 pages of the largest flush, with a margin for what fits less well in a
/// checkpoint.
constexpr std::size_t kCheckpointPagesMax = 60'000;

/// What an entry takes in a checkpoint at most: its body, and the headers of its fragments.
constexpr std::size_t checkpoint_bytes_max(std::size_t body_bytes) noexcept {
    return record_bytes(body_bytes) + kRecordHeaderBytes * (pages_for(body_bytes) + 1);
}

std::vector<Entry> to_entries(const LiveSet& live) {
    std::vector<Entry> entries;
    entries.reserve(live.size());
    for (const auto& [id, body] : live) {
        entries.push_back({id, body});
    }
    return entries;
}

Forced refused(std::string reason) {
    return {.result = ForceResult::refused, .id = 0, .reason = std::move(reason)};
}

constexpr const char* kForkedChild =
    "this process is a forked child of the log's owner and does not own it";

}  // namespace

LocalLog::LocalLog(FileSystem& file_system, std::filesystem::path directory,
                   std::size_t segment_pages, std::unique_ptr<DirectoryLock> lock, LogStart start)
    : file_system_{file_system},
      directory_{std::move(directory)},
      segment_pages_{segment_pages},
      pid_{::getpid()},
      lock_{std::move(lock)},
      ident_{std::move(start.ident)},
      epoch_{start.epoch},
      is_birth_{start.is_birth},
      torn_pages_{start.torn_pages},
      predecessor_{start.predecessor},
      next_page_no_{start.next_page_no},
      last_crc_{start.last_crc},
      next_seq_{start.next_seq},
      live_{std::move(start.live)} {
    for (const auto& [id, body] : live_) {
        live_bytes_ += checkpoint_bytes_max(body.size());
    }
    pending_forgets_.reserve(kPendingForgetsMax);
}

LocalLog::~LocalLog() {
    if (is_forked_child() || !is_started_ || health_ == Health::poisoned || free_pages() == 0) {
        return;
    }
    try {
        // Also without a forget: whatever stands behind the last entries proves that they were
        // durable.
        append_forgets(page_flags::kCleanShutdown);
    } catch (const std::exception&) {
        // As after a crash: entries that were forgotten may be live again.
        return;
    }
}

void LocalLog::start() {
    take_over(create_next_segment(0));
    if (is_birth_) {
        // The log exists from here on.
        write_ident(file_system_, directory_, ident_);
    }
    lock_->publish(epoch_);
    is_started_ = true;
}

bool LocalLog::is_forked_child() const noexcept {
    return pid_ != ::getpid();
}

std::size_t LocalLog::free_pages() const noexcept {
    return active_->pages - active_->used_pages;
}

std::size_t LocalLog::checkpoint_pages_max() const noexcept {
    // Two pages in a row hold more than one page's room together, or the second would not have been
    // begun. Two more for the head and the end.
    return 2 * live_bytes_ / kPageRoomBytes + 3;
}

// --- segments

bool LocalLog::make_room(std::size_t pages) {
    if (checkpoint_pages_max() + reserved_pages_ + pages > kCheckpointPagesMax) {
        health_ = Health::full;
        reason_ =
            fmt::format("{} entries are live, as many as one checkpoint can hold", live_.size());
        return false;
    }
    if (reserved_pages_ + pages <= free_pages()) {
        health_ = Health::healthy;
        reason_.clear();
        return true;
    }
    std::optional<Segment> next;
    try {
        next = create_next_segment(pages);
        take_over(std::move(*next));
    } catch (const IoError& error) {
        if (next || !error.is_shortage()) {
            poison(error.what());
        } else {
            // The active segment is as it was, and keeps what it has promised.
            health_ = Health::full;
            reason_ = to_log_error(error).what();
        }
        return false;
    }
    health_ = Health::healthy;
    reason_.clear();
    return true;
}

LocalLog::Segment LocalLog::create_next_segment(std::size_t pages_needed) {
    const auto in_use = checkpoint_pages_max() + reserved_pages_ + pages_needed;
    // Twice what is in use, so that the cost of copying the live set is spread over as much new
    // work.
    const auto pages = std::max(segment_pages_, 2 * in_use);
    // A name is tried once: a failed attempt may have left a file behind.
    const SegmentName name{.epoch = epoch_, .segment_no = ++last_segment_no_};
    auto file = create_segment(file_system_, directory_, name, pages);
    XA_TM_CRASH_POINT("log.segment_created");
    return {.file = std::move(file), .name = name, .pages = pages, .used_pages = 0};
}

LocalLog::Flush LocalLog::encode_checkpoint(const Segment& next) const {
    Flush flush{.encoder = FlushEncoder{{.log_id = ident_.id,
                                         .segment = next.name,
                                         .first_page_no = next_page_no_,
                                         .prev_crc = last_crc_}},
                .next_seq = next_seq_};
    const SegmentHead head{.segment_pages = static_cast<std::uint32_t>(next.pages),
                           .predecessor = predecessor_,
                           .predecessor_last_page = next_page_no_ - 1,
                           .predecessor_last_crc = last_crc_,
                           .torn_pages = active_ ? 0 : torn_pages_,
                           .first_needed = next.name,
                           .node = ident_.node,
                           .writer = XA_TM_VERSION};
    flush.encoder.add(RecordType::segment_head, flush.next_seq++, encode_body(head));
    CheckpointEnd end{.count = live_.size(), .set_crc = 0};
    for (const auto& [id, body] : live_) {
        flush.encoder.add(RecordType::entry, id, body);
        end.set_crc = extend_set_crc(end.set_crc, id, body);
    }
    flush.encoder.add(RecordType::checkpoint_end, flush.next_seq++, encode_body(end));
    return flush;
}

void LocalLog::take_over(Segment next) {
    auto checkpoint = encode_checkpoint(next);
    XA_TM_CHECK(checkpoint.encoder.pages() + reserved_pages_ <= next.pages,
                "the segment was made for twice as much");
    const auto replaced = std::exchange(active_, std::move(next));
    write_flush(checkpoint, page_flags::kSegmentHead);
    sync_flush(checkpoint);
    // Durable from here: the new segment says everything that the old one says.
    XA_TM_CRASH_POINT("log.checkpoint_forced");
    pending_forgets_.clear();  // the checkpoint does not list them
    predecessor_ = active_->name;
    if (replaced) {
        remove_replaced_segment(file_system_, directory_, replaced->name);
    }
}

// --- flushes

LocalLog::Flush LocalLog::begin_flush() const {
    return {.encoder = FlushEncoder{{.log_id = ident_.id,
                                     .segment = active_->name,
                                     .first_page_no = next_page_no_,
                                     .prev_crc = last_crc_}},
            .next_seq = next_seq_};
}

void LocalLog::add_forgets(Flush& flush, std::size_t pages_max) const {
    while (flush.forgets < pending_forgets_.size() &&
           (flush.encoder.room_bytes() >= kForgottenRecordBytes ||
            flush.encoder.pages() < pages_max)) {
        flush.encoder.add(RecordType::forgotten, flush.next_seq++,
                          encode_forgotten(pending_forgets_[flush.forgets]));
        ++flush.forgets;
    }
}

void LocalLog::write_flush(Flush& flush, std::uint16_t flags) {
    XA_TM_CHECK(flush.encoder.pages() <= free_pages(), "space is reserved before it is used");
    write_all(*active_->file, flush.encoder.finish(flags), active_->used_pages * kPageBytes);
}

void LocalLog::sync_flush(const Flush& flush) {
    datasync(*active_->file);
    ++syncs_;
    active_->used_pages += flush.encoder.pages();
    next_page_no_ += flush.encoder.pages();
    next_seq_ = flush.next_seq;
    last_crc_ = flush.encoder.last_crc();
    pending_forgets_.erase(pending_forgets_.begin(),
                           pending_forgets_.begin() + static_cast<std::ptrdiff_t>(flush.forgets));
}

Forced LocalLog::append_entry(std::span<const std::byte> body) {
    auto flush = begin_flush();
    const EntryId id = flush.next_seq++;
    flush.encoder.add(RecordType::entry, id, body);
    add_forgets(flush, flush.encoder.pages());  // only into the room that is left over
    // All memory is taken before the write, so that nothing but the disk can fail behind it.
    LiveSet added;
    added.emplace(id, std::vector<std::byte>{body.begin(), body.end()});
    try {
        write_flush(flush, 0);
        XA_TM_CRASH_POINT("log.entry_written");
        sync_flush(flush);
    } catch (const IoError& error) {
        poison(error.what());
        return {.result = ForceResult::unknown, .id = 0, .reason = reason_};
    }
    // Durable from here: every later open finds the entry.
    live_.merge(added);
    live_bytes_ += checkpoint_bytes_max(body.size());
    ++forces_;
    return {.result = ForceResult::durable, .id = id, .reason = {}};
}

void LocalLog::append_forgets(std::uint16_t flags) {
    auto flush = begin_flush();
    add_forgets(flush, free_pages());
    write_flush(flush, flags);
    sync_flush(flush);
}

// --- the interface

std::vector<Entry> LocalLog::live_entries() const {
    const std::lock_guard guard{mutex_};
    return to_entries(live_);
}

std::vector<Forced> LocalLog::force_many(std::vector<ForceRequest> requests) {
    std::vector<Forced> answers;
    for (auto& request : requests) {
        answers.push_back(force(std::move(request.reservation), request.body));
    }
    return answers;
}

void LocalLog::force_async(Reservation reservation, std::vector<std::byte> body,
                           Completion completion) {
    completion(force(std::move(reservation), body));
}

std::optional<Reservation> LocalLog::reserve(std::size_t bytes) {
    if (bytes > kEntryBytesMax) {
        throw std::length_error{
            fmt::format("an entry of {} bytes is longer than the {} that a log "
                        "takes",
                        bytes, kEntryBytesMax)};
    }
    if (is_forked_child()) {
        return std::nullopt;
    }
    const std::lock_guard guard{mutex_};
    const auto pages = pages_for(bytes);
    if (health_ == Health::poisoned || !make_room(pages)) {
        return std::nullopt;
    }
    reserved_pages_ += pages;
    return std::optional<Reservation>{std::in_place, *this, bytes};
}

void LocalLog::release(std::size_t bytes) noexcept {
    if (is_forked_child()) {
        return;
    }
    const std::lock_guard guard{mutex_};
    reserved_pages_ -= pages_for(bytes);
}

Forced LocalLog::force(Reservation reservation, std::span<const std::byte> body) noexcept {
    // Given back when this returns, after the mutex: by then its pages are used, or certainly not.
    const Reservation held{std::move(reservation)};
    if (is_forked_child()) {
        return refused(kForkedChild);
    }
    const std::lock_guard guard{mutex_};
    if (health_ == Health::poisoned) {
        return refused(reason_);
    }
    if (body.size() > held.bytes()) {
        return refused(fmt::format("the entry has {} bytes, and {} were reserved for it",
                                   body.size(), held.bytes()));
    }
    try {
        return append_entry(body);
    } catch (const std::bad_alloc&) {
        return refused("out of memory");
    }
}

void LocalLog::forget(EntryId id) noexcept {
    if (is_forked_child()) {
        return;
    }
    const std::lock_guard guard{mutex_};
    const auto entry = live_.find(id);
    if (entry == live_.end()) {
        return;
    }
    live_bytes_ -= checkpoint_bytes_max(entry->second.size());
    live_.erase(entry);
    if (health_ == Health::poisoned) {
        return;
    }
    pending_forgets_.push_back(id);
    // Without a page that nobody has reserved they wait for the next segment, whose checkpoint
    // leaves them out.
    if (pending_forgets_.size() >= kPendingForgetsMax && free_pages() > reserved_pages_) {
        try {
            append_forgets(0);
        } catch (const IoError& error) {
            poison(error.what());
        }
    }
}

LogStatus LocalLog::status() const {
    if (is_forked_child()) {
        return {Health::poisoned, kForkedChild, 0, 0, 0};
    }
    const std::lock_guard guard{mutex_};
    return {health_, reason_, forces_, syncs_, live_.size()};
}

void LocalLog::poison(std::string_view reason) {
    health_ = Health::poisoned;
    reason_ = fmt::format(
        "{}; the log accepts nothing more: stop this process, mend the disk, and open the "
        "log again, which finds out what it holds",
        reason);
}

}  // namespace xa_tm::recovery_log

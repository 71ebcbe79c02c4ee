#include "local_log.h"

#include <algorithm>
#include <new>
#include <tuple>
#include <utility>

#include <fmt/format.h>
#include <pthread.h>

#include "xa_tm/recovery_log/check.h"
#include "xa_tm/recovery_log/crash_point.h"

// Invariants:
// - live_ is what the next open will find, without the entries whose FORGOTTEN is still to be
//   written; every entry of it is durable in the segment in use.
// - A page is written once. A flush starts on a fresh page, and only after the flush before it was
//   synced.
// - holds(promised_, free_pages_, pages of the spare) at any time. So a force with a reservation
//   writes over zeros that are on disk, and needs no new space. What nobody has reserved (forgets,
//   seals) takes pages only while all that is promised fits in the segment in use without them.
// - The leader alone (GroupCommit) writes, changes free_pages_ and adds to live_, the last two
// under
//   mutex_ as well, so that it may read them without.
// - Once is_dead(), no file is written or synced again.
namespace xa_tm::recovery_log {
namespace {

/// A batch is cut into flushes of about this size, so that the memory for one stays small.
constexpr std::size_t kFlushPagesMax = 1024;
constexpr std::size_t kForgottenRecordBytes = record_bytes(sizeof(EntryId));
constexpr std::size_t kForgetsPerPage = kPageRoomBytes / kForgottenRecordBytes;
/// maintain() does not try more often to make a spare when that has failed.
constexpr std::chrono::seconds kSupplyPause{1};

constexpr const char* kForkedChild =
    "this process is a forked child of the log's owner and does not own it";

/// A thread that is cancelled while it writes for others would leave them without an answer.
class NoCancellation {
public:
    NoCancellation() noexcept { ::pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before_); }
    ~NoCancellation() { ::pthread_setcancelstate(before_, nullptr); }
    NoCancellation(const NoCancellation&) = delete;
    NoCancellation& operator=(const NoCancellation&) = delete;

private:
    int before_ = 0;
};

std::size_t notes_bytes(const std::vector<OperatorNote>& notes) {
    std::size_t bytes = 0;
    for (const auto& note : notes) {
        bytes += record_bytes(encode_body(note).size());
    }
    return bytes;
}

}  // namespace

LocalLog::LocalLog(FileSystem& file_system, std::filesystem::path directory, LogLayout layout,
                   std::unique_ptr<DirectoryLock> lock, LogStart start)
    : file_system_{file_system},
      directory_{std::move(directory)},
      layout_{layout},
      generation_{process_generation()},
      lock_{std::move(lock)},
      ident_{std::move(start.ident)},
      epoch_{start.epoch},
      is_birth_{start.is_birth},
      torn_pages_{start.torn_pages},
      degraded_pages_{start.degraded_pages},
      quarantined_through_{start.quarantined_through},
      notes_{std::move(start.notes)},
      unused_{start.unused},
      predecessor_{start.predecessor},
      next_page_no_{start.next_page_no},
      last_crc_{start.last_crc},
      next_seq_{start.next_seq},
      supply_{file_system, directory_, epoch_, layout.copies},
      live_{std::move(start.live)},
      group_{*this} {
    promised_.checkpoint_bytes = notes_bytes(notes_);
    for (const auto& [id, body] : live_) {
        promised_.checkpoint_bytes += record_bytes(body.size());
    }
}

LocalLog::~LocalLog() {
    if (is_forked_child() || !is_started_) {
        return;
    }
    // Also without a forget: whatever stands behind the last entries proves that they were durable.
    is_closing_ = true;
    try {
        if (wants_a_spare_to_close()) {
            // Without one, on a full disk, the next open finds what was forgotten and does it
            // again.
            std::ignore = supply_spare(spare_pages_wanted(promised_, 1));
        }
    } catch (const std::bad_alloc&) {
        // The same.
    }
    static_cast<void>(group_.try_flush());
    supply_.tidy();
}

void LocalLog::start() {
    const auto pages = spare_pages_wanted(promised_, layout_.segment_pages);
    const bool fits = unused_ && unused_->file_pages >= pages * layout_.copies;
    spare_ = fits ? supply_.adopt(*unused_) : supply_.make(pages);
    rotate();
    if (is_birth_) {
        // The log exists from here on.
        write_ident(file_system_, directory_, ident_);
    }
    lock_->publish(epoch_);
    is_started_ = true;
}

// --- the leader's work

void LocalLog::flush(CommitQueue batch) noexcept {
    auto* rest = static_cast<Append*>(batch.first);
    auto* end = rest;
    bool is_half_done = false;
    try {
        while (!refuse_if_dead(rest)) {
            end = encode(rest);
            is_half_done = true;
            if ((end == rest && rest != nullptr) || closes_better_in_the_spare()) {
                rotate();
                is_half_done = false;
                continue;
            }
            if (encoder_.is_empty() && flags_ == 0) {
                return;
            }
            write_and_sync(*writer_, flags_);
            is_half_done = false;
            // Durable from here: every later open finds these entries.
            acknowledge(rest, end);
            rest = end;
            if (rest == nullptr) {
                return;
            }
        }
    } catch (const IoError& error) {
        const std::lock_guard guard{mutex_};
        poison(error.what());
        answer(rest, end, ForceResult::unknown);
        answer(end, nullptr, ForceResult::refused);
    } catch (const std::bad_alloc&) {
        const std::lock_guard guard{mutex_};
        if (is_half_done) {
            poison("out of memory in the middle of a flush");
        } else {
            end = rest;  // nothing was written
        }
        drop_claim();
        answer(rest, end, ForceResult::unknown);
        answer(end, nullptr, ForceResult::refused);
    }
}

bool LocalLog::refuse_if_dead(Append* first) {
    const std::lock_guard guard{mutex_};
    if (is_dead()) {
        answer(first, nullptr, ForceResult::refused);
    }
    return is_dead();
}

/// Fills the encoder with as much as the segment in use takes; the first request that is left over.
LocalLog::Append* LocalLog::encode(Append* first) {
    claim_pages_for_forgets(first == nullptr);
    begin_encoding(Packing::whole);
    auto* end = first;
    while (end != nullptr && encoder_.pages() <= kFlushPagesMax &&
           encoder_.pages_with(end->entry.mapped().size()) <= writer_->free_pages()) {
        end->entry.key() = next_seq_++;
        encoder_.add(RecordType::entry, end->entry.key(), end->entry.mapped());
        end = static_cast<Append*>(end->next);
    }
    if (!encoder_.is_empty() || claimed_pages_ > 0) {
        add_forgets((encoder_.is_empty() ? 0 : encoder_.pages()) + claimed_pages_);
    }
    return end;
}

/// Nobody has reserved pages for forgets: they go where there is room, or wait for the next
/// checkpoint, which leaves their entries out.
void LocalLog::claim_pages_for_forgets(bool is_idle) {
    const std::lock_guard guard{mutex_};
    forgets_.insert(forgets_.end(), pending_forgets_.begin(), pending_forgets_.end());
    pending_forgets_.clear();
    auto wanted = (forgets_.size() + kForgetsPerPage - 1) / kForgetsPerPage;
    flags_ = 0;
    if (is_idle) {
        flags_ = is_closing_ ? page_flags::kCleanShutdown : is_seal_due() ? page_flags::kSeal : 0;
        wanted = flags_ == 0 ? 0 : std::max<std::size_t>(wanted, 1);
    }
    const auto unclaimed = free_pages_ - std::min(free_pages_, promised_.pages);
    claimed_pages_ = std::min(wanted, unclaimed);
    promised_.pages += claimed_pages_;
    if (claimed_pages_ == 0) {
        flags_ = 0;
    }
}

void LocalLog::drop_claim() noexcept {
    promised_.pages -= std::exchange(claimed_pages_, 0);
}

void LocalLog::begin_encoding(Packing packing) {
    encoder_.begin({.log_id = ident_.id,
                    .segment = writer_->name(),
                    .first_page_no = next_page_no_,
                    .prev_crc = last_crc_},
                   packing);
}

void LocalLog::add_forgets(std::size_t pages_max) {
    for (forgets_encoded_ = 0;
         forgets_encoded_ < forgets_.size() && encoder_.pages_with(sizeof(EntryId)) <= pages_max;
         ++forgets_encoded_) {
        encoder_.add(RecordType::forgotten, next_seq_++,
                     encode_forgotten(forgets_[forgets_encoded_]));
    }
}

void LocalLog::write_and_sync(SegmentWriter& writer, std::uint16_t flags) {
    const auto layout = writer.copies() == 2 ? page_flags::kTwoCopies : std::uint16_t{0};
    writer.write(encoder_.finish(flags | layout));
    XA_TM_CRASH_POINT("log.entry_written");
    writer.sync();
    next_page_no_ += encoder_.pages();
    last_crc_ = encoder_.last_crc();
}

void LocalLog::acknowledge(Append* first, const Append* end) {
    const std::lock_guard guard{mutex_};
    is_sealed_ = first == end;
    for (auto* append = first; append != end; append = static_cast<Append*>(append->next)) {
        give_back(append->reserved_bytes);
        promised_.checkpoint_bytes += record_bytes(append->entry.mapped().size());
        append->forced = {ForceResult::durable, append->entry.key(), {}};
        live_.insert(live_.end(), std::move(append->entry));
        ++forces_;
    }
    forgets_.erase(forgets_.begin(),
                   forgets_.begin() + static_cast<std::ptrdiff_t>(forgets_encoded_));
    drop_claim();
    free_pages_ = writer_->free_pages();
    last_flush_ = Clock::now();
    ++syncs_;
}

/// For those whose entry is not durable.
void LocalLog::answer(Append* first, const Append* end, ForceResult result) {
    for (auto* append = first; append != end; append = static_cast<Append*>(append->next)) {
        give_back(append->reserved_bytes);
        append->forced = {result, 0, is_dead() ? reason_ : "out of memory"};
    }
}

void LocalLog::give_back(std::size_t reserved_bytes) noexcept {
    promised_.pages -= pages_for(reserved_bytes);
    promised_.checkpoint_bytes -= record_bytes(reserved_bytes);
}

void LocalLog::complete(CommitQueue detached) noexcept {
    for (auto* next = detached.first; next != nullptr;) {
        const std::unique_ptr<Append> append{static_cast<Append*>(next)};
        next = append->next;
        append->completion(append->forced);
    }
}

bool LocalLog::is_seal_due() const noexcept {
    return !is_dead() && (!is_sealed_ || !pending_forgets_.empty() || !forgets_.empty()) &&
           Clock::now() - last_flush_ >= layout_.idle_before_seal;
}

bool LocalLog::wants_a_spare_to_close() const {
    const std::lock_guard guard{mutex_};
    return !is_dead() && !spare_ && !fits_forgets(forgets_.size() + pending_forgets_.size());
}

bool LocalLog::closes_better_in_the_spare() const {
    const std::lock_guard guard{mutex_};
    return is_closing_ && spare_ && !fits_forgets(forgets_.size());
}

/// Under mutex_. Forgets that the segment in use has no room for would be live again at the next
/// open.
bool LocalLog::fits_forgets(std::size_t count) const noexcept {
    return count <= free_pages_ * kForgetsPerPage;
}

/// Goes on in the spare, which then says everything that the segment in use says.
void LocalLog::rotate() {
    {
        const std::lock_guard guard{mutex_};
        XA_TM_CHECK(spare_.has_value(), "what is promised fits without one");
        SegmentWriter next{std::move(spare_->file), spare_->name, spare_->pages, layout_.copies};
        writer_ = std::move(next);
        spare_.reset();
        drop_claim();
        encode_checkpoint();
        forgets_.clear();  // the checkpoint does not list them
        pending_forgets_.clear();
        free_pages_ = writer_->pages() - encoder_.pages();
    }
    write_and_sync(*writer_, page_flags::kSegmentHead);
    // Durable from here: the new segment replaces the old one.
    XA_TM_CRASH_POINT("log.checkpoint_forced");
    if (predecessor_.name.epoch > 0) {
        supply_.retire(predecessor_);
    }
    predecessor_ = {writer_->name(), writer_->file_pages()};
    if (encoder_.pages() > kFlushPagesMax) {
        encoder_ = FlushEncoder{};  // no batch needs as much memory as that
    }
    const std::lock_guard guard{mutex_};
    ++syncs_;
}

void LocalLog::encode_checkpoint() {
    begin_encoding(Packing::dense);
    const SegmentHead head{.segment_pages = static_cast<std::uint32_t>(writer_->file_pages()),
                           .predecessor = predecessor_.name,
                           .predecessor_last_page = next_page_no_ - 1,
                           .predecessor_last_crc = last_crc_,
                           .torn_pages = is_started_ ? 0 : torn_pages_,
                           .first_needed = writer_->name(),
                           .node = ident_.node,
                           .writer = XA_TM_VERSION};
    encoder_.add(RecordType::segment_head, next_seq_++, encode_body(head));
    for (const auto& note : notes_) {
        encoder_.add(RecordType::operator_note, next_seq_++, encode_body(note));
    }
    if (quarantined_through_ > 0) {
        encoder_.add(RecordType::quarantine, next_seq_++, encode_quarantine(quarantined_through_));
    }
    CheckpointEnd end{.count = live_.size(), .set_crc = 0};
    for (const auto& [id, body] : live_) {
        encoder_.add(RecordType::entry, id, body);
        end.set_crc = extend_set_crc(end.set_crc, id, body);
    }
    encoder_.add(RecordType::checkpoint_end, next_seq_++, encode_body(end));
}

// --- space

/// Under mutex_.
bool LocalLog::promise(std::size_t bytes) {
    const auto promised = promised_.with_entry(bytes);
    const auto spare_pages = spare_ ? spare_->pages : 0;
    if (is_dead() || !promised.fits_a_checkpoint() || !holds(promised, free_pages_, spare_pages)) {
        return false;
    }
    promised_ = promised;
    health_ = Health::healthy;
    reason_.clear();
    return true;
}

/// Promises space for which a new spare is needed.
bool LocalLog::make_room(std::size_t bytes) {
    const std::lock_guard supply_guard{supply_mutex_};
    for (;;) {
        std::size_t pages = 0;
        {
            const std::lock_guard guard{mutex_};
            if (promise(bytes)) {
                return true;
            }
            const auto promised = promised_.with_entry(bytes);
            if (is_dead()) {
                return false;
            }
            if (!promised.fits_a_checkpoint()) {
                health_ = Health::full;
                reason_ = fmt::format("{} entries are live, as many as one checkpoint can hold",
                                      live_.size());
                return false;
            }
            pages = spare_pages_wanted(promised, layout_.segment_pages);
        }
        if (const auto failure = supply_spare(pages)) {
            const std::lock_guard guard{mutex_};
            if (!is_dead()) {
                // The segment in use is as it was, and keeps what it has promised.
                health_ = Health::full;
                reason_ = *failure;
            }
            return false;
        }
    }
}

/// Under supply_mutex_. Why there is no spare now, if there is none.
std::optional<std::string> LocalLog::supply_spare(std::size_t pages) {
    try {
        auto blank = supply_.make(pages);
        const std::lock_guard guard{mutex_};
        if (spare_) {
            supply_.retire({spare_->name, spare_->pages * layout_.copies});
        }
        spare_ = std::move(blank);
        return std::nullopt;
    } catch (const IoError& error) {
        return to_log_error(error).what();
    } catch (const Fenced& fenced) {
        const std::lock_guard guard{mutex_};
        health_ = Health::fenced;
        reason_ = fenced.what();
        return reason_;
    }
}

// --- the interface

std::vector<Entry> LocalLog::live_entries() const {
    const std::lock_guard guard{mutex_};
    std::vector<Entry> entries;
    entries.reserve(live_.size());
    for (const auto& [id, body] : live_) {
        entries.push_back({id, body});
    }
    return entries;
}

std::optional<Reservation> LocalLog::reserve(std::size_t bytes) {
    if (bytes > kEntryBytesMax) {
        throw std::length_error{fmt::format(
            "an entry of {} bytes is longer than the {} that a log takes", bytes, kEntryBytesMax)};
    }
    if (is_forked_child()) {
        return std::nullopt;
    }
    std::unique_lock lock{mutex_};
    const bool is_promised = promise(bytes);
    lock.unlock();
    if (!is_promised && !make_room(bytes)) {
        return std::nullopt;
    }
    return std::optional<Reservation>{std::in_place, *this, bytes};
}

void LocalLog::release(std::size_t bytes) noexcept {
    if (is_forked_child()) {
        return;
    }
    const std::lock_guard guard{mutex_};
    give_back(bytes);
}

/// Whether the entry may be written; `forced` says why not.
bool LocalLog::prepare(Append& append, Reservation reservation, std::span<const std::byte> body) {
    if (is_forked_child()) {
        append.forced.reason = kForkedChild;
        return false;
    }
    if (body.size() > reservation.bytes()) {
        append.forced.reason = fmt::format("the entry has {} bytes, and {} were reserved for it",
                                           body.size(), reservation.bytes());
        return false;
    }
    LiveSet one;
    one.emplace(0, std::vector<std::byte>{body.begin(), body.end()});
    append.entry = one.extract(one.begin());
    append.reserved_bytes = reservation.bytes();
    reservation.take_over();
    return true;
}

Forced LocalLog::force(Reservation reservation, std::span<const std::byte> body) noexcept {
    const NoCancellation uncancelled;
    Append append;
    try {
        if (!prepare(append, std::move(reservation), body)) {
            return std::move(append.forced);
        }
    } catch (const std::bad_alloc&) {
        return {ForceResult::refused, 0, "out of memory"};
    }
    CommitQueue queue;
    queue.append(append);
    group_.commit(queue);
    return std::move(append.forced);
}

std::vector<Forced> LocalLog::force_many(std::vector<ForceRequest> requests) {
    const NoCancellation uncancelled;
    std::vector<Forced> answers(requests.size());
    std::vector<Append> appends(requests.size());
    CommitQueue queue;
    // All memory is taken before the first entry is on its way.
    std::vector<char> is_prepared(requests.size());
    for (std::size_t i = 0; i < requests.size(); ++i) {
        is_prepared[i] = static_cast<char>(
            prepare(appends[i], std::move(requests[i].reservation), requests[i].body));
    }
    for (std::size_t i = 0; i < requests.size(); ++i) {
        if (is_prepared[i] != 0) {
            queue.append(appends[i]);
        }
    }
    if (queue.size > 0) {
        group_.commit(queue);
    }
    for (std::size_t i = 0; i < requests.size(); ++i) {
        answers[i] = std::move(appends[i].forced);
    }
    return answers;
}

void LocalLog::force_async(Reservation reservation, std::vector<std::byte> body,
                           Completion completion) {
    const NoCancellation uncancelled;
    auto append = std::make_unique<Append>();
    append->completion = std::move(completion);
    if (!prepare(*append, std::move(reservation), body)) {
        append->completion(append->forced);
        return;
    }
    CommitQueue queue;
    queue.append(*append.release());
    group_.submit(queue);
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
    promised_.checkpoint_bytes -= record_bytes(entry->second.size());
    live_.erase(entry);
    if (!is_dead()) {
        pending_forgets_.push_back(id);
    }
}

void LocalLog::maintain() noexcept {
    if (is_forked_child()) {
        return;
    }
    const NoCancellation uncancelled;
    try {
        const std::lock_guard supply_guard{supply_mutex_};
        std::unique_lock lock{mutex_};
        const bool wants_spare = !spare_ && !is_dead() && Clock::now() >= next_supply_;
        const auto pages = spare_pages_wanted(promised_, layout_.segment_pages);
        lock.unlock();
        if (wants_spare && supply_spare(pages)) {
            lock.lock();
            next_supply_ = Clock::now() + kSupplyPause;
            lock.unlock();
        }
        supply_.tidy();
    } catch (const std::bad_alloc&) {
        // The next call, or reserve(), tries again.
    }
    std::unique_lock lock{mutex_};
    const bool is_due = is_seal_due();
    lock.unlock();
    if (is_due) {
        static_cast<void>(group_.try_flush());
    }
}

LogStatus LocalLog::status() const {
    if (is_forked_child()) {
        return {Health::poisoned, kForkedChild, 0, 0, 0, torn_pages_, degraded_pages_};
    }
    const std::lock_guard guard{mutex_};
    return {health_, reason_, forces_, syncs_, live_.size(), torn_pages_, degraded_pages_};
}

void LocalLog::poison(std::string_view reason) {
    health_ = Health::poisoned;
    reason_ = fmt::format(
        "{}; the log accepts nothing more: stop this process, mend the disk, and open the log "
        "again, which finds out what it holds",
        reason);
}

}  // namespace xa_tm::recovery_log

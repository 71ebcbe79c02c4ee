// Invariants:
// - a place is taken for each lease that will give one back, whether or not its connection still
//   lives, and for each waiter whose turn is `granted`;
// - in_use() + idle_.size() <= pool_size_max;
// - somebody waits only while in_use() is pool_size_max; waiters_ holds those whose turn is
//   `waiting`, in order;
// - every idle connection was reusable when its lease ended; those idle for longest are in front;
// - a closed connection is never idle.

#include "connection_pool.h"

#include <algorithm>

#include <fmt/format.h>

#include "xa_tm/recovery_log/check.h"

namespace xa_tm {
namespace {

using std::chrono::duration_cast;
using std::chrono::microseconds;
using std::chrono::milliseconds;

/// Whom the error of an exhausted pool names; the longest matter.
constexpr std::size_t kHoldersNamed = 5;

std::string_view words_for(Activity activity) {
    switch (activity) {
        case Activity::opening: return "opening its branch";
        case Activity::statement: return "a statement is running";
        case Activity::between: return "between statements";
        case Activity::application: return "in the application's hands";
        case Activity::committing: return "committing";
        case Activity::rolling_back: return "rolling back";
    }
    XA_TM_CHECK(false, "every activity has its words");
}

}  // namespace

ConnectionPool::Lease::~Lease() {
    if (place_ != nullptr) {
        if (is_closed_) {
            connection_.reset();
        }
        pool_->put_back(*place_, {std::move(connection_), opened_at_, {}});
    }
}

void ConnectionPool::Lease::reconnect(const SessionMark& mark) {
    remember_lost();
    if (connection_ != nullptr) {
        connection_.reset();
        ++pool_->closed_;
    }
    try {
        connection_ = pool_->datasource_.connect(mark);
    } catch (...) {
        const std::scoped_lock lock{pool_->mutex_};
        ++pool_->figures_.failed_to_open;
        throw;
    }
    opened_at_ = Clock::now();
    is_fresh_ = true;
    pool_->note_target(*connection_);
    const std::scoped_lock lock{pool_->mutex_};
    ++pool_->figures_.opened;
}

void ConnectionPool::Lease::close() noexcept {
    if (connection_ != nullptr && !is_closed_) {
        remember_lost();
        connection_->close();
        if (place_ != nullptr) {
            ++pool_->closed_;
        }
    }
    is_closed_ = true;
}

/// The server may not have noticed that the session is over.
void ConnectionPool::Lease::remember_lost() noexcept {
    if (connection_ != nullptr && connection_->session_id().number != 0) {
        const std::scoped_lock lock{pool_->mutex_};
        pool_->lost_sessions_.push_back(connection_->session_id());
    }
}

ConnectionPool::Successor::~Successor() {
    if (waiter_ != nullptr) {
        const std::scoped_lock lock{pool_->mutex_};
        waiter_->turn = Turn::lost;
        waiter_->changed.notify_one();
    }
}

const std::vector<Request>& ConnectionPool::Successor::batch() const noexcept {
    return waiter_->batch;
}

void ConnectionPool::Successor::take_over(Lease lease) noexcept {
    const std::scoped_lock lock{pool_->mutex_};
    auto& waiter = *std::exchange(waiter_, nullptr);
    waiter.is_batch_sent = true;
    if (lease.place_ != nullptr) {
        pool_->figures_.used_total +=
            duration_cast<microseconds>(Clock::now() - lease.place_->since);
    }
    // Its place goes over as well.
    grant(waiter, std::exchange(lease.place_, nullptr),
          {std::move(lease.connection_), lease.opened_at_, {}});
}

void ConnectionPool::Successor::wait_on() noexcept {
    const std::scoped_lock lock{pool_->mutex_};
    auto& waiter = *std::exchange(waiter_, nullptr);
    if (!pool_->is_full()) {
        // A place came free while nobody stood in line: nobody else would give it to this one.
        auto* place = pool_->occupy(waiter.gtrid);
        grant(waiter, place, pool_->take_idle());
        return;
    }
    waiter.turn = Turn::waiting;
    pool_->waiters_.push_front(&waiter);
    waiter.changed.notify_one();
}

ConnectionPool::Lease ConnectionPool::acquire(const SessionMark& mark, std::string_view gtrid,
                                              std::vector<Request> batch) {
    std::unique_lock lock{mutex_};
    ++figures_.acquired;
    if (is_full()) {
        Waiter waiter{.gtrid = gtrid, .batch = std::move(batch)};
        auto lease = wait_for_turn(lock, waiter);
        lock.unlock();
        if (lease.connection_ == nullptr && waiter.turn != Turn::lost) {
            lease.reconnect(mark);
        }
        return lease;
    }
    auto* place = occupy(gtrid);
    Lease lease{*this, place, take_sound_idle(lock), false};  // gives its place back on a throw
    lock.unlock();
    if (lease.connection_ == nullptr) {
        lease.reconnect(mark);
    }
    return lease;
}

ConnectionPool::Lease ConnectionPool::lease_of_lent(
    std::unique_ptr<Connection> connection) noexcept {
    return {*this, nullptr, {std::move(connection), {}, {}}, true};
}

ConnectionPool::Lease ConnectionPool::wait_for_turn(std::unique_lock<std::mutex>& lock,
                                                    Waiter& waiter) {
    const auto began = Clock::now();
    const auto deadline = began + datasource_.options().pool_timeout;
    const auto note_wait = [&] {
        const auto waited = duration_cast<microseconds>(Clock::now() - began);
        figures_.waited_total += waited;
        figures_.waited_longest = std::max(figures_.waited_longest, waited);
    };
    waiters_.push_back(&waiter);
    while (waiter.turn == Turn::waiting || waiter.turn == Turn::chosen) {
        if (waiter.turn == Turn::chosen) {
            waiter.changed.wait(lock);  // whoever has chosen it waits for a server at most
        } else if (waiter.changed.wait_until(lock, deadline) == std::cv_status::timeout &&
                   waiter.turn == Turn::waiting) {
            waiters_.remove(&waiter);
            note_wait();
            --figures_.acquired;
            ++figures_.timed_out;
            throw exhausted();
        }
    }
    note_wait();
    // Of a lost connection the place is still that of whoever has lost it.
    const bool is_lost = waiter.turn == Turn::lost;
    if (waiter.place != nullptr) {  // taken since by somebody else
        waiter.place->gtrid = waiter.gtrid;
        waiter.place->since = Clock::now();
        waiter.place->activity = waiter.is_batch_sent ? Activity::statement : Activity::opening;
    }
    Lease lease{*this, waiter.place, std::move(waiter.pooled), waiter.is_batch_sent || is_lost};
    lease.is_batch_sent_ = waiter.is_batch_sent;
    return lease;
}

Error ConnectionPool::exhausted() const {
    const auto& options = datasource_.options();
    return {{.code = ErrorCode::pool_exhausted, .resource = datasource_.name()},
            fmt::format("resource {}: all {} connections are in use and none came back within {} "
                        "ms; end transactions sooner or raise pool_size_max; held by {}",
                        datasource_.name(), options.pool_size_max, options.pool_timeout.count(),
                        holders())};
}

/// Who has a connection, for how long, and what for; who has it for longest comes first.
std::string ConnectionPool::holders() const {
    std::vector<const Place*> taken;
    for (const auto& place : places_) {
        if (std::ranges::find(free_places_, place.get()) == free_places_.end()) {
            taken.push_back(place.get());
        }
    }
    std::ranges::sort(taken, {}, &Place::since);
    const auto now = Clock::now();
    std::string text;
    for (std::size_t i = 0; i < std::min(taken.size(), kHoldersNamed); ++i) {
        text += fmt::format("{}{} for {} ms ({})", i == 0 ? "" : ", ",
                            taken[i]->gtrid.empty() ? "the pool itself" : taken[i]->gtrid,
                            duration_cast<milliseconds>(now - taken[i]->since).count(),
                            words_for(taken[i]->activity));
    }
    return taken.size() <= kHoldersNamed
               ? text
               : fmt::format("{} and {} more", text, taken.size() - kHoldersNamed);
}

std::optional<ConnectionPool::Successor> ConnectionPool::next_successor() {
    const std::scoped_lock lock{mutex_};
    if (waiters_.empty() || waiters_.front()->batch.empty()) {
        return std::nullopt;
    }
    auto& waiter = *waiters_.front();
    waiters_.pop_front();
    waiter.turn = Turn::chosen;
    return Successor{*this, waiter};
}

bool ConnectionPool::is_full() const noexcept {
    return in_use() >= datasource_.options().pool_size_max;
}

ConnectionPool::Place* ConnectionPool::occupy(std::string_view gtrid) {
    if (free_places_.empty()) {
        free_places_.reserve(places_.size() + 1);  // so that vacate() needs no memory
        places_.push_back(std::make_unique<Place>());
        free_places_.push_back(places_.back().get());
    }
    auto* place = free_places_.back();
    place->gtrid = gtrid;
    place->since = Clock::now();
    place->activity = Activity::opening;
    free_places_.pop_back();
    return place;
}

void ConnectionPool::vacate(Place& place) noexcept {
    free_places_.push_back(&place);
}

void ConnectionPool::put_back(Place& place, Pooled pooled) noexcept {
    const auto now = Clock::now();
    if (pooled.connection != nullptr &&
        (!pooled.connection->is_reusable() || is_too_old(pooled, now))) {
        pooled.connection.reset();
        ++closed_;
    }
    const std::scoped_lock lock{mutex_};
    figures_.used_total += duration_cast<microseconds>(now - place.since);
    if (!waiters_.empty()) {
        auto& waiter = *waiters_.front();
        waiters_.pop_front();
        grant(waiter, &place, std::move(pooled));
        return;
    }
    vacate(place);
    if (pooled.connection != nullptr) {
        pooled.idle_since = now;
        idle_.push_back(std::move(pooled));
    }
}

bool ConnectionPool::is_too_old(const Pooled& pooled, Clock::time_point now) const noexcept {
    const auto lifetime = datasource_.options().connection_lifetime_max;
    return lifetime.count() > 0 && now - pooled.opened_at > lifetime;
}

/// Without a connection when none is idle.
ConnectionPool::Pooled ConnectionPool::take_idle() noexcept {
    Pooled pooled;
    if (!idle_.empty()) {
        pooled = std::move(idle_.back());
        idle_.pop_back();
    }
    return pooled;
}

/// The same, of those that no server has closed meanwhile, as far as can be seen from here. A place
/// was taken for it.
ConnectionPool::Pooled ConnectionPool::take_sound_idle(
    std::unique_lock<std::mutex>& lock) noexcept {
    for (;;) {
        auto pooled = take_idle();
        if (pooled.connection == nullptr) {
            return pooled;
        }
        lock.unlock();
        const bool is_dead = !pooled.connection->is_silent();
        const bool is_kept = !is_dead && !is_too_old(pooled, Clock::now());
        if (!is_kept) {
            pooled.connection.reset();
        }
        lock.lock();
        if (is_kept) {
            return pooled;
        }
        ++closed_;
        figures_.found_dead += is_dead ? 1 : 0;
    }
}

/// Without a connection the waiter opens one.
void ConnectionPool::grant(Waiter& waiter, Place* place, Pooled pooled) noexcept {
    waiter.place = place;
    waiter.pooled = std::move(pooled);
    waiter.turn = Turn::granted;
    waiter.changed.notify_one();
}

void ConnectionPool::clear() noexcept {
    std::vector<Pooled> closing;
    const std::scoped_lock lock{mutex_};
    closing.swap(idle_);
    closed_ += closing.size();
}

void ConnectionPool::close_outdated() noexcept {
    std::vector<Pooled> closing;
    const auto now = Clock::now();
    const auto& options = datasource_.options();
    const std::scoped_lock lock{mutex_};
    auto open = in_use() + idle_.size();
    const auto is_outdated = [&](const Pooled& pooled) {
        const bool is_dead = !pooled.connection->is_silent();
        const bool is_idle_too_long = options.idle_timeout.count() > 0 &&
                                      now - pooled.idle_since > options.idle_timeout &&
                                      open > options.pool_size_min;
        figures_.found_dead += is_dead ? 1 : 0;
        return is_dead || is_idle_too_long || is_too_old(pooled, now);
    };
    std::vector<Pooled> kept;
    for (auto& pooled : idle_) {
        const bool closes = is_outdated(pooled);
        open -= closes ? 1 : 0;
        (closes ? closing : kept).push_back(std::move(pooled));
    }
    idle_.swap(kept);
    closed_ += closing.size();
}

bool ConnectionPool::open_one_more(const SessionMark& mark) {
    std::unique_lock lock{mutex_};
    if (in_use() + idle_.size() >= datasource_.options().pool_size_min) {
        return false;
    }
    Lease lease{*this, occupy({}), {}, true};  // becomes idle at its end
    lock.unlock();
    lease.reconnect(mark);
    return true;
}

PoolStatus ConnectionPool::status() const {
    const std::scoped_lock lock{mutex_};
    auto status = figures_;
    status.in_use = in_use();
    status.idle = idle_.size();
    status.waiting = waiters_.size();
    status.size_min = datasource_.options().pool_size_min;
    status.size_max = datasource_.options().pool_size_max;
    status.closed = closed_;
    return status;
}

void ConnectionPool::note_target(const Connection& connection) {
    Target target{connection.server_identity(), connection.owner_of_branches()};
    const std::scoped_lock lock{mutex_};
    target_ = std::move(target);
}

ConnectionPool::Target ConnectionPool::target() const {
    const std::scoped_lock lock{mutex_};
    return target_;
}

std::vector<SessionId> ConnectionPool::lost_sessions() const {
    const std::scoped_lock lock{mutex_};
    return lost_sessions_;
}

void ConnectionPool::forget_lost_session(const SessionId& session) {
    const std::scoped_lock lock{mutex_};
    std::erase(lost_sessions_, session);
}

}  // namespace xa_tm

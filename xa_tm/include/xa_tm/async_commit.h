#pragma once

// The only header of xa_tm that needs Boost.Asio (1.74 or later), and that only as headers.

#include <algorithm>
#include <chrono>
#include <concepts>
#include <list>
#include <memory>
#include <optional>
#include <utility>

#include <boost/asio/associated_allocator.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/execution/context.hpp>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/query.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/system_context.hpp>
#include <fcntl.h>
#include <unistd.h>

#include "xa_tm/commit_operation.h"
#include "xa_tm/transaction.h"

namespace xa_tm {
namespace detail {

/// True for the executor that a handler has when the application has given it none: its threads are
/// Boost's own.
template <class Executor>
inline constexpr bool kIsSystemExecutor = requires(const Executor& executor) {
    {
        boost::asio::query(executor, boost::asio::execution::context)
        } -> std::same_as<boost::asio::system_context&>;
};

/// The report on its way to the handler; of one that never gets there nobody has to look at it.
template <class Handler, class Executor>
class CommitDelivery {
public:
    using executor_type = boost::asio::associated_executor_t<Handler, Executor>;
    using allocator_type = boost::asio::associated_allocator_t<Handler>;

    CommitDelivery(Handler handler, Executor executor, CommitReport report)
        : handler_{std::move(handler)},
          executor_{std::move(executor)},
          report_{std::move(report)} {}
    CommitDelivery(CommitDelivery&&) = default;
    CommitDelivery(const CommitDelivery&) = default;
    CommitDelivery& operator=(CommitDelivery&&) = delete;
    CommitDelivery& operator=(const CommitDelivery&) = delete;
    ~CommitDelivery() { static_cast<void>(report_.outcome()); }

    void operator()() { std::move(handler_)(std::move(report_)); }

    [[nodiscard]] executor_type get_executor() const noexcept {
        return boost::asio::get_associated_executor(handler_, executor_);
    }
    [[nodiscard]] allocator_type get_allocator() const noexcept {
        return boost::asio::get_associated_allocator(handler_);
    }

private:
    Handler handler_;
    Executor executor_;
    CommitReport report_;
};

/// Carries a CommitOperation on in a strand of the executor.
///
/// Ownership: kept by its waits, of which that for the timer lasts until it is done; so it ends
/// with the execution context at the latest.
/// Thread safety: everything but start() runs in the strand.
template <class Handler, class Executor>
class AsyncCommit : public std::enable_shared_from_this<AsyncCommit<Handler, Executor>> {
public:
    AsyncCommit(Handler handler, const Executor& executor)
        : handler_{std::move(handler)}, strand_{executor}, timer_{strand_} {}

    void start(Transaction& transaction, Return until) {
        auto wake = [strand = strand_, weak = this->weak_from_this()] {
            boost::asio::post(strand, [weak] {
                if (const auto self = weak.lock()) {
                    self->advance();
                }
            });
        };
        auto commit = transaction.start_commit(until, std::move(wake));
        if (commit.is_done()) {
            commit_.emplace(std::move(commit));
            boost::asio::post(take_delivery());
            return;
        }
        // Goes on in the strand only: the log's answer may be on its way there already.
        boost::asio::post(strand_,
                          [self = this->shared_from_this(), begun = std::move(commit)]() mutable {
                              self->commit_.emplace(std::move(begun));
                              self->advance();
                          });
    }

private:
    using Strand = boost::asio::strand<Executor>;
    using Descriptor = boost::asio::posix::basic_stream_descriptor<Strand>;
    using Timer = boost::asio::basic_waitable_timer<
        std::chrono::steady_clock, boost::asio::wait_traits<std::chrono::steady_clock>, Strand>;
    using TimePoint = std::chrono::steady_clock::time_point;

    /// How often a connection is looked at that can't be watched, for want of descriptors.
    static constexpr std::chrono::milliseconds kUnwatchedInterval{10};

    /// A duplicate of a connection's descriptor: the connection may close its own at any time, and
    /// the application may have that one in the same event loop already.
    struct Watch {
        Watch(const CommitOperation::Wait& wait, const Strand& strand)
            : branch{wait.branch}, descriptor{wait.readiness.descriptor}, duplicate{strand} {}

        std::size_t branch;
        int descriptor;
        Descriptor duplicate;
        bool is_reading = false;
        bool is_writing = false;
    };

    /// What a wait calls; allocated with the handler's allocator.
    template <class Action>
    struct Step {
        using allocator_type = boost::asio::associated_allocator_t<Handler>;
        std::shared_ptr<AsyncCommit> self;
        Action action;
        allocator_type allocator;

        void operator()(const boost::system::error_code& error) {
            if (error != boost::asio::error::operation_aborted) {
                action(*self);
            }
        }
        [[nodiscard]] allocator_type get_allocator() const noexcept { return allocator; }
    };
    template <class Action>
    [[nodiscard]] Step<Action> step(Action action) {
        return {this->shared_from_this(), std::move(action),
                boost::asio::get_associated_allocator(*handler_)};
    }

    void advance() {
        if (!commit_) {
            return;  // it has not begun here, or is done
        }
        commit_->advance();
        if (!commit_->is_done()) {
            wait();
            return;
        }
        watches_.clear();
        timer_.cancel();
        boost::asio::dispatch(take_delivery());
    }

    [[nodiscard]] CommitDelivery<Handler, Executor> take_delivery() {
        auto report = commit_->report();
        commit_.reset();
        return {*std::exchange(handler_, std::nullopt), strand_.get_inner_executor(),
                std::move(report)};
    }

    void wait() {
        watches_.remove_if([this](const Watch& watch) { return !is_wanted(watch); });
        // Without a deadline the log is waited for, which wakes us by itself.
        auto until = commit_->deadline().value_or(TimePoint::max());
        for (const auto& one : commit_->waits()) {
            if (!watch(one)) {
                until = std::min(until, std::chrono::steady_clock::now() + kUnwatchedInterval);
            }
        }
        if (until_ != until) {
            until_ = until;
            timer_.expires_at(until);
            timer_.async_wait(step([](AsyncCommit& self) {
                self.until_.reset();
                self.advance();
            }));
        }
    }

    [[nodiscard]] bool is_wanted(const Watch& watch) const {
        const auto waits = commit_->waits();
        return std::any_of(waits.begin(), waits.end(), [&](const CommitOperation::Wait& one) {
            return one.branch == watch.branch && one.readiness.descriptor == watch.descriptor;
        });
    }

    [[nodiscard]] typename std::list<Watch>::iterator find_watch(std::size_t branch) {
        return std::find_if(watches_.begin(), watches_.end(),
                            [&](const Watch& watch) { return watch.branch == branch; });
    }

    /// False when the process may open no more descriptors.
    [[nodiscard]] bool watch(const CommitOperation::Wait& one) {
        auto found = find_watch(one.branch);
        if (found == watches_.end()) {
            const int duplicate = ::fcntl(one.readiness.descriptor, F_DUPFD_CLOEXEC, 0);
            if (duplicate < 0) {
                return false;
            }
            found = watches_.emplace(found, one, strand_);
            boost::system::error_code error;
            found->duplicate.assign(duplicate, error);
            if (error) {
                ::close(duplicate);
                watches_.erase(found);
                return false;
            }
        }
        if (one.readiness.for_reading && !std::exchange(found->is_reading, true)) {
            found->duplicate.async_wait(Descriptor::wait_read,
                                        event(one.branch, &Watch::is_reading));
        }
        if (one.readiness.for_writing && !std::exchange(found->is_writing, true)) {
            found->duplicate.async_wait(Descriptor::wait_write,
                                        event(one.branch, &Watch::is_writing));
        }
        return true;
    }

    [[nodiscard]] auto event(std::size_t branch, bool Watch::*is_waiting) {
        return step([branch, is_waiting](AsyncCommit& self) {
            if (const auto found = self.find_watch(branch); found != self.watches_.end()) {
                *found.*is_waiting = false;
            }
            self.advance();
        });
    }

    std::optional<Handler> handler_;  ///< until it is on its way
    Strand strand_;
    Timer timer_;
    std::optional<TimePoint> until_;  ///< what the timer is set to
    std::list<Watch> watches_;
    std::optional<CommitOperation> commit_;  ///< from when the strand has it until it is done
};

template <class Handler, class Executor>
void start_commit(Handler handler, const Executor& executor, Transaction& transaction,
                  Return until) {
    const auto allocator = boost::asio::get_associated_allocator(handler);
    std::allocate_shared<AsyncCommit<Handler, Executor>>(allocator, std::move(handler), executor)
        ->start(transaction, until);
}

}  // namespace detail

/// Commits without blocking a thread, and gives the report that Transaction::commit(until) gives to
/// the completion handler. Everything runs on the executor of the application, which is that of the
/// handler or of the coroutine, or is given:
///
///     auto report = co_await async_commit(tx, boost::asio::use_awaitable);
///     async_commit(tx, boost::asio::bind_executor(io, [](CommitReport report) { … }));
///     auto future = async_commit(io.get_executor(), tx, boost::asio::use_future);
///
/// There is no hidden thread. The one thing that may block the executor's thread is a write and
/// sync of the recovery log: of commits that decide at the same time, one does it for all.
///
/// Should the execution context end before the commit has, the transaction ends as by the
/// destruction of a CommitOperation, which the end of the context then waits for. The handler is
/// not called.
///
/// Ownership: the transaction has to be there when the operation starts, which is at once but for
/// lazy tokens such as use_awaitable; until the handler is called it may be destroyed or moved, and
/// nothing else. The TransactionManager outlives the operation.
/// Thread safety: different transactions may be committed by several threads at once.
template <class Executor, class CompletionToken>
auto async_commit(const Executor& executor, Transaction& transaction, CompletionToken&& token,
                  Return until = Return::when_finished) {
    return boost::asio::async_initiate<CompletionToken, void(CommitReport)>(
        [](auto handler, const Executor& runs_on, Transaction* started, Return reached) {
            detail::start_commit(std::move(handler), runs_on, *started, reached);
        },
        token, executor, &transaction, until);
}

/// The same on the executor that is associated with the handler.
template <class CompletionToken>
auto async_commit(Transaction& transaction, CompletionToken&& token,
                  Return until = Return::when_finished) {
    return boost::asio::async_initiate<CompletionToken, void(CommitReport)>(
        [](auto handler, Transaction* started, Return reached) {
            const auto executor = boost::asio::get_associated_executor(handler);
            static_assert(!detail::kIsSystemExecutor<decltype(executor)>,
                          "the handler has no executor of the application: give that to "
                          "async_commit() as first argument");
            detail::start_commit(std::move(handler), executor, *started, reached);
        },
        token, &transaction, until);
}

}  // namespace xa_tm
